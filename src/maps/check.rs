//! `vmail maps check`: what is wrong in a table, by itself and beside the others of its folder.

use std::collections::BTreeMap;
use std::path::Path;

use super::route::End;
use super::table::Entry;
use super::{Class, Genericstable, Remarks, Tables, Virtmaps, Virtusertable, shown};
use crate::vdomain::aliases;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `virtmaps`.
    Virtmaps,
    /// `virtusertable`.
    Virtusertable,
    /// `genericstable`.
    Genericstable,
    /// `local-host-names`, formerly `sendmail.cw`, and `generics-domains`.
    Domains,
    /// `relay-domains`: networks, too.
    RelayDomains,
    /// aliases(5).
    Aliases,
}

impl Kind {
    /// What a file of this name is; `None` where the name does not tell.
    pub fn of(file: &Path) -> Option<Kind> {
        let name = file.file_name()?.to_string_lossy().to_lowercase();
        let known = [
            ("virtmaps", Kind::Virtmaps),
            ("virtuser", Kind::Virtusertable),
            ("genericstable", Kind::Genericstable),
            ("local-host-names", Kind::Domains),
            ("generics-domains", Kind::Domains),
            ("sendmail.cw", Kind::Domains),
            ("relay-domains", Kind::RelayDomains),
            ("aliases", Kind::Aliases),
        ];
        known.into_iter().find(|(word, _)| name.contains(word)).map(|(_, kind)| kind)
    }

    /// Remarks on the text of a file of this kind (see [`super::text`]), which stands beside `tables`.
    pub fn check(self, text: &str, tables: Tables) -> Remarks {
        match self {
            Kind::Virtmaps => Virtmaps::parse(text).1,
            Kind::Virtusertable => virtusertable(text, tables),
            Kind::Genericstable => genericstable(text, &tables),
            Kind::Domains | Kind::RelayDomains => {
                let (class, mut remarks) = Class::parse(text);
                class.check(&mut remarks, self == Kind::RelayDomains);
                remarks
            }
            Kind::Aliases => aliases_file(text),
        }
    }
}

fn virtusertable(text: &str, mut tables: Tables) -> Remarks {
    let (table, mut remarks) = Virtusertable::parse(text);
    let mut domains: BTreeMap<String, (usize, bool)> = BTreeMap::new();
    for entry in table.table().entries() {
        let Some((local, domain)) = entry.key.rsplit_once('@') else { continue };
        let (_, has_rest) = domains.entry(domain.to_owned()).or_insert((entry.line, false));
        *has_rest |= local.is_empty();
    }
    for (domain, (line, has_rest)) in &domains {
        if !tables.local.has(domain) {
            let what = format!("no mail comes for {}: it is not in local-host-names", shown(domain));
            remarks.note_odd(*line, what, "add it there, or remove its lines");
            tables.local.add(domain);
        }
        if !has_rest {
            // behaviour.md trap 62.
            let what = format!("{} has no line for all its rest: what has no line goes to local users of the same name", shown(domain));
            remarks.note_odd(*line, what, "add `@domain error:nouser 550 No such user`, if that is not meant");
        }
    }
    tables.virtusers = table;
    tables.virtmaps = None;
    for entry in tables.virtusers.table().entries().iter().filter(|entry| entry.value.contains('@')) {
        if tables.route(&probe(entry)).end == End::Endless {
            remarks.note_wrong(entry.line, format!("{} leads on and on", shown(&entry.key)), "write who is meant in the end");
        }
    }
    remarks
}

/// An address for which a line may hold.
fn probe(entry: &Entry) -> String {
    let address = entry.key.replace("++@", "+vmail-check@").replace("+*@", "+vmail-check@");
    if address.starts_with(['@', '+']) { format!("vmail-check{address}") } else { address }
}

fn genericstable(text: &str, tables: &Tables) -> Remarks {
    let (table, mut remarks) = Genericstable::parse(text);
    for entry in table.table().entries() {
        let Some((_, domain)) = entry.key.rsplit_once('@') else { continue };
        // behaviour.md trap 64; a sender without a domain is looked up with the machine's name.
        if !tables.generic.has(domain) && !tables.host.eq_ignore_ascii_case(domain) {
            let what = format!("{} is never looked up: {} is not in generics-domains", shown(&entry.key), shown(domain));
            remarks.note_odd(entry.line, what, "add it there, or remove the line");
        }
    }
    remarks
}

fn aliases_file(text: &str) -> Remarks {
    let mut remarks = Remarks::default();
    for flaw in aliases::parse(text.as_bytes()).1 {
        match flaw.what.contains("Warning: ") {
            true => remarks.note_odd(flaw.line, flaw.what.replace("Warning: ", ""), flaw.mend),
            false => remarks.note_wrong(flaw.line, flaw.what, flaw.mend),
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, text: &str) -> Vec<String> {
        let mut tables = Tables { host: "mail.example.net".into(), ..Tables::default() };
        tables.local.add("b.org");
        tables.generic.add("g.org");
        let remarks = Kind::of(Path::new(file)).unwrap().check(text, tables);
        remarks.iter().map(|remark| format!("{}: {}", remark.line, remark.what)).collect()
    }

    #[test]
    fn files_are_known_by_their_names() {
        assert_eq!(Kind::of(Path::new("/etc/mail/virtusertable")), Some(Kind::Virtusertable));
        assert_eq!(Kind::of(Path::new("etc/aliases.va.test")), Some(Kind::Aliases));
        assert_eq!(Kind::of(Path::new("/etc/sendmail.cw")), Some(Kind::Domains));
        assert_eq!(Kind::of(Path::new("/etc/passwd")), None);
    }

    #[test]
    fn a_virtusertable_is_checked_beside_local_host_names() {
        assert_eq!(check("virtusertable", "joe@b.org joe\n@b.org error:nouser 550 No such user\n"), [""; 0]);
        assert_eq!(
            check("virtusertable", "joe@b.org joe\n@x.org joe\n"),
            [
                "1: b.org has no line for all its rest: what has no line goes to local users of the same name",
                "2: no mail comes for x.org: it is not in local-host-names"
            ]
        );
    }

    #[test]
    fn circles_are_found_wherever_they_begin() {
        let text = "a@b.org b@b.org\nb@b.org c@b.org\nc@b.org b@b.org\n@b.org %1@b.org\nx+*@b.org x+%2@b.org\nd@b.org joe\n";
        let circles: Vec<_> = check("virtusertable", text).into_iter().filter(|said| said.contains("leads on and on")).collect();
        assert_eq!(circles.iter().map(|said| &said[..1]).collect::<Vec<_>>(), ["1", "2", "3", "4", "5"]);
    }

    #[test]
    fn trap_64_a_genericstable_needs_its_domains_in_the_class() {
        assert_eq!(check("genericstable", "joe joe@b.org\nx@g.org x@b.org\nj@mail.example.net j@b.org\n"), [""; 0]);
        assert_eq!(check("genericstable", "x@h.org x@b.org\n"), ["1: x@h.org is never looked up: h.org is not in generics-domains"]);
    }

    #[test]
    fn the_other_kinds_are_checked_too() {
        assert_eq!(check("virtmaps", "@b.org joe\n").len(), 1);
        assert_eq!(check("local-host-names", "b.org\n@x.org\n"), ["2: @x.org is no domain"]);
        assert_eq!(check("relay-domains", "192.0.2\nb.org\n"), [""; 0]);
        assert_eq!(check("aliases", "a: b\nc d\na: x\n").len(), 2);
    }
}

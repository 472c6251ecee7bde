//! Files with a name a line: local-host-names, relay-domains, generics-domains (behaviour.md §12).

use std::collections::HashMap;

use super::{Remarks, lines::lines, shown};
use crate::address::Domain;

/// The names of a class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Class {
    /// In lower case, with the line of each; 0 for one that is in no file.
    names: HashMap<String, usize>,
}

impl Class {
    /// Reads a file (see [`super::text`]): the first word of each line counts, and `#` ends a line, as for sendmail.
    pub fn parse(text: &str) -> (Class, Remarks) {
        let (mut class, mut remarks) = (Class::default(), Remarks::default());
        for (line, text) in lines(text, &mut remarks) {
            let said = text.split('#').next().unwrap_or_default();
            let mut words = said.split_whitespace();
            let Some(name) = words.next() else { continue };
            if words.next().is_some() {
                remarks.note_odd(line, format!("only {} counts of this line", shown(name)), "write a name a line");
            }
            if let Some(former) = class.names.insert(name.to_lowercase(), line).filter(|former| *former > 0) {
                remarks.note_odd(line, format!("{} is in line {former}, too", shown(name)), "remove one of the two lines");
            }
        }
        (class, remarks)
    }

    /// Adds a name that no file has.
    pub fn add(&mut self, name: &str) {
        self.names.entry(name.to_lowercase()).or_insert(0);
    }

    /// Whether it has exactly this name, whatever its case.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains_key(&name.to_lowercase())
    }

    /// Whether it has this name or one that it is a subdomain of, as for relay-domains.
    pub fn covers(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        std::iter::successors(Some(&*name), |name| name.split_once('.').map(|(_, rest)| rest)).any(|name| self.names.contains_key(name))
    }

    /// The names in the file's order, each with its line; those of no file first, with 0.
    pub fn names(&self) -> Vec<(usize, &str)> {
        let mut names: Vec<_> = self.names.iter().map(|(name, line)| (*line, name.as_str())).collect();
        names.sort_unstable();
        names
    }

    /// Remarks on names that mail can't come for.
    pub(super) fn check(&self, remarks: &mut Remarks, may_be_network: bool) {
        for (line, name) in self.names() {
            if name.starts_with('@') || name.contains(['@', '*']) {
                remarks.note_wrong(line, format!("{} is no domain", shown(name)), "write the domain alone");
            } else if name.parse::<Domain>().is_err() && !(may_be_network && is_network(name)) {
                remarks.note_odd(line, format!("{} is no fully qualified domain", shown(name)), "write a name like example.org");
            }
        }
    }
}

/// As relay-domains may have: `192.0.2`, `192.0.2.1`, `IPv6:2001:db8`, `.example.org`.
fn is_network(name: &str) -> bool {
    let dotted = name.split('.').count() <= 4 && name.split('.').all(|part| part.parse::<u8>().is_ok());
    let colons = name.strip_prefix("ipv6:").is_some_and(|rest| rest.chars().all(|letter| letter.is_ascii_hexdigit() || letter == ':'));
    dotted || colons || name.strip_prefix('.').is_some_and(|rest| rest.parse::<Domain>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_of_a_line_is_a_name() {
        let (class, remarks) = Class::parse("# c\nB.org\nc.org # comment\n\n  d.org e.org\r\nb.ORG\n");
        assert!(class.has("b.org") && class.has("C.ORG") && class.has("d.org") && !class.has("e.org") && !class.has("sub.b.org"));
        let said: Vec<_> = remarks.iter().map(|remark| remark.line).collect();
        assert_eq!((said, remarks.wrong()), (vec![5, 5, 6], 0));
    }

    #[test]
    fn relay_domains_cover_their_subdomains() {
        let (class, _) = Class::parse("example.org\n");
        assert!(class.covers("example.org") && class.covers("a.b.Example.org") && !class.covers("anexample.org") && !class.covers("org"));
    }

    #[test]
    fn names_that_no_mail_comes_for_are_remarked_on() {
        let check = |text: &str, may_be_network| {
            let (class, mut remarks) = Class::parse(text);
            class.check(&mut remarks, may_be_network);
            (remarks.wrong(), remarks.odd())
        };
        assert_eq!(check("b.org\n@c.org\n*.d.org\nmailhost\n", false), (2, 1));
        assert_eq!(check("192.0.2\n.d.org\nIPv6:2001:db8\n192.0.2.1.5\n", true), (0, 1));
    }
}

//! Who gets the mail for an address in the end, in the words of `sendmail -bv` (behaviour.md §13.2).

use std::collections::HashSet;

use super::Tables;
use super::route::{ENDLESS, End, dotted};
use super::virtusertable::split_detail;
use crate::vdomain::aliases::{Alias, Target};

impl Tables {
    /// A line for each of those who get the mail for `address`, aliases followed; of what is wrong, too. :include: files are named, not
    /// read.
    pub fn expand(&self, address: &str) -> Vec<String> {
        let mut expansion = Expansion { tables: self, path: Vec::new(), done: HashSet::new(), said: HashSet::new(), lines: Vec::new() };
        expansion.address(address, address);
        expansion.lines
    }
}

struct Expansion<'t> {
    tables: &'t Tables,
    /// The aliases that have led here.
    path: Vec<String>,
    /// The aliases that were followed: their members are in the lines, once.
    done: HashSet<String>,
    said: HashSet<String>,
    lines: Vec<String>,
}

impl Expansion<'_> {
    /// `shown` is what a line begins with: the address as it was asked for, or as an alias has it.
    fn address(&mut self, address: &str, shown: &str) {
        match self.tables.route(address).end {
            End::Local(name) => self.name(&name, shown),
            End::Remote { local, host } => {
                self.say(format!("{shown}... deliverable: mailer esmtp, host {}, user {local}@{host}", dotted(&host)));
            }
            End::Refused(refusal) => self.say(format!("{shown}... {}", without_code(refusal.text.trim_matches('"')))),
            End::Endless => self.say(format!("{shown}... {}", without_code(ENDLESS))),
        }
    }

    fn name(&mut self, name: &str, shown: &str) {
        let name = name.to_lowercase();
        let refused = [("|", "programs"), ("/", "files"), (":include:", ":include:s")].into_iter().find(|(mark, _)| name.starts_with(mark));
        if let Some((_, what)) = refused {
            return self.say(format!("{shown}... Cannot mail directly to {what}"));
        }
        if self.path.last() == Some(&name) {
            return self.user(&name, shown);
        }
        if self.path.contains(&name) || self.path.len() == MAX_DEPTH {
            return self.say(format!("{shown}... aliasing/forwarding loop broken"));
        }
        match self.alias(&name) {
            None => self.user(&name, shown),
            Some(_) if !self.done.insert(name.clone()) => {}
            Some(alias) => {
                self.path.push(name);
                alias.targets.iter().for_each(|target| self.target(target));
                self.path.pop();
            }
        }
    }

    /// The alias of a name: exactly, then `user+*`, then `user`.
    fn alias(&self, name: &str) -> Option<Alias> {
        let aliases = &self.tables.aliases;
        let plain = || split_detail(name).and_then(|(user, _)| aliases.get(&format!("{user}+*")).or_else(|| aliases.get(user)));
        aliases.get(name).or_else(plain).cloned()
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Name(name) => self.name(name, name),
            Target::Address(address) => self.address(address, address),
            Target::User(name) => self.user(name, &format!("\\{name}")),
            Target::File(path) => self.say(format!("{0}... deliverable: mailer *file*, user {0}", path.display())),
            Target::Program(command) => self.say(format!("\"|{command}\"... deliverable: mailer prog, user \"|{command}\"")),
            Target::Include(path) => self.say(format!(":include:{0}... deliverable: mailer *include*, user {0}", path.display())),
            Target::Broken(what) => self.say(format!("{what}... not understood")),
        }
    }

    fn user(&mut self, name: &str, shown: &str) {
        let (plain, detail) = split_detail(name).unwrap_or((name, ""));
        // sendmail's local mailer gets the detail as its host, and keeps the backslash of a user that is not looked up again.
        let host = if detail.is_empty() { String::new() } else { format!("host {detail}, ") };
        let backslash = if shown.starts_with('\\') { "\\" } else { "" };
        self.say(match self.tables.has_user(plain) {
            true => format!("{shown}... deliverable: mailer local, {host}user {backslash}{plain}"),
            false => format!("{shown}... User unknown"),
        });
    }

    fn say(&mut self, line: String) {
        if self.lines.len() < MAX_LINES && self.said.insert(line.clone()) {
            self.lines.push(line);
        }
    }
}

fn without_code(text: &str) -> &str {
    text.trim_start_matches(|letter: char| letter.is_ascii_digit()).trim_start()
}

/// sendmail's MaxAliasRecursion.
const MAX_DEPTH: usize = 10;
/// More than anybody reads.
const MAX_LINES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::super::{Class, Virtusertable};
    use super::*;
    use crate::vdomain::{Passwd, aliases};

    fn expand(aliases: &str, address: &str) -> Vec<String> {
        let users = "joe:x:1:1::/:\nann:x:1:1::/:\n";
        let tables = Tables {
            local: Class::parse("b.org\n").0,
            virtusers: Virtusertable::parse("list@b.org team\n@b.org %1%3\nno@b.org error:nouser 550 No such user\nprog@b.org |x\n").0,
            aliases: aliases::parse(aliases.as_bytes()).0,
            users: Passwd::parse(users.as_bytes(), std::path::Path::new("passwd")),
            ..Tables::default()
        };
        tables.expand(address)
    }

    #[test]
    fn seed_004_note_2_a_virtual_address_with_several_recipients_goes_through_an_alias() {
        let aliases = "team: joe, eve@othercompany.com, joe, nobody\n";
        assert_eq!(
            expand(aliases, "list@b.org"),
            [
                "joe... deliverable: mailer local, user joe",
                "eve@othercompany.com... deliverable: mailer esmtp, host othercompany.com., user eve@othercompany.com",
                "nobody... User unknown"
            ]
        );
    }

    #[test]
    fn ends_are_told_in_the_words_of_sendmail() {
        let aliases = "prog: \"|/bin/cat -n\"\nfile: /tmp/f\nuser: \\ann\nplus+*: ann\nself: self\njoe: joe, ann\na: b\nb: a\n";
        for (address, said) in [
            ("prog", "\"|/bin/cat -n\"... deliverable: mailer prog, user \"|/bin/cat -n\""),
            ("file", "/tmp/f... deliverable: mailer *file*, user /tmp/f"),
            ("user", "\\ann... deliverable: mailer local, user \\ann"),
            ("plus+x", "ann... deliverable: mailer local, user ann"),
            ("plus", "plus... User unknown"),
            ("self", "self... User unknown"),
            ("JOE", "joe... deliverable: mailer local, user joe"),
            ("ann+x", "ann+x... deliverable: mailer local, host x, user ann"),
            ("a", "a... aliasing/forwarding loop broken"),
            ("no@b.org", "no@b.org... No such user"),
            ("prog@b.org", "prog@b.org... Cannot mail directly to programs"),
            ("x@", "x@... Hostname required"),
        ] {
            assert_eq!(expand(aliases, address)[0], said, "{address}");
        }
        assert_eq!(expand(aliases, "joe").len(), 2);
    }

    #[test]
    fn trap_63_after_mapping_to_a_local_name_the_domain_is_forgotten() {
        let aliases = "team: ann\n";
        assert_eq!(expand(aliases, "list@b.org"), expand(aliases, "team"));
        assert_eq!(expand(aliases, "team@b.org"), ["ann... deliverable: mailer local, user ann"]);
    }

    #[test]
    fn trap_74_aliases_of_aliases_are_followed_once_each() {
        let layer = |nth: usize| format!("l{nth}: l{0}, l{0}, k{0}\nk{nth}: l{0}, k{0}\n", nth + 1);
        let aliases: String = (0..9).map(layer).chain(["l9: joe\nk9: ann\n".to_owned()]).collect();
        assert_eq!(expand(&aliases, "l0").len(), 2);
    }
}

//! `vmail maps test`: questions in the manner of `sendmail -bt`, and their answers (behaviour.md §13.1).

use super::route::{ENDLESS, End, Route, dotted, focus};
use super::{Class, Table, Tables};

/// What greets.
pub const GREETING: &str = "ADDRESS TEST MODE (? for help)\nEnter <ruleset> <address>\n";
/// What asks.
pub const PROMPT: &str = "> ";

impl Tables {
    /// The answer to a line, with its line ends; `None` to `/quit`. Control characters, which a table may
    /// have from strangers, become question marks.
    pub fn answer(&self, line: &str) -> Option<String> {
        let said = self.said(line.trim())?;
        Some(said.replace(|letter: char| letter.is_control() && letter != '\n', "?"))
    }

    fn said(&self, line: &str) -> Option<String> {
        let (verb, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let rest = rest.trim();
        Some(match verb {
            "" => String::new(),
            "/quit" => return None,
            "?" | "/help" => HELP.to_owned(),
            "/map" => self.answer_map(rest),
            "/parse" => with_argument(rest, "No address!", |address| self.answer_parse(address)),
            "/try" => self.answer_try(rest),
            "/bv" => with_argument(rest, "No address!", |address| self.expand(address).into_iter().map(|line| line + "\n").collect()),
            "3,0" | "canonify,parse" => with_argument(rest, "No address!", |address| self.answer_rulesets(address)),
            _ if verb.starts_with('$') => self.answer_macro(&verb[1..]),
            _ if verb.starts_with(['#', ';']) => String::new(),
            _ if verb.starts_with(['/', '=', '.', '-']) => format!("{verb} is not known here; ? for help\n"),
            _ => format!("Undefined ruleset {verb}; 3,0 is known here\n"),
        })
    }

    fn answer_macro(&self, name: &str) -> String {
        match name {
            "j" => format!("{}\n", self.host),
            "=w" => members(&self.local),
            "=R" => members(&self.relay),
            "=G" => members(&self.generic),
            _ => "Undefined; known here are $j, $=w, $=R and $=G\n".to_owned(),
        }
    }

    fn answer_map(&self, rest: &str) -> String {
        let Some((name, key)) = rest.split_once([' ', '\t']) else {
            return if rest.is_empty() { "Usage: /map mapname key\n".to_owned() } else { "No key specified\n".to_owned() };
        };
        let key = key.trim();
        let of = |table: &Table| table.get(key).map(|entry| entry.filled(&[key]));
        let found = match name {
            "virtuser" => of(self.virtusers.table()),
            "generics" => of(self.generics.table()),
            "virtmaps" => self.virtmaps.as_ref().and_then(|map| map.recipient(key).ok()?).map(|hit| hit.recipient),
            _ => return format!("Map named \"{name}\" not found\n"),
        };
        match found {
            Some(value) => format!("map_lookup: {name} ({key}) returns {value} (0)\n"),
            None => format!("map_lookup: {name} ({key}) no match (0)\n"),
        }
    }

    fn answer_rulesets(&self, address: &str) -> String {
        let route = self.route(address);
        format!("{}{:<16} returns: {}\n", steps(&route), "parse", route.end)
    }

    fn answer_parse(&self, address: &str) -> String {
        let route = self.route(address);
        let steps = steps(&route);
        let end = match route.end {
            End::Local(user) => format!("mailer local, user {user}"),
            End::Remote { local, host } => format!("mailer esmtp, host {}, user {local}@{host}", dotted(&host)),
            End::Refused(refusal) => refusal.reply(),
            End::Endless => ENDLESS.replacen(' ', " 5.0.0 ", 1),
        };
        format!("{steps}{end}\n")
    }

    /// The address as a header's sender, as after `/tryflags HS`.
    fn answer_try(&self, rest: &str) -> String {
        let Some((mailer, address)) = rest.split_once([' ', '\t']).map(|(mailer, address)| (mailer, address.trim())) else {
            return "Usage: /try mailer address\n".to_owned();
        };
        let (local, domain) = match focus(address) {
            Ok(focused) => focused,
            Err(why) => return format!("Rcode = 68, addr = {address}: {why}\n"),
        };
        let domain = domain.as_deref();
        let plain = || format!("{local}@{}", domain.unwrap_or(&self.host));
        let (step, sender) = match self.generics.search(&local, domain, &self.generic, &self.host) {
            Some((entry, sender)) => (format!("genericstable:{}: {} is {}", entry.line, entry.key, entry.value), sender),
            None if domain.is_some_and(|domain| !self.generic.has(domain)) => {
                (format!("{} is not in generics-domains: not looked up", domain.unwrap_or_default()), plain())
            }
            None => ("genericstable: not there".to_owned(), plain()),
        };
        format!("Trying header sender address {address} for mailer {mailer}\n  {step}\nRcode = 0, addr = {sender}\n")
    }
}

fn steps(route: &Route) -> String {
    route.steps.iter().map(|step| format!("  {step}\n")).collect()
}

fn with_argument(rest: &str, usage: &str, answer: impl FnOnce(&str) -> String) -> String {
    if rest.is_empty() { format!("{usage}\n") } else { answer(rest) }
}

fn members(class: &Class) -> String {
    class.names().into_iter().map(|(_, name)| format!("{name}\n")).collect()
}

const HELP: &str = "\
3,0 ADDRESS        where mail for it goes: which line of which table says so; the last line is that of sendmail -bt
/parse ADDRESS     the same, ending with the mailer, or with what a client is told
/bv ADDRESS        who gets it in the end, aliases followed, as sendmail -bv says it
/map NAME KEY      look up a key; maps are virtuser, generics and virtmaps
/try MAILER ADDR   what a sender in a header becomes
$=w  $=R  $=G      local-host-names, relay-domains, generics-domains
$j                 this machine's name
/quit              end
";

#[cfg(test)]
mod tests {
    use super::super::{Genericstable, Virtusertable};
    use super::*;

    fn tables() -> Tables {
        let mut local = Class::parse("yourdomain.com\n").0;
        ["mail.example.net", "localhost"].iter().for_each(|name| local.add(name));
        Tables {
            host: "mail.example.net".into(),
            local,
            virtusers: Virtusertable::parse(
                "joe@yourdomain.com\tjschmoe\njane@yourdomain.com\tjdoe@othercompany.com\n@yourdomain.com\tjschmoe\n",
            )
            .0,
            generics: Genericstable::parse("jschmoe\tjoe@yourdomain.com\n").0,
            ..Tables::default()
        }
    }

    fn answer(line: &str) -> String {
        tables().answer(line).unwrap()
    }

    #[test]
    fn seed_004_examples_of_things_to_try_in_test_mode() {
        for (line, said) in [
            ("# make sure the domain is in class w:", ""),
            ("$=w", "localhost\nmail.example.net\nyourdomain.com\n"),
            ("/map virtuser joe@yourdomain.com", "map_lookup: virtuser (joe@yourdomain.com) returns jschmoe (0)\n"),
            ("/map virtuser jane@yourdomain.com", "map_lookup: virtuser (jane@yourdomain.com) returns jdoe@othercompany.com (0)\n"),
            ("/map virtuser @yourdomain.com", "map_lookup: virtuser (@yourdomain.com) returns jschmoe (0)\n"),
            (
                "3,0 joe@yourdomain.com",
                "  joe@yourdomain.com: yourdomain.com is local\n  virtusertable:1: joe@yourdomain.com is jschmoe\n  jschmoe: a local name\n\
                 parse            returns: $# local $: jschmoe\n",
            ),
            (
                "3,0 some@yourdomain.com",
                "  some@yourdomain.com: yourdomain.com is local\n  virtusertable: some@yourdomain.com is not there\n  \
                 virtusertable:3: @yourdomain.com is jschmoe\n  jschmoe: a local name\nparse            returns: $# local $: jschmoe\n",
            ),
        ] {
            assert_eq!(answer(line), said, "{line}");
        }
    }

    #[test]
    fn trap_69_what_is_wrong_is_said_as_sendmail_says_it() {
        for (line, said) in [
            ("/map virtuser nobody@x.org", "map_lookup: virtuser (nobody@x.org) no match (0)\n"),
            ("/map nosuchmap x", "Map named \"nosuchmap\" not found\n"),
            ("/map virtuser", "No key specified\n"),
            ("/map", "Usage: /map mapname key\n"),
            ("3,0", "No address!\n"),
            ("bogusset x", "Undefined ruleset bogusset; 3,0 is known here\n"),
            ("$j", "mail.example.net\n"),
        ] {
            assert_eq!(answer(line), said, "{line}");
        }
        assert_eq!(tables().answer("/quit"), None);
        assert_eq!(answer("/map virtuser \u{1b}[31m"), "map_lookup: virtuser (?[31m) no match (0)\n");
    }

    #[test]
    fn senders_and_ends_are_told() {
        assert!(answer("/try esmtp jschmoe").ends_with("\nRcode = 0, addr = joe@yourdomain.com\n"));
        assert!(answer("/try esmtp zed").ends_with("\nRcode = 0, addr = zed@mail.example.net\n"));
        assert!(answer("/try esmtp zed@else.org").ends_with("\nRcode = 0, addr = zed@else.org\n"));
        assert!(answer("/parse jane@yourdomain.com").ends_with("\nmailer esmtp, host othercompany.com., user jdoe@othercompany.com\n"));
        assert_eq!(answer("/bv jschmoe"), "jschmoe... User unknown\n");
    }
}

//! Where mail for an address goes by sendmail's tables, and which line of which table says so.

use std::fmt;

use super::tokens::{places, spaced};
use super::virtusertable::{Refusal, Value};
use super::{Tables, shown};

/// Where mail for an address goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What was looked at, in order, for people.
    pub steps: Vec<String>,
    /// The end.
    pub end: End,
}

/// The end of a route. Shown as the last line of sendmail's `3,0` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// To an alias, or to a user of this machine.
    Local(String),
    /// Out, to this host.
    Remote {
        /// The local part.
        local: String,
        /// In lower case, without a dot at its end.
        host: String,
    },
    /// Nowhere.
    Refused(Refusal),
    /// On and on: virtusertable leads in a circle, or makes longer and longer addresses (behaviour.md §8.3).
    Endless,
}

impl Tables {
    /// Follows `address` through virtmaps, or virtusertable as often as it says (behaviour.md §8.3). Every host is taken for one that
    /// exists: no name service is asked. UUCP's `!` is a letter like any other.
    pub fn route(&self, address: &str) -> Route {
        let mut steps = Vec::new();
        let mut address = address.to_owned();
        for _ in 0..MAX_REWRITES {
            match self.step(&address, &mut steps) {
                Step::End(end) => return Route { steps, end },
                Step::Again(next) if next.len() > MAX_ADDRESS => break,
                Step::Again(next) => address = next,
            }
        }
        steps.push(format!("{}: virtusertable leads on and on", shown(&address)));
        Route { steps, end: End::Endless }
    }

    fn step(&self, address: &str, steps: &mut Vec<String>) -> Step {
        let (local, host) = match focus(address) {
            Ok(focused) => focused,
            Err(why) => {
                steps.push(format!("{}: no address", shown(address)));
                return Step::End(End::Refused(Refusal { code: "5.1.3".into(), text: format!("\"553 {why}\"") }));
            }
        };
        let Some(host) = host else {
            steps.push(format!("{}: a local name", shown(address)));
            return Step::End(End::Local(local));
        };
        if !self.local.has(&host) {
            steps.push(format!("{}: {} is elsewhere{}", shown(address), shown(&host), self.standing(&host)));
            return Step::End(End::Remote { local, host });
        }
        steps.push(format!("{}: {} is local", shown(address), shown(&host)));
        if let Some(&percent) = places(&local, '%').last().filter(|at| **at > 0 && **at + 1 < local.len()) {
            return Step::Again(format!("{}@{}", &local[..percent], &local[percent + 1..]));
        }
        self.virtmap(&local, &host, steps).unwrap_or_else(|| self.virtuser(local, &host, steps))
    }

    fn standing(&self, host: &str) -> &'static str {
        match self.relay.covers(host) {
            true => ", and relayed for",
            false => ", and relayed for this machine's own users only",
        }
    }

    /// What virtmaps says is not looked up again (behaviour.md §7.3).
    fn virtmap(&self, local: &str, host: &str, steps: &mut Vec<String>) -> Option<Step> {
        let hit = self.virtmaps.as_ref()?.recipient(&format!("{local}@{host}")).ok()??;
        steps.push(format!("virtmaps: {} is {}", shown(&hit.key), shown(&hit.recipient)));
        Some(Step::End(match hit.recipient.rsplit_once('@') {
            Some((local, domain)) if !self.local.has(domain) => End::Remote { local: local.to_owned(), host: domain.to_lowercase() },
            Some((local, _)) => End::Local(local.to_owned()),
            None => End::Local(hit.recipient),
        }))
    }

    fn virtuser(&self, local: String, host: &str, steps: &mut Vec<String>) -> Step {
        let search = self.virtusers.search(&local, host);
        let (last, missed) = search.tried.split_last().expect("an address has keys");
        steps.extend(missed.iter().map(|(_, key)| format!("virtusertable: {} is not there", shown(key))));
        let Some((entry, value)) = search.found else {
            steps.push(format!("virtusertable: {} is not there: a local name", shown(&last.1)));
            return Step::End(End::Local(local));
        };
        steps.push(format!("virtusertable:{}: {} is {}", entry.line, shown(&entry.key), shown(&entry.value)));
        match value {
            Value::Address(next) => Step::Again(next),
            Value::Error(refusal) if refusal.text.is_empty() => {
                // What the rules have in hand there goes to the client (behaviour.md §8.4).
                let garbage = spaced(&format!("{} > {local} < @ {host} .", refusal.code));
                let (code, text) = garbage.split_once(' ').unwrap_or_default();
                Step::End(End::Refused(Refusal { code: code.to_owned(), text: text.to_owned() }))
            }
            Value::Error(refusal) => {
                steps.push(format!("a client is told: {}", shown(&refusal.reply())));
                Step::End(End::Refused(refusal))
            }
        }
    }
}

enum Step {
    End(End),
    Again(String),
}

/// Local part and host of an address: of `Full Name <address>`, of the last hop of a route `@host:address`, and of `user%host`.
pub(super) fn focus(text: &str) -> Result<(String, Option<String>), &'static str> {
    if text.len() > MAX_ADDRESS {
        return Err("Address too long");
    }
    let text = match (places(text, '<').last(), places(text, '>').last()) {
        (Some(&open), Some(&close)) if open < close => &text[open + 1..close],
        _ => text,
    };
    let text = text.trim();
    let text = match places(text, ':').last() {
        Some(&colon) if text.starts_with('@') => &text[colon + 1..],
        _ => text,
    };
    let (at, percent) = (places(text, '@'), places(text, '%'));
    let cut = match (&at[..], percent.last()) {
        ([at], _) => *at,
        ([], Some(&percent)) if percent > 0 => percent,
        ([], _) if text.is_empty() => return Err("User address required"),
        ([], _) => return Ok((text.to_owned(), None)),
        _ => return Err("Invalid route address"),
    };
    let (local, host) = (&text[..cut], &text[cut + 1..]);
    match (local, host.strip_suffix('.').unwrap_or(host)) {
        ("", _) => Err("User address required"),
        (_, "") => Err("Hostname required"),
        (local, host) => Ok((local.to_owned(), Some(host.to_lowercase()))),
    }
}

impl fmt::Display for End {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Local(name) => write!(out, "$# local $: {}", spaced(name)),
            End::Remote { local, host } => {
                let host = spaced(&dotted(host));
                write!(out, "$# esmtp $@ {host} $: {} < @ {host} >", spaced(local))
            }
            End::Refused(refusal) => write!(out, "$# error $@ {} $: {}", spaced(&refusal.code), spaced(&refusal.text)),
            End::Endless => write!(out, "$# error $@ 5 . 0 . 0 $: {}", spaced(ENDLESS)),
        }
    }
}

/// A host that exists has a dot at its end; an address literal never.
pub(super) fn dotted(host: &str) -> String {
    if host.starts_with('[') { host.to_owned() } else { format!("{host}.") }
}

/// sendmail's MaxRuleRecursion.
const MAX_REWRITES: usize = 50;
/// What a client is told of a circle, without its enhanced code.
pub(super) const ENDLESS: &str = "554 rewrite: excessive recursion (max 50), ruleset canonify";
/// Octets. More than any address may have (RFC 5321 §4.5.3.1.3); each look-up may double one.
const MAX_ADDRESS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::super::{Class, Virtusertable};
    use super::*;

    fn tables(virtusers: &str) -> Tables {
        let mut local = Class::parse("yourdomain.com\nb.org\n").0;
        local.add("mail.example.net");
        Tables { host: "mail.example.net".into(), local, virtusers: Virtusertable::parse(virtusers).0, ..Tables::default() }
    }

    fn end(virtusers: &str, address: &str) -> String {
        tables(virtusers).route(address).end.to_string()
    }

    #[test]
    fn seed_004_the_last_lines_of_3_0() {
        let table = "joe@yourdomain.com\tjschmoe\nbogus@yourdomain.com\terror:nouser No such user here\n\
                     list@yourdomain.com\tyourdomain-list\n@yourdomain.com\t\t%1@othercompany.com\n";
        assert_eq!(end(table, "joe@yourdomain.com"), "$# local $: jschmoe");
        assert_eq!(end(table, "some@yourdomain.com"), "$# esmtp $@ othercompany . com . $: some < @ othercompany . com . >");
        assert_eq!(end(table, "bogus@yourdomain.com"), "$# error $@ nouser $: No such user here");
    }

    #[test]
    fn trap_53_virtusertable_is_followed_to_its_end() {
        let table = "local2@b.org joe@b.org\njoe@b.org jschmoe\n";
        let route = tables(table).route("Local2@B.org");
        assert_eq!(route.end, End::Local("jschmoe".into()));
        assert_eq!(
            route.steps,
            [
                "Local2@B.org: b.org is local",
                "virtusertable:1: local2@b.org is joe@b.org",
                "joe@b.org: b.org is local",
                "virtusertable:2: joe@b.org is jschmoe",
                "jschmoe: a local name"
            ]
        );
    }

    #[test]
    fn trap_62_a_local_domain_without_a_line_falls_to_the_local_user() {
        assert_eq!(end("joe@b.org x\n", "sam@b.org"), "$# local $: sam");
        assert_eq!(end("joe@b.org x\n@b.org error:nouser No\n", "sam@b.org"), "$# error $@ nouser $: No");
    }

    #[test]
    fn trap_73_a_circle_ends_after_fifty_rewrites() {
        for table in ["x@b.org x@b.org\n", "x@b.org y@b.org\ny@b.org x@b.org\n", "@b.org %1+%2%3%1@b.org\n"] {
            let route = tables(table).route("x@b.org");
            assert_eq!(route.end, End::Endless, "{table}");
            assert!(route.end.to_string().starts_with("$# error $@ 5 . 0 . 0 $: 554 rewrite : excessive recursion"));
        }
        assert!(end("", &"x".repeat(2_000)).ends_with("\"553 Address too long\""));
    }

    #[test]
    fn error_without_a_text_sends_garbage() {
        assert_eq!(end("nt@b.org error:nouser\n", "nt@b.org"), "$# error $@ nouser $: > nt < @ b . org .");
        assert_eq!(end("nt@b.org error:\n", "nt@b.org"), "$# error $@ > $: nt < @ b . org .");
    }

    #[test]
    fn what_is_no_address_is_refused_as_sendmail_does() {
        for (address, said) in [
            ("@b.org", "\"553 User address required\""),
            ("joe@", "\"553 Hostname required\""),
            ("a@b@b.org", "\"553 Invalid route address\""),
        ] {
            assert_eq!(end("", address), format!("$# error $@ 5 . 1 . 3 $: {said}"), "{address}");
        }
    }
}

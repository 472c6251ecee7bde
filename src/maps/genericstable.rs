//! genericstable: what local users are called in what they send (behaviour.md §9).

use super::table::{Entry, Table};
use super::virtusertable::split_detail;
use super::{Class, Remarks, shown};

/// What a genericstable says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Genericstable(Table);

impl Genericstable {
    /// Reads the table (see [`super::text`]) and remarks on what can't work.
    pub fn parse(text: &str) -> (Genericstable, Remarks) {
        let (table, mut remarks) = Table::parse(text);
        table.entries().iter().for_each(|entry| check(entry, &mut remarks));
        (Genericstable(table), remarks)
    }

    /// The lines themselves.
    pub fn table(&self) -> &Table {
        &self.0
    }

    /// The line that holds for a sender in a header, and the address that it gives: `local` of this machine where there is no domain, else
    /// of a domain in `generic` (class G). Others are not looked up. An address without a domain gets that of the machine, `host`.
    pub fn search(&self, local: &str, domain: Option<&str>, generic: &Class, host: &str) -> Option<(&Entry, String)> {
        if domain.is_some_and(|domain| !generic.has(domain)) {
            return None;
        }
        let (entry, arguments) =
            keys(local, domain, host).into_iter().find_map(|(key, argument)| Some((self.0.get(&key)?, [key, argument])))?;
        let value = entry.filled(&arguments.each_ref().map(String::as_str));
        Some((entry, if value.contains('@') { value } else { format!("{value}@{host}") }))
    }
}

/// The keys in sendmail's order, each with `%1`: the whole address, with its detail as `+*`, without it, then the domain, then the same
/// with bare names. The domain is looked up only where the sender has written one.
fn keys(local: &str, domain: Option<&str>, host: &str) -> Vec<(String, String)> {
    let nothing = String::new;
    let detailed = split_detail(local);
    let of = |at: &str| {
        let mut keys = vec![(format!("{local}{at}"), nothing())];
        if let Some((user, detail)) = detailed {
            keys.extend([(format!("{user}+*{at}"), detail.to_owned()), (format!("{user}{at}"), nothing())]);
        }
        keys
    };
    let catch_all = domain.map(|domain| (format!("@{domain}"), local.to_owned()));
    of(&format!("@{}", domain.unwrap_or(host))).into_iter().chain(catch_all).chain(of("")).collect()
}

fn check(entry: &Entry, remarks: &mut Remarks) {
    if entry.key.ends_with(':') {
        let what = format!("{} is never looked up: the colon is part of it", shown(&entry.key));
        remarks.note_wrong(entry.line, what, "remove the colon");
    }
    let odd_one = |letter: char| letter.is_whitespace() || letter == ',';
    if entry.value.trim_end_matches([' ', '\t']).contains(odd_one) || entry.value.starts_with(['|', '/', ':']) {
        remarks.note_wrong(entry.line, format!("{} is not one address", shown(&entry.value)), "write user@domain");
    } else if entry.key.contains('@') && !entry.value.contains('@') {
        let what = format!("{} has no domain: it gets this machine's", shown(&entry.value));
        remarks.note_odd(entry.line, what, "the columns are the reverse of virtusertable's: a local name, and its public address");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compared with `/tryflags HS`, `/try esmtp ADDRESS` of sendmail 8.17.
    #[test]
    fn senders_are_looked_up_in_the_order_of_sendmail() {
        let text = "jschmoe\tjoe@yourdomain.com\nann@generic.org\tann.smith@b.org\n@generic.org\t%1@b.org\nrel\tlocalname\n\
                    plus+*\tpl+%1@b.org\nold+*@generic.org\tnew+%1@b.org\nold@generic.org\tolder@b.org\nbare\tbare@b.org\n\
                    joe@mail.example.net\tjoseph@b.org\n@mail.example.net\tall.%1@b.org\ndet@generic.org\td%2.%3@b.org\n";
        let (table, remarks) = Genericstable::parse(text);
        assert_eq!((remarks.wrong(), remarks.odd()), (0, 0));
        let (generic, _) = Class::parse("generic.org\n");
        for (sender, expected) in [
            ("jschmoe", Some("joe@yourdomain.com")),
            ("ann@generic.org", Some("ann.smith@b.org")),
            ("bob@generic.org", Some("bob@b.org")),
            ("rel", Some("localname@mail.example.net")),
            ("plus+x", Some("pl+x@b.org")),
            ("plus", None),
            ("old+x@generic.org", Some("new+x@b.org")),
            ("old+@generic.org", Some("new+@b.org")),
            ("old@generic.org", Some("older@b.org")),
            ("bare+q", Some("bare@b.org")),
            ("joe", Some("joseph@b.org")),
            ("zed", None),
            ("joe@mail.example.net", None),
            ("x+y@generic.org", Some("x+y@b.org")),
            ("det+1@generic.org", Some("d.@b.org")),
            ("jschmoe@yourdomain.com", None),
            ("bob@sub.generic.org", None),
        ] {
            let (local, domain) = sender.split_once('@').map_or((sender, None), |(local, domain)| (local, Some(domain)));
            let found = table.search(local, domain, &generic, "mail.example.net").map(|(_, address)| address);
            assert_eq!(found.as_deref(), expected, "{sender}");
        }
    }

    #[test]
    fn trap_64_what_cannot_be_a_sender_is_remarked_on() {
        let check = |text: &str| {
            let (_, remarks) = Genericstable::parse(text);
            (remarks.wrong(), remarks.odd())
        };
        assert_eq!(check("jschmoe: joe@yourdomain.com\n"), (1, 0));
        assert_eq!(check("jschmoe joe@yourdomain.com, ann@yourdomain.com\n"), (1, 0));
        assert_eq!(check("joe@yourdomain.com jschmoe\n"), (0, 1), "the columns are reversed");
    }
}

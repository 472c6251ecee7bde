//! Whether a message names somebody as its recipient (RFC 5230 §4.5, behaviour.md §18 trap 40).

use std::collections::HashSet;

use super::{Mail, Mailbox, Plan};
use crate::address::Address;

/// The addresses under which a message may have meant a user, lower case.
pub struct Own(HashSet<(String, String)>);

impl Own {
    /// The addresses that led to the mailbox at step `at` of `plan`, its own and, where that is one, the full name; each at all names of the
    /// domain.
    pub fn of(plan: &Plan, at: usize, mailbox: &Mailbox) -> Own {
        let (domain, mut own) = (&mailbox.domain, HashSet::new());
        let names: Vec<&str> = domain.record.alias.iter().chain([&domain.name]).map(|name| name.as_str()).collect();
        let mut add = |local: &str| names.iter().for_each(|name| _ = own.insert((local.to_lowercase(), (*name).to_owned())));
        add(mailbox.user.as_str());
        if domain.record.delivery.full_names {
            add(&mailbox.account.full_name().split_whitespace().collect::<Vec<_>>().join("."));
        }
        let led: Vec<Address> = plan.above(at).filter_map(|step| step.subject.parse().ok()).collect();
        led.iter().filter(|address| names.contains(&address.domain().as_str())).for_each(|address| add(address.local()));
        own.extend(led.iter().map(|address| (address.local().to_lowercase(), address.domain().to_string())));
        Own(own)
    }

    /// The addresses as texts.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(|(local, domain)| format!("{local}@{domain}")).collect()
    }

    /// Whether `mail` is addressed to one of them, with or without something behind a `+`.
    pub fn are_named_in(&self, mail: &Mail) -> bool {
        let values = mail.fields().filter(|field| FIELDS.iter().any(|name| field.is(name)));
        values.map(|field| String::from_utf8_lossy(field.value).to_lowercase()).any(|value| self.are_in(&value))
    }

    fn are_in(&self, value: &str) -> bool {
        value.match_indices('@').any(|(at, _)| {
            let local = local_before(&value[..at]);
            let end = value[at + 1..].find(|letter: char| !letter.is_alphanumeric() && !".-".contains(letter));
            let domain = value[at + 1..][..end.unwrap_or(value.len() - at - 1)].trim_end_matches('.');
            let is_own = |local: &str| self.0.contains(&(local.to_owned(), domain.to_owned()));
            is_own(local) || local.split_once('+').is_some_and(|(base, _)| is_own(base))
        })
    }
}

/// The local part at the end of `text`: what stands in quotes, or all behind the last letter that would need them.
fn local_before(text: &str) -> &str {
    match text.strip_suffix('"') {
        Some(quoted) => quoted.rsplit('"').next().unwrap_or_default(),
        None => text.rsplit(|letter: char| letter.is_whitespace() || "<>(),;:@\"[]".contains(letter)).next().unwrap_or_default(),
    }
}

const FIELDS: [&str; 6] = ["To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"];

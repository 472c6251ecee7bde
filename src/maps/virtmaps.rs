//! `virtmaps`: one recipient for each address, and for each domain one that gets the rest (behaviour.md §7).

use std::borrow::Cow;
use std::collections::hash_map::Entry as Place;
use std::collections::{HashMap, HashSet};

use super::lines::{key_and_value, lines};
use super::{Remarks, folded, is_plain, shown};
use crate::address::Domain;

/// What a virtmaps file says.
#[derive(Debug, Default)]
pub struct Virtmaps<'t> {
    entries: Vec<Entry<'t>>,
    /// Places in `entries`.
    by_key: HashMap<Cow<'t, str>, usize>,
    /// Each domain of a key as it is first written, with its line.
    domains: HashMap<&'t str, (Domain, usize)>,
    /// Each domain of a recipient as written.
    hosts: HashSet<&'t str>,
}

/// One line that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'t> {
    /// The line, counted from 1.
    pub line: usize,
    /// `user@domain`, or `@domain` for all the rest of a domain, which the file writes as `domain`. Lower case.
    pub key: Cow<'t, str>,
    /// A local name, or `user@domain`, as written.
    pub recipient: &'t str,
}

/// What a look-up has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The key that matched: the address, or `@domain`.
    pub key: String,
    /// Who gets the mail. It is not looked up again (behaviour.md §7.3).
    pub recipient: String,
    /// The line, counted from 1, as it was when the table was compiled; `None` where that is not known.
    pub line: Option<usize>,
}

impl<'t> Virtmaps<'t> {
    /// Reads a file (see [`super::text`]). What can be understood holds, and the rest is remarked on; of two lines for one key the first
    /// holds (behaviour.md §7.3).
    pub fn parse(text: &'t str) -> (Virtmaps<'t>, Remarks) {
        let (mut table, mut remarks) = (Virtmaps::default(), Remarks::default());
        for (line, text) in lines(text, &mut remarks) {
            if let Err((what, mend)) = table.read(line, text.trim(), &mut remarks) {
                remarks.note_wrong(line, what, mend);
            }
        }
        table.remark_on_chains(&mut remarks);
        (table, remarks)
    }

    fn read(&mut self, line: usize, text: &'t str, remarks: &mut Remarks) -> Result<(), Wrong> {
        let (written, value) = key_and_value(text);
        let address = written.strip_suffix(':').unwrap_or(written);
        let key = self.key(line, address)?;
        let recipient = self.recipient(value)?;
        if address.len() < written.len() {
            // makemap would take it for another key, without a word (behaviour.md trap 55).
            remarks.note_odd(line, format!("a colon after {}", shown(address)), "remove it: it is taken as if it were not there");
        }
        match self.by_key.entry(key.clone()) {
            Place::Occupied(other) => {
                let first = self.entries[*other.get()].line;
                remarks.note_odd(line, format!("{} is in line {first}, too, which holds", shown(address)), "remove one of the two lines");
            }
            Place::Vacant(place) => {
                place.insert(self.entries.len());
                self.entries.push(Entry { line, key, recipient });
            }
        }
        Ok(())
    }

    fn key(&mut self, line: usize, text: &'t str) -> Result<Cow<'t, str>, Wrong> {
        let Some((local, domain)) = text.rsplit_once('@') else {
            return Ok(format!("@{}", self.domain(line, text)?).into());
        };
        if local.is_empty() {
            return Err((format!("{} is virtusertable's way to say all of a domain", shown(text)), "write the domain without the @"));
        }
        if !is_plain(local) {
            return Err((format!("{} is no address", shown(text)), "write user@domain, without quotes"));
        }
        let known = self.domain(line, domain)?;
        Ok(match folded(local) {
            Cow::Borrowed(_) if known.as_str() == domain => text.into(),
            local => format!("{local}@{known}").into(),
        })
    }

    fn domain(&mut self, line: usize, text: &'t str) -> Result<&Domain, Wrong> {
        match self.domains.entry(text) {
            Place::Occupied(known) => Ok(&known.into_mut().0),
            Place::Vacant(place) => {
                let domain =
                    text.parse().map_err(|malformed| (format!("{malformed}"), "write user@domain, or a domain for all its rest"))?;
                Ok(&place.insert((domain, line)).0)
            }
        }
    }

    /// Exactly one local name or address; whatever else aliases(5) knows is for aliases only (behaviour.md §7.2).
    fn recipient(&mut self, text: &'t str) -> Result<&'t str, Wrong> {
        let wrong = |what: &str, mend| Err((format!("{what}: {}", shown(text)), mend));
        match text.as_bytes() {
            [] => return Err(("no recipient".to_owned(), "write `address recipient`")),
            [b'|' | b'/', ..] | [b'"', b'|' | b'/', ..] => return wrong("programs and files are no recipients here", ALIAS),
            [b':', ..] => return wrong(":include: is for aliases", ALIAS),
            _ => {}
        }
        match text.rsplit_once('@') {
            _ if text.contains([',', ' ', '\t']) => wrong("more than one recipient", ALIAS),
            None if is_plain(text) => Ok(text),
            None => wrong("no local name", "write one name or address, without quotes or comments"),
            Some((local, host)) if is_plain(local) && self.is_host(host) => Ok(text),
            Some(_) => wrong("no address", "write user@domain"),
        }
    }

    fn is_host(&mut self, text: &'t str) -> bool {
        self.hosts.contains(text) || text.parse::<Domain>().is_ok() && self.hosts.insert(text)
    }

    /// Other programs look up what they have found again (behaviour.md §8.3); here the first line decides (§7.3).
    fn remark_on_chains(&self, remarks: &mut Remarks) {
        let ours: HashSet<&str> = self.domains.values().map(|(domain, _)| domain.as_str()).collect();
        let leads_to_us = |host: &str| ours.contains(folded(host.strip_suffix('.').unwrap_or(host)).as_ref());
        let to_us: HashSet<&str> = self.hosts.iter().copied().filter(|host| leads_to_us(host)).collect();
        for entry in self.entries.iter().filter(|entry| entry.recipient.rsplit_once('@').is_some_and(|(_, host)| to_us.contains(host))) {
            let Some(next) = self.find(entry.recipient).filter(|next| next.recipient != entry.recipient) else { continue };
            let what = format!("the recipient {} is itself in line {}, which is not looked at", shown(entry.recipient), next.line);
            remarks.note_odd(entry.line, what, "write who is meant in the end");
        }
    }

    /// The line for an address: its own wherever it stands, else its domain's.
    pub fn find(&self, address: &str) -> Option<&Entry<'t>> {
        look_up(address, |key| self.by_key.get(key).map(|&at| &self.entries[at])).map(|(_, entry)| entry)
    }

    /// All lines that hold, in the file's order.
    pub fn entries(&self) -> &[Entry<'t>] {
        &self.entries
    }

    /// The domains that the keys name, each with the first line that does, in the file's order.
    pub fn domains(&self) -> Vec<(usize, &Domain)> {
        let mut first: HashMap<&Domain, usize> = HashMap::with_capacity(self.domains.len());
        for (domain, line) in self.domains.values() {
            first.entry(domain).and_modify(|least| *least = (*least).min(*line)).or_insert(*line);
        }
        let mut domains: Vec<_> = first.into_iter().map(|(domain, line)| (line, domain)).collect();
        domains.sort_unstable();
        domains
    }
}

/// The order of look-ups, with what `get` finds under a key: the address in lower case, then `@domain`.
pub(super) fn look_up<T>(address: &str, get: impl Fn(&str) -> Option<T>) -> Option<(String, T)> {
    let address = folded(address);
    let address = address.strip_suffix('.').unwrap_or(&address);
    let domain = &address[address.rfind('@')?..];
    let found = |key| get(key).map(|found: T| (key.to_owned(), found));
    found(address).or_else(|| found(domain))
}

/// What is wrong, and what to do about it.
type Wrong = (String, &'static str);

const ALIAS: &str = "name an alias here, and write into the alias file what it stands for";

#[cfg(test)]
mod tests;

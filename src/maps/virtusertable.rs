//! virtusertable: who gets the mail for an address of a local domain, in sendmail's order of look-ups (behaviour.md §8).

use super::table::{Entry, Table};
use super::{Remarks, is_plain, shown};
use crate::address::Domain;

/// What a virtusertable says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Virtusertable(Table);

/// The keys that were looked up, in order, and what the last of them has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search<'t> {
    /// Each key, with its place in the documented order, 1 to 8.
    pub tried: Vec<(u8, String)>,
    /// The line that holds for the address, and its value with the arguments filled in.
    pub found: Option<(&'t Entry, Value)>,
}

/// What a value means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An address, or a local name, as it is to be read from the start.
    Address(String),
    /// `error:`: mail is refused.
    Error(Refusal),
}

/// How an `error:` value refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A word like `nouser`, a number, or `D.S.N`. Without text in the value this is not what its writer thinks (behaviour.md §8.4).
    pub code: String,
    /// The text; empty where there is none.
    pub text: String,
}

/// What a client is told of an `error:` value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// RFC 5321 §4.2: 4xx or 5xx.
    pub code: u16,
    /// RFC 3463, of the class of `code`.
    pub status: String,
    /// For people: one line of ASCII.
    pub text: String,
}

impl Virtusertable {
    /// Reads the table (see [`super::text`]) and remarks on what can't work.
    pub fn parse(text: &str) -> (Virtusertable, Remarks) {
        let (table, mut remarks) = Table::parse(text);
        table.entries().iter().for_each(|entry| check(entry, &mut remarks));
        (Virtusertable(table), remarks)
    }

    /// The lines themselves.
    pub fn table(&self) -> &Table {
        &self.0
    }

    /// Looks for the line that holds for `local@domain`.
    pub fn search(&self, local: &str, domain: &str) -> Search<'_> {
        let mut tried = Vec::new();
        for (step, key, arguments) in keys(local, domain) {
            let entry = self.0.get(&key);
            let found = entry.map(|entry| {
                let arguments: Vec<&str> = std::iter::once(&key).chain(&arguments).map(String::as_str).collect();
                (entry, Value::parse(&entry.filled(&arguments)))
            });
            tried.push((step, key));
            if found.is_some() {
                return Search { tried, found };
            }
        }
        Search { tried, found: None }
    }
}

/// The keys for `local@domain` in the order of behaviour.md §8.2: the number of each, and its arguments `%1`, `%2`, `%3`.
fn keys(local: &str, domain: &str) -> Vec<(u8, String, Vec<String>)> {
    let whole = (1, format!("{local}@{domain}"), vec![local.to_owned()]);
    let Some((user, detail)) = split_detail(local) else {
        return vec![whole, (8, format!("@{domain}"), vec![local.to_owned()])];
    };
    let mut keys = vec![whole];
    for (first, base) in [(2, user), (5, "")] {
        for (step, (sign, wants_detail)) in (first..).zip([("++", true), ("+*", false), ("", false)]) {
            if !(wants_detail && detail.is_empty()) {
                let arguments = vec![user.to_owned(), detail.to_owned(), format!("+{detail}")];
                keys.push((step, format!("{base}{sign}@{domain}"), arguments));
            }
        }
    }
    keys
}

/// The user before the first `+` that does not begin the local part, and what is behind it; `None` for a quoted local part.
pub(super) fn split_detail(local: &str) -> Option<(&str, &str)> {
    let plus = local.match_indices('+').map(|(at, _)| at).find(|at| *at > 0).filter(|_| !local.starts_with('"'))?;
    Some((&local[..plus], &local[plus + 1..]))
}

impl Value {
    fn parse(filled: &str) -> Value {
        match filled.split_at_checked("error:".len()) {
            Some((word, rest)) if word.eq_ignore_ascii_case("error:") => Value::Error(Refusal::parse(rest)),
            _ => Value::Address(filled.trim_end_matches([' ', '\t']).to_owned()),
        }
    }
}

impl Refusal {
    /// `D.S.N:text`, else a word and a text (behaviour.md §8.3).
    fn parse(text: &str) -> Refusal {
        let text = text.trim();
        let (code, rest) = match text.split_once(':') {
            Some((code, rest)) if is_triple(code.trim()) && !rest.trim().is_empty() => (code.trim(), rest),
            // A word ends where sendmail's tokens end.
            _ => text.split_at(text.find(|letter: char| letter.is_whitespace() || ".:%@!^/[]+".contains(letter)).unwrap_or(text.len())),
        };
        Refusal { code: code.to_owned(), text: rest.trim().to_owned() }
    }

    /// What sendmail tells a client, without the address: code, enhanced code and text (behaviour.md §8.4).
    pub fn reply(&self) -> String {
        let (digits, text) = self.digits();
        let code = digits.unwrap_or("553");
        let enhanced = match (is_enhanced(&self.code), digits) {
            (true, _) => self.code.clone(),
            (false, Some(digits)) => format!("{}.0.0", &digits[..1]),
            (false, None) => "5.3.0".to_owned(),
        };
        format!("{code} {enhanced} {text}")
    }

    /// The same in a form that fits every dialogue: the code is one of a refusal, and no word of farewell, the enhanced code is of the same
    /// class, and the text is one line of ASCII. Where nothing says what else, what may pass is for later.
    pub fn told(&self) -> Told {
        let (digits, text) = self.digits();
        let may_pass = self.code.eq_ignore_ascii_case("tempfail") || is_enhanced(&self.code) && self.code.starts_with('4');
        let said = digits.and_then(|digits| digits.parse().ok()).filter(|code| (400..600).contains(code) && *code != 421);
        let code = said.unwrap_or(if may_pass { 450 } else { 553 });
        let class = code / 100;
        let status = match is_enhanced(&self.code) {
            true => format!("{class}{}", &self.code[1..]),
            false => format!("{class}.{}.0", if said.is_some() { 0 } else { 3 }),
        };
        let text: String = text.chars().take(LONGEST_TOLD).map(|letter| if matches!(letter, ' '..='~') { letter } else { '?' }).collect();
        Told { code, status, text: if text.is_empty() { "this address is not in use".to_owned() } else { text } }
    }

    /// The SMTP code that the text begins with, and the rest.
    fn digits(&self) -> (Option<&str>, &str) {
        let digits = self.text.get(..3).filter(|digits| digits.bytes().all(|octet| octet.is_ascii_digit()));
        (digits, digits.map_or(self.text.as_str(), |_| self.text[3..].trim_start()))
    }
}

fn is_triple(code: &str) -> bool {
    let parts: Vec<&str> = code.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && !part.contains(char::is_whitespace))
}

/// RFC 3463 §2.
fn is_enhanced(code: &str) -> bool {
    is_triple(code) && code.starts_with(['2', '4', '5']) && code.split('.').all(|part| part.bytes().all(|octet| octet.is_ascii_digit()))
}

fn check(entry: &Entry, remarks: &mut Remarks) {
    check_key(entry, remarks);
    match Value::parse(&entry.value) {
        Value::Error(refusal) => check_refusal(entry, &refusal, remarks),
        Value::Address(address) => check_address(entry, &address, remarks),
    }
    let mut letters = entry.value.chars();
    while let Some(letter) = letters.next() {
        if letter == '%' && matches!(letters.next(), Some('4'..='9')) {
            remarks.note_odd(entry.line, "there are no arguments but %1, %2 and %3", "write %% where a percent sign is meant");
        }
    }
    if entry.value.ends_with([' ', '\t']) {
        remarks.note_odd(entry.line, "blanks at the end, which makemap keeps", "remove them");
    }
}

fn check_key(entry: &Entry, remarks: &mut Remarks) {
    let never = |what: &str| format!("{} is never looked up: {what}", shown(&entry.key));
    match entry.key.rsplit_once('@') {
        None => remarks.note_wrong(entry.line, never("it has no @"), "write user@domain, or @domain for all the rest"),
        Some((_, domain)) if domain.ends_with(':') => remarks.note_wrong(entry.line, never("the colon is part of it"), "remove the colon"),
        Some((_, domain)) if domain.parse::<Domain>().is_err() => {
            remarks.note_odd(entry.line, format!("{} is no domain", shown(domain)), "write user@domain, or @domain for all the rest");
        }
        Some((local, _)) if local.contains(['"', '(', ')', ',', '<', '>']) => {
            remarks.note_wrong(entry.line, never("quotes are not understood"), "write the local part without quotes");
        }
        Some(_) => {}
    }
}

fn check_refusal(entry: &Entry, refusal: &Refusal, remarks: &mut Remarks) {
    if refusal.text.is_empty() {
        remarks.note_wrong(entry.line, "error: without a text sends clients garbage", "write error:nouser 550 No such user");
    } else if !is_enhanced(&refusal.code) && !WORDS.contains(&refusal.code.to_lowercase().as_str()) && refusal.code.parse::<u8>().is_err() {
        let what = format!("error: does not know the word {}, and leaves it out", shown(&refusal.code));
        remarks.note_odd(entry.line, what, "write error:nouser 550 No such user, or error:5.7.0:550 Refused");
    }
}

fn check_address(entry: &Entry, address: &str, remarks: &mut Remarks) {
    if let Some((what, mend)) = fault(address) {
        remarks.note_wrong(entry.line, what, mend);
    }
}

/// Why no mail can go to the value `address`, and what to do about it.
pub(super) fn fault(address: &str) -> Option<(String, &'static str)> {
    let quoted = address.trim_start_matches('"');
    let (what, mend) = match quoted {
        _ if quoted.starts_with('|') => ("Cannot mail directly to programs", ALIAS),
        _ if quoted.starts_with('/') => ("Cannot mail directly to files", ALIAS),
        _ if quoted.get(..9).is_some_and(|head| head.eq_ignore_ascii_case(":include:")) => ("Cannot mail directly to :include:s", ALIAS),
        _ if address.contains(',') => ("more than one recipient", ALIAS),
        _ if address.rsplit_once('@').is_some_and(|(local, _)| local.contains('@') && is_plain(&local.replace('@', ""))) => {
            ("Invalid route address", "write user@domain")
        }
        _ => return None,
    };
    Some((format!("{what}: {}", shown(address)), mend))
}

/// Octets; RFC 5321 §4.5.3.1.5 gives a whole reply 512.
const LONGEST_TOLD: usize = 200;
const ALIAS: &str = "name a local alias here, and write into the alias file what it stands for";
/// What may stand behind `error:` (sendmail's operation guide §5.1.2).
const WORDS: [&str; 9] = ["usage", "nouser", "nohost", "unavailable", "software", "tempfail", "protocol", "config", "quarantine"];

#[cfg(test)]
mod tests;

//! An address as the envelope has it (RFC 5321 §4.1.2).

use std::fmt;
use std::str::FromStr;

use super::{Domain, Malformed};

/// Whom a message is for: a local part and a domain. Nothing is said of whether there is such a user or such a domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    local: String,
    domain: Domain,
}

impl Address {
    /// The address of `local`, without quotes, at `domain`.
    ///
    /// # Errors
    /// No local part is empty, longer than 255 octets, or has control characters. RFC 5321 §4.5.3.1.1 asks for 64 octets at least;
    /// return addresses of lists need more.
    pub fn new(local: impl Into<String>, domain: Domain) -> Result<Address, Malformed> {
        let local = local.into();
        match local.len() {
            1..=255 if !local.contains(char::is_control) => Ok(Address { local, domain }),
            1..=255 => Err(Malformed::new("local part", &local, "has a control character")),
            _ => Err(Malformed::new("local part", &local, "must have 1 to 255 octets")),
        }
    }

    /// The same local part at another domain.
    pub fn at(self, domain: Domain) -> Address {
        Address { domain, ..self }
    }

    /// The local part as it was written, without its quotes: `"a b"@x.org` and `a b` have the same one.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }
}

impl FromStr for Address {
    type Err = Malformed;

    /// Cuts at the last `@`. Tolerant of local parts that RFC 5321 would have quoted: whoever took the message has judged that.
    fn from_str(text: &str) -> Result<Address, Malformed> {
        let (local, domain) =
            text.rsplit_once('@').ok_or_else(|| Malformed::new("address", text, "needs a domain, like joe@example.org"))?;
        let local = match local.strip_prefix('"') {
            Some(quoted) => unquoted(quoted).ok_or_else(|| Malformed::new("address", text, "has unbalanced quotes"))?,
            None => local.to_owned(),
        };
        Address::new(local, domain.parse()?)
    }
}

/// The text up to the quote that ends all; a backslash goes, and what it protects stays.
fn unquoted(quoted: &str) -> Option<String> {
    let mut text = String::with_capacity(quoted.len());
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return letters.as_str().is_empty().then_some(text),
            '\\' => text.push(letters.next()?),
            letter => text.push(letter),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local) {
            return write!(out, "{}@{}", self.local, self.domain);
        }
        let quoted = self.local.replace('\\', "\\\\").replace('"', "\\\"");
        write!(out, "\"{quoted}\"@{}", self.domain)
    }
}

/// What needs no quotes (RFC 5321 §4.1.2 Dot-string, RFC 6531 §3.3).
fn is_dot_string(local: &str) -> bool {
    let is_atext = |letter: char| letter.is_ascii_alphanumeric() || !letter.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(letter);
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_a_spelling() {
        for (text, local, written) in [
            ("Joe.Who+x@VA.test", "Joe.Who+x", "Joe.Who+x@va.test"),
            ("\"joe\"@va.test", "joe", "joe@va.test"),
            ("\"a b\\\"\\\\@c\"@va.test", "a b\"\\@c", "\"a b\\\"\\\\@c\"@va.test"),
            ("a..b@va.test", "a..b", "\"a..b\"@va.test"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.local(), address.to_string().as_str()), (local, written), "{text}");
            assert_eq!(address.to_string().parse(), Ok(address));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "joe",
            "@va.test",
            "\"\"@va.test",
            "joe@va",
            "a\nb@va.test",
            "\"a\"b@va.test",
            "\"a@va.test",
            &format!("{}@va.test", "x".repeat(256)),
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}

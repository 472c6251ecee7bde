//! Names that cannot be wrong: a value of these types is safe in a path, a log line and a reply.

mod a_labels;
mod envelope;
mod path;

pub use envelope::Address;
pub use path::Path;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A DNS name of a mail domain: lower case, letters, digits, hyphens and dots (RFC 1123 §2.1), at least two labels,
/// 253 octets at most, no trailing dot. An internationalised domain is written in its A-label form (RFC 5890 §2.3.2.1).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Arc<str>);

impl Domain {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its first label: the domain that a host name belongs to (behaviour.md §2.4).
    /// `None` where less than two labels would stay.
    pub fn parent(&self) -> Option<Domain> {
        let (_, rest) = self.0.split_once('.')?;
        rest.contains('.').then(|| Domain(rest.into()))
    }
}

impl FromStr for Domain {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Domain, Malformed> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.len() > 253 {
            return Err(Malformed::new("domain", text, "is longer than 253 octets"));
        }
        if !name.is_ascii() {
            return Err(Malformed::new("domain", text, "is not ASCII: write it in its xn-- form"));
        }
        if !name.contains('.') {
            return Err(Malformed::new("domain", text, "needs two labels, like example.org"));
        }
        if !name.split('.').all(is_label) {
            return Err(Malformed::new("domain", text, "has a label that is empty, too long or not of letters, digits and hyphens"));
        }
        if name.rsplit('.').next().is_some_and(|top| top.bytes().all(|octet| octet.is_ascii_digit())) {
            return Err(Malformed::new("domain", text, "is an address, not a name"));
        }
        Ok(Domain(name.to_ascii_lowercase().into()))
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}

/// The login name of an account within its domain: what stands in the first field of `passwd.DOMAIN` and names the spool file.
/// Prepared by SASLprep (RFC 4013) and folded to lower case, 64 octets at most; never a path, a lock or a control file.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct User(Arc<str>);

impl User {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for User {
    type Err = Malformed;

    /// Folds case and drops trailing blanks: people type both (behaviour.md §17).
    fn from_str(text: &str) -> Result<User, Malformed> {
        let refuse = |why| Err(Malformed::new("user name", text, why));
        let Ok(prepared) = stringprep::saslprep(text.trim_end_matches([' ', '\t'])) else {
            return refuse("has a character that names cannot have (RFC 4013)");
        };
        let name = prepared.to_lowercase();
        if name.is_empty() || name.len() > 64 {
            return refuse("must have 1 to 64 octets");
        }
        // A line of passwd.DOMAIN that begins with # is a comment.
        if name.starts_with(['.', '-', '#']) {
            return refuse("must not begin with a dot, a hyphen or #");
        }
        if let Some(odd) = name.chars().find(|&letter| !is_name_letter(letter)) {
            return Err(Malformed::new("user name", text, format!("must not contain {odd:?}")));
        }
        if is_reserved(&name) {
            return refuse("is reserved for control files (files, *.lock, *.auto, *.vacation)");
        }
        Ok(User(name.into()))
    }
}

fn is_name_letter(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_' | '+' | '=' | '&' | '\'' | '~' | '#' | '$' | '!' | '*' | '^' | '{' | '}')
}

/// `behaviour.md` §0.4 and trap 52: these names would collide with the spool's own files.
fn is_reserved(name: &str) -> bool {
    name == "files" || [".lock", ".auto", ".vacation", ".db"].iter().any(|suffix| name.ends_with(suffix))
}

/// An account of the machine; clones share its text: one user of one virtual domain (or of the main domain, under the host's name).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    domain: Domain,
    user: User,
}

impl Owner {
    /// The account `user` of `domain`.
    pub fn new(domain: Domain, user: User) -> Owner {
        Owner { domain, user }
    }

    /// Its domain, always the primary name.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Its name within the domain.
    pub fn user(&self) -> &User {
        &self.user
    }
}

impl FromStr for Owner {
    type Err = Malformed;

    /// `user@domain`, cut at the last `@`.
    fn from_str(text: &str) -> Result<Owner, Malformed> {
        let (user, domain) =
            text.rsplit_once('@').ok_or_else(|| Malformed::new("account", text, "needs a domain, like joe@example.org"))?;
        Ok(Owner { domain: domain.parse()?, user: user.parse()? })
    }
}

/// Why a text is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?} {why}")]
pub struct Malformed {
    kind: &'static str,
    text: String,
    why: String,
}

impl Malformed {
    fn new(kind: &'static str, text: &str, why: impl Into<String>) -> Malformed {
        // A stranger's text goes into logs: only its head.
        Malformed { kind, text: text.chars().take(80).collect(), why: why.into() }
    }
}

macro_rules! shown_as_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
                output.serialize_str(&self.0)
            }
        }
    };
}
shown_as_text!(Domain);
shown_as_text!(User);

impl fmt::Display for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}@{}", self.user, self.domain)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_fold_case_and_drop_the_root_dot() {
        assert_eq!("Va.FOO.com.".parse::<Domain>().unwrap().as_str(), "va.foo.com");
    }

    #[test]
    fn domains_that_are_no_domains_are_refused() {
        for text in ["", ".", "com", "..", "a..b", "-a.b", "a-.b", "a/../b.c", "192.0.2.1", "a b.c", "a.b\0", "ü.example", "a_b.example"] {
            assert!(text.parse::<Domain>().is_err(), "{text:?}");
        }
        assert!(format!("{}.example", "a".repeat(64)).parse::<Domain>().is_err());
    }

    #[test]
    fn one_label_is_stripped_and_two_must_stay() {
        let host: Domain = "mailhost.va.foo.com".parse().unwrap();
        assert_eq!(host.parent().unwrap().as_str(), "va.foo.com");
        assert_eq!("foo.com".parse::<Domain>().unwrap().parent(), None);
    }

    #[test]
    fn users_fold_case_and_trailing_blanks() {
        assert_eq!("Joe.Who+x  ".parse::<User>().unwrap().as_str(), "joe.who+x");
        assert_eq!("Jörg".parse::<User>().unwrap().as_str(), "jörg");
    }

    #[test]
    fn users_that_would_be_paths_or_control_files_are_refused() {
        for text in [
            "",
            " ",
            ".",
            "..",
            "../x",
            "a/b",
            "a\0",
            "a\n",
            "a:b",
            "files",
            "joe.lock",
            "joe.auto",
            "joe.vacation",
            ".hidden",
            "#joe",
            "a b",
            "a@b",
        ] {
            assert!(text.parse::<User>().is_err(), "{text:?}");
        }
    }
}

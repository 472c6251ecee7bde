//! Names of folders as IMAP means them: a path of parts in UTF-8, safe in a path of the file system.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

pub mod disk;
pub mod utf7;

/// The name of a mailbox, without a namespace's prefix: parts from the top down. INBOX as first part is the same in any case
/// (RFC 9051 §5.1). No part is empty, `.` or `..`, or has a control character or a `/`; clones share the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FolderName(Arc<str>);

impl FolderName {
    /// The folder that new mail comes to.
    pub fn inbox() -> FolderName {
        FolderName(INBOX.into())
    }

    /// Reads a name whose parts `separator` divides.
    ///
    /// # Errors
    /// The text names no folder that can be.
    pub fn parse(text: &str, separator: char) -> Result<FolderName, BadName> {
        FolderName::of(text.split(separator))
    }

    /// The name with these parts.
    ///
    /// # Errors
    /// As for [`FolderName::parse`].
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<FolderName, BadName> {
        let mut name = String::new();
        for (depth, part) in parts.into_iter().enumerate() {
            check(part)?;
            if depth == DEEPEST {
                return Err(BadName::TooDeep);
            }
            match depth {
                0 if part.eq_ignore_ascii_case(INBOX) => name.push_str(INBOX),
                0 => name.push_str(part),
                _ => name.extend(["/", part]),
            }
            if name.len() > LONGEST {
                return Err(BadName::TooLong);
            }
        }
        if name.is_empty() { Err(BadName::Empty) } else { Ok(FolderName(name.into())) }
    }

    /// The name as a client sees it. A part that has `separator` in it is shown as it is; it can't be asked for.
    pub fn display(&self, separator: char) -> impl fmt::Display {
        Shown { name: self, separator }
    }

    /// As [`FolderName::display`], without a copy where the name has but one part or is kept so.
    pub fn text(&self, separator: char) -> Cow<'_, str> {
        match separator == '/' || !self.0.contains('/') {
            true => Cow::Borrowed(&self.0),
            false => Cow::Owned(self.display(separator).to_string()),
        }
    }

    /// From the top down; at least one.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        self.0.split('/')
    }

    /// The part that tells it from its siblings.
    pub fn last(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder above; none at the top.
    pub fn parent(&self) -> Option<FolderName> {
        self.0.rsplit_once('/').map(|(above, _)| FolderName(above.into()))
    }

    /// The folder `part` directly below this one.
    ///
    /// # Errors
    /// As for [`FolderName::parse`].
    pub fn child(&self, part: &str) -> Result<FolderName, BadName> {
        FolderName::of(self.parts().chain([part]))
    }

    /// Whether it is the folder that new mail comes to.
    pub fn is_inbox(&self) -> bool {
        &*self.0 == INBOX
    }

    /// Whether it is `top` or a folder below it.
    pub fn starts_with(&self, top: &FolderName) -> bool {
        self.0.strip_prefix(&*top.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What becomes of this name when `from` is renamed to `to` (RFC 9051 §6.3.6): unchanged unless it is `from` or below it.
    ///
    /// # Errors
    /// The new name is too long or too deep.
    pub fn renamed(&self, from: &FolderName, to: &FolderName) -> Result<FolderName, BadName> {
        match self.starts_with(from) {
            true => FolderName::of(to.parts().chain(self.parts().skip(from.parts().count()))),
            false => Ok(self.clone()),
        }
    }
}

impl Ord for FolderName {
    /// INBOX and what is below it first; a folder stands directly before those below it.
    fn cmp(&self, other: &FolderName) -> Ordering {
        let below_inbox = |name: &FolderName| name.0.strip_prefix(INBOX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        // Part by part, without taking them apart: where a part ends is before every octet that it could go on with.
        let rank = |octet: &u8| if *octet == b'/' { 0 } else { *octet };
        let by_parts = || self.0.as_bytes().iter().map(rank).cmp(other.0.as_bytes().iter().map(rank));
        below_inbox(other).cmp(&below_inbox(self)).then_with(by_parts)
    }
}

impl PartialOrd for FolderName {
    fn partial_cmp(&self, other: &FolderName) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for FolderName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

struct Shown<'a> {
    name: &'a FolderName,
    separator: char,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.0.split_inclusive('/').try_for_each(|part| match part.strip_suffix('/') {
            Some(part) => write!(out, "{part}{}", self.separator),
            None => out.write_str(part),
        })
    }
}

fn check(part: &str) -> Result<(), BadName> {
    if part.is_empty() {
        return Err(BadName::Empty);
    }
    if part == "." || part == ".." {
        return Err(BadName::Dots);
    }
    // RFC 9051 §5.1: neither control characters nor U+2028 and U+2029.
    if let Some(odd) = part.chars().find(|&letter| letter.is_control() || matches!(letter, '/' | '\u{2028}' | '\u{2029}')) {
        return Err(BadName::Letter(odd));
    }
    // In both forms that it can have on disk.
    let is_plain = part.bytes().all(|octet| matches!(octet, b' '..=b'~') && octet != b'&');
    if part.len() > LONGEST_PART || !is_plain && utf7::encode(part).len() > LONGEST_PART {
        return Err(BadName::TooLong);
    }
    Ok(())
}

/// Why there can be no folder of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    #[error("a folder's name must not be empty, nor one of its parts")]
    Empty,
    #[error("a part of a folder's name must not be . or ..")]
    Dots,
    #[error("a folder's name must not contain {0:?}")]
    Letter(char),
    #[error("the folder's name is too long")]
    TooLong,
    #[error("folders can't be nested deeper than {DEEPEST}")]
    TooDeep,
    #[error("the folder's name is needed for something else")]
    Reserved,
    #[error("folders' names begin with {0}")]
    Outside(String),
}

const INBOX: &str = "INBOX";
/// Octets of a part: what file systems take (NAME_MAX).
const LONGEST_PART: usize = 255;
/// Octets of a whole name, with a separator between the parts.
const LONGEST: usize = 1_000;
const DEEPEST: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> FolderName {
        FolderName::parse(text, '/').unwrap()
    }

    #[test]
    fn names_are_the_same_whatever_separates_them() {
        let one = FolderName::parse("Lists.Rust", '.').unwrap();
        assert_eq!(one, name("Lists/Rust"));
        assert_eq!(one.display('.').to_string(), "Lists.Rust");
        assert_eq!(one.display('/').to_string(), "Lists/Rust");
    }

    #[test]
    fn only_the_first_part_can_be_inbox() {
        assert!(name("iNbOx").is_inbox());
        assert_eq!(name("inbox/inbox").display('/').to_string(), "INBOX/inbox");
        assert!(!name("INBOX/a").is_inbox());
        assert!(!name("a/INBOX").is_inbox());
    }

    #[test]
    fn what_would_be_wrong_in_a_path_is_no_name() {
        let bad = |text: &str| FolderName::parse(text, '/').unwrap_err();
        for text in ["", "/", "a/", "/a", "a//b"] {
            assert_eq!(bad(text), BadName::Empty, "{text}");
        }
        for text in [".", "..", "a/..", "../a"] {
            assert_eq!(bad(text), BadName::Dots, "{text}");
        }
        for text in ["a\0", "a\nb", "\u{7f}", "\u{85}", "\u{2028}"] {
            assert!(matches!(bad(text), BadName::Letter(_)), "{text}");
        }
        assert_eq!(FolderName::parse("a/b", '.').unwrap_err(), BadName::Letter('/'));
        assert_eq!(bad(&"a".repeat(256)), BadName::TooLong);
        assert_eq!(bad(&"ä".repeat(120)), BadName::TooLong);
        assert_eq!(bad(&["a"; 33].join("/")), BadName::TooDeep);
        assert_eq!(bad(&["a".repeat(200).as_str(); 5].join("/")), BadName::TooLong);
    }

    #[test]
    fn folders_know_what_is_above_and_below() {
        let rust = name("Lists/Rust");
        assert_eq!(rust.parent(), Some(name("Lists")));
        assert_eq!(name("Lists").parent(), None);
        assert_eq!(name("Lists").child("Rust"), Ok(rust.clone()));
        assert_eq!(rust.last(), "Rust");
        assert!(rust.starts_with(&name("Lists")) && rust.starts_with(&rust));
        assert!(!name("Listserv").starts_with(&name("Lists")));
    }

    #[test]
    fn a_renamed_folder_takes_those_below_along() {
        let (from, to) = (name("Lists"), name("Old/Lists"));
        assert_eq!(name("Lists/Rust").renamed(&from, &to), Ok(name("Old/Lists/Rust")));
        assert_eq!(name("Lists").renamed(&from, &to), Ok(to.clone()));
        assert_eq!(name("Listserv").renamed(&from, &to), Ok(name("Listserv")));
    }

    #[test]
    fn inbox_comes_first_and_children_follow_their_parent() {
        let mut names = ["a-b", "a/b", "Z", "a", "INBOX/x", "INBOX"].map(name);
        names.sort();
        assert_eq!(names, ["INBOX", "INBOX/x", "Z", "a", "a/b", "a-b"].map(name));
    }

    proptest! {
        #[test]
        fn names_stand_in_the_order_of_their_parts(one in "(INBOX|[ -.0-9a-cä]{1,3})(/[ -.0-9a-cä]{1,3}){0,3}", other in "(INBOX|[ -.0-9a-cä]{1,3})(/[ -.0-9a-cä]{1,3}){0,3}") {
            if let (Ok(one), Ok(other)) = (FolderName::parse(&one, '/'), FolderName::parse(&other, '/')) {
                let key = |name: &FolderName| (name.parts().next() != Some(INBOX), name.parts().map(str::to_owned).collect::<Vec<_>>());
                prop_assert_eq!(one.cmp(&other), key(&one).cmp(&key(&other)));
            }
        }
    }
}

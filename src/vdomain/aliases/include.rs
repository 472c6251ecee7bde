//! The text of an `:include:` file: who is on a list (behaviour.md §11).

use super::target::Target;
use super::{Flaw, MAX_NAMES, MAX_OCTETS, Reader};

/// One of those that an include file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The line on which it stands, counted from 1.
    pub line: usize,
    /// Who gets the mail.
    pub target: Target,
}

/// Reads an include file: on each line one or more targets, separated by commas; `#` makes a comment at column 0 only, and lines do not
/// continue. What cannot be understood, or is beyond the limits (16 MiB, 100,000 members), stays as [`Target::Broken`], as in
/// [`parse`](super::parse).
pub fn members(text: &[u8]) -> (Vec<Member>, Vec<Flaw>) {
    let mut reader = Reader::default();
    let mut members = Vec::new();
    let whole = String::from_utf8_lossy(reader.within_limit(text));
    for (line, text) in (1..).zip(whole.strip_prefix('\u{feff}').unwrap_or(&whole).split('\n')) {
        if text.starts_with('#') || text.trim().is_empty() {
            continue;
        }
        if members.len() >= MAX_NAMES {
            reader.flaw(line, "there are more than 100,000 members", "make two lists of them");
            members.push(Member { line, target: Target::Broken("more than 100,000 members".into()) });
            break;
        }
        members.extend(reader.targets(line, text).into_iter().map(|target| Member { line, target }));
    }
    if text.len() > MAX_OCTETS {
        members.push(Member { line: 1, target: Target::Broken("more than 16 MiB".into()) });
    }
    (members, reader.flaws)
}

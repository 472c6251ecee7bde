//! Texts that are looked for in messages, without regard to case (RFC 5255 §4.5: i;unicode-casemap).

use memchr::memchr;
use memchr::memmem::Finder;

use crate::message::{EntryRef, casemap, fields};

/// A text, and where it is to be found.
#[derive(Debug, Clone)]
pub struct Sought {
    pub place: Place,
    needle: Finder<'static>,
}

/// Where a text is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the value of a field of this name; an empty text is in each.
    Field(String),
    /// Behind the message's own header.
    Body,
    /// Anywhere.
    Text,
}

impl Sought {
    pub fn new(place: Place, text: &str) -> Sought {
        let mut needle = Vec::new();
        fold(text, &mut needle);
        Sought { place, needle: Finder::new(&needle).into_owned() }
    }

    /// Whether it is in a text that [`fold`] has written.
    pub fn is_in(&self, folded: &[u8]) -> bool {
        self.needle.find(folded).is_some()
    }

    /// Octets of the text, as [`fold`] writes it.
    pub fn len(&self) -> usize {
        self.needle.needle().len()
    }

    /// Whether any message that has such a place has it there.
    pub fn is_everywhere(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is found in a message of which this is kept; `None` if that is not enough to tell.
    pub fn is_in_kept(&self, kept: &EntryRef<'_>) -> Option<bool> {
        let Place::Field(name) = &self.place else { return self.is_everywhere().then_some(true) };
        if !EntryRef::keeps(name.as_bytes()) {
            return None;
        }
        let mut folded = Vec::new();
        let found = fields::values(kept.fields(), name).any(|value| {
            folded.clear();
            fold(&fields::text(value), &mut folded);
            self.is_in(&folded)
        });
        (found || kept.has_short_header()).then_some(found)
    }
}

/// Appends the form in which texts are compared. Line ends are LF here, whatever they are in the message and in the command.
pub fn fold(text: &str, out: &mut Vec<u8>) {
    let from = out.len();
    casemap(text, out);
    let Some(cr) = memchr(b'\r', &out[from..]) else { return };
    let first = from + cr;
    let mut to = first;
    for at in first..out.len() {
        if out[at] != b'\r' {
            out[to] = out[at];
            to += 1;
        }
    }
    out.truncate(to);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_line_ends_make_no_difference() {
        let mut folded = Vec::new();
        fold("Die GRÜSSE\r\nvon der\n Straße\r", &mut folded);
        for (text, expected) in [("grüsse\nVON", true), ("sse\r\nvon", true), ("", true), ("STRAßE", true), ("strasse", false)] {
            assert_eq!(Sought::new(Place::Body, text).is_in(&folded), expected, "{text}");
        }
    }
}

//! Texts that are looked for in messages, without regard to case (RFC 5255 §4.5: i;unicode-casemap).

use memchr::memmem::Finder;

use crate::message::{EntryRef, casemap_lines, fields};
use crate::store::gists::{Field, Gist};

/// A text, and where it is to be found.
#[derive(Debug, Clone)]
pub struct Sought {
    pub place: Place,
    /// Its place, if it is one of those of which gists have the text.
    field: Option<Field>,
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
        casemap_lines(text, &mut needle);
        let field = if let Place::Field(name) = &place { Field::named(name) } else { None };
        Sought { place, field, needle: Finder::new(&needle).into_owned() }
    }

    /// Whether it is in a text that [`casemap_lines`] has written.
    pub fn is_in(&self, folded: &[u8]) -> bool {
        self.needle.find(folded).is_some()
    }

    /// Octets of the text, as [`casemap_lines`] writes it.
    pub fn len(&self) -> usize {
        self.needle.needle().len()
    }

    /// Whether any message that has such a place has it there.
    pub fn is_everywhere(&self) -> bool {
        self.len() == 0
    }

    /// Whether gists can tell.
    pub fn is_in_gists(&self) -> bool {
        self.field.is_some()
    }

    /// Whether it is found in a message of this gist; `None` if that is not enough to tell.
    pub fn is_in_gist(&self, gist: Gist<'_>) -> Option<bool> {
        let values = gist.values(self.field?);
        let found = !values.is_empty() && self.is_in(values);
        (found || gist.has_short_header()).then_some(found)
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
            casemap_lines(&fields::text(value), &mut folded);
            self.is_in(&folded)
        });
        (found || kept.has_short_header()).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_line_ends_make_no_difference() {
        let mut folded = Vec::new();
        casemap_lines("Die GRÜSSE\r\nvon der\n Straße\r", &mut folded);
        for (text, expected) in [("grüsse\nVON", true), ("sse\r\nvon", true), ("", true), ("STRAßE", true), ("strasse", false)] {
            assert_eq!(Sought::new(Place::Body, text).is_in(&folded), expected, "{text}");
        }
    }
}

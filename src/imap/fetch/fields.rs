//! HEADER.FIELDS and HEADER.FIELDS.NOT: some fields of a header, as they are (RFC 9051 §6.4.5.1).

use crate::message::EntryRef;

/// Which fields are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// Compared without regard to ASCII case. At least one.
    pub names: Vec<Vec<u8>>,
    /// All others are meant.
    pub is_not: bool,
}

impl Fields {
    /// Whether all of them are among those that the store keeps of every message.
    pub fn are_kept(&self) -> bool {
        !self.is_not && self.names.iter().all(|name| EntryRef::keeps(name))
    }

    fn show(&self, name: &[u8]) -> bool {
        self.names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)) != self.is_not
    }
}

/// Reads a header, in pieces of any size with CRLF as line ends, and lets through what is asked for. The blank line at its end always
/// is. It holds the beginning of a line, until its name is known.
#[derive(Debug)]
pub struct Picker<'f> {
    fields: &'f Fields,
    /// The beginning of a line of which nothing is known yet.
    start: Vec<u8>,
    /// What is read belongs to a line of which it is known.
    is_within: bool,
    /// Whether the field is shown that the line belongs to.
    is_shown: bool,
}

impl<'f> Picker<'f> {
    /// In front of a header.
    pub fn new(fields: &'f Fields) -> Picker<'f> {
        Picker { fields, start: Vec::new(), is_within: false, is_shown: fields.is_not }
    }

    /// Appends to `out` what is shown of `piece`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for line in piece.split_inclusive(|octet| *octet == b'\n') {
            let mut rest = line;
            if !self.is_within {
                let (start, after) = rest.split_at(rest.len().min(LONGEST_START - self.start.len()));
                self.start.extend_from_slice(start);
                rest = after;
                if !self.is_decided() {
                    continue;
                }
                self.decide(out);
            }
            if self.is_shown {
                out.extend_from_slice(rest);
            }
            self.is_within = !line.ends_with(b"\n");
        }
    }

    /// The header has ended.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if !self.start.is_empty() {
            self.decide(out);
        }
    }

    fn is_decided(&self) -> bool {
        let start = &self.start[..];
        start.starts_with(b" ") || start.starts_with(b"\t") || start.len() == LONGEST_START || memchr::memchr2(b':', b'\n', start).is_some()
    }

    /// Whether the line that begins with `start` is shown.
    fn decide(&mut self, out: &mut Vec<u8>) {
        let blank = self.start == b"\r\n";
        let continues = matches!(self.start[0], b' ' | b'\t');
        if !blank && !continues {
            self.is_shown = match name(&self.start) {
                Some(name) => self.fields.show(name),
                // What is no field has no name that somebody could ask for.
                None => self.fields.is_not,
            };
        }
        if blank || self.is_shown {
            out.extend_from_slice(&self.start);
        }
        self.start.clear();
    }
}

/// The name of the field that a line begins. White space may stand before the colon (RFC 5322 §4.5), but not without end.
fn name(line: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', line)?;
    let name = line[..colon].trim_ascii_end();
    (name.len() == colon || colon < LONGEST_PADDED).then_some(name)
}

/// Octets of a line that are looked at to find its name: the most that RFC 5322 §2.1.1 allows a line to have.
const LONGEST_START: usize = 998;
/// As for fields that the store keeps.
const LONGEST_PADDED: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(names: &[&str], is_not: bool) -> Fields {
        Fields { names: names.iter().map(|name| name.as_bytes().to_vec()).collect(), is_not }
    }

    fn picked(header: &str, fields: &Fields, cut: usize) -> String {
        let (mut picker, mut out) = (Picker::new(fields), Vec::new());
        header.as_bytes().chunks(cut).for_each(|piece| picker.push(piece, &mut out));
        picker.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    const HEADER: &str = "To: a\r\nSUBJECT : one\r\n\ttwo\r\nno field\r\nX-To: b\r\nto: c\r\n d: e\r\n\r\n";

    #[test]
    fn what_is_asked_for_is_shown_with_its_continuations_and_the_blank_line() {
        for cut in 1..HEADER.len() {
            assert_eq!(
                picked(HEADER, &fields(&["subject", "TO"], false), cut),
                "To: a\r\nSUBJECT : one\r\n\ttwo\r\nto: c\r\n d: e\r\n\r\n"
            );
            assert_eq!(picked(HEADER, &fields(&["to"], true), cut), "SUBJECT : one\r\n\ttwo\r\nno field\r\nX-To: b\r\n\r\n");
            assert_eq!(picked(HEADER, &fields(&["d"], false), cut), "\r\n");
        }
    }

    #[test]
    fn a_header_without_an_end_has_no_blank_line() {
        assert_eq!(picked("A: 1\r\nB: 2", &fields(&["b"], false), 99), "B: 2");
        assert_eq!(picked("A: 1\r\nB", &fields(&["a"], true), 99), "B");
        assert_eq!(picked("A: 1\r\nB", &fields(&["b"], false), 99), "");
    }

    #[test]
    fn a_line_without_a_colon_is_not_kept_in_memory() {
        let long = "x".repeat(5000) + ": y\r\n";
        assert_eq!(picked(&long, &fields(&["a"], true), 7), long);
        assert_eq!(picked(&long, &fields(&[&"x".repeat(5000)], false), 7), "");
    }

    proptest! {
        /// Line by line, with all of it at hand.
        #[test]
        fn it_is_what_a_plain_reading_gives(header in "((A|b|c)? ?:?[ x]{0,3}\r\n){0,9}", names in prop::collection::vec("[abC]", 1..3), is_not: bool, cut in 1usize..9) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let fields = fields(&names, is_not);
            let (mut shown, mut expected) = (is_not, String::new());
            for line in header.split_inclusive('\n') {
                if line == "\r\n" {
                    expected += line;
                    continue;
                }
                if !line.starts_with(' ') {
                    let name = line.split_once(':').map(|(name, _)| name.trim_end());
                    shown = name.map_or(is_not, |name| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)) != is_not);
                }
                if shown {
                    expected += line;
                }
            }
            prop_assert_eq!(picked(&header, &fields, cut), expected);
        }
    }
}

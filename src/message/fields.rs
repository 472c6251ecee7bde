//! The fields of a header that stands in memory: of any name, in their order, and their values as people read them.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr2};

use super::charset::decode_words;
use super::header::end_of_field;

/// The fields in `lines`, names without white space at their end, values as they stand behind the colon. What is no field is passed over.
pub fn fields(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (field, after) = rest.split_at(end_of_field(rest));
            rest = after;
            if let Some(colon) = memchr2(b':', b'\n', field).filter(|at| field[*at] == b':') {
                return Some((field[..colon].trim_ascii_end(), &field[colon + 1..]));
            }
        }
        None
    })
}

/// The values of all fields of a name.
pub fn values<'a>(lines: &'a [u8], name: &str) -> impl Iterator<Item = &'a [u8]> {
    fields(lines).filter(move |(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
}

/// A value as text: unfolded (RFC 5322 §2.2.3), where the white space that continues a line is one space, and encoded words decoded.
pub fn text(value: &[u8]) -> Cow<'_, str> {
    let value = value.trim_ascii();
    if memchr(b'\n', value).is_none() {
        return plain(value).map_or_else(|| decode_words(value).into(), Cow::from);
    }
    let mut line = Vec::with_capacity(value.len());
    for part in value.split(|octet| *octet == b'\n') {
        let part = part.strip_suffix(b"\r").unwrap_or(part);
        if line.is_empty() {
            line.extend_from_slice(part);
        } else {
            line.push(b' ');
            line.extend_from_slice(part.trim_ascii_start());
        }
    }
    match plain(&line) {
        Some(_) => String::from_utf8(line).unwrap_or_default().into(),
        None => decode_words(&line).into(),
    }
}

/// A line that has nothing to be decoded.
fn plain(line: &[u8]) -> Option<&str> {
    let has_word = || memchr_iter(b'?', line).any(|at| at > 0 && line[at - 1] == b'=');
    if line.is_ascii() && !has_word() { str::from_utf8(line).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_stands_between_them() {
        let lines = b"From a@b Mon\nSubject : one\r\n\ttwo\nno field\n more: of it\nsubject:three\nX:\n";
        let all: Vec<_> = fields(lines).map(|(name, value)| (str::from_utf8(name).unwrap(), text(value))).collect();
        let expected = [("Subject", "one two"), ("subject", "three"), ("X", "")];
        assert_eq!(all, expected.map(|(name, value)| (name, value.into())));
        assert_eq!(values(lines, "SUBJECT").count(), 2);
    }

    #[test]
    fn values_are_read_as_people_do() {
        assert_eq!(text(b" =?utf-8?q?Gr=C3=BC?=\r\n =?utf-8?q?=C3=9Fe?= a\r\n\t b\r\n"), "Grüße a b");
        assert_eq!(text(b" a  b "), "a  b");
    }
}

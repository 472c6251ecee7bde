//! The lines of a table: numbers, line ends, comments and blanks.

use std::borrow::Cow;

use super::Remarks;

/// The text of a table, without a byte order mark. What is not UTF-8 becomes U+FFFD, which no key and no value may have.
pub fn text(octets: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(octets.strip_prefix("\u{feff}".as_bytes()).unwrap_or(octets))
}

/// Each line that says something, with its number, counted from 1: no comments (`#` in the first column, behaviour.md trap 66), nothing
/// that is blank. A CR before the line's end is no part of the value (trap 58); the first one is remarked on.
pub(super) fn lines<'t>(text: &'t str, remarks: &mut Remarks) -> impl Iterator<Item = (usize, &'t str)> + use<'t> {
    if let Some(at) = memchr::memmem::find(text.as_bytes(), b"\r\n") {
        let line = 1 + text[..at].matches('\n').count();
        remarks.note_odd(line, "the line ends with CR LF, as of a file transferred in binary mode", "nothing to do: the CR is left out");
    }
    let whole = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    (1..).zip(whole).filter(|(_, line)| !line.starts_with('#') && !line.trim_ascii().is_empty())
}

/// The key, and what stands behind the blanks after it; empty where there is nothing.
pub(super) fn key_and_value(line: &str) -> (&str, &str) {
    let (key, value) = line.split_at(memchr::memchr2(b' ', b'\t', line.as_bytes()).unwrap_or(line.len()));
    (key, value.trim_start_matches([' ', '\t']))
}

//! The fields of a message's header, as a delivery agent looks at them (RFC 5322 §2.2).

use memchr::memchr;

/// One field, or what stands in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// All of its lines, line ends included.
    pub lines: &'a [u8],
    /// What stands before the colon; empty where there is no colon.
    name: &'a [u8],
    /// What stands behind it, folding included, without blanks at its ends.
    pub value: &'a [u8],
}

impl Field<'_> {
    /// Whether it is a field: a name of graphic characters, and a colon.
    pub fn has_a_name(&self) -> bool {
        !self.name.is_empty() && self.name.iter().all(u8::is_ascii_graphic)
    }

    /// Whether it is called so, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields at the beginning of a message whose lines end with LF, up to the blank line. Where the text ends sooner, the last may be a
/// part of one.
pub fn fields(text: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() || rest[0] == b'\n' {
            return None;
        }
        let (lines, behind) = rest.split_at(length(rest));
        rest = behind;
        let colon = memchr(b':', lines).filter(|&colon| !lines[..colon].contains(&b'\n'));
        let (name, value) = colon.map_or((&lines[..0], lines), |colon| (lines[..colon].trim_ascii_end(), &lines[colon + 1..]));
        Some(Field { lines, name, value: value.trim_ascii() })
    })
}

/// Octets of the field at the beginning of `text`, with the lines that continue it.
fn length(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(end) = memchr(b'\n', &text[at..]) {
        at += end + 1;
        if !matches!(text.get(at), Some(b' ' | b'\t')) {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_its_lines() {
        let text = b"Return-Path: <a@x.org>\nSUBJECT : a\n  b\nno field\n\tmore\nX:\n\nBody: x\n";
        let found: Vec<_> = fields(text).collect();
        assert_eq!(found.len(), 4);
        assert!(found[0].is("return-path") && found[0].value == b"<a@x.org>");
        assert!(found[1].is("Subject") && found[1].lines == b"SUBJECT : a\n  b\n" && found[1].value == b"a\n  b");
        assert!(found[2].is("") && found[2].lines == b"no field\n\tmore\n");
        assert!(found[3].is("x") && found[3].value.is_empty());
        assert_eq!(fields(b"\nBody: x").count(), 0);
        assert_eq!(fields(b"A: b").next().unwrap().lines, b"A: b");
    }
}

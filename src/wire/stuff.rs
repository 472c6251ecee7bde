//! From a message's octets to a reply of many lines: line ends become CRLF, and a dot at the beginning of a line is doubled
//! (RFC 1939 §3). Pure.

/// Turns stored octets, in whatever pieces they come, into the octets of the wire.
#[derive(Debug, Clone, Copy)]
pub struct Stuffer {
    last: Last,
}

/// What the piece before ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// A line end, or nothing yet.
    LineEnd,
    /// CR, which may be the first half of a line end.
    Cr,
    /// Anything else.
    Other,
}

impl Default for Stuffer {
    fn default() -> Stuffer {
        Stuffer { last: Last::LineEnd }
    }
}

impl Stuffer {
    /// Appends the wire's form of `piece` to `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let (Some(&first), Some(&last)) = (piece.first(), piece.last()) else { return };
        out.reserve(piece.len() + piece.len() / 16 + 2);
        if self.last == Last::LineEnd && first == b'.' {
            out.push(b'.');
        }
        // Lines that need neither CR nor dot are copied together with their neighbours.
        let mut from = 0;
        for at in memchr::memchr_iter(b'\n', piece) {
            let has_cr = if at == 0 { self.last == Last::Cr } else { piece[at - 1] == b'\r' };
            if !has_cr {
                out.extend_from_slice(&piece[from..at]);
                out.extend_from_slice(b"\r\n");
                from = at + 1;
            }
            if piece.get(at + 1) == Some(&b'.') {
                out.extend_from_slice(&piece[from..=at]);
                out.push(b'.');
                from = at + 1;
            }
        }
        out.extend_from_slice(&piece[from..]);
        self.last = match last {
            b'\n' => Last::LineEnd,
            b'\r' => Last::Cr,
            _ => Last::Other,
        };
    }

    /// Ends the last line if it has no end, and says that the reply is complete.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.last != Last::LineEnd {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stuffed(pieces: &[&[u8]]) -> String {
        let (mut stuffer, mut out) = (Stuffer::default(), Vec::new());
        pieces.iter().for_each(|piece| stuffer.push(piece, &mut out));
        stuffer.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dots_are_doubled_at_the_beginning_of_lines_only() {
        assert_eq!(stuffed(&[b".a\n..\nb.\n.\n"]), "..a\r\n...\r\nb.\r\n..\r\n.\r\n");
    }

    #[test]
    fn a_missing_line_end_is_added_and_an_empty_message_is_empty() {
        assert_eq!(stuffed(&[b"a"]), "a\r\n.\r\n");
        assert_eq!(stuffed(&[b"a\r"]), "a\r\r\n.\r\n");
        assert_eq!(stuffed(&[]), ".\r\n");
        assert_eq!(stuffed(&[b"a\r\nb\n"]), "a\r\nb\r\n.\r\n");
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "[.\r\na]{0,40}", cut in 0usize..40) {
            let cut = cut.min(text.len());
            let (one, two) = text.as_bytes().split_at(cut);
            prop_assert_eq!(stuffed(&[one, two]), stuffed(&[text.as_bytes()]));
        }

        #[test]
        fn a_client_gets_back_what_was_stored(text in "[.\na]{0,40}") {
            let wire = stuffed(&[text.as_bytes()]);
            let body = wire.strip_suffix(".\r\n").unwrap();
            let lines: String = body.split_inclusive("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line)).collect();
            let stored = if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" };
            prop_assert_eq!(lines, stored.replace('\n', "\r\n"));
        }
    }
}

//! From the octets of the wire to a message: up to the line that is a dot, with the dot before other dots taken away (RFC 5321 §4.5.2).
//! Pure.
//!
//! A line ends with CRLF and nothing else: what looks like the end to others, a dot between bare LFs, is text of the message
//! (RFC 5321 §4.1.1.4). Who forwards it writes it anew.

/// Finds the end of a message, in whatever pieces it comes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unstuffer {
    last: Last,
}

/// What the piece before ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Last {
    /// A line end, or nothing yet.
    #[default]
    LineEnd,
    /// The dot that begins a line, and is not given out.
    Dot,
    /// That dot and CR, which is not given out yet.
    DotCr,
    /// CR, which may be the first half of a line end.
    Cr,
    /// Anything else.
    Other,
}

impl Unstuffer {
    /// Gives the message's octets in `piece` to `text`. Returns how many octets of `piece` are done with, and whether the message has
    /// ended with them; what stands behind them is the client's next command.
    pub fn push(&mut self, piece: &[u8], mut text: impl FnMut(&[u8])) -> (usize, bool) {
        let mut at = 0;
        while let Some(&octet) = piece.get(at) {
            match (self.last, octet) {
                (Last::LineEnd, b'.') => self.last = Last::Dot,
                (Last::Dot, b'\r') => self.last = Last::DotCr,
                (Last::DotCr, b'\n') => {
                    self.last = Last::LineEnd;
                    return (at + 1, true);
                }
                (Last::DotCr, _) => {
                    text(b"\r");
                    self.last = Last::Cr;
                    continue;
                }
                _ => {
                    let (len, last) = lines(self.last, &piece[at..]);
                    text(&piece[at..at + len]);
                    self.last = last;
                    at += len;
                    continue;
                }
            }
            at += 1;
        }
        (piece.len(), false)
    }
}

/// How many octets can be given out together, and what they end with: all up to a line that begins with a dot.
fn lines(before: Last, piece: &[u8]) -> (usize, Last) {
    for at in memchr::memchr_iter(b'\n', piece) {
        let ends_line = if at == 0 { before == Last::Cr } else { piece[at - 1] == b'\r' };
        if ends_line && piece.get(at + 1).is_none_or(|&octet| octet == b'.') {
            return (at + 1, Last::LineEnd);
        }
    }
    (piece.len(), if piece.last() == Some(&b'\r') { Last::Cr } else { Last::Other })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Stuffer;
    use proptest::prelude::*;

    /// The message and what stands behind it, if it ends.
    fn unstuffed(pieces: &[&[u8]]) -> (Vec<u8>, Option<Vec<u8>>) {
        let (mut unstuffer, mut text, mut rest) = (Unstuffer::default(), Vec::new(), None);
        for piece in pieces {
            match &mut rest {
                Some(rest) => Vec::extend_from_slice(rest, piece),
                None => {
                    let (used, has_ended) = unstuffer.push(piece, |octets| text.extend_from_slice(octets));
                    rest = has_ended.then(|| piece[used..].to_vec());
                }
            }
        }
        (text, rest)
    }

    fn whole(wire: &str) -> (String, Option<String>) {
        let (text, rest) = unstuffed(&[wire.as_bytes()]);
        (String::from_utf8(text).unwrap(), rest.map(|rest| String::from_utf8(rest).unwrap()))
    }

    #[test]
    fn a_dot_alone_ends_the_message_and_other_dots_lose_one() {
        assert_eq!(whole(".\r\nQUIT\r\n"), (String::new(), Some("QUIT\r\n".into())));
        assert_eq!(whole("a\r\n..b\r\n...\r\n.c.\r\n.\r\n"), ("a\r\n.b\r\n..\r\nc.\r\n".into(), Some(String::new())));
        assert_eq!(whole("a\r\n.").1, None);
    }

    #[test]
    fn nothing_but_crlf_dot_crlf_is_the_end() {
        for smuggled in ["\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\n\n.\r\n", "\r\r\n.\r\r\n", "\r\n.\0\r\n"] {
            let (text, rest) = whole(&format!("a{smuggled}MAIL FROM:<x>\r\n.\r\n"));
            assert_eq!(rest.as_deref(), Some(""), "{smuggled:?}");
            assert!(text.ends_with("MAIL FROM:<x>\r\n"), "{smuggled:?}: {text:?}");
        }
        assert_eq!(whole("a\n.\n.\r\n\r\n.\r\n").0, "a\n.\n.\r\n\r\n");
        assert_eq!(whole("\r\n.\rb\r\n.\r\n").0, "\r\n\rb\r\n");
        assert_eq!(whole("\r\n.\r.\r\n.\r\n").0, "\r\n\r.\r\n");
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(wire in "[.\r\na]{0,40}", cuts in proptest::collection::vec(0usize..40, 0..5)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(wire.len())).chain([0, wire.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|ends| &wire.as_bytes()[ends[0]..ends[1]]).collect();
            prop_assert_eq!(unstuffed(&pieces), unstuffed(&[wire.as_bytes()]));
        }

        #[test]
        fn what_is_stuffed_comes_back(text in "([.\ra]{0,5}\r\n){0,8}") {
            let mut wire = Vec::new();
            let mut stuffer = Stuffer::default();
            stuffer.push(text.as_bytes(), &mut wire);
            stuffer.finish(&mut wire);
            prop_assert_eq!(unstuffed(&[&wire]), (text.into_bytes(), Some(Vec::new())));
        }
    }
}

//! From stored octets to those of the wire: each line end becomes CRLF, and what a literal can't hold is masked. Pure.

use memchr::{memchr, memchr_iter};

/// Makes CRLF of stored line ends, in whatever pieces they come.
#[derive(Debug, Default, Clone, Copy)]
pub struct Lines {
    /// The octet before was a CR.
    cr: bool,
}

impl Lines {
    /// Gives the wire's form of `piece` to `out`, in runs.
    pub fn push(&mut self, piece: &[u8], mut out: impl FnMut(&[u8])) {
        let Some(last) = piece.last() else { return };
        // Lines that need no CR go together with their neighbours.
        let mut from = 0;
        for at in memchr_iter(b'\n', piece) {
            let has_cr = if at == 0 { self.cr } else { piece[at - 1] == b'\r' };
            if !has_cr {
                out(&piece[from..at]);
                out(b"\r\n");
                from = at + 1;
            }
        }
        out(&piece[from..]);
        self.cr = *last == b'\r';
    }
}

impl Lines {
    /// As [`Lines::push`], where all of it is wanted: appends it to `out`. Returns how many octets that was.
    pub fn append(&mut self, piece: &[u8], out: &mut Vec<u8>) -> usize {
        let before = out.len();
        out.reserve(piece.len() + piece.len() / 32);
        self.push(piece, |run| out.extend_from_slice(run));
        out.len() - before
    }
}

/// The part of a stream of octets that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Octets before it.
    pub skip: u64,
    /// Octets of it that are still to come.
    pub left: u64,
}

impl Window {
    /// All there is.
    pub const ALL: Window = Window { skip: 0, left: u64::MAX };

    /// What is wanted of `octets`, which come next.
    pub fn cut<'o>(&mut self, octets: &'o [u8]) -> &'o [u8] {
        let skipped = octets.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        let rest = &octets[skipped..];
        let wanted = &rest[..rest.len().min(usize::try_from(self.left).unwrap_or(usize::MAX))];
        self.skip -= skipped as u64;
        self.left -= wanted.len() as u64;
        wanted
    }
}

/// RFC 9051 §4.3.1: only a literal8 can hold NUL. Like Dovecot we send 0x80 in its place, so that sizes and offsets stay right; BINARY
/// gives the octets as they are.
pub fn mask(octets: &mut [u8]) {
    let mut from = 0;
    while let Some(at) = memchr(0, &octets[from..]) {
        octets[from + at] = 0x80;
        from += at + 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_line_end_is_crlf_and_nothing_else_changes(text in "[a\r\n]{0,40}", cut in 1usize..9) {
            let (mut lines, mut out) = (Lines::default(), Vec::new());
            let octets: usize = text.as_bytes().chunks(cut).map(|piece| lines.append(piece, &mut out)).sum();
            prop_assert_eq!(octets, out.len());
            prop_assert_eq!(String::from_utf8(out).unwrap(), text.replace("\r\n", "\n").replace('\n', "\r\n"));
        }

        #[test]
        fn a_window_is_a_range(text in "[a-z]{0,30}", skip in 0u64..40, left in 0u64..40, cut in 1usize..9) {
            let (mut window, mut out) = (Window { skip, left }, Vec::new());
            text.as_bytes().chunks(cut).for_each(|piece| out.extend_from_slice(window.cut(piece)));
            let expected: String = text.chars().skip(skip as usize).take(left as usize).collect();
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn nul_is_masked() {
        let mut octets = *b"\0a\0\0";
        mask(&mut octets);
        assert_eq!(&octets, b"\x80a\x80\x80");
    }
}

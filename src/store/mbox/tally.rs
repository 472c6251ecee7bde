//! What is counted of a message while it streams by: its size on the wire, its fingerprint, whether it could be sent as stored.

use xxhash_rust::xxh3::Xxh3;

use crate::store::message::Size;

/// The running account of one message's text. Pieces never end between CR and LF.
pub struct Tally {
    /// Shown octets, with two for each line end.
    wire: u64,
    /// Shown so far just as it must be sent: all line ends CRLF, no line begins with a dot.
    exact: bool,
    /// The last shown octet.
    last: u8,
    hash: Xxh3,
    /// Line ends not hashed yet: those at the message's end don't count.
    held: u64,
    scratch: Vec<u8>,
}

impl Tally {
    pub fn new() -> Tally {
        Tally { wire: 0, exact: true, last: b'\n', hash: Xxh3::new(), held: 0, scratch: Vec::new() }
    }

    /// Begins the next message; keeps the buffers.
    pub fn restart(&mut self) {
        self.hash.reset();
        (self.wire, self.exact, self.last, self.held) = (0, true, b'\n', 0);
    }

    /// Octets that are shown and identify the message.
    pub fn text(&mut self, piece: &[u8]) {
        let has_cr = self.count(piece);
        self.fingerprint(piece, has_cr);
    }

    /// Octets that are shown but do not identify the message: `Lines:`.
    pub fn volatile(&mut self, piece: &[u8]) {
        self.count(piece);
    }

    /// Octets that are not shown.
    pub fn hidden(&mut self) {
        self.exact = false;
    }

    /// The size on the wire.
    pub fn size(&self) -> Size {
        Size::new(self.wire, self.last == b'\n')
    }

    /// Whether the stored octets are those of the wire.
    pub fn exact(&self) -> bool {
        self.exact && self.last == b'\n'
    }

    /// 128 bits of xxh3 over the shown text with LF line ends, without those at its end.
    pub fn digest(&self) -> u128 {
        self.hash.digest128()
    }

    /// Returns whether there is a CR in `piece`.
    fn count(&mut self, piece: &[u8]) -> bool {
        let Some(&last) = piece.last() else { return false };
        let has_cr = memchr::memchr(b'\r', piece).is_some();
        let ends = memchr::memchr_iter(b'\n', piece).count();
        let crlf = if has_cr { crlf_ends(piece) } else { 0 };
        self.wire += (piece.len() + ends - crlf) as u64;
        self.exact = self.exact && ends == crlf && !self.dotted(piece);
        self.last = last;
        has_cr
    }

    fn dotted(&self, piece: &[u8]) -> bool {
        (self.last == b'\n' && piece[0] == b'.') || memchr::memmem::find(piece, b"\n.").is_some()
    }

    fn fingerprint(&mut self, piece: &[u8], has_cr: bool) {
        let (core, ends) = without_ends(piece);
        if core.is_empty() {
            self.held += ends;
            return;
        }
        while self.held > 0 {
            const ENDS: [u8; 64] = [b'\n'; 64];
            let some = self.held.min(64);
            self.hash.update(&ENDS[..some as usize]);
            self.held -= some;
        }
        if has_cr {
            self.scratch.clear();
            normalise(core, &mut self.scratch);
            self.hash.update(&self.scratch);
        } else {
            self.hash.update(core);
        }
        self.held = ends;
    }
}

/// How many line ends are CRLF. Counted in blocks that the compiler turns into vector code.
fn crlf_ends(piece: &[u8]) -> usize {
    let pairs = |block: &[u8], next: &[u8]| block.iter().zip(next).map(|(&a, &b)| u8::from(a == b'\r') & u8::from(b == b'\n')).sum::<u8>();
    let next = &piece[1..];
    piece[..next.len()].chunks(255).zip(next.chunks(255)).map(|(a, b)| usize::from(pairs(a, b))).sum()
}

/// `piece` without the line ends at its end, and how many these are.
fn without_ends(mut piece: &[u8]) -> (&[u8], u64) {
    let mut ends = 0;
    while let Some(rest) = piece.strip_suffix(b"\n") {
        piece = rest.strip_suffix(b"\r").unwrap_or(rest);
        ends += 1;
    }
    (piece, ends)
}

/// Appends `text` with CRLF turned into LF.
fn normalise(text: &[u8], into: &mut Vec<u8>) {
    let mut from = 0;
    for cr in memchr::memchr_iter(b'\r', text) {
        if text.get(cr + 1) == Some(&b'\n') {
            into.extend_from_slice(&text[from..cr]);
            from = cr + 1;
        }
    }
    into.extend_from_slice(&text[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(pieces: &[&str]) -> Tally {
        let mut tally = Tally::new();
        pieces.iter().for_each(|piece| tally.text(piece.as_bytes()));
        tally
    }

    #[test]
    fn sizes_are_those_of_the_wire() {
        assert_eq!(tally(&[]).size(), Size::new(0, true));
        assert_eq!(tally(&["a\nb"]).size(), Size::new(4, false));
        assert_eq!(tally(&["a\r\nb\r\n"]).size(), Size::new(6, true));
        assert_eq!(tally(&["a\r", "b\n", "\n"]).size(), Size::new(7, true));
    }

    #[test]
    fn fingerprints_ignore_line_end_style_and_blank_tails() {
        let one = tally(&["a: b\n", "\nc\n\n\nd\n"]).digest();
        assert_eq!(one, tally(&["a: b\r\n\r\nc\r\n\r\n", "\r\nd"]).digest());
        assert_eq!(one, tally(&["a: b\n\nc\n\n\nd", "\n\n\n"]).digest());
        assert_ne!(one, tally(&["a: b\n\nc\n\nd\n"]).digest());
    }

    #[test]
    fn only_what_can_be_sent_as_it_is_is_exact() {
        assert!(tally(&["a\r\n", "b.\r\n"]).exact());
        for text in ["a\n", "a\r\nb", ".a\r\n", "a\r\n.\r\n", "a\r\nb\n"] {
            assert!(!tally(&[text]).exact(), "{text:?}");
        }
        assert!(!tally(&["a\r\n", ".b\r\n"]).exact());
    }
}

//! A body without its transfer encoding (RFC 2045 §6), piece by piece.

use super::part::Encoding;

/// Decodes a body whose line ends are CRLF. Where it is cut makes no difference, and no more than a line is held. What can't be decoded
/// is not lost: octets beside base64's alphabet do not count (RFC 2045 §6.8), a broken `=` of quoted-printable stays.
#[derive(Debug)]
pub enum Decoder {
    /// As it is.
    Identity,
    /// See [`QuotedPrintable`].
    QuotedPrintable(QuotedPrintable),
    /// See [`Base64`].
    Base64(Base64),
}

impl Decoder {
    /// `None` for an encoding that nobody knows.
    pub fn new(encoding: Encoding) -> Option<Decoder> {
        match encoding {
            Encoding::Identity => Some(Decoder::Identity),
            Encoding::QuotedPrintable => Some(Decoder::QuotedPrintable(QuotedPrintable::default())),
            Encoding::Base64 => Some(Decoder::Base64(Base64::default())),
            Encoding::Unknown => None,
        }
    }

    /// Appends to `out` what `piece` decodes to: hardly more octets than it has itself.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match self {
            Decoder::Identity => out.extend_from_slice(piece),
            Decoder::QuotedPrintable(decoder) => decoder.push(piece, out),
            Decoder::Base64(decoder) => decoder.push(piece, out),
        }
    }

    /// The body has ended.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self {
            Decoder::Identity => {}
            Decoder::QuotedPrintable(decoder) => decoder.finish(out),
            Decoder::Base64(mut decoder) => decoder.end_of_run(out),
        }
    }
}

/// Between the pieces of a body in base64: digits that are no whole group yet.
#[derive(Debug, Default)]
pub struct Base64 {
    bits: u32,
    digits: u8,
}

impl Base64 {
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        out.reserve(piece.len() / 4 * 3 + 3);
        for octet in piece {
            match DIGITS[usize::from(*octet)] {
                NO_DIGIT if *octet == b'=' => self.end_of_run(out),
                NO_DIGIT => {}
                digit => self.digit(digit, out),
            }
        }
    }

    fn digit(&mut self, digit: u8, out: &mut Vec<u8>) {
        self.bits = self.bits << 6 | u32::from(digit);
        self.digits += 1;
        if self.digits == 4 {
            out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
            (self.bits, self.digits) = (0, 0);
        }
    }

    /// Padding: what follows is another beginning. A single digit is no octet.
    fn end_of_run(&mut self, out: &mut Vec<u8>) {
        match self.digits {
            2 => out.push((self.bits >> 4) as u8),
            3 => out.extend_from_slice(&((self.bits >> 2) as u16).to_be_bytes()),
            _ => {}
        }
        (self.bits, self.digits) = (0, 0);
    }
}

/// Between the pieces of a quoted-printable body: what means nothing before it is known what follows.
#[derive(Debug, Default)]
pub struct QuotedPrintable {
    /// White space, or `=` and what came behind it; then perhaps a CR.
    held: Vec<u8>,
}

impl QuotedPrintable {
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some((octet, after)) = rest.split_first() {
            if !self.held.is_empty() {
                self.follow(*octet, out);
                rest = after;
                continue;
            }
            let plain = memchr::memchr3(b'=', b' ', b'\t', rest).unwrap_or(rest.len());
            out.extend_from_slice(&rest[..plain]);
            rest = &rest[plain..];
            if let Some((octet, after)) = rest.split_first() {
                self.held.push(*octet);
                rest = after;
            }
        }
    }

    /// `octet` comes behind what is held.
    fn follow(&mut self, octet: u8, out: &mut Vec<u8>) {
        let is_escape = self.held[0] == b'=';
        match (&self.held[..], octet) {
            // RFC 2045 §6.7 (5): a line end behind `=` is none.
            (_, b'\n') if is_escape && !is_hex(self.held.get(1)) => self.held.clear(),
            // RFC 2045 §6.7 (3): white space at the end of a line was added on the way.
            (held, b'\n') if !is_escape => {
                out.extend_from_slice(if held.ends_with(b"\r") { b"\r\n" } else { b"\n" });
                self.held.clear();
            }
            ([b'=', high], low) if is_hex(Some(high)) && is_hex(Some(&low)) => {
                out.push(hex(*high) << 4 | hex(low));
                self.held.clear();
            }
            (b"=", digit) if is_hex(Some(&digit)) => self.held.push(digit),
            (held, b' ' | b'\t' | b'\r') if !held.ends_with(b"\r") && !is_hex(held.get(1)) && held.len() < LONGEST_HELD => {
                self.held.push(octet);
            }
            _ => self.release(octet, out),
        }
    }

    /// What is held means itself.
    fn release(&mut self, next: u8, out: &mut Vec<u8>) {
        out.append(&mut self.held);
        match next {
            b'=' | b' ' | b'\t' => self.held.push(next),
            next => out.push(next),
        }
    }

    /// At the end, as before a line end that belongs to a delimiter, nothing is held but a broken escape.
    fn finish(self, out: &mut Vec<u8>) {
        if is_hex(self.held.get(1)) {
            out.extend_from_slice(&self.held);
        }
    }
}

fn is_hex(octet: Option<&u8>) -> bool {
    octet.is_some_and(u8::is_ascii_hexdigit)
}

fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).map_or(0, |digit| digit as u8)
}

/// The value of each octet as a digit of base64.
const DIGITS: [u8; 256] = {
    let (mut digits, mut at) = ([NO_DIGIT; 256], 0);
    while at < 64 {
        digits[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    digits
};
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const NO_DIGIT: u8 = 255;
/// Octets of white space that wait for the end of their line: more than RFC 5322 §2.1.1 allows a line to have.
const LONGEST_HELD: usize = 1_000;

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    use super::super::charset::transferred;
    use super::*;

    fn decoded(encoding: Encoding, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut decoder, mut out) = (Decoder::new(encoding).unwrap(), Vec::new());
        pieces.iter().for_each(|piece| decoder.push(piece, &mut out));
        decoder.finish(&mut out);
        out
    }

    fn text(encoding: Encoding, body: &str) -> String {
        String::from_utf8_lossy(&decoded(encoding, &[body.as_bytes()])).into_owned()
    }

    #[test]
    fn quoted_printable_is_undone() {
        let cases = [
            ("caf=C3=A9 =3d\r\n", "café =\r\n"),
            ("soft=\r\nbreak= \t\r\n.", "softbreak."),
            ("white  \t\r\n space ", "white\r\n space"),
            ("blank \r\n\r\n \r\n", "blank\r\n\r\n\r\n"),
            ("broken = =G1 =4 ==41", "broken = =G1 =4 =A"),
            ("lone =\r.\r \r\nend=", "lone =\r.\r\r\nend"),
            ("half=4", "half=4"),
        ];
        for (body, expected) in cases {
            assert_eq!(text(Encoding::QuotedPrintable, body), expected, "{body:?}");
        }
    }

    #[test]
    fn white_space_without_an_end_is_not_kept_in_memory() {
        let long = " ".repeat(100_000) + "x";
        assert_eq!(text(Encoding::QuotedPrintable, &long), long);
    }

    #[test]
    fn base64_goes_on_behind_its_end_and_over_what_is_none() {
        assert_eq!(text(Encoding::Base64, "aGVs\r\nbG8=\r\n--\r\nd29ybGQ=\r\n"), "helloworld");
        assert_eq!(text(Encoding::Base64, "QQ==Q"), "A");
        assert_eq!(text(Encoding::Base64, "QUI"), "AB");
    }

    proptest! {
        #[test]
        fn cuts_make_no_difference(text in "[=A4f \t\r\n]{0,40}", lens in prop::collection::vec(1usize..5, 1..40)) {
            for encoding in [Encoding::Identity, Encoding::QuotedPrintable, Encoding::Base64] {
                let (mut pieces, mut rest) = (Vec::new(), text.as_bytes());
                for len in &lens {
                    let (piece, after) = rest.split_at((*len).min(rest.len()));
                    pieces.push(piece);
                    rest = after;
                }
                pieces.push(rest);
                prop_assert_eq!(decoded(encoding, &pieces), decoded(encoding, &[text.as_bytes()]));
            }
        }

        #[test]
        fn what_was_encoded_comes_back(octets: Vec<u8>) {
            let base64 = BASE64_STANDARD.encode(&octets);
            prop_assert_eq!(&decoded(Encoding::Base64, &[base64.as_bytes()]), &octets);
            let quoted: String = octets.iter().map(|octet| format!("={octet:02X}")).collect();
            prop_assert_eq!(&decoded(Encoding::QuotedPrintable, &[quoted.as_bytes()]), &octets);
        }

        #[test]
        fn base64_is_what_previews_make_of_it(text in "[=A4f/+ \r\n]{0,40}") {
            prop_assert_eq!(decoded(Encoding::Base64, &[text.as_bytes()]), transferred(Encoding::Base64, text.as_bytes()));
        }
    }
}

//! The text of a body that comes in pieces: transfer encoding, charset, HTML, one behind the other. Where it is cut makes no difference,
//! and no more than a few octets are held.

use encoding_rs::{Decoder, WINDOWS_1252};

use super::charset::{self, quoted_printable};
use super::html::Stripper;
use super::part::Encoding;

/// A body on its way to be text.
#[derive(Debug)]
pub struct Stream {
    transfer: Transfer,
    charset: Charset,
    html: Option<Html>,
    octets: Vec<u8>,
}

impl Stream {
    /// In front of a body that is encoded so, in the charset of that label; `is_html` leaves out what is no text in HTML.
    pub fn new(encoding: Encoding, label: Option<&str>, is_html: bool) -> Stream {
        let transfer = match encoding {
            Encoding::Identity | Encoding::Unknown => Transfer::Identity,
            Encoding::QuotedPrintable => Transfer::QuotedPrintable(Vec::new()),
            Encoding::Base64 => Transfer::Base64 { digits: 0, count: 0 },
        };
        let charset = match charset::known(label) {
            Some(charset) if charset.is_ascii_compatible() => Charset::Plain(charset, true),
            Some(charset) => Charset::Known(Box::new(charset.new_decoder())),
            None => Charset::Utf8(Vec::new()),
        };
        Stream { transfer, charset, html: is_html.then(Html::default), octets: Vec::new() }
    }

    /// The text of the next piece, if that is nothing but the piece itself; it has been read then.
    pub fn as_it_is<'p>(&mut self, piece: &'p [u8]) -> Option<&'p str> {
        if !matches!(self.transfer, Transfer::Identity) || self.html.is_some() || !piece.is_ascii() {
            return None;
        }
        match &mut self.charset {
            Charset::Plain(_, is_first) => *is_first &= piece.is_empty(),
            Charset::Utf8(held) if held.is_empty() => {}
            Charset::Latin => {}
            Charset::Utf8(_) | Charset::Known(_) => return None,
        }
        str::from_utf8(piece).ok()
    }

    /// Appends the text of the next piece, as far as it is known by now.
    pub fn feed(&mut self, piece: &[u8], out: &mut String) {
        let mut octets = std::mem::take(&mut self.octets);
        octets.clear();
        match &mut self.transfer {
            Transfer::Identity => self.characters(piece, false, out),
            transfer => {
                transfer.feed(piece, &mut octets);
                self.characters(&octets, false, out);
            }
        }
        self.octets = octets;
    }

    /// There is no more.
    pub fn finish(&mut self, out: &mut String) {
        let mut octets = Vec::new();
        self.transfer.finish(&mut octets);
        self.characters(&octets, true, out);
    }

    fn characters(&mut self, octets: &[u8], last: bool, out: &mut String) {
        match &mut self.html {
            None => self.charset.feed(octets, last, out),
            Some(html) => {
                let mut source = String::new();
                self.charset.feed(octets, last, &mut source);
                html.feed(&source, last, out);
            }
        }
    }
}

/// RFC 2045 §6, as lenient as [`charset::transferred`].
#[derive(Debug)]
enum Transfer {
    Identity,
    /// With the beginning of what `=` begins.
    QuotedPrintable(Vec<u8>),
    /// With up to three digits of six bits.
    Base64 {
        digits: u32,
        count: u8,
    },
}

impl Transfer {
    fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match self {
            Transfer::Identity => out.extend_from_slice(piece),
            Transfer::QuotedPrintable(held) => {
                let mut text = std::mem::take(held);
                text.extend_from_slice(piece);
                let tail = text[text.len().saturating_sub(2)..].iter().position(|octet| *octet == b'=');
                let whole = tail.map_or(text.len(), |at| text.len().saturating_sub(2) + at);
                *held = text.split_off(whole);
                out.extend(quoted_printable(&text, false));
            }
            Transfer::Base64 { digits, count } => {
                for octet in piece {
                    match DIGITS[usize::from(*octet)] {
                        NO_DIGIT => {}
                        // What follows is the next beginning.
                        END => end_of_base64(digits, count, out),
                        digit => {
                            *digits = *digits << 6 | u32::from(digit);
                            *count += 1;
                            if *count == 4 {
                                out.extend_from_slice(&digits.to_be_bytes()[1..]);
                                (*digits, *count) = (0, 0);
                            }
                        }
                    }
                }
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Transfer::Identity => {}
            Transfer::QuotedPrintable(held) => out.extend(quoted_printable(held, false)),
            Transfer::Base64 { digits, count } => end_of_base64(digits, count, out),
        }
    }
}

/// Two digits are an octet, three are two, one is nothing.
fn end_of_base64(digits: &mut u32, count: &mut u8, out: &mut Vec<u8>) {
    let octets = (*digits << (6 * (4 - u32::from(*count)))).to_be_bytes();
    out.extend_from_slice(&octets[1..usize::from(*count).max(1)]);
    (*digits, *count) = (0, 0);
}

#[derive(Debug)]
enum Charset {
    Known(Box<Decoder>),
    /// One in which ASCII is ASCII, as long as nothing else has come; whether nothing has come at all.
    Plain(&'static encoding_rs::Encoding, bool),
    /// UTF-8, as long as it can be; with the beginning of a character.
    Utf8(Vec<u8>),
    /// Windows-1252, from the first octet on that is no UTF-8.
    Latin,
}

impl Charset {
    fn feed(&mut self, octets: &[u8], last: bool, out: &mut String) {
        if let Charset::Plain(charset, is_first) = self {
            if octets.is_ascii() {
                *is_first &= octets.is_empty();
                return out.push_str(str::from_utf8(octets).unwrap_or_default());
            }
            // A mark of the byte order stands in front of everything.
            let decoder = if *is_first { charset.new_decoder() } else { charset.new_decoder_without_bom_handling() };
            *self = Charset::Known(Box::new(decoder));
        }
        match self {
            Charset::Plain(..) => {}
            Charset::Known(decoder) => {
                let room = decoder.max_utf8_buffer_length(octets.len()).unwrap_or(4 * octets.len() + 16);
                out.reserve(room);
                // There is room for all of it.
                let _ = decoder.decode_to_string(octets, out, last);
            }
            Charset::Utf8(held) => {
                let all = if held.is_empty() { octets } else { &[held.as_slice(), octets].concat() };
                if let Some(kept) = utf8(all, last, out) {
                    *held = kept;
                } else {
                    *self = Charset::Latin;
                }
            }
            Charset::Latin => out.push_str(&WINDOWS_1252.decode_without_bom_handling(octets).0),
        }
    }
}

/// Appends UTF-8. Returns the beginning of a character at its end; `None` if the rest was something else.
fn utf8(octets: &[u8], last: bool, out: &mut String) -> Option<Vec<u8>> {
    let (valid, rest, is_cut) = match str::from_utf8(octets) {
        Ok(text) => (text, &[][..], true),
        Err(error) => {
            let (valid, rest) = octets.split_at(error.valid_up_to());
            (str::from_utf8(valid).unwrap_or_default(), rest, error.error_len().is_none())
        }
    };
    out.push_str(valid);
    if is_cut && (!last || rest.is_empty()) {
        return Some(rest.to_vec());
    }
    out.push_str(&WINDOWS_1252.decode_without_bom_handling(rest).0);
    None
}

/// Text of HTML, where a run of white space is one space.
#[derive(Debug, Default)]
struct Html {
    stripper: Stripper,
    text: String,
    blank: bool,
}

impl Html {
    fn feed(&mut self, source: &str, last: bool, out: &mut String) {
        self.text.clear();
        self.stripper.feed(source, &mut self.text);
        if last {
            self.stripper.finish(&mut self.text);
        }
        let mut rest = &self.text[..];
        while !rest.is_empty() {
            let (word, after) = rest.split_at(rest.bytes().position(|octet| octet.is_ascii_whitespace()).unwrap_or(rest.len()));
            out.push_str(word);
            rest = after.trim_ascii_start();
            self.blank &= word.is_empty();
            if rest.len() < after.len() && !std::mem::replace(&mut self.blank, true) {
                out.push(' ');
            }
        }
    }
}

const NO_DIGIT: u8 = 255;
const END: u8 = 254;
/// What each octet means in Base64 (RFC 2045 §6.8).
static DIGITS: [u8; 256] = digits();

const fn digits() -> [u8; 256] {
    let mut table = [NO_DIGIT; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut at = 0;
    while at < alphabet.len() {
        table[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    table[b'=' as usize] = END;
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::charset::{decode, transferred};

    fn streamed(mut stream: Stream, body: &[u8], lens: &[usize]) -> String {
        let (mut out, mut rest) = (String::new(), body);
        for len in lens.iter().cycle() {
            let (piece, after) = rest.split_at((*len).min(rest.len()));
            match stream.as_it_is(piece) {
                Some(text) => out.push_str(text),
                None => stream.feed(piece, &mut out),
            }
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        stream.finish(&mut out);
        out
    }

    #[test]
    fn encodings_charsets_and_html_are_undone() {
        type Case<'a> = (Encoding, Option<&'a str>, bool, &'a [u8], &'a str);
        let cases: [Case<'_>; 8] = [
            (Encoding::QuotedPrintable, Some("iso-8859-1"), false, b"Gr=FC=\r\n=DFe =zz =", "Grüße =zz ="),
            (Encoding::Base64, Some("utf-8"), false, b"R3LD\r\nvMOfZQ==R3I=", "GrüßeGr"),
            (Encoding::Base64, None, false, b"R", ""),
            (Encoding::Identity, None, false, "Grü".as_bytes(), "Grü"),
            (Encoding::Identity, Some("us-ascii"), false, b"\xfc\xc3\xbc", "üÃ¼"),
            (Encoding::Identity, Some("iso-2022-jp"), false, b"\x1b$B$3$s\x1b(B", "こん"),
            (Encoding::QuotedPrintable, Some("utf-8"), true, b"a<br>\n  <b>=C3=\n=BC</b>", "a ü"),
            (Encoding::Identity, None, true, b"<p>one\r\n\ttwo &amp;\n three", " one two & three"),
        ];
        for (encoding, label, is_html, body, expected) in cases {
            for len in 1..6 {
                assert_eq!(streamed(Stream::new(encoding, label, is_html), body, &[len]), expected, "{expected} {len}");
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(
            body in proptest::collection::vec(prop_oneof![Just(b'='), Just(b'\n'), Just(b'\r'), b'0'..b'G', any::<u8>()], 0..60),
            lens in proptest::collection::vec(1usize..9, 1..9),
            label in prop_oneof![Just(None), Just(Some("utf-8")), Just(Some("shift_jis"))],
        ) {
            for encoding in [Encoding::QuotedPrintable, Encoding::Base64, Encoding::Identity] {
                let once = streamed(Stream::new(encoding, label, false), &body, &[1_000]);
                prop_assert_eq!(&streamed(Stream::new(encoding, label, false), &body, &lens), &once);
                if label.is_some() {
                    prop_assert_eq!(decode(label, &transferred(encoding, &body)), once);
                }
            }
        }
    }
}

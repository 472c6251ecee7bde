//! The charset of a command's strings (RFC 9051 §6.4.4).

use encoding_rs::{Encoding, UTF_8};

use super::Refused;
use crate::imap::args::Bad;

/// How the strings of a command are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Charset {
    /// What holds without CHARSET: UTF-8, of which US-ASCII is a part (RFC 9051 §6.4.4).
    pub const USUAL: Charset = Charset(UTF_8);

    /// The charset of that name.
    ///
    /// # Errors
    /// [`Refused::Charset`] if nobody knows it.
    pub fn named(name: &[u8]) -> Result<Charset, Refused> {
        // Not what browsers make of the name US-ASCII, which is Windows-1252.
        if [&b"US-ASCII"[..], b"ASCII", b"UTF-8"].iter().any(|usual| usual.eq_ignore_ascii_case(name)) {
            return Ok(Charset::USUAL);
        }
        // `replacement` stands for charsets that are not safe to be read.
        Encoding::for_label(name).filter(|known| known.name() != "replacement").map(Charset).ok_or(Refused::Charset)
    }

    /// The text of a string.
    ///
    /// # Errors
    /// It is not of this charset.
    pub fn text(self, octets: &[u8]) -> Result<String, Bad> {
        let text = self.0.decode_without_bom_handling_and_without_replacement(octets);
        text.map(|text| text.into_owned()).ok_or(Bad("a string is not of its charset"))
    }
}

/// What is told with `BADCHARSET` (RFC 9051 §7.1): a few that are known, not all.
pub const SOME: &str = "US-ASCII UTF-8 ISO-8859-1 ISO-8859-15 WINDOWS-1252 KOI8-R ISO-2022-JP SHIFT_JIS EUC-KR GB18030 BIG5";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_in_their_charset() {
        let text = |name: &str, octets: &[u8]| Charset::named(name.as_bytes()).unwrap().text(octets);
        assert_eq!(text("iso-8859-1", b"\xfc").unwrap(), "ü");
        assert_eq!(text("us-ascii", "ü".as_bytes()).unwrap(), "ü");
        assert_eq!(text("Shift_JIS", b"\x82\xb1").unwrap(), "こ");
        assert!(text("utf-8", b"\xfc").is_err());
        assert!(SOME.split(' ').all(|name| Charset::named(name.as_bytes()).is_ok()));
        for name in ["klingon", "", "iso-2022-cn", "utf-7"] {
            assert!(matches!(Charset::named(name.as_bytes()), Err(Refused::Charset)), "{name}");
        }
    }
}

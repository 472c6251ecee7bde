//! Octets as text: transfer encodings (RFC 2045 §6), charsets, encoded words (RFC 2047). Everything is lenient: what can't be decoded
//! becomes U+FFFD or stays as it is.

use std::str::Utf8Error;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use encoding_rs::{Encoding as Charset, UTF_8, WINDOWS_1252};
use memchr::{memchr, memchr2, memmem};

use super::part::Encoding;

/// The octets of a body that is encoded so.
pub fn transferred(encoding: Encoding, body: &[u8]) -> Vec<u8> {
    match encoding {
        Encoding::Identity | Encoding::Unknown => body.to_vec(),
        Encoding::QuotedPrintable => quoted_printable(body, false),
        Encoding::Base64 => base64(body),
    }
}

/// The charset of a label that is no more than a name for [`decode`]'s guess: `None` then, and for labels that nobody knows.
pub(super) fn known(label: Option<&str>) -> Option<&'static Charset> {
    label.and_then(|label| Charset::for_label(label.trim().as_bytes())).filter(|charset| *charset != WINDOWS_1252)
}

/// The text of octets in a charset. What names no charset, or US-ASCII, is UTF-8 if it can be, else Windows-1252.
pub fn decode(label: Option<&str>, octets: &[u8]) -> String {
    match known(label) {
        Some(charset) => charset.decode(octets).0.into_owned(),
        // The labels of Windows-1252 are those of US-ASCII and ISO 8859-1 too.
        None => match str::from_utf8(octets) {
            Ok(text) => text.to_owned(),
            Err(error) if is_cut_utf8(octets, error) => UTF_8.decode(octets).0.into_owned(),
            Err(_) => WINDOWS_1252.decode(octets).0.into_owned(),
        },
    }
}

/// A field's value with its encoded words decoded. White space between two of them is none (RFC 2047 §6.2), and a character may begin in
/// one and end in the next, which is against the rule and not rare.
pub fn decode_words(value: &[u8]) -> String {
    let mut out = String::new();
    let mut words: Option<(String, Vec<u8>)> = None;
    let (mut plain, mut at) = (0, 0);
    while let Some(found) = memmem::find(&value[at..], b"=?") {
        let start = at + found;
        let Some((charset, octets, len)) = encoded_word(&value[start..]) else {
            at = start + 2;
            continue;
        };
        let gap = &value[plain..start];
        let joined = words.is_some() && gap.trim_ascii().is_empty();
        match &mut words {
            Some((same, before)) if joined && *same == charset => before.extend(octets),
            _ => {
                flush(&mut out, &mut words);
                out.push_str(&decode(None, if joined { b"" } else { gap }));
                words = Some((charset, octets));
            }
        }
        at = start + len;
        plain = at;
    }
    flush(&mut out, &mut words);
    out.push_str(&decode(None, &value[plain..]));
    out
}

fn flush(out: &mut String, words: &mut Option<(String, Vec<u8>)>) {
    if let Some((charset, octets)) = words.take() {
        out.push_str(&decode(Some(&charset), &octets));
    }
}

/// Charset, octets and length of the encoded word at the beginning.
fn encoded_word(text: &[u8]) -> Option<(String, Vec<u8>, usize)> {
    let text = &text[..text.len().min(LONGEST_WORD)];
    let charset_end = 2 + memchr(b'?', text.get(2..)?)?;
    let [encoding, b'?', ..] = text.get(charset_end + 1..)? else { return None };
    let start = charset_end + 3;
    let end = start + memmem::find(&text[start..], b"?=")?;
    let octets = match encoding {
        b'q' | b'Q' => quoted_printable(&text[start..end], true),
        b'b' | b'B' => base64(&text[start..end]),
        _ => return None,
    };
    let charset = str::from_utf8(&text[2..charset_end]).ok()?;
    // RFC 2231 §5: a language may follow.
    let charset = charset.split('*').next()?.to_ascii_lowercase();
    (!charset.is_empty()).then_some((charset, octets, end + 2))
}

/// `in_word` makes it the Q encoding, where an underscore is a space.
pub(super) fn quoted_printable(text: &[u8], in_word: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = if in_word { memchr2(b'=', b'_', rest) } else { memchr(b'=', rest) } {
        out.extend_from_slice(&rest[..at]);
        rest = match &rest[at..] {
            [b'=', b'\r', b'\n', after @ ..] | [b'=', b'\n', after @ ..] => after,
            [b'=', high, low, after @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
                out.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                after
            }
            from => {
                out.push(if from[0] == b'_' { b' ' } else { b'=' });
                &from[1..]
            }
        };
    }
    out.extend_from_slice(rest);
    out
}

fn hex(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).map(|digit| digit as u8)
}

/// What is not of the alphabet does not count, and what follows a `=` is the next beginning.
fn base64(text: &[u8]) -> Vec<u8> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for run in text.split(|octet| *octet == b'=') {
        let mut digits: Vec<u8> = run.iter().copied().filter(|octet| octet.is_ascii_alphanumeric() || b"+/".contains(octet)).collect();
        if digits.len() % 4 == 1 {
            digits.pop();
        }
        out.extend(LENIENT.decode(digits).unwrap_or_default());
    }
    out
}

/// UTF-8 that ends within a character, as when the rest was not kept.
fn is_cut_utf8(octets: &[u8], error: Utf8Error) -> bool {
    error.error_len().is_none() && !octets[..error.valid_up_to()].is_ascii()
}

/// Octets of an encoded word; RFC 2047 §2 allows 75, and many are longer.
const LONGEST_WORD: usize = 1_000;

//! Modified UTF-7, as IMAP4rev1 sends the names of mailboxes and as most servers write them to disk (RFC 3501 §5.1.3).

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

/// `text` in modified UTF-7.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run = rest.find(|letter| is_direct(letter) != is_direct(first)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(run);
        match is_direct(first) {
            true => piece.split('&').enumerate().for_each(|(nth, plain)| out.extend([if nth == 0 { "" } else { "&-" }, plain])),
            false => shift(piece, &mut out),
        }
        rest = after;
    }
    out
}

/// What `octets` say in modified UTF-7; `None` unless it is the very form in which we would write it, so that no two texts
/// mean the same.
pub fn decode(octets: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(octets.len());
    let mut rest = std::str::from_utf8(octets).ok()?;
    while let Some((plain, shifted)) = rest.split_once('&') {
        let (shifted, after) = shifted.split_once('-')?;
        out.push_str(plain);
        match shifted {
            "" => out.push('&'),
            _ => unshift(shifted, &mut out)?,
        }
        rest = after;
    }
    out.push_str(rest);
    (encode(&out).as_bytes() == octets).then_some(out)
}

/// Letters that stand for themselves, and `&`.
fn is_direct(letter: char) -> bool {
    matches!(letter, ' '..='~')
}

fn shift(text: &str, out: &mut String) {
    let octets: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    out.push('&');
    BASE64.encode_string(octets, out);
    out.push('-');
}

fn unshift(shifted: &str, out: &mut String) -> Option<()> {
    let octets = BASE64.decode(shifted).ok()?;
    let (units, []) = octets.as_chunks::<2>() else { return None };
    char::decode_utf16(units.iter().map(|&unit| u16::from_be_bytes(unit))).try_for_each(|letter| letter.map(|letter| out.push(letter)).ok())
}

const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_written_as_the_rfc_shows() {
        for (text, written) in [
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("R&D", "R&-D"),
            ("&&ä&", "&-&-&AOQ-&-"),
            ("\u{1F4E7}", "&2D3c5w-"),
            ("", ""),
        ] {
            assert_eq!(encode(text), written);
            assert_eq!(decode(written.as_bytes()).as_deref(), Some(text));
        }
    }

    #[test]
    fn there_is_one_way_to_write_a_text() {
        // Open shift, printable letters in base64, two shifts where one does, bits left over, half a surrogate pair, octets
        // beyond ASCII.
        for written in ["R&D", "&AGE-", "&AOQ-&AOQ-", "&AOR-", "&2D0-", "&3ec-", "&A-", "\u{e4}", "&AOQ=-", "a\n", "&AOQ"] {
            assert_eq!(decode(written.as_bytes()), None, "{written}");
        }
        assert_eq!(decode(b"\xff"), None);
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in ".*") {
            prop_assert_eq!(decode(encode(&text).as_bytes()), Some(text));
        }
    }
}

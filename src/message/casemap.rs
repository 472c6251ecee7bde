//! i;unicode-casemap (RFC 5051): text in the form in which SEARCH, SORT and THREAD compare it (RFC 5255 §4.5).

use memchr::memchr;
use unicode_normalization::char::decompose_compatible;

/// Appends `text` as titlecased canonicalized UTF-8 (RFC 5051 §2). Texts that are equal in this form are equal without regard to case,
/// a text contains another if it does in this form, and octets decide which comes first.
pub fn casemap(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while !rest.is_empty() {
        let after = &rest[fold_ascii(rest.as_bytes(), out)..];
        let other = after.bytes().position(|octet| octet.is_ascii()).unwrap_or(after.len());
        let (other, after) = after.split_at(other);
        other.chars().for_each(|character| fold(character, out));
        rest = after;
    }
}

/// As [`casemap`], where line ends are LF, whatever they are in `text`: for what is looked for, and where.
pub fn casemap_lines(text: &str, out: &mut Vec<u8>) {
    let from = out.len();
    casemap(text, out);
    let Some(cr) = memchr(b'\r', &out[from..]) else { return };
    let first = from + cr;
    let mut to = first;
    for at in first..out.len() {
        if out[at] != b'\r' {
            out[to] = out[at];
            to += 1;
        }
    }
    out.truncate(to);
}

/// Appends what comes before the first octet that is not ASCII; returns how many octets that is. Many are looked at together, for most
/// texts have no other.
fn fold_ascii(text: &[u8], out: &mut Vec<u8>) -> usize {
    let from = out.len();
    for some in text.chunks(128) {
        let len = if some.is_ascii() { some.len() } else { some.iter().position(|octet| !octet.is_ascii()).unwrap_or(some.len()) };
        out.extend_from_slice(&some[..len]);
        if len < some.len() {
            break;
        }
    }
    out[from..].make_ascii_uppercase();
    out.len() - from
}

/// The titlecase of a character, what that decomposes to, the titlecase of each, and so on until nothing changes. It ends soon: what
/// decomposes no further has at most one other case.
fn fold(character: char, out: &mut Vec<u8>) {
    let titled = titlecase(character);
    if is_hangul_syllable(titled) {
        return push(titled, out);
    }
    decompose_compatible(titled, |part| if part == titled { push(part, out) } else { fold(part, out) });
}

/// UnicodeData.txt, on which RFC 5051 is built, has no decomposition of these: they follow from an algorithm.
fn is_hangul_syllable(character: char) -> bool {
    ('\u{ac00}'..='\u{d7a3}').contains(&character)
}

/// The simple titlecase mapping of UnicodeData.txt: that of uppercase, but for the few that have one of their own.
fn titlecase(character: char) -> char {
    let code = character as u32;
    let offset = |offset: u32| char::from_u32(code + offset).unwrap_or(character);
    match code {
        // Digraphs, of which only the first letter becomes large.
        0x1c4..=0x1c6 => '\u{1c5}',
        0x1c7..=0x1c9 => '\u{1c8}',
        0x1ca..=0x1cc => '\u{1cb}',
        0x1f1..=0x1f3 => '\u{1f2}',
        // Georgian has capitals for whole words only.
        0x10d0..=0x10ff => character,
        // Greek letters with an iota below, whose full mapping is to two letters.
        0x1f80..=0x1faf => char::from_u32(code | 8).unwrap_or(character),
        0x1fb3 | 0x1fc3 | 0x1ff3 => offset(9),
        _ => {
            let mut upper = character.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(upper), None) => upper,
                _ => character,
            }
        }
    }
}

fn push(character: char, out: &mut Vec<u8>) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        let mut out = Vec::new();
        casemap(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn case_and_form_make_no_difference() {
        let equal = [
            ("Grüße", "gRU\u{308}ße"),
            ("ﬁle", "FILE"),
            // The example of RFC 5051 §2.
            ("\u{1c4}", "DZ\u{30c}"),
            ("ǆ", "dž"),
            ("ᾳ", "\u{1fbc}"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("Ⅷ", "viii"),
            ("a\u{a0}b", "A B"),
            ("привет", "ПРИВЕТ"),
        ];
        for (one, other) in equal {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        assert_eq!(folded("ß"), "ß");
        assert_eq!(folded("한국"), "한국");
        assert_eq!(folded("მ"), "მ");
        assert_eq!(folded("plain äöü text"), "PLAIN A\u{308}O\u{308}U\u{308} TEXT");
    }

    #[test]
    fn what_is_folded_stays_as_it_is() {
        for character in '\0'..=char::MAX {
            let once = folded(character.encode_utf8(&mut [0; 4]));
            assert_eq!(folded(&once), once, "{:x}", character as u32);
            assert!(once.len() <= 64, "{:x}", character as u32);
        }
    }
}

//! The base subject (RFC 5256 §2.1): what replies, forwards and mailing lists have added is taken away.

use super::charset::decode_words;
use super::header::squeeze;

/// The base subject of `Subject`'s value, decoded; at most 1,000 octets.
pub fn base(value: &[u8]) -> String {
    let text = decoded(value);
    let (base, _) = stripped(&text);
    base[..base.floor_char_boundary(LONGEST_BASE)].to_owned()
}

/// Whether the message is a reply or has been forwarded, as far as `Subject`'s value tells (RFC 5256 §2.1).
pub fn is_reply(value: &[u8]) -> bool {
    stripped(&decoded(value)).1
}

fn decoded(value: &[u8]) -> String {
    let text = decode_words(&squeeze(&value[..value.len().min(LONGEST_VALUE)]));
    text.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The base subject, and whether something went that replies and forwards have.
fn stripped(text: &str) -> (&str, bool) {
    let (mut rest, mut is_reply) = (text, false);
    loop {
        rest = without_leaders(without_trailers(rest, &mut is_reply), &mut is_reply);
        match strip_prefix(rest, "[fwd:").and_then(|inside| inside.strip_suffix(']')) {
            Some(inside) => (rest, is_reply) = (inside, true),
            None => return (rest, is_reply),
        }
    }
}

/// subj-trailer
fn without_trailers<'a>(mut text: &'a str, is_reply: &mut bool) -> &'a str {
    loop {
        text = text.trim_end_matches(' ');
        match text.len().checked_sub("(fwd)".len()).and_then(|at| text.split_at_checked(at)) {
            Some((before, end)) if end.eq_ignore_ascii_case("(fwd)") => (text, *is_reply) = (before, true),
            _ => return text,
        }
    }
}

/// subj-leader, and subj-blob unless it is all there is.
fn without_leaders<'a>(mut text: &'a str, is_reply: &mut bool) -> &'a str {
    loop {
        text = text.trim_start_matches(' ');
        match (behind_leader(text), behind_blob(text)) {
            (Some(after), _) => (text, *is_reply) = (after, true),
            (None, Some(after)) if !after.is_empty() => text = after,
            _ => return text,
        }
    }
}

/// Blobs, then `re` or `fw` or `fwd`, perhaps a blob, and a colon.
fn behind_leader(mut text: &str) -> Option<&str> {
    while let Some(after) = behind_blob(text) {
        text = after;
    }
    let after = ["re", "fwd", "fw"].iter().find_map(|word| strip_prefix(text, word))?.trim_start_matches(' ');
    behind_blob(after).unwrap_or(after).strip_prefix(':')
}

/// `[...]` and the spaces behind it.
fn behind_blob(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let end = inside.find(['[', ']'])?;
    Some(inside[end..].strip_prefix(']')?.trim_start_matches(' '))
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Octets of a value that are looked at.
const LONGEST_VALUE: usize = 2_000;
const LONGEST_BASE: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_on_the_way_goes() {
        let cases = [
            ("", ""),
            ("Lunch", "Lunch"),
            ("Re: Lunch", "Lunch"),
            ("RE : re: FW: Fwd:Lunch (fwd) (FWD) ", "Lunch"),
            ("Re[2]: Lunch", "Lunch"),
            ("Re [2] : Lunch", "Lunch"),
            ("[list] Re: [list] Lunch", "Lunch"),
            ("[list]", "[list]"),
            ("[a] [b]", "[b]"),
            ("Re: [fwd: Re: Lunch (fwd)]", "Lunch"),
            ("[Fwd: [Fwd: Lunch]]", "Lunch"),
            ("Re:", ""),
            ("(fwd)", ""),
            ("[Fwd:]", ""),
            ("Regarding: Lunch", "Regarding: Lunch"),
            ("[un[closed Re: x", "[un[closed Re: x"),
            ("Re:\n\tone\n two", "one two"),
            ("=?utf-8?Q?Re:_Gr=C3=BC?= =?utf-8?Q?=C3=9Fe?=", "Grüße"),
            ("Re: \u{e9}", "é"),
        ];
        for (subject, expected) in cases {
            assert_eq!(base(subject.as_bytes()), expected, "{subject}");
        }
        for (subject, expected) in [("Lunch", false), ("[list] Lunch", false), ("re: x", true), ("x (fwd)", true), ("[fwd: x]", true)] {
            assert_eq!(is_reply(subject.as_bytes()), expected, "{subject}");
        }
        assert_eq!(base("ä".repeat(5_000).as_bytes()).len(), LONGEST_BASE);
    }
}

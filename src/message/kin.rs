//! Who belongs to whom: the Message-IDs that messages have and refer to (RFC 5256 §3), each in a few octets.

use xxhash_rust::xxh3::Xxh3;

use super::entry::EntryRef;
use super::{fields, subject};

/// What stands for a text: equal for equal ones. Nobody outside knows with which seed, and so nobody can write two texts with one name.
pub type Name = u128;

/// What a message says of itself and of those before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kin {
    /// Its subject is that of a reply or of what was forwarded.
    pub is_reply: bool,
    /// Its Message-ID, if it has one that is valid.
    pub name: Option<Name>,
    /// The Message-IDs that it refers to, the oldest first.
    pub references: Vec<Name>,
}

impl Kin {
    /// What `kept` has of it, with at most [`MOST_REFERENCES`].
    pub fn of(kept: &EntryRef<'_>, seed: u64) -> Kin {
        let last = |name| fields::values(kept.fields(), name).last().unwrap_or_default();
        let subject = last("Subject");
        let is_reply = subject.trim_ascii() != kept.subject_base().as_bytes() && subject::is_reply(subject);
        let name = names(last("Message-ID"), seed).next();
        let mut references: Vec<Name> = names(last("References"), seed).collect();
        shorten(&mut references, MOST_REFERENCES);
        if references.is_empty() {
            references.extend(names(last("In-Reply-To"), seed).next());
        }
        Kin { is_reply, name, references }
    }
}

/// Leaves the first, with which the conversation began, and the last ones, `most` (at least 1) in all: what is in between adds little, and
/// a stranger decides how much that is.
pub fn shorten(references: &mut Vec<Name>, most: usize) {
    if references.len() > most {
        let last = references.split_off(references.len() - (most - 1).max(1));
        references.truncate(most - last.len());
        references.shrink_to(most);
        references.extend(last);
    }
}

/// References of a message.
pub const MOST_REFERENCES: usize = 100;

/// The names of the Message-IDs in a value: what stands between angle brackets with an `@` in it. White space is none of theirs, and
/// quotes around a local part make no difference (RFC 5256 §3, THREAD=REFERENCES step 1).
fn names(value: &[u8], seed: u64) -> impl Iterator<Item = Name> {
    let mut rest = value;
    std::iter::from_fn(move || {
        loop {
            let start = memchr::memchr(b'<', rest)? + 1;
            let end = start + memchr::memchr(b'>', &rest[start..])?;
            // Of `<<a@b>` the inner one is meant.
            let start = memchr::memrchr(b'<', &rest[start..end]).map_or(start, |inner| start + inner + 1);
            let id = &rest[start..end];
            rest = &rest[end + 1..];
            if let Some(name) = name(id, seed) {
                return Some(name);
            }
        }
    })
}

fn name(id: &[u8], seed: u64) -> Option<Name> {
    let at = memchr::memrchr(b'@', id)?;
    let (left, right) = (id[..at].trim_ascii(), id[at + 1..].trim_ascii());
    if left.is_empty() || right.is_empty() {
        return None;
    }
    let mut hash = Xxh3::with_seed(seed);
    let mut is_escaped = false;
    for octet in left {
        let is_escape = *octet == b'\\' && !is_escaped;
        if !is_escape && (is_escaped || *octet != b'"') && !octet.is_ascii_whitespace() {
            hash.update(&[*octet]);
        }
        is_escaped = is_escape;
    }
    hash.update(b"@");
    right.split(u8::is_ascii_whitespace).for_each(|word| hash.update(word));
    Some(hash.digest128())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_equal_where_they_mean_the_same() {
        let all = |value: &str| names(value.as_bytes(), 7).collect::<Vec<_>>();
        assert_eq!(all("<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>"), all("<01KF8JCEOCBS0045PS@xxx.yyy.com>"));
        assert_eq!(all("<a@b>\r\n\t< a@b >junk<a\n @b>"), [all("<a@b>")[0]; 3]);
        assert_ne!(all("<a@b>"), all("<A@b>"));
        assert_eq!(all("<<a@b>"), all("<a@b>"));
        assert_eq!(all("Your message of Monday, <a> <@b> <a@> <> a@b <a@b"), []);
    }

    #[test]
    fn references_have_an_end() {
        let short = |len: u128, most| {
            let mut names: Vec<Name> = (0..len).collect();
            shorten(&mut names, most);
            names
        };
        let kept = short(1_000, 100);
        assert_eq!((kept.len(), kept[0], kept[1], kept[99]), (100, 0, 901, 999));
        assert_eq!(short(1_000, 1), [999]);
        assert_eq!(short(2, 2), [0, 1]);
        assert_eq!(short(0, 1), []);
    }
}

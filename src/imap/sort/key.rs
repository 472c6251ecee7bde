//! Sort keys (RFC 5256 §3, RFC 5957 §3).

use crate::imap::args::{Args, Bad};
use crate::message::{EntryRef, List, Person, casemap};
use crate::store::Entry;

/// By what messages are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Arrival,
    Date,
    Size,
    Subject,
    /// The local part of the list's first address.
    Mailbox(List),
    /// What a list of messages shows of it.
    Display(List),
}

/// A key, and whether the highest comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Criterion {
    pub key: Key,
    pub is_reverse: bool,
}

impl Criterion {
    /// Reads `(REVERSE DATE SUBJECT)`.
    pub fn read_all(args: &mut Args<'_>) -> Result<Vec<Criterion>, Bad> {
        args.expect(b'(', "sort keys expected, in parentheses")?;
        let mut all = Vec::new();
        loop {
            all.push(Criterion::read(args)?);
            if all.len() > MOST_KEYS {
                return Err(Bad("too many sort keys"));
            }
            if args.takes(b')') {
                return Ok(all);
            }
            args.space()?;
        }
    }

    fn read(args: &mut Args<'_>) -> Result<Criterion, Bad> {
        let is_reverse = args.is_word("REVERSE");
        if is_reverse {
            args.space()?;
        }
        let word = args.word()?;
        let known = KEYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        known.map(|(_, key)| Criterion { key: *key, is_reverse }).ok_or(Bad("there is no such sort key"))
    }
}

impl Key {
    /// Whether the record is enough.
    pub fn is_in_record(self) -> bool {
        self == Key::Arrival
    }

    /// Whether gists have it.
    pub fn is_in_gist(self) -> bool {
        matches!(self, Key::Arrival | Key::Date | Key::Subject)
    }

    /// Whether it is a text.
    pub fn is_text(self) -> bool {
        matches!(self, Key::Subject | Key::Mailbox(_) | Key::Display(_))
    }

    /// The number that a message is sorted by; 0 for a text.
    pub fn number(self, message: &Entry<'_>, kept: Option<&EntryRef<'_>>) -> i64 {
        match self {
            // RFC 5256 §2.2: what has no date was sent when it was received.
            Key::Date => kept.and_then(EntryRef::sent).unwrap_or(i64::from(message.received)),
            Key::Arrival => i64::from(message.received),
            Key::Size => message.octets().and_then(|octets| i64::try_from(octets).ok()).unwrap_or(0),
            Key::Subject | Key::Mailbox(_) | Key::Display(_) => 0,
        }
    }

    /// Appends the text that a message is sorted by, in the form in which it is compared; nothing for a number.
    pub fn text(self, kept: &EntryRef<'_>, out: &mut Vec<u8>) {
        let first = |list| Person::first(kept.envelope(), list);
        match self {
            Key::Subject => casemap(kept.subject_base(), out),
            Key::Mailbox(list) => {
                let mailbox = first(list).and_then(|person| person.mailbox).unwrap_or_default();
                casemap(&String::from_utf8_lossy(&mailbox), out);
            }
            Key::Display(list) => casemap(&first(list).map(|person| person.display()).unwrap_or_default(), out),
            Key::Arrival | Key::Date | Key::Size => {}
        }
    }
}

const KEYS: [(&str, Key); 9] = [
    ("ARRIVAL", Key::Arrival),
    ("CC", Key::Mailbox(List::Cc)),
    ("DATE", Key::Date),
    ("DISPLAYFROM", Key::Display(List::From)),
    ("DISPLAYTO", Key::Display(List::To)),
    ("FROM", Key::Mailbox(List::From)),
    ("SIZE", Key::Size),
    ("SUBJECT", Key::Subject),
    ("TO", Key::Mailbox(List::To)),
];
/// No client has use for more.
const MOST_KEYS: usize = 16;

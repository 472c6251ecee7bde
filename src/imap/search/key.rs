//! Search keys as values, and whether they hold for a message as far as that is known (RFC 9051 §6.4.4).

use chrono::NaiveDate;

use crate::imap::objectid::{EmailId, ThreadId};
use crate::message::{EntryRef, date, fields};
use crate::store::{Entry, Flags, Uids};

/// What must hold for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// All of these.
    All(Vec<Key>),
    /// One of these.
    Any(Vec<Key>),
    Not(Box<Key>),
    /// It has these flags.
    Flags(Flags),
    /// It has this keyword, in any case.
    Keyword(String),
    /// Its sequence number is one of these.
    Numbers(Uids),
    Uids(Uids),
    /// Its internal date, in UTC as we tell it.
    Received(Days),
    /// When it came into this mailbox (RFC 8514 §4.3).
    Saved(Days),
    /// `Date`, in the sender's own zone.
    Sent(Days),
    /// It was received so many seconds ago, or earlier (RFC 5032 §3).
    Older(u32),
    /// It was received so many seconds ago, or later.
    Younger(u32),
    /// It has more octets.
    Larger(u64),
    /// It has fewer octets.
    Smaller(u64),
    /// Its MODSEQ is this or higher (RFC 7162 §3.1.5).
    Modseq(u64),
    Email(EmailId),
    Thread(ThreadId),
    /// The text with this number is found in it.
    Sought(usize),
}

/// Days counted from 1970-01-01, from one to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    from: i64,
    to: i64,
}

impl Days {
    pub fn before(date: NaiveDate) -> Days {
        Days { from: i64::MIN, to: number(date) }
    }

    pub fn on(date: NaiveDate) -> Days {
        Days { from: number(date), to: number(date) + 1 }
    }

    pub fn since(date: NaiveDate) -> Days {
        Days { from: number(date), to: i64::MAX }
    }

    fn contain(self, date: NaiveDate) -> bool {
        (self.from..self.to).contains(&number(date))
    }

    /// Seconds since 1970.
    fn contain_time(self, seconds: u32) -> bool {
        (self.from..self.to).contains(&i64::from(seconds / 86_400))
    }
}

fn number(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_days()
}

/// What is known of a message.
pub struct Known<'a> {
    /// Seconds since 1970, now.
    pub clock: u32,
    pub number: u32,
    pub message: &'a Entry<'a>,
    /// What the store keeps of its content, if we have asked.
    pub kept: Option<&'a EntryRef<'a>>,
    /// Whether a text is found in it; `None` if that has not been looked for.
    pub heard: &'a dyn Fn(usize) -> Option<bool>,
}

/// What has to be at hand before a key can be judged: the cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// The record.
    Record,
    /// What the store keeps of the content.
    Kept,
    /// Text of the header or the body.
    Text,
}

impl Key {
    /// `ALL`.
    pub const EVERY: Key = Key::All(Vec::new());
    /// What holds for no message.
    pub const NONE: Key = Key::Any(Vec::new());

    /// Whether it holds; `None` if that can't be told from what is known. Calls itself as deep as keys are nested.
    pub fn holds(&self, known: &Known<'_>) -> Option<bool> {
        let message = known.message;
        let is_recent = |seconds: u32| u64::from(message.received) + u64::from(seconds) >= u64::from(known.clock);
        let is_old = |seconds: u32| u64::from(message.received) + u64::from(seconds) <= u64::from(known.clock);
        match self {
            Key::All(keys) => decide(keys, false, known),
            Key::Any(keys) => decide(keys, true, known),
            Key::Not(key) => key.holds(known).map(|holds| !holds),
            Key::Flags(flags) => Some(message.flags().contains(*flags)),
            Key::Keyword(word) => Some(message.keywords().any(|keyword| keyword.eq_ignore_ascii_case(word))),
            Key::Numbers(numbers) => Some(numbers.contains(known.number)),
            Key::Uids(uids) => Some(uids.contains(message.uid)),
            Key::Received(days) => Some(days.contain_time(message.received)),
            Key::Saved(days) => Some(days.contain_time(message.saved)),
            Key::Sent(days) => known.kept.map(|kept| sent(kept).is_some_and(|date| days.contain(date))),
            Key::Older(seconds) => Some(is_old(*seconds)),
            Key::Younger(seconds) => Some(is_recent(*seconds)),
            Key::Larger(size) => message.octets().map(|octets| octets > *size),
            Key::Smaller(size) => message.octets().map(|octets| octets < *size),
            Key::Modseq(modseq) => Some(message.modseq >= *modseq),
            Key::Email(id) => message.content().map(|content| content == id.0),
            Key::Thread(id) => known.kept.map(|kept| kept.thread() == id.0),
            Key::Sought(text) => (known.heard)(*text),
        }
    }

    /// What it takes to judge it.
    pub fn cost(&self) -> Cost {
        match self {
            Key::All(keys) | Key::Any(keys) => keys.iter().map(Key::cost).max().unwrap_or(Cost::Record),
            Key::Not(key) => key.cost(),
            Key::Sent(_) | Key::Thread(_) | Key::Email(_) | Key::Larger(_) | Key::Smaller(_) => Cost::Kept,
            Key::Sought(_) => Cost::Text,
            _ => Cost::Record,
        }
    }

    /// Whether size or identity matter, which the store may have to find out.
    pub fn asks_facts(&self) -> bool {
        match self {
            Key::All(keys) | Key::Any(keys) => keys.iter().any(Key::asks_facts),
            Key::Not(key) => key.asks_facts(),
            Key::Email(_) | Key::Larger(_) | Key::Smaller(_) => true,
            _ => false,
        }
    }

    /// Messages among which all must be for which it holds; `None` if these are all.
    pub fn among(&self) -> Option<&Key> {
        match self {
            Key::All(keys) => keys.iter().find(|key| matches!(key, Key::Uids(_) | Key::Numbers(_))),
            Key::Uids(_) | Key::Numbers(_) => Some(self),
            _ => None,
        }
    }
}

/// The first key that holds exactly if `decisive` decides.
fn decide(keys: &[Key], decisive: bool, known: &Known<'_>) -> Option<bool> {
    let mut verdict = Some(!decisive);
    for key in keys {
        match key.holds(known) {
            Some(holds) if holds == decisive => return Some(decisive),
            Some(_) => {}
            None => verdict = None,
        }
    }
    verdict
}

/// A date that can't be read is none, and no key about it holds.
fn sent(kept: &EntryRef<'_>) -> Option<NaiveDate> {
    kept.sent()?;
    fields::values(kept.fields(), "Date").last().and_then(date::day)
}

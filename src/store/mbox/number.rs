//! Giving what a scan found its numbers: the recorded ones, those it had before, new ones.

use std::collections::{HashMap, HashSet, VecDeque};

use super::ledger::Ledger;
use super::scan::Found;
use crate::store::Uidl;
use crate::store::index::{Front, Record, State};
use crate::store::message::{Fingerprint, Traits};

/// A mailbox with all its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    pub uidvalidity: u32,
    /// The UID of the next message to come.
    pub next: u32,
    pub front: Front,
    /// By UID.
    pub messages: Vec<Message>,
}

/// A message with its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub record: Record,
    /// An explicit POP3 UIDL; empty for none.
    pub uidl: Box<[u8]>,
    /// Which of what was found it is.
    pub found: usize,
}

/// What is known of the mailbox as it was.
#[derive(Debug, Default)]
pub struct Past {
    uidvalidity: u32,
    next: u32,
    /// By UID.
    messages: Vec<Record>,
    uidls: HashMap<u32, Box<[u8]>>,
}

impl Past {
    /// What an index knows.
    pub fn of(state: &State) -> Past {
        let mut past = Past { uidvalidity: state.head().uidvalidity, next: state.head().uidnext, ..Past::default() };
        for message in state.messages() {
            if !message.uidl_text().is_empty() {
                past.uidls.insert(message.uid, message.uidl_text().into());
            }
            past.messages.push(message.record);
        }
        past
    }
}

/// From what numbers follow where the file has none.
#[derive(Debug, Clone, Copy)]
pub enum Memory<'a> {
    /// From the mailbox as it was.
    Past(&'a Past),
    /// The index is lost: from what is noted beside the mail, if anything; else from the file alone, or it is this UIDVALIDITY.
    Ledger(Option<&'a Ledger>, u32),
}

/// The mailbox that `found` (in file order) is.
///
/// A UID of the file's own records comes first, then the one that the same message had before, then a new one. Without records and
/// without a past the numbers follow from the file alone, so that looking at a mailbox need not write to it.
pub fn number(found: &[Found], memory: Memory<'_>) -> Numbered {
    let base = found.first().and_then(|first| first.base);
    let uidvalidity = base.map_or_else(|| memory.uidvalidity(found), |(uidvalidity, _)| uidvalidity);
    let front = found.first().map_or_else(Front::default, |first| Front {
        offset: first.offset,
        from_len: first.from_len,
        pseudo: first.pseudo,
        last: first.base.map(|(_, last)| last),
    });
    let hidden = usize::from(front.pseudo);
    let shown = &found[hidden..];
    let same = memory.is_of(uidvalidity);

    let mut uids = recorded(shown, base.map(|(_, last)| last));
    let before = memory.before(shown, if same { &uids } else { &[] });
    if same {
        memory.keep(&mut uids, shown, &before);
    }
    let top = uids.iter().flatten().max().copied().unwrap_or(0);
    let least = if same { memory.next() } else { 1 };
    let mut next = least.max(base.map_or(0, |(_, last)| last).saturating_add(1)).max(top.saturating_add(1));
    let mut fresh_uid = || {
        next += 1;
        next - 1
    };
    let message = |(at, (found, uid)): (usize, (&Found, Option<u32>))| {
        let uid = uid.unwrap_or_else(&mut fresh_uid);
        let mut record = record(found, uid);
        record.set_uidl(before[at].map_or(Uidl { uidvalidity, uid }, |old| old.uidl()));
        record.set_traits(Traits::TWIN, before[at].is_some_and(|old| old.is_twin()));
        record.set_traits(Traits::RECORDED, base.is_some() && found.uid == Some(uid));
        record.saved = before[at].map_or(record.received, |old| old.saved);
        let uidl = before[at].and_then(|old| memory.uidl(old.uid)).unwrap_or_default();
        Message { record, uidl, found: hidden + at }
    };
    let mut messages: Vec<_> = std::iter::zip(shown, uids).enumerate().map(message).collect();
    messages.sort_by_key(|message| message.record.uid);
    mark_twins(&mut messages, &before);
    if let (true, Memory::Ledger(Some(ledger), _)) = (same, memory) {
        ledger.remind(&mut messages);
    }
    Numbered { uidvalidity, next, front, messages }
}

impl<'a> Memory<'a> {
    /// Deterministic, so that a lost index changes nothing: the first message's date.
    fn uidvalidity(self, found: &[Found]) -> u32 {
        match self {
            Memory::Past(past) => past.uidvalidity,
            Memory::Ledger(Some(ledger), _) => ledger.uidvalidity,
            Memory::Ledger(None, last_resort) => found.first().and_then(|first| first.date).unwrap_or(last_resort),
        }
    }

    fn is_of(self, uidvalidity: u32) -> bool {
        match self {
            Memory::Past(past) => past.uidvalidity == uidvalidity,
            Memory::Ledger(ledger, _) => ledger.is_some_and(|ledger| ledger.uidvalidity == uidvalidity),
        }
    }

    fn next(self) -> u32 {
        match self {
            Memory::Past(past) => past.next,
            Memory::Ledger(ledger, _) => ledger.map_or(1, |ledger| ledger.next),
        }
    }

    /// Who each message was before, as far as it was there.
    fn before(self, shown: &[Found], uids: &[Option<u32>]) -> Vec<Option<&'a Record>> {
        match self {
            Memory::Past(past) => pairs(shown, uids, &past.messages),
            Memory::Ledger(..) => vec![None; shown.len()],
        }
    }

    /// Messages without a record keep the UID they had.
    fn keep(self, uids: &mut [Option<u32>], shown: &[Found], before: &[Option<&Record>]) {
        let mut taken: HashSet<u32> = uids.iter().flatten().copied().collect();
        let mut take = |uid: &mut Option<u32>, had: Option<u32>| {
            if let (None, Some(had)) = (&uid, had)
                && taken.insert(had)
            {
                *uid = Some(had);
            }
        };
        match self {
            Memory::Past(_) => std::iter::zip(uids, before).for_each(|(uid, old)| take(uid, old.map(|old| old.uid))),
            Memory::Ledger(ledger, _) => {
                let known = ledger.into_iter().flat_map(|ledger| ledger.known(shown));
                std::iter::zip(uids, known).for_each(|(uid, had)| take(uid, Some(had)));
            }
        }
    }

    fn uidl(self, uid: u32) -> Option<Box<[u8]>> {
        match self {
            Memory::Past(past) => past.uidls.get(&uid).cloned(),
            Memory::Ledger(..) => None,
        }
    }
}

/// `X-UID` counts only where another program could have meant it: below the recorded last UID, and ascending.
fn recorded(shown: &[Found], last: Option<u32>) -> Vec<Option<u32>> {
    let mut below = 0;
    let mut credible = |found: &Found| {
        let uid = found.uid.filter(|&uid| uid > below && last.is_some_and(|last| uid <= last))?;
        below = uid;
        Some(uid)
    };
    shown.iter().map(&mut credible).collect()
}

/// Pairs by fingerprint: with the one of the recorded UID, else first with first among equals.
fn pairs<'a>(shown: &[Found], uids: &[Option<u32>], old: &'a [Record]) -> Vec<Option<&'a Record>> {
    let uid = |at: usize| uids.get(at).copied().flatten();
    let is = |at: usize, old: &Record| halves(shown[at].fingerprint) == old.fingerprint;
    // Most often everything old is in front, in order.
    let fits = |at: &usize| is(*at, &old[*at]) && uid(*at).is_none_or(|uid| uid == old[*at].uid);
    let in_place = (0..shown.len().min(old.len())).take_while(fits).count();
    let mut of: Vec<_> = old[..in_place].iter().map(Some).collect();
    let old = &old[in_place..];
    let recorded = |at: usize| {
        let found = old.binary_search_by_key(&uid(at)?, |old| old.uid).ok()?;
        is(at, &old[found]).then_some(&old[found])
    };
    of.extend((in_place..shown.len()).map(recorded));
    let mut rest = by_fingerprint(old, of[in_place..].iter().flatten().map(|old| old.uid).collect());
    for at in in_place..shown.len() {
        if of[at].is_none() {
            of[at] = rest.get_mut(&halves(shown[at].fingerprint)).and_then(VecDeque::pop_front);
        }
    }
    of
}

fn by_fingerprint(old: &[Record], paired: HashSet<u32>) -> HashMap<Fingerprint, VecDeque<&Record>> {
    let mut all: HashMap<_, VecDeque<_>> = HashMap::new();
    for message in old.iter().filter(|message| !paired.contains(&message.uid)) {
        all.entry(message.fingerprint).or_default().push_back(message);
    }
    all
}

/// A new message is a twin when an equal one has a lower UID.
fn mark_twins(messages: &mut [Message], before: &[Option<&Record>]) {
    let old: HashSet<Uidl> = before.iter().flatten().map(|old| old.uidl()).collect();
    let mut seen = HashSet::with_capacity(messages.len());
    for Message { record, .. } in messages {
        let first = seen.insert(record.fingerprint);
        if !old.contains(&record.uidl()) {
            record.set_traits(Traits::TWIN, !first);
        }
    }
}

/// What the file says of a message.
pub fn record(found: &Found, uid: u32) -> Record {
    let mut record = Record {
        uid,
        from_len: found.from_len,
        size: found.size,
        place: found.offset,
        len: found.len,
        fingerprint: halves(found.fingerprint),
        received: found.date.unwrap_or(0),
        saved: found.date.unwrap_or(0),
        ..Record::default()
    };
    record.set_flags(found.flags);
    record.set_traits(Traits::EXACT, found.exact);
    record.set_traits(Traits::SIZED, true);
    record.set_traits(Traits::PRINTED, true);
    record
}

/// A fingerprint as the index keeps it.
pub fn halves(fingerprint: u128) -> Fingerprint {
    [fingerprint as u64, (fingerprint >> 64) as u64]
}

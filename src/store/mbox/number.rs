//! Giving what a scan found its numbers: the recorded ones, those it had before, new ones.

use std::collections::{HashMap, HashSet, VecDeque};

use super::index::{Front, Index};
use super::scan::Found;
use crate::os::stamp::Stamp;
use crate::store::message::{Fingerprint, Traits};
use crate::store::{Message, Uidl};

/// The mailbox that `found` (in file order) is, given what it was `before`.
///
/// A UID of the file's own records comes first, then the one that the same message had before, then a new one. Without records and
/// without a past the numbers follow from the file alone, so that looking at a mailbox need not write to it.
pub fn number(found: &[Found], stamp: Stamp, settled: bool, before: Option<&Index>) -> Index {
    let base = found.first().and_then(|first| first.base);
    let uidvalidity = base.map(|(uidvalidity, _)| uidvalidity).or(before.map(|before| before.uidvalidity));
    let uidvalidity = uidvalidity.unwrap_or_else(|| first_uidvalidity(found, &stamp));
    let front = found.first().map_or_else(Front::default, |first| Front {
        offset: first.offset,
        from_len: first.from_len,
        pseudo: first.pseudo,
        last: first.base.map(|(_, last)| last),
    });
    let shown = &found[usize::from(front.pseudo)..];
    let same = before.is_some_and(|before| before.uidvalidity == uidvalidity);
    let old = before.map_or(&[][..], |before| &before.messages);

    let mut uids = recorded(shown, base.map(|(_, last)| last));
    let past = Past::new(shown, if same { &uids } else { &[] }, old);
    if same {
        keep(&mut uids, &past);
    }
    let least = if same { before.map_or(1, |before| before.next) } else { 1 };
    let top = uids.iter().flatten().max().copied().unwrap_or(0);
    let mut next = least.max(base.map_or(0, |(_, last)| last).saturating_add(1)).max(top.saturating_add(1));
    let mut fresh_uid = || {
        next += 1;
        next - 1
    };
    let mut messages: Vec<_> = std::iter::zip(shown, uids)
        .enumerate()
        .map(|(at, (found, uid))| {
            let uid = uid.unwrap_or_else(&mut fresh_uid);
            let fresh = Uidl { uidvalidity, uid };
            message(found, uid, past.of[at].map_or(fresh, |old| old.uidl), past.of[at].is_some_and(|old| old.twin()))
        })
        .collect();
    for (message, found) in std::iter::zip(&mut messages, shown) {
        message.traits.set(Traits::RECORDED, base.is_some() && found.uid == Some(message.uid));
    }
    messages.sort_by_key(|message| message.uid);
    mark_twins(&mut messages, &past);
    Index { stamp, settled, uidvalidity, next, front, messages }
}

/// Deterministic, so that a lost index changes nothing: the first message's date, else the file's.
fn first_uidvalidity(found: &[Found], stamp: &Stamp) -> u32 {
    let of_file = || u32::try_from(stamp.mtime / 1_000_000_000).ok().filter(|&time| time > 0);
    found.first().and_then(|first| first.date).or_else(of_file).unwrap_or(1)
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

/// Messages without a record keep the UID they had.
fn keep(uids: &mut [Option<u32>], past: &Past<'_>) {
    let mut taken: HashSet<u32> = uids.iter().flatten().copied().collect();
    for (uid, old) in std::iter::zip(uids, &past.of) {
        if let (None, Some(old)) = (&uid, old)
            && taken.insert(old.uid)
        {
            *uid = Some(old.uid);
        }
    }
}

/// Who each message was before, as far as it was there.
struct Past<'a> {
    of: Vec<Option<&'a Message>>,
}

impl<'a> Past<'a> {
    /// Pairs by fingerprint: with the one of the recorded UID, else first with first among equals.
    fn new(shown: &[Found], uids: &[Option<u32>], old: &'a [Message]) -> Past<'a> {
        let uid = |at: usize| uids.get(at).copied().flatten();
        let is = |at: usize, old: &Message| halves(shown[at].fingerprint) == old.fingerprint;
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
        Past { of }
    }
}

fn by_fingerprint(old: &[Message], paired: HashSet<u32>) -> HashMap<Fingerprint, VecDeque<&Message>> {
    let mut all: HashMap<_, VecDeque<_>> = HashMap::new();
    for message in old.iter().filter(|message| !paired.contains(&message.uid)) {
        all.entry(message.fingerprint).or_default().push_back(message);
    }
    all
}

/// A new message is a twin when an equal one has a lower UID.
fn mark_twins(messages: &mut [Message], past: &Past<'_>) {
    let old: HashSet<Uidl> = past.of.iter().flatten().map(|old| old.uidl).collect();
    let mut seen = HashSet::with_capacity(messages.len());
    for message in messages {
        let first = seen.insert(message.fingerprint);
        if !old.contains(&message.uidl) {
            message.traits.set(Traits::TWIN, !first);
        }
    }
}

fn message(found: &Found, uid: u32, uidl: Uidl, twin: bool) -> Message {
    Message {
        size: found.size,
        uid,
        flags: found.flags,
        traits: Traits::new(twin, found.exact),
        from_len: found.from_len,
        uidl,
        offset: found.offset,
        len: found.len,
        fingerprint: halves(found.fingerprint),
    }
}

/// A fingerprint as the index keeps it.
pub fn halves(fingerprint: u128) -> Fingerprint {
    [fingerprint as u64, (fingerprint >> 64) as u64]
}

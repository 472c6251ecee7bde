//! What other programs did to an mbox, as the index is told of it.

use std::collections::BTreeMap;

use super::look::{View, Words, same_words};
use super::number;
use super::scan::Found;
use crate::store::index::{Arrival, Entry, Keyword, Learnt, Live, Marks, Moved, Op, Record, Seal, Span, State};
use crate::store::message::Traits;
use crate::store::spool::Batch;
use crate::store::{Flags, Uidl};

/// What has happened since `known`; `None` when it is another mailbox by its numbers.
pub fn since(known: &State, view: &View) -> Option<Batch> {
    if view.numbered.uidvalidity != known.head().uidvalidity || view.numbered.next < known.head().uidnext {
        return None;
    }
    let (mut news, mut words, mut arrivals) = (News::default(), Words::of(Some(known)), Vec::new());
    let mut old = known.messages().peekable();
    for message in &view.numbered.messages {
        let uid = message.record.uid;
        while let Some(gone) = old.next_if(|old| old.uid < uid) {
            news.gone.push(gone.uid);
        }
        match old.next_if(|old| old.uid == uid) {
            Some(entry) => news.compare(&entry, &message.record, words.admitted(&view.found[message.found].keywords)),
            None if uid >= known.head().uidnext => arrivals.push(view.arrival(message, &mut words)),
            // A UID that was another message's, or one that was never given: nobody could make sense of that.
            None => return None,
        }
    }
    news.gone.extend(old.map(|gone| gone.uid));
    let mut ops = news.ops();
    if !arrivals.is_empty() {
        ops.push(Op::Append(arrivals));
    }
    ops.push(Op::Next(view.numbered.next));
    ops.push(Op::Spool { stamps: [Some(view.seal), None], front: Some(view.front()), notes: Some(view.summary().octets()) });
    Some(ops.into())
}

/// Mail was appended: `found` are the last known message and what is behind it.
pub fn appended(known: &State, last: &Entry<'_>, found: &[Found], seal: Seal) -> Batch {
    let head = known.head();
    let mut words = Words::of(Some(known));
    let arrival = |(uid, one): (u32, &Found)| {
        let mut record = number::record(one, uid);
        record.set_uidl(Uidl { uidvalidity: head.uidvalidity, uid });
        record.set_traits(Traits::RECORDED, head.front.last.is_some() && one.uid == Some(uid));
        Arrival { live: Live::new(record, b"", b""), keywords: words.admitted(&one.keywords) }
    };
    let arrivals: Vec<Arrival> = std::iter::zip(head.uidnext.., &found[1..]).map(arrival).collect();
    // Its record, if any, was looked at: only its end may have changed.
    let mut ops = refit(last, &found[0]);
    if !arrivals.is_empty() {
        ops.push(Op::Append(arrivals));
    }
    ops.push(Op::Spool { stamps: [Some(seal), None], front: None, notes: None });
    ops.into()
}

/// Flags that go and that come, and so keywords.
type Kind = (u8, u8, Vec<Keyword>, Vec<Keyword>);

/// Differences, with equal ones together.
#[derive(Default)]
struct News {
    gone: Vec<u32>,
    marks: BTreeMap<Kind, Vec<u32>>,
    moved: Vec<(Record, Record)>,
    learnt: Vec<Learnt>,
}

impl News {
    fn compare(&mut self, old: &Entry<'_>, now: &Record, words: Vec<Keyword>) {
        let (before, after) = (old.flags(), now.flags());
        if before != after || !same_words(&words, old.keywords()) {
            let had: Vec<Keyword> = old.keywords().cloned().collect();
            let (lost, got) = (lacking(&had, &words), lacking(&words, &had));
            let key = (before.without(after).bits(), after.without(before).bits(), lost, got);
            self.marks.entry(key).or_default().push(old.uid);
        }
        self.place(old, now);
    }

    /// What is no flag.
    fn place(&mut self, old: &Record, now: &Record) {
        if (old.size, old.fingerprint) != (now.size, now.fingerprint) {
            let is_other = old.fingerprint != now.fingerprint;
            let (size, fingerprint) = (Some(now.size), is_other.then_some(now.fingerprint));
            self.learnt.push(Learnt { uid: old.uid, size, fingerprint, cache: Some(0), ..Learnt::default() });
        }
        if (old.place, old.len, old.from_len) != (now.place, now.len, now.from_len) || laid(old) != laid(now) {
            self.moved.push((*old, *now));
        }
    }

    fn ops(self) -> Vec<Op> {
        let mut ops = Vec::new();
        if !self.gone.is_empty() {
            ops.push(Op::Expunge { uids: Span::gather(self.gone), doomed: false });
        }
        ops.extend(self.marks.into_iter().map(|((remove, add, remove_keywords, add_keywords), uids)| {
            let (remove, add) = (Flags::from_bits(remove), Flags::from_bits(add));
            Op::Flags(Marks { uids: Span::gather(uids), remove, add, clear: false, remove_keywords, add_keywords, dirty: false })
        }));
        ops.extend(moves(&self.moved));
        if !self.learnt.is_empty() {
            ops.push(Op::Learnt(self.learnt));
        }
        ops
    }
}

/// Messages that lie elsewhere, or otherwise, ascending by UID: how they were and how they are.
pub fn moves(all: &[(Record, Record)]) -> Vec<Op> {
    let moved: Vec<Moved> = all.iter().map(moved).collect();
    if moved.is_empty() { Vec::new() } else { vec![Op::Moved(moved)] }
}

/// The same of all messages from the first of these on: most often they only moved up by as much.
pub fn moves_of_rest(all: &[(Record, Record)]) -> Vec<Op> {
    let (mut ops, mut by) = (Vec::new(), 0);
    for (old, now) in all {
        let moved = now.place.cast_signed() - old.place.cast_signed();
        if moved != by {
            ops.push(Op::Shift { from: old.uid, by: moved - by });
            by = moved;
        }
        if ops.len() > MOST_SHIFTS {
            return moves(all);
        }
    }
    let otherwise = all.iter().filter(|(old, now)| (old.len, old.from_len, laid(old)) != (now.len, now.from_len, laid(now)));
    let moved: Vec<Moved> = otherwise.map(moved).collect();
    if !moved.is_empty() {
        ops.push(Op::Moved(moved));
    }
    ops
}

/// The last message before an append, whose end may be another now.
pub fn refit(old: &Entry<'_>, found: &Found) -> Vec<Op> {
    let mut news = News::default();
    let now = number::record(found, old.uid);
    news.place(old, &Record { traits: old.traits & !Traits::EXACT.0 | now.traits & Traits::EXACT.0, ..now });
    news.ops()
}

fn moved((old, now): &(Record, Record)) -> Moved {
    let off = Traits(laid(old).0 & !laid(now).0);
    Moved { uid: old.uid, place: now.place, len: now.len, from_len: now.from_len, on: laid(now), off }
}

const MOST_SHIFTS: usize = 8;

/// Those of `all` that are not among `others`.
fn lacking(all: &[Keyword], others: &[Keyword]) -> Vec<Keyword> {
    all.iter().filter(|word| !others.iter().any(|other| other.eq_ignore_ascii_case(word))).cloned().collect()
}

/// What it says about how the octets lie.
fn laid(record: &Record) -> Traits {
    Traits(record.traits & (Traits::EXACT.0 | Traits::RECORDED.0))
}

//! What ops do to a state. The same ops do the same in every process: all that follow a journal agree.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::keywords::{Change, SPARE_SETS, invalid};
use super::op::{Arrival, Flushed, Learnt, Marks, Moved, Op};
use super::record::{Live, Record, Span};
use super::rope::{Damaged, Fate};
use super::state::Inner;
use crate::store::message::{Flags, Traits};

impl Inner {
    /// Takes in a batch.
    ///
    /// # Errors
    /// Something is not possible: then this is of no use any more.
    pub fn apply(&mut self, ops: Vec<Op>) -> io::Result<()> {
        let modseq = self.head.modseq.saturating_add(1);
        for op in ops {
            if self.one(op, modseq)? {
                self.head.modseq = modseq;
            }
        }
        Ok(())
    }

    /// Whether messages came, changed or went.
    fn one(&mut self, op: Op, modseq: u64) -> io::Result<bool> {
        match op {
            Op::Append(arrivals) => return self.append(arrivals, modseq),
            Op::Flags(marks) => return self.mark(&marks, modseq),
            Op::Expunge { uids, doomed } => return self.expunge(&uids, doomed, modseq),
            Op::Flushed(flushed) => self.flushed(&flushed)?,
            Op::Buried(uids) => self.bury(&uids),
            Op::Learnt(learnt) => self.learn(&learnt)?,
            Op::Moved(moved) => self.moved(&moved)?,
            Op::Shift { from, by } => self.rope.shift(self.base.as_deref(), from, by)?,
            Op::Spool { stamps, front, notes } => {
                let head = &mut self.head;
                head.stamps = std::array::from_fn(|at| stamps[at].unwrap_or(head.stamps[at]));
                head.front = front.unwrap_or(head.front);
                head.notes = notes.unwrap_or(head.notes);
            }
            Op::Next(uidnext) => self.head.uidnext = self.head.uidnext.max(uidnext),
            Op::Identity { uidvalidity, uidnext, mailbox } => self.identify(uidvalidity, uidnext, mailbox),
        }
        Ok(false)
    }

    fn append(&mut self, arrivals: Vec<Arrival>, modseq: u64) -> io::Result<bool> {
        let any = !arrivals.is_empty();
        for Arrival { mut live, keywords } in arrivals {
            let record = &mut live.record;
            if record.uid < self.head.uidnext || record.uid == u32::MAX {
                return Err(invalid("UIDs must ascend"));
            }
            if live.text.is_none() {
                (record.name_len, record.uidl_len) = (0, 0);
            }
            (record.modseq, record.name, record.keywords) = (modseq, 0, 0);
            if !keywords.is_empty() {
                let limit = self.rope.len() + SPARE_SETS;
                record.keywords = Arc::make_mut(&mut self.keywords).number_of(&keywords, limit)?;
            }
            self.head.uidnext = record.uid + 1;
            self.head.totals.add(record);
            self.cache.entries = self.cache.entries.saturating_add((record.cache != 0).into());
            self.rope.push(live);
        }
        Ok(any)
    }

    fn mark(&mut self, marks: &Marks, modseq: u64) -> io::Result<bool> {
        let mut change = Change::new(marks, &mut self.keywords)?;
        let limit = self.rope.len() + SPARE_SETS;
        let (keywords, mut outcome, mut any) = (&mut self.keywords, Ok(()), false);
        let totals = &mut self.head.totals;
        let mut mark = |live: &mut Live| {
            let record = &mut live.record;
            let flags = Flags::from_bits(record.flags().bits() & !marks.remove.bits() | marks.add.bits());
            let set = change.of(record.keywords, keywords, limit).unwrap_or_else(|error| {
                outcome = Err(error);
                record.keywords
            });
            if (flags, set) == (record.flags(), record.keywords) {
                return Fate::Same;
            }
            totals.remove(record);
            record.set_flags(flags);
            record.set_traits(Traits::DIRTY, marks.dirty || record.has(Traits::DIRTY));
            (record.keywords, record.modseq, any) = (set, modseq, true);
            totals.add(record);
            Fate::Changed
        };
        self.rope.edit(self.base.as_deref(), &Span::in_order(&marks.uids), &mut mark)?;
        outcome.map(|()| any)
    }

    fn expunge(&mut self, uids: &[Span], doomed: bool, modseq: u64) -> io::Result<bool> {
        let mut gone = Vec::new();
        let (totals, base) = (&mut self.head.totals, self.base.as_deref());
        let mut expunge = |live: &mut Live| {
            totals.remove(&live.record);
            gone.push(std::mem::take(live));
            Fate::Gone
        };
        self.rope.edit(base, &Span::in_order(uids), &mut expunge)?;
        let spans = Span::gather(gone.iter().map(|live| live.record.uid));
        if spans.is_empty() {
            return Ok(false);
        }
        let rope = &self.rope;
        let is_empty =
            |span: Span| rope.position(rope.seek(base, span.first)) == rope.position(rope.seek(base, span.last.saturating_add(1)));
        self.history.add(base, modseq, &spans, is_empty);
        if doomed {
            let own = gone.into_iter().map(|live| Live { text: Some(self.text(&live.record, Some(&live)).into()), record: live.record });
            let own: Vec<Live> = own.collect();
            Arc::make_mut(&mut self.doomed).extend(own);
        }
        Ok(true)
    }

    fn flushed(&mut self, all: &[Flushed]) -> io::Result<()> {
        let known: HashMap<u32, &Flushed> = all.iter().map(|flushed| (flushed.uid, flushed)).collect();
        let base = self.base.clone();
        self.each(all.iter().map(|flushed| flushed.uid), |live| {
            let Some(flushed) = known.get(&live.record.uid) else { return };
            take_flushed(live, flushed, |record| base.as_deref().map_or(&[], |base| base.text(record)));
        })?;
        if self.doomed.iter().any(|live| known.contains_key(&live.record.uid)) {
            let doomed = Arc::make_mut(&mut self.doomed).iter_mut();
            doomed.for_each(|live| known.get(&live.record.uid).into_iter().for_each(|flushed| take_flushed(live, flushed, |_| &[])));
        }
        Ok(())
    }

    fn bury(&mut self, uids: &[Span]) {
        let uids = Span::in_order(uids);
        let is_buried = |uid| uids.get(uids.partition_point(|span| span.last < uid)).is_some_and(|span| span.first <= uid);
        if self.doomed.iter().any(|live| is_buried(live.record.uid)) {
            Arc::make_mut(&mut self.doomed).retain(|live| !is_buried(live.record.uid));
        }
    }

    fn learn(&mut self, all: &[Learnt]) -> io::Result<()> {
        let known: HashMap<u32, &Learnt> = all.iter().map(|learnt| (learnt.uid, learnt)).collect();
        let entries = all.iter().filter(|learnt| learnt.cache.is_some_and(|at| at != 0)).count();
        self.cache.entries = self.cache.entries.saturating_add(entries as u64);
        self.each(all.iter().map(|learnt| learnt.uid), |live| {
            let Some(learnt) = known.get(&live.record.uid) else { return };
            let record = &mut live.record;
            record.set_traits(learnt.off, false);
            record.set_traits(learnt.on, true);
            record.set_traits(Traits::SIZED, learnt.size.is_some() || record.has(Traits::SIZED));
            record.set_traits(Traits::PRINTED, learnt.fingerprint.is_some() || record.has(Traits::PRINTED));
            record.size = learnt.size.unwrap_or(record.size);
            record.fingerprint = learnt.fingerprint.unwrap_or(record.fingerprint);
            record.cache = learnt.cache.unwrap_or(record.cache);
            record.received = learnt.received.unwrap_or(record.received);
            record.saved = learnt.saved.unwrap_or(record.saved);
        })
    }

    fn moved(&mut self, all: &[Moved]) -> io::Result<()> {
        let known: HashMap<u32, &Moved> = all.iter().map(|moved| (moved.uid, moved)).collect();
        self.each(all.iter().map(|moved| moved.uid), |live| {
            let Some(moved) = known.get(&live.record.uid) else { return };
            let record = &mut live.record;
            (record.place, record.len, record.from_len) = (moved.place, moved.len, moved.from_len);
            record.set_traits(moved.off, false);
            record.set_traits(moved.on, true);
        })
    }

    /// Changes of what is no flag and no keyword.
    fn each(&mut self, uids: impl Iterator<Item = u32>, mut change: impl FnMut(&mut Live)) -> io::Result<()> {
        let totals = &mut self.head.totals;
        let spans = Span::in_order(&uids.map(Span::one).collect::<Vec<_>>());
        let mut deed = |live: &mut Live| {
            totals.remove(&live.record);
            change(live);
            totals.add(&live.record);
            Fate::Changed
        };
        Ok(self.rope.edit(self.base.as_deref(), &spans, &mut deed)?)
    }

    fn identify(&mut self, uidvalidity: u32, uidnext: u32, mailbox: [u8; 16]) {
        let head = &mut self.head;
        if head.uidvalidity != uidvalidity {
            self.history.forget(self.base.as_deref(), head.modseq);
            head.uidnext = if self.rope.len() == 0 { 1 } else { head.uidnext };
        }
        (head.uidvalidity, head.uidnext, head.mailbox) = (uidvalidity, head.uidnext.max(uidnext), mailbox);
    }
}

fn take_flushed<'a>(live: &mut Live, flushed: &Flushed, mapped: impl Fn(&Record) -> &'a [u8]) {
    if let Some(name) = &flushed.name {
        let uidl = match &live.text {
            Some(_) => live.uidl_text().to_vec(),
            None => mapped(&live.record).get(usize::from(live.record.name_len)..).unwrap_or_default().to_vec(),
        };
        live.set_text(name, &uidl);
    }
    let record = &mut live.record;
    record.letters = flushed.letters;
    record.set_traits(Traits::FRESH, flushed.fresh);
    record.set_traits(Traits::VERBATIM, flushed.verbatim);
    record.set_traits(Traits::DIRTY, record.has(Traits::DIRTY) && record.modseq > flushed.modseq);
}

impl From<Damaged> for io::Error {
    fn from(_: Damaged) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, "the snapshot is damaged")
    }
}

//! All messages of a state: most of them where they lie in the snapshot, those that changed in small blocks of their own.
//!
//! Two levels, so that a change copies one block, the list of a branch's runs and the list of branches, however many messages there are.

use std::sync::Arc;

use super::base::Base;
use super::record::{Live, Record, Span};
use crate::store::message::Traits;

/// How many messages a block has at most, and how many runs a branch.
pub const BLOCK: usize = 128;

/// Messages by UID.
#[derive(Debug, Clone, Default)]
pub struct Rope {
    branches: Vec<Branch>,
}

#[derive(Debug, Clone)]
struct Branch {
    /// How many messages there are before it, and in it.
    before: usize,
    count: usize,
    /// Its highest UID.
    last: u32,
    runs: Arc<Vec<Run>>,
}

/// Messages one after the other.
#[derive(Debug, Clone)]
struct Run {
    count: u32,
    /// Its highest UID.
    last: u32,
    /// How much further on messages lie than their records say.
    shift: i64,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// In the snapshot, from this position on, which is one at which a block begins.
    Mapped(u32),
    Own(Arc<Block>),
}

#[derive(Debug, Clone, Default)]
struct Block {
    summary: Summary,
    messages: Vec<Live>,
}

/// What a block has, so that those without it can be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// The highest.
    pub modseq: u64,
    /// Traits that some have.
    pub some: u8,
    /// Traits that some lack.
    pub lacking: u8,
}

impl Summary {
    pub fn of<'a>(records: impl Iterator<Item = &'a Record>) -> Summary {
        let mut summary = Summary::default();
        records.for_each(|record| summary.add(record));
        summary
    }

    pub fn add(&mut self, record: &Record) {
        self.modseq = self.modseq.max(record.modseq);
        self.some |= record.traits().0;
        self.lacking |= !record.traits().0;
    }
}

/// Which messages are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    All,
    ChangedSince(u64),
    Having(Traits),
    Lacking(Traits),
}

impl Wanted {
    fn may_be_in(self, summary: &Summary) -> bool {
        match self {
            Wanted::All => true,
            Wanted::ChangedSince(modseq) => summary.modseq > modseq,
            Wanted::Having(traits) => summary.some & traits.0 == traits.0,
            Wanted::Lacking(traits) => summary.lacking & traits.0 != 0,
        }
    }

    fn is(self, record: &Record) -> bool {
        match self {
            Wanted::All => true,
            Wanted::ChangedSince(modseq) => record.modseq > modseq,
            Wanted::Having(traits) => record.has(traits),
            Wanted::Lacking(traits) => !record.has(traits),
        }
    }
}

/// What a message becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Same,
    Changed,
    Gone,
}

/// A part of the snapshot that is needed can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

/// What to do with a message that is reached by UID.
pub type Deed<'a> = &'a mut dyn FnMut(&mut Live) -> Fate;

impl Rope {
    /// All messages of a snapshot.
    pub fn mapped(base: &Base) -> Option<Rope> {
        let count = base.len();
        if count == 0 {
            return Some(Rope::default());
        }
        let last = base.record(count - 1)?.uid;
        let run = Run { count: u32::try_from(count).ok()?, last, shift: 0, kind: Kind::Mapped(0) };
        Some(Rope { branches: vec![Branch { before: 0, count, last, runs: Arc::new(vec![run]) }] })
    }

    pub fn len(&self) -> usize {
        self.branches.last().map_or(0, |branch| branch.before + branch.count)
    }

    /// The place of the first message with this UID or a higher one.
    pub fn seek(&self, base: Option<&Base>, uid: u32) -> Cursor {
        let at = self.branches.partition_point(|branch| branch.last < uid);
        let Some(branch) = self.branches.get(at) else { return Cursor { branch: at, ..Cursor::default() } };
        let run = branch.runs.partition_point(|run| run.last < uid);
        let within = branch.runs.get(run).map_or(0, |run| run.lower_bound(base, uid));
        Cursor { branch: at, run, within }
    }

    /// The place of the message at `position`.
    pub fn at(&self, position: usize) -> Cursor {
        let at = self.branches.partition_point(|branch| branch.before + branch.count <= position);
        let Some(branch) = self.branches.get(at) else { return Cursor { branch: at, ..Cursor::default() } };
        let (mut within, mut run) = (position - branch.before, 0);
        while branch.runs.get(run).is_some_and(|run| run.count as usize <= within) {
            within -= branch.runs[run].count as usize;
            run += 1;
        }
        Cursor { branch: at, run, within: within as u32 }
    }

    /// How many messages there are before `cursor`.
    pub fn position(&self, cursor: Cursor) -> usize {
        let Some(branch) = self.branches.get(cursor.branch) else { return self.len() };
        branch.before + branch.runs[..cursor.run].iter().map(|run| run.count as usize).sum::<usize>() + cursor.within as usize
    }

    /// The next message that is wanted, from `cursor` on, which is put behind it. What is damaged is skipped.
    pub fn next<'a>(&'a self, base: Option<&'a Base>, cursor: &mut Cursor, wanted: Wanted) -> Option<Found<'a>> {
        loop {
            let branch = self.branches.get(cursor.branch)?;
            let Some(run) = branch.runs.get(cursor.run) else {
                *cursor = Cursor { branch: cursor.branch + 1, run: 0, within: 0 };
                continue;
            };
            if let Some(found) = run.next(base, &mut cursor.within, wanted) {
                return Some(found);
            }
            (cursor.run, cursor.within) = (cursor.run + 1, 0);
        }
    }

    /// Puts a message, whose UID is higher than all, at the end.
    pub fn push(&mut self, live: Live) {
        let before = self.len();
        if self.branches.last().is_none_or(|branch| branch.runs.len() >= BLOCK && branch.runs.last().is_none_or(|run| !run.has_room())) {
            self.branches.push(Branch { before, count: 0, last: 0, runs: Arc::default() });
        }
        let branch = self.branches.last_mut().expect("pushed when there was none");
        (branch.count, branch.last) = (branch.count + 1, live.record.uid);
        let runs = Arc::make_mut(&mut branch.runs);
        match runs.last_mut() {
            Some(run) if run.has_room() => run.push(live),
            _ => runs.push(Run::own(vec![live])),
        }
    }

    /// Does `deed` to all messages with a UID in `spans`, which are in order.
    pub fn edit(&mut self, base: Option<&Base>, spans: &[Span], deed: Deed<'_>) -> Result<(), Damaged> {
        let mut edited = Vec::with_capacity(self.branches.len());
        let mut first = 0;
        for mut branch in std::mem::take(&mut self.branches) {
            let span = Span { first, last: branch.last };
            first = branch.last.saturating_add(1);
            if overlapping(spans, span).is_empty() {
                edited.push(branch);
                continue;
            }
            let runs = branch.edit(base, span.first, spans, deed)?;
            if runs.len() <= 2 * BLOCK {
                edited.extend(Branch::of(runs));
            } else {
                edited.extend(runs.chunks(BLOCK).filter_map(|runs| Branch::of(runs.to_vec())));
            }
        }
        self.branches = edited;
        self.count();
        Ok(())
    }

    /// Messages from `uid` on lie `by` octets further on.
    pub fn shift(&mut self, base: Option<&Base>, uid: u32, by: i64) -> Result<(), Damaged> {
        // The block that has both such and others becomes one of our own; so a run has one or the other.
        let cursor = self.seek(base, uid);
        let boundary = self.next(base, &mut cursor.clone(), Wanted::All).map_or(uid, |found| found.record().uid);
        self.edit(base, &[Span::one(boundary)], &mut |_| Fate::Changed)?;
        let mut first = 0;
        for branch in &mut self.branches {
            let begins = first;
            first = branch.last.saturating_add(1);
            if branch.last >= uid {
                Arc::make_mut(&mut branch.runs).iter_mut().fold(begins, |begins, run| run.shift_from(begins, uid, by));
            }
        }
        Ok(())
    }

    fn count(&mut self) {
        self.branches.iter_mut().fold(0, |before, branch| {
            branch.before = before;
            before + branch.count
        });
    }
}

/// The place of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    branch: usize,
    run: usize,
    within: u32,
}

/// A message where it lies.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    Mapped(Record),
    Own(Record, &'a Live),
}

impl Found<'_> {
    pub fn record(&self) -> &Record {
        match self {
            Found::Mapped(record) | Found::Own(record, _) => record,
        }
    }
}

/// How many of `count` come before the first for which `is_before` does not hold.
fn partition_point(count: u32, is_before: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// Those of `spans`, which are in order, that have UIDs in common with `span`.
fn overlapping(spans: &[Span], span: Span) -> &[Span] {
    let from = spans.partition_point(|one| one.last < span.first);
    let len = spans[from..].partition_point(|one| one.first <= span.last);
    &spans[from..from + len]
}

impl Branch {
    fn of(runs: Vec<Run>) -> Option<Branch> {
        let count = runs.iter().map(|run| run.count as usize).sum();
        let last = runs.last()?.last;
        Some(Branch { before: 0, count, last, runs: Arc::new(runs) })
    }

    /// Its runs after `deed`. Its UIDs begin at `first` or later.
    fn edit(&mut self, base: Option<&Base>, mut first: u32, spans: &[Span], deed: Deed<'_>) -> Result<Vec<Run>, Damaged> {
        let mut edited = Vec::with_capacity(self.runs.len() + 2);
        for run in Arc::unwrap_or_clone(std::mem::take(&mut self.runs)) {
            let span = Span { first, last: run.last };
            first = run.last.saturating_add(1);
            match overlapping(spans, span) {
                [] => edited.push(run),
                spans => run.edit(base, spans, deed, &mut edited)?,
            }
        }
        Ok(edited)
    }
}

impl Run {
    fn own(messages: Vec<Live>) -> Run {
        let summary = Summary::of(messages.iter().map(|live| &live.record));
        let last = messages.last().map_or(0, |live| live.record.uid);
        Run { count: messages.len() as u32, last, shift: 0, kind: Kind::Own(Arc::new(Block { summary, messages })) }
    }

    fn has_room(&self) -> bool {
        matches!(self.kind, Kind::Own(_)) && self.shift == 0 && (self.count as usize) < BLOCK
    }

    /// Only when it has room.
    fn push(&mut self, live: Live) {
        if let Kind::Own(block) = &mut self.kind {
            let block = Arc::make_mut(block);
            (self.count, self.last) = (self.count + 1, live.record.uid);
            block.summary.add(&live.record);
            block.messages.push(live);
        }
    }

    fn uid(&self, base: Option<&Base>, within: u32) -> Option<u32> {
        match &self.kind {
            Kind::Mapped(from) => base?.record((from + within) as usize).map(|record| record.uid),
            Kind::Own(block) => block.messages.get(within as usize).map(|live| live.record.uid),
        }
    }

    /// How many messages have a lower UID. A damaged record looks like one of those.
    fn lower_bound(&self, base: Option<&Base>, uid: u32) -> u32 {
        if let (Kind::Mapped(from), Some(base)) = (&self.kind, base) {
            // To check each record on the way takes longer than all else; whether it led to the right place two of them can tell.
            let found = partition_point(self.count, |within| base.alleged_uid((from + within) as usize) < uid);
            let is_below = found == 0 || self.uid(Some(base), found - 1).is_some_and(|below| below < uid);
            if is_below && (found == self.count || self.uid(Some(base), found).is_some_and(|next| next >= uid)) {
                return found;
            }
        }
        partition_point(self.count, |within| self.uid(base, within).is_none_or(|found| found < uid))
    }

    fn next<'a>(&'a self, base: Option<&'a Base>, within: &mut u32, wanted: Wanted) -> Option<Found<'a>> {
        match &self.kind {
            Kind::Own(block) if !wanted.may_be_in(&block.summary) => None,
            Kind::Own(block) => {
                let rest = block.messages.get(*within as usize..)?;
                let skipped = rest.iter().position(|live| wanted.is(&live.record))?;
                *within += skipped as u32 + 1;
                Some(Found::Own(self.shifted(rest[skipped].record), &rest[skipped]))
            }
            Kind::Mapped(from) => self.next_mapped(base?, *from, within, wanted),
        }
    }

    fn next_mapped<'a>(&self, base: &Base, from: u32, within: &mut u32, wanted: Wanted) -> Option<Found<'a>> {
        // Else news would cost the more, the larger the mailbox.
        if matches!(wanted, Wanted::ChangedSince(modseq) if modseq >= base.modseq()) {
            return None;
        }
        while *within < self.count {
            let at = (from + *within) as usize;
            if wanted != Wanted::All
                && at.is_multiple_of(BLOCK)
                && base.summary(at / BLOCK).is_some_and(|summary| !wanted.may_be_in(&summary))
            {
                *within += BLOCK as u32;
                continue;
            }
            *within += 1;
            if let Some(record) = base.record(at).filter(|record| wanted.is(record)) {
                return Some(Found::Mapped(self.shifted(record)));
            }
        }
        None
    }

    fn shifted(&self, mut record: Record) -> Record {
        record.place = record.place.wrapping_add_signed(self.shift);
        record
    }

    /// Puts what becomes of it into `edited`.
    fn edit(mut self, base: Option<&Base>, spans: &[Span], deed: Deed<'_>, edited: &mut Vec<Run>) -> Result<(), Damaged> {
        match &mut self.kind {
            Kind::Own(block) => {
                let Block { messages, .. } = Arc::unwrap_or_clone(std::mem::take(block));
                let messages: Vec<Live> = messages.into_iter().map(|live| Live { record: self.shifted(live.record), ..live }).collect();
                edit(messages, spans, deed).1.into_iter().for_each(|messages| edited.push(Run::own(messages)));
                Ok(())
            }
            Kind::Mapped(from) => {
                let from = *from as usize;
                self.edit_mapped(base.ok_or(Damaged)?, from, spans, deed, edited)
            }
        }
    }

    /// Block by block: those that change become our own.
    fn edit_mapped(self, base: &Base, from: usize, spans: &[Span], deed: Deed<'_>, edited: &mut Vec<Run>) -> Result<(), Damaged> {
        let end = from + self.count as usize;
        let mut kept = from;
        let mut at = from;
        for span in spans {
            let within = self.lower_bound(Some(base), span.first) as usize;
            at = at.max((from + within) / BLOCK * BLOCK);
            while at < end && base.record(at).ok_or(Damaged)?.uid <= span.last {
                let until = (at + BLOCK).min(end);
                let records = (at..until).map(|at| base.record(at).ok_or(Damaged));
                let block: Vec<Live> =
                    records.map(|record| Ok(Live { record: self.shifted(record?), text: None })).collect::<Result<_, _>>()?;
                if let (true, left) = edit(block, spans, deed) {
                    self.keep(base, kept, at, edited)?;
                    left.into_iter().for_each(|messages| edited.push(Run::own(messages)));
                    kept = until;
                }
                at = until;
            }
        }
        self.keep(base, kept, end, edited)
    }

    /// Part of a mapped run that stays as it is.
    fn keep(&self, base: &Base, from: usize, until: usize, edited: &mut Vec<Run>) -> Result<(), Damaged> {
        if from < until {
            let last = base.record(until - 1).ok_or(Damaged)?.uid;
            edited.push(Run { count: (until - from) as u32, last, shift: self.shift, kind: Kind::Mapped(from as u32) });
        }
        Ok(())
    }

    /// For a run whose UIDs begin at `begins` or later; returns where those of the next do.
    fn shift_from(&mut self, begins: u32, uid: u32, by: i64) -> u32 {
        let next = self.last.saturating_add(1);
        match &mut self.kind {
            _ if self.last < uid => {}
            Kind::Own(block) if begins < uid => {
                for live in Arc::make_mut(block).messages.iter_mut().filter(|live| live.record.uid >= uid) {
                    live.record.place = live.record.place.wrapping_add_signed(by);
                }
            }
            _ => self.shift = self.shift.wrapping_add(by),
        }
        next
    }
}

/// Does `deed` to those in `spans`. Whether anything changed, and what is left, if there is any.
fn edit(mut messages: Vec<Live>, spans: &[Span], deed: Deed<'_>) -> (bool, Option<Vec<Live>>) {
    let uid = |live: Option<&Live>| live.map_or(0, |live| live.record.uid);
    let spans = overlapping(spans, Span { first: uid(messages.first()), last: uid(messages.last()) });
    let (mut changed, mut span) = (false, 0);
    messages.retain_mut(|live| {
        while spans.get(span).is_some_and(|span| span.last < live.record.uid) {
            span += 1;
        }
        let fate = if spans.get(span).is_some_and(|span| span.first <= live.record.uid) { deed(live) } else { Fate::Same };
        changed |= fate != Fate::Same;
        fate != Fate::Gone
    });
    (changed, (!messages.is_empty()).then_some(messages))
}

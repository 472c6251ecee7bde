//! Expunging and flagging in place: as little as possible of the file is written, and its inode stays.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;

use super::journal::{Kind, Plan, Writer};
use super::ledger::{self, Ledger};
use super::notes::{Head, Notes, Patch};
use super::number::{Message, Numbered};
use super::redo::{self, PLAIN};
use super::scan::Found;
use super::summary::Summary;
use super::{Held, changed, locks, look, recognise};
use crate::os::stamp::{self, Stamp};
use crate::store::change::{self, Reaching};
use crate::store::index::{Front, Keyword, Learnt, Op, Record, Seal, State};
use crate::store::message::Traits;
use crate::store::spool::{Batch, Scanned};
use crate::store::{Changes, Flags, Trouble, Uids};

impl Held<'_> {
    pub(super) fn update(&mut self, state: &State, changes: &Changes) -> Result<Batch, Trouble> {
        if !self.locked.writable {
            return Err(self.updating(io::ErrorKind::PermissionDenied.into()));
        }
        if let Some(batch) = self.attempt(state, changes, state.head().stamps[0].settled)? {
            return Ok(batch);
        }
        // Another program may have changed the file so that only reading it tells.
        let stamp = locks::checked(&self.locked.file, &self.mbox.path)?;
        let Scanned::News(mut news) = self.thorough(Some(state), stamp)? else {
            return Err(Trouble::Changed(self.mbox.path.clone()));
        };
        let state = state.after(news.ops.clone()).map_err(|error| self.updating(error))?;
        let batch = self.attempt(&state, changes, true)?.ok_or_else(|| Trouble::Changed(self.mbox.path.clone()))?;
        news.ops.extend(batch.ops);
        Ok(news)
    }

    fn updating(&self, error: io::Error) -> Trouble {
        Trouble::io("updating", &self.mbox.path)(error)
    }

    /// Makes the changes; `None` when the messages are not where `state` says. Unless that is `sure`, it is looked at.
    fn attempt(&self, state: &State, changes: &Changes, sure: bool) -> Result<Option<Batch>, Trouble> {
        let wish = Wish::new(state, changes);
        let mut ops = change::ops(changes, Reaching::Now);
        if wish.is_empty() {
            return Ok(Some(Batch::default()));
        }
        if wish.expunge.is_empty() {
            match self.patches(state, &wish, sure).map_err(|error| self.updating(error))? {
                Patched::Patches(patches) => {
                    self.overwrite(state, &patches)?;
                    ops.push(self.spool(state.head().front, Summary::of(state))?);
                    return Ok(Some(ops.into()));
                }
                Patched::NotThere => return Ok(None),
                Patched::NoRoom => {}
            }
        }
        if !sure {
            return Ok(None);
        }
        self.rewrite(state, wish, ops)
    }

    /// Collects what can be overwritten.
    fn patches(&self, state: &State, wish: &Wish, sure: bool) -> io::Result<Patched> {
        let (file, mut all) = (&self.locked.file, Patches::default());
        for message in wish.marks.keys().filter_map(|uid| state.message(*uid)) {
            if !sure && !is_there(file, &message)? {
                return Ok(Patched::NotThere);
            }
            let (flags, words) = &wish.marks[&message.uid];
            match Head::examine(file, super::text(&message)..super::end(&message))?.patches(*flags, words) {
                Some(patches) => all.add(patches),
                None => return Ok(Patched::NoRoom),
            }
        }
        Ok(Patched::Patches(all))
    }

    /// Flags are letters, each for itself; words must not be torn.
    fn overwrite(&self, state: &State, patches: &Patches) -> Result<(), Trouble> {
        let (file, disk) = (&self.locked.file, &self.mbox.shared.disk);
        if patches.naming {
            let size = state.head().stamps[0].stamp.size;
            let untouched = patches.all.iter().map(|patch| patch.at + patch.octets.len() as u64).max().unwrap_or(0);
            let plan = Plan { kind: Kind::Update, old_size: size, new_size: size, untouched, from: size };
            return redo::perform(self.mbox, file, &plan, |writer| patches.write(writer));
        }
        let write = |patch: &Patch| disk.write(file, &patch.octets, patch.at);
        patches.all.iter().try_for_each(write).and_then(|()| disk.sync(file)).map_err(|error| self.updating(error))
    }

    fn rewrite(&self, state: &State, wish: Wish, mut ops: Vec<Op>) -> Result<Option<Batch>, Trouble> {
        let io = |error| self.updating(error);
        let mut update = Update::new(&self.locked.file, state, wish).map_err(io)?;
        if let Some(first) = update.first {
            update.compose(first).map_err(io)?;
        } else {
            update.raise().map_err(io)?;
        }
        if !update.is_all_there().map_err(io)? {
            return Ok(None);
        }
        // What the file will not say must be noted before it stops saying it.
        let twins = update.new_twins();
        let (found, numbered) = update.foreseen(&twins);
        ledger::keep(self.mbox, &found, &numbered, state.head().mailbox, Ledger::read(self.mbox));
        match update.first {
            None => update.in_place(self).map_err(io)?,
            Some(_) => redo::perform(self.mbox, &self.locked.file, &update.plan(), |writer| update.write(writer))?,
        }
        let twin = |uid: u32| Learnt { uid, on: Traits::TWIN, ..Learnt::default() };
        if !twins.is_empty() {
            ops.push(Op::Learnt(twins.iter().map(twin).collect()));
        }
        ops.extend(update.moves());
        ops.push(self.spool(numbered.front, Summary::of(state))?);
        Ok(Some(ops.into()))
    }

    /// The file as it is after a change of ours.
    fn spool(&self, front: Front, summary: Summary) -> Result<Op, Trouble> {
        let stamp = locks::checked(&self.locked.file, &self.mbox.path)?;
        let seal = Seal { stamp, settled: stamp.settled_on(&self.locked.file, stamp::now()) };
        Ok(Op::Spool { stamps: [Some(seal), None], front: Some(front), notes: Some(summary.octets()) })
    }
}

/// Whether changes of flags can be made by overwriting.
enum Patched {
    Patches(Patches),
    NoRoom,
    NotThere,
}

#[derive(Default)]
struct Patches {
    all: Vec<Patch>,
    /// Keywords are among them.
    naming: bool,
}

impl Patches {
    fn add(&mut self, patches: super::notes::Patches) {
        self.naming |= patches.naming.is_some();
        self.all.extend(patches.flagging);
        self.all.extend(patches.naming);
    }

    fn write(&self, writer: &mut Writer<'_>) -> io::Result<()> {
        self.all.iter().try_for_each(|patch| {
            writer.piece(patch.at, patch.octets.len() as u64)?;
            writer.octets(&patch.octets)
        })
    }
}

fn is_there(file: &File, message: &Record) -> io::Result<bool> {
    if message.len > LARGEST_LOOK { look::begins(file, message) } else { recognise::is_still_there(file, message) }
}

/// Of larger messages only the From_ line is looked at before their flags are overwritten.
const LARGEST_LOOK: u64 = 256 * 1024;

/// What is to happen: the messages that go, and the marks that others will have.
struct Wish {
    expunge: Uids,
    marks: HashMap<u32, (Flags, Vec<Keyword>)>,
}

impl Wish {
    fn new(state: &State, changes: &Changes) -> Wish {
        let present =
            |uids: &Uids| -> Vec<u32> { uids.ranges().flat_map(|range| state.range(range.into())).map(|message| message.uid).collect() };
        let expunge: Uids = present(&changes.expunge).into_iter().collect();
        let mut marks: HashMap<u32, (Flags, Vec<String>)> = HashMap::new();
        for change in &changes.flags {
            for message in change.uids.ranges().flat_map(|range| state.range(range.into())).filter(|message| !expunge.contains(message.uid))
            {
                let has = || (message.flags(), message.keywords().map(|word| word.to_string()).collect());
                let (flags, words) = marks.entry(message.uid).or_insert_with(has);
                *flags = change.of(*flags);
                change.of_keywords(words);
            }
        }
        let is_news = |uid: &u32, marks: &(Flags, Vec<Keyword>)| {
            let message = state.message(*uid);
            message.is_some_and(|message| message.flags() != marks.0 || !look::same_words(&marks.1, message.keywords()))
        };
        let keywords = |words: Vec<String>| words.into_iter().map(Keyword::from).collect();
        let marks =
            marks.into_iter().map(|(uid, (flags, words))| (uid, (flags, keywords(words)))).filter(|(uid, marks)| is_news(uid, marks));
        Wish { expunge, marks: marks.collect() }
    }

    fn is_empty(&self) -> bool {
        self.expunge.is_empty() && self.marks.is_empty()
    }
}

/// An update being made up.
struct Update<'a> {
    file: &'a File,
    state: &'a State,
    wish: Wish,
    size: u64,
    /// The messages in the order of the file, each with the end of all that is before the next.
    order: Vec<(Record, u64)>,
    patches: Patches,
    /// The last UID that the file records after the update.
    last: Option<u32>,
    /// From this on (in `order`) the file is written anew; none if all can be done by overwriting and cutting.
    first: Option<usize>,
    tail: Vec<Part>,
}

/// A message of the new tail.
struct Part {
    message: Record,
    end: u64,
    /// Its header is written anew.
    anew: Option<(Head, Notes)>,
}

impl<'a> Update<'a> {
    fn new(file: &'a File, state: &'a State, wish: Wish) -> io::Result<Update<'a>> {
        let head = state.head();
        let size = Stamp::of(file)?.size;
        let mut sorted: Vec<Record> = state.messages().map(|message| message.record).collect();
        if !Summary::of(state).in_order {
            sorted.sort_by_key(|message| message.place);
        }
        let ends = sorted.iter().skip(1).map(|next| next.place).chain([size]);
        let order: Vec<_> = std::iter::zip(sorted.iter().copied(), ends).collect();
        let mut update =
            Update { file, state, wish, size, order, patches: Patches::default(), last: head.front.last, first: None, tail: Vec::new() };
        update.first = update.first_to_move()?;
        Ok(update)
    }

    /// Collects the patches; returns the first message that does not stay where it is, or needs more room.
    fn first_to_move(&mut self) -> io::Result<Option<usize>> {
        let kept = self.order.iter().rposition(|(message, _)| !self.wish.expunge.contains(message.uid));
        for at in 0..kept.map_or(0, |kept| kept + 1) {
            let (message, _) = self.order[at];
            if self.wish.expunge.contains(message.uid) {
                return Ok(Some(at));
            }
            if let Some((flags, words)) = self.wish.marks.get(&message.uid) {
                match Head::examine(self.file, super::text(&message)..super::end(&message))?.patches(*flags, words) {
                    // Words must not be torn: they go through the journal.
                    Some(patches) if patches.naming.is_none() => self.patches.add(patches),
                    _ => return Ok(Some(at)),
                }
            }
        }
        Ok(None)
    }

    /// Where all that goes is at the end, the last UID is recorded in place, if that can be done and all that stays has a record.
    fn raise(&mut self) -> io::Result<()> {
        let (next, front) = (self.state.head().uidnext, self.state.head().front);
        let all_recorded = self.remaining().all(|message| message.has(Traits::RECORDED));
        let stays = front.pseudo || self.order.first().is_some_and(|(first, _)| !self.wish.expunge.contains(first.uid));
        if !all_recorded || !stays || front.last.is_none() {
            return Ok(());
        }
        if let Some(patch) = self.front()?.base.and_then(|base| base.patch(next - 1)) {
            self.patches.all.insert(0, patch);
            self.last = Some(next - 1);
        }
        Ok(())
    }

    /// The messages that stay, in the order of the file.
    fn remaining(&self) -> impl Iterator<Item = &Record> {
        self.order.iter().map(|(message, _)| message).filter(|message| !self.wish.expunge.contains(message.uid))
    }

    /// Overwrites flags, and cuts off what is expunged if that is at the end: neither can be torn.
    fn in_place(&self, held: &Held<'_>) -> io::Result<()> {
        let disk = &held.mbox.shared.disk;
        self.patches.all.iter().try_for_each(|patch| disk.write(self.file, &patch.octets, patch.at))?;
        if let Some((message, _)) = self.order.iter().find(|(message, _)| self.wish.expunge.contains(message.uid)) {
            if Stamp::of(self.file)?.size != self.size {
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another program keeps to no lock"));
            }
            let is_all = self.remaining().next().is_none();
            disk.set_len(self.file, if is_all { self.preamble() } else { message.place })?;
        }
        disk.sync(self.file)
    }

    /// Octets before the first message that are to stay: the pseudo message's.
    fn preamble(&self) -> u64 {
        if self.state.head().front.pseudo { self.order[0].0.place } else { 0 }
    }

    /// Makes up the new tail, from message `first` on.
    fn compose(&mut self, first: usize) -> io::Result<()> {
        let head = self.state.head();
        let last = head.uidnext - 1;
        let front = self.front()?;
        let raise = front.base.as_ref().map(|base| base.patch(last));
        let first = match raise {
            Some(Some(patch)) if first > 0 || head.front.pseudo => {
                self.patches.all.insert(0, patch);
                self.last = Some(last);
                first
            }
            // The number in a pseudo message without room stays.
            _ if head.front.pseudo => first,
            _ => 0,
        };
        // Records behind a message without one would put it last, should the index get lost.
        let first = self.order.iter().position(|(message, _)| !message.has(Traits::RECORDED)).unwrap_or(first).min(first);
        self.patches.all.retain(|patch| patch.at < self.order[first].0.place);
        self.first = Some(first);
        let mut base =
            (first == 0 && !head.front.pseudo).then(|| (head.uidvalidity, last, front.base.map_or_else(Vec::new, |base| base.rest)));
        if base.is_some() {
            self.last = Some(last);
        }
        for (message, end) in &self.order[first..] {
            if !self.wish.expunge.contains(message.uid) {
                let part = self.part(*message, *end, base.take())?;
                self.tail.push(part);
            }
        }
        self.pad()
    }

    /// The header that has the records of the whole mailbox, or should have.
    fn front(&self) -> io::Result<Head> {
        let front = &self.state.head().front;
        let text = front.offset + u64::from(front.from_len);
        let end = if front.pseudo { self.order[0].0.place } else { super::end(&self.order[0].0) };
        let mut head = Head::examine(self.file, text..end)?;
        head.base = head.base.filter(|_| front.last.is_some());
        Ok(head)
    }

    fn part(&self, message: Record, end: u64, base: Option<(u32, u32, Vec<u8>)>) -> io::Result<Part> {
        let head = Head::examine(self.file, super::text(&message)..super::end(&message))?;
        let anew = self.wish.marks.contains_key(&message.uid) || base.is_some() || head.uid != Some(message.uid);
        Ok(Part { message, end, anew: anew.then(|| (head, Notes { base, ..self.notes(&message) })) })
    }

    fn notes(&self, message: &Record) -> Notes {
        let (flags, keywords) = match self.wish.marks.get(&message.uid) {
            Some(marks) => marks.clone(),
            None => {
                let words = self.state.message(message.uid).map_or_else(Vec::new, |message| message.keywords().cloned().collect());
                (message.flags(), words)
            }
        };
        Notes { uid: Some(message.uid), flags, keywords, base: None, pad: 0 }
    }

    /// Makes the length differ by nothing or by enough: see [`redo`].
    fn pad(&mut self) -> io::Result<()> {
        let (old, new) = (self.size, self.new_size());
        if new == old || new.abs_diff(old) >= PLAIN {
            return Ok(());
        }
        if self.tail.iter().all(|part| part.anew.is_none()) {
            let message = self.tail[0].message;
            let head = Head::examine(self.file, super::text(&message)..super::end(&message))?;
            self.tail[0].anew = Some((head, self.notes(&message)));
            return self.pad();
        }
        let lack = if new < old { old - new } else { old + PLAIN - new };
        let (_, notes) = self.tail.iter_mut().find_map(|part| part.anew.as_mut()).expect("one was just made");
        notes.pad = lack;
        Ok(())
    }

    /// Whether every message that is to be moved begins where it should.
    fn is_all_there(&self) -> io::Result<bool> {
        for part in &self.tail {
            if !look::begins(self.file, &part.message)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn from(&self) -> u64 {
        self.first.map_or(self.size, |first| self.order[first].0.place)
    }

    fn new_size(&self) -> u64 {
        self.from() + self.tail.iter().map(Part::len).sum::<u64>()
    }

    fn plan(&self) -> Plan {
        let untouched = self.patches.all.iter().map(|patch| patch.at + patch.octets.len() as u64).max().unwrap_or(0);
        Plan { kind: Kind::Update, old_size: self.size, new_size: self.new_size(), untouched, from: self.from() }
    }

    fn write(&self, writer: &mut Writer<'_>) -> io::Result<()> {
        self.patches.write(writer)?;
        writer.piece(self.from(), self.new_size() - self.from())?;
        self.tail.iter().try_for_each(|part| part.write(self.file, writer))
    }

    /// The messages of the tail, as they are and as they will be, in the order of the file.
    fn moved(&self) -> Vec<(Record, Record)> {
        let mut at = self.from();
        let moved = |part: &Part| {
            let now = part.moved(at);
            at += part.len();
            (part.message, now)
        };
        self.tail.iter().map(moved).collect()
    }

    fn moves(&self) -> Vec<Op> {
        let mut moved = self.moved();
        if Summary::of(self.state).in_order {
            return changed::moves_of_rest(&moved);
        }
        moved.sort_by_key(|(old, _)| old.uid);
        changed::moves(&moved)
    }

    /// Messages that are equal to an earlier one that goes: to tell them apart in the future, it is noted that there was one.
    fn new_twins(&self) -> Uids {
        let gone: HashSet<_> = self
            .order
            .iter()
            .filter(|(message, _)| self.wish.expunge.contains(message.uid))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(message, _)| message.fingerprint)
            .collect();
        let first = self.wish.expunge.ranges().next().map_or(u32::MAX, |range| *range.start());
        self.remaining()
            .filter(|message| message.uid > first && !message.is_twin() && gone.contains(&message.fingerprint))
            .map(|message| message.uid)
            .collect()
    }

    /// What a scan will find, and which numbers it is to have.
    fn foreseen(&self, twins: &Uids) -> (Vec<Found>, Numbered) {
        let head = self.state.head();
        let moved: HashMap<u32, Record> = self.moved().into_iter().map(|(old, now)| (old.uid, now)).collect();
        let now = |message: &Record| {
            let mut now = moved.get(&message.uid).copied().unwrap_or(*message);
            now.set_traits(Traits::TWIN, now.is_twin() || twins.contains(now.uid));
            now
        };
        let records: Vec<Record> = self.remaining().map(now).collect();
        let base = self.last.map(|last| (head.uidvalidity, last));
        let mut found: Vec<Found> = if head.front.pseudo { vec![Found::pseudo(base)] } else { Vec::new() };
        let hidden = found.len();
        found.extend(records.iter().map(Found::of));
        if let (false, Some(first)) = (head.front.pseudo, found.first_mut()) {
            first.base = base;
        }
        let front = match records.first() {
            _ if head.front.pseudo => Front { last: self.last, ..head.front },
            Some(first) => Front { offset: first.place, from_len: first.from_len, pseudo: false, last: self.last },
            None => Front::default(),
        };
        let uidl = |uid: u32| self.state.message(uid).map_or_else(Box::default, |message| message.uidl_text().into());
        let message = |(at, record): (usize, Record)| Message { record, uidl: uidl(record.uid), found: hidden + at };
        let mut messages: Vec<Message> = records.into_iter().enumerate().map(message).collect();
        messages.sort_by_key(|message| message.record.uid);
        (found, Numbered { uidvalidity: head.uidvalidity, next: head.uidnext, front, messages })
    }
}

impl Part {
    fn len(&self) -> u64 {
        let old = self.end - self.message.place;
        self.anew.as_ref().map_or(old, |(head, notes)| old - (head.end - super::text(&self.message)) + head.len_with(notes))
    }

    /// The message as it will be at `place`.
    fn moved(&self, place: u64) -> Record {
        let mut message = self.message;
        let end = super::end(&message) + self.len() - (self.end - message.place);
        message.len = end - super::text(&message);
        message.place = place;
        message.set_traits(Traits::RECORDED, true);
        if self.anew.is_some() {
            message.set_traits(Traits::EXACT, false);
        }
        message
    }

    fn write(&self, file: &File, writer: &mut Writer<'_>) -> io::Result<()> {
        let message = &self.message;
        let Some((head, notes)) = &self.anew else { return writer.copy(file, message.place, self.end - message.place) };
        writer.copy(file, message.place, u64::from(message.from_len))?;
        head.write(file, super::text(message)..super::end(message), notes, |octets| writer.octets(octets))?;
        writer.copy(file, head.end, self.end - head.end)
    }
}

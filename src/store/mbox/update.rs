//! Expunging and flagging in place: as little as possible of the file is written, and its inode stays.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;

use super::index::Index;
use super::journal::{Plan, Writer};
use super::locks;
use super::look::{refresh, save};
use super::notes::{Head, Notes, Patch};
use super::recognise::find;
use super::redo::{self, PLAIN};
use crate::os::stamp::Stamp;
use crate::store::message::Traits;
use crate::store::{Account, Changes, Flags, Message, Shared, Trouble};

/// Makes `changes`, which a session asked for that knows the mailbox as `past`. Blocks.
pub fn apply(shared: &Shared, account: &Account, past: &Index, changes: &Changes) -> Result<(), Trouble> {
    // The spool may have been moved with all that was to be expunged: to say that this was done would be a lie.
    let gone = || Trouble::Gone(account.spool.clone());
    let locked = locks::lock(shared, account, locks::PATIENCE)?.ok_or_else(gone)?;
    let index = refresh(shared, account, &locked, Some(past))?;
    let wish = Wish::new(past, changes, &index);
    if wish.is_empty() {
        return Ok(());
    }
    if !locked.writable {
        return Err(Trouble::io("updating", &account.spool)(io::ErrorKind::PermissionDenied.into()));
    }
    let io = |error| Trouble::io("updating", &account.spool)(error);
    let mut update = Update::new(&locked.file, index, wish).map_err(io)?;
    match update.first {
        None => update.in_place(shared).map_err(io)?,
        Some(first) => {
            update.compose(first).map_err(io)?;
            let plan = update.plan();
            redo::perform(shared, account, &locked.file, &plan, |writer| update.write(writer))?;
        }
    }
    let (index, durable) = update.outcome().map_err(io)?;
    save(shared, account, &index, durable);
    Ok(())
}

/// What is to happen, by the UIDs that hold now.
struct Wish {
    expunge: HashSet<u32>,
    flags: HashMap<u32, Flags>,
}

impl Wish {
    fn new(past: &Index, changes: &Changes, index: &Index) -> Wish {
        let now: HashMap<u32, Message> = std::iter::zip(&past.messages, find(&past.messages, &index.messages))
            .filter_map(|(known, at)| Some((known.uid, index.messages[at?])))
            .collect();
        let expunge: HashSet<u32> = changes.expunge.iter().filter_map(|uid| Some(now.get(uid)?.uid)).collect();
        let mut flags = HashMap::new();
        for (uid, add) in &changes.add {
            if let Some(message) = now.get(uid).filter(|message| !message.flags.contains(*add) && !expunge.contains(&message.uid)) {
                let all = flags.entry(message.uid).or_insert(message.flags);
                // What was read is no longer recent.
                *all = all.with(*add).with(if add.contains(Flags::SEEN) { Flags::OLD } else { Flags::NONE });
            }
        }
        Wish { expunge, flags }
    }

    fn is_empty(&self) -> bool {
        self.expunge.is_empty() && self.flags.is_empty()
    }
}

/// An update being made up.
struct Update<'a> {
    file: &'a File,
    index: Index,
    wish: Wish,
    /// The messages in the order of the file, each with the end of all that is before the next.
    order: Vec<(Message, u64)>,
    patches: Vec<Patch>,
    /// From this on (in `order`) the file is written anew; none if all can be done by overwriting and cutting.
    first: Option<usize>,
    tail: Vec<Part>,
}

/// A message of the new tail.
struct Part {
    message: Message,
    end: u64,
    /// Its header is written anew.
    anew: Option<(Head, Notes)>,
}

impl<'a> Update<'a> {
    fn new(file: &'a File, index: Index, wish: Wish) -> io::Result<Update<'a>> {
        let mut sorted = index.messages.clone();
        sorted.sort_by_key(|message| message.offset);
        let ends = sorted.iter().skip(1).map(|next| next.offset).chain([index.stamp.size]);
        let order: Vec<_> = std::iter::zip(sorted.iter().copied(), ends).collect();
        let mut update = Update { file, index, wish, order, patches: Vec::new(), first: None, tail: Vec::new() };
        update.first = update.first_to_move()?;
        Ok(update)
    }

    /// Collects the patches; returns the first message that does not stay where it is, or needs more room.
    fn first_to_move(&mut self) -> io::Result<Option<usize>> {
        let kept = self.order.iter().rposition(|(message, _)| !self.wish.expunge.contains(&message.uid));
        for at in 0..kept.map_or(0, |kept| kept + 1) {
            let (message, _) = self.order[at];
            if self.wish.expunge.contains(&message.uid) {
                return Ok(Some(at));
            }
            if let Some(flags) = self.wish.flags.get(&message.uid) {
                match Head::examine(self.file, message.text()..message.end())?.patches(*flags) {
                    Some(patches) => self.patches.extend(patches),
                    None => return Ok(Some(at)),
                }
            }
        }
        Ok(None)
    }

    /// Overwrites flags, and cuts off what is expunged if that is at the end: neither can be torn.
    fn in_place(&self, shared: &Shared) -> io::Result<()> {
        for patch in &self.patches {
            shared.disk.write(self.file, &patch.octets, patch.at)?;
        }
        if let Some((message, _)) = self.order.iter().find(|(message, _)| self.wish.expunge.contains(&message.uid)) {
            if Stamp::of(self.file)?.size != self.index.stamp.size {
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another program keeps to no lock"));
            }
            shared.disk.set_len(self.file, if self.order.len() == self.wish.expunge.len() { self.preamble() } else { message.offset })?;
        }
        shared.disk.sync(self.file)
    }

    /// Octets before the first message that are to stay: the pseudo message's.
    fn preamble(&self) -> u64 {
        if self.index.front.pseudo { self.order[0].0.offset } else { 0 }
    }

    /// Makes up the new tail, from message `first` on.
    fn compose(&mut self, first: usize) -> io::Result<()> {
        let last = self.index.next - 1;
        let front = self.front()?;
        let raise = front.base.as_ref().map(|base| base.patch(last));
        let first = match raise {
            Some(Some(patch)) if first > 0 || self.index.front.pseudo => {
                self.patches.insert(0, patch);
                first
            }
            // The number in a pseudo message without room stays: the index knows better.
            _ if self.index.front.pseudo => first,
            _ => 0,
        };
        // Records behind a message without one would put it last, should the index get lost.
        let recorded = |message: &Message| message.traits.contains(Traits::RECORDED);
        let first = self.order.iter().position(|(message, _)| !recorded(message)).unwrap_or(first).min(first);
        self.patches.retain(|patch| patch.at < self.order[first].0.offset);
        self.first = Some(first);
        let mut base = (first == 0 && !self.index.front.pseudo)
            .then(|| (self.index.uidvalidity, last, front.base.map_or_else(Vec::new, |base| base.rest)));
        for (message, end) in &self.order[first..] {
            if !self.wish.expunge.contains(&message.uid) {
                let part = self.part(*message, *end, base.take())?;
                self.tail.push(part);
            }
        }
        self.pad()
    }

    /// The header that has the records of the whole mailbox, or should have.
    fn front(&self) -> io::Result<Head> {
        let front = &self.index.front;
        let text = front.offset + u64::from(front.from_len);
        let end = if front.pseudo { self.order[0].0.offset } else { self.order[0].0.end() };
        let mut head = Head::examine(self.file, text..end)?;
        head.base = head.base.filter(|_| front.last.is_some());
        Ok(head)
    }

    fn part(&self, message: Message, end: u64, base: Option<(u32, u32, Vec<u8>)>) -> io::Result<Part> {
        let head = Head::examine(self.file, message.text()..message.end())?;
        let flags = self.wish.flags.get(&message.uid);
        let anew = flags.is_some() || base.is_some() || head.uid != Some(message.uid);
        let notes = Notes { uid: message.uid, flags: *flags.unwrap_or(&message.flags), base, pad: 0 };
        Ok(Part { message, end, anew: anew.then_some((head, notes)) })
    }

    /// Makes the length differ by nothing or by enough: see [`redo`].
    fn pad(&mut self) -> io::Result<()> {
        let (old, new) = (self.index.stamp.size, self.new_size());
        if new == old || new.abs_diff(old) >= PLAIN {
            return Ok(());
        }
        if self.tail.iter().all(|part| part.anew.is_none()) {
            let part = &mut self.tail[0];
            let head = Head::examine(self.file, part.message.text()..part.message.end())?;
            part.anew = Some((head, Notes { uid: part.message.uid, flags: part.message.flags, base: None, pad: 0 }));
            return self.pad();
        }
        let lack = if new < old { old - new } else { old + PLAIN - new };
        let (_, notes) = self.tail.iter_mut().find_map(|part| part.anew.as_mut()).expect("one was just made");
        notes.pad = lack;
        Ok(())
    }

    fn from(&self) -> u64 {
        self.first.map_or(self.index.stamp.size, |first| self.order[first].0.offset)
    }

    fn new_size(&self) -> u64 {
        self.from() + self.tail.iter().map(Part::len).sum::<u64>()
    }

    fn plan(&self) -> Plan {
        let untouched = self.patches.iter().map(|patch| patch.at + patch.octets.len() as u64).max().unwrap_or(0);
        Plan { old_size: self.index.stamp.size, new_size: self.new_size(), untouched, from: self.from() }
    }

    fn write(&self, writer: &mut Writer<'_>) -> io::Result<()> {
        for patch in &self.patches {
            writer.piece(patch.at, patch.octets.len() as u64)?;
            writer.octets(&patch.octets)?;
        }
        writer.piece(self.from(), self.new_size() - self.from())?;
        self.tail.iter().try_for_each(|part| part.write(self.file, writer))
    }

    /// The index of what is there now, and whether it alone knows that UIDs are used up.
    fn outcome(self) -> io::Result<(Index, bool)> {
        let mut index = self.index;
        let durable = !self.wish.expunge.is_empty() && self.first.is_none();
        index.stamp = Stamp::of(self.file)?;
        // Something may follow within the same tick.
        index.settled = false;
        index.messages.retain(|message| !self.wish.expunge.contains(&message.uid));
        let mut at = self.first.map_or(0, |first| self.order[first].0.offset);
        let mut moved = HashMap::new();
        for part in &self.tail {
            moved.insert(part.message.uid, part.moved(at));
            at += part.len();
        }
        for message in &mut index.messages {
            *message = moved.get(&message.uid).copied().unwrap_or(*message);
            message.flags = self.wish.flags.get(&message.uid).copied().unwrap_or(message.flags);
        }
        Ok((index, durable))
    }
}

impl Part {
    fn len(&self) -> u64 {
        let old = self.end - self.message.offset;
        self.anew.as_ref().map_or(old, |(head, notes)| old - (head.end - self.message.text()) + head.len_with(notes))
    }

    /// The message as it will be at `offset`.
    fn moved(&self, offset: u64) -> Message {
        let mut message = self.message;
        let end = message.end() + self.len() - (self.end - message.offset);
        message.len = end - message.text();
        message.offset = offset;
        message.traits.set(Traits::RECORDED, true);
        if self.anew.is_some() {
            message.traits.set(Traits::EXACT, false);
        }
        message
    }

    fn write(&self, file: &File, writer: &mut Writer<'_>) -> io::Result<()> {
        let message = &self.message;
        let Some((head, notes)) = &self.anew else { return writer.copy(file, message.offset, self.end - message.offset) };
        writer.copy(file, message.offset, u64::from(message.from_len))?;
        head.write(file, message.text()..message.end(), notes, |octets| writer.octets(octets))?;
        writer.copy(file, head.end, self.end - head.end)
    }
}

//! Finding out what is in a Maildir, and what has become of what was there.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::io;

use super::files::{self, Listing};
use super::keywords::Letters;
use super::ledger::Lists;
use super::name::{self, FileName, Form};
use super::notes::Notes;
use super::uidlist::{self, Header};
use super::{CUR, Held, NEW, courier, marks};
use crate::os::Dir;
use crate::os::stamp::Stamp;
use crate::store::index::{Arrival, Flushed, Keyword, Live, Marks, Op, Record, Seal, Span, State};
use crate::store::message::Traits;
use crate::store::spool::{Batch, Scanned};
use crate::store::{Flags, Trouble, Uidl, identity};

/// A file with mail.
struct Mail {
    name: OsString,
    fresh: bool,
}

impl Mail {
    fn parsed(&self) -> FileName<'_> {
        FileName::parse(&self.name)
    }

    fn base(&self) -> &[u8] {
        self.parsed().base()
    }

    /// What the index keeps as its name, and whether that is the whole name.
    fn text(&self) -> (&[u8], bool) {
        let form = self.parsed().form();
        let is_base = form == if self.fresh { Form::Bare } else { Form::Canonical };
        if is_base { (self.base(), false) } else { (self.name.as_encoded_bytes(), true) }
    }

    /// Flags, as the folder and the name tell.
    fn flags(&self) -> Flags {
        self.parsed().marks().flags.with(if self.fresh { Flags::NONE } else { Flags::OLD })
    }
}

/// What a scan works with.
struct Look<'a, 'h> {
    held: &'a Held<'h>,
    listings: [Listing; 2],
    mails: Vec<Mail>,
    dirs: [Dir; 2],
    letters: Letters,
    further: HashMap<Box<[u8]>, Vec<String>>,
}

impl Held<'_> {
    pub(super) fn look_at_files(&mut self, known: Option<&State>) -> Result<Scanned, Trouble> {
        let listed = match self.top.stat(super::UIDLIST) {
            Ok(stat) => Stamp::from(&stat),
            Err(_) => Stamp::default(),
        };
        let unchanged = known.filter(|state| listed != Stamp::default() && Notes::of(state).list == listed);
        let look = Look::new(self)?;
        if let Some(state) = unchanged {
            return look.news(state, None).map(Scanned::News);
        }
        match (self.lists()?, known) {
            (Some(lists), Some(state)) if agrees(&lists, state) => look.news(state, Some(lists)).map(Scanned::News),
            (Some(lists), _) => look.anew(lists).map(Scanned::Anew),
            // The list was lost: what we know of it goes on.
            (None, Some(state)) => look.news(state, Some(remembered(state))).map(Scanned::News),
            (None, None) => look.anew(self.first_lists()?).map(Scanned::Anew),
        }
    }

    /// What another server left of UIDs, or none at all.
    fn first_lists(&self) -> Result<Lists, Trouble> {
        let courier = self.act("reading what Courier left in", || self.content(COURIER_UIDS, uidlist::LARGEST))?;
        let mut lists = match courier.as_ref().and_then(|(text, _)| super::ledger::parse(text, Stamp::default()).ok()) {
            Some(lists) => lists,
            None => empty(identity::uidvalidity(&self.maildir.shared, &self.maildir.account)?),
        };
        self.take_courier_uidls(&mut lists)?;
        lists.header.guid.get_or_insert_with(|| u128::from_be_bytes(identity::mailbox()));
        lists.is_due = true;
        Ok(lists)
    }

    /// POP3 clients know messages by these.
    fn take_courier_uidls(&self, lists: &mut Lists) -> Result<(), Trouble> {
        let sizes = self.act("reading what Courier left in", || self.content(COURIER_UIDLS, courier::LARGEST))?;
        for popped in courier::Sizes::parse(sizes.as_ref().map_or(&[], |(text, _)| text)) {
            let line = lists.lines.entry(popped.base.into()).or_default();
            uidlist::push_field(&mut line.fields, uidlist::UIDL, popped.uidl().as_bytes());
            uidlist::push_field(&mut line.fields, uidlist::WIRE_SIZE, popped.size.to_string().as_bytes());
        }
        Ok(())
    }
}

/// No messages.
fn empty(uidvalidity: u32) -> Lists {
    let header = Header::new(uidvalidity, 1, Some(u128::from_be_bytes(identity::mailbox())));
    Lists { header, lines: HashMap::new(), next: 1, is_due: true, stamp: Stamp::default() }
}

/// The list that a state came from.
fn remembered(state: &State) -> Lists {
    let head = state.head();
    let mut lists = empty(head.uidvalidity);
    lists.header.guid = Some(u128::from_be_bytes(head.mailbox));
    (lists.next, lists.header.next_uid) = (head.uidnext, head.uidnext);
    let mut remember = |uid, name, uidl| {
        let mut line = super::ledger::Line { uid, fields: Vec::new() };
        uidlist::push_field(&mut line.fields, uidlist::UIDL, uidl);
        lists.lines.insert(base_of(name).into(), line);
    };
    state.messages().for_each(|message| remember(message.uid, message.name(), message.uidl_text()));
    // Their files are still there, and must not come back.
    state.doomed().iter().for_each(|doomed| remember(doomed.record.uid, doomed.name(), doomed.uidl_text()));
    lists
}

/// One file of each base: of those that a program has left under two names, the same in each scan.
fn single(mails: &[Mail]) -> Vec<&Mail> {
    let mut known: HashMap<&[u8], usize> = HashMap::with_capacity(mails.len());
    let mut all: Vec<&Mail> = Vec::with_capacity(mails.len());
    for mail in mails {
        match known.entry(mail.base()) {
            Entry::Vacant(free) => {
                free.insert(all.len());
                all.push(mail);
            }
            Entry::Occupied(taken) if all[*taken.get()].name < mail.name => all[*taken.get()] = mail,
            Entry::Occupied(_) => {}
        }
    }
    all
}

/// Adds what a list lacks of a state that it agrees with: its end was lost in a power cut, perhaps with the messages there, whose UIDs
/// must not be given again.
fn complete(lists: &mut Lists, known: &State) {
    let missing: Vec<_> = remembered(known).lines.into_iter().filter(|(base, _)| !lists.lines.contains_key(base)).collect();
    lists.is_due |= !missing.is_empty() || lists.next < known.head().uidnext;
    lists.lines.extend(missing);
    lists.next = lists.next.max(known.head().uidnext);
}

fn base_of(text: &[u8]) -> &[u8] {
    FileName::parse(std::os::unix::ffi::OsStrExt::from_bytes(text)).base()
}

/// Whether the list tells nothing else of the messages that are known.
fn agrees(lists: &Lists, state: &State) -> bool {
    let head = state.head();
    let same = |text: &[u8], uid| lists.lines.get(base_of(text)).is_none_or(|line| line.uid == uid);
    lists.header.uidvalidity == head.uidvalidity
        && lists.header.guid.is_none_or(|guid| guid.to_be_bytes() == head.mailbox)
        && state.messages().all(|message| same(message.name(), message.uid))
}

impl<'a, 'h> Look<'a, 'h> {
    fn new(held: &'a Held<'h>) -> Result<Look<'a, 'h>, Trouble> {
        let (dirs, listings) = held.act("listing", || {
            let dirs = [held.maildir.part(&held.top, NEW)?, held.maildir.part(&held.top, CUR)?];
            // A message moves from `new` to `cur`: read in this order it is not missed, but perhaps seen twice.
            let listings = [files::list(&dirs[0])?, files::list(&dirs[1])?];
            Ok((dirs, listings))
        })?;
        let mut look = Look { held, listings, mails: Vec::new(), dirs, letters: held.letters()?, further: held.further_keywords()? };
        look.mails = look.gather();
        Ok(look)
    }

    fn gather(&mut self) -> Vec<Mail> {
        let [new, current] = &mut self.listings;
        let names = std::mem::take(&mut current.names).into_iter().map(|name| Mail { name, fresh: false });
        let mut mails: Vec<Mail> = names.filter(|mail| uidlist::is_listable(mail.base())).collect();
        let fresh = std::mem::take(&mut new.names).into_iter().map(|name| Mail { name, fresh: true });
        let fresh: Vec<Mail> = fresh.filter(|mail| uidlist::is_listable(mail.base())).collect();
        if !fresh.is_empty() {
            let there: HashSet<&[u8]> = mails.iter().map(Mail::base).collect();
            let missing: Vec<bool> = fresh.iter().map(|mail| !there.contains(mail.base())).collect();
            mails.extend(std::iter::zip(fresh, missing).filter(|(_, missing)| *missing).map(|(mail, _)| mail));
        }
        mails
    }

    /// A mailbox of which nothing is known but its lists.
    fn anew(mut self, mut lists: Lists) -> Result<State, Trouble> {
        let mails = std::mem::take(&mut self.mails);
        let next = lists.next;
        let (arrivals, lines) = self.arrivals(single(&mails), &mut lists)?;
        let list = match lists.is_due {
            true => {
                self.noted(|held| held.write_list(&Header { next_uid: lists.next, ..lists.header.clone() }, &all_lines(&arrivals, &lists)))?
            }
            false if lines.is_empty() => lists.stamp,
            false => self.noted(|held| held.append_durably(&lines))?,
        };
        debug_assert!(next <= lists.next);
        let notes = Notes { list, lines: lists.lines.len() as u64 };
        let id = lists.header.guid.map_or_else(identity::mailbox, u128::to_be_bytes);
        let state = State::found(lists.header.uidvalidity, lists.next, id, arrivals)
            .map_err(|error| self.held.maildir.trouble("listing", error))?;
        Ok(state.with_spool(self.seals(), Default::default(), notes.octets()))
    }

    /// What has happened since `known`.
    fn news(mut self, known: &State, lists: Option<Lists>) -> Result<Batch, Trouble> {
        let mails = std::mem::take(&mut self.mails);
        let is_complete = self.listings.iter().all(|listing| listing.complete);
        let mut files: HashMap<&[u8], &Mail> = single(&mails).into_iter().map(|mail| (mail.base(), mail)).collect();
        let (mut gone, mut changed) = (Vec::new(), Changed::default());
        for message in known.messages() {
            match files.remove(base_of(message.name())) {
                None => gone.push(message.uid),
                Some(mail) => self.compare(&message, message.name(), mail, &mut changed),
            }
        }
        // Expunged, and not yet removed.
        known.doomed().iter().for_each(|doomed| drop(files.remove(base_of(doomed.name()))));
        let mut ops = changed.ops();
        if is_complete && !gone.is_empty() {
            ops.push(Op::Expunge { uids: Span::gather(gone), doomed: false });
        }
        let has_list = lists.is_some();
        let mut lists = match lists {
            Some(mut lists) => {
                complete(&mut lists, known);
                lists
            }
            None => known_lists(known),
        };
        let (arrivals, lines) = self.arrivals(files.into_values().collect(), &mut lists)?;
        let mut notes = Notes { list: lists.stamp, lines: lists.lines.len() as u64 };
        if !has_list {
            notes = Notes { lines: Notes::of(known).lines + arrivals.len() as u64, ..Notes::of(known) };
        }
        if has_list && lists.is_due {
            let header = Header { next_uid: lists.next, ..lists.header.clone() };
            notes.list = self.noted(|held| held.write_list(&header, &ordered(&lists)))?;
        } else if !lines.is_empty() {
            notes.list = self.noted(|held| held.append_durably(&lines))?;
        }
        if !arrivals.is_empty() {
            ops.push(Op::Append(arrivals));
        }
        ops.push(Op::Next(lists.next));
        let [new, current] = self.seals();
        ops.push(Op::Spool { stamps: [Some(new), Some(current)], front: None, notes: Some(notes.octets()) });
        Ok(ops.into())
    }

    /// The stamp of the list once `write` has written it. Where nothing can be written the mailbox can be read all the same: whoever looks
    /// next gives the same UIDs, and tries again.
    fn noted(&self, write: impl FnOnce(&Held<'h>) -> Result<Stamp, Trouble>) -> Result<Stamp, Trouble> {
        let error = match write(self.held) {
            Err(Trouble::Full(_)) => io::ErrorKind::StorageFull.into(),
            Err(Trouble::Io { source, .. })
                if matches!(source.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) =>
            {
                source
            }
            outcome => return outcome,
        };
        let maildir = self.held.maildir;
        maildir.shared.warn_once(&maildir.path.join(super::UIDLIST), &error, "UIDs can't be noted");
        Ok(Stamp::default())
    }

    fn seals(&self) -> [Seal; 2] {
        self.listings.each_ref().map(|listing| Seal { stamp: listing.stamp, settled: listing.settled && listing.complete })
    }

    /// Gives messages that were not known their UIDs; returns also the lines by which the list of UIDs grows.
    fn arrivals(&self, mails: Vec<&Mail>, lists: &mut Lists) -> Result<(Vec<Arrival>, Vec<u8>), Trouble> {
        let (mut listed, mut others) = (Vec::new(), Vec::new());
        for mail in mails {
            match lists.lines.get(mail.base()).filter(|line| line.uid > 0) {
                Some(line) => listed.push((line.uid, mail)),
                None => others.push(mail),
            }
        }
        let promised = |mail: &Mail| name::promised(mail.base()).filter(|promise| promise.uidvalidity == lists.header.uidvalidity);
        others.sort_by(|one, other| {
            let uid = |mail: &Mail| promised(mail).map_or(u32::MAX, |promise| promise.uid);
            uid(one).cmp(&uid(other)).then_with(|| name::by_arrival(one.base(), other.base()))
        });
        let promises: Vec<Option<Uidl>> = others.iter().map(|mail| promised(mail)).collect();
        let mut lines = Vec::new();
        for (mail, promise) in std::iter::zip(others, promises) {
            // A UID that was promised and not listed: the list's end was lost in a power cut.
            let uid = promise.map_or(lists.next, |promise| promise.uid.max(lists.next));
            let uid = if uid - lists.next < FURTHEST { uid } else { lists.next };
            let line = lists.lines.entry(mail.base().into()).or_default();
            line.uid = uid;
            if line.record(mail.base()).write(&mut lines).is_ok() && uid < u32::MAX - 1 {
                lists.next = uid + 1;
                listed.push((uid, mail));
            }
        }
        listed.sort_unstable_by_key(|(uid, _)| *uid);
        let arrivals: Vec<Option<Arrival>> =
            listed.into_iter().map(|(uid, mail)| self.arrival(uid, mail, lists)).collect::<Result<_, _>>()?;
        Ok((arrivals.into_iter().flatten().collect(), lines))
    }

    /// `None` when the file is gone, or no regular one.
    fn arrival(&self, uid: u32, mail: &Mail, lists: &Lists) -> Result<Option<Arrival>, Trouble> {
        let dir = &self.dirs[usize::from(!mail.fresh)];
        let Ok(stat) = dir.stat(&mail.name) else { return Ok(None) };
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
            return Ok(None);
        }
        let line = lists.lines.get(mail.base()).cloned().unwrap_or_default();
        let listed = line.record(mail.base());
        let parsed = mail.parsed();
        let wire = parsed.wire_size().or_else(|| listed.number(uidlist::WIRE_SIZE));
        let mut record = Record { uid, len: stat.st_size.cast_unsigned(), size: wire.unwrap_or(0), ..Record::default() };
        record.set_traits(Traits::SIZED, wire.is_some());
        record.set_uidl(Uidl { uidvalidity: lists.header.uidvalidity, uid });
        record.received = u32::try_from(stat.st_mtime).unwrap_or(0);
        record.saved = record.received;
        record.set_flags(mail.flags());
        record.letters = marks::bits(parsed.marks());
        let (text, verbatim) = mail.text();
        record.set_traits(Traits::FRESH, mail.fresh);
        record.set_traits(Traits::VERBATIM, verbatim);
        let live = Live::new(record, text, listed.field(uidlist::UIDL).unwrap_or_default());
        Ok(Some(Arrival { live, keywords: self.keywords(mail) }))
    }

    fn keywords(&self, mail: &Mail) -> Vec<Keyword> {
        let by_letter = marks::words(marks::bits(mail.parsed().marks()), &self.letters).map(Keyword::from);
        let further = self.further.get(mail.base()).into_iter().flatten().map(|word| Keyword::from(word.as_str()));
        by_letter.chain(further).collect()
    }

    /// What another program did to the name of a file.
    fn compare(&self, record: &Record, text: &[u8], mail: &Mail, changed: &mut Changed) {
        let (now, verbatim) = mail.text();
        let bits = marks::bits(mail.parsed().marks());
        let moved = record.has(Traits::FRESH) != mail.fresh;
        if bits == record.letters && !moved && verbatim == record.has(Traits::VERBATIM) && text == now {
            return;
        }
        let words = |bits| marks::words(bits, &self.letters).map(Keyword::from).collect::<Vec<_>>();
        let old = if record.has(Traits::FRESH) { Flags::NONE } else { Flags::OLD };
        let before = marks::marks(record.letters).flags.with(old);
        changed.add(
            record.uid,
            before.without(mail.flags()),
            mail.flags().without(before),
            words(record.letters & !bits),
            words(bits & !record.letters),
        );
        let name = (text != now).then(|| now.into());
        changed.flushed.push(Flushed { uid: record.uid, modseq: 0, letters: bits, fresh: mail.fresh, verbatim, name });
    }
}

/// What other programs changed, with equal changes together.
#[derive(Default)]
struct Changed {
    marks: BTreeMap<(u8, u8, Vec<Keyword>, Vec<Keyword>), Vec<u32>>,
    flushed: Vec<Flushed>,
}

impl Changed {
    fn add(&mut self, uid: u32, remove: Flags, add: Flags, remove_words: Vec<Keyword>, add_words: Vec<Keyword>) {
        if remove != Flags::NONE || add != Flags::NONE || !remove_words.is_empty() || !add_words.is_empty() {
            self.marks.entry((remove.bits(), add.bits(), remove_words, add_words)).or_default().push(uid);
        }
    }

    fn ops(self) -> Vec<Op> {
        let marks = self.marks.into_iter().map(|((remove, add, remove_keywords, add_keywords), uids)| {
            let (remove, add) = (Flags::from_bits(remove), Flags::from_bits(add));
            Op::Flags(Marks { uids: Span::gather(uids), remove, add, clear: false, remove_keywords, add_keywords, dirty: false })
        });
        let mut ops: Vec<Op> = marks.collect();
        if !self.flushed.is_empty() {
            ops.push(Op::Flushed(self.flushed));
        }
        ops
    }
}

/// What of the list is needed to go on from `known`.
fn known_lists(known: &State) -> Lists {
    let head = known.head();
    let mut lists = empty(head.uidvalidity);
    (lists.next, lists.is_due, lists.stamp) = (head.uidnext, false, Notes::of(known).list);
    lists
}

/// The lines of a list for these messages.
fn all_lines(arrivals: &[Arrival], lists: &Lists) -> Vec<u8> {
    let mut text = Vec::new();
    for arrival in arrivals {
        let base = base_of(arrival.live.name());
        if let Some(line) = lists.lines.get(base) {
            // It was listable when it was listed.
            let _ = line.record(base).write(&mut text);
        }
    }
    text
}

/// The lines of a whole list.
pub fn ordered(lists: &Lists) -> Vec<u8> {
    let mut lines: Vec<_> = lists.lines.iter().filter(|(_, line)| line.uid > 0).collect();
    lines.sort_unstable_by_key(|(_, line)| line.uid);
    lines.into_iter().fold(Vec::new(), |mut text, (base, line)| {
        let _ = line.record(base).write(&mut text);
        text
    })
}

/// A promise that is further ahead than this is somebody's joke.
const FURTHEST: u32 = 1 << 20;
const COURIER_UIDS: &str = "courierimapuiddb";
const COURIER_UIDLS: &str = "courierpop3dsizelist";

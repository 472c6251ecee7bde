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
use super::{CUR, Held, NEW, marks};
use crate::os::Dir;
use crate::os::stamp::Stamp;
use crate::store::index::{Arrival, Flushed, Keyword, Live, Marks, Op, Record, Seal, Span, State};
use crate::store::message::{Size, Traits};
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

    fn flags(&self) -> Flags {
        self.parsed().marks().flags
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
    /// Whether the keywords without letters are to get some.
    imports: bool,
}

impl Held<'_> {
    pub(super) fn look_at_files(&mut self, known: Option<&State>) -> Result<Scanned, Trouble> {
        let listed = self.act("looking at the list of UIDs of", || match self.top.stat(super::UIDLIST) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Stamp::default()),
            stat => stat.map(|stat| Stamp::from(&stat)),
        })?;
        let unchanged = known.filter(|state| listed != Stamp::default() && Notes::of(state).list == listed);
        if let Some(state) = unchanged
            && let Some(batch) = self.look_at_new(state)?
        {
            return Ok(Scanned::News(batch));
        }
        if let Some(state) = unchanged {
            return Look::new(self)?.news(state, None).map(Scanned::News);
        }
        let lists = self.lists()?;
        let look = Look::for_all(self, lists.as_ref(), known.map_or(0, |state| state.head().uidnext))?;
        match (lists, known) {
            (Some(lists), Some(state)) if agrees(&lists, state) => look.news(state, Some(lists)).map(Scanned::News),
            (Some(lists), _) => look.anew(lists).map(Scanned::Anew),
            // The list was lost: what we know of it goes on.
            (None, Some(state)) => look.news(state, Some(remembered(state))).map(Scanned::News),
            (None, None) => look.import().map(Scanned::Anew),
        }
    }

    /// What has happened since `known` if that was in `new` alone, and no message is gone from there: deliveries. Costs as much as there
    /// is in `new`, whatever is in `cur`. `None` if more must be looked at.
    fn look_at_new(&self, known: &State) -> Result<Option<Batch>, Trouble> {
        let [_, current, _] = self.maildir.stamps()?;
        let seal = known.head().stamps[1];
        if !seal.settled || seal.stamp != current {
            return Ok(None);
        }
        let mut look = Look::at_new(self)?;
        let mails = std::mem::take(&mut look.mails);
        let (there, mut strangers): (Vec<&Mail>, Vec<&Mail>) = mails.iter().partition(|mail| {
            let listed = name::promised(mail.base()).and_then(|promise| known.message(promise.uid));
            listed.is_some_and(|message| message.has(Traits::FRESH) && message.name() == mail.name.as_encoded_bytes())
        });
        let mut count = there.len() as u64;
        if !strangers.is_empty() {
            let fresh: HashSet<&[u8]> = known.having(Traits::FRESH).map(|message| message.name()).collect();
            let doomed: HashSet<&[u8]> = known.doomed().iter().map(|doomed| base_of(doomed.name())).collect();
            strangers.retain(|mail| {
                let is_known = fresh.contains(mail.name.as_encoded_bytes());
                count += u64::from(is_known);
                !is_known && !doomed.contains(mail.base())
            });
        }
        match count == known.head().totals.fresh && look.listings[0].complete {
            true => look.take_in(Vec::new(), strangers, known, None).map(Some),
            false => Ok(None),
        }
    }
}

/// No messages.
pub fn empty(uidvalidity: u32) -> Lists {
    let header = Header::new(uidvalidity, 1, Some(u128::from_be_bytes(identity::mailbox())));
    Lists { header, lines: HashMap::new(), next: 1, is_due: true, stamp: Stamp::default() }
}

/// The list that a state came from.
fn remembered(state: &State) -> Lists {
    let head = state.head();
    let mut lists = empty(head.uidvalidity);
    lists.header.guid = Some(u128::from_be_bytes(head.mailbox));
    (lists.next, lists.header.next_uid) = (head.uidnext, head.uidnext);
    state.messages().for_each(|message| keep_listed(&mut lists, message.uid, message.name(), message.uidl_text()));
    // Their files are still there, and must not come back.
    state.doomed().iter().for_each(|doomed| keep_listed(&mut lists, doomed.record.uid, doomed.name(), doomed.uidl_text()));
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

/// A line that was lost is written again.
fn keep_listed(lists: &mut Lists, uid: u32, name: &[u8], uidl: &[u8]) {
    let base = base_of(name);
    if !lists.lines.contains_key(base) {
        let mut line = super::ledger::Line { uid, fields: Vec::new() };
        uidlist::push_field(&mut line.fields, uidlist::UIDL, uidl);
        lists.lines.insert(base.into(), line);
        lists.is_due = true;
    }
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
        let mut look =
            Look { held, listings, mails: Vec::new(), dirs, letters: held.letters()?, further: held.further_keywords()?, imports: false };
        look.mails = look.gather();
        Ok(look)
    }

    /// As [`Look::new`]. A file that another program renames meanwhile may be missed, and if it is one that the list tells of for the first
    /// time, with a UID from `least` on, others would get UIDs above before it is seen: it is looked for again.
    fn for_all(held: &'a Held<'h>, lists: Option<&Lists>, least: u32) -> Result<Look<'a, 'h>, Trouble> {
        let mut look = Look::new(held)?;
        let Some(lists) = lists else { return Ok(look) };
        for _ in 1..ATTEMPTS {
            if look.is_complete() || look.has_all(lists, least) {
                break;
            }
            look = Look::new(held)?;
        }
        Ok(look)
    }

    fn is_complete(&self) -> bool {
        self.listings.iter().all(|listing| listing.complete)
    }

    fn has_all(&self, lists: &Lists, least: u32) -> bool {
        let there: HashSet<&[u8]> = self.mails.iter().map(Mail::base).collect();
        lists.lines.iter().filter(|(_, line)| line.uid >= least).all(|(base, _)| there.contains(&**base))
    }

    /// As if there were nothing but `new`.
    fn at_new(held: &'a Held<'h>) -> Result<Look<'a, 'h>, Trouble> {
        let (dirs, mut listing) = held.act("listing", || {
            let dirs = [held.maildir.part(&held.top, NEW)?, held.maildir.part(&held.top, CUR)?];
            let listing = files::list(&dirs[0])?;
            Ok((dirs, listing))
        })?;
        let names = held.listable(&dirs[0], std::mem::take(&mut listing.names));
        let mails = names.into_iter().map(|name| Mail { name, fresh: true }).collect();
        // Nobody looks at `cur`: its seal stays.
        let listings = [listing, Listing::default()];
        Ok(Look { held, listings, mails, dirs, letters: Letters::default(), further: HashMap::new(), imports: false })
    }

    fn gather(&mut self) -> Vec<Mail> {
        let [new, current] = self.listings.each_mut().map(|listing| std::mem::take(&mut listing.names));
        let mails =
            |dir, names, fresh| -> Vec<Mail> { self.held.listable(dir, names).into_iter().map(|name| Mail { name, fresh }).collect() };
        let (mut mails, fresh) = (mails(&self.dirs[1], current, false), mails(&self.dirs[0], new, true));
        if !fresh.is_empty() {
            let there: HashSet<&[u8]> = mails.iter().map(Mail::base).collect();
            let missing: Vec<bool> = fresh.iter().map(|mail| !there.contains(mail.base())).collect();
            mails.extend(std::iter::zip(fresh, missing).filter(|(_, missing)| *missing).map(|(mail, _)| mail));
        }
        mails
    }

    /// A mailbox that we see for the first time.
    fn import(mut self) -> Result<State, Trouble> {
        let (held, lists) = (self.held, self.held.first_lists()?);
        self.further.extend(held.take_courier_keywords()?);
        self.imports = true;
        self.anew(lists)
    }

    /// A mailbox of which nothing is known but its lists.
    fn anew(mut self, mut lists: Lists) -> Result<State, Trouble> {
        let mails = std::mem::take(&mut self.mails);
        let next = lists.next;
        let (arrivals, lines) = self.arrivals(single(&mails), &mut lists, 1)?;
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
    fn news(mut self, known: &State, mut lists: Option<Lists>) -> Result<Batch, Trouble> {
        let mails = std::mem::take(&mut self.mails);
        let is_complete = self.is_complete();
        let mut files: HashMap<&[u8], &Mail> = single(&mails).into_iter().map(|mail| (mail.base(), mail)).collect();
        let (mut gone, mut changed) = (Vec::new(), Changed::default());
        for message in known.messages() {
            match files.remove(base_of(message.name())) {
                None => gone.push(message.uid),
                Some(mail) => {
                    self.compare(&message, message.name(), mail, &mut changed);
                    lists.iter_mut().for_each(|lists| keep_listed(lists, message.uid, message.name(), message.uidl_text()));
                }
            }
        }
        // Expunged, and not yet removed.
        for doomed in known.doomed() {
            files.remove(base_of(doomed.name()));
        }
        let mut ops = changed.ops();
        if is_complete && !gone.is_empty() {
            ops.push(Op::Expunge { uids: Span::gather(gone), doomed: false });
        }
        self.take_in(ops, files.into_values().collect(), known, lists)
    }

    /// Gives the messages that were not known their UIDs, and says how far the files have been read.
    fn take_in(&self, mut ops: Vec<Op>, strangers: Vec<&Mail>, known: &State, lists: Option<Lists>) -> Result<Batch, Trouble> {
        let has_list = lists.is_some();
        let mut lists = lists.unwrap_or_else(|| known_lists(known));
        let least = known.head().uidnext;
        // The list's end was lost in a power cut, perhaps with the messages there: their UIDs must not be given again.
        lists.is_due |= lists.next < least;
        lists.next = lists.next.max(least);
        let (arrivals, lines) = self.arrivals(strangers, &mut lists, least)?;
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
        // What was not looked at has no stamp.
        let current = (self.listings[1].stamp != Stamp::default()).then_some(current);
        ops.push(Op::Spool { stamps: [Some(new), current], front: None, notes: Some(notes.octets()) });
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

    /// Gives messages that were not known their UIDs; returns also the lines by which the list of UIDs grows. UIDs below `least` are used
    /// up: a message that was gone, and is back, gets a new one.
    fn arrivals(&self, mails: Vec<&Mail>, lists: &mut Lists, least: u32) -> Result<(Vec<Arrival>, Vec<u8>), Trouble> {
        let (mut listed, mut others) = (Vec::new(), Vec::new());
        for mail in mails {
            match lists.lines.get(mail.base()).map(|line| line.uid) {
                Some(uid) if uid >= least => listed.push((uid, mail)),
                known => {
                    // No list may have one file twice.
                    lists.is_due |= known.is_some_and(|uid| uid > 0);
                    others.push(mail);
                }
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
        let looked = self.held.act("looking at a message of", || match dir.stat(&mail.name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            stat => stat.map(Some),
        });
        let Some(stat) = looked? else { return Ok(None) };
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
            return Ok(None);
        }
        let line = lists.lines.get(mail.base()).cloned().unwrap_or_default();
        let listed = line.record(mail.base());
        let parsed = mail.parsed();
        let wire = parsed.wire_size().or_else(|| listed.number(uidlist::WIRE_SIZE));
        let mut record = Record { uid, len: stat.st_size.cast_unsigned(), size: Size::new(wire.unwrap_or(0), true), ..Record::default() };
        record.set_traits(Traits::SIZED, wire.is_some());
        record.set_uidl(Uidl { uidvalidity: lists.header.uidvalidity, uid });
        record.received = u32::try_from(stat.st_mtime).unwrap_or(0);
        record.saved = record.received;
        record.set_flags(mail.flags());
        record.letters = marks::bits(parsed.marks());
        let (text, verbatim) = mail.text();
        record.set_traits(Traits::FRESH, mail.fresh);
        record.set_traits(Traits::VERBATIM, verbatim);
        record.set_traits(Traits::DIRTY, self.imports && self.further.contains_key(mail.base()));
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
        let before = marks::marks(record.letters).flags;
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
/// Flags that go and that come, and so keywords.
type Kind = (u8, u8, Vec<Keyword>, Vec<Keyword>);

#[derive(Default)]
struct Changed {
    marks: BTreeMap<Kind, Vec<u32>>,
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

/// Programs that rename a file at every moment are not waited for.
const ATTEMPTS: usize = 8;
/// A promise that is further ahead than this is somebody's joke.
const FURTHEST: u32 = 1 << 20;

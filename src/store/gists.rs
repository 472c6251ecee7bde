//! The gist of all messages of a mailbox in one table in memory: what sorting, threading and looking for names and subjects ask for again
//! and again, in the form in which it is compared.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::State;
use super::index::Moment;
use crate::message::kin::{Kin, Name};
use crate::message::{EntryRef, casemap, casemap_lines, fields};

/// Gists by UID, ascending. Those of messages that are gone may be among them.
#[derive(Debug, Clone, Default)]
pub struct Gists {
    seed: u64,
    uids: Vec<u32>,
    /// What tells the content that was looked at from any other.
    prints: Vec<[u64; 2]>,
    dates: Vec<i64>,
    marks: Vec<u8>,
    subject_bases: Texts,
    fields: [Texts; FIELDS.len()],
    /// Of each message its own, if [`NAMED`], and those that it refers to.
    names: Vec<Name>,
    /// Where those of each message end.
    ends: Vec<u32>,
}

/// A field of the header whose text is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field(usize);

impl Field {
    /// That of this name, in any case.
    pub fn named(name: &str) -> Option<Field> {
        FIELDS.iter().position(|known| known.eq_ignore_ascii_case(name)).map(Field)
    }
}

const FIELDS: [&str; 4] = ["Subject", "From", "To", "Cc"];
/// Stands behind each value of a field; no text has it.
const END_OF_VALUE: u8 = 0xff;

/// The `Date` can be read.
const DATED: u8 = 1;
const REPLY: u8 = 2;
const NAMED: u8 = 4;
/// The fields are all that there are.
const WHOLE: u8 = 8;

impl Gists {
    /// None yet; names are made with `seed`.
    pub fn new(seed: u64) -> Gists {
        Gists { seed, ..Gists::default() }
    }

    /// That of its names.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Adds a message, whose UID is above all others, with what tells its content from that of others.
    pub fn push(&mut self, uid: u32, print: [u64; 2], kept: &EntryRef<'_>) {
        let kin = Kin::of(kept, self.seed);
        let mark = |mark, is: bool| if is { mark } else { 0 };
        let (dated, named) = (mark(DATED, kept.sent().is_some()), mark(NAMED, kin.name.is_some()));
        self.uids.push(uid);
        self.prints.push(print);
        self.dates.push(kept.sent().unwrap_or(0));
        self.marks.push(dated | named | mark(REPLY, kin.is_reply) | mark(WHOLE, kept.has_short_header()));
        self.subject_bases.push(|out| casemap(kept.subject_base(), out));
        for (name, texts) in FIELDS.iter().zip(&mut self.fields) {
            texts.push(|out| {
                for value in fields::values(kept.fields(), name) {
                    casemap_lines(&fields::text(value), out);
                    out.push(END_OF_VALUE);
                }
            });
        }
        self.names.extend(kin.name);
        self.names.extend(kin.references);
        self.ends.push(self.names.len() as u32);
    }

    /// Gives back memory that was taken for more.
    pub fn shrink(&mut self) {
        self.uids.shrink_to_fit();
        self.prints.shrink_to_fit();
        self.dates.shrink_to_fit();
        self.marks.shrink_to_fit();
        self.names.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.fields.iter_mut().chain([&mut self.subject_bases]).for_each(Texts::shrink);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.uids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// The highest UID; 0 if there is none.
    pub fn last_uid(&self) -> u32 {
        self.uids.last().copied().unwrap_or(0)
    }

    /// Octets of memory.
    pub fn octets(&self) -> usize {
        let texts = self.fields.iter().map(Texts::octets).sum::<usize>() + self.subject_bases.octets();
        texts + self.uids.capacity() * 33 + self.names.capacity() * size_of::<Name>()
    }

    /// Whether the messages of `state` up to the last one here are those that were looked at, and not many others were.
    pub fn fits(&self, state: &State) -> bool {
        let mut at = 0;
        let mut known = state.messages().take_while(|message| message.uid <= self.last_uid());
        let all = known.all(|message| {
            at += self.uids[at..].iter().take_while(|uid| **uid < message.uid).count();
            self.uids[at] == message.uid && message.content() == Some(self.prints[at])
        });
        all && self.len() <= 2 * state.len() + 100
    }

    /// From the first on.
    pub fn walk(&self) -> Walk<'_> {
        Walk { gists: self, at: 0 }
    }
}

/// Goes through [`Gists`] beside a list of UIDs that ascend, too.
pub struct Walk<'a> {
    gists: &'a Gists,
    at: usize,
}

impl<'a> Walk<'a> {
    /// That of `uid`, which is not below what was asked for before.
    pub fn of(&mut self, uid: u32) -> Option<Gist<'a>> {
        while *self.gists.uids.get(self.at)? < uid {
            self.at += 1;
        }
        (self.gists.uids[self.at] == uid).then_some(Gist { gists: self.gists, at: self.at })
    }
}

/// That of one message.
#[derive(Debug, Clone, Copy)]
pub struct Gist<'a> {
    gists: &'a Gists,
    at: usize,
}

impl<'a> Gist<'a> {
    /// `Date`, as seconds since 1970 UTC.
    pub fn sent(self) -> Option<i64> {
        self.has(DATED).then(|| self.gists.dates[self.at])
    }

    /// The base subject, as [`casemap`] writes it.
    pub fn subject_base(self) -> &'a [u8] {
        self.gists.subject_bases.of(self.at)
    }

    /// See [`Kin::is_reply`].
    pub fn is_reply(self) -> bool {
        self.has(REPLY)
    }

    /// See [`Kin::name`].
    pub fn name(self) -> Option<Name> {
        if self.has(NAMED) { self.names().first().copied() } else { None }
    }

    /// See [`Kin::references`].
    pub fn references(self) -> &'a [Name] {
        &self.names()[usize::from(self.has(NAMED))..]
    }

    /// The values of a field, as [`casemap_lines`] writes them, with an octet between them that no text has; empty if there is no such
    /// field.
    pub fn values(self, field: Field) -> &'a [u8] {
        self.gists.fields[field.0].of(self.at)
    }

    /// See [`EntryRef::has_short_header`].
    pub fn has_short_header(self) -> bool {
        self.has(WHOLE)
    }

    fn has(self, mark: u8) -> bool {
        self.gists.marks[self.at] & mark != 0
    }

    fn names(self) -> &'a [Name] {
        let from = self.at.checked_sub(1).map_or(0, |before| self.gists.ends[before]);
        &self.gists.names[from as usize..self.gists.ends[self.at] as usize]
    }
}

/// Texts, one behind the other.
#[derive(Debug, Clone, Default)]
struct Texts {
    octets: Vec<u8>,
    /// Where each ends.
    ends: Vec<u32>,
}

impl Texts {
    fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.octets);
        self.ends.push(self.octets.len() as u32);
    }

    fn of(&self, at: usize) -> &[u8] {
        let from = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.octets[from as usize..self.ends[at] as usize]
    }

    fn shrink(&mut self) {
        self.octets.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    fn octets(&self) -> usize {
        self.octets.capacity() + self.ends.capacity() * size_of::<u32>()
    }
}

/// The tables of the mailboxes that were asked last.
#[derive(Default)]
pub struct Shelf(Mutex<VecDeque<Table>>);

struct Table {
    /// The index of its mailbox.
    index: Arc<Path>,
    /// As of when it is known to be right and complete.
    moment: Moment,
    gists: Arc<Gists>,
}

impl Shelf {
    /// That of the mailbox whose index is at `index`, and as of when it is known to be right and complete.
    pub fn find(&self, index: &Path) -> Option<(Moment, Arc<Gists>)> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = shelf.iter().position(|table| *table.index == *index)?;
        let table = shelf.remove(at)?;
        let found = (table.moment, Arc::clone(&table.gists));
        shelf.push_back(table);
        Some(found)
    }

    /// Keeps one, in place of others that are too much with it.
    pub fn keep(&self, index: &Arc<Path>, moment: Moment, gists: Arc<Gists>) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.retain(|table| table.index != *index);
        shelf.push_back(Table { index: Arc::clone(index), moment, gists });
        let mut octets: usize = shelf.iter().map(|table| table.gists.octets()).sum();
        while octets > MOST_OCTETS || shelf.len() > MOST_TABLES {
            let Some(gone) = shelf.pop_front() else { return };
            octets -= gone.gists.octets();
        }
    }
}

/// What the tables of all mailboxes may take, in octets.
const MOST_OCTETS: usize = 64 << 20;
const MOST_TABLES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Scanner;

    fn gists(texts: &[&str]) -> Gists {
        let mut gists = Gists::new(7);
        for (uid, text) in (1..).zip(texts) {
            let mut scanner = Scanner::new();
            scanner.feed(text.as_bytes());
            let entry = scanner.finish().entry.encode();
            gists.push(uid * 2, [u64::from(uid), 0], &EntryRef::decode(&entry).unwrap());
        }
        gists
    }

    #[test]
    fn a_gist_says_what_the_message_says() {
        let first =
            "Subject: Re: =?utf-8?q?gr=C3=BC=C3=9Fe?=\nFrom: a@b\nTo: one\nTo: two\nMessage-ID: <1@x>\nReferences: <2@x>\n <3@x>\n\nx";
        let gists = gists(&[first, "Date: Thu, 1 Jan 1970 00:01:00 +0000\n\n"]);
        let mut walk = gists.walk();
        assert!(walk.of(1).is_none());
        let gist = walk.of(2).unwrap();
        let texts = [gist.subject_base(), gist.values(Field(0)), gist.values(Field(1)), gist.values(Field(2)), gist.values(Field(3))];
        let expected: [&[u8]; 5] = ["GRU\u{308}ßE".as_bytes(), &[], b"A@B\xff", b"ONE\xffTWO\xff", b""];
        assert_eq!(texts[1], ["RE: GRU\u{308}ßE".as_bytes(), b"\xff"].concat());
        assert!((0..5).filter(|at| *at != 1).all(|at| texts[at] == expected[at]), "{texts:?}");
        assert_eq!((gist.sent(), gist.is_reply(), gist.references().len(), gist.has_short_header()), (None, true, 2, true));
        assert!(gist.name().is_some_and(|name| !gist.references().contains(&name)));
        let gist = walk.of(4).unwrap();
        assert_eq!((gist.sent(), gist.is_reply(), gist.name(), gist.references()), (Some(60), false, None, &[][..]));
        assert!(walk.of(5).is_none());
        assert!(FIELDS.iter().all(|name| EntryRef::keeps(name.as_bytes())));
    }

    #[test]
    fn the_shelf_holds_so_many_and_the_last_ones() {
        let (shelf, table) = (Shelf::default(), Arc::new(gists(&["\n"])));
        let name = |at: usize| -> Arc<Path> { Arc::from(Path::new(&at.to_string())) };
        (0..MOST_TABLES).for_each(|at| shelf.keep(&name(at), Moment::default(), Arc::clone(&table)));
        assert!(shelf.find(&name(0)).is_some());
        shelf.keep(&name(MOST_TABLES), Moment::default(), Arc::clone(&table));
        assert!(shelf.find(&name(0)).is_some() && shelf.find(&name(1)).is_none());
        let large = Gists { uids: Vec::with_capacity(MOST_OCTETS / 33 + 1), ..Gists::default() };
        shelf.keep(&name(0), Moment::default(), Arc::new(large));
        assert!((0..=MOST_TABLES).all(|at| shelf.find(&name(at)).is_none()));
    }
}

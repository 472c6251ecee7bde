//! Messages that come from another Maildir as they are: by one name more, or by another name.

use std::ffi::OsString;
use std::io;

use super::deliver::birth;
use super::keywords::Letters;
use super::name::{FileName, Marks};
use super::notes::Notes;
use super::uidlist::{self, Record as Line};
use super::{CUR, Held, Maildir, NEW, UIDLIST, marks};
use crate::os::Dir;
use crate::store::index::{Arrival, Entry, Live, Op, Record, Span, State};
use crate::store::message::Traits;
use crate::store::spool::Adopted;
use crate::store::{Flags, Trouble, Uidl, Uids};

/// How files come from one Maildir into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They stay where they are, too.
    Link,
    /// They are there no more.
    Rename,
}

const FOLDERS: [&str; 2] = [NEW, CUR];

impl Held<'_> {
    /// Takes the messages `uids` of `source`, of which `known` is known: all that are there or none.
    ///
    /// # Errors
    /// [`Trouble::Changed`] when a file is not where `known` says.
    pub(super) fn take_files(&self, state: &State, from: &Maildir, known: &State, uids: &Uids, way: Way) -> Result<Adopted, Trouble> {
        let source = from.act("opening", || {
            let top = from.top()?;
            Ok([top.beneath(NEW)?, top.beneath(CUR)?])
        })?;
        let here = self.act("opening", || Ok([self.maildir.part(&self.top, NEW)?, self.maildir.part(&self.top, CUR)?]))?;
        let mut passage = Passage { held: self, letters: self.letters()?, source, here, way, passed: Vec::new() };
        let (mut arrivals, mut lines, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
        let messages = uids.ranges().flat_map(|range| known.range(Span::from(range)));
        for (next, message) in (state.head().uidnext..).zip(messages) {
            let uidl = Uidl { uidvalidity: state.head().uidvalidity, uid: next };
            let arrival = match passage.take(&message, uidl, &mut lines) {
                Ok(arrival) => arrival,
                Err(trouble) => {
                    passage.take_back();
                    return Err(trouble);
                }
            };
            arrivals.push(arrival);
            pairs.push((message.uid, next));
        }
        let list = self.append_lines(&lines).inspect_err(|_| passage.take_back())?;
        for (folder, _, old, _) in &passage.passed {
            self.maildir.syncs(FOLDERS[*folder]).changed();
            from.syncs(FOLDERS[*old]).changed();
        }
        let notes = Notes { list, lines: Notes::of(state).lines + arrivals.len() as u64 };
        let stamps = self.stamps_after(state, arrivals.iter().map(|arrival| arrival.live.record.has(Traits::FRESH)))?;
        Ok((vec![Op::Append(arrivals), Op::Spool { stamps, front: None, notes: Some(notes.octets()) }], pairs))
    }
}

/// Files on their way.
struct Passage<'a> {
    held: &'a Held<'a>,
    letters: Letters,
    source: [Dir; 2],
    here: [Dir; 2],
    way: Way,
    /// The folder and name that a file has here, and those that it had.
    passed: Vec<(usize, OsString, usize, OsString)>,
}

impl Passage<'_> {
    fn take(&mut self, message: &Entry<'_>, uidl: Uidl, lines: &mut Vec<u8>) -> Result<Arrival, Trouble> {
        let (folder, name) = super::place(message, message.name());
        let wire = message.has(Traits::SIZED).then(|| message.size.told()).flatten();
        let base = birth(Some(uidl)).base(message.len, wire);
        let keywords: Vec<_> = message.keywords().cloned().collect();
        let assigned: Vec<Option<usize>> = keywords.iter().map(|word| self.letter(word)).collect::<Result<_, _>>()?;
        let bits = assigned.iter().flatten().fold(0, |bits, letter| bits | 1 << letter);
        let flags = message.flags().without(Flags::OLD);
        let fresh = flags == Flags::NONE && keywords.is_empty();
        let passed = FileName::parse(&name).marks().passed;
        let mut record = Record { letters: marks::bits(Marks { flags, passed, keywords: bits }), ..**message };
        (record.uid, record.saved, record.cache) = (uidl.uid, now(), 0);
        record.set_uidl(uidl);
        record.set_flags(flags);
        record.set_traits(Traits::FRESH, fresh);
        record.set_traits(Traits::VERBATIM, false);
        record.set_traits(Traits::DIRTY, assigned.contains(&None));
        // POP3 must not list one id twice.
        let explicit = if self.way == Way::Rename { message.uidl_text() } else { b"" };
        let live = Live::new(record, base.as_bytes(), explicit);
        self.pass((usize::from(folder == CUR), name), (usize::from(!fresh), super::place(&live.record, live.name()).1))?;
        let mut fields = Vec::new();
        uidlist::push_field(&mut fields, uidlist::UIDL, explicit);
        Line::new(uidl.uid, &fields, base.as_bytes()).write(lines).map_err(|_| Trouble::Full(self.held.maildir.path.join(UIDLIST)))?;
        Ok(Arrival { live, keywords })
    }

    /// The letter of a keyword here; none when all are taken.
    fn letter(&mut self, word: &str) -> Result<Option<usize>, Trouble> {
        if let Some(letter) = self.letters.letter(word) {
            return Ok(Some(letter));
        }
        let letter = self.letters.assign(word);
        if letter.is_some() {
            self.held.write_letters(&self.letters)?;
        }
        Ok(letter)
    }

    fn pass(&mut self, from: (usize, OsString), to: (usize, OsString)) -> Result<(), Trouble> {
        let disk = &self.held.maildir.shared.disk;
        let (source, target) = ((&self.source[from.0], from.1.as_os_str()), (&self.here[to.0], to.1.as_os_str()));
        let passed = self.held.act("taking a message into", || match self.way {
            Way::Link => disk.link_in(source, target),
            Way::Rename => disk.rename_in(source, target),
        });
        match passed {
            Err(Trouble::Io { source, path, .. }) if source.kind() == io::ErrorKind::NotFound => Err(Trouble::Changed(path)),
            passed => passed.map(|()| self.passed.push((to.0, to.1, from.0, from.1))),
        }
    }

    /// All or none.
    fn take_back(&self) {
        let disk = &self.held.maildir.shared.disk;
        for (folder, name, old, old_name) in self.passed.iter().rev() {
            // What can't be taken back is seen by the next scan, here or there.
            let _ = self.held.act("giving back from", || match self.way {
                Way::Link => disk.unlink_in(&self.here[*folder], name),
                Way::Rename => disk.rename_in((&self.here[*folder], name), (&self.source[*old], old_name)),
            });
        }
    }
}

fn now() -> u32 {
    u32::try_from(crate::os::stamp::now() / 1_000_000_000).unwrap_or(u32::MAX)
}

//! Finding out what is in an mbox, and what has become of what was there.
//!
//! A whole scan sees everything. Where mail was only appended it is spared: if a few of the known messages, the last among them, are
//! where they were with the flags they had, the scan begins at the last. What that can't see is a change by another program that moved
//! nothing and happened to be followed by an append: flags set in place, most likely. It is seen when somebody reads such a message, when
//! another program changes the file without appending, and at the latest by the whole scan that is due [some time](Held::is_due) after
//! the one before.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use super::changed;
use super::ledger::{self, Ledger};
use super::number::{self, Memory, Numbered, Past, number};
use super::scan::{Found, Scan};
use super::summary::Summary;
use super::{Held, locks, mailbox_id, notes, recognise};
use crate::os::stamp::{self, Stamp};
use crate::store::Trouble;
use crate::store::index::{Arrival, Entry, Front, Keyword, Live, Record, Seal, State};
use crate::store::message::Traits;
use crate::store::spool::{Batch, Scanned};

impl Held<'_> {
    pub(super) fn look(&mut self, known: Option<&State>) -> Result<Scanned, Trouble> {
        let stamp = locks::checked(&self.locked.file, &self.mbox.path)?;
        let reading = |error| Trouble::io("reading", &self.mbox.path)(error);
        if let Some(known) = known
            && !self.mbox.suspect.load(Ordering::Acquire)
            && let Some(batch) = self.tail(known, stamp).map_err(reading)?
        {
            return Ok(Scanned::News(batch));
        }
        self.thorough(known, stamp)
    }

    /// Scans all of the file.
    pub(super) fn thorough(&mut self, known: Option<&State>, stamp: Stamp) -> Result<Scanned, Trouble> {
        let began = stamp::now();
        let found = scan(&self.locked.file, 0).map_err(Trouble::io("reading", &self.mbox.path))?;
        let ledger = Ledger::read(self.mbox);
        let numbered = match known {
            Some(known) => number(&found, Memory::Past(&Past::of(known))),
            None => number(&found, Memory::Ledger(ledger.as_ref(), self.last_resort(&found, ledger.as_ref(), stamp)?)),
        };
        let mailbox = self.mailbox_id(known, ledger.as_ref(), &found);
        if !self.is_new {
            ledger::keep(self.mbox, &found, &numbered, mailbox, ledger);
        }
        self.mbox.suspect.store(false, Ordering::Release);
        let seal = Seal { stamp, settled: stamp.settled_on(&self.locked.file, began) };
        let view = View { found, numbered, seal, mailbox };
        if let Some(batch) = known.and_then(|known| changed::since(known, &view)) {
            return Ok(Scanned::News(batch));
        }
        view.state(known).map(Scanned::Anew).map_err(Trouble::io("listing", &self.mbox.path))
    }

    /// UIDVALIDITY of a file that has no date at its beginning.
    fn last_resort(&self, found: &[Found], ledger: Option<&Ledger>, stamp: Stamp) -> Result<u32, Trouble> {
        match found.first() {
            _ if ledger.is_some() => Ok(1),
            None => super::uidvalidity(self.mbox),
            Some(_) => Ok(u32::try_from(stamp.mtime / 1_000_000_000).ok().filter(|&time| time > 0).unwrap_or(1)),
        }
    }

    fn mailbox_id(&self, known: Option<&State>, ledger: Option<&Ledger>, found: &[Found]) -> [u8; 16] {
        match (known, ledger) {
            (Some(known), _) => known.head().mailbox,
            (None, Some(ledger)) => ledger.mailbox,
            // A new folder: one of that name may have been there before.
            (None, None) if found.is_empty() && !self.mbox.name.is_inbox() => crate::store::identity::mailbox(),
            (None, None) => mailbox_id(&self.mbox.account, &self.mbox.name),
        }
    }

    /// What has come behind the last known message, if nothing else seems to have changed.
    fn tail(&self, known: &State, stamp: Stamp) -> io::Result<Option<Batch>> {
        let Seal { stamp: before, .. } = known.head().stamps[0];
        let grown = stamp.size > before.size && !self.is_due(known, stamp);
        if (stamp.dev, stamp.ino) != (before.dev, before.ino) || !(grown || stamp == before) {
            return Ok(None);
        }
        if known.len() < 2 || known.head().front.pseudo || !Summary::of(known).in_order {
            return Ok(None);
        }
        let (began, file) = (stamp::now(), &self.locked.file);
        if !self.is_as_known(known)? {
            return Ok(None);
        }
        let Some(last) = known.nth(known.len() - 1) else { return Ok(None) };
        let found = scan(file, last.place)?;
        match found.first() {
            Some(first) if is_same(first, &last) => {}
            _ => return Ok(None),
        }
        let seal = Seal { stamp, settled: stamp.settled_on(file, began) };
        Ok(Some(changed::appended(known, &last, &found, seal)))
    }

    /// Looks at some messages, and at the numbers in the first.
    fn is_as_known(&self, known: &State) -> io::Result<bool> {
        let (file, last) = (&self.locked.file, known.len() - 1);
        let Some(first) = known.nth(0) else { return Ok(false) };
        let base = notes::Head::examine(file, super::text(&first)..super::end(&first))?.base;
        if base.map(|base| (base.uidvalidity, base.last)) != known.head().front.last.map(|last| (known.head().uidvalidity, last)) {
            return Ok(false);
        }
        for sample in 0..SAMPLES.min(last) {
            let Some(message) = known.nth(sample * last / SAMPLES.min(last)) else { return Ok(false) };
            let is_there = match message.len <= LARGEST_SAMPLE {
                true => recognise::look(file, &message)?.is_some_and(|found| is_same(&found, &message)),
                false => begins(file, &message)?,
            };
            if !is_there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a whole scan is due: an hour after the one before, and as much later as the file is larger than what is read in a moment.
    fn is_due(&self, known: &State, stamp: Stamp) -> bool {
        let now = seconds();
        now.saturating_sub(Summary::of(known).scanned) > HOUR * (1 + stamp.size / IN_A_MOMENT)
    }
}

/// All that a scan found.
pub struct View {
    pub found: Vec<Found>,
    pub numbered: Numbered,
    pub seal: Seal,
    pub mailbox: [u8; 16],
}

impl View {
    /// As a mailbox of its own.
    fn state(&self, known: Option<&State>) -> io::Result<State> {
        let mut words = Words::of(known);
        let arrivals = self.numbered.messages.iter().map(|message| self.arrival(message, &mut words)).collect();
        let state = State::found(self.numbered.uidvalidity, self.numbered.next, self.mailbox, arrivals)?;
        Ok(state.with_spool([self.seal, Seal::default()], self.numbered.front, self.summary().octets()))
    }

    pub fn arrival(&self, message: &number::Message, words: &mut Words) -> Arrival {
        let live = Live::new(message.record, b"", &message.uidl);
        Arrival { live, keywords: words.admitted(&self.found[message.found].keywords) }
    }

    pub fn summary(&self) -> Summary {
        Summary { scanned: seconds(), in_order: self.numbered.messages.is_sorted_by_key(|message| message.found) }
    }

    pub fn front(&self) -> Front {
        self.numbered.front
    }
}

/// Keywords of a mailbox. Strangers can send headers with more of them than an index can have.
pub struct Words {
    known: HashSet<String>,
    room: usize,
}

impl Words {
    pub fn of(known: Option<&State>) -> Words {
        let names = known.map_or(&[][..], |known| known.keywords().names());
        Words { known: names.iter().map(|name| name.to_ascii_lowercase()).collect(), room: MOST_WORDS.saturating_sub(names.len()) }
    }

    /// Those of `all` that are known, or for which there is room.
    pub fn admitted(&mut self, all: &[Keyword]) -> Vec<Keyword> {
        let mut admit = |word: &&Keyword| {
            let folded = word.to_ascii_lowercase();
            if self.known.contains(&folded) {
                return true;
            }
            let fits = self.room > 0;
            self.room = self.room.saturating_sub(1);
            fits && self.known.insert(folded)
        };
        all.iter().filter(|word| admit(word)).cloned().collect()
    }
}

/// Whether a message has the content and the flags that are known of it.
fn is_same(found: &Found, message: &Entry<'_>) -> bool {
    found.from_len == message.from_len
        && number::halves(found.fingerprint) == message.fingerprint
        && found.flags == message.flags()
        && same_words(&found.keywords, message.keywords())
        && (!message.has(Traits::RECORDED) || found.uid == Some(message.uid))
}

/// Whether these are the same keywords.
pub fn same_words<'a>(found: &[Keyword], known: impl Iterator<Item = &'a Keyword>) -> bool {
    let mut count = 0;
    let all = known.inspect(|_| count += 1).filter(|word| !found.iter().any(|other| other.eq_ignore_ascii_case(word))).count() == 0;
    all && count == found.len()
}

/// Whether there is a From_ line where `message` begins.
pub fn begins(file: &File, message: &Record) -> io::Result<bool> {
    let mut line = vec![0; usize::from(message.from_len)];
    match file.read_exact_at(&mut line, message.place) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| {
            line.is_empty() || (line.starts_with(b"From ") && memchr::memchr(b'\n', &line).is_none_or(|at| at + 1 == line.len()))
        }),
    }
}

/// All messages of `file` from `at` on, where one begins.
pub fn scan(file: &File, mut at: u64) -> io::Result<Vec<Found>> {
    let (mut scan, mut found) = (Scan::from_message(at), Vec::new());
    let mut buffer = vec![0; CHUNK];
    let mut filled = 0;
    loop {
        let read = file.read_at(&mut buffer[filled..], at)?;
        at += read as u64;
        filled += read;
        let done = scan.feed(&buffer[..filled], read == 0, &mut |one| found.push(one));
        if read == 0 {
            return Ok(found);
        }
        buffer.copy_within(done..filled, 0);
        filled -= done;
    }
}

pub fn seconds() -> u64 {
    u64::try_from(stamp::now() / 1_000_000_000).unwrap_or(0)
}

/// Stays in the processor's cache.
const CHUNK: usize = 128 * 1024;
/// Messages that are looked at before an append is taken for one.
const SAMPLES: usize = 6;
/// Of larger ones only the From_ line is looked at.
const LARGEST_SAMPLE: u64 = 64 * 1024;
const HOUR: u64 = 3600;
/// Octets that are read in a moment.
const IN_A_MOMENT: u64 = 256 << 20;
/// Keywords that are taken from a file.
const MOST_WORDS: usize = 16_384;

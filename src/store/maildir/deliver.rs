//! New messages, by the book of maildir(5): written in `tmp`, synced, then given their name.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{Timespec, Timestamps, UTIME_OMIT};

use super::keywords::Letters;
use super::name::{Birth, Marks};
use super::notes::Notes;
use super::uidlist::{self, Record as Line};
use super::{CUR, Held, Maildir, NEW, TMP, marks};
use crate::config::Fsync;
use crate::os::stamp::Stamp;
use crate::os::{Actor, Dir};
use crate::store::disk::Disk;
use crate::store::index::{Arrival, Live, Op, Record, Seal, State};
use crate::store::message::Traits;
use crate::store::spool::Batch;
use crate::store::{Flags, Incoming, Trouble, Uidl, sync};

/// Files in `tmp` that nobody sees; those that are left when this is dropped are removed.
pub struct Staged {
    tmp: Dir,
    names: Vec<OsString>,
    /// When they were received: what the files say must be what the index says.
    dates: Vec<u32>,
    placed: usize,
    disk: Arc<dyn Disk>,
    actor: Actor,
}

impl Maildir {
    /// Writes a file for each message, and syncs it.
    pub(super) fn stage_in_tmp(&self, messages: &[Incoming]) -> Result<Staged, Trouble> {
        self.act("writing into", || {
            let tmp = self.part(&self.top()?, TMP)?;
            let (names, dates, disk) = (Vec::new(), Vec::new(), Arc::clone(&self.shared.disk));
            let mut staged = Staged { tmp, names, dates, placed: 0, disk, actor: self.account.actor };
            messages.iter().try_for_each(|message| staged.write(message, !self.is_unsafe()))?;
            Ok(staged)
        })
    }

    pub(super) fn harden_folder(&self, name: &str, syncs: &sync::Shared) -> Result<(), Trouble> {
        let sync = || self.account.actor.run(|| self.shared.disk.sync_dir(&Dir::open(&self.path.join(name))?));
        let synced = if self.shared.places.fsync == Fsync::Always { sync() } else { syncs.sync(sync) };
        synced.map_err(|error| self.trouble("syncing a folder of", error))
    }

    /// The syncs of `new` or `cur`.
    pub(super) fn syncs(&self, folder: &str) -> &sync::Shared {
        if folder == NEW { &self.news } else { &self.current }
    }
}

impl Staged {
    /// Those of `other` follow; neither has been placed.
    pub fn join(&mut self, mut other: Staged) {
        self.names.append(&mut other.names);
        self.dates.append(&mut other.dates);
    }

    fn write(&mut self, message: &Incoming, durably: bool) -> io::Result<()> {
        let name = OsString::from(birth(None).base(message.letter.len(), None));
        let file = self.disk.create_in(&self.tmp, &name)?;
        self.names.push(name);
        message.letter.each(|piece| self.disk.append(&file, piece))?;
        let received = message.received.unwrap_or_else(now);
        date(&file, received)?;
        self.dates.push(received);
        if durably { self.disk.sync(&file) } else { Ok(()) }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = self.actor.run(|| {
            // Best effort: others clean `tmp` after 36 hours.
            self.names[self.placed..].iter().for_each(|name| drop(self.disk.unlink_in(&self.tmp, name)));
            Ok(())
        });
    }
}

impl Held<'_> {
    /// Gives staged files their names: in `new`, or in `cur` where they have flags.
    pub(super) fn deliver(&mut self, state: &State, messages: &[Incoming], mut staged: Staged) -> Result<Batch, Trouble> {
        let letters = self.letters_for(messages)?;
        let mut delivery = Delivery { state, letters, next: state.head().uidnext, arrivals: Vec::new(), lines: Vec::new() };
        let mut parts = Parts { held: self, open: [None, None] };
        for (at, message) in messages.iter().enumerate() {
            let (folder, name) = delivery.add(message, staged.dates[at])?;
            let placed = self.act("delivering into", || {
                self.maildir.shared.disk.rename_in((&staged.tmp, &staged.names[at]), (parts.part(folder)?, &name))
            });
            if let Err(trouble) = placed {
                self.take_back(&delivery, &mut parts, at);
                return Err(trouble);
            }
            staged.placed = at + 1;
            self.maildir.syncs(folder).changed();
        }
        match self.append_lines(&delivery.lines) {
            Ok(list) => self.arrived(state, delivery, messages, list),
            Err(trouble) => {
                self.take_back(&delivery, &mut parts, messages.len());
                Err(trouble)
            }
        }
    }

    /// None or all: the first `count` files that have their names already go.
    fn take_back(&self, delivery: &Delivery<'_>, parts: &mut Parts<'_>, count: usize) {
        let _ = self.act("removing from", || {
            for arrival in &delivery.arrivals[..count] {
                let (folder, name) = super::place(&arrival.live.record, arrival.live.name());
                self.maildir.shared.disk.unlink_in(parts.part(folder)?, &name)?;
            }
            Ok(())
        });
    }

    fn arrived(&self, state: &State, delivery: Delivery<'_>, messages: &[Incoming], list: Stamp) -> Result<Batch, Trouble> {
        let entries = std::iter::zip(&delivery.arrivals, messages);
        let cache = entries.map(|(arrival, message)| (arrival.live.record.uid, message.letter.measured().entry.encode())).collect();
        let notes = Notes { list, lines: Notes::of(state).lines + messages.len() as u64 };
        let stamps = self.stamps_after(state, delivery.arrivals.iter().map(|arrival| arrival.live.record.has(Traits::FRESH)))?;
        let mut ops = vec![Op::Append(delivery.arrivals)];
        ops.push(Op::Spool { stamps, front: None, notes: Some(notes.octets()) });
        Ok(Batch { ops, cache })
    }

    /// The stamps of folders that we have just changed: in `new` others may have delivered in the same moment, so it must be read
    /// before anybody is told that nothing has happened; in `cur` they could have changed a flag at most, which is seen with the next.
    pub(super) fn stamps_after(&self, state: &State, fresh: impl Iterator<Item = bool>) -> Result<[Option<Seal>; 2], Trouble> {
        let [new, current, _] = self.maildir.stamps_in(&self.top)?;
        let (mut in_new, mut in_current) = (false, false);
        fresh.for_each(|fresh| if fresh { in_new = true } else { in_current = true });
        let settled = state.head().stamps.map(|seal| seal.settled);
        Ok([in_new.then_some(Seal { stamp: new, settled: false }), in_current.then_some(Seal { stamp: current, settled: settled[1] })])
    }

    /// The letters, with those that `messages` need.
    fn letters_for(&self, messages: &[Incoming]) -> Result<Letters, Trouble> {
        if messages.iter().all(|message| message.keywords.is_empty()) {
            return Ok(Letters::default());
        }
        let mut letters = self.letters()?;
        let before = letters.clone();
        for word in messages.iter().flat_map(|message| &message.keywords) {
            letters.assign(word);
        }
        if letters != before {
            self.write_letters(&letters)?;
        }
        Ok(letters)
    }
}

/// `new` and `cur`, each opened when something first comes into it.
struct Parts<'a> {
    held: &'a Held<'a>,
    open: [Option<Dir>; 2],
}

impl Parts<'_> {
    fn part(&mut self, name: &str) -> io::Result<&Dir> {
        let slot = &mut self.open[usize::from(name == CUR)];
        match slot {
            Some(dir) => Ok(dir),
            None => Ok(slot.insert(self.held.maildir.part(&self.held.top, name)?)),
        }
    }
}

/// Messages being delivered.
struct Delivery<'a> {
    state: &'a State,
    letters: Letters,
    next: u32,
    arrivals: Vec<Arrival>,
    lines: Vec<u8>,
}

impl Delivery<'_> {
    /// Gives `message` the next UID; returns where it is to be.
    fn add(&mut self, message: &Incoming, received: u32) -> Result<(&'static str, OsString), Trouble> {
        let (uid, measured) = (self.next, message.letter.measured());
        let uidl = Uidl { uidvalidity: self.state.head().uidvalidity, uid };
        let base = birth(Some(uidl)).base(message.letter.len(), measured.size.told());
        let mut fields = Vec::new();
        let explicit = message.uidl.as_deref().unwrap_or_default().as_bytes();
        if !explicit.is_empty() {
            uidlist::push_field(&mut fields, uidlist::UIDL, explicit);
        }
        Line::new(uid, &fields, base.as_bytes()).write(&mut self.lines).map_err(|_| Trouble::Full("the list of UIDs".into()))?;
        let mut record =
            Record { uid, len: message.letter.len(), size: measured.size, fingerprint: measured.fingerprint, ..Record::default() };
        self.mark(&mut record, message);
        record.set_uidl(uidl);
        record.received = received;
        record.saved = message.saved.unwrap_or_else(now);
        let live = Live::new(record, base.as_bytes(), explicit);
        let place = super::place(&live.record, live.name());
        self.arrivals.push(Arrival { live, keywords: message.keywords.iter().map(|word| word.as_str().into()).collect() });
        self.next += 1;
        Ok(place)
    }

    fn mark(&mut self, record: &mut Record, message: &Incoming) {
        let assigned = message.keywords.iter().map(|word| self.letters.letter(word));
        let (known, homeless): (Vec<_>, Vec<_>) = assigned.partition(Option::is_some);
        let keywords = known.iter().flatten().fold(0, |bits, letter| bits | 1 << letter);
        let fresh = message.flags.without(Flags::OLD) == Flags::NONE && keywords == 0;
        record.letters = marks::bits(Marks { flags: message.flags.without(Flags::OLD), passed: false, keywords });
        record.set_flags(message.flags.without(Flags::OLD));
        record.set_traits(Traits::FRESH, fresh);
        record.set_traits(Traits::SIZED, true);
        record.set_traits(Traits::PRINTED, true);
        // What has no letter is written when the folder settles.
        record.set_traits(Traits::DIRTY, !homeless.is_empty());
    }
}

/// A name that nobody had and nobody will have.
pub fn birth(promised: Option<Uidl>) -> Birth<'static> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    // A system call each time else.
    static PID: LazyLock<u32> = LazyLock::new(std::process::id);
    static HOST: LazyLock<String> = LazyLock::new(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Birth {
        seconds: time.as_secs(),
        micros: time.subsec_micros(),
        pid: *PID,
        nth: SERIAL.fetch_add(1, Ordering::Relaxed),
        promised,
        host: &HOST,
    }
}

/// The internal date is the file's time.
pub fn date(file: &File, received: u32) -> io::Result<()> {
    let modified = Timespec { tv_sec: i64::from(received), tv_nsec: 0 };
    let untouched = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    Ok(rustix::fs::futimens(file, &Timestamps { last_access: untouched, last_modification: modified })?)
}

fn now() -> u32 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
}

//! The disposable index of one mailbox: what its drivers (mbox, Maildir) know of the spool, kept for the next time and for the others.
//!
//! Three files in a folder of our own. `vmail.index` is a snapshot, mapped and never written in place; `vmail.journal` has what happened
//! since, in checksummed frames that other processes follow; `vmail.cache` has what can be computed from a message. Whatever is wrong
//! with them, the worst is that there is nothing usable.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::os::stamp::Stamp;
use crate::store::Contents;
use crate::store::disk::Disk;
pub use crate::store::message::Traits;
pub use files::JOURNAL;
use files::{Beside, CACHE, Identity, Patience};
use open::{Files, Making, Seen};
use state::Generation;

mod apply;
mod base;
mod cache;
mod codec;
mod files;
mod history;
mod journal;
mod keywords;
mod op;
mod open;
mod record;
mod rope;
mod snapshot;
mod state;

pub use cache::Cache;
pub use keywords::Keywords;
pub use op::{Arrival, Flushed, Keyword, Learnt, Marks, Moved, Op, Seal};
pub use record::{Live, Record, Span};
#[doc(hidden)]
pub use snapshot::put_right_sums;
pub use state::{Ascent, Entries, Entry, Front, Head, Moment, State, Totals};

/// What is in an index folder.
#[derive(Debug)]
pub enum Found {
    Index(Index),
    Nothing,
    /// Files of no use, and why, for one warning.
    Useless(&'static str),
}

/// The index of one mailbox, open.
pub struct Index {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    state: State,
    journal: Arc<File>,
    identity: Identity,
    /// Where the next frame goes.
    end: u64,
    /// A snapshot was not possible: not again before the journal is this long.
    postponed: u64,
    cache: Mutex<Option<Arc<Cache>>>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("folder", &self.folder).field("head", self.state.head()).finish_non_exhaustive()
    }
}

impl Index {
    /// Opens what is in `folder`. May block.
    ///
    /// # Errors
    /// The files can't be read; whether they are of use is unknown.
    pub fn open(folder: &Path, disk: &Arc<dyn Disk>) -> io::Result<Found> {
        Ok(match read(folder)? {
            Seen::Files(files) => Found::Index(Index::of(folder, disk, files)),
            Seen::Nothing => Found::Nothing,
            Seen::Useless(why) => Found::Useless(why),
            Seen::Torn => Found::Useless(TORN),
        })
    }

    /// Opens without waiting for the disk or another process: `None` when that can't be, or there is nothing usable.
    pub fn open_cached(folder: &Path, disk: &Arc<dyn Disk>) -> Option<Index> {
        match open::read(folder, Patience::None) {
            Ok(Seen::Files(files)) => Some(Index::of(folder, disk, files)),
            _ => None,
        }
    }

    /// Makes an index where there is none that is of use; makes the folder too (0700). One that another process has made meanwhile
    /// stays and is opened instead: see whether [`Head::epoch`] is that of `state`. May block.
    pub fn create(folder: &Path, disk: &Arc<dyn Disk>, state: &State) -> io::Result<Index> {
        files::make_folder(&**disk, folder)?;
        loop {
            // Whoever had the lock may have made one. The lock goes when the file is closed.
            let journal = open::locked(folder)?;
            if journal.is_some()
                && let Seen::Files(files) = open::read(folder, Patience::Wait)?
            {
                return Ok(Index::of(folder, disk, files));
            }
            let _folder = open::locked_folder(folder)?;
            if journal.is_none() && open::found(files::look(&folder.join(JOURNAL)))?.is_some() {
                continue;
            }
            let (cache, cached) = (Generation::default(), &|_: &Record| 0);
            let files = Making { disk: &**disk, folder, cache, cached, careful: false }.make(state)?;
            open::unlock(&files.journal);
            return Ok(Index::of(folder, disk, files));
        }
    }

    /// Removes what is in `folder`, as far as that can be done: what is there would be wrong.
    pub fn remove(folder: &Path, disk: &dyn Disk) {
        for file in [JOURNAL, files::INDEX, CACHE] {
            let _ = disk.unlink(&folder.join(file));
        }
    }

    fn of(folder: &Path, disk: &Arc<dyn Disk>, Files { state, journal, identity, end }: Files) -> Index {
        Index { folder: folder.to_owned(), disk: disk.clone(), state, journal, identity, end, postponed: 0, cache: Mutex::default() }
    }

    /// The mailbox as last seen by [`Index::follow`] or [`Index::lock`].
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether there is nothing to take in, where `journal` is the stamp of the file that is the journal now.
    pub fn is_followed(&self, journal: &Stamp) -> bool {
        (journal.dev, journal.ino) == self.identity && journal.size <= self.end
    }

    /// Takes in what other processes did; returns whether there was anything. One stat(2) when not.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] and [`io::ErrorKind::InvalidData`] when there is no usable index any more: [`Index::create`] one.
    /// The state stays as it was.
    pub fn follow(&mut self) -> io::Result<bool> {
        let (identity, len) = files::look(&self.folder.join(JOURNAL))?;
        if identity != self.identity {
            return self.reopen();
        }
        if len <= self.end {
            return Ok(false);
        }
        let mut inner = state::Inner::clone(&self.state.0);
        let end = open::take_in(&mut inner, &self.journal, Patience::Wait, self.end).map_err(|error| match open::is_useless(&error) {
            true => useless("the journal does not fit the index"),
            false => error,
        })?;
        let any = end != self.end;
        if any {
            (self.state, self.end) = (State(Arc::new(inner)), end);
        }
        Ok(any)
    }

    /// Others have made a snapshot, or all anew.
    fn reopen(&mut self) -> io::Result<bool> {
        match read(&self.folder)? {
            Seen::Files(files) => self.take(files),
            Seen::Nothing => return Err(io::ErrorKind::NotFound.into()),
            Seen::Useless(why) => return Err(useless(why)),
            Seen::Torn => return Err(useless(TORN)),
        }
        Ok(true)
    }

    fn take(&mut self, Files { state, journal, identity, end }: Files) {
        (self.state, self.journal, self.identity, self.end, self.postponed) = (state, journal, identity, end, 0);
        *self.cache.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Makes the caller the only one to change the index, in this process and all others, and takes in what others did. May block.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when another kept it too long; those of [`Index::follow`].
    pub fn lock(&mut self) -> io::Result<Locked<'_>> {
        loop {
            let held = Held::take(&self.journal)?;
            self.follow()?;
            if Arc::ptr_eq(&held.0, &self.journal) {
                let mut locked = Locked { index: self, held };
                locked.mend()?;
                return Ok(locked);
            }
            // Replaced before we had the lock: then the new one must be locked.
        }
    }

    /// What syncs the journal without the index: everything appended before that survives a power cut.
    pub fn durable(&self) -> Durable {
        Durable { disk: self.disk.clone(), journal: self.journal.clone() }
    }

    /// The cache that the state refers to, if there is any. Opens it at the first call.
    pub fn cache(&self) -> Option<Arc<Cache>> {
        let mut slot = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            let inner = &self.state.0;
            *slot = Cache::open(&self.folder.join(CACHE), inner.head.epoch, inner.cache.number).map(Arc::new);
        }
        slot.clone()
    }

    /// The entry that `message` has in the cache. Reads the disk.
    pub fn cached(&self, message: &Record) -> Option<Vec<u8>> {
        if message.cache == 0 {
            return None;
        }
        let cache = self.cache()?;
        cache.read(message).or_else(|| {
            // It may have been lost, and begun anew.
            let lost = !cache.is_at(&self.folder.join(CACHE));
            lost.then(|| self.close_cache()).and_then(|()| self.cache()?.read(message))
        })
    }

    /// The entries that messages have in the cache.
    pub fn cached_all(&self, messages: impl Iterator<Item = Record>) -> Contents {
        self.cache().map_or_else(Contents::default, |cache| cache.read_all(messages))
    }

    /// The same, if each has one, and all are in memory.
    pub fn cached_at_once(&self, messages: impl Iterator<Item = Record>) -> Option<Contents> {
        let cache = self.cache.try_lock().ok()?.clone()?;
        cache.read_at_once(messages)
    }

    fn close_cache(&self) {
        *self.cache.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Octets in the journal: what the next to open has to read beside the snapshot.
    pub fn journal_len(&self) -> u64 {
        self.end
    }

    /// Whether who opens the index has so much to read that it is time for a snapshot, if nobody waits for it.
    pub fn is_untidy(&self) -> bool {
        let snapshot = self.state.0.base().map_or(0, base::Base::size);
        self.end > (snapshot / 256).max(32 * 1024)
    }

    /// When the journal has grown so long, it is time for a snapshot: what is written for that stays in proportion, and who opens the
    /// index has not much to read.
    fn too_long(&self) -> bool {
        let snapshot = self.state.0.base().map_or(0, base::Base::size);
        self.end > (snapshot / 4).clamp(64 * 1024, 4 * 1024 * 1024).max(self.postponed)
    }
}

const TORN: &str = "index and journal do not belong together";

/// As the files are; asks under the lock if somebody may just be replacing them.
fn read(folder: &Path) -> io::Result<Seen> {
    match open::read(folder, Patience::Wait)? {
        Seen::Torn => match open::locked(folder) {
            Ok(_journal) => open::read(folder, Patience::Wait),
            // Nobody can be replacing anything here.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Seen::Torn),
            Err(error) => Err(error),
        },
        seen => Ok(seen),
    }
}

fn useless(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// The journal as it is now, to be synced by whoever comes first among those who wait for it.
#[derive(Clone)]
pub struct Durable {
    disk: Arc<dyn Disk>,
    journal: Arc<File>,
}

impl Durable {
    /// Makes survive a power cut what was appended before. Blocks. Needs no lock; should another have made a snapshot meanwhile, that is
    /// synced already.
    pub fn sync(&self) -> io::Result<()> {
        self.disk.sync(&self.journal)
    }
}

/// A journal, locked until this is dropped.
#[derive(Debug)]
struct Held(Arc<File>);

impl Held {
    fn take(journal: &Arc<File>) -> io::Result<Held> {
        open::lock(journal)?;
        Ok(Held(journal.clone()))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        open::unlock(&self.0);
    }
}

/// An index that only the holder can change; dropping it lets others.
#[derive(Debug)]
pub struct Locked<'a> {
    index: &'a mut Index,
    held: Held,
}

impl Locked<'_> {
    /// The mailbox as it is.
    pub fn state(&self) -> &State {
        &self.index.state
    }

    /// As [`Index::cached`].
    pub fn cached(&self, message: &Record) -> Option<Vec<u8>> {
        self.index.cached(message)
    }

    /// Cuts off what a crash left of a frame. A journal that was cut elsewhere can be made good: its content is in the state.
    fn mend(&mut self) -> io::Result<()> {
        let index = &mut *self.index;
        let len = files::len(&index.journal)?;
        match len.cmp(&index.end) {
            std::cmp::Ordering::Greater => index.disk.set_len(&index.journal, index.end),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Less => self.snapshot(),
        }
    }

    /// Appends a batch to the journal and takes it into the state; not synced: see [`Index::durable`]. A long journal becomes a new
    /// snapshot, which is.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for ops that are not possible; [`io::ErrorKind::InvalidData`] when the snapshot is damaged: then
    /// [`Locked::replace`] it; those of the disk. The state is then as before.
    pub fn append(&mut self, ops: &[Op]) -> io::Result<()> {
        let index = &mut *self.index;
        let state = index.state.after(ops.to_vec())?;
        let frame = journal::frame(state.head().epoch, state.0.sequence, ops)?;
        if let Err(error) = index.disk.write(&index.journal, &frame, index.end) {
            // Best effort: the next to lock does it too.
            let _ = index.disk.set_len(&index.journal, index.end);
            return Err(error);
        }
        index.state = state;
        index.end += frame.len() as u64;
        if index.too_long() && self.snapshot().is_err() {
            // It is in the journal all the same.
            self.index.postponed = 2 * self.index.end;
        }
        Ok(())
    }

    /// As [`Locked::cache_all`], for one.
    #[cfg(test)]
    pub fn cache(&mut self, uid: u32, entry: &[u8]) -> io::Result<u64> {
        self.cache_all(&[(uid, entry.to_vec())]).map(|places| places[0])
    }

    /// Keeps entries (each at most 256 KiB) in the cache and returns what [`Learnt::cache`] and [`Record::cache`] want. Not synced.
    pub fn cache_all(&mut self, entries: &[(u32, Vec<u8>)]) -> io::Result<Vec<u64>> {
        let path = self.index.folder.join(CACHE);
        let cache = match self.index.cache().filter(|cache| cache.is_at(&path)) {
            Some(cache) => cache,
            None => {
                let inner = &self.index.state.0;
                let made = Arc::new(Cache::create(&*self.index.disk, &path, inner.head.epoch, inner.cache.number)?);
                *self.index.cache.lock().unwrap_or_else(PoisonError::into_inner) = Some(made.clone());
                made
            }
        };
        cache.append(&*self.index.disk, entries)
    }

    /// Writes a new snapshot and begins a new journal, both synced.
    pub fn snapshot(&mut self) -> io::Result<()> {
        let state = self.index.state.clone();
        let Generation { entries, .. } = state.0.cache;
        if entries > 64 && entries / 2 > state.head().totals.cached {
            let (places, cache) = self.compact_cache(&state)?;
            let place = |message: &Record| places.binary_search_by_key(&message.uid, |(uid, _)| *uid).map_or(0, |at| places[at].1);
            return self.make(&state, cache, &place);
        }
        self.make(&state, state.0.cache, &|message| message.cache)
    }

    /// Leaves out of the cache what messages that are gone had there. Returns where the rest is now, by UID.
    fn compact_cache(&mut self, state: &State) -> io::Result<(Vec<(u32, u64)>, Generation)> {
        let (path, number) = (self.index.folder.join(CACHE), state.0.cache.number.wrapping_add(1));
        let Some(old) = self.index.cache() else { return Ok((Vec::new(), Generation { number, entries: 0 })) };
        let disk = &*self.index.disk;
        let beside = Beside::new(disk, &path)?;
        let messages = state.messages().map(|entry| entry.record);
        match cache::compact(disk, &beside, &old, messages, state.head().epoch, number) {
            Ok(places) => {
                let entries = places.len() as u64;
                // From here on, until the snapshot is there too, nobody finds an entry. They are no more than missed.
                beside.place()?;
                Ok((places, Generation { number, entries }))
            }
            Err(error) => {
                beside.discard();
                Err(error)
            }
        }
    }

    fn make(&mut self, state: &State, cache: Generation, cached: &dyn Fn(&Record) -> u64) -> io::Result<()> {
        let index = &mut *self.index;
        let made = Making { disk: &*index.disk, folder: &index.folder, cache, cached, careful: true }.make(state);
        index.close_cache();
        let files = made?;
        self.held = Held(files.journal.clone());
        index.take(files);
        Ok(())
    }

    /// Puts `state`, one of [`State::found`], in place of what there was, synced; the epoch stays, and MODSEQ goes on.
    /// Entries of the cache may be kept.
    pub fn replace(&mut self, state: &State) -> io::Result<()> {
        let state = state.after_all_of(&self.index.state)?;
        self.make(&state, state.0.cache, &|message| message.cache)
    }
}

#[cfg(test)]
mod crash;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

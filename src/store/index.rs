//! The disposable index of one mailbox: what its drivers (mbox, Maildir) know of the spool, kept for the next time and for the others.
//!
//! Three files in a folder of our own. `vmail.index` is a snapshot, mapped and never written in place; `vmail.journal` has what happened
//! since, in checksummed frames that other processes follow; `vmail.cache` has what can be computed from a message. Whatever is wrong
//! with them, the worst is that there is nothing usable.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::disk::Disk;

mod keywords;
mod op;
mod record;
mod state;

pub use keywords::Keywords;
pub use op::{Arrival, Flushed, Keyword, Learnt, Marks, Moved, Op, Seal};
pub use record::{Live, Record, Span};
pub use state::{Entries, Entry, Front, Head, State, Totals};

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
    journal: Arc<File>,
    state: State,
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
        todo!()
    }

    /// Opens without waiting for the disk or another process: `None` when that can't be, or there is nothing usable.
    pub fn open_cached(folder: &Path, disk: &Arc<dyn Disk>) -> Option<Index> {
        todo!()
    }

    /// Makes an index where there is none that is of use; makes the folder too (0700). One that another process has made meanwhile
    /// stays and is opened instead: see whether [`Head::epoch`] is that of `state`.
    pub fn create(folder: &Path, disk: &Arc<dyn Disk>, state: State) -> io::Result<Index> {
        todo!()
    }

    /// The mailbox as last seen by [`Index::follow`] or [`Index::lock`].
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes in what other processes did; returns whether there was anything. One stat(2) when not.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] and [`io::ErrorKind::InvalidData`] when there is no usable index any more: [`Index::create`] one.
    /// The state stays as it was.
    pub fn follow(&mut self) -> io::Result<bool> {
        todo!()
    }

    /// Makes the caller the only one to change the index, in this process and all others, and takes in what others did.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when another kept it too long; those of [`Index::follow`].
    pub fn lock(&mut self) -> io::Result<Locked<'_>> {
        todo!()
    }

    /// What [`Durable::sync`] needs, without the index: everything appended before the call survives a power cut after it.
    pub fn durable(&self) -> Durable {
        Durable { disk: self.disk.clone(), journal: self.journal.clone() }
    }

    /// The entry that `message` has in the cache. Reads the disk.
    pub fn cached(&self, message: &Record) -> Option<Vec<u8>> {
        todo!()
    }

    /// Octets in the journal: what the next to open has to read beside the snapshot.
    pub fn journal_len(&self) -> u64 {
        todo!()
    }
}

/// The journal as it is now, to be synced by whoever comes first among those who wait for it.
#[derive(Clone)]
pub struct Durable {
    disk: Arc<dyn Disk>,
    journal: Arc<File>,
}

impl Durable {
    /// Makes survive a power cut what was appended before. Blocks. Needs no lock; after a snapshot by another it still is enough.
    pub fn sync(&self) -> io::Result<()> {
        self.disk.sync(&self.journal)
    }
}

/// An index that only the holder can change; dropping it lets others.
#[derive(Debug)]
pub struct Locked<'a> {
    index: &'a mut Index,
}

impl Locked<'_> {
    /// The mailbox as it is.
    pub fn state(&self) -> &State {
        &self.index.state
    }

    /// Appends a batch to the journal and takes it into the state; not synced. A long journal becomes a new snapshot, synced.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for ops that are not possible; those of the disk. The state is then as before.
    pub fn append(&mut self, ops: &[Op]) -> io::Result<()> {
        todo!()
    }

    /// Keeps `entry` (at most 256 KiB) in the cache and returns what [`Learnt::cache`] wants. Not synced.
    pub fn cache(&mut self, uid: u32, entry: &[u8]) -> io::Result<u64> {
        todo!()
    }

    /// Writes a new snapshot and begins a new journal, both synced.
    pub fn snapshot(&mut self) -> io::Result<()> {
        todo!()
    }

    /// Puts `state`, one of [`State::found`], in place of what there was, synced.
    pub fn replace(&mut self, state: State) -> io::Result<()> {
        todo!()
    }
}

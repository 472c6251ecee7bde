//! Opening a mailbox: from the index when the spool is as it was, by a scan under the locks when not.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::index::{Front, Index};
use super::locks::{self, Locked, SAFELY};
use super::number::number;
use super::scan::Scan;
use crate::os::stamp::{Stamp, now};
use crate::store::{Account, Shared, Trouble};

/// A mailbox as it was just now, and its file if there is one.
pub struct View {
    pub file: Option<File>,
    pub index: Index,
}

/// Where the index of `account` is.
pub fn index_path(shared: &Shared, account: &Account) -> PathBuf {
    let mut path = shared.places.index.join(account.owner.domain().as_str());
    path.push(account.owner.user().as_str());
    path.push("vmail.index");
    path
}

/// Where a redo journal of `account` is, while there is one.
pub fn redo_path(shared: &Shared, account: &Account) -> PathBuf {
    shared.places.redo.join(account.owner.domain().as_str()).join(account.owner.user().as_str())
}

/// Opens from the index, without a lock, and without waiting for the disk: `None` when any of that can't be.
/// A handful of system calls; made on the async threads.
pub fn at_once(shared: &Shared, account: &Account) -> Option<View> {
    glance(shared, account, open_cached, |file, data| read_cached(file, data).ok())
}

/// Opens in whatever way is necessary. Blocks.
pub fn thoroughly(shared: &Shared, account: &Account) -> Result<View, Trouble> {
    let patient = glance(shared, account, open_plain, |file, data| file.read_exact_at(data, 0).ok());
    if let Some(view) = patient {
        return Ok(view);
    }
    under_locks(shared, account, None)
}

/// Opens anew for a session that knows `past`. Blocks.
pub fn again(shared: &Shared, account: &Account, past: &Index) -> Result<View, Trouble> {
    under_locks(shared, account, Some(past))
}

fn under_locks(shared: &Shared, account: &Account, past: Option<&Index>) -> Result<View, Trouble> {
    match locks::lock(shared, account, locks::PATIENCE)? {
        Some(locked) => {
            let index = refresh(shared, account, &locked, past)?;
            // The descriptor that has the locks must go; the one that stays reads only.
            let file = account.actor.run(|| open_plain(&account.spool)).map_err(Trouble::io("opening", &account.spool))?;
            drop(locked);
            Ok(View { file: Some(file), index })
        }
        None => Ok(View { file: None, index: vanished(shared, account) }),
    }
}

/// The mailbox as it is, with the spool locked. `past` stands in for an index that got lost.
pub fn refresh(shared: &Shared, account: &Account, locked: &Locked<'_>, past: Option<&Index>) -> Result<Index, Trouble> {
    super::redo::recover(shared, account, locked)?;
    let path = index_path(shared, account);
    let stored = Index::load(&path);
    let stamp = locks::checked(&locked.file, &account.spool)?;
    let current = stored.as_ref().is_some_and(|index| index.settled && index.stamp == stamp);
    let stored = match stored {
        Some(index) if current => return Ok(index),
        stored => stored,
    };
    let began = now();
    let found = scan(&locked.file).map_err(Trouble::io("reading", &account.spool))?;
    let index = number(&found, stamp, stamp.settled(began), stored.as_ref().or(past));
    save(shared, account, &index, false);
    Ok(index)
}

/// Keeps the index for the next time; going without only costs time.
pub fn save(shared: &Shared, account: &Account, index: &Index, durable: bool) {
    let path = index_path(shared, account);
    if let Err(error) = index.save(&path, durable) {
        shared.warn_once(&path, &error, "no index can be written; each opening will scan");
    }
}

/// All messages of `file`, in chunks.
pub fn scan(file: &File) -> io::Result<Vec<super::scan::Found>> {
    let (mut scan, mut found) = (Scan::new(), Vec::new());
    let mut buffer = vec![0; CHUNK];
    let (mut filled, mut at) = (0, 0);
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

/// Stays in the processor's cache.
const CHUNK: usize = 128 * 1024;

fn glance(
    shared: &Shared,
    account: &Account,
    open: impl Fn(&Path) -> io::Result<File>,
    read: impl Fn(&File, &mut [u8]) -> Option<()>,
) -> Option<View> {
    let file = account.actor.run(|| open(&account.spool)).ok()?;
    let stamp = locks::checked(&file, &account.spool).ok()?;
    if rustix::fs::access(redo_path(shared, account), rustix::fs::Access::EXISTS) != Err(Errno::NOENT) {
        return None;
    }
    let stored = open(&index_path(shared, account)).ok()?;
    let mut data = vec![0; usize::try_from(rustix::fs::fstat(&stored).ok()?.st_size).ok()?];
    read(&stored, &mut data)?;
    let index = Index::decode(&data)?;
    (index.settled && index.stamp == stamp).then_some(View { file: Some(file), index })
}

fn open_plain(path: &Path) -> io::Result<File> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | SAFELY, Mode::empty())?.into())
}

/// Opens only what the kernel has at hand.
fn open_cached(path: &Path) -> io::Result<File> {
    Ok(rustix::fs::openat2(CWD, path, OFlags::RDONLY | SAFELY, Mode::empty(), ResolveFlags::CACHED)?.into())
}

fn read_cached(file: &File, mut data: &mut [u8]) -> io::Result<()> {
    let mut at = 0;
    while !data.is_empty() {
        let read = rustix::io::preadv2(file, &mut [IoSliceMut::new(data)], at, ReadWriteFlags::NOWAIT)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        data = &mut data[read..];
        at += read as u64;
    }
    Ok(())
}

/// No spool is an empty mailbox; it keeps its numbers for the case that mail comes.
fn vanished(shared: &Shared, account: &Account) -> Index {
    let empty = Stamp::default();
    let (uidvalidity, next) = match Index::load(&index_path(shared, account)) {
        Some(stored) => (stored.uidvalidity, stored.next),
        None => (u32::try_from(now() / 1_000_000_000).unwrap_or(1), 1),
    };
    Index { stamp: empty, settled: false, uidvalidity, next, front: Front::default(), messages: Vec::new() }
}

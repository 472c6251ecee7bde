//! Having a spool to ourselves, for as long as a scan or an update takes.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::Mbox;
use crate::os::lock::{self, Dotlock, Range};
use crate::os::stamp::Stamp;
use crate::store::busy::Here;
use crate::store::{LockKind, Trouble};

/// A spool that no other program changes now, as far as it keeps to any of the configured locks.
pub struct Locked<'a> {
    pub file: File,
    /// It was opened for writing.
    pub writable: bool,
    /// Dropped before `here`: in the reverse order of taking.
    _dot: Option<Dotlock>,
    _here: Here<'a>,
}

/// How long to wait for others.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Locks `mbox`, waiting at most `patience`; `None` when there is no file. Blocks.
pub fn lock(mbox: &Mbox, patience: Duration) -> Result<Option<Locked<'_>>, Trouble> {
    let deadline = Instant::now() + patience;
    let busy = || Trouble::Busy(mbox.path.clone());
    let mut here = Here::take(&mbox.shared, &mbox.path, deadline).ok_or_else(busy)?;
    let mut pause = Duration::from_millis(5);
    loop {
        let Some((file, writable)) = open(mbox)? else { return Ok(None) };
        match attempt(mbox, file, writable, here)? {
            Ok(locked) => return Ok(Some(locked)),
            Err(again) => here = again,
        }
        if Instant::now() + pause > deadline {
            return Err(busy());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

/// Takes all locks or none: whoever takes them in another order must not wait for us while we wait for him.
fn attempt<'a>(mbox: &Mbox, file: File, writable: bool, here: Here<'a>) -> Result<Result<Locked<'a>, Here<'a>>, Trouble> {
    let mut dot = None;
    for kind in &mbox.shared.places.locks {
        let taken = match kind {
            LockKind::Dotlock => {
                let (taken, lock) = dotlock(mbox)?;
                dot = lock;
                Ok(taken)
            }
            LockKind::Fcntl => lock::range(&file, if writable { Range::Exclusive } else { Range::Shared }, 0, 0),
            LockKind::Flock => lock::whole(&file, writable),
        };
        if !taken.map_err(Trouble::io("locking", &mbox.path))? {
            return Ok(Err(here));
        }
    }
    if !is_still(mbox, &file)? {
        return Ok(Err(here));
    }
    Ok(Ok(Locked { file, writable, _dot: dot, _here: here }))
}

/// Where a dotlock is impossible, the others must do (behaviour.md §18 trap 25).
fn dotlock(mbox: &Mbox) -> Result<(bool, Option<Dotlock>), Trouble> {
    match Dotlock::take(&mbox.path, mbox.account.actor) {
        Ok(lock) => Ok((lock.is_some(), lock)),
        Err(error) if is_impossible(&error) => {
            mbox.shared.warn_once(&mbox.path, &error, "no dotlock can be made; going on with the other locks");
            Ok((true, None))
        }
        Err(error) => Err(Trouble::io("making a dotlock for", &mbox.path)(error)),
    }
}

fn is_impossible(error: &io::Error) -> bool {
    [Errno::ACCESS, Errno::PERM, Errno::NOSPC, Errno::ROFS, Errno::DQUOT].iter().any(|no| error.raw_os_error() == Some(no.raw_os_error()))
}

/// Opens the spool for update, or for reading when that is all we may; `None` when it isn't there.
pub fn open(mbox: &Mbox) -> Result<Option<(File, bool)>, Trouble> {
    let open = |access| rustix::fs::open(&mbox.path, access | SAFELY, Mode::empty()).map_err(io::Error::from);
    let opened = mbox.account.actor.run(|| match open(OFlags::RDWR) {
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::ACCESS | Errno::ROFS | Errno::PERM)) => {
            open(OFlags::RDONLY).map(|file| (file, false))
        }
        outcome => outcome.map(|file| (file, true)),
    });
    match opened {
        Ok((file, writable)) => {
            let file = File::from(file);
            checked(&file, &mbox.path)?;
            Ok(Some((file, writable)))
        }
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(refusal(error, &mbox.path)),
    }
}

/// There is no such file; nor can there be one below what is no folder.
pub fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Nothing in a spool folder makes us follow, wait or get a terminal.
pub const SAFELY: OFlags = OFlags::NOFOLLOW.union(OFlags::NOCTTY).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// The stamp of `file`, which must be a regular one.
pub fn checked(file: &File, spool: &Path) -> Result<Stamp, Trouble> {
    let stat = rustix::fs::fstat(file).map_err(|error| Trouble::io("looking at", spool)(error.into()))?;
    judged(&stat, spool)
}

/// The stamp in `stat`, which must be that of a regular file.
pub fn judged(stat: &Stat, spool: &Path) -> Result<Stamp, Trouble> {
    match objection(stat) {
        Some(what) => Err(Trouble::NotMailbox { path: spool.into(), what }),
        None => Ok(Stamp::from(stat)),
    }
}

/// What an error of open(2) says about the spool.
pub fn refusal(error: io::Error, spool: &Path) -> Trouble {
    let what = match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => "is a symbolic link, not an mbox file",
        Some(Errno::ISDIR) => "is a directory, not an mbox file",
        Some(Errno::NXIO) => "is not a regular file",
        _ => return Trouble::io("opening", spool)(error),
    };
    Trouble::NotMailbox { path: spool.into(), what }
}

/// Whether the path still leads to this file: others replace it while we wait.
fn is_still(mbox: &Mbox, file: &File) -> Result<bool, Trouble> {
    let ours = checked(file, &mbox.path)?;
    let there = mbox.account.actor.run(|| rustix::fs::lstat(&mbox.path).map_err(io::Error::from));
    Ok(there.is_ok_and(|there| (there.st_dev, there.st_ino) == (ours.dev, ours.ino)))
}

/// What is wrong with a file of this kind as a mailbox, if anything.
fn objection(stat: &Stat) -> Option<&'static str> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => None,
        FileType::Symlink => Some("is a symbolic link, not an mbox file"),
        FileType::Directory => Some("is a directory, not an mbox file"),
        _ => Some("is not a regular file"),
    }
}

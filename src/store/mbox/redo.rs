//! Updates in place that a crash can't tear: the new octets are on the disk, beside the spool, before the first old one goes.
//!
//! Whoever locks the spool next finishes what a crash interrupted. Others may have appended mail in between, without knowing of us.
//! Where it begins depends on whether the file had its new length already: for a file that shrinks, on whether the octets to be cut
//! are still there; for one that grows, on whether there are only zeros and octets of ours behind the old end. Changes of length by
//! less than [`PLAIN`] octets are avoided, so that this can be told. Mail found behind the old end becomes part of a new journal
//! before anything moves.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::journal::{Journal, Plan, Writer};
use super::locks::Locked;
use super::look::redo_path;
use crate::os::stamp::Stamp;
use crate::store::disk::Disk;
use crate::store::{Account, Shared, Trouble};

/// A length changes by this much, or not at all.
pub const PLAIN: u64 = 64;

/// Finishes what a crash interrupted, if anything. To be called first by everyone who has the locks.
pub fn recover(shared: &Shared, account: &Account, locked: &Locked<'_>) -> Result<(), Trouble> {
    let path = redo_path(shared, account);
    if rustix::fs::access(&path, rustix::fs::Access::EXISTS) == Err(rustix::io::Errno::NOENT) {
        return Ok(());
    }
    if !locked.writable {
        let denied = io::ErrorKind::PermissionDenied.into();
        return Err(Trouble::io("finishing an update of", &account.spool)(denied));
    }
    tracing::warn!(path = %account.spool.display(), "finishing an update that a crash interrupted");
    finish(&*shared.disk, &path, &locked.file).map_err(Trouble::io("finishing an update of", &account.spool))
}

/// Replaces, in `spool`, what `plan` says by what `write` writes. On an error before the journal is complete nothing has happened.
pub fn perform(
    shared: &Shared,
    account: &Account,
    spool: &File,
    plan: &Plan,
    write: impl FnOnce(&mut Writer<'_>) -> io::Result<()>,
) -> Result<(), Trouble> {
    let (disk, path) = (&*shared.disk, redo_path(shared, account));
    let written = make_folder(&path).and_then(|()| store(disk, &path, spool, plan, write));
    written.map_err(Trouble::io("journalling an update of", &account.spool))?;
    finish(disk, &path, spool).map_err(Trouble::io("updating", &account.spool))
}

fn make_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    crate::os::atomic::sync_folder(folder)
}

/// Writes a complete journal, in place of the one before.
fn store(disk: &dyn Disk, path: &Path, spool: &File, plan: &Plan, write: impl FnOnce(&mut Writer<'_>) -> io::Result<()>) -> io::Result<()> {
    let beside = beside(path, "new");
    let written = (|| {
        let file = disk.create(&beside)?;
        let mut writer = Writer::new(disk, &file);
        write(&mut writer)?;
        writer.finish(plan, spool)?;
        disk.sync(&file)?;
        disk.rename(&beside, path)?;
        disk.sync_folder(path)
    })();
    if written.is_err() {
        let _ = disk.unlink(&beside);
    }
    written
}

/// A name that no account has.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    path.with_file_name(format!(".{}.{suffix}", path.file_name().unwrap_or_default().to_string_lossy()))
}

fn finish(disk: &dyn Disk, path: &Path, spool: &File) -> io::Result<()> {
    loop {
        // A journal that is not whole was never acted upon.
        let Some(journal) = Journal::open(path)? else { return disk.unlink(path) };
        let plan = journal.plan;
        match judge(&journal, spool)? {
            Stage::Alien => return set_aside(disk, path),
            Stage::Before { appended } if appended > 0 => {
                absorb(disk, path, &journal, spool, appended)?;
                continue;
            }
            Stage::Before { .. } if plan.new_size > plan.old_size => {
                disk.reserve(spool, plan.old_size, plan.new_size - plan.old_size).or_else(|error| abandon(disk, path, error))?;
                disk.set_len(spool, plan.new_size)?;
                // Octets written behind the old end must not bring about a length between the two.
                disk.sync(spool)?;
                journal.replay(disk, spool)?;
            }
            Stage::Before { .. } => {
                journal.replay(disk, spool)?;
                // Somebody who keeps to no lock has appended just now.
                if Stamp::of(spool)?.size != plan.old_size {
                    continue;
                }
                disk.set_len(spool, plan.new_size)?;
            }
            Stage::After => journal.replay(disk, spool)?,
        }
        disk.sync(spool)?;
        disk.unlink(path)?;
        // A journal that came back after a power cut would be replayed over later changes.
        return disk.sync_folder(path);
    }
}

/// No room, and nothing done yet: the update is off.
fn abandon(disk: &dyn Disk, path: &Path, error: io::Error) -> io::Result<()> {
    disk.unlink(path)?;
    disk.sync_folder(path)?;
    Err(error)
}

/// How far an update had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The file has its old length, and then what others appended.
    Before { appended: u64 },
    /// The file has its new length, and then what others appended.
    After,
    /// Others have rewritten it.
    Alien,
}

fn judge(journal: &Journal, spool: &File) -> io::Result<Stage> {
    let (plan, stamp) = (&journal.plan, Stamp::of(spool)?);
    let (old, new, size) = (plan.old_size, plan.new_size, stamp.size);
    if (stamp.dev, stamp.ino) != (journal.dev, journal.ino) || size < old.min(new) || !journal.context.holds(spool)? {
        return Ok(Stage::Alien);
    }
    let before = if new < old { size >= old && journal.cut.holds(spool)? } else { new > old && (size < new || !journal.fills(spool)?) };
    Ok(if before { Stage::Before { appended: size - old } } else { Stage::After })
}

/// A new journal, that moves what others have appended too.
fn absorb(disk: &dyn Disk, path: &Path, journal: &Journal, spool: &File, appended: u64) -> io::Result<()> {
    let plan = Plan { old_size: journal.plan.old_size + appended, new_size: journal.plan.new_size + appended, ..journal.plan };
    store(disk, path, spool, &plan, |writer| {
        journal.copy(writer)?;
        writer.piece(journal.plan.new_size, appended)?;
        writer.copy(spool, journal.plan.old_size, appended)
    })
}

/// The spool is no longer what the journal was for. It may hold the only copy of some mail: an administrator must look.
fn set_aside(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let aside = beside(path, &format!("aside.{}", crate::os::stamp::now()));
    tracing::error!(journal = %aside.display(), "another program rewrote a mailbox in the middle of an update; the update is kept here");
    disk.rename(path, &aside)?;
    disk.sync_folder(path)
}

//! Updates in place that a crash can't tear: the new octets are on the disk, beside the spool, before the first old one goes.
//!
//! Whoever locks the spool next finishes what a crash interrupted. Others may have appended mail in between, without knowing of us.
//! Where it begins depends on whether the file had its new length already: for a file that shrinks, on whether the octets to be cut
//! are still there; for one that grows, on whether there are only zeros and octets of ours behind the old end. Changes of length by
//! less than [`PLAIN`] octets are avoided, so that this can be told. Mail found behind the old end becomes part of a new journal
//! before anything moves.
//!
//! An append has a journal too, so that a killed one is completed rather than left in half, also when others have appended behind it. It
//! is written before the file grows, but not synced unless `fsync = "always"`: a power cut may leave the beginning of mail that nobody was
//! told of, never anything worse.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Mbox;
use super::journal::{Journal, Kind, Plan, Writer};
use super::locks::Locked;
use crate::config::Fsync;
use crate::os::stamp::Stamp;
use crate::store::Trouble;
use crate::store::disk::Disk;

/// A length changes by this much, or not at all.
pub const PLAIN: u64 = 64;

/// Finishes what a crash interrupted, if anything. To be called first by everyone who has the locks.
pub fn recover(mbox: &Mbox, locked: &Locked<'_>) -> Result<(), Trouble> {
    let path = mbox.redo_path();
    if rustix::fs::access(&path, rustix::fs::Access::EXISTS) == Err(rustix::io::Errno::NOENT) {
        return Ok(());
    }
    if !locked.writable {
        let denied = io::ErrorKind::PermissionDenied.into();
        return Err(Trouble::io("finishing an update of", &mbox.path)(denied));
    }
    tracing::warn!(path = %mbox.path.display(), "finishing an update that a crash interrupted");
    finish(&*mbox.shared.disk, &path, &locked.file).map_err(Trouble::io("finishing an update of", &mbox.path))
}

/// Replaces, in `spool`, what `plan` says by what `write` writes. On an error before the journal is complete nothing has happened.
pub fn perform(mbox: &Mbox, spool: &File, plan: &Plan, write: impl FnOnce(&mut Writer<'_>) -> io::Result<()>) -> Result<(), Trouble> {
    let (disk, path) = (&*mbox.shared.disk, mbox.redo_path());
    let written = make_folder(&path).and_then(|()| store(disk, &path, spool, plan, write));
    written.map_err(Trouble::io("journalling an update of", &mbox.path))?;
    finish(disk, &path, spool).map_err(Trouble::io("updating", &mbox.path))
}

/// Octets for the end of a file, given to `take` piece by piece; the same each time.
pub trait Octets {
    fn each(&self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>;
}

/// Appends `len` octets to `spool`, which has `size`: all or nothing, also when the process is killed. Not synced.
pub fn append(mbox: &Mbox, spool: &File, size: u64, len: u64, octets: &dyn Octets) -> Result<(), Trouble> {
    let (disk, path) = (&*mbox.shared.disk, mbox.redo_path());
    let plan = Plan { kind: Kind::Append, old_size: size, new_size: size + len, untouched: 0, from: size };
    let journalled = match make_folder(&path).and_then(|()| note(mbox, &path, spool, &plan, octets)) {
        // An owner who delivers to himself: a crash may leave half a message, as with any other program of his.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            mbox.shared.warn_once(&path, &error, "no journal can be made; going on without");
            false
        }
        made => made.map(|()| true).map_err(Trouble::io("journalling an append to", &mbox.path))?,
    };
    let appended = grow(disk, spool, &plan, octets).and_then(|()| if is_careful(mbox) { disk.sync(spool) } else { Ok(()) });
    if appended.is_err() && Stamp::of(spool).is_ok_and(|now| (size..=plan.new_size).contains(&now.size)) {
        // Half a message is none.
        disk.set_len(spool, size).map_err(Trouble::io("cutting", &mbox.path))?;
    }
    if !journalled {
        return appended.map_err(Trouble::io("appending to", &mbox.path));
    }
    // It would come back after a power cut only if it had reached the disk, in the moment that it was there.
    let done = disk.unlink(&path).and_then(|()| if is_careful(mbox) { disk.sync_folder(&path) } else { Ok(()) });
    appended.and(done).map_err(Trouble::io("appending to", &mbox.path))
}

/// Whether also mail that nobody was told of yet is to be in order after a power cut.
fn is_careful(mbox: &Mbox) -> bool {
    mbox.shared.places.fsync == Fsync::Always
}

fn note(mbox: &Mbox, path: &Path, spool: &File, plan: &Plan, octets: &dyn Octets) -> io::Result<()> {
    let disk = &*mbox.shared.disk;
    let write = |writer: &mut Writer<'_>| {
        writer.piece(plan.old_size, plan.new_size - plan.old_size)?;
        octets.each(&mut |piece| writer.octets(piece))
    };
    if is_careful(mbox) {
        return store(disk, path, spool, plan, write);
    }
    let noted = disk.create(path).and_then(|file| {
        let mut writer = Writer::new(disk, &file);
        write(&mut writer)?;
        writer.finish(plan, spool)
    });
    if noted.is_err() {
        let _ = disk.unlink(path);
    }
    noted
}

fn grow(disk: &dyn Disk, spool: &File, plan: &Plan, octets: &dyn Octets) -> io::Result<()> {
    if Stamp::of(spool)?.size != plan.old_size {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another program keeps to no lock"));
    }
    let (mut at, mut buffer) = (plan.old_size, Vec::new());
    octets.each(&mut |piece| {
        if buffer.len() + piece.len() > AT_ONCE && !buffer.is_empty() {
            disk.write(spool, &buffer, at)?;
            at += buffer.len() as u64;
            buffer.clear();
        }
        buffer.extend_from_slice(piece);
        Ok(())
    })?;
    disk.write(spool, &buffer, at)
}

const AT_ONCE: usize = 1 << 20;

fn make_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Not to be listed, but an owner who delivers to himself may see that nothing of his is half done; whatever the umask says.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o711))?;
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
        if plan.kind == Kind::Append {
            if complete(disk, path, &journal, spool)? {
                return Ok(());
            }
            continue;
        }
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

/// How much of an append has happened.
enum Progress {
    /// Nothing, or all of it and more since then.
    None,
    /// All that is in the file behind its old end is ours.
    Ours,
    /// Others have appended behind the torn end: their mail begins here.
    Torn { foreign: u64 },
}

/// An append that was killed: what has begun is completed.
fn complete(disk: &dyn Disk, path: &Path, journal: &Journal, spool: &File) -> io::Result<bool> {
    match progress(journal, spool)? {
        Progress::None => {}
        Progress::Ours => {
            journal.replay(disk, spool)?;
            disk.sync(spool)?;
        }
        Progress::Torn { foreign } => {
            let size = Stamp::of(spool)?.size;
            let lack = journal.plan.new_size - foreign;
            let pad = PLAIN.saturating_sub(lack);
            let plan = Plan { kind: Kind::Update, old_size: size, new_size: size + lack + pad, ..journal.plan };
            store(disk, path, spool, &plan, |writer| {
                journal.copy(writer)?;
                writer.piece(journal.plan.new_size, pad + size - foreign)?;
                writer.octets(&b"\n".repeat(pad as usize))?;
                writer.copy(spool, foreign, size - foreign)
            })?;
            return Ok(false);
        }
    }
    disk.unlink(path)?;
    disk.sync_folder(path).map(|()| true)
}

fn progress(journal: &Journal, spool: &File) -> io::Result<Progress> {
    let (plan, stamp) = (&journal.plan, Stamp::of(spool)?);
    let is_same = (stamp.dev, stamp.ino) == (journal.dev, journal.ino) && stamp.size > plan.old_size && journal.context.holds(spool)?;
    if !is_same {
        return Ok(Progress::None);
    }
    let ours = journal.agreeing(spool)?;
    if ours == plan.new_size || ours == stamp.size {
        return Ok(Progress::Ours);
    }
    // The line that is not ours any more must be that with which somebody's mail begins.
    let from = ours.saturating_sub(super::from::LONGEST as u64).max(plan.old_size);
    let mut window = vec![0; (stamp.size.min(ours + super::from::LONGEST as u64) - from) as usize];
    std::os::unix::fs::FileExt::read_exact_at(spool, &mut window, from)?;
    let (cut, finder) = ((ours - from) as usize, memchr::memmem::Finder::new("From "));
    let line = |at: &usize| window[*at..].split(|&octet| octet == b'\n').next().unwrap_or_default();
    // Some put a blank line before it.
    let is_next = |at: &usize| *at > cut && window[cut..*at].iter().all(|octet| matches!(octet, b'\n' | b'\r'));
    let is_cut = |at: &usize| *at <= cut && at + line(at).len() >= cut;
    let begins = finder.find_iter(&window).filter(|at| (is_cut(at) || is_next(at)) && super::from::separates(line(at)));
    Ok(match begins.last() {
        Some(at) if from + at as u64 > plan.old_size => Progress::Torn { foreign: from + at as u64 },
        _ => Progress::None,
    })
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

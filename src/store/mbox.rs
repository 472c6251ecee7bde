//! Mail in one mbox file, shared with every other program that knows the format (behaviour.md §2.9, §18 traps 20-25).

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Access, CWD, Mode, OFlags, ResolveFlags};

use super::index::{Entry, Record, Seal, State};
use super::maildir::{Maildir, Way};
use super::name::disk::Layout;
use super::news;
use super::reader::Spooled;
use super::spool::{Adopted, Batch, Care, Extent, Hold, Scanned, Spool, Staged as AnyStaged};
use super::{Account, Changes, FolderName, Incoming, Reader, Shared, Trouble, Uids, folders, identity, sync};
use crate::config::Fsync;
use crate::os::place::{self, Place};
use crate::os::stamp::Stamp;

mod append;
mod changed;
pub mod from;
pub mod head;
mod journal;
mod ledger;
mod locks;
mod look;
mod notes;
mod number;
mod recognise;
mod redo;
mod restore;
pub mod scan;
mod summary;
pub(super) mod tally;
mod update;

pub use append::Staged;
pub(super) use ledger::{FOLDER as LEDGERS, forget, take_along};
pub(super) use number::halves;
pub(super) use recognise::is_still_there;
pub use restore::Restoring;

/// One mbox: INBOX, or a folder of an account that has its mail so.
pub struct Mbox {
    shared: Arc<Shared>,
    account: Arc<Account>,
    path: PathBuf,
    name: FolderName,
    syncs: sync::Shared,
    /// A message was not where the index says: nothing but a whole scan will do.
    suspect: AtomicBool,
    /// The file as it was when somebody wrote to it last, for the syncs.
    written: Mutex<Option<(u64, u64)>>,
}

/// An mbox that no other program changes now.
struct Held<'a> {
    mbox: &'a Mbox,
    locked: locks::Locked<'a>,
    /// The file was made for the message that is about to come.
    is_new: bool,
}

impl Mbox {
    /// The mbox at `path`. Looks at nothing yet.
    pub(super) fn new(shared: Arc<Shared>, account: Arc<Account>, path: PathBuf, name: FolderName) -> Mbox {
        let (syncs, suspect, written) = (sync::Shared::default(), AtomicBool::new(false), Mutex::default());
        Mbox { shared, account, path, name, syncs, suspect, written }
    }

    /// Where a redo journal is, while there is one: no name of a user has a `%`.
    fn redo_path(&self) -> PathBuf {
        let folder = redo_folder(&self.shared, &self.account);
        let user = self.account.owner.user().as_str();
        match self.name.is_inbox() {
            true => folder.join(user),
            false => folder.join(format!("{user}%{}", folders::index_name(&self.name))),
        }
    }

    /// Whether a crash has interrupted a change that must be finished before anybody looks.
    fn is_interrupted(&self) -> bool {
        rustix::fs::access(self.redo_path(), Access::EXISTS) != Err(rustix::io::Errno::NOENT)
    }

    /// The stamp of the file; `None` when there is none.
    fn stamp(&self) -> Result<Option<Stamp>, Trouble> {
        match self.account.actor.run(|| rustix::fs::lstat(&self.path).map_err(io::Error::from)) {
            Ok(stat) => locks::judged(&stat, &self.path).map(Some),
            Err(error) if locks::is_absence(&error) => Ok(None),
            Err(error) => Err(locks::refusal(error, &self.path)),
        }
    }

    /// Makes the file, where the folder may be the administrator's alone.
    fn make(&self) -> io::Result<()> {
        let own = rustix::process::geteuid().as_raw();
        let (known, owner) = match self.account.actor {
            crate::os::Actor::Service => (vec![own], None),
            crate::os::Actor::User { uid, gid } => (vec![own, uid], Some((uid, gid))),
        };
        place::make_folders(self.path.parent().unwrap_or(Path::new("/")))?;
        let file = Place::file(&self.path, &known)?;
        if let Some((uid, gid)) = owner {
            file.give(uid, gid)?;
        }
        self.shared.disk.sync_folder(&self.path)
    }

    fn open(&self, at_once: bool) -> io::Result<File> {
        let resolve = if at_once { ResolveFlags::CACHED } else { ResolveFlags::empty() };
        let open = || rustix::fs::openat2(CWD, &self.path, OFlags::RDONLY | locks::SAFELY, Mode::empty(), resolve);
        Ok(self.account.actor.run(|| open().map_err(io::Error::from))?.into())
    }

    fn sync(&self) -> io::Result<()> {
        let Some((dev, ino)) = *self.written.lock().unwrap_or_else(PoisonError::into_inner) else { return Ok(()) };
        let file = match self.open(false) {
            Ok(file) => file,
            // Another program has moved the file away: what becomes of it is that program's affair.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let now = Stamp::of(&file)?;
        if (now.dev, now.ino) == (dev, ino) { self.shared.disk.sync(&file) } else { Ok(()) }
    }

    /// Somebody must look at all of the file.
    fn suspect(&self) {
        self.suspect.store(true, Ordering::Release);
    }
}

impl Spool for Mbox {
    fn is_untouched(&self, state: &State, care: Care) -> Result<bool, Trouble> {
        if self.suspect.load(Ordering::Acquire) || self.is_interrupted() {
            return Ok(false);
        }
        let Seal { stamp, settled } = state.head().stamps[0];
        match self.stamp()? {
            Some(now) => Ok(now == stamp && (settled || care == Care::Quick)),
            None => Ok(self.name.is_inbox() && state.is_empty() && stamp == Stamp::default()),
        }
    }

    fn hold(&self, make: bool) -> Result<Option<Box<dyn Hold + '_>>, Trouble> {
        let is_new = make && self.name.is_inbox() && self.stamp()?.is_none();
        if is_new {
            match self.make() {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(Trouble::io("making", &self.path)(error)),
                _ => {}
            }
        }
        let Some(locked) = locks::lock(self, locks::PATIENCE)? else { return Ok(None) };
        redo::recover(self, &locked)?;
        Ok(Some(Box::new(Held { mbox: self, locked, is_new })))
    }

    fn absent(&self, known: Option<&State>) -> Result<State, Trouble> {
        if !self.name.is_inbox() {
            return Err(Trouble::NoFolder);
        }
        ledger::of_nothing(self, known)
    }

    fn stage(&self, messages: &[Incoming]) -> Result<AnyStaged, Trouble> {
        append::stage(self, messages).map(AnyStaged::Mbox)
    }

    fn harden(&self) -> Result<(), Trouble> {
        let synced = match self.shared.places.fsync {
            Fsync::Never => Ok(()),
            Fsync::Always => self.sync(),
            Fsync::Optimized => self.syncs.sync(|| self.sync()),
        };
        synced.map_err(Trouble::io("syncing", &self.path))
    }

    fn read(&self, state: &State, message: &Entry<'_>, at_once: bool) -> Result<Option<Reader>, Trouble> {
        let file = match self.open(at_once) {
            Ok(file) => file,
            Err(error) if at_once || locks::is_absence(&error) => return Ok(None),
            Err(error) => return Err(locks::refusal(error, &self.path)),
        };
        let now = locks::checked(&file, &self.path)?;
        let Seal { stamp, settled } = state.head().stamps[0];
        if now != stamp || !settled || self.is_interrupted() {
            if at_once {
                return Ok(None);
            }
            if !is_still_there(&file, message).map_err(Trouble::io("reading", &self.path))? {
                self.suspect();
                return Ok(None);
            }
        }
        let path = Arc::new(self.path.clone());
        Ok(Some(Reader::of_file(Spooled { file: Arc::new(file), path, message: **message, stamp: Some(now) })))
    }

    fn layout(&self) -> Layout {
        Layout::Mbox
    }

    fn is_lazy(&self) -> bool {
        false
    }

    fn watched(&self) -> Vec<news::Place> {
        let (folder, name) = (self.path.parent().unwrap_or(Path::new("/")), self.path.file_name());
        vec![news::Place { folder: folder.into(), name: name.map(Into::into), actor: self.account.actor }]
    }
}

impl Hold for Held<'_> {
    fn scan(&mut self, known: Option<&State>) -> Result<Scanned, Trouble> {
        self.look(known)
    }

    fn place(&mut self, state: &State, messages: &[Incoming], staged: AnyStaged) -> Result<Batch, Trouble> {
        match staged {
            AnyStaged::Mbox(staged) => self.append(state, messages, staged),
            AnyStaged::Maildir(_) => Err(Trouble::io("appending to", &self.mbox.path)(io::ErrorKind::InvalidInput.into())),
        }
    }

    fn change(&mut self, state: &State, changes: &Changes) -> Result<Batch, Trouble> {
        self.update(state, changes)
    }

    fn adopt(&mut self, _: &State, _: &Maildir, _: &State, _: &Uids, _: Way) -> Result<Adopted, Trouble> {
        Err(Trouble::io("appending to", &self.mbox.path)(io::ErrorKind::Unsupported.into()))
    }

    fn settle(&mut self, _: &State, _: Extent) -> Result<Batch, Trouble> {
        Ok(Batch::default())
    }
}

/// Finishes what a crash interrupted in any mbox of `account`. Blocks.
pub(super) fn finish(shared: &Arc<Shared>, account: &Account) -> Result<(), Trouble> {
    let (folder, user) = (redo_folder(shared, account), account.owner.user().as_str());
    let journals = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        journals => journals.map_err(Trouble::io("listing", &folder))?,
    };
    let names = journals.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let own: Vec<String> = names.filter(|name| name.split('%').next() == Some(user)).collect();
    let account = Arc::new(account.clone());
    for name in if own.is_empty() { Vec::new() } else { folders::mboxes(&account)? } {
        let mbox = Mbox::new(Arc::clone(shared), Arc::clone(&account), name.1, name.0);
        if mbox.is_interrupted() {
            mbox.hold(false)?;
        }
    }
    Ok(())
}

fn redo_folder(shared: &Shared, account: &Account) -> PathBuf {
    shared.places.redo.join(account.owner.domain().as_str())
}

/// MAILBOXID as long as nothing else is noted: the same whenever the index is made anew.
fn mailbox_id(account: &Account, name: &FolderName) -> [u8; 16] {
    xxhash_rust::xxh3::xxh3_128(format!("{}\0{}", account.owner, name.display('/')).as_bytes()).to_be_bytes()
}

/// Where the text of a message begins.
pub(super) fn text(message: &Record) -> u64 {
    message.place + u64::from(message.from_len)
}

/// Where it ends.
pub(super) fn end(message: &Record) -> u64 {
    text(message) + message.len
}

/// A UIDVALIDITY for a mailbox that has nothing from which one follows.
fn uidvalidity(mbox: &Mbox) -> Result<u32, Trouble> {
    identity::uidvalidity(&mbox.shared, &mbox.account)
}

#[cfg(test)]
mod appending;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

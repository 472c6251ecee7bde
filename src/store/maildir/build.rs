//! A Maildir comes into being.

use std::io;
use std::path::Path;

use super::notes::Notes;
use super::{CUR, Maildir, NEW, TMP};
use crate::os::place::Place;
use crate::os::{Actor, Dir};
use crate::store::disk::Disk;
use crate::store::index::{Seal, State};
use crate::store::{Trouble, identity};

impl Maildir {
    /// Whether there is a Maildir, after making what is missing of it if `make` says so.
    pub(super) fn prepare(&self, make: bool) -> Result<bool, Trouble> {
        match self.account.actor.run(|| rustix::fs::access(self.path.join(CUR), rustix::fs::Access::EXISTS).map_err(io::Error::from)) {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.trouble("looking at", error)),
            Err(_) => {}
        }
        match (self.path.symlink_metadata().is_ok(), make) {
            (false, false) => return Ok(false),
            (false, true) => self.make_whole().map_err(|error| self.trouble("making", error))?,
            (true, _) => self.act("making", || make_parts(&*self.shared.disk, &Dir::open(&self.path)?))?,
        }
        Ok(true)
    }

    /// Makes the Maildir of an account below a folder that may be the administrator's alone: beside first, so that at its name there
    /// never is half of one, or one that is not yet the owner's.
    fn make_whole(&self) -> io::Result<()> {
        let (disk, actor) = (&*self.shared.disk, self.account.actor);
        crate::os::place::make_folders(self.path.parent().unwrap_or(Path::new("/")))?;
        let beside = self.path.with_file_name(format!(".{}.new", self.account.owner.user()));
        match disk.make(&beside) {
            // Left by a crash, or by another process that is at the same work.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        give(&beside, actor)?;
        actor.run(|| make_parts(disk, &Dir::open(&beside)?))?;
        match disk.rename(&beside, &self.path) {
            Err(error) if !self.path.join(CUR).is_dir() => Err(error),
            // Another process was faster.
            Err(_) => {
                let _ = actor.run(|| remove_parts(disk, &Dir::open(&beside)?)).and_then(|()| std::fs::remove_dir(&beside));
                Ok(())
            }
            Ok(()) => disk.sync_folder(&self.path),
        }
    }

    /// INBOX without a Maildir: empty, and what it was called stays.
    pub(super) fn no_mail_yet(&self, known: Option<&State>) -> Result<State, Trouble> {
        if let Some(known) = known.filter(|known| known.is_empty()) {
            return Ok(known.clone());
        }
        let (uidvalidity, uidnext, id) = match known.map(State::head) {
            Some(head) => (head.uidvalidity, head.uidnext, head.mailbox),
            None => (identity::uidvalidity(&self.shared, &self.account)?, 1, identity::mailbox()),
        };
        let state = State::found(uidvalidity, uidnext, id, Vec::new()).map_err(|error| self.trouble("listing", error))?;
        let nothing = Seal { settled: true, ..Seal::default() };
        Ok(state.with_spool([nothing; 2], Default::default(), Notes::default().octets()))
    }

    /// Syncs are not wanted on this machine.
    pub(super) fn is_unsafe(&self) -> bool {
        self.shared.places.fsync == crate::config::Fsync::Never
    }
}

/// Makes the folders of a Maildir in `top`, where they are missing, durably.
pub fn make_parts(disk: &dyn Disk, top: &Dir) -> io::Result<()> {
    // `cur` last: who sees it sees all.
    let made: Vec<bool> = [TMP, NEW, CUR].iter().map(|part| disk.make_in(top, part.as_ref())).collect::<Result<_, _>>()?;
    if made.contains(&true) { disk.sync_dir(top) } else { Ok(()) }
}

/// Undoes [`make_parts`].
fn remove_parts(disk: &dyn Disk, top: &Dir) -> io::Result<()> {
    [TMP, NEW, CUR].iter().try_for_each(|part| disk.remove_in(top, part.as_ref()))
}

/// Makes the folder at `path`, one of ours, that of `actor`.
fn give(path: &Path, actor: Actor) -> io::Result<()> {
    let own = rustix::process::geteuid().as_raw();
    match actor {
        Actor::Service => Place::folder_that_is_there(path, &[own]).map(drop),
        Actor::User { uid, gid } => Place::folder_that_is_there(path, &[own, uid])?.give(uid, gid),
    }
}

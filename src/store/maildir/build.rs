//! A Maildir comes into being.

use std::io;
use std::path::Path;

use super::{CUR, Maildir, NEW, TMP};
use crate::os::place::Place;
use crate::os::{Actor, Dir};
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
        let is_there = self.path.symlink_metadata().is_ok();
        if !is_there && !make {
            return Ok(false);
        }
        if !is_there {
            make_folder(&self.path, self.account.actor).map_err(|error| self.trouble("making", error))?;
        }
        self.act("making", || make_parts(&Dir::open(&self.path)?))?;
        Ok(true)
    }

    /// INBOX without a Maildir: empty, and what it was called stays.
    pub(super) fn no_mail_yet(&self, known: Option<&State>) -> Result<State, Trouble> {
        let (uidvalidity, uidnext, id) = match known.map(State::head) {
            Some(head) => (head.uidvalidity, head.uidnext, head.mailbox),
            None => (identity::uidvalidity(&self.shared, &self.account)?, 1, identity::mailbox()),
        };
        let state = State::found(uidvalidity, uidnext, id, Vec::new()).map_err(|error| self.trouble("listing", error))?;
        let nothing = Seal { settled: true, ..Seal::default() };
        Ok(state.with_spool([nothing; 2], Default::default(), [0; 64]))
    }

    /// Syncs are not wanted on this machine.
    pub(super) fn is_unsafe(&self) -> bool {
        self.shared.places.fsync == crate::config::Fsync::Never
    }
}

/// Makes the folders of a Maildir in `top`, where they are missing.
pub fn make_parts(top: &Dir) -> io::Result<()> {
    // `cur` last: who sees it sees all.
    [TMP, NEW, CUR].iter().try_for_each(|part| top.make(part).map(drop))
}

/// Makes the folder of an account below one that may be the administrator's alone.
fn make_folder(path: &Path, actor: Actor) -> io::Result<()> {
    crate::os::place::make_folders(path.parent().unwrap_or(Path::new("/")))?;
    let own = rustix::process::geteuid().as_raw();
    let (folder, _) = Place::folder(path, &[own])?;
    match actor {
        Actor::Service => Ok(()),
        Actor::User { uid, gid } => folder.give(uid, gid),
    }
}

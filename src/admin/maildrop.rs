//! The maildrop of an account: made in the form that the domain wants, kept for the next account of that name, taken over by it.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Uid};

use super::service;
use crate::address::User;
use crate::config::{self, Owned, Spool};
use crate::os::place::{self, Place};
use crate::os::{Actor, Dir};
use crate::store::disk::Machine;
use crate::store::maildir;
use crate::vdomain::{Account, VirtualDomain};

/// What a maildrop is, or is to be where there is none.
pub(super) fn form(path: &Path, wanted: Spool) -> Spool {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => Spool::Maildir,
        Ok(_) => Spool::Mbox,
        Err(_) => wanted,
    }
}

/// The maildrop at `path`, empty where there was none; what is there must belong to one of `known`.
pub(super) fn make(path: &Path, wanted: Spool, known: &[u32]) -> io::Result<Place> {
    match form(path, wanted) {
        Spool::Maildir => Place::folder(path, known).map(|(place, _)| place),
        Spool::Mbox => Place::file(path, known),
    }
}

/// Makes the empty maildrop of an account that has none, as its first mail does where its owner may not: in the spool folders of old trees,
/// which are root's. Does nothing where there is one, or where we are not root.
///
/// # Errors
/// What is in the way, or what cannot be written.
pub fn make_first(machine: &config::Machine, domain: &VirtualDomain, user: &User, account: &Account) -> io::Result<()> {
    let path = domain.maildrop(user);
    if path.symlink_metadata().is_ok() || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owned = domain.record.owner;
    let ids = match owned {
        Owned::Vmail => service::user(machine),
        Owned::User => Some((account.uid, account.gid)),
    };
    let known: Vec<u32> = service::known(machine).into_iter().chain(ids.map(|(uid, _)| uid)).collect();
    let folder = &domain.realm.spool;
    place::make_folders(folder.parent().unwrap_or(Path::new("/")))?;
    match Place::folder(folder, &known)? {
        (_, false) => {}
        // As /var/mail is: each owner makes his own lock files, and removes nobody else's.
        (new, true) if owned == Owned::User => new.set_mode(0o1777)?,
        (new, true) => ids.map_or(Ok(()), |(uid, gid)| new.give(uid, gid))?,
    }
    let made = make(&path, domain.record.spool, &known)?;
    give(&made, &path, ids)
}

/// The maildrop at `path`, which is there, and the mode it should have.
pub(super) fn that_is_there(path: &Path, known: &[u32]) -> io::Result<(Place, u32)> {
    match form(path, Spool::Mbox) {
        Spool::Maildir => Place::folder_that_is_there(path, known).map(|place| (place, 0o700)),
        Spool::Mbox => Place::file_that_is_there(path, known).map(|place| (place, 0o600)),
    }
}

/// Gives the maildrop to `ids`, and shuts it to everybody else. A Maildir becomes complete; what a former account of that name left in it
/// follows, which was its own: nobody else could put anything there, and its uid is nobody's any more.
pub(super) fn give(place: &Place, path: &Path, ids: Option<(u32, u32)>) -> io::Result<()> {
    if form(path, Spool::Mbox) == Spool::Mbox {
        ids.map_or(Ok(()), |(uid, gid)| place.give(uid, gid))?;
        return place.set_mode(0o600);
    }
    // Nobody comes in while its parts change hands.
    place.set_mode(0o700)?;
    if let Some((uid, gid)) = ids {
        let top = Dir::open(path)?;
        match top.stat("cur") {
            Ok(stat) if stat.st_uid != uid && stat.st_uid != 0 => hand_over(&top, stat.st_uid, (uid, gid), DEEPEST)?,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        place.give(uid, gid)?;
    }
    let owner = ids.map_or(Actor::Service, |(uid, gid)| Actor::User { uid, gid });
    owner.run(|| maildir::make_parts(&Machine, &Dir::open(path)?))
}

/// Gives what belongs to `former` in `dir` to `ids`; links themselves, not what they lead to.
fn hand_over(dir: &Dir, former: u32, ids: (u32, u32), depth: usize) -> io::Result<()> {
    for name in dir.names(|_, _| true)? {
        let stat = dir.stat(&name)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory && depth > 0 {
            hand_over(&dir.beneath(&name)?, former, ids, depth - 1)?;
        }
        if stat.st_uid == former {
            rustix::fs::chownat(dir, &name, Some(Uid::from_raw(ids.0)), Some(Gid::from_raw(ids.1)), AtFlags::SYMLINK_NOFOLLOW)?;
        }
    }
    Ok(())
}

/// `.Sub/cur`.
const DEEPEST: usize = 2;

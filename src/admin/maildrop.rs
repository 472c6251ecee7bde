//! The maildrop of an account: made in the form that the domain wants, kept for the next account of that name, taken over by it.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Uid};

use crate::config::Spool;
use crate::os::place::Place;
use crate::os::{Actor, Dir};
use crate::store::disk::Machine;
use crate::store::maildir;

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

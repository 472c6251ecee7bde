//! Which files are in a Maildir, read so that none is missed.

use std::ffi::{OsStr, OsString};
use std::io;

use rustix::fs::FileType;

use crate::os::Dir;
use crate::os::stamp::{self, Stamp};

/// The files of one of the two folders, and what the folder was like.
#[derive(Debug, Default)]
pub struct Listing {
    pub names: Vec<OsString>,
    pub stamp: Stamp,
    /// Nothing can have happened after the stamp was taken that the stamp does not tell.
    pub settled: bool,
    /// Nothing happened while it was read: what is not here is nowhere in the folder.
    pub complete: bool,
}

/// Reads `dir`. A name that is changed while a folder is read may be missed (readdir(3)), so a folder that is busy is read again.
pub fn list(dir: &Dir) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for _ in 0..ATTEMPTS {
        let (began, before) = (stamp::now(), dir.stamp()?);
        listing.names.clear();
        dir.each(|name, kind| {
            if is_mail(name, kind) {
                listing.names.push(name.to_owned());
            }
        })?;
        let after = dir.stamp()?;
        listing.stamp = before;
        listing.settled = before.settled_on(dir, began);
        listing.complete = before == after && listing.settled;
        if listing.complete || before == after {
            break;
        }
    }
    Ok(listing)
}

/// A regular file that is not hidden, as far as the folder itself tells.
fn is_mail(name: &OsStr, kind: FileType) -> bool {
    !name.as_encoded_bytes().starts_with(b".") && matches!(kind, FileType::RegularFile | FileType::Unknown)
}

/// Programs that rename a file at every moment are not waited for.
const ATTEMPTS: usize = 4;

//! Removing the files of a folder.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::os::Dir;
use crate::store::Trouble;
use crate::store::disk::Disk;
use crate::store::local::LocalHome;
use crate::store::name::disk::Layout;

/// Removes the folder at `path`: first from sight, then file by file, so that a crash leaves no half folder.
pub fn remove(home: &LocalHome, path: &Path) -> Result<(), Trouble> {
    let removed = home.account().actor.run(|| {
        let (above, name) = super::split(path)?;
        let dir = Dir::open(above)?;
        match home.layout() {
            Layout::Mbox => home.shared().disk.unlink_in(&dir, name)?,
            Layout::Maildir => trash(home, &dir, name)?,
        }
        home.shared().disk.sync_dir(&dir)
    });
    removed.map_err(Trouble::io("removing", path))
}

/// Removes the folders above a removed mbox in which there is nothing more: a level of the hierarchy that leads nowhere.
pub fn remove_empty_levels(home: &LocalHome, path: &Path) {
    let top = &home.account().home;
    let levels = path.ancestors().skip(1).take_while(|level| *level != top && level.starts_with(top));
    let removed = |level: &Path| {
        let (above, name) = super::split(level)?;
        home.shared().disk.remove_in(&Dir::open(above)?, name)
    };
    for level in levels {
        // One that is not empty stays.
        if home.account().actor.run(|| removed(level)).is_err() {
            break;
        }
    }
}

fn trash(home: &LocalHome, top: &Dir, name: &OsStr) -> io::Result<()> {
    let trashed = OsString::from(TRASHED);
    let disk = &*home.shared().disk;
    // What an earlier crash has left.
    empty(disk, top, &trashed)?;
    disk.rename_in((top, name), (top, &trashed))?;
    empty(disk, top, &trashed)
}

/// Removes the folder `name` with all that is in it, two levels deep as a Maildir is.
fn empty(disk: &dyn Disk, top: &Dir, name: &OsStr) -> io::Result<()> {
    let folder = match top.beneath(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        folder => folder?,
    };
    for part in folder.names(|_, _| true)? {
        match disk.unlink_in(&folder, &part) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::ISDIR) => {
                let inside = folder.beneath(&part)?;
                inside.names(|_, _| true)?.iter().try_for_each(|file| disk.unlink_in(&inside, file))?;
                disk.remove_in(&folder, &part)?;
            }
            outcome => outcome?,
        }
    }
    disk.remove_in(top, name)
}

/// Dovecot knows that name, and finishes what we could not.
const TRASHED: &str = "..DOVECOT-TRASHED";

//! What a conversion has outlived, or left half written.

use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::marker::Marker;
use super::{beside, by_whoever_may};
use crate::os::Dir;
use crate::store::local::LocalHome;
use crate::store::maildir::name::FileName;
use crate::store::maildir::uidlist;
use crate::store::name::disk::Layout;
use crate::store::{Account, Trouble};

/// Removes what the last conversion left, but for mail that came into the old form at the last moment: that is where the path says.
pub fn clear(home: &LocalHome) -> Result<Option<PathBuf>, Trouble> {
    let account = home.account();
    let path = beside(&account.spool);
    let Some(marker) = Marker::read(account)? else { return Ok(late(&path)) };
    let is_done = home.layout() == marker.to;
    if home.layout() == Layout::Maildir {
        // Their mail is in the Maildir, or not yet out of it.
        account.actor.run(|| remove_mboxes(account, &marker)).map_err(Trouble::io("removing mboxes in", &account.home))?;
    }
    let removed = match (is_done, marker.to) {
        (false, _) => by_whoever_may(account.actor, || remove(&path)),
        (true, Layout::Maildir) => by_whoever_may(account.actor, || keep_tail(&path, marker.size)),
        (true, Layout::Mbox) => by_whoever_may(account.actor, || keep_unlisted(&path)),
    };
    removed.map_err(Trouble::io("removing", &path))?;
    Marker::remove(account)?;
    Ok(late(&path))
}

/// What is still there after all that was known has gone.
fn late(path: &Path) -> Option<PathBuf> {
    path.symlink_metadata().is_ok().then(|| path.to_owned())
}

fn remove_mboxes(account: &Account, marker: &Marker) -> io::Result<()> {
    for mbox in &marker.mboxes {
        let mut dir = Dir::open(&account.home)?;
        let (Some(above), Some(name)) = (mbox.parent(), mbox.file_name()) else { continue };
        let mut levels = above.components();
        let found = levels.try_for_each(|level| {
            dir = dir.beneath(level.as_os_str())?;
            io::Result::Ok(())
        });
        match found.and_then(|()| Ok(rustix::fs::unlinkat(&dir, name, rustix::fs::AtFlags::empty())?)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Levels that are empty now go, too; rmdir(2) knows which.
        let mut level = above;
        while !level.as_os_str().is_empty() && std::fs::remove_dir(account.home.join(level)).is_ok() {
            level = level.parent().unwrap_or(Path::new(""));
        }
    }
    let home = Dir::open(&account.home)?;
    for list in [".subscriptions", crate::store::folders::lists::SPECIALS] {
        let _ = rustix::fs::unlinkat(&home, list, rustix::fs::AtFlags::empty());
    }
    // What was noted of the mboxes is in the Maildir.
    if let Ok(notes) = home.beneath(".vmail") {
        for name in notes.names(|_, _| true)? {
            let _ = rustix::fs::unlinkat(&notes, &name, rustix::fs::AtFlags::empty());
        }
    }
    home.sync()
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Of the old mbox only what was appended after it was read, an mbox itself.
fn keep_tail(path: &Path, size: u64) -> io::Result<()> {
    let dir = Dir::open(path.parent().unwrap_or(Path::new("/")))?;
    let name = path.file_name().unwrap_or_default();
    let mut file = match dir.write(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    if file.metadata()?.len() <= size {
        return remove(path);
    }
    file.seek(SeekFrom::Start(size))?;
    let mut tail = Vec::new();
    file.by_ref().take(LARGEST).read_to_end(&mut tail)?;
    // A tail that is no mbox, or too large, stays behind what was before: that is a duplicate, and no loss.
    if tail.starts_with(b"From ") && (tail.len() as u64) < LARGEST {
        crate::os::atomic::replace(path, &tail, 0o600)?;
    }
    Ok(())
}

/// Of the old Maildir only the messages that no list has.
fn keep_unlisted(path: &Path) -> io::Result<()> {
    let top = match Dir::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        top => top?,
    };
    let mut kept = keep_in(&top)?;
    for name in top.names(|name, _| name.as_encoded_bytes().starts_with(b"."))? {
        match top.beneath(&name) {
            Ok(folder) => kept += keep_in(&folder)?,
            Err(_) => continue,
        }
    }
    if kept == 0 { remove(path) } else { Ok(()) }
}

fn keep_in(folder: &Dir) -> io::Result<usize> {
    let list = match folder.content("dovecot-uidlist", uidlist::LARGEST as u64) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        list => list?,
    };
    let listed: HashSet<&[u8]> = match uidlist::read(&list) {
        Ok((_, records)) => records.map(|record| record.base).collect(),
        Err(_) => HashSet::new(),
    };
    let mut kept = 0;
    for part in ["new", "cur"] {
        let Ok(dir) = folder.beneath(part) else { continue };
        for name in dir.names(|name, _| !name.as_encoded_bytes().starts_with(b"."))? {
            match listed.contains(FileName::parse(&name).base()) {
                true => rustix::fs::unlinkat(&dir, &name, rustix::fs::AtFlags::empty())?,
                false => kept += 1,
            }
        }
    }
    Ok(kept)
}

const LARGEST: u64 = 64 << 20;

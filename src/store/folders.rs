//! The folders of a home on this machine: what there is, and making, removing and renaming.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType};
use xxhash_rust::xxh3::xxh3_64;

use super::local::LocalHome;
use super::mailbox::Open;
use super::mbox;
use super::name::disk::Layout;
use super::name::{BadName, FolderName};
use super::news::Place;
use super::{Account, Listed, MailboxId, Trouble, Uids};
use crate::config::SpecialUse;
use crate::os::Dir;

mod known;
pub mod lists;
mod removal;

pub use known::Known;
pub use lists::subscribe;

/// Where folder `name` of `account` is.
///
/// # Errors
/// [`Trouble::BadName`]: no folder of this layout can be called so.
pub fn path(account: &Account, layout: Layout, name: &FolderName) -> Result<PathBuf, Trouble> {
    if name.is_inbox() {
        return Ok(account.spool.clone());
    }
    let (top, path) = (top(account, layout), account.naming(layout).path(name));
    if let Ok(path) = &path
        && (is_plain(name) || is_there(account, &top.join(path)))
    {
        return Ok(top.join(path));
    }
    // It may be one that another program made, as `.Räder` where we would write `.R&AOQ-der`.
    match found(account, layout)?.remove(name) {
        Some(other) => Ok(top.join(other)),
        None => path.map(|path| top.join(path)).map_err(Trouble::BadName),
    }
}

/// A name that has no other form on disk.
fn is_plain(name: &FolderName) -> bool {
    name.parts().all(|part| part.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'&'))
}

fn is_there(account: &Account, path: &Path) -> bool {
    account.actor.run(|| path.symlink_metadata()).is_ok()
}

/// What the index of a folder is called: injective, and never the name of one of the index's files.
pub fn index_name(name: &FolderName) -> String {
    let mut text = String::from("=");
    for octet in name.display('/').to_string().bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b' ' => text.push(char::from(octet)),
            b'/' => text.push('.'),
            _ => text.push_str(&format!("%{octet:02X}")),
        }
    }
    if text.len() > LONGEST {
        let sum = xxh3_64(text.as_bytes());
        text.truncate(LONGEST - 17);
        text.push_str(&format!("={sum:016x}"));
    }
    text
}

/// All folders, as [`Home::list`](super::Home::list) gives them.
pub fn list(home: &LocalHome) -> Result<Arc<[Listed]>, Trouble> {
    match home.layout() {
        Layout::Maildir => home.shared().lists.keep(home.account(), || read(home)),
        // Each file would have to be looked at, whether it is an mbox.
        Layout::Mbox => read(home).map(Arc::from),
    }
}

fn read(home: &LocalHome) -> Result<Vec<Listed>, Trouble> {
    let (account, layout) = (home.account(), home.layout());
    let (subscribed, specials) = (lists::subscriptions(home)?, lists::specials(home)?);
    let mut all: BTreeMap<FolderName, Listed> = BTreeMap::new();
    let no_inferiors = layout == Layout::Mbox;
    let line = |name: &FolderName, exists: bool| Listed {
        name: name.clone(),
        exists,
        no_inferiors: exists && no_inferiors && !name.is_inbox(),
        subscribed: false,
        special: specials.get(name).copied().or_else(|| usual(name)).filter(|_| exists),
    };
    all.insert(FolderName::inbox(), line(&FolderName::inbox(), true));
    for name in found(account, layout)?.into_keys() {
        let mut above = name.parent();
        while let Some(level) = above {
            all.entry(level.clone()).or_insert_with(|| line(&level, false));
            above = level.parent();
        }
        all.insert(name.clone(), line(&name, true));
    }
    for name in subscribed {
        all.entry(name.clone()).or_insert_with(|| line(&name, false)).subscribed = true;
    }
    Ok(all.into_values().collect())
}

/// What a folder of this name is for, unless somebody says otherwise.
pub fn usual(name: &FolderName) -> Option<SpecialUse> {
    SpecialUse::ALL.into_iter().find(|special| name.parent().is_none() && name.last().eq_ignore_ascii_case(special.name()))
}

/// Where other programs leave traces when they change anything in the home.
pub fn watched(home: &LocalHome) -> Vec<Place> {
    let (account, layout) = (home.account(), home.layout());
    let top = top(account, layout);
    let mut places = vec![Place { folder: top.into(), name: None, actor: account.actor }];
    let names = found(account, layout).unwrap_or_default().into_keys().chain([FolderName::inbox()]);
    places.extend(names.filter_map(|name| home.mailbox(&name).ok()).flat_map(|mailbox| mailbox.watched()));
    places
}

/// Makes a folder.
pub fn create(home: &LocalHome, name: &FolderName, special: Option<SpecialUse>) -> Result<MailboxId, Trouble> {
    let (account, layout) = (home.account(), home.layout());
    if name.is_inbox() {
        return Err(Trouble::Exists);
    }
    let path = path(account, layout, name)?;
    if layout == Layout::Maildir {
        // The folder is made in INBOX's.
        home.mailbox(&FolderName::inbox())?.spool.hold(true)?;
    }
    let made = account.actor.run(|| match layout {
        Layout::Maildir => make_maildir(home, &path),
        Layout::Mbox => make_mbox(home, &path),
    });
    match made {
        Ok(true) => {}
        Ok(false) => return Err(Trouble::Exists),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(Trouble::BadName(BadName::Reserved)),
        Err(error) => return Err(Trouble::io("making", &path)(error)),
    }
    if let Some(special) = special {
        lists::note_special(home, name, special)?;
    }
    forget(home, name);
    if layout == Layout::Mbox {
        // A folder of that name may have been removed by another program.
        mbox::forget(home.shared(), account, name);
    }
    let state = home.mailbox(name)?.look()?;
    if layout == Layout::Mbox {
        // An empty file says nothing of UIDVALIDITY and MAILBOXID.
        mbox::take_along(home.shared(), account, &state, name, name);
    }
    home.changed();
    Ok(MailboxId(state.head().mailbox))
}

fn make_maildir(home: &LocalHome, path: &Path) -> io::Result<bool> {
    let (above, name) = split(path)?;
    let (disk, top) = (&*home.shared().disk, Dir::open(above)?);
    if !disk.make_in(&top, name)? {
        return Ok(false);
    }
    let folder = top.beneath(name)?;
    super::maildir::make_parts(disk, &folder)?;
    // Maildir++: what tells a folder from an account.
    disk.create_in(&folder, "maildirfolder".as_ref())?;
    disk.sync_dir(&folder)?;
    disk.sync_dir(&top)?;
    Ok(true)
}

/// Makes an mbox at `path`, somewhere below `top`; `false` when there is one.
pub fn make_mbox(home: &LocalHome, path: &Path) -> io::Result<bool> {
    let (disk, (above, name)) = (&*home.shared().disk, split(path)?);
    let dir = make_levels(home, above)?;
    match disk.create_in(&dir, name) {
        Ok(file) => disk.sync(&file).and_then(|()| disk.sync_dir(&dir)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes a folder and its mail.
pub fn delete(home: &LocalHome, name: &FolderName) -> Result<(), Trouble> {
    if name.is_inbox() {
        return Err(Trouble::BadName(BadName::Reserved));
    }
    let path = existing(home, name)?;
    uncounted(home, name, || removal::remove(home, &path))?;
    if home.layout() == Layout::Mbox {
        mbox::forget(home.shared(), home.account(), name);
        removal::remove_empty_levels(home, &path);
    }
    lists::forget_special(home, name)?;
    forget(home, name);
    home.changed();
    Ok(())
}

/// Gives a folder and those below it another name.
pub fn rename(home: &LocalHome, from: &FolderName, to: &FolderName) -> Result<(), Trouble> {
    if to.starts_with(from) && !from.is_inbox() {
        return Err(if to == from { Trouble::Exists } else { Trouble::BadName(BadName::Reserved) });
    }
    if from.is_inbox() {
        create(home, to, None)?;
        let inbox = home.mailbox(from)?;
        let uidvalidity = inbox.look()?.head().uidvalidity;
        inbox.relocate(uidvalidity, &Uids::all(), &*home.mailbox(to)?)?;
        return Ok(());
    }
    let (account, layout) = (home.account(), home.layout());
    let there = found(account, layout)?;
    // It may be a mere level of the hierarchy.
    let moves = there.keys().filter(|name| name.starts_with(from));
    let moves: Vec<(FolderName, FolderName)> =
        moves.map(|old| old.renamed(from, to).map(|new| (old.clone(), new))).collect::<Result<_, _>>().map_err(Trouble::BadName)?;
    if moves.is_empty() {
        return Err(Trouble::NoFolder);
    }
    if to.is_inbox() || there.contains_key(to) || moves.iter().any(|(_, new)| there.contains_key(new) && !new.starts_with(from)) {
        return Err(Trouble::Exists);
    }
    let targets: Vec<PathBuf> = moves.iter().map(|(_, new)| path(account, layout, new)).collect::<Result<_, _>>()?;
    for ((old, new), target) in std::iter::zip(&moves, targets) {
        // What the journal alone knows must be in the files, which keep it under the new name.
        home.mailbox(old)?.settle()?;
        if layout == Layout::Mbox {
            mbox::take_along(home.shared(), account, &home.mailbox(old)?.look()?, old, new);
        }
        let (quota, user) = (home.shared().quota(account.owner.domain()), account.owner.user());
        let there = quota.folder_usage(user, &old.display('/').to_string())?;
        let from_path = path(account, layout, old)?;
        uncounted(home, old, || move_folder(home, &from_path, &target)).inspect_err(|_| {
            if layout == Layout::Mbox {
                mbox::forget(home.shared(), account, new);
            }
        })?;
        account.count(home.shared(), new, there.octets, there.messages);
        if layout == Layout::Mbox {
            mbox::forget(home.shared(), account, old);
            removal::remove_empty_levels(home, &from_path);
        }
        Open::forget(home.shared(), &home.index(old));
        // Going without an index only costs time.
        let _ = home.shared().disk.rename(&home.index(old), &home.index(new));
    }
    lists::rename_special(home, from, to)?;
    home.changed();
    Ok(())
}

/// Does `deed`, after which there is no folder `name`. A crash may leave one that does not count until it changes, but none that counts
/// for ever because nobody can change it any more.
fn uncounted(home: &LocalHome, name: &FolderName, deed: impl FnOnce() -> Result<(), Trouble>) -> Result<(), Trouble> {
    let account = home.account();
    let there = home.shared().quota(account.owner.domain()).folder_usage(account.owner.user(), &name.display('/').to_string())?;
    account.count(home.shared(), name, 0, 0);
    deed().inspect_err(|_| {
        if existing(home, name).is_ok() {
            account.count(home.shared(), name, there.octets, there.messages);
        }
    })
}

fn move_folder(home: &LocalHome, from: &Path, to: &Path) -> Result<(), Trouble> {
    let disk = &home.shared().disk;
    let moved = home.account().actor.run(|| {
        let ((above, name), (new_above, new_name)) = (split(from)?, split(to)?);
        if home.layout() == Layout::Mbox {
            make_levels(home, new_above)?;
        }
        let (old, new) = (Dir::open(above)?, Dir::open(new_above)?);
        if rustix::fs::statat(&new, new_name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.rename_in((&old, name), (&new, new_name))?;
        disk.sync_dir(&old)?;
        disk.sync_dir(&new)
    });
    moved.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Trouble::Exists,
        // An mbox has no folders below it.
        io::ErrorKind::NotADirectory => Trouble::BadName(BadName::Reserved),
        _ => Trouble::io("renaming", from)(error),
    })
}

/// The folder at `path` below the home, made durably with those above it where they are missing.
fn make_levels(home: &LocalHome, path: &Path) -> io::Result<Dir> {
    let (disk, top) = (&*home.shared().disk, &home.account().home);
    let mut dir = Dir::open(top)?;
    for level in path.strip_prefix(top).map_err(io::Error::other)?.components() {
        if disk.make_in(&dir, level.as_os_str())? {
            disk.sync_dir(&dir)?;
        }
        dir = dir.beneath(level.as_os_str())?;
    }
    Ok(dir)
}

/// Where an existing folder is.
pub fn existing(home: &LocalHome, name: &FolderName) -> Result<PathBuf, Trouble> {
    let path = path(home.account(), home.layout(), name)?;
    match home.account().actor.run(|| path.symlink_metadata()) {
        // A level of the hierarchy.
        Ok(there) if home.layout() == Layout::Mbox && there.is_dir() => Err(Trouble::NoFolder),
        Ok(_) => Ok(path),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Err(Trouble::NoFolder),
        Err(error) => Err(Trouble::io("looking at", &path)(error)),
    }
}

/// No session finds the index of `name` any more, nor does a new folder of that name.
fn forget(home: &LocalHome, name: &FolderName) {
    let index = home.index(name);
    Open::forget(home.shared(), &index);
    super::index::Index::remove(&index, &*home.shared().disk);
}

/// The folders that are there, INBOX aside, and where.
pub fn found(account: &Account, layout: Layout) -> Result<BTreeMap<FolderName, OsString>, Trouble> {
    let top = top(account, layout);
    let paths = account.actor.run(|| match layout {
        Layout::Maildir => Dir::open(top)?.names(|name, kind| name.as_bytes().starts_with(b".") && is_folder(kind)),
        Layout::Mbox => files(top),
    });
    match paths {
        Ok(paths) => Ok(account.naming(layout).listing(paths)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(Trouble::io("listing", top)(error)),
    }
}

/// Where the mboxes of an account are, and what they are called.
pub fn mboxes(account: &Account) -> Result<Vec<(FolderName, PathBuf)>, Trouble> {
    let folders = found(account, Layout::Mbox)?.into_iter().map(|(name, path)| (name, account.home.join(path)));
    Ok(folders.chain([(FolderName::inbox(), account.spool.clone())]).collect())
}

fn is_folder(kind: FileType) -> bool {
    matches!(kind, FileType::Directory | FileType::Unknown)
}

/// The files below `top` that are mboxes, or empty.
fn files(top: &Path) -> io::Result<Vec<OsString>> {
    let mut all = Vec::new();
    let mut levels = vec![(Dir::open(top)?, PathBuf::new())];
    while let Some((dir, path)) = levels.pop() {
        let mut below = Vec::new();
        let names = dir.names(|name, kind| {
            let visible = !name.as_bytes().starts_with(b".");
            if visible && kind == FileType::Directory {
                below.push(name.to_owned());
            }
            visible && matches!(kind, FileType::RegularFile | FileType::Unknown)
        })?;
        all.extend(names.into_iter().filter(|name| is_mbox(&dir, name)).map(|name| path.join(name).into_os_string()));
        if all.len() > MOST || path.components().count() >= DEEPEST {
            continue;
        }
        for name in below {
            levels.push((dir.beneath(&name)?, path.join(&name)));
        }
    }
    Ok(all)
}

fn is_mbox(dir: &Dir, name: &OsStr) -> bool {
    use std::os::unix::fs::FileExt;
    let Ok(file) = dir.read(name) else { return false };
    let mut beginning = [0; 5];
    match file.read_at(&mut beginning, 0) {
        Ok(0) => true,
        Ok(read) => &beginning[..read] == b"From ",
        Err(_) => false,
    }
}

fn top(account: &Account, layout: Layout) -> &Path {
    match layout {
        Layout::Maildir => &account.spool,
        Layout::Mbox => &account.home,
    }
}

fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    match (path.parent(), path.file_name()) {
        (Some(above), Some(name)) => Ok((above, name)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Octets of an index folder's name.
const LONGEST: usize = 200;
/// Files and levels that are looked at below a home.
const MOST: usize = 100_000;
const DEEPEST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_of_different_folders_are_apart() {
        let name = |text: &str| index_name(&FolderName::parse(text, '/').unwrap());
        assert_eq!(name("Lists/Rust"), "=Lists.Rust");
        assert_eq!(name("Lists.Rust"), "=Lists%2ERust");
        let long = |last: &str| name(&format!("{}{last}", "x".repeat(LONGEST)));
        assert!(long("a").len() <= LONGEST && long("a") != long("b"));
    }
}

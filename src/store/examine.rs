//! What is wrong with a mailbox, for whoever can mend it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::index::{Found, Index};
use super::local::LocalHome;
use super::name::disk::Layout;
use super::quota::Usage;
use super::{FolderName, State, Trouble, folders, maildir};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    pub path: PathBuf,
    pub what: String,
    pub mend: Mend,
}

/// What an operator can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// Make the index anew.
    Rebuild,
    /// Count the domain's mail anew.
    Recompute,
    /// Give the file or folder to its owner, and to nobody else.
    Give,
    /// Look at it, and remove it if nobody needs it.
    Look,
}

impl fmt::Display for Oddity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.path.display(), self.what)
    }
}

/// Looks at folder `name`: its index as it lies there, its files, which should belong to `uid`, and its figure in the quota.
pub fn examine(home: &LocalHome, name: &FolderName, uid: u32) -> Result<Vec<Oddity>, Trouble> {
    let mut odd = Vec::new();
    odd.extend(index(home, &home.index(name)));
    let (account, layout) = (home.account(), home.layout());
    let path = folders::path(account, layout, name)?;
    let state = home.mailbox(name)?.look()?;
    odd.extend(quota(home, name, &state)?);
    if path.symlink_metadata().is_ok() {
        let seen = account.actor.run(|| match layout {
            Layout::Maildir => maildir::examine(&path, uid, &state),
            Layout::Mbox => file(&path, uid),
        });
        odd.extend(seen.map_err(Trouble::io("looking at", &path))?);
    }
    Ok(odd)
}

fn index(home: &LocalHome, folder: &Path) -> Option<Oddity> {
    let what = match Index::open(folder, &home.shared().disk) {
        Ok(Found::Index(index)) if index.state().is_damaged() => "the index is damaged".into(),
        Ok(Found::Index(_) | Found::Nothing) => return None,
        Ok(Found::Useless(why)) => format!("the index is of no use: {why}"),
        Err(error) => format!("the index can't be read: {error}"),
    };
    Some(Oddity { path: folder.into(), what, mend: Mend::Rebuild })
}

fn quota(home: &LocalHome, name: &FolderName, state: &State) -> Result<Option<Oddity>, Trouble> {
    let owner = &home.account().owner;
    let counter = Arc::clone(home.shared()).quota(owner.domain());
    let (counted, totals) = (counter.folder_usage(owner.user(), &name.display('/').to_string())?, state.head().totals);
    let is = Usage { octets: totals.stored, messages: totals.messages };
    let what =
        format!("the quota has {} messages with {} octets, there are {} with {}", counted.messages, counted.octets, is.messages, is.octets);
    let path = home.shared().places.quota.join(owner.domain().as_str());
    Ok((counted != is).then_some(Oddity { path, what, mend: Mend::Recompute }))
}

fn file(path: &Path, uid: u32) -> std::io::Result<Vec<Oddity>> {
    let stat = rustix::fs::statat(rustix::fs::CWD, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(strange(&stat, uid).map(|what| Oddity { path: path.into(), what, mend: Mend::Give }).into_iter().collect())
}

/// What is wrong with the owner or the mode of a file or folder of `uid`.
pub fn strange(stat: &rustix::fs::Stat, uid: u32) -> Option<String> {
    let mode = stat.st_mode & 0o7777;
    match () {
        () if stat.st_uid != uid => Some(format!("belongs to uid {}, not {uid}", stat.st_uid)),
        () if mode & 0o007 != 0 => Some(format!("is open to everybody: mode {mode:04o}")),
        () if mode & 0o600 != 0o600 => Some(format!("is shut to its owner: mode {mode:04o}")),
        () => None,
    }
}

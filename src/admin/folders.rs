//! Making, moving and removing the folders of domains and accounts.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use anyhow::Context;

use super::Admin;
use crate::address::{Domain, Owner};
use crate::config::Owned;

impl Admin {
    /// The service user's uid and gid, where there is such a user and we may give files away.
    pub(super) fn service(&self) -> Option<(u32, u32)> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let user = nix::unistd::User::from_name(&self.machine.user).ok().flatten()?;
        Some((user.uid.as_raw(), user.gid.as_raw()))
    }

    /// The folders of a domain's maildrops and homes.
    pub(super) fn make_domain_folders(&self, domain: &Domain, owned: Owned) -> anyhow::Result<()> {
        let spool = self.root.spool(domain);
        let homes = self.root.path().join("vhome").join(domain.as_str()).join("home");
        make(&spool, 0o755)?;
        make(&homes, 0o755)?;
        match owned {
            Owned::Vmail => {
                self.give(&spool, self.service())?;
                self.give(&homes, self.service())
            }
            // As /var/mail is: each owner makes his own lock files, and removes nobody else's.
            Owned::User => set_mode(&spool, 0o1777),
        }
    }

    /// The home and the empty maildrop of an account.
    pub(super) fn make_account_folders(&self, owner: &Owner, home: &Path, owned: Owned, uid: u32, gid: u32) -> anyhow::Result<()> {
        self.make_domain_folders(owner.domain(), owned)?;
        let ids = match owned {
            Owned::Vmail => self.service(),
            Owned::User => rustix::process::geteuid().is_root().then_some((uid, gid)),
        };
        make(home, 0o700)?;
        self.give(home, ids)?;
        let maildrop = self.root.spool(owner.domain()).join(owner.user().as_str());
        match File::options().write(true).create_new(true).mode(0o600).open(&maildrop) {
            Ok(_) => self.give(&maildrop, ids),
            // Mail that was kept when an account of that name was removed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.give(&maildrop, ids),
            Err(error) => Err(error).with_context(|| format!("{}: can't be made", maildrop.display())),
        }
    }

    fn give(&self, path: &Path, ids: Option<(u32, u32)>) -> anyhow::Result<()> {
        let Some((uid, gid)) = ids else { return Ok(()) };
        chown(path, Some(uid), Some(gid)).with_context(|| format!("{}: can't be given to uid {uid}", path.display()))
    }
}

fn make(folder: &Path, mode: u32) -> anyhow::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).with_context(|| format!("{}: can't be made", folder.display()))?;
    if mode == 0o755 { Ok(()) } else { set_mode(folder, mode) }
}

fn set_mode(path: &Path, mode: u32) -> anyhow::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).with_context(|| format!("{}: can't change its mode", path.display()))
}

/// Moves what is there; nothing to move is no error.
pub(super) fn move_if_there(from: &Path, to: &Path) -> anyhow::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.with_context(|| format!("{}: can't be moved to {}", from.display(), to.display())),
    }
}

/// Removes a file or a folder with all that is in it; nothing to remove is no error.
pub(super) fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.with_context(|| format!("{}: can't be removed", path.display())),
    }
}

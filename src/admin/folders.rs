//! Making, moving and removing the folders of domains and accounts.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, anyhow};

use super::{Admin, maildrop, service};
use crate::address::{Domain, Owner};
use crate::config::{DomainRecord, Owned};
use crate::os::place::{Place, make_folders};
use crate::store::Places;

impl Admin {
    /// The service user's uid and gid, where there is such a user and we may give files away.
    pub(super) fn service(&self) -> Option<(u32, u32)> {
        service::user(&self.machine)
    }

    /// Whose files are no strangers': root's, ours and the service's.
    pub(super) fn known(&self) -> Vec<u32> {
        service::known(&self.machine)
    }

    /// The folders of a domain's maildrops and homes, and those of the service: a delivery that does not begin as root can't make them.
    pub(super) fn make_domain_folders(&self, domain: &Domain, owned: Owned) -> anyhow::Result<()> {
        if let Some((uid, gid)) = self.service() {
            Places::below(&self.root, &self.machine).own(uid, gid).context("the folders of the service can't be made")?;
        }
        let spool = self.root.spool(domain);
        let homes = self.root.path().join("vhome").join(domain.as_str()).join("home");
        for folder in [&spool, &homes] {
            let above = folder.parent().unwrap_or(self.root.path());
            make_folders(above).with_context(|| format!("{}: can't be made", above.display()))?;
            let made = Place::folder(folder, &self.known()).and_then(|(place, is_new)| {
                if owned == Owned::Vmail {
                    give(&place, self.service())?;
                }
                match owned {
                    // As /var/mail is: each owner makes his own lock files, and removes nobody else's.
                    Owned::User if *folder == spool => place.set_mode(0o1777),
                    _ if is_new => place.set_mode(0o755),
                    _ => Ok(()),
                }
            });
            made.map_err(|error| fault(folder, error))?;
        }
        Ok(())
    }

    /// The home and the empty maildrop of an account, in the domain's form. What [`Admin::keep`] kept becomes this account's: the two themselves, not
    /// what is in the home, which keeps its owner.
    pub(super) fn make_account_folders(&self, owner: &Owner, home: &Path, record: &DomainRecord, uid: u32, gid: u32) -> anyhow::Result<()> {
        let owned = record.owner;
        self.make_domain_folders(owner.domain(), owned)?;
        let ids = match owned {
            Owned::Vmail => self.service(),
            Owned::User => rustix::process::geteuid().is_root().then_some((uid, gid)),
        };
        let known: Vec<u32> = self.known().into_iter().chain([uid]).collect();
        let maildrop = self.root.spool(owner.domain()).join(owner.user().as_str());
        // Given away only when both are there: a uid that nobody gets in the end would make them a stranger's for the next attempt.
        let (in_home, _) = Place::folder(home, &known).map_err(|error| fault(home, error))?;
        let in_spool = maildrop::make(&maildrop, record.spool, &known).map_err(|error| fault(&maildrop, error))?;
        give_alone(&in_home, ids, 0o700).map_err(|error| fault(home, error))?;
        maildrop::give(&in_spool, &maildrop, ids).map_err(|error| fault(&maildrop, error))
    }

    /// Marks the mail of a removed account of `uid` as kept: an account that gets the name later may have it, though its uid is
    /// another. What is a stranger's stays a stranger's.
    pub(super) fn keep(&self, owner: &Owner, owned: Owned, uid: u32) -> anyhow::Result<()> {
        let ids = match owned {
            Owned::Vmail => self.service(),
            Owned::User => rustix::process::geteuid().is_root().then_some((0, 0)),
        };
        if ids.is_none() {
            return Ok(());
        }
        let known: Vec<u32> = self.known().into_iter().chain([uid]).collect();
        let (maildrop, home) = (self.root.spool(owner.domain()).join(owner.user().as_str()), self.root.home(owner));
        let in_home = Place::folder_that_is_there(&home, &known).map(|place| (place, 0o700));
        for (place, path) in [(maildrop::that_is_there(&maildrop, &known), &maildrop), (in_home, &home)] {
            match place.and_then(|(place, mode)| give_alone(&place, ids, mode)) {
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {}
                outcome => outcome.map_err(|error| fault(path, error))?,
            }
        }
        Ok(())
    }
}

fn give(place: &Place, ids: Option<(u32, u32)>) -> io::Result<()> {
    ids.map_or(Ok(()), |(uid, gid)| place.give(uid, gid))
}

/// Gives it, and shuts it to everybody else.
fn give_alone(place: &Place, ids: Option<(u32, u32)>, mode: u32) -> io::Result<()> {
    give(place, ids)?;
    place.set_mode(mode)
}

fn fault(path: &Path, error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists => anyhow!("{}: {error}", path.display()),
        _ => anyhow::Error::new(error).context(format!("{}: can't be made or given to its owner", path.display())),
    }
}

/// Whether anything has this name, be it a link to nowhere.
pub(super) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
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

//! Acting as the service: what tools make in its folders must be the service's, whoever starts them.

use std::path::Path;

use anyhow::Context;

use crate::config::{Machine, Root};
use crate::os::Actor;
use crate::os::place::{self, Place};
use crate::store::{Places, Store};

/// The service user's uid and gid, where there is such a user and we may give files away.
pub(super) fn user(machine: &Machine) -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let user = nix::unistd::User::from_name(&machine.user).ok().flatten()?;
    Some((user.uid.as_raw(), user.gid.as_raw()))
}

/// The service's rights.
pub(super) fn actor(machine: &Machine) -> Actor {
    user(machine).map_or(Actor::Service, |(uid, gid)| Actor::User { uid, gid })
}

/// Whose files are no strangers': root's, ours and the service's.
pub(super) fn known(machine: &Machine) -> Vec<u32> {
    let own = rustix::process::geteuid().as_raw();
    [0, own].into_iter().chain(user(machine).map(|(uid, _)| uid)).collect()
}

/// The store, with the folder of its locks.
pub(super) fn store(root: &Root, machine: &Machine) -> anyhow::Result<Store> {
    let places = Places::below(root, machine);
    make(&places.run, 0o755, machine)?;
    Ok(Store::new(places))
}

/// Makes the folders in which the store keeps what it knows of mail.
pub(super) fn make_folders(root: &Root, machine: &Machine) -> anyhow::Result<()> {
    [root.index(), root.redo(), root.quota(), root.staging()].iter().try_for_each(|folder| make(folder, 0o700, machine))
}

fn make(folder: &Path, mode: u32, machine: &Machine) -> anyhow::Result<()> {
    let made = place::make_folders(folder.parent().unwrap_or(Path::new("/"))).and_then(|()| {
        let (place, is_new) = Place::folder(folder, &known(machine))?;
        match user(machine) {
            Some((uid, gid)) if is_new => place.give(uid, gid).and_then(|()| place.set_mode(mode)),
            _ if is_new => place.set_mode(mode),
            _ => Ok(()),
        }
    });
    made.with_context(|| format!("{}: can't be made", folder.display()))
}

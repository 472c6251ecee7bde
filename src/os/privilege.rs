//! The rights of the process itself: given up early, kept only as far as some domain needs them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::thread::{CapabilitySet, CapabilitySets};

/// What the process must still be able to do after it has become the service user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// Act on files as the owners of accounts, and start programs as other users.
    pub other_users: bool,
    /// Read files of root's, like `shadow.DOMAIN` of a linuxconf tree.
    pub root_files: bool,
}

/// Becomes `uid`/`gid` for good, in all threads, and keeps only the capabilities that `needs` names.
/// A process that is not root's stays what it is. To be called before any thread is started: Linux keeps capabilities by thread.
pub fn become_service(uid: u32, gid: u32, needs: Needs) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let kept = kept(needs);
    rustix::thread::set_keep_capabilities(!kept.is_empty())?;
    nix::unistd::setgroups(&[])?;
    nix::unistd::setresgid(gid.into(), gid.into(), gid.into())?;
    nix::unistd::setresuid(uid.into(), uid.into(), uid.into())?;
    // Reading root's files is switched on for each deed alone: it would also open every user's mail.
    let effective = kept & (CapabilitySet::SETUID | CapabilitySet::SETGID);
    set(effective, kept)?;
    Ok(())
}

/// Whether the calling thread can do all of that.
pub fn has(needs: Needs) -> bool {
    rustix::thread::capabilities(None).is_ok_and(|held| held.permitted.contains(kept(needs)))
}

fn kept(needs: Needs) -> CapabilitySet {
    let mut kept = CapabilitySet::empty();
    if needs.other_users {
        kept |= CapabilitySet::SETUID | CapabilitySet::SETGID;
    }
    if needs.root_files {
        kept |= CapabilitySet::DAC_READ_SEARCH;
    }
    kept
}

fn set(effective: CapabilitySet, permitted: CapabilitySet) -> rustix::io::Result<()> {
    rustix::thread::set_capabilities(None, CapabilitySets { effective, permitted, inheritable: CapabilitySet::empty() })
}

/// Opens a file of the administrator's for reading, with the right to read root's files if the process has kept it.
pub fn open_for_reading(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => open_with_kept_right(path, error),
        opened => opened,
    }
}

/// The text of a file of the administrator's, as [`open_for_reading`].
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open_for_reading(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Whether a process of `uid` and `gid`, without other rights, could read the file at `path`, as far as the file's own mode says. A file
/// that is not there needs no rights.
pub fn may_read(path: &Path, uid: u32, gid: u32) -> bool {
    let Ok(meta) = std::fs::metadata(path) else { return true };
    let bit = match (meta.uid() == uid, meta.gid() == gid) {
        (true, _) => 0o400,
        (false, true) => 0o040,
        (false, false) => 0o004,
    };
    meta.mode() & bit != 0
}

fn open_with_kept_right(path: &Path, denied: io::Error) -> io::Result<File> {
    let held = rustix::thread::capabilities(None)?;
    if !held.permitted.contains(CapabilitySet::DAC_READ_SEARCH) || held.effective.contains(CapabilitySet::DAC_READ_SEARCH) {
        return Err(denied);
    }
    set(held.effective | CapabilitySet::DAC_READ_SEARCH, held.permitted)?;
    let opened = File::open(path);
    set(held.effective, held.permitted)?;
    opened
}

//! The deeds of operators: what `vmail domain` and `vmail user` do, and later the web pages.

mod claims;
mod domain;
mod folders;
mod lines;
mod mailbox;
mod maildrop;
mod mailroom;
mod quota;
mod service;
mod user;

pub use domain::{DomainChange, NewDomain};
pub use mailbox::{Format, Import, Line, Mailboxes, Source, Target};
pub use maildrop::make_first;
pub use mailroom::Mailroom;
pub use quota::{QuotaChange, QuotaLine};
pub use user::{NewUser, Remains};

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::config::{Machine, Root};
use crate::vdomain::Directory;

/// The administration of one tree, held alone: whoever has it is the only one that changes files there.
pub struct Admin {
    root: Root,
    machine: Arc<Machine>,
    directory: Directory,
    _lock: File,
}

impl Admin {
    /// Waits until no other administrator is at work, then reads everything.
    ///
    /// # Errors
    /// The tree can't be written, or `vmail.toml` is wrong.
    pub fn lock(root: Root) -> anyhow::Result<Admin> {
        let folder = root.domains();
        crate::os::place::make_folders(&folder).with_context(|| format!("{}: can't be made", folder.display()))?;
        let path = root.etc().join(".lock");
        // Whoever may open it may lock administrators out.
        let lock = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("{}: can't be opened", path.display()))?;
        lock.lock().with_context(|| format!("{}: can't be locked", path.display()))?;
        let machine = Arc::new(Machine::load(&root)?);
        let directory = Directory::load(&root, machine.clone(), None);
        Ok(Admin { directory, machine, root, _lock: lock })
    }

    /// The domains as they were when the administration was taken.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Replaces a file of the administrator's. A new one gets `mode`.
    fn write(&self, path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
        crate::os::atomic::replace(path, text.as_bytes(), mode).with_context(|| format!("{}: can't be written", path.display()))
    }
}

#[cfg(test)]
mod tests;

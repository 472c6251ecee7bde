//! The kinds of homes, and a place with one of them for two writers and a reader.

use std::path::PathBuf;

use tempfile::TempDir;
use vmail::config::{Fsync, Spool};
use vmail::os::Actor;
use vmail::store::{Account, AnyHome, MemoryHome, Places, Store};

/// What keeps the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Memory,
    Maildir,
    Mbox,
}

/// All of them.
pub const KINDS: [Kind; 3] = [Kind::Memory, Kind::Maildir, Kind::Mbox];

impl Kind {
    /// Whether there are files, which other programs change and whose index may be lost.
    pub fn is_on_disk(self) -> bool {
        self != Kind::Memory
    }
}

/// Mail of one account, and what is needed to look at it as another process would.
pub struct Place {
    pub kind: Kind,
    folder: TempDir,
    memory: MemoryHome,
}

impl Place {
    pub fn new(kind: Kind) -> Place {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        Place { kind, folder, memory: MemoryHome::new() }
    }

    /// The home, as a process sees it that has just started.
    pub fn home(&self) -> AnyHome {
        match self.kind {
            Kind::Memory => AnyHome::Memory(self.memory.clone()),
            Kind::Maildir => self.store().home(self.account(Spool::Maildir)),
            Kind::Mbox => self.store().home(self.account(Spool::Mbox)),
        }
    }

    pub fn store(&self) -> Store {
        Store::new(Places::inside(&self.folder.path().join("var"), Fsync::Never))
    }

    /// The places of a store that is not there: for drafts.
    pub fn places(&self) -> Places {
        Places::inside(&self.folder.path().join("var"), Fsync::Never)
    }

    pub fn index(&self) -> PathBuf {
        self.folder.path().join("var/index")
    }

    pub fn spool(&self) -> PathBuf {
        self.folder.path().join("spool/joe")
    }

    /// Where the other folders of mboxes are.
    pub fn home_folder(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn account(&self, format: Spool) -> Account {
        Account::plain("joe@va.test".parse().unwrap(), Actor::Service, self.spool(), self.folder.path().join("home"), format)
    }
}

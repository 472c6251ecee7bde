//! Mailboxes: homes and folders by UID, whatever keeps the octets.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::address::Owner;
use crate::config::{self, Machine as Settings, Root};
use crate::os::Actor;
use claim::Claims;
use disk::{Disk, Machine};

mod any;
mod claim;
mod disk;
pub mod mbox;
mod memory;
mod message;
pub mod news;
pub mod quota;
mod reader;
mod trouble;

pub use any::{AnyFolder, AnyHome};
pub use claim::Claim;
pub use mbox::{MboxFolder, MboxHome};
pub use memory::{MemoryFolder, MemoryHome};
pub use message::{Changes, Flags, Message, Uidl};
pub use reader::Reader;
pub use trouble::Trouble;

/// What the store needs to know of the machine.
#[derive(Debug, Clone)]
pub struct Places {
    /// The disposable indexes: `ROOT/var/lib/vmail/index`.
    pub index: PathBuf,
    /// The redo journals of updates in progress: `ROOT/var/lib/vmail/redo`.
    pub redo: PathBuf,
    /// Locks between processes: `ROOT/run/vmail`.
    pub run: PathBuf,
    /// How spools are locked, in this order.
    pub locks: Vec<LockKind>,
}

impl Places {
    /// Those of the machine whose files are below `root`.
    pub fn below(root: &Root, machine: &Settings) -> Places {
        let lock = |kind: &config::LockKind| match kind {
            config::LockKind::Dotlock => LockKind::Dotlock,
            config::LockKind::Fcntl => LockKind::Fcntl,
            config::LockKind::Flock => LockKind::Flock,
        };
        Places { index: root.index(), redo: root.redo(), run: root.run(), locks: machine.mbox.locks.iter().map(lock).collect() }
    }
}

/// A way in which programs agree on who may change an mbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// The file `SPOOL.lock`.
    Dotlock,
    /// fcntl(2), over the whole file.
    Fcntl,
    /// flock(2).
    Flock,
}

/// One account's mail: where it is and who acts on it.
#[derive(Debug, Clone)]
pub struct Account {
    pub owner: Owner,
    pub actor: Actor,
    /// The mbox file: `ROOT/var/spool/vmail/DOMAIN/USER`. It need not exist.
    pub spool: PathBuf,
}

/// All mailboxes of the machine. Built once; clones share.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    places: Places,
    disk: Box<dyn Disk>,
    claims: Claims,
    /// The spools that a thread of this process is scanning or updating.
    busy: Mutex<HashSet<PathBuf>>,
    freed: Condvar,
    warned: Mutex<HashSet<PathBuf>>,
}

impl Shared {
    /// Tells the administrator, once for each path.
    fn warn_once(&self, path: &Path, error: &io::Error, what: &'static str) {
        if self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned()) {
            tracing::warn!(path = %path.display(), %error, "{what}");
        }
    }
}

impl Store {
    /// Looks at nothing and makes nothing yet.
    pub fn new(places: Places) -> Store {
        Store::on(places, Box::new(Machine))
    }

    /// A store whose updates go through `disk`.
    fn on(places: Places, disk: Box<dyn Disk>) -> Store {
        let claims = Claims::default();
        Store(Arc::new(Shared { places, disk, claims, busy: Mutex::default(), freed: Condvar::new(), warned: Mutex::default() }))
    }

    /// The mail of `account`. Costs nothing; opening a folder does.
    pub fn home(&self, account: Account) -> AnyHome {
        AnyHome::Mbox(MboxHome::new(Arc::clone(&self.0), account))
    }

    /// Makes the caller the only POP3 session of `owner` on this machine, in this process and all others
    /// (RFC 1939 §8, behaviour.md §18 trap 24), until the claim is dropped or the process dies.
    ///
    /// # Errors
    /// [`Trouble::Busy`] while another session has it.
    pub fn claim(&self, owner: &Owner) -> Result<Claim, Trouble> {
        Claim::take(&self.0, owner)
    }

    /// Finishes what a crash interrupted in the mail of `account`, if anything, under the locks. Blocks.
    ///
    /// # Errors
    /// The maildrop can't be locked or written.
    pub fn finish(&self, account: &Account) -> Result<(), Trouble> {
        mbox::finish(&self.0, account)
    }
}

/// One account's mail.
pub trait Home: Send + Sync {
    /// What [`Home::inbox`] opens.
    type Folder: Folder;

    /// What this kind of home can do.
    fn features(&self) -> Features;

    /// The folder that new mail comes to, as it is now. A missing spool is an empty folder.
    fn inbox(&self) -> impl Future<Output = Result<Self::Folder, Trouble>> + Send;
}

/// What differs between homes, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Flags outlive the session.
    pub flags: bool,
}

/// One mailbox, as it was when it was opened: numbers never shift.
pub trait Folder: Send {
    /// RFC 9051 §2.3.1.1.
    fn uidvalidity(&self) -> u32;

    /// All messages, by UID. Indexes into this are what `at` means below.
    fn messages(&self) -> &[Message];

    /// Begins reading message `at`.
    ///
    /// # Errors
    /// [`Trouble::Gone`] when another program has removed it.
    fn read(&mut self, at: usize) -> impl Future<Output = Result<Reader, Trouble>> + Send;

    /// MD5 of message `at` with its line ends as LF.
    fn digest(&mut self, at: usize) -> impl Future<Output = Result<[u8; 16], Trouble>> + Send;

    /// Expunges and flags; durable on return. Messages that are already gone are no error; a mailbox that is gone as a whole
    /// is [`Trouble::Gone`], for it may have been moved. The snapshot stays as it was:
    /// expunged messages can't be read any more.
    fn apply(&mut self, changes: &Changes) -> impl Future<Output = Result<(), Trouble>> + Send;
}

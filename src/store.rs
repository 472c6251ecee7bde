//! Mailboxes: homes and folders by UID, whatever keeps the octets.

use std::path::PathBuf;
use std::sync::Arc;

use crate::address::Owner;
use crate::os::Actor;

mod any;
mod claim;
mod mbox_home;
mod memory;
mod message;
mod reader;
mod trouble;

pub use any::{AnyFolder, AnyHome};
pub use claim::Claim;
pub use mbox_home::{MboxFolder, MboxHome};
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
}

impl Store {
    /// Looks at nothing and makes nothing yet.
    pub fn new(places: Places) -> Store {
        Store(Arc::new(Shared { places }))
    }

    /// The mail of `account`. Costs nothing; opening a folder does.
    pub fn home(&self, account: Account) -> AnyHome {
        AnyHome::Mbox(MboxHome::new(self.clone(), account))
    }

    /// Makes the caller the only POP3 session of `owner` on this machine, in this process and all others
    /// (RFC 1939 §8, behaviour.md §18 trap 24), until the claim is dropped or the process dies.
    ///
    /// # Errors
    /// [`Trouble::Busy`] while another session has it.
    pub fn claim(&self, owner: &Owner) -> Result<Claim, Trouble> {
        let _ = (&self.0.places, owner);
        todo!()
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

    /// MD5 of the octets that [`Folder::read`] yields for message `at`.
    fn digest(&mut self, at: usize) -> impl Future<Output = Result<[u8; 16], Trouble>> + Send;

    /// Expunges and flags; durable on return. What is already gone is no error. The snapshot stays as it was:
    /// expunged messages can't be read any more.
    fn apply(&mut self, changes: &Changes) -> impl Future<Output = Result<(), Trouble>> + Send;
}

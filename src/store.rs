//! Mailboxes: homes and folders by UID, whatever keeps the octets.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::address::{Domain, Owner};
use crate::config::{self, Fsync, Machine as Settings, Root, SpecialUse};
use crate::os::place::make_folders;
use claim::Claims;
use disk::{Disk, Machine};
use gists::Shelf;
use index::Moment;
use mailbox::{Open, Recent};
use news::News;
use quota::{Quota, Usage};
use settler::Settler;

mod account;
mod any;
#[cfg(test)]
mod bench;
mod busy;
mod change;
mod claim;
mod contents;
mod convert;
pub mod disk;
mod dotlocked;
mod draft;
mod examine;
mod folders;
pub mod gists;
mod identity;
pub mod index;
mod kept;
mod listing;
mod local;
mod mailbox;
pub mod maildir;
pub mod mbox;
mod measure;
mod memory;
mod message;
pub mod name;
mod namespace;
mod news;
#[cfg(test)]
mod plug;
pub mod quota;
mod reader;
mod settler;
mod spool;
mod sync;
mod trouble;
mod uids;
mod welcome;

pub use account::Account;
pub use any::{AnyFolder, AnyHome};
pub use change::{Applied, Changes, FlagChange, How};
pub use claim::Claim;
pub use contents::{Contents, Walk};
pub use convert::Converted;
pub use draft::{Draft, Incoming, Letter};
pub use examine::{Mend, Oddity};
pub use gists::Gists;
pub use index::{Entry, State};
pub use listing::{Appended, Copied, Listed, MailboxId, Status};
pub use local::{LocalFolder, LocalHome};
pub use memory::{MemoryFolder, MemoryHome};
pub use message::{Flags, Size, Uidl};
pub use name::FolderName;
pub use namespace::Namespace;
pub use news::Watcher;
pub use reader::Reader;
pub use trouble::Trouble;
pub use uids::Uids;
pub use welcome::welcome;

/// What the store needs to know of the machine.
#[derive(Debug, Clone)]
pub struct Places {
    /// The disposable indexes: `ROOT/var/lib/vmail/index`.
    pub index: PathBuf,
    /// The redo journals of updates in progress: `ROOT/var/lib/vmail/redo`.
    pub redo: PathBuf,
    /// How much mail each domain has: `ROOT/var/lib/vmail/quota`.
    pub quota: PathBuf,
    /// Where large messages wait while they are received: `ROOT/var/lib/vmail/staging`.
    pub staging: PathBuf,
    /// Locks between processes: `ROOT/run/vmail`.
    pub run: PathBuf,
    /// How mboxes are locked, in this order.
    pub locks: Vec<LockKind>,
    /// Whether what is acknowledged survives a power cut.
    pub fsync: Fsync,
}

impl Places {
    /// Those of the machine whose files are below `root`.
    pub fn below(root: &Root, machine: &Settings) -> Places {
        let lock = |kind: &config::LockKind| match kind {
            config::LockKind::Dotlock => LockKind::Dotlock,
            config::LockKind::Fcntl => LockKind::Fcntl,
            config::LockKind::Flock => LockKind::Flock,
        };
        Places {
            index: root.index(),
            redo: root.redo(),
            quota: root.quota(),
            staging: root.staging(),
            run: root.run(),
            locks: machine.mbox.locks.iter().map(lock).collect(),
            fsync: machine.store.fsync,
        }
    }
}

impl Places {
    /// Makes the folders, and gives them to the service.
    ///
    /// # Errors
    /// We are not root.
    pub fn own(&self, uid: u32, gid: u32) -> io::Result<()> {
        for folder in [&self.index, &self.redo, &self.quota, &self.staging, &self.run] {
            make_folders(folder)?;
            std::os::unix::fs::chown(folder, Some(uid), Some(gid))?;
        }
        // For the owners of mail who deliver to themselves, whatever the umask says.
        std::fs::set_permissions(&self.redo, std::os::unix::fs::PermissionsExt::from_mode(0o711))
    }

    /// Everything in one `folder`: for tests, benchmarks and tools that work beside a server.
    pub fn inside(folder: &Path, fsync: Fsync) -> Places {
        let at = |name: &str| folder.join(name);
        let (index, redo, quota, staging, run) = (at("index"), at("redo"), at("quota"), at("staging"), at("run"));
        Places { index, redo, quota, staging, run, locks: vec![LockKind::Dotlock, LockKind::Fcntl], fsync }
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

/// All mailboxes of the machine. Built once; clones share.
#[derive(Clone)]
pub struct Store(Arc<Shared>, Recent);

struct Shared {
    /// The homes of a store that is not on a disk.
    in_memory: Option<Mutex<HashMap<Owner, MemoryHome>>>,
    places: Places,
    disk: Arc<dyn Disk>,
    claims: Claims,
    open: Open,
    lists: folders::Known,
    news: News,
    settler: Settler,
    gists: Shelf,
    quotas: Mutex<HashMap<Domain, Quota>>,
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

    /// The counter of a domain.
    fn quota(&self, domain: &Domain) -> Quota {
        let mut quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        quotas.entry(domain.clone()).or_insert_with(|| Quota::open(&self.places.quota, domain)).clone()
    }
}

impl Store {
    /// Looks at nothing and makes nothing yet.
    pub fn new(places: Places) -> Store {
        Store::on(places, Arc::new(Machine))
    }

    /// A store that is gone with the process, for tests: everybody has a [`MemoryHome`]. Only large drafts go to `places`.
    pub fn in_memory(places: Places) -> Store {
        Store::of(Some(Mutex::default()), places, Arc::new(Machine))
    }

    /// A store whose updates go through `disk`.
    fn on(places: Places, disk: Arc<dyn Disk>) -> Store {
        Store::of(None, places, disk)
    }

    fn of(in_memory: Option<Mutex<HashMap<Owner, MemoryHome>>>, places: Places, disk: Arc<dyn Disk>) -> Store {
        let shared = Shared {
            in_memory,
            places,
            disk,
            claims: Claims::default(),
            open: Open::default(),
            lists: folders::Known::default(),
            news: News::default(),
            settler: Settler::default(),
            gists: Shelf::default(),
            quotas: Mutex::default(),
            busy: Mutex::default(),
            freed: Condvar::new(),
            warned: Mutex::default(),
        };
        Store(Arc::new(shared), Recent::default())
    }

    /// What it was built with.
    pub fn places(&self) -> &Places {
        &self.0.places
    }

    /// The mail of `account`. Costs nothing; opening a folder does.
    pub fn home(&self, account: Account) -> AnyHome {
        match &self.0.in_memory {
            Some(homes) => {
                let mut homes = homes.lock().unwrap_or_else(PoisonError::into_inner);
                AnyHome::Memory(homes.entry(account.owner).or_default().clone())
            }
            None => AnyHome::Local(LocalHome::new(Arc::clone(&self.0), self.1.clone(), account)),
        }
    }

    /// A message to be received.
    pub fn draft(&self) -> Draft {
        Draft::new(&self.0.places)
    }

    /// `head` and the text of `letter` from octet `start` on, in a file without a name: for a program to read. Blocks.
    ///
    /// # Errors
    /// A large one cannot be written.
    pub fn file_of(&self, head: &[u8], letter: &Letter, start: u64) -> Result<File, Trouble> {
        letter.as_file(head, start, &self.0.places).map_err(Trouble::io("writing into", &self.0.places.staging))
    }

    /// How much mail the users of `domain` have.
    pub fn quota(&self, domain: &Domain) -> Quota {
        self.0.quota(domain)
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

    /// Looks at folder `name` of `account` more closely than a session does: its index, its files, which should belong to `uid`, and
    /// its figure in the quota. Blocks.
    ///
    /// # Errors
    /// As for [`Home::open`].
    pub fn examine(&self, account: &Account, name: &FolderName, uid: u32) -> Result<Vec<Oddity>, Trouble> {
        examine::examine(&self.local(account), name, uid)
    }

    /// Drops the index of folder `name` and makes it anew; who uses it goes on with the new one. Blocks.
    ///
    /// # Errors
    /// As for [`Home::open`].
    pub fn rebuild(&self, account: &Account, name: &FolderName) -> Result<(), Trouble> {
        self.local(account).mailbox(name)?.rebuild().map(drop)
    }

    /// Makes the mail of `account` an mbox or a Maildir, with all folders, UIDs, flags, keywords, dates and subscriptions; what POP3
    /// calls messages in form `uidl` stays, too. `told` hears of each message how many are done, and of how many. The caller has the
    /// account's [`Claim`]; deliveries wait. Blocks.
    ///
    /// # Errors
    /// The mail is then what it was.
    pub fn convert(
        &self,
        account: &Account,
        to: config::Spool,
        uidl: config::Uidl,
        told: &mut dyn FnMut(u64, u64),
    ) -> Result<Converted, Trouble> {
        convert::convert(&self.local(account), to, uidl, told)
    }

    fn local(&self, account: &Account) -> LocalHome {
        LocalHome::new(Arc::clone(&self.0), self.1.clone(), account.clone())
    }
}

/// One account's mail.
pub trait Home: Send + Sync {
    /// What [`Home::open`] opens.
    type Folder: Folder;

    /// What this kind of home can do.
    fn features(&self) -> Features;

    /// All folders, those that are only levels of the hierarchy, and those that are only subscribed; sorted by name. INBOX is always
    /// among them.
    fn list(&self) -> impl Future<Output = Result<Arc<[Listed]>, Trouble>> + Send;

    /// Makes a folder, and those above it where the home needs them (RFC 9051 §6.3.4).
    ///
    /// # Errors
    /// [`Trouble::Exists`], [`Trouble::BadName`].
    fn create(&self, name: &FolderName, special: Option<SpecialUse>) -> impl Future<Output = Result<MailboxId, Trouble>> + Send;

    /// Removes a folder and its mail; those below it stay (RFC 9051 §6.3.5).
    ///
    /// # Errors
    /// [`Trouble::NoFolder`]; [`Trouble::BadName`] for INBOX.
    fn delete(&self, name: &FolderName) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Gives a folder and all below it another name; of INBOX the messages move, and it stays (RFC 9051 §6.3.6).
    ///
    /// # Errors
    /// [`Trouble::NoFolder`], [`Trouble::Exists`], [`Trouble::BadName`].
    fn rename(&self, from: &FolderName, to: &FolderName) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Subscribes or unsubscribes a name, whether there is such a folder or not (RFC 9051 §6.3.7).
    fn subscribe(&self, name: &FolderName, subscribed: bool) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Opens a folder as it is now. A missing spool is an empty INBOX.
    ///
    /// # Errors
    /// [`Trouble::NoFolder`].
    fn open(&self, name: &FolderName) -> impl Future<Output = Result<Self::Folder, Trouble>> + Send;

    /// Appends all of `messages` or none, in this order; durable on return.
    ///
    /// # Errors
    /// [`Trouble::OverQuota`], [`Trouble::NoFolder`].
    fn append(&self, to: &FolderName, messages: &[Incoming]) -> impl Future<Output = Result<Appended, Trouble>> + Send;

    /// Whether there is a folder `name`: before a message for it is taken. Costs the same however full it is.
    ///
    /// # Errors
    /// [`Trouble::NoFolder`], [`Trouble::BadName`].
    fn expects(&self, name: &FolderName) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// The status of each of `names`, in that order.
    fn status(&self, names: &[FolderName]) -> impl Future<Output = Vec<Result<Status, Trouble>>> + Send;

    /// Hears of every change in the home from now on.
    fn watch(&self) -> Watcher;

    /// What the account uses of its quota.
    fn usage(&self) -> impl Future<Output = Result<Usage, Trouble>> + Send;
}

/// What differs between homes, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// A folder with messages can have folders below it.
    pub inferiors: bool,
    /// What a client sees between the parts of a name.
    pub separator: char,
    /// A message keeps its UID when its folder is moved or the index is lost.
    pub lasting: bool,
}

/// One mailbox. Messages are named by UID; what is asked of a UID that is not there is [`Trouble::Gone`], or nothing for sets of UIDs.
/// UIDs are those of [`Folder::state`]: when another program has numbered the mailbox anew since, or put another one in its place, all
/// but [`Folder::refresh`] is [`Trouble::Gone`], so that no other message is hit (RFC 9051 §2.3.1.1).
pub trait Folder: Send {
    /// The mailbox as it was at the last [`Folder::refresh`], or when it was opened. Cloning it keeps it as it is.
    fn state(&self) -> &State;

    /// Takes in what has happened since. What is new follows from [`State::changed_since`] and [`State::vanished_since`].
    fn refresh(&mut self) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Waits until [`Folder::refresh`] is worth while. The first call returns at once: from then on nothing is missed.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;

    /// Makes sure that `facts` of `uids` are in [`Folder::state`]; those of messages that came through us are from the start.
    fn learn(&mut self, uids: &Uids, facts: Facts) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// What is kept of the content of `uids`. Messages that are gone are left out.
    fn cached(&mut self, uids: &Uids) -> impl Future<Output = Result<Contents, Trouble>> + Send;

    /// The table of gists that is kept of the mailbox, and the moment as of which it is right and complete. It need not be kept for long.
    fn gists(&self) -> Option<(Moment, Arc<Gists>)>;

    /// Keeps a table for those who ask next: in memory, as far as there is room.
    fn keep_gists(&mut self, moment: Moment, gists: Arc<Gists>);

    /// Begins reading a message.
    fn read(&mut self, uid: u32) -> impl Future<Output = Result<Reader, Trouble>> + Send;

    /// MD5 of a message with its line ends as LF.
    fn digest(&mut self, uid: u32) -> impl Future<Output = Result<[u8; 16], Trouble>> + Send;

    /// Flags and expunges; durable on return, and in [`Folder::state`]. Messages that are already gone are no error; a mailbox that is
    /// gone as a whole is [`Trouble::Gone`], for it may have been moved.
    fn apply(&mut self, changes: &Changes) -> impl Future<Output = Result<Applied, Trouble>> + Send;

    /// Copies messages with their flags, dates and identity into another folder of the same home, all or none; durable on return.
    ///
    /// # Errors
    /// [`Trouble::OverQuota`], [`Trouble::NoFolder`].
    fn copy(&mut self, uids: &Uids, to: &FolderName) -> impl Future<Output = Result<Copied, Trouble>> + Send;

    /// As [`Folder::copy`], but they are here no more (RFC 6851). Quota does not matter, for nothing is added.
    fn relocate(&mut self, uids: &Uids, to: &FolderName) -> impl Future<Output = Result<Copied, Trouble>> + Send;

    /// Appends `with` to folder `to` and expunges `uid`, as one deed (RFC 8508).
    fn replace(&mut self, uid: u32, with: &Incoming, to: &FolderName) -> impl Future<Output = Result<Appended, Trouble>> + Send;

    /// Writes now rather than soon what other programs are to see of the folder: at the end of a session.
    fn settle(&mut self) -> impl Future<Output = Result<(), Trouble>> + Send;
}

/// What can be told of a message only after reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Facts {
    /// Its octets on the wire.
    Size,
    /// Also its identity, and what [`Folder::cached`] gives.
    Content,
    /// Its identity, and whether an equal message came before it: [`Record::is_twin`](index::Record::is_twin).
    Twins,
}

//! Our own store, used as IMAP will: what a mailbox looks like to us, and changes of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;
use vmail::config::{Fsync, Spool};
use vmail::os::Actor;
use vmail::store::{
    Account, AnyFolder, AnyHome, Changes, Flags, Folder, FolderName, Home, How, Incoming, Letter, Places, Status, Store, Trouble, Uids,
};

use super::imap::{Shown, Sight, letter};

/// One account's mail, and the runtime that the store wants.
pub struct Ours {
    pub runtime: Runtime,
    pub home: AnyHome,
    places: Places,
    spool: PathBuf,
    id: u32,
}

impl Ours {
    /// The Maildir `spool`, which belongs to user and group `id`, with indexes of our own in `places`.
    pub fn open(spool: &Path, id: u32, places: &Path) -> Ours {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let places = Places::inside(places, Fsync::Optimized);
        let actor = Actor::User { uid: id, gid: id };
        let account = Account::plain("joe@va.test".parse().unwrap(), actor, spool.into(), spool.into(), Spool::Maildir);
        Ours { runtime, home: Store::new(places.clone()).home(account), places, spool: spool.into(), id }
    }

    /// Forgets what was deduced of the mailboxes.
    pub fn without_index(self) -> Ours {
        let places = self.places.index.parent().unwrap().to_owned();
        let (spool, id) = (self.spool.clone(), self.id);
        drop(self);
        std::fs::remove_dir_all(&places).unwrap();
        Ours::open(&spool, id, &places)
    }

    pub fn folder(&self, name: &str) -> AnyFolder {
        self.runtime.block_on(self.home.open(&named(name))).unwrap()
    }

    pub fn status(&self, name: &str) -> Status {
        self.runtime.block_on(self.home.status(&[named(name)])).remove(0).unwrap()
    }

    /// What is in a folder, once it is certain: a message that another program has just removed may be listed for a moment.
    pub fn sight(&self, name: &str) -> Sight {
        super::until(&format!("a steady {name}"), 10, || self.runtime.block_on(self.look(name)))
    }

    async fn look(&self, name: &str) -> Option<Sight> {
        let mut folder = self.home.open(&named(name)).await.unwrap();
        let state = folder.state().clone();
        let mut messages = BTreeMap::new();
        for message in state.messages() {
            let flags = NAMES.iter().filter(|(flag, _)| message.flags().contains(*flag)).map(|(_, name)| (*name).to_owned());
            let flags: BTreeSet<String> = flags.chain(message.keywords().map(|word| word.to_string())).collect();
            let text = text(&mut folder, message.uid).await?;
            let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_else(|| panic!("{text}")).to_owned();
            messages.insert(message.uid, Shown { subject, flags });
        }
        Some(Sight { uidvalidity: state.head().uidvalidity, uidnext: state.head().uidnext, messages })
    }

    /// The names of all folders that exist, and of those that are subscribed.
    pub fn list(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let all = self.runtime.block_on(self.home.list()).unwrap();
        let name = |line: &vmail::store::Listed| line.name.display('/').to_string();
        (all.iter().filter(|line| line.exists).map(name).collect(), all.iter().filter(|line| line.subscribed).map(name).collect())
    }

    /// Appends a small message; gives its UID.
    pub fn append(&self, name: &str, subject: &str, flags: Flags, keywords: &[&str]) -> u32 {
        let letter = Letter::of(letter(subject).as_bytes(), &self.places).unwrap();
        let keywords = keywords.iter().map(|word| (*word).to_owned()).collect();
        let message = Incoming { flags, keywords, ..Incoming::new(letter) };
        self.runtime.block_on(self.home.append(&named(name), &[message])).unwrap().uids[0]
    }

    /// Changes flags and keywords, and waits until the files tell.
    pub fn mark(&self, name: &str, uids: &[u32], how: How, flags: Flags, keywords: &[&str]) {
        let keywords = keywords.iter().map(|word| (*word).to_owned()).collect();
        let uids: Uids = uids.iter().copied().collect();
        let change = vmail::store::FlagChange { uids, how, flags, keywords, unchanged_since: None };
        self.apply(name, &Changes { flags: vec![change], expunge: Uids::NONE });
    }

    /// Expunges, and waits until the files are gone.
    pub fn expunge(&self, name: &str, uids: &[u32]) {
        self.apply(name, &Changes { flags: Vec::new(), expunge: uids.iter().copied().collect() });
    }

    fn apply(&self, name: &str, changes: &Changes) {
        self.runtime.block_on(async {
            let mut folder = self.home.open(&named(name)).await.unwrap();
            folder.apply(changes).await.unwrap();
            folder.settle().await.unwrap();
        });
    }
}

/// The text of a message; `None` if it is gone.
pub async fn text(folder: &mut AnyFolder, uid: u32) -> Option<String> {
    octets(folder, uid).await.map(|octets| String::from_utf8(octets).unwrap())
}

/// The octets of a message; `None` if it is gone.
pub async fn octets(folder: &mut AnyFolder, uid: u32) -> Option<Vec<u8>> {
    let mut reader = match folder.read(uid).await {
        Err(Trouble::Gone(_)) => return None,
        reader => reader.unwrap(),
    };
    let (mut text, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        match reader.fill(&mut piece).await.unwrap() {
            0 => return Some(text),
            some => text.extend_from_slice(&piece[..some]),
        }
    }
}

/// A folder's name with slashes.
pub fn named(name: &str) -> FolderName {
    FolderName::parse(name, '/').unwrap()
}

const NAMES: [(Flags, &str); 5] = [
    (Flags::SEEN, "\\Seen"),
    (Flags::ANSWERED, "\\Answered"),
    (Flags::FLAGGED, "\\Flagged"),
    (Flags::DELETED, "\\Deleted"),
    (Flags::DRAFT, "\\Draft"),
];

//! A machine in a folder, with the mail of one account, for the tests of all homes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, Machine};
use super::{
    Account, AnyFolder, AnyHome, Appended, Changes, FlagChange, Flags, Folder, FolderName, Home, How, Incoming, Letter, Places, Reader,
    Store, Trouble, Uids,
};
use crate::config::{Fsync, Spool};
use crate::os::Actor;

/// A machine in a folder, which goes with it.
pub struct Bench {
    folder: tempfile::TempDir,
    pub store: Store,
    pub format: Spool,
}

impl Bench {
    /// A machine without mail, on which new mail is kept so.
    pub fn new(format: Spool) -> Bench {
        Bench::inside(tempfile::tempdir().unwrap(), format)
    }

    /// The same in memory, for tests with thousands of machines.
    pub fn in_memory(format: Spool) -> Bench {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Bench::inside(folder.unwrap(), format)
    }

    fn inside(folder: tempfile::TempDir, format: Spool) -> Bench {
        for name in ["spool", "home", "home/joe"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let store = Store::on(Bench::places(folder.path(), Fsync::Optimized), Arc::new(Machine));
        Bench { folder, store, format }
    }

    /// A machine with an mbox.
    pub fn with(text: impl AsRef<[u8]>) -> Bench {
        let bench = Bench::new(Spool::Mbox);
        fs::write(bench.spool(), text).unwrap();
        bench
    }

    pub fn places(folder: &Path, fsync: Fsync) -> Places {
        Places::inside(folder, fsync)
    }

    /// The same machine after its process died, and with another disk.
    pub fn on(&self, disk: Arc<dyn Disk>, fsync: Fsync) -> AnyHome {
        Store::on(Bench::places(self.folder.path(), fsync), disk).home(self.account())
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn spool(&self) -> PathBuf {
        self.folder.path().join("spool/joe")
    }

    /// Where all indexes of the account are.
    pub fn index(&self) -> PathBuf {
        self.folder.path().join("index/va.test/joe")
    }

    /// The disposable indexes are lost, and the process that had them open is gone.
    pub fn forget(&mut self) {
        let _ = fs::remove_dir_all(self.folder.path().join("index"));
        self.restart();
    }

    /// Another process takes over.
    pub fn restart(&mut self) {
        self.store = Store::on(Bench::places(self.folder.path(), Fsync::Optimized), Arc::new(Machine));
    }

    pub fn account(&self) -> Account {
        let home = self.folder.path().join("home/joe");
        Account::plain("joe@va.test".parse().unwrap(), Actor::Service, self.spool(), home, self.format)
    }

    pub fn home(&self) -> AnyHome {
        self.store.home(self.account())
    }

    pub async fn open(&self) -> AnyFolder {
        self.home().open(&FolderName::inbox()).await.unwrap()
    }

    pub async fn folder(&self, name: &str) -> AnyFolder {
        self.home().open(&folder(name)).await.unwrap()
    }

    pub async fn append(&self, messages: &[Incoming]) -> Result<Appended, Trouble> {
        self.home().append(&FolderName::inbox(), messages).await
    }

    pub async fn uidls(&self) -> Vec<String> {
        uidls(&self.open().await)
    }

    /// Makes files old enough that their stamps are trusted, wherever this runs.
    pub fn settle(&self) {
        std::thread::sleep(std::time::Duration::from_millis(120));
    }
}

pub fn folder(name: &str) -> FolderName {
    FolderName::parse(name, '/').unwrap()
}

/// A message to be appended, received at a time of its own.
pub fn incoming(text: &str) -> Incoming {
    let letter = Letter::of(text.as_bytes(), &Places::inside(Path::new("/nonexistent"), Fsync::Never)).unwrap();
    Incoming { received: Some(1_000_000_000 + text.len() as u32), sender: Some("ann@example.org".into()), ..Incoming::new(letter) }
}

pub fn uidls(folder: &AnyFolder) -> Vec<String> {
    let id = |message: super::Entry<'_>| match message.uidl_text() {
        b"" => format!("{:08x}{:08x}", message.uidl().uidvalidity, message.uidl().uid),
        explicit => String::from_utf8(explicit.to_vec()).unwrap(),
    };
    folder.state().messages().map(id).collect()
}

/// All of a message, verified.
pub async fn text(folder: &mut AnyFolder, uid: u32) -> Result<Vec<u8>, Trouble> {
    let mut reader = folder.read(uid).await?;
    let (mut all, mut buffer) = (Vec::new(), vec![0; Reader::LEAST]);
    loop {
        match reader.fill(&mut buffer).await? {
            0 => break,
            some => all.extend_from_slice(&buffer[..some]),
        }
    }
    reader.verify().await?;
    Ok(all)
}

/// What a client sees of a message: UID, text without blank lines at its end, flags, keywords, and the size on the wire.
pub type Seen = (u32, String, Flags, Vec<String>, u64);

/// What a client sees of a folder.
pub async fn seen(folder: &mut AnyFolder) -> Vec<Seen> {
    let (state, mut all) = (folder.state().clone(), Vec::new());
    for message in state.messages() {
        let text = String::from_utf8_lossy(&text(folder, message.uid).await.unwrap()).into_owned();
        let mut words: Vec<String> = message.keywords().map(|word| word.to_string()).collect();
        words.sort();
        all.push((message.uid, text.trim_end().to_owned(), message.flags(), words, message.size.octets()));
    }
    all
}

/// Sets or takes flags and keywords of messages.
pub fn mark(uids: &[u32], how: How, flags: Flags, keywords: &[&str]) -> Changes {
    let keywords = keywords.iter().map(|word| (*word).to_owned()).collect();
    let change = FlagChange { uids: uids.iter().copied().collect(), how, flags, keywords, unchanged_since: None };
    Changes { flags: vec![change], ..Changes::default() }
}

pub fn expunge(uids: &[u32]) -> Changes {
    Changes { expunge: uids.iter().copied().collect::<Uids>(), ..Changes::default() }
}

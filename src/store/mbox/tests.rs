//! What a session sees of an mbox that others write to.

use std::fs;
use std::path::{Path, PathBuf};

use crate::os::Actor;
use crate::store::{Account, AnyFolder, AnyHome, Changes, Flags, Folder, Home, LockKind, Message, Places, Reader, Store, Trouble};

/// A machine in a folder.
pub struct Bench {
    folder: tempfile::TempDir,
    pub store: Store,
}

impl Bench {
    pub fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(Bench::places(folder.path()));
        fs::create_dir(folder.path().join("spool")).unwrap();
        Bench { folder, store }
    }

    pub fn places(folder: &Path) -> Places {
        let locks = vec![LockKind::Dotlock, LockKind::Fcntl];
        Places { index: folder.join("index"), redo: folder.join("redo"), run: folder.join("run"), locks }
    }

    pub fn spool(&self) -> PathBuf {
        self.folder.path().join("spool/joe")
    }

    pub fn index(&self) -> PathBuf {
        self.folder.path().join("index/va.test/joe/vmail.index")
    }

    pub fn with(text: impl AsRef<[u8]>) -> Bench {
        let bench = Bench::new();
        fs::write(bench.spool(), text).unwrap();
        bench
    }

    pub fn home(&self) -> AnyHome {
        self.store.home(Account { owner: "joe@va.test".parse().unwrap(), actor: Actor::Service, spool: self.spool() })
    }

    pub async fn open(&self) -> AnyFolder {
        self.home().inbox().await.unwrap()
    }

    pub async fn uidls(&self) -> Vec<String> {
        let folder = self.open().await;
        folder.messages().iter().map(|message| format!("{:08x}{:08x}", message.uidl().uidvalidity, message.uidl().uid)).collect()
    }

    /// Makes the spool old enough that its index is trusted.
    pub fn settle(&self) {
        std::thread::sleep(std::time::Duration::from_millis(120));
    }
}

pub async fn text(folder: &mut AnyFolder, at: usize) -> Result<Vec<u8>, Trouble> {
    let mut reader = folder.read(at).await?;
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

pub const F: &str = "From joe@va.test Sun Nov 22 16:08:34 2026\n";

pub fn message(name: &str) -> String {
    format!("{F}Subject: {name}\n\nbody of {name}\n\n")
}

pub fn mailbox(names: &[&str]) -> String {
    names.iter().map(|name| message(name)).collect()
}

async fn subjects(bench: &Bench) -> Vec<String> {
    let mut folder = bench.open().await;
    let mut all = Vec::new();
    for at in 0..folder.messages().len() {
        let text = String::from_utf8(text(&mut folder, at).await.unwrap()).unwrap();
        all.push(text.lines().next().unwrap().trim_start_matches("Subject: ").to_owned());
    }
    all
}

#[tokio::test]
async fn a_missing_spool_is_an_empty_mailbox() {
    let bench = Bench::new();
    assert!(bench.open().await.messages().is_empty());
    assert!(!bench.spool().exists());
}

#[tokio::test]
async fn what_is_no_mbox_is_said_so_and_left_alone() {
    let bench = Bench::new();
    fs::create_dir(bench.spool()).unwrap();
    assert!(matches!(bench.home().inbox().await.map(drop), Err(Trouble::NotMailbox { .. })));
    fs::remove_dir(bench.spool()).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", bench.spool()).unwrap();
    let trouble = bench.home().inbox().await.map(drop).unwrap_err();
    assert!(trouble.to_string().ends_with("spool/joe: is a symbolic link, not an mbox file"), "{trouble}");
}

#[tokio::test]
async fn messages_are_listed_and_read() {
    let bench = Bench::with(mailbox(&["a", "b"]).replace("Subject: b", "Status: O\nSubject: b"));
    let mut folder = bench.open().await;
    assert_eq!(folder.uidvalidity(), 1_795_363_714);
    assert_eq!(folder.messages().iter().map(|message| (message.uid, message.size)).collect::<Vec<_>>(), [(1, 25), (2, 25)]);
    assert_eq!(text(&mut folder, 0).await.unwrap(), b"Subject: a\n\nbody of a\n");
    assert_eq!(text(&mut folder, 1).await.unwrap(), b"Subject: b\n\nbody of b\n");
    assert_eq!(folder.messages()[1].flags, Flags::OLD);
    assert_eq!(folder.digest(0).await.unwrap()[..2], [0x13, 0x6c]);
}

#[tokio::test]
async fn numbers_outlive_rewrites_by_other_programs() {
    let bench = Bench::with(mailbox(&["a", "b", "b", "c"]));
    let before = bench.uidls().await;
    assert!(bench.open().await.messages()[2].twin());
    // A reader drops the first, marks the others, adds its own numbers, and something new comes.
    let recorded = |name: &str, notes: &str| message(name).replace("Subject", &format!("{notes}Status: RO\nSubject"));
    let text = [recorded("b", "X-IMAPbase: 99 3\nX-UID: 1\n"), recorded("b", "X-UID: 2\n"), recorded("c", "X-UID: 3\n"), message("d")];
    fs::write(bench.spool(), text.concat()).unwrap();
    let after = bench.uidls().await;
    assert_eq!(after[..3], before[1..]);
    assert!(!before.contains(&after[3]));
    let folder = bench.open().await;
    assert_eq!(folder.uidvalidity(), 99);
    assert_eq!(folder.messages().iter().map(Message::twin).collect::<Vec<_>>(), [false, true, false, false]);
}

#[tokio::test]
async fn a_lost_index_changes_nothing() {
    let bench = Bench::with(mailbox(&["a", "b"]));
    let before = bench.uidls().await;
    fs::remove_file(bench.index()).unwrap();
    assert_eq!(bench.uidls().await, before);
    fs::write(bench.index(), "junk").unwrap();
    assert_eq!(bench.uidls().await, before);
}

#[tokio::test]
async fn an_untouched_spool_is_opened_from_its_index() {
    let bench = Bench::with(mailbox(&["a", "b"]));
    bench.settle();
    bench.open().await;
    let AnyHome::Mbox(home) = bench.home() else { unreachable!() };
    let view = home.at_once().expect("the index is good");
    assert_eq!(view.index.messages.len(), 2);
    fs::OpenOptions::new().append(true).open(bench.spool()).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    assert!(home.at_once().is_none());
}

#[tokio::test]
async fn a_session_notices_what_others_do_to_its_messages() {
    let bench = Bench::with(mailbox(&["a", "b", "c"]));
    bench.settle();
    let mut folder = bench.open().await;
    // In place, as most programs do: a is gone, and with it the places of the others.
    fs::write(bench.spool(), mailbox(&["b", "c", "d"])).unwrap();
    assert!(matches!(folder.read(0).await.map(drop), Err(Trouble::Gone(_))));
    assert_eq!(text(&mut folder, 1).await.unwrap(), b"Subject: b\n\nbody of b\n");
    let mut reader = folder.read(2).await.unwrap();
    fs::write(bench.spool(), mailbox(&["d", "e", "f"])).unwrap();
    let mut buffer = [0; Reader::LEAST];
    assert!(reader.fill(&mut buffer).await.unwrap() > 0);
    assert!(matches!(reader.verify().await, Err(Trouble::Changed(_))));
    // Renamed over: the old file is still ours to read.
    let mut folder = bench.open().await;
    fs::write(bench.spool().with_extension("new"), "").unwrap();
    fs::rename(bench.spool().with_extension("new"), bench.spool()).unwrap();
    assert_eq!(text(&mut folder, 1).await.unwrap(), b"Subject: e\n\nbody of e\n");
    assert_eq!(subjects(&bench).await, Vec::<String>::new());
}

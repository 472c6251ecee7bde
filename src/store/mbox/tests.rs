//! What a session sees of an mbox that others write to.

use std::fs;
use std::sync::Arc;

use super::Mbox;
use crate::config::{Fsync, Spool};
use crate::os::Actor;
use crate::store::bench::{self, Bench};
use crate::store::index::Record;
use crate::store::{Account, AnyFolder, AnyHome, Changes, Flags, Folder, FolderName, Home, Reader, Store, Trouble};

/// The UID of the message at a position.
pub fn uid(folder: &AnyFolder, at: usize) -> u32 {
    folder.state().nth(at).unwrap().uid
}

async fn text(folder: &mut AnyFolder, at: usize) -> Result<Vec<u8>, Trouble> {
    let uid = uid(folder, at);
    bench::text(folder, uid).await
}

fn records(folder: &AnyFolder) -> Vec<Record> {
    folder.state().messages().map(|message| message.record).collect()
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
    for at in 0..records(&folder).len() {
        let text = String::from_utf8(text(&mut folder, at).await.unwrap()).unwrap();
        all.push(text.lines().next().unwrap().trim_start_matches("Subject: ").to_owned());
    }
    all
}

#[tokio::test]
async fn a_missing_spool_is_an_empty_mailbox() {
    let bench = Bench::new(Spool::Mbox);
    assert!(records(&bench.open().await).is_empty());
    assert!(!bench.spool().exists());
}

#[tokio::test]
async fn what_is_no_mbox_is_said_so_and_left_alone() {
    let bench = Bench::new(Spool::Mbox);
    rustix::fs::mknodat(rustix::fs::CWD, bench.spool(), rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0).unwrap();
    assert!(matches!(bench.home().open(&FolderName::inbox()).await.map(drop), Err(Trouble::NotMailbox { .. })));
    fs::remove_file(bench.spool()).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", bench.spool()).unwrap();
    let trouble = bench.home().open(&FolderName::inbox()).await.map(drop).unwrap_err();
    assert!(trouble.to_string().ends_with("spool/joe: is a symbolic link, not an mbox file"), "{trouble}");
}

#[tokio::test]
async fn messages_are_listed_and_read() {
    let bench = Bench::with(mailbox(&["a", "b"]).replace("Subject: b", "Status: O\nSubject: b"));
    let mut folder = bench.open().await;
    assert_eq!(folder.state().head().uidvalidity, 1_795_363_714);
    assert_eq!(records(&folder).iter().map(|message| (message.uid, message.size.popped())).collect::<Vec<_>>(), [(1, 25), (2, 25)]);
    assert_eq!(text(&mut folder, 0).await.unwrap(), b"Subject: a\n\nbody of a\n");
    assert_eq!(text(&mut folder, 1).await.unwrap(), b"Subject: b\n\nbody of b\n");
    assert_eq!(records(&folder)[1].flags(), Flags::OLD);
    assert_eq!(folder.digest(1).await.unwrap()[..2], [0x13, 0x6c]);
}

#[tokio::test]
async fn numbers_outlive_rewrites_by_other_programs() {
    let bench = Bench::with(mailbox(&["a", "b", "b", "c"]));
    let before = bench.uidls().await;
    assert!(records(&bench.open().await)[2].is_twin());
    // A reader drops the first, marks the others, adds its own numbers, and something new comes.
    let recorded = |name: &str, notes: &str| message(name).replace("Subject", &format!("{notes}Status: RO\nSubject"));
    let text = [recorded("b", "X-IMAPbase: 99 3\nX-UID: 1\n"), recorded("b", "X-UID: 2\n"), recorded("c", "X-UID: 3\n"), message("d")];
    fs::write(bench.spool(), text.concat()).unwrap();
    let after = bench.uidls().await;
    assert_eq!(after[..3], before[1..]);
    assert!(!before.contains(&after[3]));
    let folder = bench.open().await;
    assert_eq!(folder.state().head().uidvalidity, 99);
    assert_eq!(records(&folder).iter().map(Record::is_twin).collect::<Vec<_>>(), [false, true, false, false]);
}

#[tokio::test]
async fn a_lost_index_changes_nothing() {
    let mut bench = Bench::with(mailbox(&["a", "b"]));
    let before = bench.uidls().await;
    bench.forget();
    assert_eq!(bench.uidls().await, before);
    fs::write(bench.index().join("vmail.index"), "junk").unwrap();
    bench.restart();
    assert_eq!(bench.uidls().await, before);
}

#[tokio::test]
async fn an_untouched_spool_is_opened_from_its_index() {
    let bench = Bench::with(mailbox(&["a", "b"]));
    bench.settle();
    bench.open().await;
    let AnyHome::Local(home) = bench.home() else { unreachable!() };
    let mailbox = home.mailbox(&FolderName::inbox()).unwrap();
    assert_eq!(mailbox.glance().expect("the index is good").len(), 2);
    fs::OpenOptions::new().append(true).open(bench.spool()).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    assert!(mailbox.glance().is_none());
}

#[tokio::test]
async fn a_session_notices_what_others_do_to_its_messages() {
    let bench = Bench::with(mailbox(&["a", "b", "c"]));
    bench.settle();
    let mut folder = bench.open().await;
    let [first, third] = [0, 2].map(|at| uid(&folder, at));
    // In place, as most programs do: a is gone, and with it the places of the others.
    fs::write(bench.spool(), mailbox(&["b", "c", "d"])).unwrap();
    assert!(matches!(folder.read(first).await.map(drop), Err(Trouble::Gone(_))));
    assert_eq!(text(&mut folder, 1).await.unwrap(), b"Subject: b\n\nbody of b\n");
    let mut reader = folder.read(third).await.unwrap();
    fs::write(bench.spool(), mailbox(&["d", "e", "f"])).unwrap();
    let mut buffer = [0; Reader::LEAST];
    assert!(reader.fill(&mut buffer).await.unwrap() > 0);
    assert!(matches!(reader.verify().await, Err(Trouble::Changed(_))));
    // Renamed over: what was begun goes on in the old file.
    let mut folder = bench.open().await;
    bench.settle();
    folder.refresh().await.unwrap();
    let second = uid(&folder, 1);
    let mut reader = folder.read(second).await.unwrap();
    fs::write(bench.spool().with_extension("new"), "").unwrap();
    fs::rename(bench.spool().with_extension("new"), bench.spool()).unwrap();
    assert!(reader.fill(&mut buffer).await.unwrap() > 0);
    reader.verify().await.unwrap();
    assert_eq!(subjects(&bench).await, Vec::<String>::new());
}

/// Expunges and marks as read, by position.
async fn quit(bench: &Bench, expunge: &[usize], seen: &[usize]) {
    let mut folder = bench.open().await;
    change(&mut folder, expunge, seen).await.unwrap();
}

pub async fn change(folder: &mut AnyFolder, expunge: &[usize], seen: &[usize]) -> Result<(), Trouble> {
    let mut changes = Changes::default();
    expunge.iter().for_each(|&at| changes.expunge(uid(folder, at)));
    changes.add(seen.iter().map(|&at| uid(folder, at)).collect(), Flags::SEEN.with(Flags::OLD));
    folder.apply(&changes).await.map(drop)
}

fn inode(bench: &Bench) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&fs::metadata(bench.spool()).unwrap())
}

#[tokio::test]
async fn expunged_messages_are_gone_and_the_others_as_they_were() {
    for (expunge, left) in [(&[0][..], "bcd"), (&[1], "acd"), (&[3], "abc"), (&[1, 3], "ac"), (&[0, 1, 2, 3], ""), (&[0, 1, 2], "d")] {
        let mut bench = Bench::with(mailbox(&["a", "b", "c", "d"]));
        let (before, inode_before) = (bench.uidls().await, inode(&bench));
        quit(&bench, expunge, &[]).await;
        assert_eq!(subjects(&bench).await.concat(), left);
        let kept: Vec<_> = (0..4).filter(|at| !expunge.contains(at)).map(|at| before[at].clone()).collect();
        assert_eq!(bench.uidls().await, kept);
        assert_eq!(inode(&bench), inode_before);
        // New mail never gets a number that was used.
        fs::OpenOptions::new()
            .append(true)
            .open(bench.spool())
            .and_then(|mut spool| std::io::Write::write_all(&mut spool, message("e").as_bytes()))
            .unwrap();
        let after = bench.uidls().await;
        assert_eq!(after[..kept.len()], kept);
        assert!(!before.contains(&after[kept.len()]));
        let next = bench.open().await.state().head().uidnext;
        bench.forget();
        assert_eq!(bench.uidls().await, after, "the file has the numbers, or what is noted beside it");
        assert_eq!(bench.open().await.state().head().uidnext, next);
    }
}

#[tokio::test]
async fn flags_are_written_once_and_then_in_place() {
    let bench = Bench::with(mailbox(&["a", "b", "c"]));
    quit(&bench, &[], &[1]).await;
    let folder = bench.open().await;
    let seen: Vec<_> = records(&folder).iter().map(|message| message.flags().contains(Flags::SEEN)).collect();
    assert_eq!(seen, [false, true, false]);
    let len = fs::metadata(bench.spool()).unwrap().len();
    quit(&bench, &[], &[0, 1, 2]).await;
    assert!(records(&bench.open().await).iter().all(|message| message.flags().contains(Flags::SEEN)));
    assert_eq!(fs::metadata(bench.spool()).unwrap().len(), len);
    assert_eq!(subjects(&bench).await.concat(), "abc");
    assert_eq!(records(&bench.open().await)[0].size.popped(), 25);
}

#[tokio::test]
async fn mail_that_came_during_the_session_stays() {
    for expunge in [&[0][..], &[1], &[0, 1]] {
        let bench = Bench::with(mailbox(&["a", "b"]));
        let mut folder = bench.open().await;
        fs::write(bench.spool(), mailbox(&["a", "b", "c"])).unwrap();
        change(&mut folder, expunge, &[]).await.unwrap();
        assert!(subjects(&bench).await.concat().ends_with('c'));
        assert_eq!(records(&bench.open().await).len(), 3 - expunge.len());
    }
}

#[tokio::test]
async fn a_spool_rewritten_meanwhile_is_not_rewritten_blindly() {
    let bench = Bench::with(mailbox(&["a", "b", "c"]));
    let mut folder = bench.open().await;
    fs::write(bench.spool(), mailbox(&["c", "x", "a"])).unwrap();
    change(&mut folder, &[0, 1], &[]).await.unwrap();
    let mut left = subjects(&bench).await;
    left.sort();
    assert_eq!(left.concat(), "cx");
    fs::remove_file(bench.spool()).unwrap();
    let gone = change(&mut folder, &[1], &[]).await.unwrap_err();
    assert!(matches!(gone, Trouble::Gone(path) if path == bench.spool()), "it may live on elsewhere");
    assert!(!bench.spool().exists());
}

#[tokio::test]
async fn the_pseudo_message_stays_and_counts_on() {
    let pseudo =
        format!("{F}Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 0000000077 0000000005 key\nStatus: RO\n\nx\n\n");
    let bench = Bench::with(pseudo.clone() + &mailbox(&["a", "b", "c"]));
    assert_eq!(bench.uidls().await, ["0000004d00000006", "0000004d00000007", "0000004d00000008"]);
    quit(&bench, &[0], &[]).await;
    assert!(fs::read_to_string(bench.spool()).unwrap().starts_with(&pseudo.replace("0000000005", "0000000008")));
    assert_eq!(bench.uidls().await, ["0000004d00000007", "0000004d00000008"]);
    quit(&bench, &[0, 1], &[]).await;
    assert_eq!(fs::read_to_string(bench.spool()).unwrap(), pseudo.replace("0000000005", "0000000008"));
}

#[tokio::test]
async fn crlf_mailboxes_keep_their_line_ends() {
    let bench = Bench::with(mailbox(&["a", "b", "c"]).replace('\n', "\r\n"));
    quit(&bench, &[0], &[1]).await;
    let text = fs::read_to_string(bench.spool()).unwrap();
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    assert_eq!(subjects(&bench).await.concat(), "bc");
}

#[tokio::test]
async fn other_programs_locks_are_respected_and_waiting_ends() {
    let bench = Bench::with(mailbox(&["a"]));
    let mbox = Mbox::new(Arc::clone(&bench.store.0), Arc::new(bench.account()), bench.spool(), FolderName::inbox());
    let lock = |patience| super::locks::lock(&mbox, std::time::Duration::from_millis(patience)).map(drop);
    fs::write(bench.spool().with_extension("lock"), "1\n").unwrap();
    assert!(matches!(lock(30), Err(Trouble::Busy(_))));
    fs::remove_file(bench.spool().with_extension("lock")).unwrap();
    let script =
        "import fcntl,sys,time\nf=open(sys.argv[1],'r+b')\nfcntl.lockf(f, fcntl.LOCK_EX)\nprint('ok',flush=True)\nsys.stdin.read()";
    let mut other = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(bench.spool())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut [0; 3]).unwrap();
    assert!(matches!(lock(30), Err(Trouble::Busy(_))));
    drop(other.stdin.take());
    other.wait().unwrap();
    assert!(lock(30).is_ok());
    assert_eq!(fs::read_dir(bench.spool().parent().unwrap()).unwrap().count(), 1);
}

#[tokio::test]
async fn owners_act_on_their_spools_and_nobody_elses() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can act as others.
    }
    let bench = Bench::with(mailbox(&["a", "b", "c"]));
    std::os::unix::fs::chown(bench.spool(), Some(61234), Some(61234)).unwrap();
    std::os::unix::fs::chown(bench.spool().parent().unwrap(), Some(61234), Some(61234)).unwrap();
    fs::set_permissions(bench.spool(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::set_permissions(bench.root(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let home = |uid| {
        let actor = Actor::User { uid, gid: uid };
        Store::new(Bench::places(bench.root(), Fsync::Optimized)).home(Account { actor, ..bench.account() })
    };
    assert!(matches!(home(61235).open(&FolderName::inbox()).await.map(drop), Err(Trouble::Io { doing: "opening", .. })));
    let mut folder = home(61234).open(&FolderName::inbox()).await.unwrap();
    change(&mut folder, &[0], &[1]).await.unwrap();
    assert_eq!(home(61234).open(&FolderName::inbox()).await.unwrap().state().len(), 2);
}

#[tokio::test]
async fn a_folder_without_room_for_a_dotlock_is_no_obstacle() {
    if !rustix::process::geteuid().is_root() {
        return; // Needs somebody else's folder.
    }
    let bench = Bench::with(mailbox(&["a", "b"]));
    std::os::unix::fs::chown(bench.spool(), Some(61234), Some(61234)).unwrap();
    let actor = Actor::User { uid: 61234, gid: 61234 };
    fs::set_permissions(bench.spool().parent().unwrap(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::set_permissions(bench.root(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let home = bench.store.home(Account { actor, ..bench.account() });
    let mut folder = home.open(&FolderName::inbox()).await.unwrap();
    change(&mut folder, &[0], &[]).await.unwrap();
    assert_eq!(subjects(&bench).await.concat(), "b");
}

#[tokio::test]
#[ignore = "a measurement"]
async fn speed_of_opening_and_reading() {
    for count in [10, 1_000, 100_000] {
        let bench = Bench::with(mailbox(&["a"]).replace("body of a\n", &"some words on a line\n".repeat(20)).repeat(count));
        bench.settle();
        bench.open().await;
        let rounds = 200_000 / count.max(100);
        let start = std::time::Instant::now();
        for _ in 0..rounds {
            assert_eq!(records(&bench.open().await).len(), count);
        }
        println!("{count} messages: opened in {:.1} us", start.elapsed().as_secs_f64() * 1e6 / rounds as f64);
    }
    let bench = Bench::with(format!("{F}Subject: large\n\n{}", "some words on a line, and some more of them\n".repeat(600_000)));
    bench.settle();
    let mut folder = bench.open().await;
    let start = std::time::Instant::now();
    let (mut reader, mut buffer, mut sum) = (folder.read(1).await.unwrap(), vec![0; 64 * 1024], 0);
    while let some @ 1.. = reader.fill(&mut buffer).await.unwrap() {
        sum += some;
    }
    reader.verify().await.unwrap();
    println!("{} MB read in {:.1} ms", sum / 1_000_000, start.elapsed().as_secs_f64() * 1e3);
}

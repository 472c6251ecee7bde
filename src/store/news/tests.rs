//! What is promised of news: none is lost, they come soon, and who does not wait costs nothing.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::*;
use crate::os::Actor;

fn owner(name: &str) -> Owner {
    format!("{name}@va.test").parse().unwrap()
}

fn place(folder: &Path, name: Option<&str>) -> Place {
    Place { folder: folder.into(), name: name.map(Into::into), actor: Actor::Service }
}

async fn hears(watcher: &mut Watcher) -> bool {
    timeout(Duration::from_secs(20), watcher.changed()).await.is_ok()
}

async fn is_silent(watcher: &mut Watcher) -> bool {
    timeout(Duration::from_millis(100), watcher.changed()).await.is_err()
}

/// Waits until nothing more is told of what went before.
async fn settle(watcher: &mut Watcher) {
    while !is_silent(watcher).await {}
}

#[tokio::test]
async fn who_waits_for_a_mailbox_or_its_home_is_told_and_nobody_else() {
    let (news, joe, ann) = (News::default(), owner("joe"), owner("ann"));
    let (mut inbox, mut sent) = (news.mailbox(&joe, "INBOX", vec![]), news.mailbox(&joe, "Sent", vec![]));
    let (mut home, mut other) = (news.home(&joe, vec![]), news.home(&ann, vec![]));
    news.tell(&joe, "INBOX");
    assert!(hears(&mut inbox).await && hears(&mut home).await);
    assert!(is_silent(&mut sent).await && is_silent(&mut other).await && is_silent(&mut inbox).await);
}

#[tokio::test]
async fn no_news_are_lost_between_two_waits_nor_with_a_dropped_future() {
    let (news, joe) = (News::default(), owner("joe"));
    news.tell(&joe, "INBOX");
    let mut inbox = news.mailbox(&joe, "INBOX", vec![]);
    assert!(is_silent(&mut inbox).await);
    news.tell(&joe, "INBOX");
    news.tell(&joe, "INBOX");
    let mut late = news.mailbox(&joe, "INBOX", vec![]);
    assert!(hears(&mut inbox).await && is_silent(&mut inbox).await && is_silent(&mut late).await);
    news.tell(&joe, "INBOX");
    assert!(hears(&mut inbox).await && hears(&mut late).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_of_this_process_come_within_a_millisecond() {
    let (news, joe) = (News::default(), owner("joe"));
    let mut inbox = news.mailbox(&joe, "INBOX", vec![]);
    let mut quickest = Duration::MAX;
    for _ in 0..50 {
        let teller = news.clone();
        let told = tokio::task::spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(1));
            let now = Instant::now();
            teller.tell(&owner("joe"), "INBOX");
            now
        });
        assert!(hears(&mut inbox).await);
        let heard = Instant::now();
        quickest = quickest.min(heard.saturating_duration_since(told.await.unwrap()));
    }
    assert!(quickest < Duration::from_millis(1), "{quickest:?}");
}

#[tokio::test]
async fn other_processes_are_heard_in_the_folders_and_files_that_matter() {
    let (news, folder) = (News::default(), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name);
    ["new", "cur", "spool"].iter().for_each(|name| fs::create_dir(at(name)).unwrap());
    let places = vec![place(&at("new"), None), place(&at("cur"), None)];
    let (mut maildir, mut mbox) =
        (news.mailbox(&owner("joe"), "INBOX", places), news.mailbox(&owner("ann"), "INBOX", vec![place(&at("spool"), Some("ann"))]));
    let shell = |script: &str| assert!(Command::new("sh").args(["-c", script]).current_dir(folder.path()).status().unwrap().success());
    for script in ["touch new/1", "mv new/1 cur/1:2,", "mv cur/1:2, cur/1:2,S", "rm cur/1:2,S"] {
        shell(script);
        assert!(hears(&mut maildir).await, "{script}");
        settle(&mut maildir).await;
    }
    shell("echo x > spool/bob; touch spool/ann.lock");
    assert!(is_silent(&mut mbox).await);
    for script in ["echo x >> spool/ann", "echo y >> spool/ann", "rm spool/ann"] {
        shell(script);
        assert!(hears(&mut mbox).await, "{script}");
        settle(&mut mbox).await;
    }
    assert!(is_silent(&mut maildir).await);
}

#[tokio::test]
async fn what_is_not_there_yet_or_goes_and_comes_back_is_looked_for() {
    let (news, folder) = (News::default(), tempfile::tempdir().unwrap());
    let path = folder.path().join("new");
    let mut watcher = news.mailbox(&owner("joe"), "INBOX", vec![place(&path, None)]);
    assert_eq!(heard_and_polled(&news), (0, 1));
    for _ in 0..2 {
        fs::create_dir(&path).unwrap();
        assert!(hears(&mut watcher).await);
        settle_in(&news, (1, 0)).await;
        settle(&mut watcher).await;
        fs::write(path.join("1"), "").unwrap();
        assert!(hears(&mut watcher).await);
        settle(&mut watcher).await;
        fs::remove_dir_all(&path).unwrap();
        assert!(hears(&mut watcher).await);
        settle_in(&news, (0, 1)).await;
        settle(&mut watcher).await;
    }
    drop(watcher);
    assert_eq!(heard_and_polled(&news), (0, 0));
}

/// How many places the kernel tells of, and how many are looked at.
fn heard_and_polled(news: &News) -> (usize, usize) {
    news.0.abroad.count()
}

async fn settle_in(news: &News, expected: (usize, usize)) {
    let since = Instant::now();
    while heard_and_polled(news) != expected {
        assert!(since.elapsed() < Duration::from_secs(20), "{:?}", heard_and_polled(news));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn where_the_kernel_does_not_tell_stamps_are_compared_each_second() {
    let (news, folder) = (News::default(), tempfile::tempdir().unwrap());
    news.0.abroad.be_deaf();
    fs::write(folder.path().join("joe"), "x").unwrap();
    let places = vec![place(folder.path(), Some("joe")), place(&folder.path().join("new"), None)];
    let mut watcher = news.mailbox(&owner("joe"), "INBOX", places);
    assert_eq!(heard_and_polled(&news), (0, 2));
    // The file is so new that its next change might not show: it is told of once more.
    assert!(hears(&mut watcher).await);
    fs::write(folder.path().join("joe"), "y").unwrap();
    assert!(hears(&mut watcher).await);
    while timeout(Duration::from_millis(2500), watcher.changed()).await.is_ok() {}
    fs::create_dir(folder.path().join("new")).unwrap();
    assert!(hears(&mut watcher).await);
}

#[tokio::test]
async fn the_last_who_leaves_takes_the_watch_away() {
    let (news, folder, joe) = (News::default(), tempfile::tempdir().unwrap(), owner("joe"));
    let places = || vec![place(folder.path(), None), place(folder.path(), Some("x"))];
    let (one, two, home) =
        (news.mailbox(&joe, "INBOX", places()), news.mailbox(&joe, "INBOX", places()), news.home(&joe, places()[..1].to_vec()));
    assert_eq!(heard_and_polled(&news), (2, 0));
    drop((one, two));
    assert_eq!(heard_and_polled(&news), (1, 0));
    drop(home);
    assert_eq!(heard_and_polled(&news), (0, 0));
    assert!(news.0.bells.lock().unwrap().is_empty());
}

#[tokio::test]
async fn when_the_kernel_lost_count_everybody_looks() {
    let (news, folder) = (News::default(), tempfile::tempdir().unwrap());
    let mut watcher = news.mailbox(&owner("joe"), "INBOX", vec![place(folder.path(), Some("joe"))]);
    news.0.abroad.overflow();
    assert!(hears(&mut watcher).await);
}

#[tokio::test]
async fn ten_thousand_wait_and_each_hears_of_his_own() {
    let (news, folder) = (News::default(), tempfile::tempdir().unwrap());
    let mut watchers: Vec<Watcher> = (0..10_000)
        .map(|number| {
            let name = format!("u{number}");
            news.mailbox(&owner(&name), "INBOX", vec![place(folder.path(), Some(&name))])
        })
        .collect();
    assert_eq!(heard_and_polled(&news), (10_000, 0));
    assert!(size_of::<Bell>() + size_of::<Watcher>() + size_of::<Counted>() + size_of::<Owner>() <= 200);
    news.tell(&owner("u77"), "INBOX");
    assert!(Command::new("touch").arg(folder.path().join("u9999")).status().unwrap().success());
    assert!(hears(&mut watchers[77]).await && hears(&mut watchers[9999]).await);
    let others = watchers.iter_mut().enumerate().filter(|(number, _)| ![77, 9999].contains(number));
    assert!(others.map(|(_, watcher)| watcher).all(|watcher| watcher.seen == watcher.bell.rung.load(Ordering::Acquire)));
    let since = Instant::now();
    drop(watchers);
    assert_eq!(heard_and_polled(&news), (0, 0));
    assert!(since.elapsed() < Duration::from_secs(5));
}

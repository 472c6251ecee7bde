//! What was read is remembered for as long as it holds, and no longer: whatever others do is in the very next answer.

use std::fs;
use std::path::Path;

use vmail::config::SpecialUse;
use vmail::store::{AnyHome, Changes, Flags, Folder, FolderName, Home, Incoming, Letter, Listed, Status};

use super::kind::{Kind, Place};

fn name(text: &str) -> FolderName {
    FolderName::parse(text, '/').unwrap()
}

async fn line(home: &AnyHome, wanted: &str) -> Option<Listed> {
    home.list().await.unwrap().iter().find(|line| line.name == name(wanted)).cloned()
}

/// Alone, and as one of many: there are two ways to tell.
async fn status(home: &AnyHome, wanted: &str) -> Status {
    let many = home.status(&vec![name(wanted); 5]).await;
    let one = home.status(&[name(wanted)]).await.remove(0).unwrap();
    assert!(many.into_iter().all(|status| status.unwrap() == one));
    one
}

/// As maildirmake(1) does it.
fn make(folder: &Path) {
    ["cur", "new", "tmp"].into_iter().for_each(|part| fs::create_dir_all(folder.join(part)).unwrap());
}

/// A deed directly after an answer is in the next, time after time.
async fn at_each_moment(home: &AnyHome, mut deed: impl FnMut(u32), mut holds: impl FnMut(u32, &[Listed]) -> bool) {
    for turn in 0..200 {
        deed(turn);
        let listed = home.list().await.unwrap();
        assert!(holds(turn, &listed), "{turn}: {listed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_of_other_programs_come_and_go_in_the_next_list() {
    let place = Place::new(Kind::Maildir);
    let (home, spool) = (place.home(), place.spool());
    make(&spool);
    let has = |listed: &[Listed], wanted: &str| listed.iter().any(|line| line.exists && line.name == name(wanted));
    let deed = |turn: u32| match turn % 4 {
        0 => make(&spool.join(".One")),
        1 => fs::rename(spool.join(".One"), spool.join(".Two")).unwrap(),
        2 => make(&spool.join(".Two.Below")),
        _ => [".Two.Below", ".Two"].into_iter().for_each(|gone| fs::remove_dir_all(spool.join(gone)).unwrap()),
    };
    at_each_moment(&home, deed, |turn, listed| {
        (has(listed, "One"), has(listed, "Two"), has(listed, "Two/Below")) == (turn % 4 == 0, matches!(turn % 4, 1 | 2), turn % 4 == 2)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_of_other_programs_are_in_the_next_list() {
    let place = Place::new(Kind::Maildir);
    let (home, spool) = (place.home(), place.spool());
    make(&spool);
    let letter = |turn: u32| char::from(b'a' + (turn % 26) as u8);
    for file in ["courierimapsubscribed", "subscriptions"] {
        let text = |turn| if file == "subscriptions" { format!("V\t2\n\n{}\n", letter(turn)) } else { format!("INBOX.{}\n", letter(turn)) };
        // In place, and as another file.
        let deed = |turn| match turn % 2 {
            0 => fs::write(spool.join(file), text(turn)).unwrap(),
            _ => {
                fs::write(spool.join("beside"), text(turn)).unwrap();
                fs::rename(spool.join("beside"), spool.join(file)).unwrap();
            }
        };
        at_each_moment(&home, deed, |turn, listed| {
            let subscribed: Vec<String> =
                listed.iter().filter(|line| line.subscribed).map(|line| line.name.display('/').to_string()).collect();
            subscribed == [letter(turn).to_string()]
        })
        .await;
    }
    fs::remove_file(spool.join("subscriptions")).unwrap();
    fs::remove_file(spool.join("courierimapsubscribed")).unwrap();
    assert!(home.list().await.unwrap().iter().all(|line| !line.subscribed));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_does_to_folders_is_in_the_next_list() {
    let place = Place::new(Kind::Maildir);
    let (here, there) = (place.home(), place.home());
    for _ in 0..20 {
        there.create(&name("Box"), Some(SpecialUse::Archive)).await.unwrap();
        assert_eq!(line(&here, "Box").await.unwrap().special, Some(SpecialUse::Archive));
        there.subscribe(&name("Box"), true).await.unwrap();
        assert!(line(&here, "Box").await.unwrap().subscribed);
        there.rename(&name("Box"), &name("Other")).await.unwrap();
        assert!(!line(&here, "Box").await.unwrap().exists);
        assert_eq!(line(&here, "Other").await.unwrap().special, Some(SpecialUse::Archive));
        there.subscribe(&name("Box"), false).await.unwrap();
        there.delete(&name("Other")).await.unwrap();
        assert_eq!((line(&here, "Box").await, line(&here, "Other").await), (None, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_goes_and_comes_again_is_listed_as_it_is() {
    let place = Place::new(Kind::Maildir);
    let (home, spool, away) = (place.home(), place.spool(), place.spool().with_extension("away"));
    make(&spool.join(".One"));
    make(&spool);
    assert!(line(&home, "One").await.is_some());
    fs::rename(&spool, &away).unwrap();
    assert!(line(&home, "One").await.is_none());
    make(&spool);
    assert!(line(&home, "One").await.is_none());
    fs::remove_dir_all(&spool).unwrap();
    fs::rename(&away, &spool).unwrap();
    assert!(line(&home, "One").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_others_deliver_mark_and_remove_is_in_the_next_status() {
    let place = Place::new(Kind::Maildir);
    let (home, spool) = (place.home(), place.spool());
    home.create(&name("Box"), None).await.unwrap();
    let folder = spool.join(".Box");
    for turn in 1..=100u32 {
        let (new, seen) = (folder.join(format!("new/{turn}.x.y")), folder.join(format!("cur/{turn}.x.y:2,S")));
        fs::write(&new, "Subject: x\n\nx\n").unwrap();
        let now = status(&home, "Box").await;
        assert_eq!((now.messages, now.unseen, now.uidnext), (1, 1, turn + 1), "{turn}: delivered");
        // We may have put it into cur meanwhile.
        let there = fs::read_dir(folder.join("cur")).unwrap().flatten().map(|entry| entry.path()).next().unwrap_or(new);
        fs::rename(there, &seen).unwrap();
        let now = status(&home, "Box").await;
        assert_eq!((now.messages, now.unseen), (1, 0), "{turn}: read");
        fs::remove_file(&seen).unwrap();
        assert_eq!(status(&home, "Box").await.messages, 0, "{turn}: removed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_does_to_mail_is_in_the_next_status() {
    let place = Place::new(Kind::Maildir);
    let (here, there) = (place.home(), place.home());
    there.create(&name("Box"), None).await.unwrap();
    let letter = || Incoming::new(Letter::of(b"Subject: x\n\nx\n", &place.places()).unwrap());
    for turn in 1..=30u32 {
        there.append(&name("Box"), &[letter()]).await.unwrap();
        let now = status(&here, "Box").await;
        assert_eq!((now.messages, now.unseen, now.uidnext), (turn, 1, turn + 1));
        let mut folder = there.open(&name("Box")).await.unwrap();
        let mut changes = Changes::default();
        changes.add([turn].into_iter().collect(), Flags::SEEN);
        folder.apply(&changes).await.unwrap();
        let then = status(&here, "Box").await;
        assert_eq!(then.unseen, 0);
        assert!(then.modseq > now.modseq);
    }
    let before = status(&here, "Box").await;
    there.rename(&name("Box"), &name("Other")).await.unwrap();
    assert!(here.status(&vec![name("Box"); 5]).await.iter().all(Result::is_err));
    assert_eq!(status(&here, "Other").await.id, before.id);
    there.create(&name("Box"), None).await.unwrap();
    let after = status(&here, "Box").await;
    assert!(after.messages == 0 && after.id != before.id);
    there.delete(&name("Box")).await.unwrap();
    assert!(here.status(&vec![name("Box"); 5]).await.iter().all(Result::is_err));
}

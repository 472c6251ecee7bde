//! UIDs that were told under another UIDVALIDITY hit nothing (RFC 9051 §2.3.1.1).

use std::fmt::Debug;
use std::fs;

use vmail::store::{AnyFolder, Changes, Facts, Flags, Folder, FolderName, Home, Incoming, Letter, Trouble, Uids};

use super::kind::{KINDS, Kind, Place};
use super::play::text;

fn block(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

async fn fill(place: &Place, name: &FolderName, word: &str) {
    let texts = ["one", "two"].map(|nth| format!("Subject: {word} {nth}\n\n{word}\n"));
    let messages = texts.map(|text| Incoming::new(Letter::of(text.as_bytes(), &place.places()).unwrap()));
    place.home().append(name, &messages).await.unwrap();
}

/// Nothing can be done with the UIDs of `folder`, and all mail in folder `name` stays.
async fn is_powerless(place: &Place, name: &FolderName, mut folder: AnyFolder) {
    let (uids, other) = (Uids::all(), FolderName::parse("Other", '/').unwrap());
    place.home().create(&other, None).await.unwrap();
    fill(place, &other, "other").await;
    let mut seen = Changes { expunge: uids.clone(), ..Changes::default() };
    seen.add(uids.clone(), Flags::SEEN);
    let with = Incoming::new(Letter::of(b"Subject: with\n\nwith\n", &place.places()).unwrap());
    must_be_gone(folder.apply(&seen).await);
    must_be_gone(folder.copy(&uids, &other).await);
    must_be_gone(folder.relocate(&uids, &other).await);
    must_be_gone(folder.replace(1, &with, &other).await);
    must_be_gone(folder.learn(&uids, Facts::Content).await);
    must_be_gone(folder.cached(&uids).await);
    must_be_gone(folder.digest(1).await);
    must_be_gone(folder.read(1).await.map(drop));
    folder.refresh().await.unwrap();
    assert_eq!(folder.state().messages().filter(|message| !message.flags().contains(Flags::SEEN)).count(), 2);
    assert!(String::from_utf8(text(folder.read(folder.state().nth(0).unwrap().uid).await.unwrap()).await).unwrap().contains("new"));
    assert_eq!(place.home().open(&other).await.unwrap().state().len(), 2);
    assert_eq!(place.home().open(name).await.unwrap().state().len(), 2);
}

fn must_be_gone<T: Debug>(outcome: Result<T, Trouble>) {
    assert!(matches!(outcome, Err(Trouble::Gone(_))), "{outcome:?}");
}

#[test]
fn a_folder_that_was_made_again_is_not_the_one_that_was_open() {
    block(async {
        for kind in KINDS {
            let (place, name) = (Place::new(kind), FolderName::parse("Lists", '/').unwrap());
            let home = place.home();
            home.create(&name, None).await.unwrap();
            fill(&place, &name, "old").await;
            let folder = place.home().open(&name).await.unwrap();
            home.delete(&name).await.unwrap();
            home.create(&name, None).await.unwrap();
            fill(&place, &name, "new").await;
            is_powerless(&place, &name, folder).await;
        }
    });
}

#[test]
fn a_mailbox_that_another_program_has_numbered_anew_is_not_the_one_that_was_open() {
    block(async {
        for kind in [Kind::Maildir, Kind::Mbox] {
            let (place, inbox) = (Place::new(kind), FolderName::inbox());
            fill(&place, &inbox, "new").await;
            let folder = place.home().open(&inbox).await.unwrap();
            match kind {
                Kind::Mbox => fs::write(place.spool(), NUMBERED_ANEW).unwrap(),
                _ => {
                    let list = place.spool().join("dovecot-uidlist");
                    let text = fs::read_to_string(&list).unwrap();
                    let (head, lines) = text.split_once('\n').unwrap();
                    let other = |word: &str| if word.starts_with('V') { "V77".to_owned() } else { word.to_owned() };
                    let head: Vec<String> = head.split(' ').map(other).collect();
                    fs::write(&list, format!("{}\n{lines}", head.join(" "))).unwrap();
                    // Until somebody looks, changes are meant for files, and find them.
                    place.home().open(&inbox).await.unwrap();
                }
            }
            is_powerless(&place, &inbox, folder).await;
        }
    });
}

const NUMBERED_ANEW: &str = "\
From ann@va.test Sun Nov 22 12:00:00 2026
X-IMAPbase: 77 2
X-UID: 1
Subject: new three

new

From ann@va.test Sun Nov 22 12:00:00 2026
X-UID: 2
Subject: new four

new

";

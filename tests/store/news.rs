//! Who waits for a mailbox or a home hears of what others do within a second.

use std::time::Duration;

use vmail::store::{Changes, Flags, Folder, FolderName, Home, Incoming, Letter};

use super::kind::{KINDS, Kind, Place};

/// Whether `work` ends in time.
async fn soon(what: &str, kind: Kind, work: impl Future<Output = ()>) {
    let waited = tokio::time::timeout(Duration::from_secs(1), work).await;
    assert!(waited.is_ok(), "{kind:?}: nobody told of {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_another_process_are_heard_within_a_second() {
    for kind in KINDS {
        let place = Place::new(kind);
        let (here, there) = (place.home(), place.home());
        let (inbox, lists) = (FolderName::inbox(), FolderName::parse("Lists", '/').unwrap());
        let letter = || Incoming::new(Letter::of(b"Subject: x\n\nx\n", &place.places()).unwrap());
        there.append(&inbox, &[letter()]).await.unwrap();
        let mut folder = here.open(&inbox).await.unwrap();
        there.append(&inbox, &[letter()]).await.unwrap();
        soon("what was before the wait", kind, folder.changed()).await;
        folder.refresh().await.unwrap();
        assert_eq!(folder.state().len(), 2);
        there.append(&inbox, &[letter()]).await.unwrap();
        soon("a message", kind, folder.changed()).await;
        folder.refresh().await.unwrap();
        assert_eq!(folder.state().len(), 3);
        let mut other = there.open(&inbox).await.unwrap();
        let mut changes = Changes::default();
        changes.add([1].into_iter().collect(), Flags::SEEN);
        other.apply(&changes).await.unwrap();
        while !folder.state().message(1).unwrap().flags().contains(Flags::SEEN) {
            soon("a flag", kind, folder.changed()).await;
            folder.refresh().await.unwrap();
        }
        let mut watcher = here.watch();
        there.create(&lists, None).await.unwrap();
        soon("a new folder", kind, watcher.changed()).await;
        let mut watcher = here.watch();
        there.append(&lists, &[letter()]).await.unwrap();
        soon("mail in a folder", kind, watcher.changed()).await;
        there.rename(&lists, &FolderName::parse("Old", '/').unwrap()).await.unwrap();
        soon("another name", kind, watcher.changed()).await;
    }
}

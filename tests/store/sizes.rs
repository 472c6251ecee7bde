//! Sizes are those of the octets that are sent, by IMAP as by POP3, and octets that were appended come back.

use std::fs;

use vmail::message::EntryRef;
use vmail::store::{AnyFolder, AnyHome, Facts, Folder, FolderName, Home, Incoming, Letter, Status, Uids};

use super::kind::{KINDS, Kind, Place};
use super::play::text;

fn block(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

async fn append(place: &Place, texts: &[&str]) {
    let messages: Vec<_> = texts.iter().map(|text| Incoming::new(Letter::of(text.as_bytes(), &place.places()).unwrap())).collect();
    place.home().append(&FolderName::inbox(), &messages).await.unwrap();
}

/// Another program delivers `message`, whose last line has no end.
fn deliver(place: &Place, message: &str) {
    match place.kind {
        Kind::Memory => {}
        Kind::Maildir => fs::write(place.spool().join("new/1700000000.M1P1.elsewhere"), message).unwrap(),
        Kind::Mbox => {
            let old = fs::read_to_string(place.spool()).unwrap();
            fs::write(place.spool(), format!("{old}From eve@va.test Sun Nov 22 12:00:00 2026\n{message}")).unwrap();
        }
    }
}

async fn open(home: &AnyHome) -> AnyFolder {
    home.open(&FolderName::inbox()).await.unwrap()
}

/// As clients get it: CRLF where LF stands alone.
async fn sent(folder: &mut AnyFolder, uid: u32) -> String {
    let stored = String::from_utf8(text(folder.read(uid).await.unwrap()).await).unwrap();
    stored.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// Whatever is asked for agrees with what is sent. Returns how many messages there are whose last line has no end.
async fn agree(home: &AnyHome) -> usize {
    let mut folder = open(home).await;
    folder.learn(&Uids::all(), Facts::Size).await.unwrap();
    let (contents, state) = (folder.cached(&Uids::all()).await.unwrap(), folder.state().clone());
    let (mut kept, mut imap, mut pop, mut unended) = (contents.walk(), 0, 0, 0);
    for message in state.messages() {
        let text = sent(&mut folder, message.uid).await;
        let is_ended = text.is_empty() || text.ends_with('\n');
        let (octets, popped) = (text.len() as u64, text.len() as u64 + if is_ended { 0 } else { 2 });
        assert_eq!(message.octets(), Some(octets), "SORT SIZE, SEARCH LARGER: {text:?}");
        assert_eq!(message.size.popped(), popped, "LIST of POP3: {text:?}");
        assert_eq!(kept.of(message.uid).and_then(EntryRef::decode).unwrap().size(), octets, "RFC822.SIZE: {text:?}");
        (imap, pop, unended) = (imap + octets, pop + popped, unended + usize::from(!is_ended));
    }
    let status = home.status(&[FolderName::inbox()]).await.pop().unwrap();
    assert!(matches!(status, Ok(Status { octets, .. }) if octets == imap), "{status:?}, not {imap}");
    assert_eq!(state.head().totals.popped(), pop, "STAT of POP3");
    unended
}

#[test]
fn sizes_are_what_is_sent_also_where_the_last_line_has_no_end() {
    block(async {
        for kind in KINDS {
            let place = Place::new(kind);
            append(
                &place,
                &["Subject: 1\r\n\r\nunended", "Subject: 2\r\n\r\nended\r\n", "Subject: 3\r\n\r\n", "Subject: 4", "S: 5\n\na\r\r\nb\n"],
            )
            .await;
            // An mbox can't keep a last line without an end where another message follows.
            let appended = if kind == Kind::Mbox { 0 } else { 2 };
            assert_eq!(agree(&place.home()).await, appended, "{kind:?}");
            deliver(&place, "Subject: 6\n\nunended");
            let delivered = appended + usize::from(kind.is_on_disk());
            assert_eq!(agree(&place.home()).await, delivered, "{kind:?}");
            if kind.is_on_disk() {
                fs::remove_dir_all(place.index()).unwrap();
                assert_eq!(agree(&place.home()).await, delivered, "{kind:?} without its index");
            }
            // What follows gives the last one of an mbox its line end.
            append(&place, &["Subject: 7\n\nended\n"]).await;
            assert_eq!(agree(&place.home()).await, if kind == Kind::Mbox { 0 } else { delivered }, "{kind:?}");
        }
    });
}

#[test]
fn octets_come_back_as_they_were_appended() {
    let ends = ["a\r\r\nb\r\n", "\r\r\n\r\r\r\n", "a\rb\r\n", "\r\n\r\n", "a\0\r\n"];
    let texts = ends.map(|end| format!("Subject: exact\r\n\r\n{end}"));
    block(async {
        for kind in KINDS {
            let place = Place::new(kind);
            append(&place, &texts.each_ref().map(String::as_str)).await;
            let mut folder = open(&place.home()).await;
            let uids: Vec<u32> = folder.state().messages().map(|message| message.uid).collect();
            for (uid, text) in std::iter::zip(uids, &texts) {
                assert_eq!(sent(&mut folder, uid).await, *text, "{kind:?}");
            }
        }
    });
}

//! What a session leaves in the spool, and spools that are none.

use std::fs;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use vmail::house::{End, Report};
use vmail::pop3::Done;
use vmail::serve::{Mode, Server};

use crate::house::{Dial, House};

const JOE: &str = "joe@va.test";

fn house(record: &str) -> House {
    let house = House::new("");
    house.domain("va.test", &format!("ip = [\"192.0.2.2\"]\n{record}"));
    house.user(JOE, "secret");
    house.deliver(JOE, b"Subject: one\n\none\n");
    house.deliver(JOE, b"Subject: two\n\ntwo\n");
    house
}

/// Says all of it, hears until `last` or the end, and hangs up.
async fn session(server: &Arc<Server>, said: &str, last: &str) -> (String, Report<Done>) {
    let (pipe, task) = Dial::to("192.0.2.2").connect(server, 1 << 20);
    let mut pipe: BufReader<DuplexStream> = BufReader::new(pipe);
    pipe.write_all(format!("USER joe\r\nPASS secret\r\n{said}").as_bytes()).await.unwrap();
    let mut heard = String::new();
    while pipe.read_line(&mut heard).await.unwrap() > 0 && !heard.ends_with(last) {}
    drop(pipe);
    (heard, task.await.unwrap())
}

/// Which messages are marked as read in the spool.
fn seen(house: &House) -> Vec<&'static str> {
    let stored = house.stored(JOE);
    let messages: Vec<&str> = stored.split("From ann@").skip(1).collect();
    let is_seen = |subject: &str| messages.iter().any(|message| message.contains(subject) && message.contains("\nStatus: R"));
    ["Subject: one", "Subject: two"].into_iter().filter(|subject| is_seen(subject)).collect()
}

#[tokio::test]
async fn what_was_read_is_seen_after_quit_and_after_a_lost_connection() {
    for (ending, last) in [("QUIT\r\n", "shutdown.\r\n"), ("NOOP\r\n", ".\r\n+OK\r\n")] {
        let house = house("");
        let (heard, _) = session(&house.open(Mode::Daemon), &format!("RETR 2\r\nTOP 1 1\r\n{ending}"), last).await;
        assert!(heard.ends_with(last), "{heard}");
        assert_eq!(seen(&house), ["Subject: two"], "TOP is no reading: {}", house.stored(JOE));
    }
}

#[tokio::test]
async fn mark_seen_off_leaves_the_spool_as_it_was() {
    let house = house("[pop3]\nmark_seen = false\n");
    let before = house.stored(JOE);
    session(&house.open(Mode::Daemon), "RETR 1\r\nUIDL\r\nQUIT\r\n", "shutdown.\r\n").await;
    assert_eq!(house.stored(JOE), before);
}

#[tokio::test]
async fn looking_changes_nothing() {
    let house = house("");
    let before = house.stored(JOE);
    session(&house.open(Mode::Daemon), "STAT\r\nLIST\r\nUIDL\r\nTOP 1 0\r\nDELE 1\r\nRSET\r\nQUIT\r\n", "shutdown.\r\n").await;
    assert_eq!(house.stored(JOE), before);
}

#[tokio::test]
async fn a_connection_lost_after_dele_deletes_nothing_and_is_reported() {
    let house = house("");
    let (_, report) = session(&house.open(Mode::Daemon), "RETR 1\r\nDELE 1\r\nDELE 2\r\n", "2 marked for deletion\r\n").await;
    assert!(matches!(report.end, End::Lost(_)), "{report:?}");
    assert_eq!((report.done.retr, report.done.dele), (1, 0));
    let stored = house.stored(JOE);
    assert!(stored.contains("Subject: one") && stored.contains("Subject: two"), "{stored}");
    assert_eq!(seen(&house), ["Subject: one"]);
}

#[tokio::test]
async fn unique_ids_outlive_the_index_and_the_server() {
    let house = house("");
    let ids = |heard: &str| -> Vec<String> {
        let (_, list) = heard.split_once("unique ids follow\r\n").unwrap();
        list.lines().take_while(|line| *line != ".").map(|line| line[2..].to_owned()).collect()
    };
    let (heard, _) = session(&house.open(Mode::Daemon), "UIDL\r\nRETR 1\r\nQUIT\r\n", "shutdown.\r\n").await;
    let before = ids(&heard);
    assert_eq!(before.len(), 2);
    fs::remove_dir_all(house.root().index()).unwrap();
    let (heard, _) = session(&house.open(Mode::Daemon), "UIDL\r\nDELE 1\r\nQUIT\r\n", "shutdown.\r\n").await;
    assert_eq!(ids(&heard), before);
    fs::remove_dir_all(house.root().index()).unwrap();
    let (heard, _) = session(&house.open(Mode::Inetd), "UIDL\r\nQUIT\r\n", "shutdown.\r\n").await;
    assert_eq!(ids(&heard), before[1..]);
}

#[tokio::test]
async fn octets_that_no_mailer_wrote_are_a_message_and_not_touched() {
    let house = house("");
    let spool = house.root().spool(&"va.test".parse().unwrap()).join("joe");
    for (octets, shown) in [
        (&b"this is no mailbox\n"[..], "+OK 1 20\r\nthis is no mailbox\r\n"),
        (b"Subject: no From_ line\n\nbody\n", "+OK 1 32\r\nSubject: no From_ line\r\n\r\nbody\r\n"),
    ] {
        fs::write(&spool, octets).unwrap();
        let (heard, _) = session(&house.open(Mode::Daemon), "STAT\r\nTOP 1 9\r\nQUIT\r\n", "shutdown.\r\n").await;
        assert!(heard.replace("+OK top of message follows\r\n", "").contains(shown), "{octets:?}: {heard}");
        assert_eq!(fs::read(&spool).unwrap(), octets);
    }
}

#[tokio::test]
async fn a_spool_that_is_no_file_is_refused_and_the_session_goes_on() {
    let house = house("");
    let spool = house.root().spool(&"va.test".parse().unwrap()).join("joe");
    fs::remove_file(&spool).unwrap();
    // A folder would be a Maildir.
    std::os::unix::fs::symlink("/etc/passwd", &spool).unwrap();
    let (heard, _) = session(&house.open(Mode::Daemon), "STAT\r\nQUIT\r\n", "shutdown.\r\n").await;
    let expected = "-ERR [SYS/PERM] the maildrop can't be read; the administrator has to look\r\n-ERR Invalid command";
    assert!(heard.contains(expected), "{heard}");
    assert!(heard.ends_with("shutdown.\r\n"), "{heard}");
    assert!(spool.is_symlink());
}

#[tokio::test]
async fn a_half_written_message_is_shown_as_far_as_it_is_there() {
    let house = house("");
    let spool = house.root().spool(&"va.test".parse().unwrap()).join("joe");
    let mut text = fs::read(&spool).unwrap();
    text.extend_from_slice(b"From ann@example.org Sun Sep  9 01:46:40 2001\nSubject: three\n\nhalf a li");
    fs::write(&spool, &text).unwrap();
    let (heard, _) = session(&house.open(Mode::Daemon), "RETR 3\r\nLIST 3\r\nQUIT\r\n", "shutdown.\r\n").await;
    assert!(heard.contains("+OK 29 octets\r\nSubject: three\r\n\r\nhalf a li\r\n.\r\n+OK 3 29\r\n"), "{heard}");
}

#[tokio::test]
async fn a_second_session_waits_for_the_first_to_end() {
    let house = house("");
    let server = house.open(Mode::Daemon);
    let (pipe, first) = Dial::to("192.0.2.2").connect(&server, 1 << 16);
    let mut pipe = BufReader::new(pipe);
    pipe.write_all(b"USER joe\r\nPASS secret\r\n").await.unwrap();
    let mut heard = String::new();
    while !heard.contains("messages ready") {
        pipe.read_line(&mut heard).await.unwrap();
    }
    // Another process is another `Server`.
    for other in [&server, &house.open(Mode::Inetd)] {
        let (heard, _) = session(other, "QUIT\r\n", "shutdown.\r\n").await;
        assert!(heard.contains("-ERR [IN-USE] "), "{heard}");
    }
    pipe.write_all(b"QUIT\r\n").await.unwrap();
    pipe.read_to_string(&mut heard).await.unwrap();
    first.await.unwrap();
    let (heard, _) = session(&server, "QUIT\r\n", "shutdown.\r\n").await;
    assert!(heard.contains("+OK 2 messages ready"), "{heard}");
}

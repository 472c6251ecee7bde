//! FETCH from its text to its answers, over mail in memory: against samples, against a second and plainer reading of messages, and
//! against imap-codec.

mod client;
mod codec;
mod samples;
mod tree;

use client::{Client, Value};

use crate::config::{Fsync, Spool};
use crate::os::actor::Actor;
use crate::store::{Account, Flags, Folder, Places, Store};

const PLAIN: &str = "Date: Fri, 21 Nov 1997 09:55:06 -0600\nFrom: a@b.example\nSubject: one\nX-Other: two\n\nbody\nof it\n";

fn text(value: &Value) -> &str {
    str::from_utf8(value.octets().unwrap()).unwrap()
}

#[tokio::test]
async fn facts_are_told_in_the_order_asked_for() {
    let mut client = Client::with(&[PLAIN, PLAIN]).await;
    let said = client.said("FETCH", "1:2 (FLAGS UID RFC822.SIZE)").await;
    let size = PLAIN.len() + PLAIN.lines().count();
    let line = |number| format!("* {number} FETCH (FLAGS () UID {number} RFC822.SIZE {size})\r\n");
    assert_eq!(said, line(1) + &line(2) + "OK FETCH completed");
    let said = client.said("FETCH", "2 (EMAILID THREADID PREVIEW SAVEDATE INTERNALDATE MODSEQ)").await;
    let date = "\" 9-Sep-2001 01:46:40 +0000\"";
    assert!(said.starts_with("* 2 FETCH (EMAILID (M"), "{said}");
    assert!(said.contains(&format!("PREVIEW \"body of it\" SAVEDATE {date} INTERNALDATE {date} MODSEQ (")), "{said}");
    assert_eq!(client.said("UID FETCH", "7,2 FLAGS").await, "* 2 FETCH (UID 2 FLAGS ())\r\nOK FETCH completed");
    assert_eq!(client.said("FETCH", "3 FLAGS").await, "BAD there are not so many messages");
}

#[tokio::test]
async fn macros_are_what_they_stand_for() {
    let mut client = Client::with(&[PLAIN]).await;
    for (name, items) in [
        ("FAST", "(FLAGS INTERNALDATE RFC822.SIZE)"),
        ("ALL", "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"),
        ("FULL", "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)"),
    ] {
        let long = client.said("FETCH", &format!("1 {items}")).await;
        assert_eq!(client.said("FETCH", &format!("1 {name}")).await, long);
        assert!(long.contains("INTERNALDATE"), "{long}");
    }
}

#[tokio::test]
async fn what_is_read_becomes_seen_and_is_told_so_once() {
    let mut client = Client::with(&[PLAIN, PLAIN]).await;
    assert!(!client.said("FETCH", "1 (BODY.PEEK[] RFC822.HEADER BINARY.SIZE[1])").await.contains("FLAGS"));
    assert!(client.said("FETCH", "1 (BODY[TEXT])").await.starts_with("* 1 FETCH (FLAGS (\\Seen) BODY[TEXT] {"));
    assert_eq!(client.news(), Default::default());
    assert!(!client.said("FETCH", "1 (BODY[TEXT])").await.contains("FLAGS"));
    client.tells_modseq = true;
    let said = client.said("FETCH", "2 (FLAGS BINARY[1])").await;
    let modseq = client.folder.state().message(2).unwrap().modseq;
    assert!(said.starts_with(&format!("* 2 FETCH (FLAGS (\\Seen) UID 2 MODSEQ ({modseq}) BINARY[1] {{")), "{said}");
    assert!(client.folder.state().messages().all(|message| message.flags().contains(Flags::SEEN)));
}

#[tokio::test]
async fn an_examined_mailbox_does_not_change() {
    let mut client = Client::with(&[PLAIN]).await;
    client.is_read_only = true;
    assert!(client.said("FETCH", "1 RFC822").await.starts_with("* 1 FETCH (RFC822 {"));
    assert!(client.folder.state().messages().all(|message| !message.flags().contains(Flags::SEEN)));
}

#[tokio::test]
async fn a_part_of_a_section_has_its_origin() {
    let mut client = Client::with(&[PLAIN]).await;
    assert_eq!(client.said("FETCH", "1 BODY.PEEK[1]<2.6>").await, "* 1 FETCH (BODY[1]<2> {6}\r\ndy\r\nof)\r\nOK FETCH completed");
    assert_eq!(client.said("FETCH", "1 BODY.PEEK[1]<13.6>").await, "* 1 FETCH (BODY[1]<13> \"\")\r\nOK FETCH completed");
    assert_eq!(client.said("FETCH", "1 BODY.PEEK[2]<0.6>").await, "* 1 FETCH (BODY[2]<0> NIL)\r\nOK FETCH completed");
    let far = client.said("FETCH", "1 BODY.PEEK[]<9223372036854775807.9223372036854775807>").await;
    assert!(far.starts_with("* 1 FETCH (BODY[]<9223372036854775807> \"\")"), "{far}");
    let picked = client.said("FETCH", "1 BODY.PEEK[HEADER.FIELDS (Subject)]<4.9>").await;
    assert!(picked.starts_with("* 1 FETCH (BODY[HEADER.FIELDS (Subject)]<4> {9}\r\nect: one\r)"), "{picked}");
}

#[tokio::test]
async fn fields_are_the_same_from_the_store_and_from_the_message() {
    let mut client = Client::with(&[PLAIN]).await;
    let kept = client.answers("FETCH", "1 BODY.PEEK[HEADER.FIELDS (SUBJECT from)]").await;
    let read = client.answers("FETCH", "1 BODY.PEEK[HEADER.FIELDS (X-None SUBJECT from)]").await;
    assert_eq!(text(&kept[0].items[0].1), "From: a@b.example\r\nSubject: one\r\n\r\n");
    assert_eq!(kept[0].items[0].1, read[0].items[0].1);
    let others = client.answers("FETCH", "1 BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT from)]").await;
    assert_eq!(text(&others[0].items[0].1), "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nX-Other: two\r\n\r\n");
}

#[tokio::test]
async fn binary_is_decoded_and_only_a_literal8_holds_nul() {
    let base64 = "Content-Transfer-Encoding: base64\n\nYQBi\nYw==\n";
    let quoted = "Content-Transfer-Encoding: quoted-printable\n\n=C3=A4=\nb  \nc\n";
    let plain = "Subject: x\n\na\0b\n";
    let mut client = Client::with(&[base64, quoted, plain]).await;
    let said = client.octets("FETCH", "1:3 (BINARY.PEEK[1] BINARY.SIZE[1])").await;
    let expected = "* 1 FETCH (BINARY[1] ~{4}\r\na\0bc BINARY.SIZE[1] 4)\r\n\
        * 2 FETCH (BINARY[1] {8}\r\näb\r\nc\r\n BINARY.SIZE[1] 8)\r\n\
        * 3 FETCH (BINARY[1] ~{5}\r\na\0b\r\n BINARY.SIZE[1] 5)\r\nOK FETCH completed";
    assert_eq!(said.escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
    assert_eq!(client.said("FETCH", "1 BINARY.PEEK[1]<2.9>").await, "* 1 FETCH (BINARY[1]<2> {2}\r\nbc)\r\nOK FETCH completed");
    assert_eq!(
        client.said("FETCH", "1 (BINARY.PEEK[2] BINARY.SIZE[2])").await,
        "* 1 FETCH (BINARY[2] NIL BINARY.SIZE[2] 0)\r\nOK FETCH completed"
    );
    // RFC 9051 §4.3.1: a literal has none.
    assert_eq!(client.octets("FETCH", "3 BODY.PEEK[TEXT]").await, b"* 3 FETCH (BODY[TEXT] {5}\r\na\x80b\r\n)\r\nOK FETCH completed");
}

#[tokio::test]
async fn an_encoding_that_nobody_knows_fails_that_message_alone() {
    let mut client = Client::with(&["Content-Transfer-Encoding: x-rot13\n\nuryyb\n", PLAIN]).await;
    let said = client.said("FETCH", "1:2 (BINARY.PEEK[1])").await;
    assert!(said.starts_with("* 2 FETCH (BINARY[1] {13}\r\n") && said.contains(")\r\nNO [UNKNOWN-CTE] "), "{said}");
    assert!(client.said("FETCH", "1 BODY.PEEK[1]").await.contains("uryyb"));
}

#[tokio::test]
async fn messages_that_are_gone_are_left_out() {
    let mut client = Client::with(&[PLAIN, PLAIN, PLAIN]).await;
    client.expunge_elsewhere(2).await;
    // The folder does not know it yet.
    let said = client.said("FETCH", "1:3 (UID BODY.PEEK[1]<0.1>)").await;
    assert_eq!(said.lines().filter(|line| line.starts_with("* ")).count(), 2, "{said}");
    assert!(said.contains("* 3 FETCH (UID 3 ") && said.contains("NO [EXPUNGEISSUED] "), "{said}");
    client.folder.refresh().await.unwrap();
    let said = client.said("FETCH", "1:3 UID").await;
    assert!(said.starts_with("* 1 FETCH (UID 1)\r\n* 3 FETCH (UID 3)\r\nNO [EXPUNGEISSUED] "), "{said}");
    assert!(client.said("UID FETCH", "1:2 FLAGS").await.contains("OK [EXPUNGEISSUED] "));
    assert!(client.said("UID FETCH", "3 FLAGS").await.ends_with("OK FETCH completed"));
}

#[tokio::test]
async fn what_has_changed_since_is_told_with_what_vanished() {
    let mut client = Client::with(&[PLAIN, PLAIN, PLAIN]).await;
    let since = client.folder.state().head().modseq;
    client.expunge_elsewhere(2).await;
    client.said("FETCH", "3 BODY[TEXT]").await;
    client.refresh().await;
    let said = client.said("UID FETCH", &format!("1:* (FLAGS) (CHANGEDSINCE {since} VANISHED)")).await;
    let modseq = client.folder.state().message(3).unwrap().modseq;
    let expected = format!("* VANISHED (EARLIER) 2\r\n* 2 FETCH (UID 3 FLAGS (\\Seen) MODSEQ ({modseq}))\r\nOK FETCH completed");
    assert_eq!(said, expected);
}

#[tokio::test]
async fn many_messages_and_a_large_one_pass_through_a_client_that_is_slow() {
    let large = "Subject: large\n\n".to_owned() + &"0123456789\n".repeat(200_000);
    let mut messages = vec![PLAIN; 700];
    messages.push(&large);
    let mut client = Client::with(&messages).await;
    let all = client.answers("FETCH", "1:* (UID RFC822.SIZE ENVELOPE PREVIEW (LAZY) BODY.PEEK[HEADER.FIELDS (SUBJECT)])").await;
    assert!(all.iter().zip(1..).all(|(answer, number)| answer.number == number && answer.items.len() == 5));
    assert_eq!(all.len(), 701);
    let whole = client.answers("FETCH", "701 BODY.PEEK[]").await;
    assert_eq!(text(&whole[0].items[0].1), large.replace('\n', "\r\n"));
}

#[tokio::test]
async fn a_large_section_can_be_read_part_by_part() {
    let body = "a\n".repeat(1_000) + &"0123456789\n\rx\n".repeat(40_000);
    let mut client = Client::with(&[&format!("Subject: large\n\n{body}")]).await;
    let expected = body.replace('\n', "\r\n");
    let mut got = String::new();
    for part in 0.. {
        let answers = client.answers("FETCH", &format!("1 BODY.PEEK[1]<{}.50001>", part * 50_001)).await;
        match text(&answers[0].items[0].1) {
            "" => break,
            piece => got += piece,
        }
    }
    assert!(got == expected);
    // Back, and ahead of where reading ended.
    for origin in [500_000, 70_000, 71_000, 3, 520_123] {
        let answers = client.answers("FETCH", &format!("1 BODY.PEEK[TEXT]<{origin}.9>")).await;
        assert_eq!(text(&answers[0].items[0].1), &expected[origin..origin + 9]);
    }
}

#[tokio::test]
async fn it_makes_no_difference_where_the_mail_is() {
    let large = "Subject: large\nStatus: RO\n\n".to_owned() + &"From here\n0123456789\n".repeat(20_000);
    let messages = [PLAIN, &large, "Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x\n\ntwo\n--x--\n"];
    let asked = "1:* (UID RFC822.SIZE ENVELOPE BODYSTRUCTURE PREVIEW BODY.PEEK[] BODY.PEEK[HEADER.FIELDS.NOT (Subject)] BODY.PEEK[TEXT] \
        BODY.PEEK[TEXT]<300000.40> BODY.PEEK[2] BINARY.SIZE[1])";
    let mut expected = Client::with(&messages).await.answers("FETCH", asked).await;
    for format in [Spool::Maildir, Spool::Mbox] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("home")).unwrap();
        let account = Account::plain("joe@va.test".parse().unwrap(), Actor::Service, at("joe"), at("home"), format);
        let home = Store::new(Places::inside(&at("var"), Fsync::Never)).home(account);
        let mut answers = Client::of(home, &messages).await.answers("FETCH", asked).await;
        if format == Spool::Mbox {
            // Notes of mbox programs are not shown, because they are ours there.
            assert!(!text(&answers[1].items[5].1).contains("Status:"));
            answers.remove(1);
            expected.remove(1);
        }
        assert_eq!(answers, expected, "{format:?}");
    }
}

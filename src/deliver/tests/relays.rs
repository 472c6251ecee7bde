//! Handing mail to a server by SMTP.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use super::answers::runtime;
use crate::config::Machine;
use crate::deliver::{Outcome, Submission};

/// A server for one connection, which gives `replies` in turn; gives what it was told.
fn server(replies: &'static [&'static str]) -> (Submission, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let by = Submission {
        relay: Some(listener.local_addr().unwrap().to_string()),
        host: "host.test".into(),
        deadline: Duration::from_secs(10),
        ..Submission::of(&Machine::default())
    };
    let serving = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(client.try_clone().unwrap());
        let mut told = Vec::new();
        for reply in replies {
            client.write_all(format!("{reply}\r\n").as_bytes()).unwrap();
            let in_data = reply.starts_with("354");
            loop {
                let mut line = Vec::new();
                if lines.read_until(b'\n', &mut line).unwrap() == 0 {
                    return told;
                }
                let line = String::from_utf8_lossy(&line).into_owned();
                let is_end = !in_data || line == ".\r\n";
                told.push(line);
                if is_end {
                    break;
                }
            }
        }
        told
    });
    (by, serving)
}

fn submit(by: &Submission, to: &[&str], text: &[u8]) -> Vec<Outcome> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    runtime().block_on(by.submit_file("a@x.org", to, file))
}

#[test]
fn a_message_is_handed_over_and_each_recipient_has_an_outcome() {
    let (by, serving) = server(&[
        "220 mail.test",
        "250-mail.test\r\n250-8bitmime\r\n250 SIZE 1000000",
        "250 ok",
        "250 ok",
        "550 5.1.1 nobody",
        "451 later",
        "354 go",
        "250 taken",
        "221 bye",
    ]);
    let outcomes = submit(&by, &["b@x.org", "c@x.org", "d@x.org"], b"Subject: \xe9\n\n.\nlast");
    assert_eq!(outcomes, [Outcome::Done, Outcome::NotForwarded, Outcome::Broken]);
    drop(by);
    let told = serving.join().unwrap();
    assert_eq!(
        told[..6],
        [
            "EHLO host.test\r\n",
            "MAIL FROM:<a@x.org> BODY=8BITMIME\r\n",
            "RCPT TO:<b@x.org>\r\n",
            "RCPT TO:<c@x.org>\r\n",
            "RCPT TO:<d@x.org>\r\n",
            "DATA\r\n"
        ]
    );
}

#[test]
fn what_a_server_refuses_is_refused_and_what_fails_is_for_later() {
    for (replies, outcome) in [
        (&["554 not you", "x"][..], Outcome::Broken),
        (&["220 x", "500 what", "250 old", "250 ok", "250 ok", "354 go", "250 ok"][..], Outcome::Done),
        (&["220 x", "250 x", "553 no", "x"][..], Outcome::NotForwarded),
        (&["220 x", "250 x", "250 ok", "250 ok", "354 go", "554 spam"][..], Outcome::NotForwarded),
        (&["220 x", "250 x", "250 ok", "250 ok", "354 go", "451 full"][..], Outcome::Broken),
        (&["220 x", "250 x", "250 ok", "250 ok"][..], Outcome::Broken),
        (&["220 x", "nonsense"][..], Outcome::Broken),
        (&["220 x", "250 x", "421 bye"][..], Outcome::Broken),
    ] {
        let (by, serving) = server(replies);
        assert_eq!(submit(&by, &["b@x.org"], b"x\n"), [outcome], "{replies:?}");
        drop(serving);
    }
    let by = Submission { relay: Some("127.0.0.1:1".into()), ..Submission::of(&Machine::default()) };
    assert_eq!(submit(&by, &["b@x.org"], b"x\n"), [Outcome::Broken], "nobody listens");
}

#[test]
fn addresses_beyond_ascii_need_a_server_that_knows_them_and_none_gives_commands() {
    let (by, _) = server(&["220 x", "250 x", "250 ok"]);
    assert_eq!(submit(&by, &["j\u{f6}rg@x.org"], b"x\n"), [Outcome::NotForwarded]);
    let (by, serving) = server(&["220 x", "250-x\r\n250 SMTPUTF8", "250 ok", "250 ok", "354 go", "250 ok", "221 x"]);
    assert_eq!(submit(&by, &["j\u{f6}rg@x.org"], b"x\n"), [Outcome::Done]);
    assert_eq!(serving.join().unwrap()[1], "MAIL FROM:<a@x.org> SMTPUTF8\r\n");
    let (by, _) = server(&["220 x", "250 x", "250 ok"]);
    assert_eq!(submit(&by, &["b@x.org>\r\nDATA"], b"x\n"), [Outcome::NotForwarded]);
}

#[test]
fn a_server_that_says_nothing_is_left() {
    let (by, _) = server(&[]);
    let by = Submission { deadline: Duration::from_millis(200), ..by };
    assert_eq!(submit(&by, &["b@x.org"], b"x\n"), [Outcome::Broken]);
}

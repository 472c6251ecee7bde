//! LMTP's clients: swaks, which Debian has, and Python's smtplib.

use std::fs;
use std::process::Command;

use crate::daemon::{Daemon, free_address};
use crate::harness::program::{printed, run, succeed_with};
use crate::harness::{has_package, skip};
use crate::house::House;

fn house(rest: &str) -> House {
    let address = free_address();
    let house = House::new(&format!("{rest}\n[[listen]]\nproto = \"pop3\"\naddress = \"{}\"\nport = {}\n", address.ip(), address.port()));
    house.domain("va.test", "");
    house.user("ann@va.test", "secret");
    house.user("joe@va.test", "secret");
    house
}

/// The one message of a user's Maildir.
fn delivered(house: &House, user: &str) -> String {
    let folder = house.root().spool(&"va.test".parse().unwrap()).join(user).join("new");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    fs::read_to_string(&files[0]).unwrap()
}

#[test]
fn swaks_delivers_by_the_socket_and_by_tcp() {
    if !has_package("swaks") {
        skip!("needs Debian's package swaks");
    }
    let address = free_address();
    let house = house(&format!("[[listen]]\nproto = \"lmtp\"\naddress = \"{}\"\nport = {}\n", address.ip(), address.port()));
    let _daemon = Daemon::start(&house);
    let socket = house.root().run().join("lmtp");
    let swaks = |to: &str| {
        let mut command = Command::new("swaks");
        command.args(["--protocol", "LMTP", "--from", "eve@x.org", "--to", to, "--helo", "mx.x.org", "--body", ".one\n..two\n.\nthree"]);
        command
    };
    let told = printed(&run(swaks("ann@va.test").arg("--socket").arg(&socket), b"", 20));
    assert!(told.contains("<-  250 2.0.0 <ann@va.test> delivered "), "{told}");
    let there = delivered(&house, "ann");
    assert!(there.starts_with("Return-Path: <eve@x.org>\nDelivered-To: ann@va.test\nReceived: from mx.x.org\n\tby host.test "), "{there}");
    assert!(there.contains("\n\n.one\n..two\n.\nthree\n"), "{there}");

    let server = format!("{}:{}", address.ip(), address.port());
    let told = printed(&run(swaks("joe@va.test,nobody@va.test").args(["--server", &server]), b"", 20));
    assert!(told.contains("<** 550 5.1.1 <nobody@va.test> there is no such user here"), "{told}");
    assert!(told.contains("<-  250 2.0.0 <joe@va.test> delivered "), "{told}");
    assert!(delivered(&house, "joe").contains("\n\n.one\n..two\n.\nthree\n"));
}

#[test]
fn pythons_smtplib_delivers_by_the_socket() {
    if !has_package("python3") {
        skip!("needs Debian's package python3");
    }
    let house = house("");
    let _daemon = Daemon::start(&house);
    let socket = house.root().run().join("lmtp");
    let mut python = Command::new("/usr/bin/python3");
    let told = succeed_with(python.arg("-").arg(&socket), SENDS.as_bytes());
    assert_eq!(
        told,
        "['8bitmime', 'chunking', 'enhancedstatuscodes', 'pipelining', 'size', 'smtputf8']\n550 b'5.1.1 <nobody@va.test> there is no such user here'\n"
    );
    let there = delivered(&house, "ann");
    assert!(there.contains(" with UTF8LMTP id ") && there.contains("Subject: café\n") && there.ends_with("\n\n.\nbär\n"), "{there}");
}

const SENDS: &str = r#"
import smtplib, sys
from email.message import EmailMessage
from email.policy import SMTPUTF8
message = EmailMessage(policy=SMTPUTF8)
message['From'], message['To'], message['Subject'] = 'renée@x.org', 'ann@va.test', 'café'
message.set_content('.\nbär\n', cte='8bit')
with smtplib.LMTP(sys.argv[1]) as client:
    client.ehlo_or_helo_if_needed()
    print(sorted(client.esmtp_features))
    client.send_message(message)
    try:
        client.sendmail('eve@x.org', ['nobody@va.test'], 'Subject: lost')
    except smtplib.SMTPRecipientsRefused as refused:
        print(*refused.recipients['nobody@va.test'])
"#;

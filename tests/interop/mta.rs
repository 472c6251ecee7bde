//! Debian's mail servers bring mail to vmail, with the snippets of `contrib/` as they are.

mod exim;
mod postfix;

use std::fs;
use std::process::Command;

use crate::harness::machine::Machine;
use crate::harness::program::{Program, succeed_with};
use crate::harness::site::Site;
use crate::harness::until;

/// Two domains with a joe in each; ann of both may have 1 KiB, and mail that is more is refused in va.test and waits in vb.test. eve of
/// sink.test is the machine's own user, who sends, and gets what leaves vmail.
fn furnish(machine: &Machine) -> Site {
    machine.install_vmail().user("eve", 4003, "x").sh("mkdir -p /var/mail; chmod 1777 /var/mail; rm -f /var/mail/eve");
    let site = Site;
    site.configure("host = \"mail.example.net\"\n[[listen]]\nproto = \"pop3\"\naddress = \"127.0.0.1\"\nport = 1110\n");
    for domain in ["va.test", "vb.test"] {
        let over = if domain == "va.test" { "refuse" } else { "wait" };
        site.domain(domain, &[]).user(&format!("joe@{domain}"), "x").user(&format!("ann@{domain}"), "x");
        machine.line(
            &format!("/etc/vmail/domains/{domain}.toml"),
            &format!("\n[delivery]\nover_quota = \"{over}\"\n[quota.user.ann]\ninbox = 1\n"),
        );
    }
    machine.file("/etc/vmail/aliases.va.test", "team: joe, joe@vb.test, joe\nsplit: joe, nobody\naway: eve@sink.test\n");
    site.user("bob@va.test", "x");
    machine
        .file("/var/spool/vmail/files/va.test/bob.vacation", "Subject: away\n\nBack on Monday.\n")
        .sh("touch /var/spool/vmail/files/va.test/bob.vacation.db; chown -R vmail:vmail /var/spool/vmail/files");
    site
}

/// Sends by SMTP with Python's smtplib; what was said to each refused recipient.
fn send(from: &str, to: &[&str], text: &[u8]) -> String {
    succeed_with(Command::new("/usr/bin/python3").args(["-c", SENDS, from]).args(to), text)
}

const SENDS: &str = r#"
import smtplib, sys
with smtplib.SMTP('127.0.0.1', 25, timeout=30) as client:
    try:
        told = client.sendmail(sys.argv[1], sys.argv[2:], sys.stdin.buffer.read(), mail_options=['BODY=8BITMIME', 'SMTPUTF8'])
    except smtplib.SMTPRecipientsRefused as refused:
        told = refused.recipients
    for to, (code, words) in sorted(told.items()):
        print(to, code, words.decode())
"#;

/// `count` messages to joe@va.test, in four connections at a time.
fn storm(count: usize) -> Program {
    Program::start(Command::new("/usr/bin/python3").args(["-c", STORMS, &count.to_string()]))
}

const STORMS: &str = r#"
import smtplib, sys, threading
def some(first):
    with smtplib.SMTP('127.0.0.1', 25, timeout=60) as client:
        for number in range(first, int(sys.argv[1]), 4):
            client.sendmail('eve@sink.test', ['joe@va.test'], f'Subject: storm {number}\r\n\r\nx\r\n')
all = [threading.Thread(target=some, args=[first]) for first in range(4)]
for one in all: one.start()
for one in all: one.join()
print('all sent')
"#;

/// What is in a Maildir.
fn mail_of(address: &str) -> Vec<String> {
    let folder = Site.spool(address);
    let entries = ["new", "cur"].iter().flat_map(|part| fs::read_dir(folder.join(part)).into_iter().flatten());
    entries.filter_map(|entry| fs::read(entry.ok()?.path()).ok()).map(|text| String::from_utf8_lossy(&text).into_owned()).collect()
}

/// The message of this subject that a mailbox gets; the only one.
fn arrives(address: &str, subject: &str) -> String {
    let line = format!("\nSubject: {subject}\n");
    let mut found = until(&format!("{subject} for {address}"), 20, || {
        Some(mail_of(address).into_iter().filter(|text| text.contains(&line)).collect::<Vec<_>>()).filter(|found| !found.is_empty())
    });
    assert_eq!(found.len(), 1, "{address}: {found:?}");
    found.remove(0)
}

/// What eve has, once this is in it.
fn eve_gets(text: &str) -> String {
    until(&format!("{text:?} for eve"), 20, || fs::read_to_string("/var/mail/eve").ok().filter(|all| all.contains(text)))
}

fn letter(subject: &str) -> Vec<u8> {
    format!("From: eve@sink.test\r\nMessage-ID: <{}@sink.test>\r\nSubject: {subject}\r\n\r\nHello\r\n", subject.replace(' ', "."))
        .into_bytes()
}

/// Mail for joe of one domain is not that of the other; its body is what was sent, and its head says whose it is and who sent it.
fn each_joe_gets_his_own() {
    let body = "\r\n.dot\r\nFrom here\r\nbär \u{1}\t \r\n\r\n\r\nend\r\n";
    for domain in ["va.test", "vb.test"] {
        let mail = format!(
            "From: eve@sink.test\r\nSubject: to {domain}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n{body}"
        );
        assert_eq!(send("eve@sink.test", &[&format!("joe+work@{domain}")], mail.as_bytes()), "");
    }
    for domain in ["va.test", "vb.test"] {
        let there = arrives(&format!("joe@{domain}"), &format!("to {domain}"));
        assert!(there.starts_with(&format!("Return-Path: <eve@sink.test>\nDelivered-To: joe@{domain}\n")), "{there}");
        assert!(there.ends_with(&body.replace("\r\n", "\n")), "{there:?}");
        assert_eq!(there.matches("\nReturn-Path:").count() + there.matches("\nX-Original-To:").count(), 0, "{there}");
    }
}

fn several_recipients_lists_and_those_without_sender() {
    assert_eq!(send("eve@sink.test", &["joe@va.test", "joe@vb.test"], &letter("both")), "");
    assert_eq!(send("eve@sink.test", &["team@va.test"], &letter("to the team")), "");
    assert_eq!(send("", &["joe@va.test"], &letter("a bounce")), "");
    for subject in ["both", "to the team"] {
        arrives("joe@va.test", subject);
        arrives("joe@vb.test", subject);
    }
    let bounce = arrives("joe@va.test", "a bounce");
    assert!(bounce.starts_with("Return-Path: <>\n"), "{bounce}");
}

/// Mail that is forwarded leaves with its sender; the notice of an absent user leaves once, with none.
fn what_vmail_sends_leaves() {
    assert_eq!(send("eve@sink.test", &["away@va.test"], &letter("on its way")), "");
    let got = eve_gets("\nSubject: on its way\n");
    assert!(got.contains("\nDelivered-To: away@va.test\n") && got.contains("From eve@sink.test "), "{got}");
    for subject in ["lunch", "again"] {
        let mail = [b"To: bob@va.test\r\n", &letter(subject)[..]].concat();
        assert_eq!(send("eve@sink.test", &["bob@va.test"], &mail), "");
        arrives("bob@va.test", subject);
    }
    let got = eve_gets("Back on Monday.");
    assert_eq!(got.matches("Back on Monday.").count(), 1, "{got}");
    assert!(got.contains("From MAILER-DAEMON ") || got.contains("Return-Path: <>"), "{got}");
}

/// A full mailbox refuses in va.test, and makes mail wait in vb.test.
fn full_mailboxes(queue: impl Fn() -> String) {
    let large = [&letter("too large")[..], &b"much of it\r\n".repeat(400)].concat();
    let _ = send("eve@sink.test", &["ann@va.test"], &large);
    let got = eve_gets("5.2.2");
    assert!(got.contains("ann@va.test"), "{got}");
    let _ = send("eve@sink.test", &["ann@vb.test"], &large);
    until("mail that waits", 20, || queue().contains("ann@vb.test").then_some(()));
    assert_eq!(mail_of("ann@va.test").len() + mail_of("ann@vb.test").len(), 0);
}

/// How many of the storm's `count` messages there are once all have come, those that came again counted.
fn all_of_the_storm(count: usize, flush: impl Fn()) -> usize {
    until("the whole storm", 40, || {
        flush();
        std::thread::sleep(std::time::Duration::from_millis(500));
        let mail = mail_of("joe@va.test");
        let has = |number: usize| mail.iter().any(|text| text.contains(&format!("\nSubject: storm {number}\n")));
        (0..count).all(has).then(|| mail.iter().filter(|text| text.contains("\nSubject: storm ")).count())
    })
}

//! Debian's mail servers bring mail to vmail, with the snippets of `contrib/` as they are.

mod exim;
mod postfix;
mod sendmail;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

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
    machine.file("/etc/vmail/aliases.va.test", ALIASES);
    site.user("bob@va.test", "x");
    machine
        .file("/var/spool/vmail/files/va.test/bob.vacation", "Subject: away\n\nBack on Monday.\n")
        .sh("touch /var/spool/vmail/files/va.test/bob.vacation.db; chown -R vmail:vmail /var/spool/vmail/files");
    site
}

const ALIASES: &str = "team: joe, joe@vb.test, joe\nsplit: joe, nobody\naway: eve@sink.test\n\
                       crew: joe, joe@vb.test, joe, gone@sink.test, eve@sink.test\nowner-crew: bob\n\"quo ted\": joe\njörg: joe\n";

/// Sends by SMTP with Python's smtplib; what was said to each refused recipient.
fn send(from: &str, to: &[&str], text: &[u8]) -> String {
    succeed_with(Command::new("/usr/bin/python3").args(["-c", SENDS, from]).args(to), text)
}

const SENDS: &str = r#"
import smtplib, sys
with smtplib.SMTP('127.0.0.1', 25, timeout=30) as client:
    try:
        client.ehlo()
        options = [option for option in ['BODY=8BITMIME', 'SMTPUTF8'] if client.has_extn(option.split('=')[-1])]
        told = client.sendmail(sys.argv[1], sys.argv[2:], sys.stdin.buffer.read(), mail_options=options)
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

/// An unknown recipient bounces beside one who gets it; what eve has then.
fn half_of_it_is_lost() -> String {
    assert_eq!(send("eve@sink.test", &["nobody@va.test", "joe@va.test"], &letter("half lost")), "");
    arrives("joe@va.test", "half lost");
    let got = eve_gets("there is no such user here");
    assert!(got.contains("nobody@va.test") && got.contains("5.1.1"), "{got}");
    got
}

/// Members get mail for a list once. Who among them is dead the list's owner hears of, or the sender where there is none.
fn a_list_reaches_all_members_once() {
    assert_eq!(send("eve@sink.test", &["crew@va.test"], &letter("to the crew")), "");
    for joe in ["joe@va.test", "joe@vb.test"] {
        let there = arrives(joe, "to the crew");
        assert!(there.starts_with("Return-Path: <bob@va.test>\n"), "{there}");
    }
    let got = eve_gets("\nSubject: to the crew\n");
    assert!(got.contains("From bob@va.test "), "{got}");
    let is_bounce = |text: &String| text.starts_with("Return-Path: <>\n") && text.contains("gone@sink.test");
    until("the bounce for the owner", 20, || mail_of("bob@va.test").into_iter().find(is_bounce));
    assert_eq!(send("eve@sink.test", &["split@va.test"], &letter("to the rest")), "");
    arrives("joe@va.test", "to the rest");
    let got = eve_gets("split@va.test");
    assert!(got.contains("5.1.1") && !got.contains("gone@sink.test"), "{got}");
}

/// Names that are no atoms of US-ASCII.
fn names_of_all_kinds() {
    for (to, subject) in [("\"quo ted\"@va.test", "quoted"), ("jörg@va.test", "utf-8"), ("\"joe\"@va.test", "needlessly quoted")] {
        assert_eq!(send("eve@sink.test", &[to], &letter(subject)), "");
        arrives("joe@va.test", subject);
    }
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

/// A storm for an MTA that starts vdeliver, which is killed again and again as the kernel does when memory is short. Nothing is lost, nobody
/// hears of it, and only what had just been stored comes twice.
fn killed_vdelivers_lose_nothing(flush: impl Fn()) {
    const COUNT: usize = 150;
    let mut sender = storm(COUNT);
    let (mut killed, mut last) = (0, Instant::now());
    until("vdelivers to be killed", 40, || {
        match kill_a_vdeliver() {
            true => (killed, last) = (killed + 1, Instant::now()),
            // Postfix has given up the mailer for a while.
            false if last.elapsed() > Duration::from_secs(1) => (_, last) = (flush(), Instant::now()),
            false => {}
        }
        std::thread::sleep(Duration::from_millis(killed as u64 % 5 * 3));
        (killed == 30 || mail_of("joe@va.test").len() >= COUNT).then_some(())
    });
    sender.says("all sent");
    let there = all_of_the_storm(COUNT, flush);
    println!("{killed} killed, {} messages came twice", there - COUNT);
    assert!(killed >= 10 && there <= COUNT + killed, "{there} messages of {COUNT}, {killed} killed");
    assert!(!Path::new("/var/mail/eve").exists());
}

/// Kills one of this machine, if there is one.
fn kill_a_vdeliver() -> bool {
    let of = |path: PathBuf| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let here = of("/".into());
    let is_ours =
        |process: &PathBuf| fs::read(process.join("comm")).is_ok_and(|name| name == b"vdeliver\n") && of(process.join("root")) == here;
    let found = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path())).find(is_ours);
    let number = found.and_then(|process| process.file_name()?.to_str()?.parse().ok()).and_then(Pid::from_raw);
    number.is_some_and(|number| rustix::process::kill_process(number, Signal::KILL).is_ok())
}

/// How many of the storm's `count` messages there are once all have come, those that came again counted. Each is whole.
fn all_of_the_storm(count: usize, flush: impl Fn()) -> usize {
    until("the whole storm", 60, || {
        flush();
        std::thread::sleep(Duration::from_millis(500));
        let mail = mail_of("joe@va.test");
        let number = |text: &String| text.strip_suffix("\n\nx\n")?.split_once("\nSubject: storm ")?.1.lines().next()?.parse().ok();
        let subjects: Vec<usize> = mail.iter().filter_map(number).collect();
        let missing = BTreeSet::from_iter(0..count).difference(&subjects.iter().copied().collect()).count();
        (missing == 0).then(|| {
            assert_eq!(subjects.len(), mail.len());
            mail.len()
        })
    })
}

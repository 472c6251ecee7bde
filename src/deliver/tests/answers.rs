//! Automatic answers: who gets one, what stands in it, and that it leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};

use super::Site;
use crate::config::{Fsync, Machine};
use crate::deliver::answer::{Letterhead, compose};
use crate::deliver::{Answer, Found, Leaf, Mail, Outcome, Silence, Submission, answerable, auto_reply};
use crate::store::{Letter, Places};

pub fn mail(sender: &str, text: &str) -> Mail {
    let places = Places::inside(Path::new("/nonexistent"), Fsync::Never);
    Mail::new(Letter::of(text.as_bytes(), &places).unwrap(), sender).unwrap()
}

fn silence(sender: &str, header: &str) -> Option<Silence> {
    let own = ["sales@va.test".to_owned(), "info@va.test".to_owned()];
    answerable(&mail(sender, &format!("{header}\n\nPrecedence: bulk\n")), &own, Answer::AutoReply).err()
}

#[test]
fn people_are_answered() {
    for header in [
        "Subject: x",
        "Auto-Submitted: no",
        "Auto-Submitted: NO; x=y",
        "Auto-Submitted: (a (nested) comment) no (x)",
        "Precedence: first-class",
        "Precedence:",
        "X-Auto-Response-Suppress: OOF",
        "X-Auto-Response-Suppress: DR, RN, NRN",
        "X-Spam-Flag: NO",
        "X-List-Id: x",
        "Subject: List-Id: x",
        "Return-Path: <ann@x.org>",
        "no field at all",
        "",
    ] {
        assert_eq!(silence("ann@x.org", header), None, "{header}");
    }
    for sender in [
        "ann@x.org",
        "\"a b\"@x.org",
        "jörg@x.org",
        "request@x.org",
        "bob-owners@x.org",
        "ownership@x.org",
        "sales@va.test.example",
        "reply@x.org",
    ] {
        assert_eq!(silence(sender, "Subject: x"), None, "{sender}");
    }
    let to = answerable(&mail("Ann@x.org", "From: <other@x.org>\nReply-To: <third@x.org>\n\n"), &[], Answer::AutoReply);
    assert_eq!(to.unwrap().to_string(), "Ann@x.org", "the envelope sender, and no other");
}

#[test]
fn machines_and_lists_are_not() {
    for (header, why) in [
        ("Auto-Submitted: auto-generated", Silence::Automatic),
        ("Auto-Submitted: auto-replied (vacation)", Silence::Automatic),
        ("auto-submitted: auto-notified; owner-email=\"x\"", Silence::Automatic),
        ("Auto-Submitted: (no) yes", Silence::Automatic),
        ("Auto-Submitted:", Silence::Automatic),
        ("Precedence: bulk", Silence::Bulk),
        ("Precedence:\n JUNK", Silence::Bulk),
        ("precedence: List (x)", Silence::Bulk),
        ("List-Id: <x>", Silence::List),
        ("LIST-POST: NO", Silence::List),
        ("List-Unsubscribe: <x>", Silence::List),
        ("List-Help:", Silence::List),
        ("List-Owner: x", Silence::List),
        ("List-Archive: x", Silence::List),
        ("List-Subscribe: x", Silence::List),
        ("X-Auto-Response-Suppress: All", Silence::Unwanted),
        ("X-Auto-Response-Suppress: DR,AutoReply", Silence::Unwanted),
        ("X-Spam-Flag: YES", Silence::Spam),
        ("Return-Path: <>", Silence::NoSender),
        ("Subject: x\nX: y\nPrecedence: bulk", Silence::Bulk),
    ] {
        assert_eq!(silence("ann@x.org", header), Some(why), "{header}");
    }
    for sender in [
        "MAILER-DAEMON@x.org",
        "postmaster@x.org",
        "list-request@x.org",
        "list-request+x@x.org",
        "owner-list@x.org",
        "list-owner@x.org",
        "LISTSERV@x.org",
        "majordomo@x.org",
        "list-bounces+joe=va.test@x.org",
        "uucp@x.org",
        "NoReply@x.org",
        "no-reply+1@x.org",
    ] {
        assert_eq!(silence(sender, "Subject: x"), Some(Silence::Role), "{sender}");
    }
    for sender in ["", "<>", "joe", "@x.org", "a\nb@x.org"] {
        assert_eq!(silence(sender, "Subject: x"), Some(Silence::NoSender), "{sender:?}");
    }
    for sender in ["sales@va.test", "INFO@VA.test"] {
        assert_eq!(silence(sender, "Subject: x"), Some(Silence::Own), "{sender}");
    }
}

#[test]
fn a_vacation_notice_heeds_another_wish() {
    let asks = |value: &str| answerable(&mail("a@x.org", &format!("X-Auto-Response-Suppress: {value}\n\n")), &[], Answer::Vacation).err();
    assert_eq!(
        [asks("OOF"), asks("oof, dr"), asks("all"), asks("AutoReply")],
        [Some(Silence::Unwanted), Some(Silence::Unwanted), Some(Silence::Unwanted), None]
    );
}

fn date() -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339("2026-11-22T13:19:32+01:00").unwrap()
}

fn answer(text: &str, original: &str) -> String {
    let (from, to) = ("sales@va.test".parse().unwrap(), "\"a b\"@x.org".parse().unwrap());
    let head = Letterhead { from: &from, to: &to, submitted: "auto-replied", date: date(), id: "<1@va.test>" };
    String::from_utf8(compose(text.as_bytes(), &head, &mail("", original))).unwrap()
}

const HEAD: &str =
    "Auto-Submitted: auto-replied\nPrecedence: bulk\nTo: \"a b\"@x.org\nDate: Sun, 22 Nov 2026 13:19:32 +0100\nMessage-ID: <1@va.test>\n";

#[test]
fn an_answer_has_the_header_that_a_machine_owes() {
    let text = "Subject: Thanks\r\nReply-To: <ann@va.test>\r\nTo: x@y.org\r\nBcc: z@y.org,\r\n q@y.org\r\n\r\nHello\r\n";
    let original = "Message-ID: <2@x.org>\nReferences: <0@x.org>\n\t<1@x.org> junk\nSubject: s\n\n";
    let expected = "From: sales@va.test\nIn-Reply-To: <2@x.org>\nReferences: <0@x.org>\n <1@x.org>\n <2@x.org>\n\
                    Subject: Thanks\nReply-To: <ann@va.test>\n\nHello\n";
    assert_eq!(answer(text, original), format!("{HEAD}{expected}"));
}

#[test]
fn a_text_without_a_header_is_a_body_and_without_a_subject_gets_one() {
    assert_eq!(
        answer("Hello there\nSubject: x\n", "Subject: One\n two\n\n"),
        format!("{HEAD}From: sales@va.test\nSubject: Auto: One two\n\nHello there\nSubject: x\n")
    );
    assert_eq!(answer("From: <ann@va.test>\n\nHi", "\n"), format!("{HEAD}Subject: Auto: your message\nFrom: <ann@va.test>\n\nHi"));
    assert_eq!(answer("From: <ann@va.test>", "\n"), format!("{HEAD}Subject: Auto: your message\nFrom: <ann@va.test>\n\n"));
    assert_eq!(answer("", "\n"), format!("{HEAD}From: sales@va.test\nSubject: Auto: your message\n\n"));
}

#[test]
fn any_letter_of_unicode_may_stand_in_it() {
    let told = answer("Subject: \u{1f334} weg\n\nbis Montag \u{1f334}\n", "\n");
    assert!(
        told.contains("\nSubject: =?UTF-8?B?8J+MtCB3ZWc=?=\n") && told.contains("charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"),
        "{told}"
    );
    assert!(told.ends_with("\n\nbis Montag \u{1f334}\n"));
    let told = answer("From: x\n\nx\n", &format!("Subject: {}\n\n", "\u{1f334}".repeat(400)));
    assert!(told.lines().all(|line| line.len() <= 100 && line.is_ascii()), "{told}");
    let told = answer("Content-Type: text/plain; charset=latin1\nSubject: x\n\n\u{e9}\n", "\n");
    assert_eq!(told.matches("Content-Type").count(), 1);
}

#[test]
fn strangers_write_no_header_of_ours() {
    for id in ["<a\n X: y@x>", "<a> <b>", "a@x", "<>", "<a\u{e9}@x>", &format!("<{}>", "x".repeat(2000))] {
        let told = answer("Subject: x\n\nx\n", &format!("Message-ID: {id}\nReferences: {id}\n\n"));
        assert!(!told.contains("In-Reply-To") && !told.contains("References"), "{told}");
    }
    let told = answer("From: x\n\nx\n", "Subject: a\n\tBcc: x@y.org\r\n b\0c\u{1b}[2J\n\n");
    assert!(told.contains("\nSubject: Auto: a Bcc: x@y.org bc[2J\n"), "{told}");
    let told = answer("Subject: x\n\nx\n", &format!("Message-ID: <1@x>\nReferences: {}\n\n", "<a@x> ".repeat(20_000)));
    assert!(told.len() < 2000);
}

/// A stand-in for sendmail(8), which keeps what it is given.
pub fn stand_in(folder: &Path, end: &str) -> Submission {
    let program = folder.join("sendmail");
    let script = format!("#!/bin/sh\nprintf '%s|' \"$@\" > {0}/words\ncat > {0}/message\n{end}\n", folder.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    Submission { program, deadline: Duration::from_secs(20), ..Submission::of(&Machine::default()) }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn the_mta_hears_who_and_to_whom_and_its_answer_counts() {
    let folder = tempfile::tempdir().unwrap();
    for (end, outcome) in
        [("exit 0", "0 delivered"), ("exit 67", "67 there is no such user here"), ("exit 75", "75"), ("exit 1", "75"), ("kill $$", "75")]
    {
        let by = stand_in(folder.path(), end);
        let told = runtime().block_on(by.submit("", "-joe@x.org", b"Subject: x\n\n.\nx\n")).reply();
        assert!(format!("{} {}", told.exit, told.text).starts_with(outcome), "{end}");
        assert_eq!(fs::read_to_string(folder.path().join("words")).unwrap(), "-i|-f|<>|--|-joe@x.org|");
        assert_eq!(fs::read_to_string(folder.path().join("message")).unwrap(), "Subject: x\n\n.\nx\n");
    }
    let by = Submission { deadline: Duration::from_millis(50), ..stand_in(folder.path(), "exec sleep 60") };
    assert_eq!(runtime().block_on(by.submit("a@x.org", "b@x.org", b"x")), Outcome::Broken);
    let by = Submission { program: folder.path().join("gone"), ..by };
    assert_eq!(runtime().block_on(by.submit("a@x.org", "b@x.org", b"x")), Outcome::Broken);
}

#[test]
fn an_auto_responder_answers_for_the_name_that_was_reached() {
    let site = Site::new("alias = [\"va.net\"]", "sales: info\n");
    site.auto("info");
    let folder = tempfile::tempdir().unwrap();
    let by = stand_in(folder.path(), "");
    let plan = site.plan("sales@va.net");
    let at = plan.steps.iter().position(|step| matches!(step.found, Found::Leaf(Leaf::Reply { .. }))).unwrap();
    let reply = |sender: &str, text: &str| runtime().block_on(auto_reply(&plan, at, &mail(sender, text), &by, date()));
    for own in ["sales@va.net", "sales@va.test", "info@va.test"] {
        assert_eq!(reply(own, "Subject: x\n\n"), Err(Silence::Own), "{own}");
    }
    assert_eq!(reply("ann@x.org", "Precedence: bulk\n\n"), Err(Silence::Bulk));
    assert!(!folder.path().join("words").exists());
    assert_eq!(reply("ann@x.org", "Subject: s\n\n"), Ok(Outcome::Done));
    assert_eq!(fs::read_to_string(folder.path().join("words")).unwrap(), "-i|-f|<>|--|ann@x.org|");
    let sent = fs::read_to_string(folder.path().join("message")).unwrap();
    assert!(sent.contains("\nTo: ann@x.org\n") && sent.contains("\nFrom: info@va.test\n") && sent.ends_with("Subject: x\n\nx\n"), "{sent}");
}

//! Vacation notices: when one goes out, and to whom.

use std::fs;
use std::path::PathBuf;

use chrono::{DateTime, Duration, FixedOffset};

use super::Site;
use super::answers::{mail, runtime, stand_in};
use crate::deliver::memory::Memory;
use crate::deliver::{Found, Leaf, Silence, Submission, vacation};

const RECORD: &str = "owner = \"vmail\"\nalias = [\"va.net\"]\ndelivery.full_names = true\n";
const TEXT: &str = "Subject: away\n\nI am away\n";
const TO_JOE: &str = "To: joe@va.test\nSubject: x\n\n";

/// joe's notice, and the MTA's stand-in.
struct Desk {
    site: Site,
    folder: tempfile::TempDir,
    by: Submission,
}

impl Desk {
    fn new(record: &str) -> Desk {
        let site = Site::new(&format!("{RECORD}{record}"), "sales: joe\nclub: joe, ann\npostmaster: joe\n");
        let folder = tempfile::tempdir().unwrap();
        let by = stand_in(folder.path(), "");
        fs::create_dir_all(site.root.path().join("h")).unwrap();
        fs::create_dir_all(site.root.files(&"va.test".parse().unwrap())).unwrap();
        Desk { site, folder, by }
    }

    /// One whose notice is on, in the administrator's place.
    fn on() -> Desk {
        let desk = Desk::new("");
        fs::write(desk.given("joe.vacation"), TEXT).unwrap();
        fs::write(desk.given("joe.vacation.db"), "").unwrap();
        desk
    }

    fn given(&self, name: &str) -> PathBuf {
        self.site.root.files(&"va.test".parse().unwrap()).join(name)
    }

    fn home(&self, name: &str) -> PathBuf {
        self.site.root.path().join("h").join(name)
    }

    fn answer_at(&self, now: DateTime<FixedOffset>, to: &str, sender: &str, text: &str) -> Result<(), Silence> {
        let plan = self.site.plan(to);
        let is_joe = |found: &Found| matches!(found, Found::Leaf(Leaf::Mailbox(mailbox)) if mailbox.user.as_str() == "joe");
        let at = plan.steps.iter().position(|step| is_joe(&step.found)).unwrap();
        runtime().block_on(vacation(&plan, at, &mail(sender, text), &self.by, now))
    }

    fn answer(&self, to: &str, sender: &str, text: &str) -> Result<(), Silence> {
        self.answer_at(noon(), to, sender, text)
    }

    fn words(&self) -> String {
        fs::read_to_string(self.folder.path().join("words")).unwrap_or_default()
    }

    fn sent(&self) -> Option<String> {
        fs::read_to_string(self.folder.path().join("message")).ok()
    }
}

fn noon() -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339("2026-12-24T12:00:00+01:00").unwrap()
}

/// Each line of the corpus: what comes of a message, and that an answer goes to the envelope sender alone.
#[test]
fn a_corpus_of_mail_is_answered_as_it_should_be() {
    let mut wrong = Vec::new();
    let lines: Vec<&str> = include_str!("vacations.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(lines.len() >= 150);
    for line in lines {
        let [expected, sender, to, header] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        let desk = Desk::on();
        let sender = if sender == "<>" { "" } else { sender };
        let text = format!(
            "{}\n\nTo: joe@va.test\nPrecedence: bulk\n",
            header.replace('~', "To: joe@va.test").replace("\\n", "\n").replace("\\t", "\t")
        );
        let told = match desk.answer(to, sender, &text) {
            Ok(()) if desk.words() == format!("-i|-f|<>|--|{sender}|") => "answered".to_owned(),
            Ok(()) => format!("{} instead", desk.words()),
            Err(silence) => format!("{silence:?}").to_lowercase(),
        };
        if told != expected {
            wrong.push(format!("{told}: {line}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// postfixadmin#832, hestiacp#1468: answers went out after the last day, and before the first.
#[test]
fn a_notice_ends_with_its_last_day_wherever_the_day_is_looked_at() {
    for (now, is_time) in [
        ("2026-12-23T23:59:59+01:00", false),
        ("2026-12-24T00:00:00+01:00", true),
        ("2027-01-06T23:59:59+01:00", true),
        ("2027-01-07T00:00:00+01:00", false),
    ] {
        let desk = Desk::on();
        fs::write(desk.given("joe.vacation"), format!("X-Vacation-Begin: 2026-12-24\nX-Vacation-End: 2027-01-06\n{TEXT}")).unwrap();
        let now = DateTime::parse_from_rfc3339(now).unwrap();
        assert_eq!(desk.answer_at(now, "joe@va.test", "a@x.org", TO_JOE).is_ok(), is_time, "{now}");
    }
}

#[test]
fn a_text_alone_sends_nothing_and_an_empty_index_turns_it_on() {
    let desk = Desk::new("");
    fs::write(desk.given("joe.vacation"), TEXT).unwrap();
    fs::write(desk.home(".vacation"), TEXT).unwrap();
    assert_eq!(desk.answer("joe@va.test", "a@x.org", TO_JOE), Err(Silence::Off));
    fs::write(desk.given("joe.vacation.db"), "").unwrap();
    assert_eq!(desk.answer("joe@va.test", "a@x.org", TO_JOE), Ok(()));
    let sent = desk.sent().unwrap();
    assert!(sent.starts_with("Auto-Submitted: auto-replied (vacation)\nPrecedence: bulk\nTo: a@x.org\n"), "{sent}");
    assert!(sent.contains("\nFrom: joe@va.test\n") && sent.ends_with("\nSubject: away\n\nI am away\n"), "{sent}");
    assert_eq!(fs::read_to_string(desk.folder.path().join("words")).unwrap(), "-i|-f|<>|--|a@x.org|");
}

#[test]
fn each_sender_hears_once_in_seven_days() {
    let desk = Desk::on();
    let after = |days: i64, sender: &str| desk.answer_at(noon() + Duration::days(days), "joe@va.test", sender, TO_JOE);
    assert_eq!(after(0, "Ann@x.org"), Ok(()));
    assert_eq!(after(0, "ann@X.org"), Err(Silence::Answered));
    assert_eq!(after(0, "bob@x.org"), Ok(()));
    assert_eq!(after(6, "ann@x.org"), Err(Silence::Answered));
    assert_eq!(after(7, "ann@x.org"), Ok(()));
    assert_eq!(after(8, "ann@x.org"), Err(Silence::Answered));
    let index = fs::read_to_string(desk.given("joe.vacation.db")).unwrap();
    assert_eq!(index.lines().count(), 1, "who may hear again is forgotten: {index}");
}

#[test]
fn it_is_on_record_before_it_goes_out() {
    let desk = Desk::on();
    let broken = Submission { program: desk.folder.path().join("gone"), ..desk.by.clone() };
    let plan = desk.site.plan("joe@va.test");
    assert_eq!(runtime().block_on(vacation(&plan, 0, &mail("a@x.org", TO_JOE), &broken, noon())), Ok(()));
    assert_eq!(desk.answer("joe@va.test", "a@x.org", TO_JOE), Err(Silence::Answered));
}

#[test]
fn an_index_without_a_text_and_one_of_another_program_do_no_harm() {
    let desk = Desk::new("");
    fs::write(desk.given("joe.vacation.db"), b"\0\0\x05\x31\x62\xff\n\n9999999999999999999 a@x.org\n99999999999 a@x.org\nx").unwrap();
    assert_eq!(desk.answer("joe@va.test", "a@x.org", TO_JOE), Err(Silence::Off));
    fs::write(desk.given("joe.vacation"), TEXT).unwrap();
    assert_eq!(desk.answer("joe@va.test", "a@x.org", TO_JOE), Ok(()), "a time to come silences nobody");
    assert_eq!(desk.answer("joe@va.test", "a@x.org", TO_JOE), Err(Silence::Answered));
    fs::remove_file(desk.given("joe.vacation.db")).unwrap();
    std::os::unix::fs::symlink(desk.home("x"), desk.given("joe.vacation.db")).unwrap();
    assert_eq!(desk.answer("joe@va.test", "b@x.org", TO_JOE), Err(Silence::Off), "a link is no index");
}

#[test]
fn the_administrators_place_wins_over_the_home() {
    let desk = Desk::new("");
    fs::write(desk.home(".vacation"), "Subject: home\n\nx\n").unwrap();
    fs::write(desk.home(".vacation.db"), "").unwrap();
    assert_eq!(desk.answer("joe@va.test", "a@x.org", TO_JOE), Ok(()));
    assert!(desk.sent().unwrap().contains("Subject: home\n"));
    fs::write(desk.given("joe.vacation"), "Subject: given\n\nx\n").unwrap();
    fs::write(desk.given("joe.vacation.db"), "").unwrap();
    assert_eq!(desk.answer("joe@va.test", "b@x.org", TO_JOE), Ok(()));
    assert!(desk.sent().unwrap().contains("Subject: given\n"));
}

#[test]
fn mail_has_to_name_the_user_by_some_name_of_his() {
    for (to, field) in [
        ("joe@va.test", "To: joe@va.test"),
        ("joe@va.test", "Cc: <JOE@VA.test>"),
        ("joe@va.test", "To: \"Who, Joe\" <joe@va.test>, ann@x.org"),
        ("joe@va.test", "To: ann@x.org,\n \"Joe\" <joe@va.net>"),
        ("joe@va.test", "Resent-Bcc: joe@va.test"),
        ("joe@va.net", "To: joe@va.test"),
        ("joe@va.net", "To: joe@va.net."),
        ("joe.who@va.test", "To: Joe.Who@va.test"),
        ("joe@va.test", "To: joe.who@va.net"),
        ("joe+shop@va.test", "To: joe+shop@va.test"),
        ("joe@va.test", "To: joe+other@va.test"),
        ("sales@va.test", "To: sales@va.test"),
        ("sales@va.net", "To: Sales <sales@va.net>"),
        ("club@va.test", "To: club@va.test"),
        ("joe@va.test", "To: \"joe\"@va.test"),
    ] {
        assert_eq!(Desk::on().answer(to, "a@x.org", &format!("{field}\nSubject: x\n\n")), Ok(()), "{to} {field}");
    }
    for field in [
        "To: ann@x.org",
        "To: undisclosed-recipients:;",
        "Subject: joe@va.test",
        "From: joe@va.test",
        "To: notjoe@va.test",
        "To: joe@va.test.example",
        "To: joe@xva.test",
        "To: joe @va.test",
        "To: sales@va.test",
        "To: @va.test",
        "To:",
        "X: y",
    ] {
        assert_eq!(
            Desk::on().answer("joe@va.test", "a@x.org", &format!("{field}\n\nTo: joe@va.test\n")),
            Err(Silence::NotNamed),
            "{field}"
        );
    }
}

#[test]
fn a_header_of_many_addresses_takes_no_time() {
    let desk = Desk::on();
    for piece in ["a@", "\"@", "@a.", "a+b@c\"@", "<a@b>,"] {
        let field = format!("To: {}\n\n", piece.repeat(200_000 / piece.len()));
        assert_eq!(desk.answer("joe@va.test", "a@x.org", &field), Err(Silence::NotNamed), "{piece}");
    }
}

#[test]
fn machines_lists_and_the_user_himself_hear_nothing() {
    let desk = Desk::on();
    for (sender, header, why) in [
        ("", "X: y", Silence::NoSender),
        ("joe@va.net", "X: y", Silence::Own),
        ("joe.who@va.test", "X: y", Silence::Own),
        ("mailer-daemon@x.org", "X: y", Silence::Role),
        ("a@x.org", "Auto-Submitted: auto-replied", Silence::Automatic),
        ("a@x.org", "Precedence: bulk", Silence::Bulk),
        ("a@x.org", "List-Id: <l>", Silence::List),
        ("a@x.org", "X-Auto-Response-Suppress: OOF", Silence::Unwanted),
    ] {
        assert_eq!(desk.answer("joe@va.test", sender, &format!("{header}\n{TO_JOE}")), Err(why), "{sender} {header}");
    }
    assert_eq!(desk.sent(), None);
    assert_eq!(fs::read(desk.given("joe.vacation.db")).unwrap(), b"", "who hears nothing is not on record");
}

#[test]
fn a_notice_has_a_first_and_a_last_day() {
    for (header, is_time) in [
        ("X-Vacation-Begin: 2026-12-24", true),
        ("X-Vacation-Begin: 2026-12-25", false),
        ("X-Vacation-End: 2026-12-24", true),
        ("x-vacation-end: 2026-12-23", false),
        ("X-Vacation-Begin: 2026-12-01\nX-Vacation-End: 2027-01-06", true),
        ("X-Vacation-End: soon", false),
    ] {
        let desk = Desk::on();
        fs::write(desk.given("joe.vacation"), format!("{header}\r\n{TEXT}")).unwrap();
        let answer = desk.answer("joe@va.test", "a@x.org", TO_JOE);
        assert_eq!(answer, if is_time { Ok(()) } else { Err(Silence::Off) }, "{header}");
        assert!(desk.sent().is_none_or(|sent| !sent.contains("Vacation-")));
    }
}

#[test]
fn the_memory_has_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let many: String = (0..50_000).map(|number| format!("1000 u{number}@x.org\n")).collect();
    fs::write(&path, many).unwrap();
    assert!(Memory::open(&path).unwrap().unwrap().is_first("new@x.org", 1001, 100).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), "1001 new@x.org\n");
    assert!(!Memory::open(&path).unwrap().unwrap().is_first("New@x.org", 1002, 100).unwrap());
    assert!(Memory::open(&folder.path().join("none")).unwrap().is_none());
}

//! Forwards, programs, files and filters; and what happens when the message has to come again.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::mailboxes::Post;
use crate::config::Machine;
use crate::deliver::{Mail, Outcome, Refusal};
use crate::os::lock::{self, Range};

/// A post office whose programs write into a folder that anybody may write to.
struct Office {
    out: tempfile::TempDir,
    machine: Machine,
}

impl Office {
    fn new() -> Office {
        let out = tempfile::tempdir().unwrap();
        fs::set_permissions(out.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        let mut machine = Machine { host: Some("host.test".into()), ..Machine::default() };
        machine.delivery.program_user = rustix::process::geteuid().is_root().then(|| "nobody".to_owned());
        machine.delivery.deadline = crate::config::Seconds(Duration::from_secs(20));
        machine.delivery.sendmail =
            script(out.path(), "sendmail", "printf '%s|' \"$@\" >> OUT/words; echo >> OUT/words; cat > OUT/message");
        Office { out, machine }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.out.path().join(name)
    }

    fn wrote(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_else(|_| "nothing".to_owned())
    }

    fn script(&self, name: &str, text: &str) -> String {
        script(self.out.path(), name, text).display().to_string()
    }

    /// Its files belong to us, whose tests may be root's: then filters run as the user of programs.
    fn post(&self, record: &str, aliases: &str) -> Post {
        let aliases = aliases.replace("OUT", &self.out.path().display().to_string());
        Post::of(&self.machine, &format!("owner = \"vmail\"\n{record}"), &aliases)
    }
}

fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{}\n", text.replace("OUT", &folder.display().to_string()))).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

const TEXT: &[u8] = b"Return-Path: <old@x.org>\nReceived: by x\nMessage-ID: <1@x.org>\nSubject: x\n\n.\nFrom me\n";

fn carried(post: &Post, to: &str, mail: &Mail) -> Outcome {
    post.carry(&[to], mail).remove(0)
}

#[test]
fn mail_leaves_with_its_sender_and_a_mark_and_many_go_together() {
    let office = Office::new();
    let post = office.post("", "out: b@x.org, c@y.org, joe\nlist: d@x.org\nowner-list: ann\n");
    assert_eq!(carried(&post, "Out@va.test", &post.mail("a@x.org", TEXT)), Outcome::Done);
    assert_eq!(office.wrote("words"), "-i|-f|a@x.org|--|b@x.org|c@y.org|\n");
    let sent = "Delivered-To: Out@va.test\nReceived: by x\nMessage-ID: <1@x.org>\nSubject: x\n\n.\nFrom me\n";
    assert_eq!(office.wrote("message"), sent);
    assert_eq!(post.all_of("joe").len(), 1);
    fs::remove_file(office.at("words")).unwrap();
    assert_eq!(carried(&post, "list@va.test", &post.mail("a@x.org", TEXT)), Outcome::Done);
    assert_eq!(carried(&post, "list@va.test", &post.mail("", TEXT)), Outcome::Done);
    assert_eq!(office.wrote("words"), "-i|-f|ann@va.test|--|d@x.org|\n-i|-f|<>|--|d@x.org|\n", "a list's bounces are its owner's");
}

#[test]
fn mail_that_comes_back_or_from_too_far_is_not_sent_on() {
    let office = Office::new();
    let post = office.post("", "out: b@x.org\nrun: \"|cat > OUT/ran\"\n");
    for to in ["out@va.test", "run@va.test"] {
        let back = post.mail("a@x.org", format!("Delivered-To: {}\n\n", to.to_uppercase()).as_bytes());
        assert_eq!(carried(&post, to, &back), Outcome::Circling);
        let far = post.mail("a@x.org", "Received: by x\n".repeat(101).as_bytes());
        assert_eq!(carried(&post, to, &far), Outcome::TooFar);
    }
    assert_eq!((office.wrote("words"), office.wrote("ran")), ("nothing".into(), "nothing".into()));
    let far = post.mail("a@x.org", "Received: by x\n".repeat(100).as_bytes());
    assert_eq!(carried(&post, "out@va.test", &far), Outcome::Done);
}

#[test]
fn a_large_message_leaves_whole() {
    let office = Office::new();
    let post = office.post("", "out: b@x.org\n");
    let text = format!("Subject: x\n\n{}", "0123456789abcde\n".repeat(200_000));
    assert_eq!(carried(&post, "out@va.test", &post.mail("a@x.org", text.as_bytes())), Outcome::Done);
    assert!(office.wrote("message") == format!("Delivered-To: out@va.test\n{text}"));
}

#[test]
fn an_alias_line_has_a_shell_and_the_message_on_standard_input() {
    let office = Office::new();
    let post = office.post("", "run: \"|cat > OUT/ran; id -u > OUT/who; env | sort > OUT/env; pwd >> OUT/env\"\n");
    assert_eq!(carried(&post, "run@va.test", &post.mail("a;b`c`@x.org", TEXT)), Outcome::Done);
    let ran = office.wrote("ran");
    let (postmark, rest) = ran.split_once('\n').unwrap();
    assert!(postmark.starts_with("From a;b`c`@x.org ") && postmark.ends_with(char::is_numeric), "{postmark}");
    assert!(rest.starts_with("Return-Path: <a;b`c`@x.org>\nDelivered-To: run@va.test\nReceived: by x\n"), "{rest}");
    assert!(rest.ends_with("\n\n.\nFrom me\n"), "{rest}");
    let env = office.wrote("env");
    for line in ["DOMAIN=va.test", "HOME=/", "LOCAL=run", "RECIPIENT=run@va.test", "SENDER=a_b_c_@x.org", "SHELL=/bin/sh", "/"] {
        assert!(env.lines().any(|known| known == line), "{line} in {env}");
    }
    assert!(env.lines().filter(|line| line.contains('=')).count() <= 10 && !env.contains("CARGO"), "{env}");
    assert_ne!(office.wrote("who"), "0\n", "never root");
}

#[test]
fn a_fallbacks_words_are_words_whatever_stands_in_them() {
    let office = Office::new();
    let program = office.script("fallback", "printf '%s|' \"$@\" > OUT/words; cat > /dev/null");
    let post = office.post(&format!("delivery.fallback = \"|{program} %u %f '%d\"\n"), "");
    let evil = "$(touch${IFS}/tmp/x);`id`|'x\"";
    let to = format!("\"{}\"@va.test", evil.replace('"', "\\\""));
    assert_eq!(carried(&post, &to, &post.mail("$(id)@x.org", TEXT)), Outcome::Done);
    assert_eq!(office.wrote("words"), format!("{evil}|$(id)@x.org|'va.test|"));
    assert_eq!(carried(&post, "eve@va.test", &post.mail("", TEXT)), Outcome::Done);
    assert_eq!(office.wrote("words"), "eve||'va.test|", "a bounce has an empty sender");
}

#[test]
fn the_exit_code_of_a_program_is_understood() {
    let office = Office::new();
    for (end, outcome) in [
        ("exit 0", Outcome::Done),
        ("exit 67", Outcome::Refused(Refusal::Nobody)),
        ("exit 64", Outcome::Declined),
        ("exit 69", Outcome::Declined),
        ("exit 77", Outcome::Declined),
        ("exit 75", Outcome::Broken),
        ("exit 71", Outcome::Broken),
        ("exit 78", Outcome::Broken),
        ("exit 1", Outcome::Broken),
        ("exit 99", Outcome::Broken),
        ("exec /nonexistent/program", Outcome::Broken),
        ("kill -9 $$", Outcome::Broken),
    ] {
        let post = office.post("", &format!("run: \"|{end}\"\n"));
        let outcome_now = carried(&post, "run@va.test", &post.mail("a@x.org", TEXT));
        assert_eq!(outcome_now, outcome, "{end}");
    }
}

#[test]
fn what_takes_too_long_is_killed_with_its_children() {
    let mut office = Office::new();
    office.machine.delivery.deadline = crate::config::Seconds(Duration::from_millis(300));
    let post = office.post("", "run: \"|(sleep 1; echo late > OUT/late) & sleep 60\"\n");
    let began = Instant::now();
    assert_eq!(carried(&post, "run@va.test", &post.mail("a@x.org", TEXT)), Outcome::Broken);
    assert!(began.elapsed() < Duration::from_secs(10));
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(office.wrote("late"), "nothing");
}

#[test]
fn a_program_may_ignore_what_it_is_given_and_may_talk() {
    let office = Office::new();
    let text = format!("Subject: x\n\n{}", "0123456789abcde\n".repeat(50_000));
    for line in ["exit 0", "head -c 10 > /dev/null", "yes | head -c 3000000; yes | head -c 3000000 >&2; cat >&2", "sleep 3 & exit 0"] {
        let post = office.post("", &format!("run: \"|{line}\"\n"));
        let began = Instant::now();
        assert_eq!(carried(&post, "run@va.test", &post.mail("a@x.org", text.as_bytes())), Outcome::Done, "{line}");
        assert!(began.elapsed() < Duration::from_secs(15), "{line}");
    }
}

#[test]
fn a_file_gets_one_separator_each_and_lines_that_look_like_one_are_quoted() {
    let office = Office::new();
    let post = office.post("", "file: OUT/box\nnull: /dev/null\nlink: OUT/link\nfolder: OUT\n");
    for text in [TEXT, b"Subject: no end"] {
        assert_eq!(carried(&post, "file@va.test", &post.mail("a@x.org", text)), Outcome::Done);
    }
    let text = office.wrote("box");
    assert_eq!(text.matches("From a@x.org ").count(), 2);
    assert!(
        text.contains("\n\n.\n>From me\n\nFrom a@x.org ") && text.ends_with("Delivered-To: file@va.test\nSubject: no end\n\n"),
        "{text}"
    );
    let made = fs::metadata(office.at("box")).unwrap();
    assert_eq!(made.mode() & 0o777, 0o600);
    assert_ne!(made.uid(), 0, "never root's");
    assert!(!office.at("box.lock").exists());
    assert_eq!(carried(&post, "null@va.test", &post.mail("a@x.org", TEXT)), Outcome::Done);
    std::os::unix::fs::symlink(office.at("box"), office.at("link")).unwrap();
    for to in ["link@va.test", "folder@va.test"] {
        assert_eq!(carried(&post, to, &post.mail("a@x.org", TEXT)), Outcome::Broken, "{to}");
    }
    assert_eq!(office.wrote("box"), text);
}

#[test]
fn a_file_waits_for_those_who_have_it() {
    let office = Office::new();
    let post = office.post("", "file: OUT/box\n");
    assert_eq!(carried(&post, "file@va.test", &post.mail("a@x.org", TEXT)), Outcome::Done);
    let path = office.at("box");
    let held = fs::File::options().read(true).write(true).open(&path).unwrap();
    assert!(lock::range(&held, Range::Exclusive, 0, 0).unwrap());
    let before = office.wrote("box");
    let other = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        let seen = fs::read_to_string(&path).unwrap();
        drop(held);
        seen
    });
    assert_eq!(carried(&post, "file@va.test", &post.mail("b@x.org", TEXT)), Outcome::Done);
    assert_eq!(other.join().unwrap(), before);
    assert!(office.wrote("box").contains("From b@x.org "));
}

#[test]
fn programs_and_files_count_only_where_nobody_else_can_write_them() {
    let office = Office::new();
    let post = office.post("", "run: \"|touch OUT/ran\"\nlist: joe, :include:OUT/list\nfine: joe\n");
    let aliases = post.site.root.aliases(&"va.test".parse().unwrap());
    fs::set_permissions(&aliases, fs::Permissions::from_mode(0o664)).unwrap();
    for (to, outcome) in [("run@va.test", Outcome::Unclear), ("list@va.test", Outcome::BadMember), ("fine@va.test", Outcome::Done)] {
        assert_eq!(carried(&post, to, &post.mail("a@x.org", TEXT)), outcome, "{to}");
    }
    fs::set_permissions(&aliases, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(carried(&post, "run@va.test", &post.mail("a@x.org", TEXT)), Outcome::Done);
    assert!(office.at("ran").exists());
}

#[test]
fn a_filter_makes_of_a_message_what_it_likes() {
    let office = Office::new();
    let filter =
        office.script("filter", "printf '%s|%s|%s|' \"$@\" \"$EXTENSION\" > OUT/words; cat > OUT/seen; sed s/me/you/ OUT/seen; echo more");
    let post = office.post(&format!("delivery.filter = \"{filter} %u %f\""), "");
    assert_eq!(carried(&post, "joe+x@va.test", &post.mail("a@x.org", TEXT)), Outcome::Done);
    assert_eq!(office.wrote("words"), "joe|a@x.org|x|");
    let head = "Return-Path: <a@x.org>\nDelivered-To: joe@va.test\nReceived: by x\nMessage-ID: <1@x.org>\nSubject: x\n\n.\n";
    assert_eq!(office.wrote("seen"), format!("{head}From me\n"), "no From_ line");
    assert_eq!(post.all_of("joe"), [format!("{head}From you\nmore\n")], "each mark once");
}

#[test]
fn a_filter_that_writes_nothing_drops_and_one_that_fails_keeps() {
    let office = Office::new();
    let children = "cat; sleep 5 &";
    for (text, outcome) in [
        ("cat > /dev/null", Outcome::Dropped),
        ("exit 0", Outcome::Dropped),
        ("cat; exit 1", Outcome::Broken),
        ("exit 75", Outcome::Broken),
        ("exit 99", Outcome::Broken),
        ("cat; kill -9 $$", Outcome::Broken),
        (children, Outcome::Broken),
    ] {
        let filter = office.script("filter", text);
        let post = office.post(&format!("delivery.filter = \"{filter}\""), "");
        assert_eq!(carried(&post, "joe@va.test", &post.mail("a@x.org", TEXT)), outcome, "{text}");
        assert_eq!(post.all_of("joe").len(), 0, "{text}");
    }
    let post = office.post("delivery.filter = \"/nonexistent/filter\"", "");
    assert_eq!(carried(&post, "joe@va.test", &post.mail("a@x.org", TEXT)), Outcome::Broken);
}

#[test]
fn a_filter_may_write_before_it_reads_and_read_only_a_part() {
    let office = Office::new();
    let text = format!("Subject: x\n\n{}", "0123456789abcde\n".repeat(150_000));
    for (filter, ends) in [("yes | head -c 2000000; cat", "abcde\n"), ("head -n 4", "\n"), ("tr a b", "bbcde\n")] {
        let filter = office.script("filter", filter);
        let post = office.post(&format!("delivery.filter = \"{filter}\""), "");
        assert_eq!(carried(&post, "joe@va.test", &post.mail("a@x.org", text.as_bytes())), Outcome::Done, "{filter}");
        assert!(post.all_of("joe")[0].ends_with(ends));
    }
    let mut office = office;
    office.machine.delivery.message_limit = crate::config::Size::of_kib(1).unwrap();
    let filter = office.script("filter", "yes");
    let post = office.post(&format!("delivery.filter = \"{filter}\""), "");
    assert_eq!(carried(&post, "joe@va.test", &post.mail("a@x.org", TEXT)), Outcome::Broken, "endless");
}

#[test]
fn the_limit_counts_what_the_filter_has_made() {
    let office = Office::new();
    let large = format!("Subject: x\n\n{}\n", "y".repeat(3000));
    for (filter, text, outcome) in [("head -n 4", large.as_bytes(), Outcome::Done), ("cat; yes | head -n 2000", TEXT, Outcome::MailboxFull)]
    {
        let filter = office.script("filter", filter);
        let post = office.post(&format!("quota.inbox = 1\ndelivery.filter = \"{filter}\""), "");
        assert_eq!(carried(&post, "joe@va.test", &post.mail("a@x.org", text)), outcome, "{filter}");
    }
}

#[test]
fn filters_run_once_for_each_mailbox_and_not_for_what_leaves() {
    let office = Office::new();
    let filter = office.script("filter", "echo $RECIPIENT >> OUT/ran; cat");
    let post = office.post(&format!("delivery.filter = \"{filter}\""), "list: joe, ann, b@x.org, \"|cat > /dev/null\"\n");
    assert_eq!(carried(&post, "list@va.test", &post.mail("a@x.org", TEXT)), Outcome::Done);
    let mut ran: Vec<String> = office.wrote("ran").lines().map(str::to_owned).collect();
    ran.sort();
    assert_eq!(ran, ["ann@va.test", "joe@va.test"]);
}

#[test]
fn a_leaf_of_several_recipients_gets_one_copy() {
    let office = Office::new();
    let post = office.post("", "one: joe, b@x.org\ntwo: joe, ann, b@x.org\n");
    let outcomes = post.carry(&["one@va.test", "two@va.test", "joe@va.test", "eve@va.test"], &post.mail("a@x.org", TEXT));
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done, Outcome::Done, Outcome::Refused(Refusal::Nobody)]);
    assert_eq!((post.all_of("joe").len(), post.all_of("ann").len()), (1, 1));
    assert_eq!(office.wrote("words").lines().count(), 1);
}

#[test]
fn a_list_of_many_members_is_served() {
    let office = Office::new();
    let users: Vec<String> = (0..100).map(|number| format!("u{number}")).collect();
    let post = office.post("", &format!("list: {}\n", users.join(", ")));
    let passwd: String = users.iter().map(|user| format!("{user}:x:1:1::/h:\n")).collect();
    fs::write(post.site.root.passwd(&"va.test".parse().unwrap()), passwd).unwrap();
    assert_eq!(carried(&post, "list@va.test", &post.mail("a@x.org", TEXT)), Outcome::Done);
    assert!(users.iter().all(|user| post.all_of(user).len() == 1));
}

#[test]
fn what_comes_again_because_of_one_is_not_given_again_to_the_others() {
    let office = Office::new();
    let program = office.script("count", "echo x >> OUT/ran; cat > /dev/null");
    let post = office.post("", &format!("list: joe, ann, b@x.org, \"|{program}\"\n"));
    let spool = post.site.root.spool(&"va.test".parse().unwrap());
    std::os::unix::fs::symlink("nowhere", spool.join("ann")).unwrap();
    let mail = post.mail("a@x.org", TEXT);
    // A server in between says each time anew when it came.
    for number in 0..3 {
        let traced = mail.clone().with_trace(format!("Received: by us; {number}\n"));
        assert_eq!(carried(&post, "list@va.test", &traced), Outcome::Broken);
    }
    fs::remove_file(spool.join("ann")).unwrap();
    assert_eq!(carried(&post, "list@va.test", &mail), Outcome::Done);
    assert_eq!((post.all_of("joe").len(), post.all_of("ann").len()), (1, 1));
    assert_eq!((office.wrote("words").lines().count(), office.wrote("ran").lines().count()), (1, 1));
    assert!(post.all_of("joe")[0].contains("Received: by us; 0\n"));
}

#[test]
fn other_mail_is_not_taken_for_the_same() {
    let office = Office::new();
    let post = office.post("", "list: joe, ann\n");
    let spool = post.site.root.spool(&"va.test".parse().unwrap());
    std::os::unix::fs::symlink("nowhere", spool.join("ann")).unwrap();
    for (sender, text) in [
        ("a@x.org", TEXT),
        ("b@x.org", TEXT),
        ("a@x.org", b"Received: by x\nMessage-ID: <1@x.org>\nSubject: x\n\nlonger and other text\n"),
        ("a@x.org", b"Received: by x\nMessage-ID: <2@x.org>\nSubject: x\n\n.\nFrom me\n"),
        ("a@x.org", b"Subject: tonight's report\n\nx\n"),
        ("a@x.org", b"Subject: tonight's report\n\nx\n"),
    ] {
        assert_eq!(carried(&post, "list@va.test", &post.mail(sender, text)), Outcome::Broken);
    }
    assert_eq!(post.all_of("joe").len(), 6, "mail that nothing tells from another may come twice, but is never lost");
}

#[test]
fn nothing_leaves_again_and_again_where_nothing_can_be_noted() {
    let office = Office::new();
    let post = office.post("", "list: ann, b@x.org\n");
    let spool = post.site.root.spool(&"va.test".parse().unwrap());
    std::os::unix::fs::symlink("nowhere", spool.join("ann")).unwrap();
    fs::write(post.carrier.store().places().index.join("carried"), "").unwrap();
    assert_eq!(carried(&post, "list@va.test", &post.mail("a@x.org", TEXT)), Outcome::Broken);
    assert_eq!(office.wrote("words"), "nothing");
}

#[test]
fn machines_answer_when_the_mail_is_in_its_place() {
    let office = Office::new();
    let post = office.post("", "sales: joe\n");
    let files = post.site.root.files(&"va.test".parse().unwrap());
    post.site.auto("sales");
    for name in ["joe.vacation.db", "joe.vacation"] {
        fs::write(files.join(name), if name.ends_with("db") { "" } else { "Subject: away\n\nx\n" }).unwrap();
    }
    let mail = |id: &str| post.mail("b@x.org", format!("To: sales@va.test\nMessage-ID: <{id}@x.org>\n\n").as_bytes());
    let spool = post.site.root.spool(&"va.test".parse().unwrap()).join("joe");
    std::os::unix::fs::symlink("nowhere", &spool).unwrap();
    assert_eq!(carried(&post, "sales@va.test", &mail("1")), Outcome::Broken);
    assert_eq!(office.wrote("words"), "nothing", "it comes again");
    fs::remove_file(&spool).unwrap();
    assert_eq!(carried(&post, "sales@va.test", &mail("1")), Outcome::Done);
    assert_eq!(office.wrote("words"), "-i|-f|<>|--|b@x.org|\n".repeat(2), "the name's answer and joe's");
    assert_eq!(carried(&post, "sales@va.test", &mail("2")), Outcome::Done);
    assert_eq!(office.wrote("words").lines().count(), 3, "joe's only once");
}

#[test]
fn mail_that_only_passes_through_gets_no_notice() {
    let office = Office::new();
    let post = office.post("", "joe: b@x.org\n");
    let files = post.site.root.files(&"va.test".parse().unwrap());
    fs::create_dir_all(&files).unwrap();
    fs::write(files.join("joe.vacation.db"), "").unwrap();
    fs::write(files.join("joe.vacation"), "Subject: away\n\nx\n").unwrap();
    assert_eq!(carried(&post, "joe@va.test", &post.mail("a@x.org", b"To: joe@va.test\n\n")), Outcome::Done);
    assert_eq!(office.wrote("words"), "-i|-f|a@x.org|--|b@x.org|\n");
}

#[test]
fn of_two_recipients_each_has_an_outcome() {
    let office = Office::new();
    let post = office.post("quota.user.joe.inbox = 1", "");
    let large = [TEXT, &[b'x'; 2000]].concat();
    assert_eq!(post.carry(&["joe@va.test", "ann@va.test"], &post.mail("a@x.org", &large)), [Outcome::MailboxFull, Outcome::Done]);
}

#[test]
fn a_list_is_accepted_though_a_member_is_dead_and_the_sender_hears_of_it() {
    let office = Office::new();
    let post = office.post("", "list: joe, gone, :include:/nonexistent\ncircle: circle2\ncircle2: circle\n");
    assert_eq!(post.site.plan("list@va.test").outcome(), Outcome::Done, "the answer to RCPT");
    assert_eq!(carried(&post, "list@va.test", &post.mail("a@x.org", TEXT)), Outcome::Refused(Refusal::Nobody));
    assert_eq!(post.all_of("joe").len(), 1);
    assert_eq!(post.site.plan("circle@va.test").outcome(), Outcome::Refused(Refusal::Loop));
}

#[test]
fn what_a_filter_drops_is_not_answered() {
    let office = Office::new();
    let filter = office.script("filter", "cat > /dev/null");
    let post = office.post(&format!("delivery.filter = \"{filter}\""), "");
    let files = post.site.root.files(&"va.test".parse().unwrap());
    fs::create_dir_all(&files).unwrap();
    fs::write(files.join("joe.vacation.db"), "").unwrap();
    fs::write(files.join("joe.vacation"), "Subject: away\n\nx\n").unwrap();
    assert_eq!(carried(&post, "joe@va.test", &post.mail("b@x.org", b"To: joe@va.test\n\n")), Outcome::Dropped);
    assert_eq!(office.wrote("words"), "nothing");
}

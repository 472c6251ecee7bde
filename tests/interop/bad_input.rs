//! What no honest client sends, and files that no careful administrator writes: each gets its answer or its log line, the server goes
//! on, and no file is touched.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::harness::machine::Machine;
use crate::harness::need;
use crate::harness::pop::Pop;
use crate::harness::program::{Program, printed, run};
use crate::harness::site::{Site, letter};
use crate::harness::until;

#[test]
fn lines_that_no_client_should_send_are_answered_and_the_session_goes_on() {
    need!(root);
    Machine::run(|machine| {
        let (_site, mut server) = furnish(machine, "");
        let before = snapshot();
        for (what, line) in [
            ("garbage", &b"\x16\x03\x01\x02\x00\x01\x00\r\n"[..]),
            ("a request of another protocol", b"GET / HTTP/1.1\r\n"),
            ("nothing", b"\r\n"),
            ("NUL", b"US\0ER joe\r\n"),
            ("NUL in the name", b"USER jo\0e\r\n"),
            ("8-bit", b"\xff\xfe\xfd \xe9\r\n"),
            ("a command of the other state", b"RETR 1\r\n"),
            ("a bare CR", b"NOOP\rNOOP\r\n"),
            ("an over-long line", &[&[b'x'; 100_000][..], b"\r\n"].concat()),
            ("an over-long USER", &[b"USER ", &[b'x'; 50_000][..], b"\r\n"].concat()),
        ] {
            let (mut pop, _) = Pop::dial(VA);
            pop.send(line);
            let answer = pop.line();
            assert!(answer.starts_with("-ERR"), "{what}: {answer}");
            log_in(&mut pop, what);
        }
        let (mut pop, _) = Pop::dial(VA);
        pop.send(b"CAPA\nNOOP\n");
        assert!(pop.line().starts_with("+OK"), "a bare LF ends a line, too");
        assert!(!pop.text().is_empty());
        assert!(pop.line().starts_with("-ERR"));
        drop(pop);
        assert_untouched(&before);
        assert!(!server.ended());
    });
}

#[test]
fn message_numbers_that_are_none_are_refused() {
    need!(root);
    Machine::run(|machine| {
        let (_site, _server) = furnish(machine, "");
        let before = snapshot();
        let mut pop = Pop::login(VA, "joe", "one");
        for number in [
            "0",
            "1abc",
            "-1",
            "+1",
            "01x",
            "3",
            "4294967297",
            "18446744073709551617",
            "99999999999999999999999999",
            "",
            "x",
            "1 1",
            "\u{661}",
        ] {
            for verb in ["RETR", "DELE", "LIST", "UIDL", "TOP"] {
                let command = format!("{verb} {number}{}", if verb == "TOP" { " 0" } else { "" });
                let lists_all = number.is_empty() && ["LIST", "UIDL"].contains(&verb);
                if !lists_all {
                    let answer = pop.say(&command);
                    assert!(answer.starts_with("-ERR"), "{command}: {answer}");
                }
            }
        }
        for command in ["TOP 1", "TOP 1 -1", "TOP 1 x", "RETR", "DELE", "STAT 1", "NOOP x", "QUIT now"] {
            let answer = pop.say(command);
            assert!(answer.starts_with("-ERR"), "{command}: {answer}");
        }
        assert!(pop.say("STAT").starts_with("+OK 2 "));
        assert!(pop.say("RSET").starts_with("+OK"));
        drop(pop);
        assert_untouched(&before);
    });
}

#[test]
fn names_that_would_be_paths_are_wrong_logins_like_any_other() {
    need!(root);
    Machine::run(|machine| {
        let (_site, mut server) = furnish(machine, "");
        let before = snapshot();
        let usual = refusal("nobody");
        for name in [
            "../joe",
            "joe/../joe",
            "/etc/passwd",
            "..",
            ".",
            "joe.lock",
            "files",
            "joe@../va.test",
            "joe@nowhere.test",
            "joe@",
            "@va.test",
            "joe@va.test/",
            "joe@va.test@vb.test",
            "jo\u{7}e",
            "jo\u{1b}[31me",
            "joe\u{301}",
            "%",
            "root",
            &"x".repeat(300),
        ] {
            assert_eq!(refusal(name), usual, "{name:?}");
        }
        assert_untouched(&before);
        until("the failure to be logged", 5, || server.log().contains("joe.lock").then_some(()));
        let log = server.log();
        assert!(!log.contains('\u{7}') && !log.contains('\u{1b}'), "control characters are escaped:\n{log}");
        assert!(!log.contains("a secret"), "no password is logged:\n{log}");
        assert!(!server.ended());
        log_in(&mut Pop::dial(VA).0, "afterwards");
    });
}

#[test]
fn a_half_written_spool_is_served_as_far_as_it_goes() {
    need!(root);
    Machine::run(|machine| {
        let (site, _server) = furnish(machine, "");
        for (what, spool, count) in [
            (
                "a header without an end",
                "From a@b Sun Nov 22 16:06:33 2026\nSubject: x\n\nbody\n\nFrom c@d Sun Nov 22 16:06:33 2026\nSubj",
                2,
            ),
            ("a separator without an end", "From a@b Sun Nov 22 16:06:33 2026\nSubject: x\n\nbody\n\nFrom c@d Sun No", 1),
            ("nothing", "", 0),
            ("NUL octets", "From a@b Sun Nov 22 16:06:33 2026\nSubject: x\0y\n\nbo\0dy\n\n", 1),
        ] {
            site.mail("joe@va.test", spool);
            let before = snapshot();
            let mut pop = Pop::login(VA, "joe", "one");
            let stat = pop.say("STAT");
            assert!(stat.starts_with(&format!("+OK {count} ")), "{what}: {stat}");
            let octets: usize = (1..=count).map(|number| pop.ask(&format!("RETR {number}")).len()).sum();
            assert_eq!(stat, format!("+OK {count} {octets}"), "{what}");
            pop.quit();
            assert_untouched(&before);
        }
        // Not an mbox at all: nothing may be lost by serving it.
        site.mail("joe@va.test", "this is no mbox\n\nFrom a@b Sun Nov 22 16:06:33 2026\nSubject: x\n\nbody\n\n");
        let before = snapshot();
        match Pop::try_login(VA, "joe", "one") {
            Ok(mut pop) => assert!(pop.say("STAT").starts_with("+OK ")),
            Err(answer) => assert!(answer.starts_with("-ERR [SYS/"), "{answer}"),
        }
        assert_untouched(&before);
    });
}

#[test]
fn missing_and_unreadable_files_are_named_in_the_log_and_spoil_nothing_else() {
    need!(root);
    Machine::run(|machine| {
        let (site, mut server) = furnish(machine, "");
        for (hidden, mended) in [("/etc/vmail/passwd.va.test", "/etc/vmail/p"), ("/etc/vmail/shadow.va.test", "/etc/vmail/s")] {
            fs::rename(hidden, mended).unwrap();
            let answer = refusal("joe");
            assert!(answer.starts_with("-ERR "), "{answer}");
            until(&format!("{hidden} in the log"), 5, || server.log().contains(hidden).then_some(()));
            let mut other = Pop::login(VB, "joe", "two");
            assert!(other.say("STAT").starts_with("+OK 1"));
            other.quit();
            fs::rename(mended, hidden).unwrap();
        }
        // A link where the spool should be, and a spool that its owner may not read.
        let spool = site.spool("joe@va.test");
        let kept = spool.with_file_name("kept");
        fs::rename(&spool, &kept).unwrap();
        std::os::unix::fs::symlink(&kept, &spool).unwrap();
        let answer = login_answer("joe", "one");
        assert!(answer.starts_with("-ERR [SYS/"), "{answer}");
        until("the spool in the log", 5, || server.log().contains(spool.to_str().unwrap()).then_some(()));
        fs::remove_file(&spool).unwrap();
        machine.file(spool.to_str().unwrap(), letter("of root")).sh(&format!("chown root:root {0}; chmod 600 {0}", spool.display()));
        let answer = login_answer("joe", "one");
        assert!(answer.starts_with("-ERR [SYS/"), "{answer}");
        fs::rename(&kept, &spool).unwrap();
        log_in(&mut Pop::dial(VA).0, "mended");
        assert!(!server.ended());
    });
}

#[test]
fn broken_lines_of_passwd_and_shadow_are_named_with_file_and_line() {
    need!(root);
    Machine::run(|machine| {
        let (site, _server) = furnish(machine, "");
        machine.line("/etc/vmail/passwd.va.test", "half a line").line("/etc/vmail/shadow.va.test", "joe2");
        log_in(&mut Pop::dial(VA).0, "beside broken lines");
        let check = printed(&run(&mut site.vmail(&["config", "check"]), b"", 20));
        for line in ["/etc/vmail/passwd.va.test:2: ", "/etc/vmail/shadow.va.test:2: "] {
            assert!(check.contains(line), "{line} in\n{check}");
        }
    });
}

#[test]
fn a_broken_record_stops_its_domain_and_no_other() {
    need!(root);
    Machine::run(|machine| {
        let (site, server) = furnish(machine, "");
        machine.file("/etc/vmail/domains/vb.test.toml", "ip = [\"192.0.2.8\"]\n\nretrieval = \"ajar\"\n");
        let before = snapshot();
        server.signal(rustix::process::Signal::HUP);
        until("the fault in the log", 10, || server.log().contains("/etc/vmail/domains/vb.test.toml:3").then_some(()));
        log_in(&mut Pop::dial(VA).0, "beside a broken record");
        until("vb.test to be stopped", 10, || Pop::dial(VB).1.starts_with("-ERR").then_some(()));
        let check = run(&mut site.vmail(&["config", "check"]), b"", 20);
        assert!(!check.status.success());
        assert!(printed(&check).contains("/etc/vmail/domains/vb.test.toml:3"));
        assert_untouched(&before);
    });
}

const VA: &str = "192.0.2.7:110";
const VB: &str = "192.0.2.8:110";

fn furnish(machine: &Machine, more: &str) -> (Site, Program) {
    machine.install_vmail().addresses(&["192.0.2.7", "192.0.2.8"]);
    let site = Site;
    site.configure(&format!("{more}\n[login]\nfailure_delay = 0\n[log]\nto = \"stderr\"\nformat = \"logfmt\"\n"));
    let mails = letter("one") + &letter("two");
    site.domain("va.test", &["192.0.2.7"]).user("joe@va.test", "one").mail("joe@va.test", mails);
    // So that reading leaves no trace.
    machine.line("/etc/vmail/domains/va.test.toml", "[pop3]\nmark_seen = false");
    site.domain("vb.test", &["192.0.2.8"]).user("joe@vb.test", "two").mail("joe@vb.test", letter("three"));
    let server = site.serve();
    drop(Pop::dial(VA));
    (site, server)
}

fn log_in(pop: &mut Pop, what: &str) {
    let user = pop.say("USER joe");
    assert!(user.starts_with("+OK"), "{what}: {user}");
    let answer = pop.say("PASS one");
    assert!(answer.starts_with("+OK"), "{what}: {answer}");
    assert!(pop.say("QUIT").starts_with("+OK"));
}

fn login_answer(name: &str, password: &str) -> String {
    let (mut pop, _) = Pop::dial(VA);
    let user = pop.say(&format!("USER {name}"));
    if user.starts_with("+OK") { pop.say(&format!("PASS {password}")) } else { user }
}

/// The answer to a login that must fail.
fn refusal(name: &str) -> String {
    let answer = login_answer(name, "a secret");
    assert!(answer.starts_with("-ERR"), "{name}: {answer}");
    answer
}

/// Every file of the server's: its octets, and when it was written.
fn snapshot() -> BTreeMap<String, (Vec<u8>, i64, i64)> {
    let mut files = BTreeMap::new();
    for folder in ["/etc/vmail", "/var/spool/vmail", "/vhome"] {
        note(Path::new(folder), &mut files);
    }
    files
}

fn assert_untouched(before: &BTreeMap<String, (Vec<u8>, i64, i64)>) {
    let now = snapshot();
    let names: std::collections::BTreeSet<_> = now.keys().chain(before.keys()).collect();
    let touched: Vec<_> = names.into_iter().filter(|name| now.get(*name) != before.get(*name)).collect();
    assert!(touched.is_empty(), "touched: {touched:?}");
}

fn note(path: &Path, files: &mut BTreeMap<String, (Vec<u8>, i64, i64)>) {
    let Ok(about) = fs::symlink_metadata(path) else { return };
    // `.vmail` has the numbers that a spool had before another program wrote it anew.
    if path.extension().is_some_and(|extension| extension == "lock") || path.ends_with(".vmail") {
        return; // The session before may be ending yet.
    }
    if about.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| note(&entry.unwrap().path(), files));
    } else {
        assert_ne!(about.permissions().mode(), 0);
        files.insert(path.display().to_string(), (fs::read(path).unwrap(), about.mtime(), about.mtime_nsec()));
    }
}

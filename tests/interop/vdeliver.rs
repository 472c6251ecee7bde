//! vdeliver as MTAs start it: as root, as the service, as the owner; what it answers, and whose the files are.

mod doors;
mod killed;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::harness::imap::Imap;
use crate::harness::machine::Machine;
use crate::harness::need;
use crate::harness::program::{Program, printed, run, succeed};
use crate::harness::site::Site;

/// `va.test`, whose files are the service's, with joe and ann in Maildirs; `vb.test`, a tree of old with the user joe, uid 60001, and a
/// spool folder that is root's.
fn furnish(machine: &Machine) -> Site {
    machine.install_vmail();
    let site = Site;
    site.configure("").domain("va.test", &[]).user("joe@va.test", "one").user("ann@va.test", "one");
    machine.file("/etc/vmail/passwd.vb.test", "joe:x:60001:60001:Joe Who:/vhome/vb.test/home/joe:/bin/false\nann:x:60002:60002::/h:\n");
    site
}

fn told(words: &[&str], user: Option<u32>, text: &[u8]) -> Output {
    let mut command = Command::new("/usr/sbin/vdeliver");
    command.args(words);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    run(&mut command, text, 30)
}

/// The exit code, and all that was said.
fn deliver(words: &[&str], text: &[u8]) -> (i32, String) {
    let output = told(words, None, text);
    (output.status.code().unwrap(), printed(&output))
}

/// What lies in a Maildir.
fn all_in(spool: &Path) -> Vec<Vec<u8>> {
    let files = ["new", "cur"].iter().flat_map(|part| fs::read_dir(spool.join(part)).into_iter().flatten());
    files.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

const TEXT: &[u8] = b"Message-ID: <1@x.org>\nSubject: x\n\nHello\n";

#[test]
fn each_outcome_has_its_exit_code_and_says_nothing_that_a_sender_must_not_read() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        machine.file(
            "/etc/vmail/aliases.va.test",
            "loop: pool\npool: loop\nwait: :include:rel\ndead: joe, nobody\nrun: \"|echo /etc/secret; exit 77\"\n",
        );
        let joe = ["/etc/vmail/domains/va.test.toml", "\n[quota.user.ann]\ninbox = 1\n"];
        machine.line(joe[0], joe[1]);
        site.domain("vc.test", &[]).user("joe@vc.test", "one");
        machine.line("/etc/vmail/domains/vc.test.toml", "[delivery]\nreject = true\n");
        let large = [TEXT, &[b'x'; 3000]].concat();
        for (to, text, code, said) in [
            ("joe", TEXT, 0, ""),
            ("JOE@VA.test", TEXT, 0, ""),
            ("nobody", TEXT, 67, "5.1.1 <nobody>: there is no such user here\n"),
            ("joe@vd.test", TEXT, 68, "5.1.2 <joe@vd.test>: this domain is not served here\n"),
            ("joe@vc.test", TEXT, 69, "5.2.1 <joe@vc.test>: this domain accepts no mail\n"),
            ("ann", &large, 73, "5.2.2 <ann>: the mailbox is full\n"),
            ("loop", TEXT, 70, "5.4.6 <loop>: the address leads back to itself\n"),
            ("wait", TEXT, 75, "4.3.5 <wait>: this address is being mended, try again later\n"),
            ("dead", TEXT, 67, "5.1.1 <dead>: there is no such user here\n"),
            ("run", TEXT, 69, "5.3.0 <run>: the message is not accepted here\n"),
            ("../../etc/passwd", TEXT, 67, "5.1.1 <../../etc/passwd>: there is no such user here\n"),
            ("a\nb", TEXT, 67, "5.1.1 <a?b>: there is no such user here\n"),
        ] {
            assert_eq!(deliver(&["-f", "a@x.org", "-d", "va.test", to], text), (code, said.to_owned()), "{to}");
        }
        assert_eq!(deliver(&["-f", "a@x.org", "joe"], TEXT).0, 67, "no domain");
        assert_eq!(deliver(&[], TEXT).0, 64);
        site.configure("[delivery]\nmessage_limit = 1\n");
        assert_eq!(deliver(&["-d", "va.test", "joe"], &large), (69, "5.3.4 <joe>: the message is too large\n".into()));
        site.configure("mistake = 1\n");
        assert_eq!(deliver(&["-d", "va.test", "joe"], TEXT), (75, "4.3.0 <joe>: something went wrong here, try again later\n".into()));
    });
}

#[test]
fn the_worst_of_several_recipients_is_told_and_what_comes_again_is_not_doubled() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        let to = |names: &[&str]| deliver(&[&["-f", "a@x.org", "-d", "va.test"], names].concat(), TEXT).0;
        assert_eq!(to(&["joe", "ann"]), 0);
        assert_eq!(to(&["joe", "nobody"]), 67);
        machine.file("/etc/vmail/aliases.va.test", "wait: :include:rel\n");
        let before = all_in(&site.spool("joe@va.test")).len();
        for _ in 0..3 {
            assert_eq!(to(&["nobody", "joe", "wait"]), 75);
        }
        assert_eq!(all_in(&site.spool("joe@va.test")).len(), before + 1);
    });
}

#[test]
fn files_are_their_owners_whoever_starts_it() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        let ids = |path: &Path| fs::symlink_metadata(path).map(|meta| (meta.uid(), meta.gid(), meta.mode() & 0o7777)).unwrap();
        assert_eq!(deliver(&["-f", "a@x.org", "joe@va.test", "joe@vb.test"], TEXT), (0, String::new()));
        let vb = Path::new("/var/spool/vmail/vb.test");
        assert_eq!(ids(&vb.join("joe")), (60_001, 60_001, 0o600));
        assert_eq!(ids(vb), (0, 0, 0o1777), "made for the first delivery");
        let joe = site.spool("joe@va.test");
        assert_eq!(ids(&joe), (4100, 4100, 0o700));
        let file = fs::read_dir(joe.join("new")).unwrap().next().unwrap().unwrap().path();
        assert_eq!(ids(&file), (4100, 4100, 0o600));
        for folder in ["/var/lib/vmail/index", "/run/vmail"] {
            assert_eq!(ids(Path::new(folder)).0, 4100, "{folder}");
        }
        // In a tree of old the folder may be root's alone.
        fs::set_permissions(vb, fs::Permissions::from_mode(0o755)).unwrap();
        for _ in 0..2 {
            assert_eq!(deliver(&["-f", "a@x.org", "joe@vb.test", "ann@vb.test"], TEXT), (0, String::new()));
        }
        assert_eq!((ids(&vb.join("ann")), ids(vb).2), ((60_002, 60_002, 0o600), 0o755));
        assert_eq!(fs::read_to_string(vb.join("ann")).unwrap().matches("\nFrom a@x.org").count(), 1, "two messages");
        // Postfix's pipe(8) refuses root.
        assert_eq!(told(&["-f", "a@x.org", "joe@va.test"], Some(4100), TEXT).status.code(), Some(0));
        assert_eq!(all_in(&joe).len(), 2);
        let other = told(&["-f", "a@x.org", "joe@vb.test"], Some(4100), TEXT);
        assert_eq!(
            (other.status.code(), &*printed(&other)),
            (Some(75), "4.3.0 <joe@vb.test>: something went wrong here, try again later\n")
        );
    });
}

#[test]
fn an_owner_may_deliver_to_himself_and_to_nobody_else() {
    need!(root);
    Machine::run(|machine| {
        furnish(machine);
        let spool = Path::new("/var/spool/vmail/vb.test/joe");
        assert_eq!(deliver(&["-f", "a@x.org", "joe@vb.test", "ann@vb.test"], TEXT).0, 0);
        machine
            .line("/etc/vmail/passwd.vb.test", "dir:x:60001:60001::/h:")
            .sh("cd /var/spool/vmail/vb.test; mkdir -p dir/cur dir/new dir/tmp; chown -R 60001:60001 dir");
        assert_eq!(told(&["-f", "b@x.org", "joe@vb.test"], Some(60_001), TEXT).status.code(), Some(0));
        assert_eq!(deliver(&["-f", "c@x.org", "joe@vb.test"], TEXT).0, 0);
        let text = fs::read_to_string(spool).unwrap();
        let senders: Vec<&str> = text.lines().filter(|line| line.starts_with("From ")).map(|line| &line[5..6]).collect();
        assert_eq!(senders, ["a", "b", "c"]);
        assert_eq!(fs::metadata(spool).unwrap().uid(), 60_001);
        assert_eq!(told(&["-f", "b@x.org", "dir@vb.test"], Some(60_001), TEXT).status.code(), Some(0));
        assert_eq!(all_in(Path::new("/var/spool/vmail/vb.test/dir")).len(), 1);
        assert_eq!(told(&["-f", "b@x.org", "ann@vb.test"], Some(60_001), TEXT).status.code(), Some(75));
        assert!(!fs::read_to_string("/var/spool/vmail/vb.test/ann").unwrap().contains("From b@"));
    });
}

#[test]
fn the_sender_may_be_given_in_many_ways() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        let spool = site.spool("joe@va.test");
        let text = b"From old@x.org Sun Nov 22 13:19:32 2026\nReturn-Path: <path@x.org>\nSubject: x\n\n";
        for (words, path) in [
            (&["-f", ""][..], ""),
            (&["-f", "<>"], ""),
            (&["-f", "MAILER-DAEMON"], ""),
            (&["-f", "a@x.org"], "a@x.org"),
            (&["-f", "<a@x.org>"], "a@x.org"),
            (&["-f", "-odd@x.org"], "-odd@x.org"),
            (&[], "path@x.org"),
        ] {
            fs::remove_dir_all(&spool).unwrap();
            assert_eq!(deliver(&[words, &["-d", "va.test", "joe"]].concat(), text), (0, String::new()), "{words:?}");
            let expected = format!("Return-Path: <{path}>\nDelivered-To: joe@va.test\nSubject: x\n\n");
            assert_eq!(String::from_utf8(all_in(&spool).remove(0)).unwrap(), expected, "{words:?}");
        }
    });
}

#[test]
fn any_octets_arrive_as_they_are() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        let (dir, mbox) = (site.spool("joe@va.test"), Path::new("/var/spool/vmail/vb.test/joe"));
        let huge =
            [&b"Subject: huge\n\n"[..], &b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n".repeat(200_000)].concat();
        let long = [&b"Subject: x\n\n"[..], &[b'x'; 3_000_000], b"\n"].concat();
        for (text, stored) in [
            (&b"Subject: \xe9\xff\n\n\x00\x01\xfe\r.\n"[..], None),
            (b"Subject: x\r\n\r\nline\r\nmore\r\n", Some(&b"Subject: x\n\nline\nmore\n"[..])),
            (b"", None),
            (b"\n", None),
            (b"no header", None),
            (b"Subject: x\n\nFrom here on\nFrom a@b Sun Nov 22 13:19:32 2026\nno end", None),
            (&huge, None),
            (&long, None),
        ] {
            let _ = fs::remove_dir_all(&dir);
            let _ = fs::remove_file(mbox);
            assert_eq!(deliver(&["-f", "a@x.org", "joe@va.test", "joe@vb.test"], text), (0, String::new()));
            let head = b"Return-Path: <a@x.org>\nDelivered-To: joe@va.test\n";
            assert!(
                all_in(&dir)[0] == [&head[..], stored.unwrap_or(text)].concat(),
                "{:?}",
                String::from_utf8_lossy(&text[..text.len().min(80)])
            );
            let octets = fs::read(mbox).unwrap();
            let separators = octets.split(|&octet| octet == b'\n').filter(|line| line.starts_with(b"From a@")).count();
            assert!(separators == 1 && octets.ends_with(b"\n\n"), "{:?}", String::from_utf8_lossy(&octets[..octets.len().min(300)]));
        }
        assert_eq!(deliver(&["-f", "a@x.org", "joe@vb.test"], TEXT).0, 0);
        assert_eq!(fs::read(mbox).unwrap().windows(12).filter(|some| some == b"\n\nFrom a@x.o").count(), 1, "one more message");
    });
}

#[test]
fn a_full_disk_makes_mail_wait_and_loses_none() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        assert_eq!(deliver(&["-f", "a@x.org", "joe@vb.test"], TEXT).0, 0);
        machine.sh("mkdir /tmp/kept; cp -a /var/spool/vmail/. /tmp/kept; mount -t tmpfs -o size=1m small /var/spool/vmail; cp -a /tmp/kept/. /var/spool/vmail");
        let mbox = Path::new("/var/spool/vmail/vb.test/joe");
        let large = [TEXT, &b"much of it\n".repeat(40_000)].concat();
        for to in ["joe@va.test", "joe@vb.test"] {
            let codes: Vec<i32> = (0..4).map(|_| deliver(&["-f", "a@x.org", to], &large).0).collect();
            assert!(codes[3] == 75 && codes.iter().all(|code| [0, 75].contains(code)), "{to}: {codes:?}");
        }
        let in_dir = all_in(&site.spool("joe@va.test"));
        assert!(in_dir.iter().all(|text| text.ends_with(b"much of it\n") && text.len() > large.len()));
        let text = fs::read_to_string(mbox).unwrap();
        assert!(text.ends_with("\n\n") && text.contains("\n\nHello\n"), "no half messages");
        machine.sh("umount /var/spool/vmail");
        assert_eq!(deliver(&["-f", "a@x.org", "joe@va.test", "joe@vb.test"], TEXT).0, 0);
    });
}

#[test]
fn programs_run_as_the_user_that_was_chosen_and_files_are_his() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        machine.user("runner", 5005, "x").sh("mkdir -m 1777 /out");
        let aliases = "run: \"|id -u > /out/id; id -G >> /out/id; cat /proc/self/status | grep Cap >> /out/id; env > /out/env\"\nfile: /out/box\nslow: \"|sleep 60\"\n";
        machine.file("/etc/vmail/aliases.va.test", aliases);
        machine.file("/usr/local/bin/filter", "#!/bin/sh\nid -u > /out/filter.$RECIPIENT\ncat\n").sh("chmod 755 /usr/local/bin/filter");
        site.vmail(&["domain", "list"]);
        machine.file("/etc/vmail/domains/vb.test.toml", "spool = \"mbox\"\n[delivery]\nfilter = \"/usr/local/bin/filter\"\n");
        machine.line("/etc/vmail/domains/va.test.toml", "[delivery]\nfilter = \"/usr/local/bin/filter\"\n");
        for (set, id) in [("", "4100"), ("program_user = \"runner\"\n", "5005")] {
            site.configure(&format!("[delivery]\n{set}deadline = 1\n"));
            machine.sh("rm -rf /out/*");
            assert_eq!(deliver(&["-f", "a@x.org", "run@va.test", "file@va.test", "joe@va.test", "joe@vb.test"], TEXT), (0, String::new()));
            let said = fs::read_to_string("/out/id").unwrap();
            let lines: Vec<&str> = said.lines().collect();
            assert_eq!(lines[..2], [id, id], "{said}");
            assert!(
                lines
                    .iter()
                    .filter(|line| line.starts_with("CapEff") || line.starts_with("CapPrm"))
                    .all(|line| line.ends_with("\t0000000000000000"))
            );
            assert_eq!(fs::metadata("/out/box").unwrap().uid().to_string(), id);
            let filtered = |to: &str| fs::read_to_string(format!("/out/filter.{to}")).unwrap();
            assert_eq!((&*filtered("joe@va.test"), &*filtered("joe@vb.test")), ("4100\n", "60001\n"), "as the owners of mailboxes");
            let env = fs::read_to_string("/out/env").unwrap();
            assert!(!env.contains("VMAIL") && !env.contains("HARNESS") && env.contains("SENDER=a@x.org\n"), "{env}");
            assert_eq!(deliver(&["slow@va.test"], TEXT).0, 75);
            let still = succeed(
                Command::new("/bin/sh").args(["-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c '[s]leep 60' || true"]),
            );
            assert_eq!(still.trim(), "0", "a program of another user is ended too");
        }
        site.configure("user = \"nobody-here\"\n");
        assert_eq!(deliver(&["run@va.test"], TEXT).0, 75, "never as root");
    });
}

#[test]
fn sessions_of_a_running_server_hear_of_it_at_once() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        site.configure("[address]\n\"127.0.0.1\" = \"shared\"\n");
        let _server = site.serve();
        let mut imap = Imap::login("127.0.0.1:143", "joe@va.test", "one");
        imap.ask("SELECT INBOX");
        imap.begins("IDLE");
        for (number, user) in [(1, None), (2, Some(4100))] {
            let began = Instant::now();
            assert_eq!(told(&["-f", "a@x.org", "joe@va.test"], user, TEXT).status.code(), Some(0));
            while imap.line() != format!("* {number} EXISTS") {}
            assert!(began.elapsed() < Duration::from_secs(3), "not by looking from time to time");
        }
        imap.stutter("DONE\r\n");
        while !imap.line().starts_with("t3 OK") {}
        let fetched = imap.ask("FETCH 1:* (UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Delivered-To)])");
        assert_eq!(fetched.iter().filter(|line| line.contains("Delivered-To: joe@va.test")).count(), 2, "{fetched:?}");
    });
}

#[test]
fn procmail_and_vdeliver_append_to_one_mbox_at_the_same_time() {
    need!(root, "procmail");
    Machine::run(|machine| {
        furnish(machine);
        assert_eq!(deliver(&["-f", "a@x.org", "joe@vb.test"], TEXT).0, 0);
        let rc = "SUSPEND=1\nLOCKSLEEP=1\nDEFAULT=/var/spool/vmail/vb.test/joe\nORGMAIL=/var/spool/vmail/vb.test/joe\n:0:\n/var/spool/vmail/vb.test/joe\n";
        machine.file("/tmp/rc", rc);
        let script = "for n in $(seq 25); do printf 'From p@x.org Sun Nov 22 16:06:33 2026\\nSubject: p%s\\n\\nx\\n' $n | procmail -m /tmp/rc || exit 1; done";
        let mut others = Program::start(Command::new("/bin/sh").args(["-c", script]).uid(60_001).gid(60_001));
        for number in 0..25 {
            assert_eq!(deliver(&["-f", "a@x.org", "joe@vb.test"], format!("Subject: v{number}\n\nx\n").as_bytes()).0, 0);
        }
        assert!(others.end(60).success(), "{}", others.log());
        let text = fs::read_to_string("/var/spool/vmail/vb.test/joe").unwrap();
        let mut subjects: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("Subject: ")).collect();
        subjects.sort_unstable();
        let count = subjects.len();
        subjects.dedup();
        assert_eq!((count, subjects.len(), text.matches("\n\nFrom ").count()), (51, 51, 50));
    });
}

#[test]
fn a_vacation_notice_leaves_by_the_machines_mta() {
    need!(root);
    Machine::run(|machine| {
        furnish(machine);
        machine.sh("mkdir -m 1777 /out");
        machine.file("/usr/sbin/sendmail", "#!/bin/sh\necho \"$@\" >> /out/words\ncat > /out/message\n").sh("chmod 755 /usr/sbin/sendmail");
        // The user switches it on himself.
        machine.sh("mkdir -p /vhome/vb.test/home/joe && chown -R 60001:60001 /vhome/vb.test/home/joe");
        machine
            .file("/vhome/vb.test/home/joe/.vacation", "Subject: away\n\nBack on Monday.\n")
            .sh("touch /vhome/vb.test/home/joe/.vacation.db; chown 60001 /vhome/vb.test/home/joe/.vac*");
        let mail = b"To: joe@vb.test\nMessage-ID: <1@x.org>\nSubject: lunch\n\nx\n";
        for _ in 0..2 {
            assert_eq!(deliver(&["-f", "bob@x.org", "joe@vb.test"], mail), (0, String::new()));
        }
        assert_eq!(fs::read_to_string("/out/words").unwrap(), "-i -f <> -- bob@x.org\n");
        assert!(fs::read_to_string("/out/message").unwrap().contains("\nIn-Reply-To: <1@x.org>\n"));
        machine.file("/usr/sbin/sendmail", "#!/bin/sh\nexit 75\n");
        assert_eq!(deliver(&["-f", "eve@x.org", "joe@vb.test"], mail).0, 0, "an answer that cannot leave is no matter");
        assert_eq!(deliver(&["-f", "ann@x.org", "joe@va.test"], mail).0, 0);
    });
}

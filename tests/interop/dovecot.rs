//! Dovecot and we in one Maildir, in turns and at once: neither loses or changes what the other has, and UIDs are the same for both.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use vmail::store::{Flags, Folder, Home, How, Uids};

use crate::harness::imap::{Imap, Sight};
use crate::harness::machine::Machine;
use crate::harness::need;
use crate::harness::ours::{Ours, named};
use crate::harness::program::succeed_with;
use crate::harness::site::Site;

#[test]
fn dovecot_and_we_take_turns_and_nothing_changes_for_a_client() {
    need!(root, "dovecot-core", "dovecot-imapd", "dovecot-pop3d");
    Machine::run(|machine| {
        let dovecot = Dovecot::install(machine, "pop3_save_uidl = yes\npop3_uidl_format = %v-%u\n");
        furnish(&dovecot);
        let uidls = dovecot.uidls();
        let before = dovecot.sights();
        assert_eq!(before["INBOX"].messages.len(), 103);

        // Our turn.
        let ours = Ours::open(Path::new(SPOOL), VMAIL, Path::new("/tmp/ours"));
        for (name, sight) in &before {
            assert_eq!(ours.sight(name), *sight, "{name}");
            assert_eq!(ours.status(name).id.to_string(), guid(name), "{name}");
        }
        let (folders, subscribed) = ours.list();
        assert_eq!(folders, before.keys().cloned().collect());
        assert_eq!(subscribed, ["Lists/Räder", "Sent"].map(str::to_owned).into());
        assert_eq!(Site.uidls("192.0.2.7:110", "joe", "one"), uidls);
        let ours = change(ours);
        let changed: BTreeMap<String, Sight> = ours.list().0.into_iter().map(|name| (name.clone(), ours.sight(&name))).collect();
        assert_eq!(changed.len(), before.len() + 1);

        // Dovecot again, with what it remembers, and without.
        assert_eq!(dovecot.sights(), lettered(&changed));
        dovecot.forget();
        assert_eq!(dovecot.sights(), lettered(&changed));
        dovecot.has_no_complaints();

        // Our turn again, after changes by Dovecot, with what we remember, and without.
        change_by(&dovecot);
        let latest = dovecot.sights();
        let kept = |name: &str| without_further(ours.sight(name));
        latest.iter().for_each(|(name, sight)| assert_eq!(kept(name), *sight, "{name}"));
        let further: Vec<Sight> = latest.keys().map(|name| ours.sight(name)).collect();
        let ours = ours.without_index();
        let anew: Vec<Sight> = latest.keys().map(|name| ours.sight(name)).collect();
        assert_eq!(anew, further, "keywords without a letter are ours to keep");
        dovecot.has_no_complaints();
    });
}

#[test]
fn unique_ids_that_dovecot_saved_stay_in_every_format() {
    need!(root, "dovecot-core", "dovecot-imapd", "dovecot-pop3d");
    Machine::run(|machine| {
        // Those that it does not save, names of files and GUIDs, are its own.
        for format in ["%08Xu%08Xv", "%v-%u", "%08Xv%08Xu"] {
            let dovecot = Dovecot::install(machine, &format!("pop3_save_uidl = yes\npop3_uidl_format = {format}\n"));
            let mut imap = dovecot.imap();
            (1..=5).for_each(|nth| _ = imap.append("INBOX", &format!("INBOX {nth}"), ""));
            imap.logout();
            let uidls = dovecot.uidls();
            assert_eq!(uidls.len(), 5);
            assert_eq!(Site.uidls("192.0.2.7:110", "joe", "one"), uidls, "{format}");
            dovecot.has_no_complaints();
            machine.sh("rm -r /etc/vmail /var/spool/vmail /var/lib/vmail; ip address flush dev lo scope global");
        }
    });
}

#[test]
fn dovecot_and_we_append_flag_and_expunge_at_once() {
    need!(root, "dovecot-core", "dovecot-imapd", "dovecot-pop3d");
    Machine::run(|machine| {
        let dovecot = Dovecot::install(machine, "");
        let ours = Ours::open(Path::new(SPOOL), VMAIL, Path::new("/tmp/ours"));
        ours.append("INBOX", "the first", Flags::NONE, &[]);
        let (over, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (theirs, (mine, marked)) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| {
                let mut imap = dovecot.imap();
                imap.ask("SELECT INBOX");
                let mut appended = BTreeMap::new();
                for nth in 0.. {
                    let subject = format!("dovecot {nth}");
                    appended.insert(imap.append("INBOX", &subject, "").unwrap(), subject);
                    // It sees all there is, and marks what is young: some of it ours.
                    imap.ask("NOOP");
                    imap.say(&format!("STORE {}:* +FLAGS (\\Answered theirs)", 1 + 2 * nth));
                    rounds.store(nth, Ordering::Relaxed);
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                }
                imap.logout();
                appended
            });
            let mine = scope.spawn(|| {
                let (mut appended, mut marked) = (BTreeMap::new(), BTreeSet::new());
                for nth in 0.. {
                    let subject = format!("vmail {nth}");
                    let uid = ours.append("INBOX", &subject, if nth % 2 == 0 { Flags::NONE } else { Flags::SEEN }, &[]);
                    appended.insert(uid, subject);
                    let state = ours.folder("INBOX").state().clone();
                    let young: Vec<u32> = state.messages().skip(nth).map(|message| message.uid).collect();
                    ours.mark("INBOX", &young, How::Add, Flags::FLAGGED, &["ours"]);
                    marked.extend(young);
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                }
                (appended, marked)
            });
            std::thread::sleep(Duration::from_secs(3));
            // It looks for the lock a few times a second, and we take it hundreds of times.
            let begun = Instant::now();
            while rounds.load(Ordering::Relaxed) < 11 && begun.elapsed() < Duration::from_secs(30) {
                std::thread::sleep(Duration::from_millis(50));
            }
            over.store(true, Ordering::Relaxed);
            (theirs.join().unwrap(), mine.join().unwrap())
        });
        let told: BTreeMap<u32, String> = theirs.iter().chain(&mine).map(|(uid, subject)| (*uid, subject.clone())).collect();
        assert_eq!(told.len(), theirs.len() + mine.len(), "a UID twice");
        assert!(theirs.len() > 10 && mine.len() > 10, "both were at it: {} and {}", theirs.len(), mine.len());
        let seen = ours.sight("INBOX");
        assert_eq!(seen, dovecot.imap().sight("INBOX"));
        let found: BTreeMap<u32, String> =
            seen.messages.iter().filter(|(uid, _)| **uid > 1).map(|(uid, shown)| (*uid, shown.subject.clone())).collect();
        assert_eq!(found, told);
        for (uid, shown) in seen.messages.iter().filter(|(uid, _)| marked.contains(uid)) {
            assert!(shown.flags.contains("\\Flagged") && shown.flags.contains("ours"), "{uid} lost our flags: {shown:?}");
        }
        dovecot.forget();
        assert_eq!(ours.without_index().sight("INBOX"), dovecot.imap().sight("INBOX"));
        dovecot.has_no_complaints();
    });
}

/// Folders, mail, flags, keywords and subscriptions, all by Dovecot; and mail that it has not seen yet.
fn furnish(dovecot: &Dovecot) {
    let mut imap = dovecot.imap();
    for (folder, count) in [("INBOX", 105), ("Lists", 40), ("Lists.R&AOQ-der", 40), ("Lists.R&AOQ-der.&ZeVnLIqe-", 15), ("Sent", 5)] {
        if folder != "INBOX" {
            imap.ask(&format!("CREATE {folder}"));
        }
        (1..=count).for_each(|nth| _ = imap.append(folder, &format!("{folder} {nth}"), if nth % 3 == 0 { "\\Seen" } else { "" }));
        imap.ask(&format!("SELECT {folder}"));
        for change in [
            "2 +FLAGS (\\Flagged $Forwarded)",
            "3:4 +FLAGS ($Junk \\Answered)",
            "4 +FLAGS (work urgent NonJunk)",
            "1:5 +FLAGS (seen-by-all)",
            "1,5 +FLAGS (\\Deleted \\Draft)",
        ] {
            imap.ask(&format!("STORE {change}"));
        }
        imap.ask("EXPUNGE");
    }
    imap.ask("SUBSCRIBE Lists.R&AOQ-der");
    imap.ask("SUBSCRIBE Sent");
    imap.logout();
}

/// Everything that a client of ours can do.
fn change(ours: Ours) -> Ours {
    ours.append("INBOX", "ours, fresh", Flags::NONE, &[]);
    ours.append("INBOX", "ours, marked", Flags::SEEN.with(Flags::FLAGGED), &["work", "fresh-word"]);
    ours.mark("INBOX", &[10, 11, 12], How::Add, Flags::SEEN.with(Flags::ANSWERED), &["NonJunk"]);
    ours.mark("INBOX", &[3], How::Remove, Flags::ANSWERED, &["$Junk"]);
    ours.mark("INBOX", &[4], How::Replace, Flags::DRAFT, &["only"]);
    // More than there are letters.
    (0..30).for_each(|nth| ours.mark("INBOX", &[20 + nth], How::Add, Flags::NONE, &[&format!("many{nth}")]));
    ours.expunge("INBOX", &[30, 31, 105]);
    let some = |uids: &[u32]| -> Uids { uids.iter().copied().collect() };
    ours.runtime.block_on(async {
        let mut inbox = ours.home.open(&named("INBOX")).await.unwrap();
        inbox.copy(&some(&[10, 20]), &named("Sent")).await.unwrap();
        inbox.relocate(&some(&[11, 21]), &named("Lists/Räder")).await.unwrap();
    });
    ours.runtime.block_on(ours.home.create(&named("Neu/Ünter"), None)).unwrap();
    ours.append("Neu/Ünter", "in a folder of ours", Flags::SEEN, &["$Junk"]);
    ours.runtime.block_on(ours.home.create(&named("Gone"), None)).unwrap();
    ours.runtime.block_on(ours.home.delete(&named("Gone"))).unwrap();
    ours.runtime.block_on(ours.home.rename(&named("Lists/Räder"), &named("Archiv/Räder"))).unwrap();
    ours.runtime.block_on(ours.home.subscribe(&named("Archiv/Räder"), true)).unwrap();
    ours
}

/// A part of that by Dovecot.
fn change_by(dovecot: &Dovecot) {
    let mut imap = dovecot.imap();
    imap.append("INBOX", "theirs again", "\\Seen work");
    imap.ask("SELECT INBOX");
    imap.ask("UID STORE 10:14 -FLAGS (\\Seen)");
    imap.ask("UID STORE 12 -FLAGS (NonJunk)");
    imap.ask("UID STORE 4 FLAGS (\\Flagged urgent)");
    imap.ask("UID STORE 2,40 +FLAGS (\\Deleted)");
    imap.ask("EXPUNGE");
    imap.ask("UID MOVE 22 Sent");
    imap.ask("UID COPY 23 Archiv.R&AOQ-der");
    imap.ask("RENAME Archiv Lists");
    imap.ask("DELETE Neu.&ANw-nter");
    imap.logout();
}

/// What Dovecot sees of ours: keywords that got a letter. They are given in the order in which they come.
fn lettered(sights: &BTreeMap<String, Sight>) -> BTreeMap<String, Sight> {
    sights.iter().map(|(name, sight)| (name.clone(), without_further(sight.clone()))).collect()
}

/// Without the keywords of INBOX for which there was no letter.
fn without_further(mut sight: Sight) -> Sight {
    let letters = fs::read_to_string(Path::new(SPOOL).join("dovecot-keywords")).unwrap();
    let has_letter = |word: &str| letters.lines().any(|line| line.split_once(' ').is_some_and(|(_, known)| known == word));
    for shown in sight.messages.values_mut() {
        shown.flags.retain(|flag| !flag.starts_with("many") || has_letter(flag));
    }
    sight
}

/// What the list of UIDs says that the mailbox is called for ever.
fn guid(name: &str) -> String {
    let folder = match name {
        "INBOX" => String::new(),
        _ => format!(".{}", name.replace('/', ".").replace("Räder", "R&AOQ-der").replace("日本語", "&ZeVnLIqe-")),
    };
    let list = fs::read_to_string(Path::new(SPOOL).join(folder).join("dovecot-uidlist")).unwrap();
    list.lines().next().unwrap().split_once(" G").unwrap().1.to_owned()
}

/// Dovecot's own programs, in a Maildir that vmail serves, too.
struct Dovecot {
    log: PathBuf,
}

impl Dovecot {
    fn install(machine: &Machine, options: &str) -> Dovecot {
        ["dovecot-core", "dovecot-imapd", "dovecot-pop3d"].iter().for_each(|package| _ = machine.install(package));
        machine.install_vmail().addresses(&["192.0.2.7"]);
        Site.configure("plaintext = \"always\"\n[[listen]]\nproto = \"pop3\"\naddress = \"0.0.0.0\"\n");
        Site.domain("va.test", &["192.0.2.7"]).user("joe@va.test", "one");
        machine.file("/tmp/dovecot.conf", format!("{CONF}{options}"));
        Dovecot { log: "/tmp/dovecot.log".into() }
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new("/usr/bin/setpriv");
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        command.args([format!("--reuid={VMAIL}"), format!("--regid={VMAIL}"), "--clear-groups".into()]);
        command.arg(format!("/usr/lib/dovecot/{name}")).args(["-c", "/tmp/dovecot.conf"]);
        command.env("USER", "joe").env("HOME", "/tmp").stderr(log);
        command
    }

    fn imap(&self) -> Imap {
        Imap::start(&mut self.program("imap"))
    }

    /// What UIDL says, line by line.
    fn uidls(&self) -> Vec<String> {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let theirs = OwnedFd::from(theirs);
        let mut pop3 = self.program("pop3").stdin(theirs.try_clone().unwrap()).stdout(theirs).spawn().unwrap();
        ours.write_all(b"UIDL\r\nQUIT\r\n").unwrap();
        let mut said = String::new();
        ours.read_to_string(&mut said).unwrap();
        pop3.wait().unwrap();
        let lines: Vec<String> = said.lines().skip_while(|line| *line != "+OK").skip(1).map(str::to_owned).collect();
        lines.into_iter().take_while(|line| line != ".").collect()
    }

    /// All folders, by names with slashes.
    fn sights(&self) -> BTreeMap<String, Sight> {
        let mut imap = self.imap();
        let list = imap.ask("LIST \"\" *");
        let names = list.iter().filter(|line| line.starts_with("* LIST") && !line.contains("\\Noselect"));
        let names: Vec<String> = names.map(|line| line.rsplit_once("\".\" ").unwrap().1.trim_matches('"').to_owned()).collect();
        let shown = |name: &str| {
            let plain = name.replace("R&AOQ-der", "Räder").replace("&ZeVnLIqe-", "日本語").replace("&ANw-nter", "Ünter");
            plain.replace('.', "/")
        };
        let sights = names.iter().map(|name| (shown(name), imap.sight(&format!("\"{name}\"")))).collect();
        imap.logout();
        sights
    }

    /// Removes what Dovecot can find out again.
    fn forget(&self) {
        succeed_with(Command::new("/usr/bin/find").args([SPOOL, "-name", "dovecot*index*", "-delete"]), b"");
    }

    fn has_no_complaints(&self) {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let complaints: BTreeSet<&str> = log.lines().filter(|line| !line.contains("Info: ")).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- Dovecot said:\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

const CONF: &str = "
mail_location = maildir:/var/spool/vmail/va.test/joe
ssl = no
first_valid_uid = 0
mail_fsync = optimized
default_internal_user = vmail
default_internal_group = vmail
default_login_user = vmail
";
const SPOOL: &str = "/var/spool/vmail/va.test/joe";
const VMAIL: u32 = 4100;

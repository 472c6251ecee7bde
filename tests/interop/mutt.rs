//! Programs that read and deliver beside us: mutt, procmail, and whatever else knows a Maildir.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::time::{Duration, Instant};

use vmail::store::{Flags, Folder, Home, How};

use crate::harness::imap::letter;
use crate::harness::machine::Machine;
use crate::harness::ours::{Ours, named};
use crate::harness::pop::Pop;
use crate::harness::program::{Program, succeed_with};
use crate::harness::site::Site;
use crate::harness::{need, until};

#[test]
fn mutt_reads_flags_deletes_and_saves_beside_us() {
    need!(root, "mutt");
    Machine::run(|machine| {
        settle_in(machine);
        let ours = Ours::open(Path::new(SPOOL), VMAIL, Path::new("/tmp/ours"));
        (1..=9).for_each(|nth| _ = ours.append("INBOX", &format!("mail {nth}"), Flags::NONE, &[]));
        ours.runtime.block_on(ours.home.create(&named("Saved"), None)).unwrap();
        ours.mark("INBOX", &[5], How::Add, Flags::NONE, &["work"]);
        let (mut mutt, _keyboard) = mutt(machine);
        until("mutt to open the mailbox", 20, || Path::new("/tmp/open").exists().then_some(()));

        // mutt has it open, and learns of this only when it writes.
        ours.mark("INBOX", &[1], How::Add, Flags::FLAGGED, &["work"]);
        ours.expunge("INBOX", &[2]);
        let late = ours.append("INBOX", "late", Flags::SEEN, &[]);
        fs::write("/tmp/go", "").unwrap();
        assert!(mutt.end(20).success(), "{}", mutt.log());

        let sight = ours.sight("INBOX");
        let flags = |uid: u32| sight.messages[&uid].flags.iter().map(String::as_str).collect::<BTreeSet<&str>>();
        assert_eq!(sight.messages.keys().copied().collect::<Vec<_>>(), [1, 3, 5, 7, 8, 9, late], "2, 4 and 6 are gone");
        assert_eq!(flags(1), ["\\Flagged", "work"].into());
        assert_eq!(flags(3), ["\\Answered", "\\Flagged", "\\Seen"].into());
        assert_eq!(flags(5), ["\\Seen", "work"].into());
        assert_eq!(flags(7), ["\\Flagged"].into());
        assert_eq!(flags(late), ["\\Seen"].into());
        assert_eq!(ours.sight("Saved").uid("mail 6"), 1);
        assert_eq!(ours.without_index().sight("INBOX"), sight);
    });
}

#[test]
fn what_others_deliver_is_there_within_a_second() {
    need!(root, "procmail");
    Machine::run(|machine| {
        settle_in(machine);
        let server = Site.serve();
        let ours = Ours::open(Path::new(SPOOL), VMAIL, Path::new("/tmp/ours"));
        machine.file("/tmp/procmailrc", format!("DEFAULT={SPOOL}/\n")).sh("chown 4100:4100 /tmp/procmailrc");
        for (nth, (subject, deliver)) in DELIVERERS.iter().enumerate() {
            let took = ours.runtime.block_on(async {
                let mut folder = ours.home.open(&named("INBOX")).await.unwrap();
                let before = folder.state().len();
                let delivery = tokio::task::spawn_blocking(move || {
                    std::thread::sleep(Duration::from_millis(100));
                    deliver(subject);
                    Instant::now()
                });
                // What changes meanwhile may be something else, such as flags that reach the files.
                while folder.state().len() == before {
                    tokio::time::timeout(Duration::from_secs(10), folder.changed()).await.expect(subject);
                    folder.refresh().await.unwrap();
                }
                let seen = Instant::now();
                seen.saturating_duration_since(delivery.await.unwrap())
            });
            assert!(took < Duration::from_secs(1), "{subject}: {took:?}");
            assert_eq!(ours.sight("INBOX").uid(subject), nth as u32 + 1);
            let mut pop = Pop::login("192.0.2.7:110", "joe", "one");
            assert!(String::from_utf8(pop.ask(&format!("RETR {}", nth + 1))).unwrap().contains(subject));
            pop.quit();
        }
        drop(server);
    });
}

#[test]
fn files_whose_names_no_list_can_have_are_mail_all_the_same() {
    need!(root);
    Machine::run(|machine| {
        settle_in(machine);
        let odd = ["cur/one\nline:2,FS", "cur/\r:2,", "cur/:2,a", "new/\n", "new/plain", "cur/plain2:2,S"];
        let subjects: Vec<String> = odd.iter().map(|name| name.escape_debug().to_string().replace('\\', "")).collect();
        std::iter::zip(odd, &subjects).for_each(|(name, subject)| put(&Path::new(SPOOL).join(name), subject));
        let mut server = Site.serve();
        let mut pop = Pop::login("192.0.2.7:110", "joe", "one");
        assert!(pop.say("STAT").starts_with("+OK 6 "));
        pop.quit();
        let warned = server.says("names").matches("names").count();
        let ours = Ours::open(Path::new(SPOOL), VMAIL, Path::new("/tmp/ours"));
        let sight = ours.sight("INBOX");
        let found: BTreeSet<&String> = sight.messages.values().map(|shown| &shown.subject).collect();
        assert_eq!(found, subjects.iter().collect());
        let flags = &sight.messages[&sight.uid(&subjects[0])].flags;
        assert_eq!(flags.iter().collect::<Vec<_>>(), ["\\Flagged", "\\Seen"]);
        let mut pop = Pop::login("192.0.2.7:110", "joe", "one");
        assert!(pop.say("STAT").starts_with("+OK 6 "));
        pop.quit();
        assert_eq!(server.log().matches("names").count(), warned, "once is enough");
        ours.expunge("INBOX", &sight.messages.keys().copied().collect::<Vec<_>>());
        assert_eq!(fs::read_dir(Path::new(SPOOL).join("cur")).unwrap().count(), 0);
    });
}

fn settle_in(machine: &Machine) {
    machine.install_vmail().addresses(&["192.0.2.7"]);
    Site.configure("plaintext = \"always\"\n[[listen]]\nproto = \"pop3\"\naddress = \"0.0.0.0\"\n");
    Site.domain("va.test", &["192.0.2.7"]).user("joe@va.test", "one");
}

/// mutt at a terminal, with keys that wait once it has opened the mailbox until /tmp/go is there.
fn mutt(machine: &Machine) -> (Program, ChildStdin) {
    let keys = [
        "<shell-escape>touch /tmp/open; until test -e /tmp/go; do sleep 0.02; done<enter>",
        "<tag-pattern>~s 'mail [37]'<enter><tag-prefix><flag-message><untag-pattern>~A<enter>",
        "<tag-pattern>~s 'mail 3'<enter><tag-prefix><set-flag>r<untag-pattern>~A<enter>",
        "<delete-pattern>~s 'mail 4'<enter>",
        "<tag-pattern>~s 'mail 6'<enter><tag-prefix><save-message><kill-line>/var/spool/vmail/va.test/joe/.Saved<enter><untag-pattern>~A<enter>",
        "<search>~s 'mail 5'<enter><display-message><exit>",
        "<sync-mailbox><quit>",
    ];
    let options = "set mbox_type=Maildir move=no confirmappend=no confirmcreate=no delete=yes quit=yes beep=no sort=mailbox-order\n\
                   set wait_key=no mark_old=no header_cache='' resolve=no mail_check=0 tmpdir=/tmp folder=/tmp\n";
    machine.file("/tmp/muttrc", format!("{options}push \"{}\"\n", keys.concat()));
    let shell = format!("setpriv --reuid={VMAIL} --regid={VMAIL} --clear-groups mutt -n -F /tmp/muttrc -f {SPOOL}");
    let mut script = Command::new("script");
    // The end of its input would reach mutt as a key.
    Program::start_talking(script.args(["-qefc", &shell, "/dev/null"]).env("TERM", "xterm").env("HOME", "/tmp"))
}

/// A program that puts a message into `new`, and how.
type Deliverer = (&'static str, fn(&str));

const DELIVERERS: [Deliverer; 3] = [("by procmail", procmail), ("by Postfix", postfix), ("by Dovecot", sized)];

fn procmail(subject: &str) {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=4100", "--regid=4100", "--clear-groups", "procmail", "-m", "/tmp/procmailrc"]);
    succeed_with(&mut command, letter(subject).as_bytes());
}

fn postfix(subject: &str) {
    put(&Path::new(SPOOL).join("new/1795379626.Vfe01I4c3b2M123456.mail.example.net"), subject);
}

fn sized(subject: &str) {
    put(&Path::new(SPOOL).join(format!("new/1795379627.M7P8.mail,S={}", letter(subject).len())), subject);
}

/// By the book: first in `tmp`.
fn put(path: &Path, subject: &str) {
    let tmp = Path::new(SPOOL).join("tmp/being.written");
    fs::write(&tmp, letter(subject)).unwrap();
    chown(&tmp, Some(VMAIL), Some(VMAIL)).unwrap();
    fs::rename(tmp, path).unwrap();
}

const SPOOL: &str = "/var/spool/vmail/va.test/joe";
const VMAIL: u32 = 4100;

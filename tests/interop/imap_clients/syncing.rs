//! Programs that keep two stores alike: mbsync, offlineimap and imapfilter.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use super::office::{CA, FIRST, Office, SECOND, SPOOL, Taken, VA, VB, Way, path_of, plain_flags, read_maildir, replaced, write_maildir};
use crate::harness::machine::Machine;
use crate::harness::program::{Program, succeed};
use crate::harness::{need, until};
use crate::interop::corpus::{Mail, crlf, unix};

// It marks what it writes with a header of its own.
#[test]
fn mbsync_resumes_after_being_killed_and_keeps_both_sides_alike() {
    need!(root, "isync");
    Machine::run(|machine| {
        let office = Office::open(machine);
        let mbsync = |way: Way, local: &str| {
            let tls = match way {
                Way::Plain => "SSLType None\nAuthMechs LOGIN".to_owned(),
                Way::StartTls => format!("SSLType STARTTLS\nCertificateFile {CA}"),
                Way::Tls => format!("SSLType IMAPS\nCertificateFile {CA}"),
            };
            machine.file(
                "/tmp/mbsyncrc",
                format!(
                    "IMAPStore far\nHost {VA}\nUser joe\nPass {FIRST}\n{tls}\n\nMaildirStore near\nPath {local}/\nInbox {local}/INBOX\n\
                     SubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nRemove Both\nExpunge Both\nSyncState *\n"
                ),
            );
            let mut command = Command::new("mbsync");
            command.args(["-c", "/tmp/mbsyncrc", "-a"]).env("HOME", "/tmp");
            command
        };

        // There, in two goes.
        write_maildir(Path::new("/tmp/one/INBOX"), &office.mails, |mail| unix(&mail.stored()));
        write_maildir(Path::new("/tmp/one/Archiv/Gr&APYA3w-e"), &office.mails[..5], |mail| unix(&mail.stored()));
        let mut cut = Program::start(&mut mbsync(Way::StartTls, "/tmp/one"));
        until("mail on the server", 20, || (in_spool() >= 30).then_some(()));
        cut.cut();
        assert!((30..200).contains(&in_spool()), "{} came before it was killed", in_spool());
        succeed(&mut mbsync(Way::StartTls, "/tmp/one"));
        let there = office.look(VA, "INBOX");
        office.assert_back_with("mbsync, there", &without_mark(there), Mail::text, plain_flags);
        assert_eq!(office.look(VA, "\"Archiv/Gr&APYA3w-e\"").len(), 5);

        // Back to another place, in two goes.
        fs::create_dir("/tmp/two").unwrap();
        let mut cut = Program::start(&mut mbsync(Way::Tls, "/tmp/two"));
        until("mail here", 20, || (Path::new("/tmp/two/INBOX/cur").exists() && count("/tmp/two/INBOX") >= 30).then_some(()));
        cut.cut();
        succeed(&mut mbsync(Way::Tls, "/tmp/two"));
        office.assert_back_with(
            "mbsync, back",
            &without_mark(read_maildir("/tmp/two/INBOX".as_ref())),
            |mail| unix(&mail.text()),
            plain_flags,
        );

        // Changes on both sides.
        change_locally("/tmp/one/INBOX");
        succeed(&mut mbsync(Way::Plain, "/tmp/one"));
        ask(VA, "INBOX", "UID STORE 10:19 +FLAGS.SILENT (\\Flagged)");
        ask(VA, "INBOX", "UID STORE 20:29 FLAGS.SILENT (\\Deleted)");
        ask(VA, "INBOX", "EXPUNGE");
        change_locally("/tmp/two/INBOX");
        for (way, place) in [(Way::Plain, "/tmp/two"), (Way::Tls, "/tmp/one"), (Way::StartTls, "/tmp/two")] {
            succeed(&mut mbsync(way, place));
        }
        let far = by_number(office.look(VA, "INBOX"));
        assert!((170..190).contains(&far.len()), "{} are left", far.len());
        assert_alike("one", &by_number(read_maildir("/tmp/one/INBOX".as_ref())), &far);
        assert_alike("two", &by_number(read_maildir("/tmp/two/INBOX".as_ref())), &far);
    });
}

// It understands messages and writes them anew.
#[test]
fn offlineimap_keeps_both_sides_alike() {
    need!(root, "offlineimap3");
    Machine::run(|machine| {
        let office = Office::open(machine);
        let sync = |way: Way, local: &str| {
            let tls = match way {
                Way::Plain => "ssl = no\nstarttls = no\n".to_owned(),
                Way::StartTls => format!("ssl = no\nstarttls = yes\nsslcacertfile = {CA}\n"),
                Way::Tls => format!("ssl = yes\nsslcacertfile = {CA}\n"),
            };
            machine.file(
                "/tmp/offlineimaprc",
                format!(
                    "[general]\naccounts = a\nmetadata = {local}.state\n[Account a]\nlocalrepository = near\nremoterepository = far\n\
                     [Repository near]\ntype = Maildir\nlocalfolders = {local}\nsep = /\n\
                     [Repository far]\ntype = IMAP\nremotehost = {VA}\nremoteuser = joe\nremotepass = {FIRST}\n{tls}"
                ),
            );
            succeed(Command::new("offlineimap").args(["-c", "/tmp/offlineimaprc", "-o", "-u", "quiet"]).env("HOME", "/tmp"));
        };
        write_maildir(Path::new("/tmp/one/INBOX"), &office.mails, |mail| unix(&mail.stored()));
        write_maildir(Path::new("/tmp/one/Archiv"), &office.mails[..5], |mail| unix(&mail.stored()));
        sync(Way::StartTls, "/tmp/one");
        office.assert_back_with("offlineimap, there", &office.look(VA, "INBOX"), |mail| written_anew(&mail.text()), plain_flags);
        assert_eq!(office.look(VA, "Archiv").len(), 5);
        sync(Way::Tls, "/tmp/two");
        office.assert_back_with(
            "offlineimap, back",
            &read_maildir("/tmp/two/INBOX".as_ref()),
            |mail| unix(&written_anew(&mail.text())),
            plain_flags,
        );

        ask(VA, "INBOX", "UID STORE 10:19 +FLAGS.SILENT (\\Flagged)");
        ask(VA, "INBOX", "UID STORE 20:29 FLAGS.SILENT (\\Deleted)");
        ask(VA, "INBOX", "EXPUNGE");
        change_locally("/tmp/two/INBOX");
        for (way, place) in [(Way::Plain, "/tmp/two"), (Way::Tls, "/tmp/one")] {
            sync(way, place);
        }
        let far = by_number(office.look(VA, "INBOX"));
        assert!((170..190).contains(&far.len()), "{} are left", far.len());
        assert_alike("one", &by_number(read_maildir("/tmp/one/INBOX".as_ref())), &far);
        assert_alike("two", &by_number(read_maildir("/tmp/two/INBOX".as_ref())), &far);
    });
}

#[test]
fn imapfilter_copies_every_message_from_one_domain_to_another() {
    need!(root, "imapfilter");
    Machine::run(|machine| {
        let office = Office::open(machine);
        office.deliver("");
        machine.sh("mkdir -p /tmp/.imapfilter");
        for way in [Way::Plain, Way::StartTls, Way::Tls] {
            let mut filter = Command::new("imapfilter");
            filter.args(["-t", CA, "-c"]).arg(path_of("imapfilter.lua")).env("HOME", "/tmp");
            let target = format!("Kopien/{way:?}");
            succeed(filter.args(["-d", "/tmp/imapfilter.log"]).envs([
                ("WAY", &*format!("{way:?}")),
                ("HERE", VA),
                ("FIRST", FIRST),
                ("THERE", VB),
                ("SECOND", SECOND),
                ("TARGET", &target),
            ]));
            office.assert_back_with(&format!("imapfilter, {way:?}"), &office.look(VB, &target), Mail::text, plain_flags);
        }
    });
}

fn written_anew(text: &[u8]) -> Vec<u8> {
    replaced(text, b"X-Empty:\r", b"X-Empty: \r")
}

/// What a person does with a mail program on a Maildir.
fn change_locally(folder: &str) {
    let mut names: Vec<_> = fs::read_dir(Path::new(folder).join("cur")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort_by_key(|path| number(&fs::read(path).unwrap()));
    for path in &names[40..46] {
        let (stem, letters) = path.to_str().unwrap().split_once(":2,").unwrap();
        let mut letters: Vec<char> = letters.chars().filter(|letter| *letter != 'R').chain(['R']).collect();
        letters.sort_unstable();
        fs::rename(path, format!("{stem}:2,{}", letters.into_iter().collect::<String>())).unwrap();
    }
    names[50..53].iter().for_each(|path| fs::remove_file(path).unwrap());
}

/// Says something to the server.
fn ask(host: &str, folder: &str, command: &str) -> String {
    succeed(Command::new("curl").args(["-sS", "--user", &format!("joe:{FIRST}"), &format!("imap://{host}/{folder}"), "-X", command]))
}

fn in_spool() -> usize {
    count(SPOOL)
}

fn count(maildir: &str) -> usize {
    ["cur", "new"].iter().map(|part| fs::read_dir(Path::new(maildir).join(part)).map_or(0, Iterator::count)).sum()
}

/// Texts and flags of messages, by their number.
type ByNumber = BTreeMap<String, (Vec<u8>, BTreeSet<String>)>;

/// With CRLF, and as all programs leave the text.
fn by_number(taken: Vec<Taken>) -> ByNumber {
    let line = |taken: Taken| (number(&taken.octets), (written_anew(&crlf(&taken.octets)), taken.flags));
    without_mark(taken).into_iter().map(line).collect()
}

fn assert_alike(which: &str, near: &ByNumber, far: &ByNumber) {
    assert_eq!(near.keys().collect::<Vec<_>>(), far.keys().collect::<Vec<_>>(), "{which}");
    for (number, (text, flags)) in near {
        assert_eq!(*flags, far[number].1, "{which}: {number}");
        assert!(*text == far[number].0, "{which}: text of {number}");
    }
}

fn number(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    text.lines().find_map(|line| line.strip_prefix("X-Number: ")).unwrap().to_owned()
}

fn without_mark(mut taken: Vec<Taken>) -> Vec<Taken> {
    for taken in &mut taken {
        let begin = taken.octets.windows(8).position(|window| window == b"X-TUID: ");
        if let Some(begin) = begin {
            let length = taken.octets[begin..].iter().position(|octet| *octet == b'\n').unwrap() + 1;
            taken.octets.drain(begin..begin + length);
        }
    }
    taken
}

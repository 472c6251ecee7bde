//! A Maildir that Courier has served: its UIDs, unique ids, flags, keywords and subscriptions stay.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use vmail::store::Folder;

use crate::harness::imap::{Imap, Sight};
use crate::harness::machine::Machine;
use crate::harness::need;
use crate::harness::ours::Ours;
use crate::harness::site::Site;

#[test]
fn what_courier_knew_of_a_maildir_stays() {
    need!(root, "courier-imap", "courier-pop", "courier-authlib");
    Machine::run(|machine| {
        ["courier-imap", "courier-pop", "courier-authlib"].iter().for_each(|package| _ = machine.install(package));
        machine.install_vmail().addresses(&["192.0.2.7"]);
        Site.configure("plaintext = \"always\"\n[[listen]]\nproto = \"pop3\"\naddress = \"0.0.0.0\"\n");
        Site.domain("va.test", &["192.0.2.7"]).user("joe@va.test", "one");
        furnish();
        let uidls = courier_uidls();
        let mut imap = courier();
        imap.ask("SELECT INBOX");
        // From here on the numbers of POP3 and IMAP differ.
        imap.ask("STORE 3 +FLAGS (\\Deleted)");
        imap.ask("EXPUNGE");
        let before = [imap.sight("INBOX"), imap.sight("INBOX.R&AOQ-der"), imap.sight("INBOX.R&AOQ-der.Alt")];
        imap.logout();
        let uidls: Vec<String> = uidls.into_iter().filter(|line| !line.starts_with("3 ")).collect();
        assert!(uidls[0].starts_with("1 UID1-"), "{uidls:?}");

        let ours = Ours::open(Path::new(SPOOL), VMAIL, Path::new("/tmp/ours"));
        assert_eq!(shown(&ours), before);
        assert_eq!(listed_next(), ours.status("INBOX").uidnext);
        let (folders, subscribed) = ours.list();
        assert_eq!(folders, ["INBOX", "Räder", "Räder/Alt"].map(str::to_owned).into());
        assert_eq!(subscribed, ["INBOX", "Räder/Alt"].map(str::to_owned).into());
        let served = Site.uidls("192.0.2.7:110", "joe", "one");
        // POP3's listing by Courier has an order of its own.
        assert_eq!(without_numbers(&served), without_numbers(&uidls));
        assert!(popped().iter().all(|(base, id)| listed_uidl(base).is_none_or(|listed| listed == *id)));

        // From now on there is a list as Dovecot's, and what we deduced is not needed; nor is what Courier left.
        let inbox = ours.status("INBOX").id;
        ["INBOX", "Räder", "Räder/Alt"].iter().for_each(|name| ours.runtime.block_on(ours.folder(name).settle()).unwrap());
        let list = fs::read_to_string(format!("{SPOOL}/dovecot-uidlist")).unwrap();
        assert!(list.starts_with(&format!("3 V{} N", before[0].uidvalidity)), "{list}");
        fs::remove_dir_all("/var/lib/vmail/index").unwrap();
        machine.sh(&format!("rm -r {SPOOL}/courierimap[ku]* {SPOOL}/courierpop3dsizelist {SPOOL}/.R*/courierimap*"));
        let ours = ours.without_index();
        assert_eq!(shown(&ours), before);
        assert_eq!(ours.status("INBOX").id, inbox);
        assert_eq!(Site.uidls("192.0.2.7:110", "joe", "one"), served);
    });
}

/// Mail, folders, flags, keywords and subscriptions, by Courier.
fn furnish() {
    let mut imap = courier();
    for (folder, count) in [("INBOX", 30), ("INBOX.R&AOQ-der", 10), ("INBOX.R&AOQ-der.Alt", 5)] {
        if folder != "INBOX" {
            imap.ask(&format!("CREATE {folder}"));
        }
        (1..=count).for_each(|nth| _ = imap.append(folder, &format!("{folder} {nth}"), if nth % 3 == 0 { "\\Seen" } else { "" }));
        imap.ask(&format!("SELECT {folder}"));
        for change in
            ["2 +FLAGS (\\Flagged $Forwarded)", "3:4 +FLAGS ($Junk \\Answered)", "4 +FLAGS (work urgent)", "2 -FLAGS ($Forwarded)"]
        {
            imap.ask(&format!("STORE {change}"));
        }
        imap.ask("STORE 1 +FLAGS (\\Deleted)");
        imap.ask("EXPUNGE");
    }
    imap.ask("SUBSCRIBE INBOX");
    imap.ask("SUBSCRIBE INBOX.R&AOQ-der.Alt");
    imap.logout();
}

fn shown(ours: &Ours) -> [Sight; 3] {
    let mut sights = ["INBOX", "Räder", "Räder/Alt"].map(|name| ours.sight(name));
    // Courier does not say it, and the client has taken the last UID for it.
    sights.iter_mut().for_each(|sight| sight.uidnext = sight.messages.last_key_value().map_or(1, |(uid, _)| uid + 1));
    sights
}

/// The next UID, as Courier noted it.
fn listed_next() -> u32 {
    let list = fs::read_to_string(format!("{SPOOL}/courierimapuiddb")).unwrap();
    list.lines().next().unwrap().rsplit_once(' ').unwrap().1.parse().unwrap()
}

fn program(name: &str) -> Command {
    let mut command = Command::new("/usr/bin/setpriv");
    command.args([format!("--reuid={VMAIL}"), format!("--regid={VMAIL}"), "--clear-groups".into()]).args([name, SPOOL]);
    // It waits for no daemon that would tell of changes.
    command.env("AUTHENTICATED", "joe").env("IMAP_KEYWORDS", "1").env("IMAP_USELOCKS", "0").env("IMAP_ENHANCEDIDLE", "0");
    command
}

fn courier() -> Imap {
    Imap::start(&mut program("/usr/bin/imapd"))
}

fn courier_uidls() -> Vec<String> {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    let mut pop3 = program("/usr/lib/courier/courier/courierpop3d").stdin(theirs.try_clone().unwrap()).stdout(theirs).spawn().unwrap();
    ours.write_all(b"UIDL\r\nQUIT\r\n").unwrap();
    let mut said = String::new();
    ours.read_to_string(&mut said).unwrap();
    pop3.wait().unwrap();
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with(|letter: char| letter.is_ascii_digit())).collect();
    lines.into_iter().map(str::to_owned).collect()
}

/// What Courier's POP3 server noted: files up to the colon, and their unique ids.
fn popped() -> Vec<(String, String)> {
    let sizes = fs::read_to_string(format!("{SPOOL}/courierpop3dsizelist")).unwrap();
    let line = |line: &str| {
        let fields: Vec<&str> = line.rsplitn(3, ' ').collect();
        let (number, rest) = fields[0].split_once(':').unwrap();
        let uidvalidity = rest.split(':').next().unwrap();
        (fields[2].split(':').next().unwrap().to_owned(), format!("UID{number}-{uidvalidity}"))
    };
    sizes.lines().skip(1).map(line).collect()
}

/// The unique id of a file in our list, if that has the file.
fn listed_uidl(base: &str) -> Option<String> {
    let list = fs::read_to_string(format!("{SPOOL}/dovecot-uidlist")).unwrap();
    let line = list.lines().find(|line| line.ends_with(&format!(" :{base}")))?;
    let id = line.split(' ').find_map(|field| field.strip_prefix('P'));
    Some(id.unwrap_or_default().to_owned())
}

fn without_numbers(uidls: &[String]) -> BTreeSet<&str> {
    uidls.iter().map(|line| line.split_once(' ').unwrap().1).collect()
}

const SPOOL: &str = "/var/spool/vmail/va.test/joe";
const VMAIL: u32 = 4100;

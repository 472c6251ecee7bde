//! `kill -9` in the middle of QUIT, while other programs deliver: nothing is lost, nothing is doubled.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::machine::Machine;
use crate::harness::need;
use crate::harness::pop::Pop;
use crate::harness::program::{OfInetd, Program};
use crate::harness::site::Site;

#[test]
fn vpop3d_killed_while_it_updates_loses_and_doubles_nothing_beside_deliveries_with_both_locks() {
    need!(root);
    Machine::run(|machine| of_vpop3d(machine, "dotlock fcntl", 24));
}

// Such a program does not wait for the lock file of a dead server: it appends to a half-written spool.
#[test]
fn vpop3d_killed_while_it_updates_loses_and_doubles_nothing_beside_deliveries_with_fcntl_alone() {
    need!(root);
    Machine::run(|machine| of_vpop3d(machine, "fcntl", 24));
}

#[test]
fn vpop3d_killed_while_it_updates_loses_and_doubles_nothing_beside_procmail() {
    need!(root, "procmail");
    Machine::run(|machine| of_vpop3d(machine, "procmail", 6));
}

#[test]
fn serve_killed_while_it_updates_loses_and_doubles_nothing() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        let mut delivery = Delivery::start(&site, "dotlock fcntl");
        let mut server = site.serve();
        let mut record = Record::default();
        for round in 0..8 {
            let mut pop = Pop::login("192.0.2.7:110", "joe", "one");
            let marked = record.session(&mut pop, round);
            pop.send(b"QUIT\r\n");
            spin(round, 8);
            server.cut();
            record.quit(marked, pop.line());
            server = site.serve();
        }
        delivery.stop();
        let mut pop = Pop::login("192.0.2.7:110", "joe", "one");
        record.settle(&mut pop, &delivery.delivered());
    });
}

fn of_vpop3d(machine: &Machine, how: &str, rounds: u32) {
    let site = furnish(machine);
    let mut delivery = Delivery::start(&site, how);
    let listener = TcpListener::bind("192.0.2.7:110").unwrap();
    let mut record = Record::default();
    for round in 0..rounds {
        let (mut pop, mut vpop3d) = by_inetd(&listener);
        let marked = record.session(&mut pop, round);
        pop.send(b"QUIT\r\n");
        spin(round, rounds);
        vpop3d.0.kill().unwrap();
        let status = vpop3d.0.wait().unwrap();
        assert!(status.signal() == Some(9) || status.success(), "{status}");
        record.quit(marked, pop.line());
    }
    delivery.stop();
    let (mut pop, _vpop3d) = by_inetd(&listener);
    record.settle(&mut pop, &delivery.delivered());
}

/// vpop3d on an accepted connection, as inetd starts it.
fn by_inetd(listener: &TcpListener) -> (Pop, OfInetd) {
    let mut pop = Pop::connect(listener.local_addr().unwrap());
    let socket = listener.accept().unwrap().0;
    let vpop3d = OfInetd::start(&mut Command::new("/usr/sbin/vpop3d"), socket);
    assert!(pop.line().contains("Virtual va.test"));
    assert!(pop.say("USER joe").starts_with("+OK"));
    let answer = pop.say("PASS one");
    assert!(answer.starts_with("+OK"), "{answer}");
    (pop, vpop3d)
}

/// The moment of the kill: from at once to later than an update takes, each round another.
fn spin(round: u32, rounds: u32) {
    let wait = LONGEST * round / rounds;
    let begin = Instant::now();
    while begin.elapsed() < wait {
        std::hint::spin_loop();
    }
}

const LONGEST: Duration = Duration::from_millis(30);

/// A maildrop of some megabytes: an update that deletes its first message moves all the others.
fn furnish(machine: &Machine) -> Site {
    machine.install_vmail().addresses(&["192.0.2.7"]);
    let site = Site;
    site.configure("main.users = \"none\"\n[login]\nfailure_delay = 0\n");
    let mails: Vec<u8> = (0..OLD).flat_map(|number| stored(&format!("old-{number}"), 20_000)).collect();
    site.domain("va.test", &["192.0.2.7"]).user("joe@va.test", "one").mail("joe@va.test", mails);
    site
}

const OLD: usize = 150;

/// A message whose body tells, line by line, that it is whole.
fn stored(number: &str, size: usize) -> Vec<u8> {
    let mut text = format!("From a@b Sun Nov 22 16:06:33 2026\nX-Number: {number}\n\n");
    let end = text.len() + size;
    for line in 0.. {
        if text.len() >= end {
            break;
        }
        text += &format!("{number} {line}\n");
    }
    (text + "end\n\n").into_bytes()
}

/// What the client knows: which messages it has deleted for good, and which perhaps.
#[derive(Default)]
struct Record {
    gone: BTreeSet<String>,
    perhaps: BTreeSet<String>,
}

impl Record {
    /// Marks a few messages, the first among them; gives their numbers.
    fn session(&mut self, pop: &mut Pop, round: u32) -> BTreeSet<String> {
        let count: usize = pop.say("STAT").split(' ').nth(1).unwrap().parse().unwrap();
        let mut marked = BTreeSet::new();
        for at in [1, 2 + round as usize % 5, count] {
            let number = whole(&pop.ask(&format!("RETR {at}")));
            assert!(!self.gone.contains(&number), "{number} is back");
            if marked.insert(number) {
                assert!(pop.say(&format!("DELE {at}")).starts_with("+OK"));
            }
        }
        marked
    }

    /// An answer to QUIT is a promise; without one, deletions may have happened or not.
    fn quit(&mut self, marked: BTreeSet<String>, answer: String) {
        if answer.starts_with("+OK") { &mut self.gone } else { &mut self.perhaps }.extend(marked);
    }

    /// What is there now must be what was there and was delivered, less what was deleted.
    fn settle(&mut self, pop: &mut Pop, delivered: &BTreeSet<String>) {
        let count: usize = pop.say("STAT").split(' ').nth(1).unwrap().parse().unwrap();
        let mut there: BTreeMap<String, usize> = BTreeMap::new();
        for at in 1..=count {
            *there.entry(whole(&pop.ask(&format!("RETR {at}")))).or_default() += 1;
        }
        assert!(pop.say("QUIT").starts_with("+OK"));
        let doubled: Vec<_> = there.iter().filter(|(_, times)| **times > 1).collect();
        assert!(doubled.is_empty(), "doubled: {doubled:?}");
        let old = (0..OLD).map(|number| format!("old-{number}"));
        let lost: Vec<_> = old.chain(delivered.iter().cloned()).filter(|number| !there.contains_key(number)).collect();
        let lost: Vec<_> = lost.into_iter().filter(|number| !self.gone.contains(number) && !self.perhaps.contains(number)).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        let back: Vec<_> = self.gone.iter().filter(|number| there.contains_key(*number)).collect();
        assert!(back.is_empty(), "deleted, and back: {back:?}");
        assert!(!delivered.is_empty(), "deliveries went on meanwhile");
    }
}

/// The number of a message that has its whole text.
fn whole(message: &[u8]) -> String {
    let text = String::from_utf8(message.to_vec()).unwrap();
    let mut lines = text.split("\r\n").skip_while(|line| !line.starts_with("X-Number: "));
    let number = lines.next().unwrap_or_else(|| panic!("no number in {text:.200}")).trim_start_matches("X-Number: ").to_owned();
    let mut body = lines.skip_while(|line| !line.is_empty()).skip(1);
    for at in 0.. {
        match body.next() {
            Some("end") => break,
            line => assert_eq!(line, Some(format!("{number} {at}").as_str()), "{number} is torn"),
        }
    }
    assert_eq!(body.collect::<Vec<_>>(), [""], "{number} goes on after its end");
    number
}

/// A program that delivers, message after message, until it is stopped; it notes what it has delivered when that is on disk.
struct Delivery(Program);

impl Delivery {
    fn start(site: &Site, how: &str) -> Delivery {
        fs::write("/tmp/deliver.py", DELIVER).unwrap();
        let spool = site.spool("joe@va.test");
        Delivery(Program::start(Command::new("/usr/bin/python3").arg("/tmp/deliver.py").arg(spool).arg(how)))
    }

    fn stop(&mut self) {
        fs::write("/tmp/stop", "").unwrap();
        assert!(self.0.end(60).success(), "{}", self.0.log());
    }

    fn delivered(&self) -> BTreeSet<String> {
        fs::read_to_string(Path::new("/tmp/delivered")).unwrap().lines().map(str::to_owned).collect()
    }
}

const DELIVER: &str = r#"
import fcntl, os, subprocess, sys, time
spool, how = sys.argv[1:]
lock = spool + '.lock'
note = open('/tmp/delivered', 'a', buffering=1)

def message(number):
    return ('From a@b Sun Nov 22 16:06:33 2026\nX-Number: %s\n\n' % number
            + ''.join('%s %d\n' % (number, line) for line in range(200)) + 'end\n\n').encode()

def dotlock():
    while True:
        try:
            return os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            # The way of deliverers with a lock whose maker is long dead, only sooner.
            try:
                if time.time() - os.stat(lock).st_mtime > 20:
                    os.unlink(lock)
            except FileNotFoundError:
                pass
            time.sleep(0.002)

def append(text):
    # O_APPEND and fcntl, as local deliverers do; undone if it fails half-way.
    if 'dotlock' in how:
        dotlock()
    box = os.open(spool, os.O_RDWR | os.O_APPEND)
    fcntl.lockf(box, fcntl.LOCK_EX)
    size = os.fstat(box).st_size
    if size and os.pread(box, 1, size - 1) != b'\n':
        text = b'\n\n' + text
    assert os.write(box, text) == len(text)
    os.fsync(box)
    os.close(box)
    if 'dotlock' in how:
        os.unlink(lock)

def procmail(text):
    with open('/tmp/procmailrc', 'w') as rc:
        rc.write('SUSPEND=1\nLOCKSLEEP=1\nLOCKTIMEOUT=2\nDEFAULT=%s\nORGMAIL=%s\n:0:\n%s\n' % (spool, spool, spool))
    subprocess.run(['procmail', '-m', '/tmp/procmailrc'], input=text, check=True)

number = 0
while not os.path.exists('/tmp/stop'):
    number += 1
    name = 'new-%d' % number
    (procmail if how == 'procmail' else append)(message(name))
    note.write(name + '\n')
    time.sleep(0.002)
"#;

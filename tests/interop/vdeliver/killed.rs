//! `kill -9` of vdeliver in a storm of mail: what exit 0 has acknowledged is there, once.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{all_in, furnish};
use crate::harness::machine::Machine;
use crate::harness::need;

#[test]
fn what_was_acknowledged_is_there_once_and_what_was_killed_comes_again() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        let tries: Vec<(String, u32)> = thread::scope(|scope| {
            let senders: Vec<_> = (0..3).map(|sender| scope.spawn(move || storm(sender))).collect();
            senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
        });
        let in_dir: Vec<String> = all_in(&site.spool("joe@va.test")).into_iter().map(|text| String::from_utf8(text).unwrap()).collect();
        let in_dir = subjects(&in_dir.concat());
        let in_mbox = subjects(&fs::read_to_string("/var/spool/vmail/vb.test/joe").unwrap());
        for (subject, killed) in &tries {
            for (place, seen) in [("Maildir", &in_dir), ("mbox", &in_mbox)] {
                let times = seen.get(subject).copied().unwrap_or(0);
                // Each killed run may have been done but for its last word.
                assert!((1..=1 + killed).contains(&times), "{subject} {times} times in the {place}, killed {killed} times");
            }
        }
        assert_eq!((in_dir.len(), in_mbox.len()), (tries.len(), tries.len()));
        assert!(tries.iter().any(|(_, killed)| *killed > 0), "nothing was killed");
        let left = fs::read_dir(Path::new("/var/lib/vmail/redo/vb.test")).unwrap().count();
        assert_eq!(left, 0, "something is half done");
    });
}

/// Delivers as an MTA does: again and again until exit 0. Gives each message's subject and how often it was killed.
fn storm(sender: u32) -> Vec<(String, u32)> {
    (0..15).map(|number| (format!("m{sender}-{number}"), 0)).map(|(subject, _)| (subject.clone(), until_done(&subject, sender))).collect()
}

fn until_done(subject: &str, sender: u32) -> u32 {
    let text = format!("Message-ID: <{subject}@x.org>\nSubject: {subject}\n\n{}", "line by line\n".repeat(500));
    for killed in 0.. {
        let mut command = Command::new("/usr/sbin/vdeliver");
        command.args(["-f", "a@x.org", "joe@va.test", "joe@vb.test"]).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may be killed before it has read.
        let mut input = child.stdin.take().unwrap();
        let wait = Duration::from_micros(u64::from((killed * 7919 + sender * 104_729) % 60) * 1000);
        let writing = thread::spawn({
            let text = text.clone();
            move || _ = input.write_all(text.as_bytes())
        });
        if killed < 4 {
            thread::sleep(wait);
            let _ = child.kill();
        }
        writing.join().unwrap();
        match child.wait().unwrap().code() {
            Some(0) => return killed,
            Some(75) | None => {}
            Some(other) => panic!("{subject}: {other}"),
        }
    }
    unreachable!("the loop has no end")
}

fn subjects(text: &str) -> BTreeMap<String, u32> {
    let mut seen = BTreeMap::new();
    for subject in text.lines().filter_map(|line| line.strip_prefix("Subject: ")) {
        *seen.entry(subject.to_owned()).or_default() += 1;
    }
    seen
}

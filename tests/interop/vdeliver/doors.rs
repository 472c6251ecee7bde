//! Whichever way an address comes to us, the answer is the same: explain, LMTP, vdeliver, the mail server's look-ups and its policy.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::told;
use crate::harness::lmtp::Lmtp;
use crate::harness::machine::Machine;
use crate::harness::program::{Program, succeed};
use crate::harness::site::Site;
use crate::harness::{need, until};
use crate::mta::Client;

/// What a sender hears in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Taken,
    Later,
    Never,
}

impl Fate {
    fn of_code(reply: &str) -> Fate {
        match &reply[..1] {
            "2" => Fate::Taken,
            "4" => Fate::Later,
            _ => Fate::Never,
        }
    }
}

/// Names n0 to n7 in two domains and what each stands for: numbers of [`target`]. n0 is a user in both, n1 in the first. What is nobody's
/// goes to n1 in the first, and is asked for in a third in the second.
type Graph = [Vec<Vec<usize>>; 2];

const DOMAINS: [&str; 2] = ["va.test", "vb.test"];
const USERS: [&str; 3] = ["n0@va.test", "n1@va.test", "n0@vb.test"];
const ASKED: [&str; 12] = [
    "n0@va.test",
    "n1@va.test",
    "n2@va.test",
    "n3@va.test",
    "N4@VA.test",
    "n5+tag@va.test",
    "n6@va.example",
    "zz@va.test",
    "n0@vb.test",
    "n1@vb.test",
    "zz@vb.test",
    "n2@x.org",
];

fn target(number: usize, other: &str) -> String {
    match number {
        0..8 => format!("n{number}"),
        8..16 => format!("n{}@{other}", number - 8),
        16 => "\\n0".into(),
        17 => ":include:/nowhere".into(),
        _ => format!("r{number}@x.org"),
    }
}

fn graph() -> impl Strategy<Value = Graph> {
    let aliases = || proptest::collection::vec(proptest::collection::vec(0_usize..20, 0..4), 8);
    (aliases(), aliases()).prop_map(|(one, two)| [one, two])
}

struct Doors {
    _server: Program,
    lmtp: Lmtp,
    maps: Client,
    policy: Client,
    serial: u32,
}

impl Doors {
    fn new(machine: &Machine) -> Doors {
        machine.install_vmail().file("/sink", "#!/bin/sh\nexec cat >/dev/null\n").sh("chmod 755 /sink");
        let site = Site;
        site.configure(
            "host = \"host.test\"\n[delivery]\nvirtusertable = \"users\"\nsendmail = \"/sink\"\n\
             [[listen]]\nproto = \"pop3\"\naddress = \"127.0.0.1\"\nport = 1110\n",
        );
        machine.file("/etc/vmail/users", "");
        for (domain, record) in [
            ("va.test", "quota.inbox = \"50\"\ndelivery.fallback = \"n1\"\n"),
            ("vb.test", "quota.inbox = \"50\"\ndelivery.over_quota = \"wait\"\ndelivery.fallback = \"@vc.test\"\n"),
            ("vc.test", ""),
        ] {
            site.domain(domain, &[]);
            let path = format!("/etc/vmail/domains/{domain}.toml");
            let made = fs::read_to_string(&path).unwrap();
            fs::write(path, format!("{record}{made}")).unwrap();
        }
        succeed(&mut site.vmail(&["domain", "alias", "va.test", "va.example"]));
        USERS.iter().for_each(|user| _ = site.user(user, "secret"));
        let server = site.serve();
        let lmtp = until("LMTP", 20, || Lmtp::local(Path::new("/run/vmail/lmtp")).ok());
        let (maps, policy) = (Client::at(Path::new("/run/vmail/socketmap")), Client::at(Path::new("/run/vmail/policy")));
        Doors { _server: server, lmtp, maps, policy, serial: 0 }
    }

    fn furnish(&self, graph: &Graph, mapped: &[(usize, usize)]) {
        for (at, domain) in DOMAINS.iter().enumerate() {
            let other = DOMAINS[1 - at];
            let line = |(name, targets): (usize, &Vec<usize>)| {
                let targets: Vec<String> = targets.iter().map(|&number| target(number, other)).collect();
                if targets.is_empty() { String::new() } else { format!("n{name}: {}\n", targets.join(", ")) }
            };
            let text: String = graph[at].iter().enumerate().map(line).collect();
            fs::write(format!("/etc/vmail/aliases.{domain}"), text).unwrap();
        }
        let lines = mapped.iter().map(|&(name, number)| match number {
            0..8 => format!("n{name}@va.test n{number}@vb.test\n"),
            8..16 => format!("n{name}@vb.test n{}@va.test\n", number - 8),
            16 => format!("n{name}@va.test error:nouser 550 Not here\n"),
            _ => format!("n{name}@va.test error:tempfail 451 Not now\n"),
        });
        fs::write("/etc/vmail/users", lines.collect::<String>()).unwrap();
    }

    /// What `vmail explain` tells of an address: what becomes of its mail, and in which mailboxes it comes to lie.
    fn explained(&self, address: &str) -> (Fate, BTreeSet<String>) {
        let told = Site.vmail(&["explain", "--json", "--from", "eve@x.org", "--rcpt", address]).output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        let fate = match json["verdict"].as_str().unwrap() {
            "delivered" => Fate::Taken,
            "later" => Fate::Later,
            _ => Fate::Never,
        };
        let leaves = json["steps"].as_array().unwrap().iter().filter_map(|step| step["text"].as_str()?.strip_prefix("mailbox "));
        (fate, if fate == Fate::Taken { leaves.map(str::to_owned).collect() } else { BTreeSet::new() })
    }

    /// What the client of an LMTP session is told by RCPT, and in the end.
    fn by_lmtp(&mut self, address: &str, subject: &str) -> [String; 2] {
        assert!(self.lmtp.ask("MAIL FROM:<eve@x.org>").unwrap().starts_with("250"));
        let reply = self.lmtp.ask(&format!("RCPT TO:<{address}>")).unwrap();
        if reply.starts_with('2') {
            assert!(self.lmtp.ask("DATA").unwrap().starts_with("354"));
            return [reply, self.lmtp.ask(&format!("Subject: {subject}\r\n\r\nx\r\n.")).unwrap()];
        }
        assert!(self.lmtp.ask("RSET").unwrap().starts_with("250"));
        [reply.clone(), reply]
    }

    fn rcpt_of_size(&mut self, address: &str, size: u64) -> String {
        assert!(self.lmtp.ask(&format!("MAIL FROM:<eve@x.org> SIZE={size}")).unwrap().starts_with("250"));
        let reply = self.lmtp.ask(&format!("RCPT TO:<{address}>")).unwrap();
        assert!(self.lmtp.ask("RSET").unwrap().starts_with("250"));
        reply
    }

    fn by_vdeliver(&self, address: &str, subject: &str) -> Fate {
        let told = told(&["-f", "eve@x.org", address], None, format!("Subject: {subject}\n\nx\n").as_bytes());
        match told.status.code() {
            Some(0) => Fate::Taken,
            Some(75) => Fate::Later,
            _ => Fate::Never,
        }
    }

    /// The mailboxes that a message with this subject has come to, and takes it out of them.
    fn found(&self, subject: &str) -> BTreeSet<String> {
        let has_it = |user: &&&str| {
            let folder = Site.spool(user);
            let files = ["new", "cur"].into_iter().filter_map(|part| fs::read_dir(folder.join(part)).ok()).flatten();
            let mut ours = files
                .map(|file| file.unwrap().path())
                .filter(|path| fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("\nSubject: {subject}\n"))));
            let found = ours.next();
            assert!(ours.next().is_none(), "{subject} twice for {user}");
            found.inspect(|path| fs::remove_file(path).unwrap()).is_some()
        };
        USERS.iter().filter(has_it).map(|user| (*user).to_owned()).collect()
    }

    /// All doors are asked for an address.
    fn ask(&mut self, address: &str) {
        self.serial += 1;
        let serial = self.serial;
        let (fate, mailboxes) = self.explained(address);
        let small = self.policy.policy(address, 0);
        let is_ours = !address.ends_with("x.org");
        let map = self.maps.map(&format!("virtual_mailbox_maps {address}"));
        let told = match map.split(' ').next().unwrap() {
            "OK" => Fate::Taken,
            "TEMP" => Fate::Later,
            _ => Fate::Never,
        };
        assert_eq!(told, fate, "socketmap: {map}");
        let [reply, last] = self.by_lmtp(address, &format!("lmtp-{serial}"));
        assert_eq!(Fate::of_code(&reply), fate, "LMTP: {reply}");
        assert_eq!(self.found(&format!("lmtp-{serial}")), mailboxes, "LMTP");
        // Of members whom nobody knows the sender of a list hears in the end, although the others have the message.
        assert_eq!(self.by_vdeliver(address, &format!("pipe-{serial}")), Fate::of_code(&last), "vdeliver; LMTP: {last}");
        assert_eq!(self.found(&format!("pipe-{serial}")), mailboxes, "vdeliver");
        // Domains of others are no matter of the policy: the mail server may relay for them.
        if is_ours {
            let action = |reply: &str| reply.strip_prefix("action=").unwrap().to_owned();
            let same = |action: &str, reply: &str| match fate_of_action(action) {
                Fate::Taken => reply.starts_with('2'),
                // The code and the enhanced code.
                _ => action[..9] == reply[..9],
            };
            let small = action(&small);
            assert!(same(&small, &reply), "policy: {small}; LMTP: {reply}");
            let (large, rcpt) = (action(&self.policy.policy(address, 900_000)), self.rcpt_of_size(address, 900_000));
            assert!(same(&large, &rcpt), "policy of what is large: {large}; LMTP: {rcpt}");
        }
    }
}

fn fate_of_action(action: &str) -> Fate {
    if action == "DUNNO" { Fate::Taken } else { Fate::of_code(action) }
}

#[test]
fn every_door_gives_the_same_answer() {
    need!(root);
    Machine::run(|machine| {
        let doors = RefCell::new(Doors::new(machine));
        let mapped = proptest::collection::vec((0_usize..8, 0_usize..18), 0..4);
        let config = ProptestConfig { failure_persistence: None, max_shrink_iters: 20, ..ProptestConfig::with_cases(20) };
        let outcome = TestRunner::new(config).run(&(graph(), mapped), |(graph, mapped)| {
            let mut doors = doors.borrow_mut();
            doors.furnish(&graph, &mapped);
            ASKED.iter().for_each(|address| doors.ask(address));
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{error}"));
    });
}

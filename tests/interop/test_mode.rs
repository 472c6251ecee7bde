//! `vmail maps test` and `sendmail -bt` on the same tables: the same answers.

mod corpus;

use std::collections::BTreeSet;
use std::process::Command;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use corpus::{ADDRESSES, HOSTS, LOOKUPS, TABLES};

use crate::harness::machine::Machine;
use crate::harness::need;
use crate::harness::program::run;

#[test]
fn seed_004_recipe_and_a_corpus_answer_as_sendmail_does() {
    need!(root, "sendmail-bin", "sendmail-cf", "m4");
    Machine::run(|machine| {
        let sendmail = Sendmail::install(machine);
        TABLES.iter().for_each(|(name, text)| sendmail.table(name, text));
        for question in ["$=w", "$j"] {
            let members = |text: &str| text.lines().map(str::to_lowercase).collect::<BTreeSet<_>>();
            assert_eq!(members(&ours(&[question])[0]), members(&sendmail.answers(&[question])[0]), "{question}");
        }
        let lookups: Vec<String> = LOOKUPS.iter().map(|key| format!("/map virtuser {key}")).collect();
        let wrong = ["/map", "/map virtuser", "/map nosuch x", "3,0"].map(str::to_owned);
        let questions: Vec<&str> = lookups.iter().chain(&wrong).map(String::as_str).collect();
        assert_eq!(ours(&questions), sendmail.answers(&questions));
        let keys = TABLES[0].1.lines().filter_map(|line| line.split_whitespace().next()).filter(|key| key.contains('@'));
        sendmail.ends_as_we_do(&keys.chain(ADDRESSES).collect::<Vec<_>>());
        sendmail.names_senders_as_we_do();
    });
}

#[test]
fn random_tables_answer_as_sendmail_does() {
    need!(root, "sendmail-bin", "sendmail-cf", "m4");
    Machine::run(|machine| {
        let sendmail = Sendmail::install(machine);
        sendmail.table("local-host-names", "b.org\nc.org\n");
        let key = "([ab]|)(\\+\\+|\\+\\*|\\+x|\\+|)@[bc]\\.org";
        let value = "([dA]|%1|a|b)(%2|%3|\\+x|\\+%2|)(@x\\.org|@c\\.org|)|error:(nouser|5\\.7\\.1:|4\\.2\\.2:) [45]50 no";
        let tables = prop::collection::btree_map(key, value, 1..12);
        let address = "([abce]|)(\\+|\\+x|\\+y|\\+x\\+y|)@([bc]|x)\\.org";
        let mut runner = TestRunner::new_with_rng(Config::default(), TestRunner::deterministic().new_rng());
        for _ in 0..20 {
            let table = tables.new_tree(&mut runner).unwrap().current();
            let table: String = table.iter().map(|(key, value)| format!("{key}\t{value}\n")).collect();
            sendmail.table("virtusertable", &table);
            let addresses = prop::collection::vec(address, 40).new_tree(&mut runner).unwrap().current();
            let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
            println!("{table}");
            sendmail.ends_as_we_do(&addresses);
        }
    });
}

#[test]
fn aliases_are_expanded_as_sendmail_does() {
    need!(root, "sendmail-bin", "sendmail-cf", "m4");
    Machine::run(|machine| {
        let _sendmail = Sendmail::install(machine);
        ["joe", "ann"].iter().zip(4001..).for_each(|(name, uid)| _ = machine.user(name, uid, "x"));
        let aliases = "team: joe, eve@x.org, joe, nobody\nprog: \"|/bin/cat -n\"\nfile: /tmp/f\nuser: \\ann\nplus+*: ann\nself: self\n\
                       joe: joe, ann\nnest: team, ann\n\"quo ted\": ann\n";
        machine.file("/etc/mail/aliases", aliases).sh("mkdir -p /var/spool/mqueue");
        machine.sh("/usr/libexec/sendmail/sendmail -C /etc/mail/sendmail.cf -bi");
        for address in
            ["team", "prog", "file", "user", "plus+x", "plus", "self", "joe", "ann+x", "nest", "TEAM", "x@y.org", "nobody", "a@b@c"]
        {
            let mut verify = Command::new("/usr/libexec/sendmail/sendmail");
            let said = run(verify.args(["-C", "/etc/mail/sendmail.cf", "-bv", "--", address]), b"", 20);
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
            let theirs = lines(&String::from_utf8_lossy(&said.stdout));
            assert_eq!(lines(&ours(&[&format!("/bv {address}")])[0]), theirs, "{address}");
        }
    });
}

/// Debian's sendmail, configured as seed 004 says.
struct Sendmail<'m>(&'m Machine);

impl Sendmail<'_> {
    fn install(machine: &Machine) -> Sendmail<'_> {
        ["sendmail-bin", "sendmail-cf", "m4"].iter().for_each(|package| _ = machine.install(package));
        machine.install_vmail().file("/etc/mail/sendmail.mc", include_str!("../../contrib/sendmail/virtual.mc"));
        machine.sh("cd /etc/mail; m4 /usr/share/sendmail/cf/m4/cf.m4 sendmail.mc > sendmail.cf; touch local-host-names");
        // Every host exists, and none needs a name service.
        machine.file("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n");
        HOSTS.iter().for_each(|host| _ = machine.line("/etc/hosts", &format!("192.0.2.9 {host}")));
        let sendmail = Sendmail(machine);
        ["virtusertable", "genericstable"].iter().for_each(|name| sendmail.table(name, ""));
        sendmail
    }

    fn table(&self, name: &str, text: &str) {
        self.0.file(&format!("/etc/mail/{name}"), text);
        if name.ends_with("table") {
            self.0.sh(&format!("cd /etc/mail; makemap hash {name} < {name}"));
        }
    }

    fn answers(&self, questions: &[&str]) -> Vec<String> {
        answers(Command::new("/usr/libexec/sendmail/sendmail").args(["-C", "/etc/mail/sendmail.cf", "-bt"]), questions)
    }

    /// The last lines of `3,0`.
    fn ends_as_we_do(&self, addresses: &[&str]) {
        let questions: Vec<String> = addresses.iter().map(|address| format!("3,0 {address}")).collect();
        let asked: Vec<&str> = questions.iter().map(String::as_str).collect();
        let ends = |answers: Vec<String>| -> Vec<String> {
            let end = |text: &str| text.lines().rfind(|line| line.starts_with("parse            returns:")).map(str::to_owned);
            answers.into_iter().map(|answer| end(&answer).unwrap_or(answer)).collect()
        };
        let (mine, theirs) = (ends(ours(&asked)), ends(self.answers(&asked)));
        for (question, (mine, theirs)) in questions.iter().zip(mine.iter().zip(&theirs)) {
            // How sendmail shows a circle depends on where in it the fiftieth rewrite is.
            assert!(mine == theirs || mine.contains("excessive recursion"), "{question}: {mine}, and sendmail {theirs}");
        }
    }

    /// What senders in headers become.
    fn names_senders_as_we_do(&self) {
        let asked =
            ["jschmoe", "ann@generic.org", "bob@generic.org", "rel", "plus+x", "plus", "old+x@generic.org", "old@generic.org", "zed"];
        for address in asked {
            let question = format!("/try esmtp {address}");
            // The code before it is the name service's, which knows no mail.example.net.
            let end = |answers: Vec<String>| answers.last().unwrap().rsplit_once("addr = ").map(|(_, address)| address.to_owned());
            assert_eq!(end(ours(&[&question])), end(self.answers(&["/tryflags HS", &question])), "{address}");
        }
    }
}

fn ours(questions: &[&str]) -> Vec<String> {
    answers(Command::new("vmail").args(["maps", "test"]), questions)
}

/// What stands after each prompt. An answer that no other question has tells where one ends.
fn answers(command: &mut Command, questions: &[&str]) -> Vec<String> {
    let asked: String = questions.iter().map(|question| format!("{question}\n/map nosuch end-of-answer\n")).collect();
    // After a circle sendmail ends with a code of its own.
    let said = String::from_utf8(run(command, asked.as_bytes(), 60).stdout).unwrap();
    let said = said.split_once("Enter <ruleset> <address>\n").expect(&said).1;
    let mark = "> Map named \"nosuch\" not found\n";
    said.split(mark).take(questions.len()).map(|answer| answer.trim_start_matches("> ").to_owned()).collect()
}

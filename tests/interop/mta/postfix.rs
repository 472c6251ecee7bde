//! Postfix: by LMTP to the server, and by pipe to vdeliver.

use std::process::Command;
use std::time::Duration;

use super::{
    a_list_reaches_all_members_once, all_of_the_storm, each_joe_gets_his_own, full_mailboxes, furnish, half_of_it_is_lost,
    killed_vdelivers_lose_nothing, letter, names_of_all_kinds, send, several_recipients_lists_and_those_without_sender, storm,
    what_vmail_sends_leaves,
};
use crate::harness::machine::Machine;
use crate::harness::program::Program;
use crate::harness::{need, until};

#[test]
fn postfix_brings_mail_by_lmtp() {
    need!(root, "postfix", "python3");
    Machine::run(|machine| {
        let site = furnish(machine);
        let mut server = site.serve();
        server.says("ready");
        let _postfix = by_lmtp(machine);
        let told = send("eve@sink.test", &["nobody@va.test"], &letter("lost"));
        assert!(told.starts_with("nobody@va.test 550 5.1.1 ") && told.contains("there is no such user here"), "{told}");
        each_joe_gets_his_own();
        several_recipients_lists_and_those_without_sender();
        what_vmail_sends_leaves();
        a_list_reaches_all_members_once();
        names_of_all_kinds();
        full_mailboxes(|| machine.asks("postqueue -p"));
    });
}

#[test]
fn a_server_killed_in_a_storm_of_postfixs_loses_nothing() {
    need!(root, "postfix", "python3");
    Machine::run(|machine| {
        let site = furnish(machine);
        let mut server = site.serve();
        server.says("ready");
        let _postfix = by_lmtp(machine);
        let mut sender = storm(300);
        for killed in 1..=3 {
            until("a part of the storm", 30, || {
                machine.sh("postqueue -f");
                (super::mail_of("joe@va.test").len() > killed * 60).then_some(())
            });
            server.cut();
            std::thread::sleep(Duration::from_millis(100));
            server = site.serve();
        }
        sender.says("all sent");
        let count = all_of_the_storm(300, || _ = machine.sh("postqueue -f"));
        println!("{} messages came twice", count - 300);
        // Postfix has at most twenty deliveries to one destination under way, whose acknowledgements may be lost (RFC 2033 §5).
        assert!(count <= 360, "{count} messages of 300");
    });
}

#[test]
fn postfix_brings_mail_by_pipe() {
    need!(root, "postfix", "python3");
    Machine::run(|machine| {
        furnish(machine);
        let _postfix = by_pipe(machine);
        each_joe_gets_his_own();
        several_recipients_lists_and_those_without_sender();
        let got = half_of_it_is_lost();
        assert!(got.contains("\nStatus: 5.1.1\n") && got.contains("Diagnostic-Code: x-unix;"), "{got}");
        what_vmail_sends_leaves();
        a_list_reaches_all_members_once();
        names_of_all_kinds();
        full_mailboxes(|| machine.asks("postqueue -p"));
    });
}

#[test]
fn vdelivers_killed_in_a_storm_of_postfixs_lose_nothing() {
    need!(root, "postfix", "python3");
    Machine::run(|machine| {
        furnish(machine);
        let _postfix = by_pipe(machine);
        killed_vdelivers_lose_nothing(|| _ = machine.sh("postqueue -f"));
    });
}

fn by_pipe(machine: &Machine) -> Program {
    let (main, master) =
        (include_str!("../../../contrib/postfix/vmail-pipe.main.cf"), include_str!("../../../contrib/postfix/vmail-pipe.master.cf"));
    postfix(machine, main, master)
}

fn by_lmtp(machine: &Machine) -> Program {
    let (main, master) =
        (include_str!("../../../contrib/postfix/vmail-lmtp.main.cf"), include_str!("../../../contrib/postfix/vmail-lmtp.master.cf"));
    postfix(machine, main, master)
}

/// Postfix as Debian configures it, on the loopback device, with the snippets at the ends of its files.
fn postfix(machine: &Machine, main: &str, master: &str) -> Program {
    machine.install("postfix").user("postfix", 4101, "x").line("/etc/group", "postdrop:x:4102:");
    machine.sh("sed -i 's/^vmail:x:4100:.*/&postfix/' /etc/group");
    let ours = "compatibility_level = 3.6\nmyhostname = mail.example.net\nmydestination = sink.test\nmynetworks = 127.0.0.2\ninet_protocols = ipv4\n\
                maillog_file = /dev/stdout\nalias_maps =\nalias_database =\nmail_spool_directory = /var/mail\n";
    machine.file("/etc/postfix/main.cf", format!("{ours}{main}"));
    machine.sh("cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf; sed -i -E 's/^((\\S+\\s+){4})y/\\1n/' /etc/postfix/master.cf");
    machine.line("/etc/postfix/master.cf", master);
    machine.line("/etc/postfix/master.cf", "postlog   unix-dgram n  -       n       -       1       postlogd");
    machine.sh("rm -rf /var/spool/postfix; mkdir -p /var/spool/postfix /var/lib/postfix; cd /usr/sbin; chgrp postdrop postdrop postqueue; chmod 2755 postdrop postqueue; chown postfix /var/lib/postfix");
    let program = Program::start(Command::new("/usr/sbin/postfix").arg("start-fg"));
    until("Postfix", 20, || std::net::TcpStream::connect("127.0.0.1:25").ok());
    program
}

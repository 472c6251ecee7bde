//! sendmail: by its own mailer, vdeliver.

use std::process::Command;

use super::{
    a_list_reaches_all_members_once, arrives, each_joe_gets_his_own, full_mailboxes, furnish, half_of_it_is_lost,
    killed_vdelivers_lose_nothing, several_recipients_lists_and_those_without_sender, what_vmail_sends_leaves,
};
use crate::harness::machine::Machine;
use crate::harness::program::{Program, run};
use crate::harness::{need, until};

#[test]
fn sendmail_brings_mail_by_vdeliver() {
    need!(root, "sendmail-bin", "sendmail-cf", "m4", "python3", "swaks");
    Machine::run(|machine| {
        furnish(machine);
        let _sendmail = sendmail(machine);
        each_joe_gets_his_own();
        several_recipients_lists_and_those_without_sender();
        strangers_reach_the_domains_and_nothing_else(machine);
        let got = half_of_it_is_lost();
        assert!(got.contains("\nStatus: 5.1.1\n"), "{got}");
        what_vmail_sends_leaves();
        a_list_reaches_all_members_once();
        full_mailboxes(|| machine.asks("/usr/libexec/sendmail/sendmail -bp"));
    });
}

#[test]
fn vdelivers_killed_in_a_storm_of_sendmails_lose_nothing() {
    need!(root, "sendmail-bin", "sendmail-cf", "m4", "python3");
    Machine::run(|machine| {
        furnish(machine);
        let _sendmail = sendmail(machine);
        killed_vdelivers_lose_nothing(|| _ = machine.sh("/usr/libexec/sendmail/sendmail -q"));
    });
}

/// From another address than this machine's.
fn strangers_reach_the_domains_and_nothing_else(machine: &Machine) {
    machine.addresses(&["192.0.2.7"]);
    let swaks = |to: &str| {
        let mut command = Command::new("/usr/bin/swaks");
        command.args(["--server", "127.0.0.1", "--local-interface", "192.0.2.7", "--helo", "client.test", "--from", "eve@sink.test"]);
        let said = run(command.args(["--h-Subject", "from afar", "--to", to]), b"", 60);
        String::from_utf8_lossy(&said.stdout).into_owned()
    };
    let said = swaks("joe@vb.test");
    assert!(said.contains("Message accepted for delivery"), "{said}");
    let there = arrives("joe@vb.test", "from afar");
    assert!(there.contains("\nX-Mailer: swaks "), "{there}");
    let said = swaks("eve@x.org");
    assert!(said.contains("<** 550 5.7.1"), "{said}");
}

/// sendmail with the mailer and the lines of `contrib/sendmail`, and a local user.
fn sendmail(machine: &Machine) -> Program {
    ["sendmail-bin", "sendmail-cf", "m4"].iter().for_each(|package| _ = machine.install(package));
    machine.user("smmsp", 4104, "x");
    // Every host exists, and none needs a name service.
    machine.file("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n");
    machine.file("/etc/hosts", "127.0.0.1 mail.example.net localhost\n192.0.2.7 client.test\n");
    ["va.test", "vb.test", "sink.test", "x.org"].iter().for_each(|host| _ = machine.line("/etc/hosts", &format!("192.0.2.9 {host}")));
    machine.file("/usr/share/sendmail/cf/mailer/vdeliver.m4", include_str!("../../../contrib/sendmail/vdeliver.m4"));
    machine.file("/etc/mail/sendmail.mc", format!("{MAIN}{}", include_str!("../../../contrib/sendmail/vdeliver.mc")));
    machine.file("/etc/mail/submit.mc", SUBMIT).file("/etc/mail/local-host-names", "sink.test\n");
    machine.file("/etc/mail/vmail-domains", "va.test\nvb.test\n");
    machine.sh("cd /etc/mail; for one in sendmail submit; do m4 /usr/share/sendmail/cf/m4/cf.m4 $one.mc > $one.cf; done");
    machine.sh("cd /var/spool; mkdir -p -m 700 mqueue; mkdir -p -m 770 clientmqueue; chown smmsp:smmsp clientmqueue");
    machine.sh("cd /usr/libexec/sendmail; chgrp smmsp sendmail; chmod 2755 sendmail; chmod 4755 mail.local");
    machine.sh("ln -sf /usr/libexec/sendmail/sendmail /usr/sbin/sendmail");
    machine.file("/etc/mail/aliases", "postmaster: root\n").sh("/usr/libexec/sendmail/sendmail -bi");
    let program = Program::start(Command::new("/usr/libexec/sendmail/sendmail").args(["-bD", "-q1s"]));
    until("sendmail", 20, || std::net::TcpStream::connect("127.0.0.1:25").ok());
    program
}

/// A busy machine, as that of tests is, refuses and queues nothing for it.
const MAIN: &str = "OSTYPE(`linux')dnl\ndefine(`confDONT_PROBE_INTERFACES', `True')dnl\ndefine(`confTO_IDENT', `0')dnl\n\
                    define(`confQUEUE_LA', `999')dnl\ndefine(`confREFUSE_LA', `999')dnl\n\
                    define(`LOCAL_MAILER_PATH', `/usr/libexec/sendmail/mail.local')dnl\n\
                    define(`LOCAL_MAILER_ARGS', `mail.local -d $u')dnl\nFEATURE(`use_cw_file')dnl\nMAILER(`local')dnl\n";
const SUBMIT: &str = "define(`__OSTYPE__', `')dnl\ndefine(`confQUEUE_LA', `999')dnl\ndefine(`confTRUSTED_USERS', `vmail')dnl\n\
                      define(`confDONT_INIT_GROUPS', `True')dnl\nFEATURE(`msp', `[127.0.0.1]')dnl\n";

//! `vimapd` started by openbsd-inetd and by xinetd, in front of the IMAP daemon of mailutils: with the sample files as they are shipped.

use std::process::Command;

use super::inetd::{certify, furnish_domains, inetd, sample_line, xinetd_of};
use crate::harness::imap::Imap;
use crate::harness::machine::Machine;
use crate::harness::need;
use crate::harness::program::succeed;
use crate::harness::until;

#[test]
fn openbsd_inetd_serves_virtual_domains_before_mailutils() {
    need!(root, "openbsd-inetd", "mailutils-imap4d");
    Machine::run(|machine| {
        furnish(machine);
        let line = sample_line("Without tcpd", "imap").replace(NATIVE, COMMAND);
        let _inetd = inetd(machine, &line, &[]);
        virtual_and_main_domain_are_two_worlds();
    });
}

#[test]
fn xinetd_serves_virtual_domains_before_mailutils() {
    need!(root, "xinetd", "mailutils-imap4d");
    Machine::run(|machine| {
        furnish(machine);
        let _xinetd = xinetd_of(machine, &include_str!("../../xinetd/imap").replace(NATIVE, COMMAND));
        virtual_and_main_domain_are_two_worlds();
    });
}

#[test]
fn without_a_native_daemon_vimapd_serves_the_users_of_the_machine() {
    need!(root, "openbsd-inetd");
    Machine::run(|machine| {
        furnish_domains(machine);
        let _inetd = inetd(machine, &sample_line("Without a native daemon", "imap"), &[]);
        let (mut imap, greeting) = Imap::dial("192.0.2.1:143");
        assert!(greeting.starts_with("* OK ") && !greeting.contains("Virtual"), "{greeting}");
        imap.ask("LOGIN joe native");
        assert_eq!(subjects(&mut imap), ["of the machine"]);
        imap.logout();
    });
}

#[test]
fn starttls_works_in_a_child_of_inetd_and_port_993_is_tls_from_the_first_octet() {
    need!(root, "openbsd-inetd");
    Machine::run(|machine| {
        furnish_domains(machine);
        let made = certify(machine);
        let lines = sample_line("Without a native daemon", "imap") + &sample_line("With TLS from the first octet", "imaps");
        let _inetd = inetd(machine, &lines, &[]);
        for port in [143, 993] {
            until("inetd to listen", 10, || std::net::TcpStream::connect(("192.0.2.7", port)).ok());
        }
        for place in ["imap", "imaps"] {
            let url = format!("{place}://pop.va.test/INBOX;MAILINDEX=1");
            let mut curl = Command::new("curl");
            curl.args(["-sS", "--ssl-reqd", "-u", "joe:one", &url, "--cacert"]).arg(&made.authority);
            assert!(succeed(&mut curl).contains("Subject: of va"), "{place}");
        }
    });
}

/// What the sample files name, and what is on this machine.
const NATIVE: &str = "/usr/sbin/imapd";
const COMMAND: &str = "/usr/sbin/imap4d --inetd --no-config";

fn furnish(machine: &Machine) {
    furnish_domains(machine);
    machine.install("mailutils-imap4d");
    machine.sh("printf 'auth required pam_unix.so\naccount required pam_unix.so\n' > /etc/pam.d/mailutils-imap4d");
    machine.sh("cp /etc/pam.d/mailutils-imap4d /etc/pam.d/imap4d");
}

fn virtual_and_main_domain_are_two_worlds() {
    let addresses = [("192.0.2.7", "va.test", "one", "of va"), ("192.0.2.8", "vb.test", "two", "of vb")];
    let by_ipv6 = ("[2001:db8::7]", "va.test", "one", "of va");
    for (address, domain, password, subject) in addresses.into_iter().chain([by_ipv6, ("192.0.2.9", "vc.test", "three", "of vc")]) {
        let (mut imap, greeting) = Imap::dial(format!("{address}:143"));
        assert!(greeting.starts_with("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 "), "{greeting}");
        assert!(greeting.ends_with(&format!("] Virtual {domain} IMAP server (vmail 0.1) ready")), "{greeting}");
        assert!(imap.say("LOGIN joe native").last().unwrap().starts_with("NO [AUTHENTICATIONFAILED]"));
        imap.ask(&format!("LOGIN joe {password}"));
        assert_eq!(subjects(&mut imap), [subject]);
        imap.logout();
    }
    let (mut imap, greeting) = Imap::dial("192.0.2.1:143");
    assert!(greeting.starts_with("* OK IMAP4rev1") && !greeting.contains("vmail"), "{greeting}");
    imap.ask("LOGIN joe native");
    assert_eq!(subjects(&mut imap), ["of the machine"]);
    imap.ask("LOGOUT");
}

fn subjects(imap: &mut Imap) -> Vec<String> {
    imap.sight("INBOX").messages.into_values().map(|shown| shown.subject).collect()
}

//! `vpop3d` started by openbsd-inetd and by xinetd, in front of the native POP3 daemons that machines have: with the sample files as
//! they are shipped, at the places where packages put things.

use std::path::Path;
use std::process::Command;

use crate::harness::certificate::Certificate;
use crate::harness::machine::Machine;
use crate::harness::pop::Pop;
use crate::harness::program::{Program, succeed};
use crate::harness::site::{Site, letter};
use crate::harness::{need, until};

#[test]
fn openbsd_inetd_serves_virtual_domains_before_mailutils() {
    need!(root, "openbsd-inetd", "mailutils-pop3d");
    Machine::run(|machine| {
        furnish(machine, &MAILUTILS);
        let line = sample("Without tcpd", &MAILUTILS);
        let _inetd = inetd(machine, &line, &[]);
        virtual_and_main_domain_are_two_worlds(machine, &MAILUTILS);
    });
}

#[test]
fn openbsd_inetd_serves_virtual_domains_before_popa3d() {
    need!(root, "openbsd-inetd", "popa3d");
    Machine::run(|machine| {
        furnish(machine, &POPA3D);
        let line = sample("Without tcpd", &POPA3D);
        let _inetd = inetd(machine, &line, &[]);
        virtual_and_main_domain_are_two_worlds(machine, &POPA3D);
    });
}

#[test]
fn tcpd_knows_the_service_as_vpop3d() {
    need!(root, "openbsd-inetd", "popa3d", "tcpd");
    Machine::run(|machine| {
        furnish(machine, &POPA3D);
        machine.install("tcpd").addresses(&["192.0.2.99"]);
        machine.file("/etc/hosts.allow", "vpop3d: ALL EXCEPT 192.0.2.99\n").file("/etc/hosts.deny", "ALL: ALL\n");
        let line = sample("With tcpd", &POPA3D);
        let _inetd = inetd(machine, &line, &[]);
        virtual_and_main_domain_are_two_worlds(machine, &POPA3D);
        let refused = machine.asks("curl -sS --interface 192.0.2.99 pop3://joe:one@192.0.2.7/ 2>&1 || true");
        assert!(refused.contains("curl:"), "{refused}");
    });
}

#[test]
fn without_a_native_daemon_vpop3d_serves_the_users_of_the_machine() {
    need!(root, "openbsd-inetd");
    Machine::run(|machine| {
        furnish_domains(machine);
        let line = sample("Without a native daemon", &POPA3D);
        let _inetd = inetd(machine, &line, &[]);
        let (mut pop, greeting) = Pop::dial("192.0.2.1:110");
        assert!(greeting.starts_with("+OK ") && !greeting.contains("Virtual"), "{greeting}");
        log_in(&mut pop, "joe", "native");
        assert!(text(&pop.ask("RETR 1")).contains("Subject: of the machine"));
        assert!(pop.say("DELE 1").starts_with("+OK"));
        assert!(pop.say("QUIT").starts_with("+OK"));
        crate::harness::until("the spool to be emptied", 5, || std::fs::metadata("/var/mail/joe").ok().filter(|spool| spool.len() == 0));
    });
}

#[test]
fn xinetd_serves_virtual_domains_before_mailutils() {
    need!(root, "xinetd", "mailutils-pop3d");
    Machine::run(|machine| {
        furnish(machine, &MAILUTILS);
        let _xinetd = xinetd(machine, &MAILUTILS);
        virtual_and_main_domain_are_two_worlds(machine, &MAILUTILS);
    });
}

#[test]
fn xinetd_serves_virtual_domains_before_popa3d() {
    need!(root, "xinetd", "popa3d");
    Machine::run(|machine| {
        furnish(machine, &POPA3D);
        let _xinetd = xinetd(machine, &POPA3D);
        virtual_and_main_domain_are_two_worlds(machine, &POPA3D);
    });
}

/// Gives va.test a certificate, by the name `pop.va.test`.
pub(super) fn certify(machine: &Machine) -> Certificate {
    let made = Certificate::make(Path::new("/etc/vmail/tls"), &["pop.va.test"]);
    machine.line("/etc/hosts", "192.0.2.7 pop.va.test");
    machine.line("/etc/vmail/vmail.toml", &format!("[tls]\ncertificate = {:?}\nkey = {:?}", made.certificate, made.key));
    made
}

#[test]
fn stls_works_in_a_child_of_inetd() {
    need!(root, "openbsd-inetd");
    Machine::run(|machine| {
        furnish_domains(machine);
        let made = certify(machine);
        let line = sample("Without a native daemon", &POPA3D);
        let _inetd = inetd(machine, &line, &[]);
        drop(Pop::dial("192.0.2.7:110"));
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--ssl-reqd", "-u", "joe:one", "pop3://pop.va.test/1", "--cacert"]).arg(&made.authority);
        assert!(succeed(&mut curl).contains("Subject: of va"));
    });
}

#[test]
fn port_995_of_inetd_is_tls_from_the_first_octet() {
    need!(root, "openbsd-inetd");
    Machine::run(|machine| {
        furnish_domains(machine);
        let made = certify(machine);
        let line = sample("With TLS from the first octet", &POPA3D);
        let _inetd = inetd(machine, &line, &[]);
        until("inetd to listen on port 995", 10, || std::net::TcpStream::connect("192.0.2.7:995").ok());
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-u", "joe:one", "pop3s://pop.va.test/1", "--cacert"]).arg(&made.authority);
        assert!(succeed(&mut curl).contains("Subject: of va"));
    });
}

#[test]
fn a_relocated_tree_is_served_where_the_super_server_says_so() {
    need!(root, "openbsd-inetd", "popa3d");
    Machine::run(|machine| {
        furnish(machine, &POPA3D);
        machine.sh("mkdir -p /srv/mail/var/spool /srv/mail/etc; mv /etc/vmail /srv/mail/etc/; mv /var/spool/vmail /srv/mail/var/spool/");
        machine.sh("if [ -d /var/lib/vmail ]; then mkdir -p /srv/mail/var/lib; mv /var/lib/vmail /srv/mail/var/lib/; fi");
        let line = sample("Without tcpd", &POPA3D);
        let _inetd = inetd(machine, &line, &[("VMAIL_ROOT", "/srv/mail")]);
        virtual_and_main_domain_are_two_worlds(machine, &POPA3D);
    });
}

/// A POP3 daemon of Debian's that inetd starts.
struct Native {
    package: &'static str,
    command: &'static str,
    greeting: &'static str,
}

const MAILUTILS: Native =
    Native { package: "mailutils-pop3d", command: "/usr/sbin/pop3d --inetd --no-config", greeting: "+OK POP3 Ready <" };
const POPA3D: Native = Native { package: "popa3d", command: "/usr/sbin/popa3d", greeting: "+OK" };

/// The native daemon, and what its package's installation would have set up.
fn furnish(machine: &Machine, native: &Native) {
    furnish_domains(machine);
    machine.install(native.package);
    machine.line("/etc/passwd", "popa3d:x:4200:4200::/var/lib/popa3d:/bin/false").line("/etc/group", "popa3d:x:4200:");
    machine.sh("mkdir -p /var/lib/popa3d; printf 'auth required pam_unix.so\naccount required pam_unix.so\n' > /etc/pam.d/popa3d");
    machine.sh("cp /etc/pam.d/popa3d /etc/pam.d/pop3d; cp /etc/pam.d/popa3d /etc/pam.d/mailutils-pop3d");
}

/// Two virtual domains with addresses, one by name alone, and a joe in each of them and on the machine.
pub(super) fn furnish_domains(machine: &Machine) {
    machine.install_vmail().addresses(&["192.0.2.1", "192.0.2.7", "192.0.2.8", "192.0.2.9", "2001:db8::7"]);
    machine.line("/etc/hosts", "192.0.2.9 mailhost.vc.test").user("joe", 4001, "native");
    let site = Site;
    site.configure("host = \"mail.example.net\"\n[login]\nfailure_delay = 0\n");
    site.domain("va.test", &["192.0.2.7", "2001:db8::7"]).user("joe@va.test", "one").mail("joe@va.test", letter("of va"));
    site.domain("vb.test", &["192.0.2.8"]).user("joe@vb.test", "two").mail("joe@vb.test", letter("of vb"));
    site.domain("vc.test", &[]).user("joe@vc.test", "three").mail("joe@vc.test", letter("of vc"));
    machine.file("/var/mail/joe", letter("of the machine")).sh("chown joe:mail /var/mail/joe; chmod 660 /var/mail/joe");
}

/// The line of `contrib/inetd.conf.sample` below a comment, in force, with the native POP3 daemon of this machine.
fn sample(comment: &str, native: &Native) -> String {
    sample_line(comment, "pop").replace("/usr/sbin/ipop3d", native.command)
}

/// The line of `contrib/inetd.conf.sample` below a comment, for the service that is called so, in force.
pub(super) fn sample_line(comment: &str, service: &str) -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/inetd.conf.sample")).unwrap();
    let below = text.split_once(&format!("# {comment}")).expect("the comment is there").1;
    let line = below.lines().find_map(|line| line.strip_prefix('#').filter(|line| line.starts_with(service))).expect("a line follows");
    format!("{line}\n")
}

pub(super) fn inetd(machine: &Machine, line: &str, environment: &[(&str, &str)]) -> Program {
    machine.install("openbsd-inetd");
    // For all addresses of both families.
    machine.file("/etc/inetd.conf", format!("{line}{}", line.replace("\ttcp\t", "\ttcp6\t")));
    Program::start(Command::new("/usr/sbin/inetd").args(["-d", "-E", "/etc/inetd.conf"]).envs(environment.iter().copied()))
}

fn xinetd(machine: &Machine, native: &Native) -> Program {
    let service = include_str!("../../xinetd/pop3");
    xinetd_of(machine, &service.replace("/usr/sbin/ipop3d", native.command))
}

/// xinetd with this one service.
pub(super) fn xinetd_of(machine: &Machine, service: &str) -> Program {
    machine.install("xinetd").sh("rm -f /etc/xinetd.d/*");
    machine.file("/etc/xinetd.d/service", service);
    machine.file("/etc/xinetd.conf", "defaults\n{\n\tflags = IPv6\n\tlog_type = FILE /tmp/xinetd.log\n}\nincludedir /etc/xinetd.d\n");
    Program::start(Command::new("/usr/sbin/xinetd").args(["-dontfork", "-f", "/etc/xinetd.conf", "-pidfile", "/run/xinetd.pid"]))
}

fn virtual_and_main_domain_are_two_worlds(machine: &Machine, native: &Native) {
    for (address, domain, password, subject) in
        [("192.0.2.7", "va.test", "one", "of va"), ("[2001:db8::7]", "va.test", "one", "of va"), ("192.0.2.8", "vb.test", "two", "of vb")]
            .into_iter()
            .chain([("192.0.2.9", "vc.test", "three", "of vc")])
    {
        let (mut pop, greeting) = Pop::dial(format!("{address}:110"));
        assert_eq!(greeting, format!("+OK Virtual {domain} POP3 Server (Version 0.1) ready."));
        log_in(&mut pop, "joe", password);
        assert!(text(&pop.ask("RETR 1")).contains(&format!("Subject: {subject}")));
        assert!(pop.say("RETR 2").starts_with("-ERR"));
        assert!(pop.say("QUIT").starts_with("+OK"));
        assert_eq!(pop.rest(), "", "{address}: the connection ends after QUIT");
    }
    let (mut pop, greeting) = Pop::dial("192.0.2.1:110");
    assert!(greeting.starts_with(native.greeting) && !greeting.contains("Virtual"), "{greeting}");
    log_in(&mut pop, "joe", "native");
    assert!(text(&pop.ask("RETR 1")).contains("Subject: of the machine"));
    assert!(pop.say("QUIT").starts_with("+OK"));
    // Written before it is asked for: the native daemon finds the first octets on its socket.
    let mut hasty = Pop::connect("192.0.2.1:110");
    hasty.send(b"USER joe\r\n");
    assert!(hasty.line().starts_with("+OK"));
    assert!(hasty.line().starts_with("+OK"), "the answer to USER");
    assert!(hasty.say("PASS wrong").starts_with("-ERR"));
    drop(hasty);
    machine.sh("test -s /var/mail/joe");
}

fn log_in(pop: &mut Pop, user: &str, password: &str) {
    assert!(pop.say(&format!("USER {user}")).starts_with("+OK"));
    let answer = pop.say(&format!("PASS {password}"));
    assert!(answer.starts_with("+OK"), "{answer}");
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

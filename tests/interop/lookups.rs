//! Postfix, sendmail and Exim asking `vmail serve` who gets mail, who has room, and who may send.

use std::process::Command;

use crate::harness::machine::Machine;
use crate::harness::need;
use crate::harness::program::{Program, run};
use crate::harness::site::Site;

/// Addresses of two domains, in which `joe` is somebody else each time.
const VA: &str = "192.0.2.2";
const VB: &str = "192.0.2.3";

/// The server with both domains; it serves as long as this lives.
fn serve(machine: &Machine) -> Program {
    machine.install_vmail().addresses(&[VA, VB]);
    Site.configure("reverse.lookup = \"off\"\nlogin.failure_delay = 0\n").domain("va.test", &[VA]).domain("vb.test", &[VB]);
    Site.user("joe@va.test", "one").user("joe@vb.test", "three").user("ann@va.test", "two").user("full@va.test", "x");
    machine.line("/etc/vmail/domains/va.test.toml", "quota.user.full.messages = 1\nquota.user.full.inbox = \"1\"");
    machine.file("/etc/vmail/aliases.va.test", "sales: joe, ann\nboss: eve@elsewhere.test\n");
    let mut server = Site.serve();
    server.says("ready version=");
    server
}

/// What swaks shows of a dialogue that ends behind the recipient.
fn swaks(to: &str, recipient: &str, rest: &str) -> String {
    let mut command = Command::new("/usr/bin/swaks");
    command.args(["--server", to, "--to", recipient, "--helo", "client.test", "--quit-after", "RCPT", "--timeout", "20"]);
    let said = run(command.args(rest.split_whitespace()), b"", 60);
    String::from_utf8_lossy(&said.stdout).into_owned()
}

/// The reply to the last command before QUIT.
fn reply(said: &str) -> &str {
    let lines = said.lines().take_while(|line| !line.ends_with("> QUIT"));
    let replies = lines.filter(|line| line.starts_with("<-  ") || line.starts_with("<** "));
    replies.last().map_or("", |line| &line[4..])
}

/// Debian's Postfix with the lines of contrib/postfix.
struct Postfix;

impl Postfix {
    fn start(machine: &Machine) -> Postfix {
        machine.install("postfix").user("postfix", 4101, "x").line("/etc/group", "postdrop:x:4102:");
        machine.sh("sed -i 's/^vmail:x:4100:.*/&postfix/' /etc/group");
        let main = "compatibility_level = 3.6\nmyhostname = mail.example.net\nmydestination =\nmynetworks = 127.0.0.1\n\
                    maillog_file = /var/log/postfix.log\nalias_maps =\ndefault_transport = discard:\nsmtputf8_enable = no\n";
        machine.file("/etc/postfix/main.cf", format!("{main}{}", include_str!("../../contrib/postfix/lookups.main.cf")));
        machine.sh("cd /etc/postfix; cp /usr/share/postfix/master.cf.dist master.cf; cp /usr/share/postfix/dynamicmaps.cf . || true");
        machine.sh("postconf -MX smtp/inet pickup/unix cleanup/unix rewrite/unix verify/unix");
        machine.sh("sed -i -E 's/^([a-z]+ +(unix|inet) +[-ny] +[-ny] +)y/\\1n/' /etc/postfix/master.cf");
        machine.line("/etc/postfix/master.cf", include_str!("../../contrib/postfix/lookups.master.cf"));
        machine.sh("chown postfix /var/lib/postfix; chgrp postdrop /usr/sbin/postqueue /usr/sbin/postdrop; chmod g+s /usr/sbin/postqueue /usr/sbin/postdrop");
        machine.sh("postfix start >&2 || { cat /var/log/postfix.log >&2; exit 1; }");
        Postfix
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", std::fs::read_to_string("/var/log/postfix.log").unwrap_or_default());
        }
        let _ = run(Command::new("/usr/sbin/postfix").arg("stop"), b"", 30);
    }
}

#[test]
fn postfix_looks_up_recipients_and_their_room() {
    need!(root, "postfix", "swaks");
    Machine::run(|machine| {
        let _server = serve(machine);
        let _postfix = Postfix::start(machine);
        for (map, key, expected) in [
            ("virtual_mailbox_domains", "va.test", "va.test"),
            ("virtual_mailbox_maps", "joe@vb.test", "joe@vb.test"),
            ("virtual_alias_maps", "boss@va.test", "eve@elsewhere.test"),
            ("sender_login", "sales@va.test", "joe@va.test, ann@va.test"),
        ] {
            let asked = machine.asks(&format!("postmap -q {key} socketmap:unix:/run/vmail/socketmap:{map}"));
            assert_eq!(asked.trim(), expected, "{map} {key}");
        }
        machine.sh("! postmap -q nobody@va.test socketmap:unix:/run/vmail/socketmap:virtual_mailbox_maps");
        for (recipient, expected) in [
            ("joe@va.test", "250 2.1.5 Ok"),
            ("joe+lists@vb.test", "250 2.1.5 Ok"),
            ("sales@va.test", "250 2.1.5 Ok"),
            ("boss@va.test", "250 2.1.5 Ok"),
            ("nobody@va.test", "550 5.1.1 <nobody@va.test>: Recipient address rejected"),
            ("ann@vb.test", "550 5.1.1 <ann@vb.test>: Recipient address rejected"),
            ("joe@elsewhere.test", "454 4.7.1 <joe@elsewhere.test>: Relay access denied"),
        ] {
            let said = swaks(VA, recipient, "--from eve@x.test");
            assert!(reply(&said).starts_with(expected), "{recipient}: {said}");
        }
        let mut large = Command::new("/usr/bin/python3");
        let script =
            "import smtplib\ns = smtplib.SMTP('192.0.2.2')\ns.ehlo()\ns.mail('eve@x.test', ['SIZE=90000'])\nprint(s.rcpt('full@va.test'))";
        let said = run(large.args(["-c", script]), b"", 30);
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains("552") && said.contains("5.2.2 <full@va.test>: Recipient address rejected: the mailbox is full"), "{said}");
    });
}

#[test]
fn postfix_checks_passwords_of_two_domains_with_the_same_user() {
    need!(root, "postfix", "swaks");
    Machine::run(|machine| {
        let _server = serve(machine);
        let _postfix = Postfix::start(machine);
        two_domains_log_in(":587", "535 5.7.8");
        // Who may send as whom.
        let as_ann = "--auth PLAIN --auth-user joe@va.test --auth-password one --from ann@va.test";
        let said = swaks(&format!("{VA}:587"), "x@elsewhere.test", as_ann);
        assert!(reply(&said).starts_with("553 5.7.1"), "{said}");
        let as_sales = as_ann.replace("ann@va.test", "sales@va.test");
        let said = swaks(&format!("{VA}:587"), "x@elsewhere.test", &as_sales);
        assert!(reply(&said).starts_with("250"), "{said}");
    });
}

#[test]
fn exim_checks_passwords_of_two_domains_with_the_same_user() {
    need!(root, "exim4-base", "exim4-daemon-heavy", "libspf2-2", "swaks");
    Machine::run(|machine| {
        let _server = serve(machine);
        machine.install("exim4-base").install("exim4-daemon-heavy").install("libspf2-2").user("Debian-exim", 4103, "x");
        machine.sh("sed -i 's/^vmail:x:4100:.*/&Debian-exim/' /etc/group");
        let authenticators = include_str!("../../contrib/exim/authenticators.conf");
        let main = "primary_hostname = mail.example.net\nacl_smtp_rcpt = check\nauth_advertise_hosts = *\nlog_file_path = /var/log/exim-%s\n\
                    begin acl\ncheck:\n  accept authenticated = *\n  deny message = log in first\n";
        machine.file("/etc/exim4/test.conf", format!("{main}begin authenticators\n{authenticators}"));
        machine.sh("mkdir -p /var/spool/exim4 /var/log; chown Debian-exim: /var/spool/exim4; chmod 777 /var/log");
        let mut daemon = Command::new("/usr/sbin/exim4");
        let _exim = Program::start(daemon.args(["-C", "/etc/exim4/test.conf", "-bdf", "-oX", "25", "-oP", "/run/exim.pid"]));
        crate::daemon::poll(|| std::net::TcpStream::connect((VA, 25)).ok());
        two_domains_log_in("", "535");
    });
}

/// Each `joe` has the password of the domain that is dialled or named.
fn two_domains_log_in(port: &str, refused: &str) {
    for mechanism in ["PLAIN", "LOGIN"] {
        for (dialled, user, password, sender, expected) in [
            (VA, "joe", "one", "joe@va.test", "250"),
            (VB, "joe", "three", "joe@vb.test", "250"),
            (VB, "joe@va.test", "one", "joe@va.test", "250"),
            (VB, "joe", "one", "joe@vb.test", refused),
            (VA, "joe@vb.test", "one", "joe@vb.test", refused),
            (VA, "nobody", "one", "joe@va.test", refused),
        ] {
            let login = format!("--auth {mechanism} --auth-user {user} --auth-password {password} --from {sender}");
            let said = swaks(&format!("{dialled}{port}"), "x@elsewhere.test", &login);
            assert!(reply(&said).starts_with(expected), "{mechanism} {dialled} {user}: {said}");
        }
    }
}

#[test]
fn sendmail_asks_the_same_maps() {
    need!(root, "sendmail-bin", "sendmail-cf", "m4");
    Machine::run(|machine| {
        let _server = serve(machine);
        ["sendmail-bin", "sendmail-cf", "m4"].iter().for_each(|package| _ = machine.install(package));
        let virtual_mc = include_str!("../../contrib/sendmail/virtual.mc");
        machine.file("/etc/mail/sendmail.mc", format!("{virtual_mc}\n{}", include_str!("../../contrib/sendmail/lookups.m4")));
        machine.sh("cd /etc/mail; m4 /usr/share/sendmail/cf/m4/cf.m4 sendmail.mc > sendmail.cf; touch local-host-names generics-domains");
        machine.file("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n");
        machine.sh("cd /etc/mail; for map in virtusertable genericstable; do : > $map; makemap hash $map < $map; done");
        let questions = "/map virtual_mailbox_domains va.test\n/map virtual_mailbox_maps joe@vb.test\n/map virtual_mailbox_maps ann@vb.test\n\
                         /map virtual_alias_maps boss@va.test\n";
        let mut asked = Command::new("/usr/libexec/sendmail/sendmail");
        let said = run(asked.args(["-C", "/etc/mail/sendmail.cf", "-bt"]), questions.as_bytes(), 60);
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        for expected in ["returns va.test (0)", "returns joe@vb.test (0)", "no match (68)", "returns eve@elsewhere.test (0)"] {
            assert!(said.contains(expected), "{expected}: {said}");
        }
    });
}

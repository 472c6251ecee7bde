//! Under systemd: sockets, readiness, reload, watchdog, syslog, and the units that are shipped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::certificate::Certificate;
use crate::harness::imap::Imap;
use crate::harness::machine::Machine;
use crate::harness::need;
use crate::harness::pop::Pop;
use crate::harness::program::{OfInetd, Program, succeed};
use crate::harness::site::{Site, letter};

#[test]
fn serve_tells_systemd_that_it_is_ready_reloads_lives_and_stops() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        let socket = Mailbox::at("/run/notify");
        let mut serve = site.vmail(&["serve"]);
        let mut server = Program::start(serve.env("NOTIFY_SOCKET", "/run/notify").env("WATCHDOG_USEC", "500000"));
        socket.gets("READY=1");
        // Ready means that it listens already.
        assert!(std::net::TcpStream::connect("192.0.2.7:110").is_ok());
        socket.gets("WATCHDOG=1");
        socket.gets("WATCHDOG=1");
        server.signal(Signal::HUP);
        let reloading = socket.gets("RELOADING=1");
        assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
        socket.gets("READY=1");
        server.signal(Signal::TERM);
        socket.gets("STOPPING=1");
        assert!(server.end(20).success(), "{}", server.log());
    });
}

#[test]
fn sessions_get_a_farewell_when_the_server_stops() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        let mut server = site.serve();
        let (mut idle, _) = Pop::dial(VA);
        let mut reading = Pop::login(VA, "joe", "one");
        assert!(reading.say("DELE 1").starts_with("+OK"));
        let (mut greeted, _) = Imap::dial("192.0.2.7:143");
        let mut idling = Imap::login("192.0.2.7:143", "joe", "one");
        idling.ask("SELECT INBOX");
        idling.begins("IDLE");
        server.signal(Signal::TERM);
        for pop in [&mut idle, &mut reading] {
            let farewell = pop.rest();
            assert!(farewell.starts_with("-ERR ") && farewell.ends_with("\r\n"), "{farewell:?}");
        }
        for imap in [&mut greeted, &mut idling] {
            let farewell = imap.rest();
            assert!(farewell.starts_with("* BYE [UNAVAILABLE] ") && farewell.ends_with("\r\n"), "{farewell:?}");
        }
        assert!(server.end(20).success(), "{}", server.log());
        let _server = site.serve();
        assert!(Pop::login(VA, "joe", "one").say("STAT").starts_with("+OK 1 "), "what was marked only is there still");
    });
}

#[test]
fn a_reload_brings_new_domains_and_keeps_sessions() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        let server = site.serve();
        let mut pop = Pop::login(VA, "joe", "one");
        machine.addresses(&["192.0.2.8"]);
        site.domain("vb.test", &["192.0.2.8"]).user("joe@vb.test", "two").mail("joe@vb.test", letter("of vb"));
        server.signal(Signal::HUP);
        crate::harness::until("vb.test to be served", 10, || Pop::dial("192.0.2.8:110").1.contains("Virtual vb.test").then_some(()));
        drop(Pop::login("192.0.2.8:110", "joe", "two"));
        assert!(pop.say("NOOP").starts_with("+OK"));
    });
}

#[test]
fn serve_takes_the_sockets_of_systemd() {
    need!(root, "systemd");
    Machine::run(|machine| {
        let site = furnish(machine);
        let made = Certificate::make(Path::new("/etc/vmail/tls"), &["pop.va.test"]);
        let tls = format!("certificate = {:?}\nkey = {:?}\n", made.certificate, made.key);
        site.configure(&format!("plaintext = \"always\"\n[tls]\n{tls}"));
        machine.line("/etc/hosts", "192.0.2.7 pop.va.test");
        // As in vmail-pop3.socket and its sisters: one socket for both families.
        let mut activate = Command::new("systemd-socket-activate");
        activate.args(["-l", "110", "-l", "995", "-l", "143", "-l", "993", "--fdname=pop3:pop3s:imap:imaps", "/usr/bin/vmail", "serve"]);
        let mut server = Program::start(&mut activate);
        let mut pop = Pop::login(VA, "joe", "one");
        assert!(pop.say("STAT").starts_with("+OK 1 "));
        assert!(pop.say("QUIT").starts_with("+OK"));
        let authority = made.authority.to_str().unwrap();
        let list = succeed(Command::new("curl").args(["-sS", "--cacert", authority, "-u", "joe:one", "pop3s://pop.va.test/"]));
        assert!(list.starts_with("1 "), "{list}");
        Imap::login("192.0.2.7:143", "joe", "one").logout();
        let list = succeed(Command::new("curl").args(["-sS", "--cacert", authority, "-u", "joe:one", "imaps://pop.va.test/"]));
        assert!(list.contains("INBOX"), "{list}");
        server.signal(Signal::TERM);
        assert!(server.end(20).success(), "{}", server.log());
    });
}

#[test]
fn vpop3d_takes_the_connections_of_systemd() {
    need!(root, "systemd");
    Machine::run(|machine| {
        let _site = furnish(machine);
        let mut activate = Command::new("systemd-socket-activate");
        let _server = Program::start(activate.args(["--accept", "--inetd", "-l", VA, "/usr/sbin/vpop3d"]));
        for _ in 0..2 {
            let (mut pop, greeting) = Pop::dial(VA);
            assert_eq!(greeting, "+OK Virtual va.test POP3 Server (Version 0.1) ready.");
            assert!(pop.say("USER joe").starts_with("+OK"));
            assert!(pop.say("PASS one").starts_with("+OK"));
            assert!(pop.say("QUIT").starts_with("+OK"));
        }
    });
}

#[test]
fn logins_and_sessions_reach_syslog_without_secrets() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        let log = Mailbox::at("/dev/log");
        site.configure("[login]\nfailure_delay = 0\n[log]\nto = \"syslog\"\nformat = \"logfmt\"\n");
        let _server = site.serve();
        let (mut pop, _) = Pop::dial(VA);
        assert!(pop.say("USER joe").starts_with("+OK"));
        assert!(pop.say("PASS wrong-secret").starts_with("-ERR"));
        let failure = log.gets("user=joe");
        for part in ["domain=va.test", "peer=192.0.2.7", "dialled=192.0.2.7"] {
            assert!(failure.contains(part), "{part} in {failure}");
        }
        assert!(!failure.contains("wrong-secret"));
        assert!(failure.starts_with("<2"), "facility mail: {failure}");
        assert!(pop.say("USER joe").starts_with("+OK"));
        assert!(pop.say("PASS one").starts_with("+OK"));
        assert!(pop.say("QUIT").starts_with("+OK"));
        let session = log.gets("event=session");
        assert!(session.contains("user=joe") && session.contains("end=quit"), "{session}");
        // The inetd program says the same, to the same place.
        let listener = std::net::TcpListener::bind("192.0.2.7:111").unwrap();
        let mut pop = Pop::connect("192.0.2.7:111");
        let mut vpop3d = OfInetd::start(&mut Command::new("/usr/sbin/vpop3d"), listener.accept().unwrap().0);
        assert!(pop.line().contains("Virtual va.test"));
        assert!(pop.say("QUIT").starts_with("+OK"));
        assert!(vpop3d.0.wait().unwrap().success());
        log.gets("vpop3d");
    });
}

#[test]
fn the_units_are_accepted_by_systemd() {
    need!(root, "systemd");
    Machine::run(|machine| {
        machine.install_vmail().sh("ln -s /bin/true /usr/sbin/ipop3d; ln -s /bin/true /usr/sbin/imapd; mkdir -p /etc/systemd/system");
        let units = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/systemd");
        machine.sh(&format!("cp {units}/*.service {units}/*.socket /etc/systemd/system/"));
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no", "--recursive-errors=no"]);
        let ours = ["vmail.service", "vmail-pop3.socket", "vmail-pop3s.socket", "vpop3d.socket", "vpop3d@.service"];
        for unit in ours.into_iter().chain(["vmail-imap.socket", "vmail-imaps.socket", "vimapd.socket", "vimapd@.service"]) {
            verify.arg(format!("/etc/systemd/system/{unit}"));
        }
        let output = crate::harness::program::run(&mut verify, b"", 60);
        let said = crate::harness::program::printed(&output);
        assert!(output.status.success(), "{said}");
        assert!(!said.lines().any(|line| ["vmail", "vpop3d", "vimapd"].iter().any(|ours| line.contains(ours))), "{said}");
    });
}

#[test]
fn the_service_runs_with_no_more_rights_than_its_unit_leaves_it() {
    need!(root, "systemd");
    Machine::run(|machine| {
        machine.install_vmail();
        let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/systemd/vmail.service");
        let mut security = Command::new("systemd-analyze");
        succeed(security.args(["security", "--offline=yes", "--threshold=40", "--no-pager", unit]));
    });
}

const VA: &str = "192.0.2.7:110";

fn furnish(machine: &Machine) -> Site {
    machine.install_vmail().addresses(&["192.0.2.7"]);
    let site = Site;
    site.configure("[log]\nto = \"stderr\"\n");
    site.domain("va.test", &["192.0.2.7"]).user("joe@va.test", "one").mail("joe@va.test", letter("of va"));
    site
}

/// A datagram socket of the test's, in the place of systemd's or syslog's.
struct Mailbox(UnixDatagram);

impl Mailbox {
    fn at(path: &str) -> Mailbox {
        let socket = UnixDatagram::bind(path).unwrap();
        // As systemd and syslog leave theirs: the server is no longer root when it writes there.
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        Mailbox(socket)
    }

    /// The next message that contains `text`.
    fn gets(&self, text: &str) -> String {
        let mut others = Vec::new();
        loop {
            let mut octets = [0; 8192];
            let size = self.0.recv(&mut octets).unwrap_or_else(|error| panic!("{text:?} did not come ({error}), but {others:#?}"));
            let message = String::from_utf8_lossy(&octets[..size]).into_owned();
            if message.contains(text) {
                return message;
            }
            others.push(message);
        }
    }
}

//! Domains found by the names of dialled addresses: a hosts file, resolv.conf, and a real name server, all of a machine of the test's own.

use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::machine::Machine;
use crate::harness::pop::Pop;
use crate::harness::program::{OfInetd, Program, printed, run, succeed};
use crate::harness::site::Site;
use crate::harness::{need, until};

#[test]
fn the_name_of_the_address_decides() {
    need!(root, "nsd");
    Machine::run(|machine| {
        let site = furnish(machine);
        let _names = name_server(machine);
        let _server = site.serve();
        for (address, domain, shown) in [
            ("192.0.2.10", Some("va.test"), "mailhost.va.test"),
            ("192.0.2.11", Some("vb.test"), "vb.test"),
            ("192.0.2.12", Some("va.test"), "pop.va.test"),
            ("192.0.2.13", Some("va.test"), "the domain va.test itself"),
            ("192.0.2.14", None, "mailhost"),
            ("192.0.2.15", None, "no name"),
            ("192.0.2.16", Some("vb.test"), "mail.alias.test"),
            ("192.0.2.17", Some("va.test"), "mail.va.test"),
            ("192.0.2.18", Some("vb.test"), "pop.vb.test"),
            ("192.0.2.19", None, "deep.host.va.test"),
            ("192.0.2.20", None, "mail.elsewhere.test"),
            ("2001:db8::10", Some("va.test"), "mailhost.va.test"),
        ] {
            let greeting = Pop::dial((address, 110)).1;
            let explained = succeed(&mut site.vmail(&["explain", "--local", address]));
            assert!(explained.to_lowercase().contains(shown), "{address}: {shown:?} in\n{explained}");
            match domain {
                Some(domain) => {
                    assert_eq!(greeting, format!("+OK Virtual {domain} POP3 Server (Version 0.1) ready."), "{address}");
                    assert!(explained.contains(domain) && explained.contains("reverse-name"), "{address}:\n{explained}");
                }
                None => {
                    assert!(greeting.starts_with("-ERR "), "{address}: {greeting}");
                    assert!(explained.contains("main"), "{address}:\n{explained}");
                }
            }
        }
    });
}

#[test]
fn a_silent_name_server_delays_the_greeting_no_longer_than_the_deadline() {
    need!(root);
    Machine::run(|machine| {
        let site = furnish(machine);
        machine.addresses(&["192.0.2.53"]).file("/etc/resolv.conf", "nameserver 192.0.2.53\n");
        let hole = UdpSocket::bind("192.0.2.53:53").unwrap();
        let mut server = site.serve();
        // The table and the hosts file need no name server.
        for address in ["192.0.2.7:110", "192.0.2.17:110"] {
            let before = Instant::now();
            assert!(Pop::dial(address).1.contains("Virtual va.test"));
            assert!(before.elapsed() < Duration::from_millis(1500), "{address}: {:?}", before.elapsed());
        }
        let before = Instant::now();
        let greeting = Pop::dial("192.0.2.10:110").1;
        let waited = before.elapsed();
        assert!(greeting.starts_with("-ERR "), "the main domain, which has no users here: {greeting}");
        assert!(waited > Duration::from_millis(1500) && waited < Duration::from_millis(2700), "{waited:?}");
        hole.set_nonblocking(true).unwrap();
        assert!(hole.recv(&mut [0; 512]).is_ok(), "the name server was asked");
        let log = until("a loud line in the log", 5, || {
            let log = server.log();
            log.lines().find(|line| line.contains("192.0.2.10") && line.to_lowercase().contains("warn")).map(str::to_owned)
        });
        assert!(log.contains("main") || log.contains("name service"), "{log}");
        let explained = run(&mut site.vmail(&["explain", "--local", "192.0.2.10"]), b"", 10);
        assert!(printed(&explained).contains("no answer"), "{}", printed(&explained));
        // Nor does it delay others while it waits.
        let slow = Pop::connect("192.0.2.11:110");
        let before = Instant::now();
        assert!(Pop::dial("192.0.2.7:110").1.contains("Virtual va.test"));
        assert!(before.elapsed() < Duration::from_millis(1000), "{:?}", before.elapsed());
        drop(slow);
        assert!(!server.ended());
    });
}

#[test]
fn vpop3d_by_inetd_keeps_the_deadline_too() {
    need!(root);
    Machine::run(|machine| {
        let _site = furnish(machine);
        machine.addresses(&["192.0.2.53"]).file("/etc/resolv.conf", "nameserver 192.0.2.53\n");
        machine.file("/usr/sbin/native", "#!/bin/sh\nprintf '+OK native %s %s\\r\\n' $0 \"$*\"\n").sh("chmod 755 /usr/sbin/native");
        let _hole = UdpSocket::bind("192.0.2.53:53").unwrap();
        let listener = std::net::TcpListener::bind("192.0.2.10:110").unwrap();
        let before = Instant::now();
        let mut pop = Pop::connect("192.0.2.10:110");
        let socket = listener.accept().unwrap().0;
        let mut vpop3d = Command::new("/usr/sbin/vpop3d");
        let mut vpop3d = OfInetd::start(vpop3d.args(["/usr/sbin/native", "--one", "two"]), socket);
        drop(listener);
        assert_eq!(pop.line(), "+OK native /usr/sbin/native --one two");
        assert!(before.elapsed() < Duration::from_millis(2700), "{:?}", before.elapsed());
        assert!(vpop3d.0.wait().unwrap().success());
    });
}

/// Two domains; one address of one of them in the table, two in the hosts file, the others for the name server.
fn furnish(machine: &Machine) -> Site {
    machine.install_vmail().addresses(&["192.0.2.7", "2001:db8::10"]);
    for last in 10..=20 {
        machine.addresses(&[&format!("192.0.2.{last}")]);
    }
    machine.line("/etc/hosts", "192.0.2.17 mail.va.test").line("/etc/hosts", "192.0.2.18 elsewhere pop.vb.test");
    let site = Site;
    site.configure("host = \"mail.example.net\"\n[log]\nto = \"stderr\"\n");
    site.domain("va.test", &["192.0.2.7"]).domain("vb.test", &[]);
    succeed(&mut site.vmail(&["domain", "alias", "vb.test", "alias.test"]));
    site
}

/// nsd, with a reverse zone for each family.
fn name_server(machine: &Machine) -> Program {
    machine.install("nsd");
    machine.file("/etc/nsd/v4.zone", format!("{SOA}{V4}")).file("/etc/nsd/v6.zone", format!("{SOA}{V6}"));
    machine.file("/etc/nsd/nsd.conf", NSD);
    let mut nsd = Program::start(Command::new("/usr/sbin/nsd").args(["-d", "-c", "/etc/nsd/nsd.conf"]));
    nsd.says("nsd started");
    nsd
}

const NSD: &str = r#"
server:
  ip-address: 127.0.0.1
  username: ""
  database: ""
  zonesdir: "/etc/nsd"
  pidfile: "/run/nsd.pid"
  xfrdfile: "/run/xfrd.state"
  zonelistfile: "/run/zone.list"
  verbosity: 1
remote-control:
  control-enable: no
zone:
  name: 2.0.192.in-addr.arpa
  zonefile: v4.zone
zone:
  name: 8.b.d.0.1.0.0.2.ip6.arpa
  zonefile: v6.zone
"#;

const SOA: &str = "$TTL 60\n@ IN SOA ns.example.net. admin.example.net. 1 60 60 60 60\n@ IN NS ns.example.net.\n";

const V4: &str = "\
10 IN PTR mailhost.va.test.
11 IN PTR MAILHOST.VB.TEST.
12 IN PTR mail.elsewhere.test.
12 IN PTR pop.va.test.
12 IN PTR other.elsewhere.test.
13 IN PTR va.test.
14 IN PTR mailhost.
16 IN PTR mail.alias.test.
17 IN PTR mail.vb.test.
19 IN PTR deep.host.va.test.
20 IN PTR mail.elsewhere.test.
";

const V6: &str = "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 IN PTR mailhost.va.test.\n";

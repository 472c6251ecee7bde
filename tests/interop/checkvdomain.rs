//! `checkvdomain` against a running server, with names that are right, and with every mistake that its page warns of.

use std::process::Command;

use crate::harness::machine::Machine;
use crate::harness::need;
use crate::harness::pop::Pop;
use crate::harness::program::{Program, printed, run};
use crate::harness::site::Site;

#[test]
fn a_domain_that_is_right_passes() {
    need!(root, "nsd");
    Machine::run(|machine| {
        let (_server, _names) = furnish(machine);
        let (code, said) = checkvdomain(&["va.test"]);
        assert_eq!(code, Some(0), "{said}");
        for port in [110, 143] {
            assert!(said.contains(&format!("192.0.2.7:{port} greets with ")), "{said}");
        }
    });
}

#[test]
fn every_mistake_is_named_with_its_mend() {
    need!(root, "nsd");
    Machine::run(|machine| {
        let (_server, _names) = furnish(machine);
        for (domain, hints) in [
            ("ptr-is-domain.test", &["ptr-is-domain.test"][..]),
            ("no-ptr.test", &["192.0.2.22"]),
            ("no-host.test", &["no-host.test"]),
            ("other-domain.test", &["192.0.2.24"]),
            ("undefined.test", &["undefined.test"]),
            ("nobody-listens.test", &["192.0.2.26"]),
        ] {
            let (code, said) = checkvdomain(&[domain]);
            assert_eq!(code, Some(1), "{domain}:\n{said}");
            for hint in hints {
                assert!(said.contains(hint), "{domain}: {hint} in\n{said}");
            }
        }
        let (code, said) = checkvdomain(&["va.test", "no-ptr.test"]);
        assert_eq!(code, Some(1), "one that is wrong spoils the whole:\n{said}");
    });
}

#[test]
fn without_arguments_it_says_how_it_is_used() {
    let output = run(&mut Command::new(crate::harness::built("checkvdomain")), b"", 20);
    assert!(printed(&output).to_lowercase().contains("usage"), "{}", printed(&output));
}

fn checkvdomain(domains: &[&str]) -> (Option<i32>, String) {
    let output = run(Command::new("/usr/sbin/checkvdomain").args(domains), b"", 60);
    (output.status.code(), printed(&output))
}

/// A server and a name server; each domain but the first has one mistake, which its name tells.
fn furnish(machine: &Machine) -> (Program, Program) {
    machine.install_vmail();
    for last in [7, 21, 22, 24, 25] {
        machine.addresses(&[&format!("192.0.2.{last}")]);
    }
    machine.sh("ip address add 192.0.2.26/32 dev lo");
    let site = Site;
    let addresses = "address = [\"192.0.2.7\", \"192.0.2.21\", \"192.0.2.22\", \"192.0.2.24\", \"192.0.2.25\"]\n";
    site.configure(&["pop3", "imap"].map(|proto| format!("[[listen]]\nproto = \"{proto}\"\n{addresses}")).concat());
    site.domain("va.test", &["192.0.2.7"]).domain("no-ptr.test", &[]).domain("no-host.test", &[]);
    site.domain("ptr-is-domain.test", &["192.0.2.21"]).domain("other-domain.test", &[]).domain("nobody-listens.test", &["192.0.2.26"]);
    machine.install("nsd").file("/etc/nsd/v4.zone", V4).file("/etc/nsd/test.zone", TEST).file("/etc/nsd/nsd.conf", NSD);
    let mut names = Program::start(Command::new("/usr/sbin/nsd").args(["-d", "-c", "/etc/nsd/nsd.conf"]));
    names.says("nsd started");
    let server = site.serve();
    drop(Pop::dial("192.0.2.7:110"));
    (server, names)
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
  name: test
  zonefile: test.zone
"#;

const V4: &str = "\
$TTL 60
@ IN SOA ns.example.net. admin.example.net. 1 60 60 60 60
@ IN NS ns.example.net.
7 IN PTR mail.va.test.
21 IN PTR ptr-is-domain.test.
24 IN PTR mail.va.test.
25 IN PTR mail.undefined.test.
26 IN PTR mail.nobody-listens.test.
";

const TEST: &str = "\
$TTL 60
@ IN SOA ns.example.net. admin.example.net. 1 60 60 60 60
@ IN NS ns.example.net.
va IN MX 10 mail.va
mail.va IN A 192.0.2.7
pop.va IN A 192.0.2.7
mail.ptr-is-domain IN A 192.0.2.21
ptr-is-domain IN A 192.0.2.21
mail.no-ptr IN A 192.0.2.22
mail.other-domain IN A 192.0.2.24
mail.undefined IN A 192.0.2.25
mail.nobody-listens IN A 192.0.2.26
";

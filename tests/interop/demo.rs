//! What a new user sees first: the demo, and telnet.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::harness::imap::Imap;
use crate::harness::lmtp::Lmtp;
use crate::harness::pop::Pop;
use crate::harness::program::Program;
use crate::harness::{built, has_package, skip, until};

#[test]
fn telnet_is_greeted_by_the_domain_of_the_address_it_dials() {
    if !has_package("inetutils-telnet") {
        skip!("needs Debian's package telnet");
    }
    let demo = Demo::start();
    for (domain, address) in [("va.test", "127.0.0.2"), ("vb.test", "127.0.0.3")] {
        let port = demo.port("pop3", address);
        // Its own line ends are this system's; it hangs up when its input ends.
        let (mut telnet, mut keys) = Program::start_talking(Command::new("telnet").args([address, &port.to_string()]));
        telnet.says(&format!("+OK Virtual {domain} POP3 Server (Version 0.1) ready."));
        keys.write_all(b"QUIT\n").unwrap();
        telnet.says("Connection closed by foreign host");
    }
}

#[test]
fn the_demo_serves_two_joes_and_two_anns_with_different_mail() {
    let demo = Demo::start();
    let mut seen = Vec::new();
    for account in demo.ready["accounts"].as_array().unwrap() {
        let text = |key: &str| account[key].as_str().unwrap().to_owned();
        let address = text("address");
        let port = demo.port("pop3", &address);
        let mut pop = Pop::login((address.as_str(), port), &text("login"), &text("password"));
        let count: usize = pop.say("STAT").split(' ').nth(1).unwrap().parse().unwrap();
        match text("spool").as_str() {
            "mbox" => assert!(count >= 10, "a dozen messages, not {count}"),
            _ => assert_eq!(count, 3),
        }
        seen.push((text("domain"), text("spool"), pop.ask("RETR 1")));
        assert!(pop.say("QUIT").starts_with("+OK"));
        let mut imap = Imap::login((address.as_str(), demo.port("imap", &address)), &text("login"), &text("password"));
        assert!(imap.ask("EXAMINE INBOX").contains(&format!("* {count} EXISTS")), "both protocols show the same mailbox");
    }
    let of = |domain: &str, spool: &str| seen.iter().find(|(of, kind, _)| of == domain && kind == spool).unwrap().2.clone();
    for spool in ["mbox", "maildir"] {
        assert_ne!(of("va.test", spool), of("vb.test", spool));
    }
}

#[test]
fn the_demo_takes_mail_for_sales_by_its_socket_and_by_tcp() {
    let demo = Demo::start();
    let listeners = demo.ready["listeners"].as_array().unwrap();
    let by_tcp: Vec<_> = listeners.iter().filter(|one| one["proto"] == "lmtp").collect();
    let (address, port) = (by_tcp[0]["address"].as_str().unwrap(), by_tcp[0]["port"].as_u64().unwrap());
    assert_eq!((by_tcp.len(), address), (1, "127.0.0.1"), "{listeners:?}");
    let clients = [
        Lmtp::local(Path::new(demo.ready["lmtp"].as_str().unwrap())).unwrap(),
        Lmtp::tcp(format!("{address}:{port}").parse().unwrap()).unwrap(),
    ];
    for (number, mut client) in clients.into_iter().enumerate() {
        let replies = client.send(&["sales@va.test"], &format!("Subject: offer {number}\r\n\r\nCheap.\r\n")).unwrap();
        assert!(replies[0].starts_with("250 2.0.0 <sales@va.test> delivered "), "{replies:?}");
    }
    for account in demo.ready["accounts"].as_array().unwrap().iter().filter(|account| account["address"] == "127.0.0.2") {
        let text = |key: &str| account[key].as_str().unwrap().to_owned();
        let mut pop = Pop::login(("127.0.0.2", demo.port("pop3", "127.0.0.2")), &text("login"), &text("password"));
        let count: usize = pop.say("STAT").split(' ').nth(1).unwrap().parse().unwrap();
        let last = String::from_utf8(pop.ask(&format!("RETR {count}"))).unwrap();
        assert!(last.contains("Subject: offer 1\r\n"), "{last}");
        pop.quit();
    }
}

/// `vmail demo`, which anybody can start.
struct Demo {
    ready: serde_json::Value,
    _program: Program,
    _folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// Two that start at once may find the same ports free.
static TURN: Mutex<()> = Mutex::new(());

impl Demo {
    fn start() -> Demo {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let mut program = Program::start(Command::new(built("vmail")).args(["demo", "--json", "--dir"]).arg(folder.path()));
        let line = until("the demo's line", 30, || {
            assert!(!program.ended(), "the demo ended:\n{}", program.log());
            program.log().lines().find(|line| line.starts_with('{')).map(str::to_owned)
        });
        Demo { ready: serde_json::from_str(&line).expect(&line), _program: program, _folder: folder, _turn: turn }
    }

    fn port(&self, proto: &str, address: &str) -> u16 {
        let listeners = self.ready["listeners"].as_array().unwrap();
        let found = listeners.iter().find(|one| one["tls"] == "starttls" && one["address"] == address && one["proto"] == proto);
        found.unwrap()["port"].as_u64().unwrap() as u16
    }
}

//! The real server started, told to reload, and stopped.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::daemon::{Client, Daemon, free_address, poll};
use crate::house::House;
use crate::stls;

fn listening(addresses: &[SocketAddr], rest: &str) -> String {
    let listen = |address: &SocketAddr| {
        format!("[[listen]]\nproto = \"pop3\"\naddress = \"{}\"\nport = {}\ntls = \"starttls\"\n", address.ip(), address.port())
    };
    let listeners: String = addresses.iter().map(listen).collect();
    format!("{listeners}[reverse]\nlookup = \"off\"\n{rest}")
}

/// A house with one domain at `address`, where joe's password is `secret`.
fn house(address: SocketAddr, rest: &str) -> House {
    let house = House::new(&listening(&[address], rest));
    house.domain("va.test", &format!("ip = [\"{}\"]\n", address.ip()));
    house.user("joe@va.test", "secret");
    house
}

#[test]
fn sigterm_says_farewell_to_every_session_and_ends_well_and_soon() {
    let address = free_address();
    let house = house(address, "");
    house.deliver("joe@va.test", b"Subject: one\n\none\n");
    let daemon = Daemon::start(&house);
    let (mut idle, _) = Client::greeted(address);
    let mut busy = Client::logged_in(address, "joe", "secret");
    assert!(busy.ask("DELE 1").starts_with("+OK"));
    daemon.signal(Signal::TERM);
    for client in [&mut idle, &mut busy] {
        assert_eq!(client.hear_all(), "-ERR [SYS/TEMP] the server is being stopped, please come back later\r\n");
    }
    drop((idle, busy));
    let (status, waited) = daemon.wait();
    assert!(status.success(), "{status}");
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    assert!(house.stored("joe@va.test").contains("Subject: one"), "without QUIT nothing is deleted");
}

#[test]
fn sighup_brings_a_new_listener_and_a_new_certificate_and_keeps_sessions() {
    let (old, new) = (free_address(), free_address());
    let tls = "[tls]\ncertificate = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n";
    let house = house(old, tls);
    let first = house.certificate(&["mail.va.test"]);
    let daemon = Daemon::start(&house);
    stls::upgrade(old, &first, "mail.va.test").unwrap();
    let mut session = Client::logged_in(old, "joe", "secret");

    let second = house.certificate(&["mail.va.test"]);
    house.configure(&listening(&[old, new], tls));
    daemon.signal(Signal::HUP);
    daemon.await_ready();
    poll(|| stls::upgrade(old, &second, "mail.va.test").ok());
    assert!(stls::upgrade(old, &first, "mail.va.test").is_err(), "the old certificate is gone");
    let (_client, greeting) = Client::greeted(new);
    assert!(greeting.starts_with("-ERR [SYS/PERM]"), "no domain has that address: {greeting}");
    assert_eq!(session.ask("NOOP"), "+OK");

    house.configure(&listening(&[new], tls));
    poll(|| std::net::TcpStream::connect(old).is_err().then_some(()));
    assert_eq!(session.ask("NOOP"), "+OK", "a session outlives its listener");
}

#[test]
fn a_broken_vmail_toml_at_a_reload_changes_nothing() {
    let address = free_address();
    let house = house(address, "");
    let daemon = Daemon::start(&house);
    fs::write(house.root().machine(), "[login]\ntrys = 3\n").unwrap();
    daemon.signal(Signal::HUP);
    poll(|| daemon.log().contains("vmail.toml:2").then_some(()));
    drop(Client::logged_in(address, "joe", "secret"));
}

#[test]
fn a_domain_and_a_user_added_while_it_runs_are_served_without_a_signal() {
    let (address, other) = (free_address(), free_address());
    let house = House::new(&listening(&[address, other], ""));
    house.domain("va.test", &format!("ip = [\"{}\"]\n", address.ip()));
    let _daemon = Daemon::start(&house);
    vmail(&house, &["domain", "add", "vb.test", "--ip", &other.ip().to_string()], "");
    vmail(&house, &["user", "add", "ann@vb.test", "--password-stdin"], "another secret\n");
    poll(|| Client::greeted(other).1.contains("Virtual vb.test ").then_some(()));
    let mut client = Client::logged_in(other, "ann", "another secret");
    assert_eq!(client.ask("STAT"), "+OK 0 0");
    vmail(&house, &["user", "passwd", "ann@vb.test", "--password-stdin"], "a third secret\n");
    drop(client);
    poll(|| {
        let (mut client, _) = Client::greeted(other);
        client.ask("USER ann");
        client.ask("PASS another secret").starts_with("-ERR [AUTH]").then_some(())
    });
    poll(|| {
        let (mut client, _) = Client::greeted(other);
        client.ask("USER ann");
        client.ask("PASS a third secret").starts_with("+OK").then_some(())
    });
}

#[test]
fn the_first_domain_of_a_machine_is_served_without_a_signal() {
    let address = free_address();
    let house = House::new(&listening(&[address], ""));
    fs::remove_dir(house.root().domains()).unwrap();
    let _daemon = Daemon::start(&house);
    vmail(&house, &["domain", "add", "va.test", "--ip", &address.ip().to_string()], "");
    poll(|| Client::greeted(address).1.contains("Virtual va.test ").then_some(()));
    vmail(&house, &["user", "add", "joe@va.test", "--password-stdin"], "secret\n");
    drop(Client::logged_in(address, "joe", "secret"));
    // The folder of the records was not there when the server began to watch.
    vmail(&house, &["domain", "alias", "va.test", "va.net"], "");
    poll(|| {
        let (mut client, _) = Client::greeted(address);
        client.ask("USER joe@va.net");
        client.ask("PASS secret").starts_with("+OK").then_some(())
    });
}

fn vmail(house: &House, words: &[&str], typed: &str) {
    use std::io::Write;
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmail"));
    let mut child = command.arg("--root").arg(house.root().path()).args(words).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    // Commands that read nothing may have gone.
    let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    assert!(child.wait().unwrap().success(), "{words:?}");
}

#[test]
fn too_many_connections_are_refused_politely() {
    for (limit, words) in [("connections = 2", "All"), ("per_source = 2", "Source")] {
        let address = free_address();
        let house = house(address, &format!("[limit]\n{limit}\n"));
        let daemon = Daemon::start(&house);
        let (first, greeting) = Client::greeted(address);
        assert!(greeting.starts_with("+OK"));
        let (_second, _) = Client::greeted(address);
        let (mut third, refusal) = Client::greeted(address);
        assert_eq!(refusal, "-ERR [SYS/TEMP] too many connections, please try later");
        assert_eq!(third.hear_all(), "");
        assert!(daemon.log().contains(words), "{}", daemon.log());
        drop(first);
        poll(|| Client::greeted(address).1.starts_with("+OK").then_some(()));
    }
}

#[test]
fn a_broken_record_stops_its_own_domain_with_one_loud_error() {
    let (address, other) = (free_address(), free_address());
    let house = House::new(&listening(&[address, other], ""));
    house.domain("va.test", &format!("ip = [\"{}\"]\nuidll = \"uw\"\n", address.ip()));
    house.domain("vb.test", &format!("ip = [\"{}\"]\n", other.ip()));
    house.user("joe@vb.test", "secret");
    let daemon = Daemon::start(&house);
    let (_client, greeting) = Client::greeted(address);
    assert_eq!(greeting, "-ERR [SYS/TEMP] the record of this domain is broken; its administrator has to mend it");
    drop(Client::logged_in(other, "joe", "secret"));
    let log = daemon.log();
    assert_eq!(log.matches("va.test.toml:2: ").count(), 1, "{log}");
    house.domain("va.test", &format!("ip = [\"{}\"]\n", address.ip()));
    poll(|| Client::greeted(address).1.contains("Virtual va.test ").then_some(()));
}

//! The real `vmail serve` taking mail by LMTP: its socket, its end, and what is in the mailboxes when it was killed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use vmail::address::Owner;
use vmail::serve::{Mode, Server};
use vmail::store::{Account, Folder, FolderName, Home};

use crate::daemon::{Daemon, free_address, poll};
use crate::harness::lmtp::Lmtp;
use crate::harness::{built, ours};
use crate::house::House;

/// A house without POP3, with joe, whose mail is an mbox, and ann, whose mail is a Maildir.
fn house(rest: &str) -> House {
    let address = free_address();
    let house = House::new(&format!("{rest}\n[[listen]]\nproto = \"pop3\"\naddress = \"{}\"\nport = {}\n", address.ip(), address.port()));
    house.domain("va.test", "");
    ["joe@va.test", "ann@va.test"].iter().for_each(|owner| house.user(owner, "secret"));
    fs::write(house.root().spool(&"va.test".parse().unwrap()).join("joe"), "").unwrap();
    house
}

fn socket(house: &House) -> PathBuf {
    house.root().run().join("lmtp")
}

/// The messages in somebody's INBOX, in their order.
pub async fn kept(server: &Server, owner: &Owner) -> Vec<Vec<u8>> {
    let now = server.now();
    let domain = now.house.names.by_name(owner.domain()).unwrap();
    let passwd = domain.realm.users.passwd().unwrap();
    let account = Account::of(&domain, owner.user(), passwd.get(owner.user()).unwrap());
    let mut folder = now.house.store.home(account).open(&FolderName::inbox()).await.unwrap();
    let mut kept = Vec::new();
    for uid in folder.state().clone().messages().map(|message| message.uid) {
        kept.push(ours::octets(&mut folder, uid).await.unwrap());
    }
    kept
}

fn kept_below(house: &House, owner: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let kept = runtime.block_on(kept(&house.open(Mode::Inetd), &owner.parse().unwrap()));
    kept.into_iter().map(|octets| String::from_utf8(octets).unwrap()).collect()
}

#[test]
fn the_socket_has_the_rights_that_are_configured_and_goes_with_the_server() {
    let house = house("lmtp.mode = \"0600\"");
    let daemon = Daemon::start(&house);
    let socket = socket(&house);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Lmtp::local(&socket).unwrap().ask("QUIT").unwrap(), "221 2.0.0 goodbye");
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().0.success());
    assert!(!socket.exists(), "nobody listens there any more");
}

#[test]
fn what_a_killed_server_left_is_replaced_and_what_another_listens_on_is_not() {
    let house = house("");
    let first = Daemon::start(&house);
    drop(first);
    assert!(socket(&house).exists() && Lmtp::local(&socket(&house)).is_err(), "a socket without anybody");
    let second = Daemon::start(&house);
    let mut client = Lmtp::local(&socket(&house)).unwrap();
    let other = self::house(&format!("lmtp.socket = {:?}", socket(&house)));
    let refused = std::process::Command::new(built("vmail")).arg("--root").arg(other.root().path()).arg("serve").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("another program listens there"), "{said}");
    assert_eq!(client.ask("NOOP").unwrap(), "250 2.0.0 still here");
    drop(second);
}

#[test]
fn a_reload_moves_the_socket() {
    let house = house("");
    let daemon = Daemon::start(&house);
    let mut session = Lmtp::local(&socket(&house)).unwrap();
    let text = fs::read_to_string(house.root().machine()).unwrap();
    let mut machine: toml::Table = text.parse().unwrap();
    machine.insert("lmtp".into(), toml::Value::Table("socket = \"other\"".parse().unwrap()));
    fs::write(house.root().machine(), toml::to_string(&machine).unwrap()).unwrap();
    daemon.signal(Signal::HUP);
    let other = house.root().run().join("other");
    poll(|| Lmtp::local(&other).ok());
    assert!(!socket(&house).exists());
    assert_eq!(session.ask("NOOP").unwrap(), "250 2.0.0 still here", "a session outlives its socket");
}

#[test]
fn by_tcp_it_listens_where_that_is_configured() {
    let address = free_address();
    let house =
        house(&format!("lmtp.socket = \"\"\n[[listen]]\nproto = \"lmtp\"\naddress = \"{}\"\nport = {}", address.ip(), address.port()));
    let _daemon = Daemon::start(&house);
    assert!(!socket(&house).exists());
    let replies = Lmtp::tcp(address).unwrap().send(&["ann@va.test"], "Subject: one\r\n").unwrap();
    assert!(replies[0].starts_with("250 2.0.0 <ann@va.test> delivered "), "{replies:?}");
    let kept = kept_below(&house, "ann@va.test");
    assert!(kept.len() == 1 && kept[0].contains("from client.test ([127.0.0.1])\n"), "{kept:?}");
}

#[test]
fn the_id_in_the_reply_is_in_the_header_and_in_the_log() {
    let house = house("log.format = \"logfmt\"");
    let daemon = Daemon::start(&house);
    let replies = Lmtp::local(&socket(&house)).unwrap().send(&["joe@va.test"], "Subject: one\r\n").unwrap();
    let id = replies[0].rsplit(' ').next().unwrap();
    assert!(kept_below(&house, "joe@va.test")[0].contains(&format!(" with LMTP id {id}\n")));
    let line = poll(|| daemon.log().lines().find(|line| line.contains("event=delivery")).map(str::to_owned));
    for field in [&format!("id={id}"), "proto=lmtp", "peer=local", "sender=eve@x.org", "rcpt=joe@va.test", "status=2.0.0"] {
        assert!(line.contains(field), "{field} is not in {line}");
    }
}

#[test]
fn sigterm_waits_for_the_message_under_way() {
    let house = house("");
    let daemon = Daemon::start(&house);
    let mut idle = Lmtp::local(&socket(&house)).unwrap();
    let mut busy = Lmtp::local(&socket(&house)).unwrap();
    busy.ask("MAIL FROM:<eve@x.org>").unwrap();
    busy.ask("RCPT TO:<ann@va.test>").unwrap();
    assert!(busy.ask("DATA").unwrap().starts_with("354"));
    busy.say(b"Subject: one\r\n\r\nhalf").unwrap();
    daemon.signal(Signal::TERM);
    assert_eq!(idle.rest(), "421 4.3.2 the server is being stopped, please come back later\r\n");
    std::thread::sleep(Duration::from_millis(50));
    busy.say(b" and half\r\n.\r\n").unwrap();
    let rest = busy.rest();
    assert!(rest.starts_with("250 2.0.0 <ann@va.test> delivered ") && rest.contains("\r\n421 4.3.2 "), "{rest}");
    drop((idle, busy));
    assert!(daemon.wait().0.success());
    assert!(kept_below(&house, "ann@va.test")[0].ends_with("half and half\n"));
}

#[test]
fn more_connections_than_there_may_be_come_again_later() {
    let house = house("lmtp.connections = 2");
    let _daemon = Daemon::start(&house);
    let _two: Vec<Lmtp> = (0..2).map(|_| Lmtp::local(&socket(&house)).unwrap()).collect();
    let mut stream = std::os::unix::net::UnixStream::connect(socket(&house)).unwrap();
    let mut heard = String::new();
    std::io::Read::read_to_string(&mut stream, &mut heard).unwrap();
    assert_eq!(heard, "421 4.3.2 too many connections, please come back later\r\n");
}

/// What was acknowledged is there, every octet of it and once, however often the server is killed in the middle of deliveries.
#[test]
fn kill_9_during_a_storm_loses_nothing_that_was_acknowledged() {
    let house = house("");
    let mut acknowledged: Vec<(String, String)> = Vec::new();
    for round in 0..6_u64 {
        let daemon = Daemon::start(&house);
        let (is_over, socket) = (AtomicBool::new(false), socket(&house));
        let storms = std::thread::scope(|scope| {
            let storm = |client: u64| {
                let (is_over, socket) = (&is_over, &socket);
                scope.spawn(move || storm(socket, &format!("{round}.{client}"), is_over))
            };
            let clients: Vec<_> = (0..6).map(storm).collect();
            std::thread::sleep(Duration::from_millis(60 + 45 * round));
            drop(daemon);
            is_over.store(true, Ordering::Relaxed);
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>()
        });
        acknowledged.extend(storms);
    }
    assert!(acknowledged.len() > 50, "{} deliveries were no storm", acknowledged.len());
    for owner in ["joe@va.test", "ann@va.test"] {
        let mut there: BTreeMap<String, usize> = BTreeMap::new();
        for message in kept_below(&house, owner) {
            *there.entry(whole(&message)).or_default() += 1;
        }
        let mine = acknowledged.iter().filter(|(to, _)| to == owner);
        let wrong: Vec<_> = mine.filter(|(_, number)| there.get(number) != Some(&1)).collect();
        assert!(wrong.is_empty(), "{owner}: lost or doubled: {wrong:?}");
    }
}

/// Delivers until it is over; who has which messages for sure.
fn storm(socket: &std::path::Path, name: &str, is_over: &AtomicBool) -> Vec<(String, String)> {
    let (mut acknowledged, mut number) = (Vec::new(), 0);
    while !is_over.load(Ordering::Relaxed) {
        let Ok(mut client) = Lmtp::local(socket) else { continue };
        loop {
            number += 1;
            let text = text(&format!("{name}.{number}"), 40 * (number % 5));
            let to: &[&str] = [&["joe@va.test"][..], &["ann@va.test"], &["joe@va.test", "ann@va.test"]][number % 3];
            let Ok(replies) = client.send(to, &text) else { break };
            for (to, reply) in to.iter().zip(replies) {
                if reply.starts_with("250") {
                    acknowledged.push(((*to).to_owned(), format!("{name}.{number}")));
                }
            }
        }
    }
    acknowledged
}

fn text(number: &str, lines: usize) -> String {
    let body: String = (0..lines).map(|line| format!("{number} {line}\r\n")).collect();
    format!("X-Number: {number}\r\nX-Lines: {lines}\r\n\r\n{body}end\r\n")
}

/// The number of a message that is stored as it was sent.
fn whole(stored: &str) -> String {
    let at = stored.find("X-Number: ").unwrap_or_else(|| panic!("no number in {stored}"));
    let field = |name: &str| stored.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let (number, lines) = (field("X-Number: "), field("X-Lines: "));
    assert_eq!(stored[at..], text(&number, lines.parse().unwrap()).replace("\r\n", "\n"), "{number} is torn");
    number
}

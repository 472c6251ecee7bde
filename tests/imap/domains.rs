//! Two domains with the same user, in the clear, with STARTTLS (RFC 9051 §6.2.1) and with TLS from the first octet (RFC 8314).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::{Address, World, subjects};
use crate::harness::imap::Imap;
use crate::stls;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Clear,
    StartTls,
    Tls,
}

const WAYS: [Way; 3] = [Way::Clear, Way::StartTls, Way::Tls];

/// Dials; gives the greeting, and the client as it is before the login.
fn dial(world: &World, address: &Address, way: Way, name: &str) -> (String, Imap) {
    match way {
        Way::Clear => {
            let (imap, greeting) = Imap::dial(address.starttls);
            (greeting, imap)
        }
        Way::StartTls => {
            let (greeting, tls) = upgraded(world, address, "s STARTTLS\r\n", name);
            (greeting, Imap::over(tls))
        }
        Way::Tls => {
            let tcp = connected(address.implicit);
            let mut imap = Imap::over(within_tls(world, tcp, name));
            (imap.line(), imap)
        }
    }
}

fn connected(address: std::net::SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    tcp
}

/// Says `said`, which begins with STARTTLS; gives the greeting, and TLS.
fn upgraded(world: &World, address: &Address, said: &str, name: &str) -> (String, StreamOwned<ClientConnection, TcpStream>) {
    let mut lines = BufReader::new(connected(address.starttls));
    let (mut greeting, mut answer) = (String::new(), String::new());
    lines.read_line(&mut greeting).unwrap();
    lines.get_mut().write_all(said.as_bytes()).unwrap();
    lines.read_line(&mut answer).unwrap();
    assert!(answer.starts_with("s OK "), "{answer}");
    assert!(lines.buffer().is_empty(), "something in the clear behind the answer to STARTTLS");
    (greeting, within_tls(world, lines.into_inner(), name))
}

fn within_tls(world: &World, tcp: TcpStream, name: &str) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    StreamOwned::new(ClientConnection::new(stls::client(&world.authority), name).unwrap(), tcp)
}

#[test]
fn each_joe_sees_his_own_mail_whichever_way_he_comes() {
    let world = World::new();
    let domains = [("va.test", &world.va, "one", "two"), ("vb.test", &world.vb, "two", "one")];
    // Twice: what has been remembered of passwords makes no difference.
    for way in WAYS.into_iter().chain(WAYS) {
        for (domain, address, password, of_the_other) in domains {
            let (greeting, mut imap) = dial(&world, address, way, &format!("mail.{domain}"));
            assert!(greeting.contains(&format!("Virtual {domain} ")), "{way:?}: {greeting}");
            let refused = imap.say(&format!("LOGIN joe {of_the_other}")).pop().unwrap();
            assert!(refused.starts_with("NO [AUTHENTICATIONFAILED]"), "{way:?} {domain}: {refused}");
            imap.ask(&format!("LOGIN joe {password}"));
            assert_eq!(subjects(&mut imap), [format!("of joe@{domain}")], "{way:?}");
            imap.ask("LOGOUT");
        }
    }
}

#[test]
fn a_login_with_a_domain_is_for_that_domain_and_takes_its_password_only() {
    let world = World::new();
    for way in WAYS {
        let (_, mut imap) = dial(&world, &world.va, way, "mail.va.test");
        assert!(imap.say("LOGIN joe@vb.test one").pop().unwrap().starts_with("NO [AUTHENTICATIONFAILED]"), "{way:?}");
        imap.ask("LOGIN joe@vb.test two");
        assert_eq!(subjects(&mut imap), ["of joe@vb.test"], "{way:?}");
    }
}

#[test]
fn capabilities_are_those_of_the_connection() {
    let world = World::new();
    for way in WAYS {
        let (greeting, mut imap) = dial(&world, &world.va, way, "mail.va.test");
        // The clear greeting of a connection that TLS is begun on offers it, and nothing else does.
        assert_eq!(greeting.contains(" STARTTLS"), way != Way::Tls, "{greeting}");
        let capabilities = imap.ask("CAPABILITY").remove(0);
        assert_eq!(capabilities.contains(" STARTTLS"), way == Way::Clear, "{way:?}: {capabilities}");
        assert!(capabilities.contains(" AUTH=PLAIN") && capabilities.contains(" LITERAL-"), "{way:?}: {capabilities}");
        assert_eq!(imap.say("STARTTLS").pop().unwrap().starts_with("BAD"), way != Way::Clear);
    }
}

#[test]
fn what_was_said_behind_starttls_is_dropped() {
    let world = World::new();
    // CVE-2011-0411: were it kept, joe of the next line would log in with a password that somebody on the way has chosen.
    let (_, mut tls) = upgraded(&world, &world.va, "s STARTTLS\r\ni LOGIN joe {3}\r\none\r\n", "mail.va.test");
    tls.write_all(b"a LIST \"\" *\r\nb LOGOUT\r\n").unwrap();
    let mut heard = String::new();
    tls.read_to_string(&mut heard).unwrap();
    assert_eq!(heard.lines().next(), Some("a BAD log in first"), "{heard}");
    assert!(!heard.contains("i OK") && !heard.contains("i NO") && !heard.contains("+ "), "{heard}");
}

//! STLS (RFC 2595 §4) with a real TLS client: what is announced and taken before and after, and that nothing injected survives.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use vmail::serve::Mode;

use crate::house::{Dial, House};

/// A client that trusts this authority alone.
pub fn client(authority: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// Over TCP: greeting, STLS, and a CAPA inside TLS.
///
/// # Errors
/// The authority does not vouch for the server.
pub fn upgrade(address: SocketAddr, authority: &str, name: &str) -> io::Result<()> {
    let tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut lines = BufReader::new(tcp);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    lines.get_mut().write_all(b"STLS\r\n")?;
    line.clear();
    lines.read_line(&mut line)?;
    assert!(line.starts_with("+OK"), "{line}");
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let connection = ClientConnection::new(client(authority), name).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(connection, lines.into_inner());
    tls.write_all(b"QUIT\r\n")?;
    let mut answer = [0; 3];
    tls.read_exact(&mut answer)?;
    assert_eq!(&answer, b"+OK");
    Ok(())
}

fn house() -> (House, String) {
    let house = House::new("[tls]\ncertificate = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n[address]\n\"192.0.2.4\" = \"shared\"\n");
    let authority = house.certificate(&["mail.va.test", "mail.vb.test"]);
    for (name, address) in [("va.test", "192.0.2.2"), ("vb.test", "192.0.2.3")] {
        house.domain(name, &format!("ip = [\"{address}\"]\n"));
        house.user(&format!("joe@{name}"), "secret");
    }
    (house, authority)
}

/// Says `before` in the clear (STLS with whatever is behind it), then `inside` within TLS; all that was heard, before and inside.
async fn dialogue(local: &str, before: &[u8], sni: &str, inside: &str) -> (String, String) {
    let (house, authority) = house();
    let server = house.open(Mode::Daemon);
    let (pipe, session) = Dial::to(local).connect(&server, 1 << 20);
    let mut pipe = tokio::io::BufReader::new(pipe);
    pipe.write_all(before).await.unwrap();
    let mut heard = String::new();
    while !heard.contains("Begin TLS") {
        assert!(pipe.read_line(&mut heard).await.unwrap() > 0, "{heard}");
    }
    assert!(pipe.buffer().is_empty(), "something in the clear behind the answer to STLS");
    let name = ServerName::try_from(sni.to_owned()).unwrap();
    let mut tls = tokio_rustls::TlsConnector::from(client(&authority)).connect(name, pipe.into_inner()).await.unwrap();
    tls.write_all(inside.as_bytes()).await.unwrap();
    let mut within = String::new();
    tls.read_to_string(&mut within).await.unwrap();
    session.await.unwrap();
    (heard, within)
}

#[tokio::test]
async fn after_stls_passwords_are_announced_and_taken_and_stls_is_not() {
    let (before, inside) =
        dialogue("192.0.2.2", b"CAPA\r\nSTLS\r\n", "mail.va.test", "CAPA\r\nSTLS\r\nUSER joe\r\nPASS secret\r\nCAPA\r\nQUIT\r\n").await;
    let has = |text: &str, line: &str| text.lines().any(|found| found == line);
    assert!(has(&before, "STLS") && !has(&before, "USER") && !has(&before, "SASL PLAIN"), "{before}");
    assert!(!has(&inside, "STLS") && inside.matches("SASL PLAIN\r\n").count() == 2, "{inside}");
    assert!(has(&inside, "-ERR TLS is not available here"), "{inside}");
    assert!(has(&inside, "+OK 0 messages ready for joe (0 octets)"), "{inside}");
    assert!(inside.ends_with("shutdown.\r\n"), "{inside}");
}

#[tokio::test]
async fn what_was_injected_behind_stls_is_dropped() {
    let (before, inside) =
        dialogue("192.0.2.2", b"STLS\r\nUSER mallory\r\nNOOP\r\nCAPA\r\n", "mail.va.test", "PASS secret\r\nQUIT\r\n").await;
    assert_eq!(before.lines().count(), 2, "{before}");
    // CVE-2011-0411: had the injected USER been kept, PASS would now be that of its session.
    assert!(inside.starts_with("-ERR Invalid command; valid commands: USER, QUIT\r\n+OK"), "{inside}");
}

#[tokio::test]
async fn a_user_named_before_stls_is_forgotten() {
    // RFC 2595 §4: the session is as after the greeting. Only STLS can be pipelined here, so the name comes from this machine.
    let (house, authority) = house();
    let server = house.open(Mode::Daemon);
    let mut dial = Dial::to("192.0.2.2");
    dial.peer = "127.0.0.1".parse().unwrap();
    let (pipe, _session) = dial.connect(&server, 1 << 20);
    let mut pipe = tokio::io::BufReader::new(pipe);
    pipe.write_all(b"USER joe\r\nSTLS\r\n").await.unwrap();
    let mut heard = String::new();
    while !heard.contains("Begin TLS") {
        assert!(pipe.read_line(&mut heard).await.unwrap() > 0, "{heard}");
    }
    let name = ServerName::try_from("mail.va.test").unwrap();
    let mut tls = tokio_rustls::TlsConnector::from(client(&authority)).connect(name, pipe.into_inner()).await.unwrap();
    tls.write_all(b"PASS secret\r\nQUIT\r\n").await.unwrap();
    let mut inside = String::new();
    tls.read_to_string(&mut inside).await.unwrap();
    assert!(inside.starts_with("-ERR Invalid command; valid commands: USER, QUIT\r\n"), "{inside}");
}

#[tokio::test]
async fn the_server_name_says_which_domain_a_bare_login_is_of() {
    let (before, inside) = dialogue("192.0.2.4", b"STLS\r\n", "mail.vb.test", "USER joe\r\nPASS secret\r\nQUIT\r\n").await;
    assert!(before.starts_with("+OK host.test POP3 Server"), "{before}");
    assert!(inside.contains("messages ready for joe") && inside.contains("Virtual vb.test POP3 Server"), "{inside}");
}

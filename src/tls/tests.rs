//! Real handshakes, over a pipe.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, NamedGroup, ProtocolVersion, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::{TlsConnector, client};

use super::*;

struct House {
    folder: TempDir,
    authority: Authority,
}

impl House {
    fn new() -> House {
        House { folder: tempfile::tempdir().unwrap(), authority: Authority::new("Authority of the tests").unwrap() }
    }

    fn pair(&self, file: &str, names: &[&str]) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.write(file, &self.authority.issue(&names, &[]).unwrap())
    }

    fn write(&self, file: &str, issued: &Issued) -> Pair {
        let pair = Pair { certificate: self.path(&format!("{file}.pem")), key: self.path(&format!("{file}.key")) };
        fs::write(&pair.certificate, &issued.certificate).unwrap();
        fs::write(&pair.key, issued.key.as_bytes()).unwrap();
        fs::set_permissions(&pair.key, fs::Permissions::from_mode(0o600)).unwrap();
        pair
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join(file)
    }

    fn machine(&self, file: &str, names: &[&str]) -> Source {
        Source { pair: self.pair(file, names), holder: Holder::Machine }
    }

    fn domain(&self, file: &str, names: &[&str], own: &[&str], addresses: &[&str]) -> Source {
        let holder = Holder::Domain {
            names: own.iter().map(|name| name.parse().unwrap()).collect(),
            addresses: addresses.iter().map(|&text| address(text)).collect(),
        };
        Source { pair: self.pair(file, names), holder }
    }

    fn client(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.certificate().as_bytes()).unwrap()).unwrap();
        ClientConfig::builder_with_provider(PROVIDER.clone())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// A handshake of a client that dials `local` and expects `name`; it asks for that name when `sni` is set.
    async fn dial(&self, certificates: &Certificates, local: &str, name: &str, sni: bool) -> io::Result<Met> {
        let mut config = self.client(rustls::ALL_VERSIONS);
        config.enable_sni = sni;
        meet(certificates, local, name, Arc::new(config)).await
    }
}

struct Met {
    client: client::TlsStream<DuplexStream>,
    server: TlsStream<DuplexStream>,
    sni: Option<String>,
}

async fn meet(certificates: &Certificates, local: &str, name: &str, config: Arc<ClientConfig>) -> io::Result<Met> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(config);
    let (client, server) = tokio::join!(connector.connect(name, near), accept(far, certificates, address(local)));
    let client = client?;
    let (server, sni) = server?;
    Ok(Met { client, server, sni })
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn load(sources: impl IntoIterator<Item = Source>) -> Certificates {
    let (certificates, flaws) = Certificates::load(sources);
    assert_eq!(flaws, []);
    certificates
}

#[tokio::test]
async fn octets_go_both_ways() {
    let house = House::new();
    let certificates = load([house.machine("m", &["mail.host.test"])]);
    let Met { mut client, mut server, sni } = house.dial(&certificates, "127.0.0.1", "MAIL.host.test", true).await.unwrap();
    assert_eq!(sni.as_deref(), Some("mail.host.test"));
    server.write_all(b"+OK\r\n").await.unwrap();
    server.flush().await.unwrap();
    let mut answer = [0; 5];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}

#[tokio::test]
async fn the_name_asked_for_goes_before_the_address_dialled() {
    let house = House::new();
    let certificates = load([
        house.machine("m", &["mail.host.test"]),
        house.domain("a", &["a.test", "*.a.test"], &["a.test"], &["127.0.0.2"]),
        house.domain("b", &["b.test", "pop.b.test"], &["b.test"], &["127.0.0.3", "::ffff:127.0.0.4"]),
    ]);
    for (local, name, sni) in [
        ("127.0.0.2", "a.test", false),
        ("::ffff:127.0.0.2", "a.test", false),
        ("127.0.0.4", "b.test", false),
        ("127.0.0.9", "mail.host.test", false),
        ("127.0.0.2", "b.test", true),
        ("127.0.0.2", "pop.b.test", true),
        ("127.0.0.9", "a.test", true),
        ("127.0.0.3", "anything.a.test", true),
        ("127.0.0.3", "mail.host.test", true),
    ] {
        let met = house.dial(&certificates, local, name, sni).await;
        assert!(met.is_ok(), "{local} {name} {sni}: {:?}", met.err());
    }
    assert!(house.dial(&certificates, "127.0.0.3", "a.test", false).await.is_err(), "b's certificate is not a's");
}

#[test]
fn the_order_of_choice() {
    let house = House::new();
    let certificates =
        load([house.domain("a", &["a.test"], &["a.test", "alias.test"], &["127.0.0.2"]), house.machine("m", &["mail.a.test"])]);
    let choice = |local: &str, sni: Option<&str>| certificates.choose(address(local), sni).unwrap();
    let (a, machine) = (choice("127.0.0.2", None), choice("127.0.0.9", None));
    assert!(!Arc::ptr_eq(&a, &machine));
    for (sni, expected) in [
        ("a.test", &a),
        ("A.Test.", &a),
        ("alias.test", &a),
        ("host.alias.test", &a),
        ("pop.a.test", &a),
        ("mail.a.test", &machine),
        ("deep.pop.a.test", &machine),
        ("other.test", &machine),
        ("not a name", &machine),
        ("localhost", &machine),
        ("", &machine),
    ] {
        assert!(Arc::ptr_eq(&choice("127.0.0.9", Some(sni)), expected), "{sni:?}");
    }
}

#[test]
fn no_domain_takes_another_one_s_clients() {
    let house = House::new();
    let certificates = load([
        house.domain("thief", &["thief.test", "a.test", "*.a.test", "mail.host.test", "xthief.test"], &["thief.test"], &[]),
        house.domain("a", &["a.test"], &["a.test"], &["127.0.0.2"]),
        house.machine("m", &["mail.host.test"]),
    ]);
    let choice = |sni: &str| certificates.choose(address("127.0.0.9"), Some(sni)).unwrap();
    let thief = choice("thief.test");
    for name in ["a.test", "mail.a.test", "mail.host.test", "xthief.test"] {
        assert!(!Arc::ptr_eq(&choice(name), &thief), "{name}");
    }
}

#[tokio::test]
async fn a_client_for_whom_there_is_no_certificate_gets_an_alert() {
    let house = House::new();
    let certificates = load([house.domain("a", &["a.test"], &["a.test"], &["127.0.0.2"])]);
    assert!(certificates.any_for(address("127.0.0.2")) && !certificates.any_for(address("127.0.0.3")));
    for sni in [true, false] {
        let Err(error) = house.dial(&certificates, "127.0.0.3", "b.test", sni).await else { panic!() };
        assert!(error.to_string().contains("alert"), "{error}");
    }
    assert!(!Certificates::default().any_for(address("127.0.0.2")));
}

#[tokio::test]
async fn what_is_no_tls_is_refused() {
    let house = House::new();
    let certificates = load([house.machine("m", &["mail.host.test"])]);
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(b"USER joe\r\nPASS x\r\n").await.unwrap();
    let refused = accept(far, &certificates, address("127.0.0.1")).await;
    assert_eq!(refused.err().unwrap().kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn key_exchange_resists_quantum_computers_and_both_versions_are_spoken() {
    let house = House::new();
    let certificates = load([house.machine("m", &["mail.host.test"])]);
    for (version, expected) in [(&rustls::version::TLS13, ProtocolVersion::TLSv1_3), (&rustls::version::TLS12, ProtocolVersion::TLSv1_2)] {
        let config = Arc::new(house.client(&[version]));
        let met = meet(&certificates, "127.0.0.1", "mail.host.test", config).await.unwrap();
        let (_, session) = met.server.get_ref();
        assert_eq!(session.protocol_version(), Some(expected));
        if expected == ProtocolVersion::TLSv1_3 {
            assert_eq!(session.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
        }
    }
}

#[tokio::test]
async fn sessions_resume_also_after_a_reload() {
    let house = House::new();
    let sources = [house.machine("m", &["mail.host.test"])];
    let config = Arc::new(house.client(rustls::ALL_VERSIONS));
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let certificates = load(sources.clone());
        let mut met = meet(&certificates, "127.0.0.1", "mail.host.test", config.clone()).await.unwrap();
        met.server.write_all(b"x").await.unwrap();
        met.server.flush().await.unwrap();
        met.client.read_u8().await.unwrap();
        kinds.push(met.server.get_ref().1.handshake_kind().unwrap());
    }
    assert_eq!(kinds[1..], [rustls::HandshakeKind::Resumed; 2]);
}

#[tokio::test]
async fn a_reload_shows_the_new_certificate() {
    let house = House::new();
    let old = load([house.machine("m", &["old.host.test"])]);
    let new = load([house.machine("m", &["new.host.test"])]);
    assert!(house.dial(&old, "127.0.0.1", "old.host.test", true).await.is_ok());
    assert!(house.dial(&new, "127.0.0.1", "new.host.test", true).await.is_ok());
    assert!(house.dial(&new, "127.0.0.1", "old.host.test", true).await.is_err());
}

#[tokio::test]
async fn a_self_signed_certificate_serves_names_and_addresses() {
    let house = House::new();
    let issued = self_signed(&["mail.host.test".into()], &[address("127.0.0.1")]).unwrap();
    let certificates = load([Source { pair: house.write("m", &issued), holder: Holder::Machine }]);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    for name in ["mail.host.test", "127.0.0.1"] {
        assert!(meet(&certificates, "127.0.0.1", name, config.clone()).await.is_ok(), "{name}");
    }
    assert!(self_signed(&[], &[]).is_err());
    assert!(self_signed(&["ü".into()], &[]).is_err());
}

/// The one flaw of a pair, and whether another pair still holds.
fn flaw_of(house: &House, pair: Pair) -> Flaw {
    let (certificates, mut flaws) =
        Certificates::load([Source { pair, holder: Holder::Machine }, house.domain("good", &["a.test"], &["a.test"], &["127.0.0.2"])]);
    assert!(certificates.any_for(address("127.0.0.2")), "the others hold");
    let flaw = flaws.pop().unwrap();
    assert_eq!(flaws, []);
    assert_eq!(certificates.any_for(address("127.0.0.9")), !flaw.is_fatal);
    flaw
}

fn assert_told(flaw: &Flaw, file: &Path, what: &str) {
    assert_eq!(flaw.fault.file, file);
    assert!(flaw.fault.what.contains(what), "{flaw}");
}

#[test]
fn a_broken_pair_is_told_with_its_mend_and_the_others_hold() {
    let house = House::new();
    let (one, two) = (house.pair("one", &["m.test"]), house.pair("two", &["m.test"]));
    let with_key = |file: &str, text: &[u8]| {
        fs::write(house.path(file), text).unwrap();
        fs::set_permissions(house.path(file), fs::Permissions::from_mode(0o600)).unwrap();
        Pair { certificate: one.certificate.clone(), key: house.path(file) }
    };
    let with_certificate = |file: &str, text: &[u8]| {
        fs::write(house.path(file), text).unwrap();
        Pair { certificate: house.path(file), key: one.key.clone() }
    };
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (pair, what) in [
        (Pair { key: two.key.clone(), ..one.clone() }, "is not the key of"),
        (Pair { key: house.path("none"), ..one.clone() }, "does not exist"),
        (Pair { key: one.certificate.clone(), ..one.clone() }, "has no private key"),
        (with_key("encrypted", encrypted), "is encrypted"),
        (with_key("garbage", b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n"), "is no PEM file"),
        (with_key("short", b"-----BEGIN PRIVATE KEY-----\nMAAA\n-----END PRIVATE KEY-----\n"), "cannot be used"),
    ] {
        let flaw = flaw_of(&house, pair.clone());
        assert_told(&flaw, &pair.key, what);
        assert!(flaw.is_fatal);
    }
    for (pair, what) in [
        (Pair { certificate: house.path("none"), ..one.clone() }, "does not exist"),
        (Pair { certificate: one.key.clone(), ..one.clone() }, "has no certificate"),
        (with_certificate("empty.pem", b""), "has no certificate"),
        (with_certificate("torn.pem", b"-----BEGIN CERTIFICATE-----\nMIIB"), "is no PEM file"),
        (with_certificate("short.pem", b"-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"), "is damaged or too old"),
        (with_certificate("large.pem", &[b' '; (1 << 20) + 1]), "is larger than 1 MiB"),
        (Pair { certificate: house.folder.path().into(), ..one.clone() }, "cannot be read"),
    ] {
        let flaw = flaw_of(&house, pair.clone());
        assert_told(&flaw, &pair.certificate, what);
        assert!(flaw.is_fatal);
    }
}

#[test]
fn a_key_that_everybody_reads_is_told_and_used() {
    let house = House::new();
    let pair = house.pair("one", &["m.test"]);
    fs::set_permissions(&pair.key, fs::Permissions::from_mode(0o644)).unwrap();
    let flaw = flaw_of(&house, pair.clone());
    assert_told(&flaw, &pair.key, "chmod 0600");
    assert!(!flaw.is_fatal);
}

#[test]
fn dates_are_told_and_the_pair_is_used() {
    let house = House::new();
    let today = chrono::Utc::now().date_naive();
    for (from, until, what) in [(-30, -2, "has expired on"), (2, 30, "is not valid before"), (-30, 5, "expires on")] {
        let mut params = rcgen::CertificateParams::new(["m.test".to_owned()]).unwrap();
        let time = |days: i64| {
            use chrono::Datelike;
            let date = today + chrono::TimeDelta::days(days);
            rcgen::date_time_ymd(date.year(), date.month() as u8, date.day() as u8)
        };
        (params.not_before, params.not_after) = (time(from), time(until));
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let pair = house.write("dated", &Issued { certificate, key: key.serialize_pem().into() });
        let flaw = flaw_of(&house, pair.clone());
        assert_told(&flaw, &pair.certificate, what);
        assert!(!flaw.is_fatal);
    }
}

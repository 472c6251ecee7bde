//! Who gets in, what a refusal gives away, and what the log keeps to itself.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vmail::config::Scheme;
use vmail::serve::{Mode, Server};
use vmail::vdomain::password::{Secret, hash};

use crate::daemon::{Client, Daemon, free_address};
use crate::house::{Dial, House, quick_hash};

const REFUSED: &str = "-ERR [AUTH] invalid usercode or password, please try again";

/// The answer to PASS.
async fn log_in(server: &Arc<Server>, name: &str, password: &str) -> String {
    let (mut pipe, session) = Dial::to("192.0.2.2").connect(server, 1 << 16);
    pipe.write_all(format!("USER {name}\r\nPASS {password}\r\nQUIT\r\n").as_bytes()).await.unwrap();
    let mut heard = String::new();
    pipe.read_to_string(&mut heard).await.unwrap();
    session.await.unwrap();
    heard.lines().nth(2).unwrap().to_owned()
}

fn house() -> House {
    let house = House::new("");
    house.domain("va.test", "ip = [\"192.0.2.2\"]\n");
    house
}

#[tokio::test]
async fn whoever_has_no_usable_password_is_refused_like_one_with_a_wrong_password() {
    let (house, good) = (house(), quick_hash("secret"));
    for (name, fields) in [
        ("locked", format!("!{good}:::::::")),
        ("double", format!("!!{good}:::::::")),
        ("starred", "*:::::::".to_owned()),
        ("empty", ":::::::".to_owned()),
        ("unknown-method", "$99$salt$hash:::::::".to_owned()),
        ("plain", "secret:::::::".to_owned()),
        ("expired", format!("{good}:::::: 1:").replace(' ', "")),
        ("aged", format!("{good}:1:0:30:7:7::")),
        ("wrong", format!("{}:::::::", quick_hash("other"))),
    ] {
        house.user_with(&format!("{name}@va.test"), &fields);
    }
    house.user("good@va.test", "secret");
    let passwd = house.root().passwd(&"va.test".parse().unwrap());
    let text = fs::read_to_string(&passwd).unwrap() + "shadowless:x:1:1::/h:/bin/false\n";
    fs::write(&passwd, text).unwrap();
    let server = house.open(Mode::Daemon);
    for name in [
        "locked",
        "double",
        "starred",
        "empty",
        "unknown-method",
        "plain",
        "expired",
        "aged",
        "wrong",
        "shadowless",
        "nobody",
        "root",
        "../x",
    ] {
        assert_eq!(log_in(&server, name, "secret").await, REFUSED, "{name}");
    }
    assert_eq!(log_in(&server, "empty", " ").await, REFUSED);
    assert_eq!(log_in(&server, "good", "secret").await, "+OK 0 messages ready for good (0 octets)");
}

#[tokio::test]
async fn unreadable_and_missing_files_mean_later_and_the_domain_goes_on_when_they_are_back() {
    let house = house();
    house.user("joe@va.test", "secret");
    let server = house.open(Mode::Daemon);
    let domain = "va.test".parse().unwrap();
    for file in [house.root().shadow(&domain), house.root().passwd(&domain)] {
        let away = house.beside("away");
        fs::rename(&file, &away).unwrap();
        assert_eq!(log_in(&server, "joe", "secret").await, "-ERR [SYS/TEMP] can't check passwords now, please try later");
        fs::rename(&away, &file).unwrap();
        assert!(log_in(&server, "joe", "secret").await.starts_with("+OK"));
    }
}

#[tokio::test]
async fn a_verified_password_is_forgotten_when_shadow_changes() {
    let house = house();
    house.user("joe@va.test", "secret");
    let server = house.open(Mode::Daemon);
    assert!(log_in(&server, "joe", "secret").await.starts_with("+OK"));
    assert!(log_in(&server, "joe", "secret").await.starts_with("+OK"));
    let shadow = house.root().shadow(&"va.test".parse().unwrap());
    for (fields, old, new) in [
        (format!("{}:::::::", quick_hash("changed")), REFUSED, "+OK 0 messages ready for joe (0 octets)"),
        (format!("!{}:::::::", quick_hash("secret")), REFUSED, REFUSED),
        (format!("{}:::::::", quick_hash("secret")), "+OK 0 messages ready for joe (0 octets)", REFUSED),
        (format!("{}::::::1:", quick_hash("secret")), REFUSED, REFUSED),
    ] {
        fs::write(&shadow, format!("joe:{fields}\n")).unwrap();
        assert_eq!(log_in(&server, "joe", "secret").await, old, "{fields}");
        assert_eq!(log_in(&server, "joe", "changed").await, new, "{fields}");
    }
    fs::write(&shadow, "").unwrap();
    assert_eq!(log_in(&server, "joe", "secret").await, REFUSED);
}

/// The processor time of the one thread that hashes, spent on a deed. Wall time says nothing on a busy machine.
fn cost(runtime: &tokio::runtime::Runtime, deed: impl Future) -> Duration {
    let spent = || async { tokio::task::spawn_blocking(|| clock_gettime(ClockId::ThreadCPUTime)).await.unwrap() };
    runtime.block_on(async {
        let before = Duration::try_from(spent().await).unwrap();
        deed.await;
        Duration::try_from(spent().await).unwrap() - before
    })
}

#[test]
fn an_unknown_user_costs_what_a_known_one_costs() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build().unwrap();
    for scheme in [Scheme::Argon2id, Scheme::Sha512] {
        let house = House::new("[login]\ncache = 0\n");
        house.domain("va.test", "ip = [\"192.0.2.2\"]\n");
        let stored = hash(scheme, &Secret::new(b"secret".to_vec()).unwrap()).unwrap();
        house.user_with("joe@va.test", &format!("{stored}:::::::"));
        house.user_with("locked@va.test", &format!("!{stored}:::::::"));
        let server = house.open(Mode::Daemon);
        let login = |name: &str| cost(&runtime, async { assert_eq!(log_in(&server, name, "wrong").await, REFUSED) });
        login("joe");
        let known = login("joe");
        assert!(known > Duration::from_millis(1), "{known:?}");
        for name in ["nobody", "locked", "root"] {
            let unknown = login(name);
            assert!(unknown > known / 3 && unknown < known * 3, "{scheme:?} {name}: {unknown:?}, a known user {known:?}");
        }
    }
}

#[test]
fn the_log_never_has_a_secret() {
    let address = free_address();
    let listen = format!("[[listen]]\nproto = \"pop3\"\naddress = \"{}\"\nport = {}\n", address.ip(), address.port());
    for format in ["human", "logfmt", "json"] {
        let house = House::new(&format!("{listen}[log]\nlevel = \"debug\"\nformat = \"{format}\"\n"));
        house.domain("va.test", &format!("ip = [\"{}\"]\n", address.ip()));
        house.user("joe@va.test", "top-secret-password");
        house.deliver("joe@va.test", b"Subject: private-subject\n\nprivate-body\n");
        let daemon = Daemon::start(&house);
        let plain = |password: &str| STANDARD.encode(format!("\0joe\0{password}"));

        let mut right = Client::logged_in(address, "joe", "top-secret-password");
        assert!(right.ask("RETR 1").starts_with("+OK"));
        right.ask("QUIT");
        right.hear_all();
        let (mut sasl, _) = Client::greeted(address);
        assert!(sasl.ask(&format!("AUTH PLAIN {}", plain("top-secret-password"))).starts_with("+OK"));
        drop(sasl);
        let (mut wrong, _) = Client::greeted(address);
        wrong.ask("USER joe\u{1b}[31m");
        assert!(wrong.ask("PASS wrong-secret-password").starts_with("-ERR [AUTH]"));
        // A password where another command was due, and one that is lost in the middle of a line.
        wrong.ask("PASS wrong-secret-password");
        wrong.ask("XPASS wrong-secret-password");
        wrong.ask(&format!("AUTH PLAIN {}", plain("wrong-secret-password")));
        drop(wrong);

        daemon.signal(Signal::TERM);
        let log = house.beside("log");
        assert!(daemon.wait().0.success());
        let log = fs::read_to_string(log).unwrap();
        assert!(log.contains("login-failed") && log.contains("va.test") && log.contains("wrong password"), "{log}");
        for secret in ["secret-password", &plain("top-secret-password")[..12], "private-", "\u{1b}"] {
            assert!(!log.contains(secret), "{format}: {secret:?} in {log}");
        }
    }
}

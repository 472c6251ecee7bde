//! Lines as operators and their daemons get them.

use std::fmt;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<Vec<u8>>>>);

impl Sink for Captured {
    fn put(&self, line: &[u8]) -> u64 {
        self.0.lock().unwrap().push(line.to_vec());
        0
    }
}

/// The lines that `deed` logs, each without its first `words` words (time and level).
fn lines(format: LogFormat, words: usize, deed: impl FnOnce()) -> Vec<String> {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::registry().with(Lines { frame: Frame::Stamped, format, sink: captured.clone() });
    tracing::subscriber::with_default(subscriber, deed);
    let lines = captured.0.lock().unwrap();
    lines.iter().map(|line| String::from_utf8(line.clone()).unwrap().splitn(words + 1, ' ').last().unwrap().to_owned()).collect()
}

fn session() {
    let user: Option<&str> = None;
    tracing::info!(event = "session", id = "4f2a", proto = "pop3", out = 81_903_u64, tls = false, user, doing = "sending message 7", end = %"quit");
}

#[test]
fn human_lines_begin_with_time_and_level() {
    let [line] = &lines(LogFormat::Human, 0, session)[..] else { panic!() };
    let (time, rest) = line.split_at("2026-11-22 16:04:05.123".len());
    assert!(chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S%.3f").is_ok(), "{time}");
    assert_eq!(rest, " INFO  session id=4f2a proto=pop3 out=81903 tls=false doing=\"sending message 7\" end=quit\n");
}

#[test]
fn a_message_speaks_before_its_fields() {
    let deed = || tracing::error!(path = "/x y", "cannot read the certificate");
    assert!(lines(LogFormat::Human, 0, deed)[0].ends_with("ERROR cannot read the certificate path=\"/x y\"\n"));
    assert_eq!(lines(LogFormat::Logfmt, 2, deed), ["msg=\"cannot read the certificate\" path=\"/x y\"\n"]);
    let both = || tracing::warn!(event = "tls", "no key");
    assert!(lines(LogFormat::Human, 0, both)[0].contains("no key"));
}

#[test]
fn logfmt_quotes_only_where_needed() {
    assert_eq!(
        lines(LogFormat::Logfmt, 2, session),
        ["event=session id=4f2a proto=pop3 out=81903 tls=false doing=\"sending message 7\" end=quit\n"]
    );
    let deed = || tracing::info!(event = "x", empty = "", equal = "a=b", quote = "a\"b\\c", umlaut = "jörg", minus = -3_i64);
    assert_eq!(lines(LogFormat::Logfmt, 2, deed), ["event=x empty=\"\" equal=\"a=b\" quote=\"a\\\"b\\\\c\" umlaut=jörg minus=-3\n"]);
    let stamped = lines(LogFormat::Logfmt, 0, session)[0].clone();
    let time = stamped.strip_prefix("time=").unwrap().split(' ').next().unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok(), "{time}");
    assert!(stamped.contains(" level=info event="));
}

#[test]
fn json_lines_are_objects_whose_texts_come_back_whole() {
    let nasty = "a\"b\\c\n\r\t\0\u{1b}[2J\u{85}\u{9b}\u{202e}\u{2066}\u{2028}jörg\u{1f600}";
    let deed = || tracing::info!(event = "x", user = nasty, out = 7_u64, ok = true, "told");
    let [line] = &lines(LogFormat::Json, 0, deed)[..] else { panic!() };
    let object: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(object["user"], nasty);
    assert_eq!((&object["event"], &object["msg"], &object["level"]), (&"x".into(), &"told".into(), &"info".into()));
    assert_eq!((object["out"].as_u64(), object["ok"].as_bool()), (Some(7), Some(true)));
    assert!(line.ends_with("}\n") && line.matches('\n').count() == 1);
}

#[test]
fn no_value_can_break_a_line_or_turn_it_around() {
    let nasty: String = (0..0x3000).filter_map(char::from_u32).chain(['\u{feff}']).collect();
    for format in [LogFormat::Human, LogFormat::Logfmt, LogFormat::Json] {
        for part in nasty.chars().collect::<Vec<_>>().chunks(500) {
            let part: String = part.iter().collect();
            let deed = || tracing::info!(event = part, user = part, debug = ?part, "{part}");
            let [line] = &lines(format, 0, deed)[..] else { panic!() };
            let text = line.strip_suffix('\n').unwrap();
            let bad = |letter: char| {
                letter.is_control() || matches!(letter, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            assert!(!text.contains(bad), "{text:?}");
        }
    }
}

#[test]
fn a_value_has_a_limit() {
    let long = "ü".repeat(5000);
    let [line] = &lines(LogFormat::Logfmt, 2, || tracing::info!(user = long))[..] else { panic!() };
    assert!(line.len() < 2100);
}

#[test]
fn a_value_that_logs_while_it_is_shown_disturbs_nobody() {
    struct Chatty;
    impl fmt::Display for Chatty {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            LINE.with(|line| drop(line.take()));
            out.write_str("shown")
        }
    }
    assert_eq!(lines(LogFormat::Logfmt, 2, || tracing::info!(event = "x", value = %Chatty)), ["event=x value=shown\n"]);
}

#[test]
fn less_than_the_level_is_not_logged() {
    let captured = Captured::default();
    let lines = Lines { frame: Frame::Stamped, format: LogFormat::Human, sink: captured.clone() };
    tracing::subscriber::with_default(tracing_subscriber::registry().with(LevelFilter::WARN).with(lines), || {
        tracing::info!(event = "quiet");
        tracing::warn!(event = "loud");
    });
    assert_eq!(captured.0.lock().unwrap().len(), 1);
}

fn receive(daemon: &UnixDatagram) -> String {
    let mut datagram = [0; 4096];
    let length = daemon.recv(&mut datagram).unwrap();
    String::from_utf8(datagram[..length].to_vec()).unwrap()
}

#[test]
fn syslog_gets_rfc_3164_of_facility_mail() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let daemon = UnixDatagram::bind(&path).unwrap();
    let layer = datagrams(Frame::Syslog("vmail"), LogFormat::Logfmt, &path).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        session();
        tracing::error!("disk full");
    });
    let first = receive(&daemon);
    let (head, body) = first.split_once("]: ").unwrap();
    assert!(body.starts_with("event=session id=4f2a") && !body.ends_with('\n'), "{body}");
    let time = head.strip_prefix("<22>").unwrap().split_at(15);
    assert_eq!(time.1, format!(" vmail[{}", std::process::id()));
    assert!(chrono::NaiveDateTime::parse_from_str(&format!("2026 {}", time.0), "%Y %b %e %H:%M:%S").is_ok(), "{head}");
    assert!(receive(&daemon).starts_with("<19>"));
}

#[test]
fn a_daemon_that_was_away_hears_how_much_it_missed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let layer = datagrams(Frame::Syslog("vmail"), LogFormat::Logfmt, &path).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let daemon = UnixDatagram::bind(&path).unwrap();
        session();
        assert!(receive(&daemon).contains("event=session"));
        drop(daemon);
        session();
        std::fs::remove_file(&path).unwrap();
        session();
        let daemon = UnixDatagram::bind(&path).unwrap();
        session();
        assert!(receive(&daemon).contains("event=session"));
        assert!(receive(&daemon).ends_with("event=log-lost lines=2"));
        session();
        assert!(receive(&daemon).contains("event=session"));
    });
}

#[test]
fn a_daemon_that_does_not_read_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let daemon = UnixDatagram::bind(&path).unwrap();
    let layer = datagrams(Frame::Syslog("vmail"), LogFormat::Json, &path).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        (0..5000).for_each(|_| session());
        daemon.set_nonblocking(true).unwrap();
        let mut datagram = [0; 4096];
        while daemon.recv(&mut datagram).is_ok() {}
        daemon.set_nonblocking(false).unwrap();
        session();
        assert!(receive(&daemon).contains("\"event\":\"session\""));
        assert!(receive(&daemon).contains("{\"event\":\"log-lost\",\"lines\":"));
    });
}

#[test]
fn the_journal_gets_a_readable_message_and_every_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let daemon = UnixDatagram::bind(&path).unwrap();
    let layer = datagrams(Frame::Journal("vmail"), LogFormat::Human, &path).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::warn!(event = "login", user = "joe\nPRIORITY=0", tries = 3_u64);
    });
    assert_eq!(
        receive(&daemon),
        "PRIORITY=4\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=vmail\nMESSAGE=login user=\"joe\\nPRIORITY=0\" tries=3\n\
         VMAIL_EVENT=login\nVMAIL_USER=joe\\nPRIORITY=0\nVMAIL_TRIES=3\n"
    );
}

#[test]
fn systemd_s_standard_error_is_the_journal() {
    let stderr = rustix::fs::fstat(io::stderr()).unwrap();
    assert_eq!(default_target(Some(format!("{}:{}", stderr.st_dev, stderr.st_ino))), LogTarget::Journald);
    assert_eq!(default_target(Some("8:1".into())), LogTarget::Stderr, "standard error was sent elsewhere since");
    assert_eq!(default_target(None), LogTarget::Stderr);
}

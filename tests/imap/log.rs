//! What the log says of sessions, and what it does not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::World;
use crate::daemon::poll;
use crate::harness::imap::Imap;

#[test]
fn a_session_line_has_the_client_and_what_was_done() {
    let world = World::new();
    let mut joe = world.joe();
    joe.ask("ID (\"name\" \"Mutt\" \"version\" \"2.2.9 \u{1b}[31m\")");
    joe.append("INBOX", "another", "").unwrap();
    joe.ask("SELECT INBOX");
    joe.ask("STORE 1 +FLAGS.SILENT (\\Deleted)");
    joe.ask("EXPUNGE");
    joe.logout();
    let line = poll(|| world.daemon.log().lines().find(|line| line.contains(" session ")).map(str::to_owned));
    for part in ["proto=imap", "domain=va.test", "user=joe", "client=\"Mutt 2.2.9 ", "appended=1", "expunged=1", "end=quit"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!line.contains('\u{1b}') && !line.contains("retr="), "{line}");
}

#[test]
fn the_log_never_has_a_secret() {
    for format in ["human", "logfmt", "json"] {
        let world = World::with(&format!("[log]\nlevel = \"debug\"\nformat = \"{format}\"\n"));
        let plain = |password: &str| STANDARD.encode(format!("\0joe\0{password}"));
        let (mut wrong, _) = Imap::dial(world.va.starttls);
        assert!(wrong.say("LOGIN joe wrong-secret").pop().unwrap().starts_with("NO"));
        assert!(wrong.say(&format!("AUTHENTICATE PLAIN {}", plain("wrong-secret"))).pop().unwrap().starts_with("NO"));
        // A password where a command was due, and one in a command that is none.
        wrong.say("wrong-secret");
        wrong.say("LOGIN joe wrong-secret more");
        drop(wrong);
        let mut joe = world.joe();
        joe.append("INBOX", "private-subject", "").unwrap();
        joe.ask("SELECT INBOX");
        joe.ask("SEARCH TEXT private-text");
        joe.ask("FETCH 1:* (ENVELOPE BODY[])");
        joe.logout();
        let is_logged = |log: &String| log.contains("login-failed") && log.contains("appended");
        let log = poll(|| Some(world.daemon.log()).filter(is_logged));
        for secret in ["wrong-secret", "private-", &plain("wrong-secret")] {
            assert!(!log.contains(secret), "{format}: {secret} in {log}");
        }
    }
}

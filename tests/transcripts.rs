//! Dialogues with the server, `tests/transcripts/PROTO/*.txt`, each replayed line by line, byte by byte, in sevens, and all at once.
//! Those of IMAP and LMTP are other languages: see `tests/transcripts/imap.rs` and `tests/transcripts/lmtp.rs`.
//!
//! A file begins with directives, then comes the dialogue:
//!
//! ```text
//! machine: LINE      a line of vmail.toml             M: a message put into joe@va.test's maildrop before the dialogue
//! record: LINE       a line of va.test's record       C: the client says this, and CRLF
//! shadow: FIELDS     joe@va.test's, behind his name   B: the client says this, and a bare LF
//! peer: ADDRESS      where the client is              S: the server says exactly this, and CRLF
//! certificate: yes   there is one for TLS             E: the server closes
//! claimed: OWNER     another session has his mail     H: the client hangs up, having read what was said
//! not: MODE          line, byte, seven or all         N: the next session, at this address (192.0.2.2 without one)
//! login: yes         every session begins with joe's login, and after the delivery of "M:" lines behind an "N:"
//! ```
//!
//! In all but directives `\n`, `\r`, `\0`, `\\`, `\xHH` and `\[text*times]` are understood; in `S:` lines also `{version}`.
//! `va.test` (alias `va.net`) has 192.0.2.2, `vb.test` has 192.0.2.3 and is strict, 192.0.2.4 is shared and 192.0.2.1 main. In both
//! domains is `joe`, with the password `secret`.

mod imap;
mod judge;
mod lmtp;
mod replay;
mod script;

use std::path::Path;

use replay::{Mode, replay};
use script::Script;

fn replay_all(mode: Mode) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/pop3");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut mismatches = Vec::new();
    for path in paths {
        let script = Script::parse(&std::fs::read_to_string(&path).unwrap());
        if let Err(mismatch) = replay(&script, mode) {
            mismatches.push(format!("{}:{mismatch}", path.file_name().unwrap().display()));
        }
    }
    assert!(mismatches.is_empty(), "{mode:?}:\n{}", mismatches.join("\n"));
}

#[test]
fn line_by_line() {
    replay_all(Mode::Line);
}

#[test]
fn byte_by_byte() {
    replay_all(Mode::Byte);
}

#[test]
fn in_sevens() {
    replay_all(Mode::Seven);
}

#[test]
fn all_pipelined() {
    replay_all(Mode::All);
}

const GREETING: &str = "S: +OK Virtual va.test POP3 Server (Version {version}) ready.\n";

#[test]
fn a_wrong_expectation_is_noticed_in_every_mode() {
    for (wrong, line) in [
        ("C: STAT\nS: +OK\nE:\n", 3),
        ("C: QUIT\nE:\n", 3),
        ("C: QUIT\nS: +OK Virtual va.test POP3 Server (Version {version}) shutdown.\nS: more\nE:\n", 4),
    ] {
        let script = Script::parse(&format!("{GREETING}{wrong}"));
        for mode in Mode::ALL {
            let mismatch = replay(&script, mode).unwrap_err();
            assert!(mismatch.starts_with(&format!("{line}: ")), "{mode:?} {wrong}: {mismatch}");
        }
    }
}

#[test]
fn a_right_expectation_holds_in_every_mode() {
    let script = Script::parse(&format!(
        "{GREETING}C: QUIT\nS: +OK Virtual va.test POP3 Server (Version {{version}}) shutdown.\nE:\n\
         N: 192.0.2.4\nS: +OK host.test POP3 Server (Version {{version}}) ready.\nH:\n"
    ));
    Mode::ALL.into_iter().for_each(|mode| replay(&script, mode).unwrap());
}

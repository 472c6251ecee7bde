//! Dialogues over LMTP, `tests/transcripts/lmtp/*.txt`, and what lies in the mailboxes afterwards.
//!
//! ```text
//! machine: LINE      a line of vmail.toml          C: the client says this, and CRLF
//! record: LINE       a line of va.test's record    B: it says this, and a bare LF
//! alias: LINE        a line of its alias file      T: it says this, and nothing behind it
//! local: yes         the client comes by the       S: the server says exactly this, and CRLF; {id} is a message's name
//!                    socket of the machine         E: the server closes
//! not: MODE          line, byte, seven or all      H: the client hangs up
//! kept: OWNER TEXT   a message of OWNER's, in order; what is said of no owner must be no message
//! ```
//!
//! Escapes are those of the other transcripts. In `kept:` lines the Received field is `Received: from NAME with PROTOCOL for <...>`, in one
//! line. `va.test` (aliases `va.net` and `bücher.test`) has joe and ann, `vb.test` has joe; host.test is the machine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, split};
use tokio::sync::watch;
use tokio::time::timeout;
use vmail::lmtp::{self, Call, Ends};
use vmail::serve::{self, Server};
use vmail::wire::{Plain, Wire};

use super::replay::{Mode, PATIENCE, Speaker, hear_nothing, shown};
use super::script::octets;
use crate::house::House;

#[derive(Debug, Default)]
struct Script {
    machine: String,
    record: String,
    aliases: String,
    is_local: bool,
    excluded: Vec<String>,
    steps: Vec<(usize, Step)>,
    kept: BTreeMap<String, Vec<String>>,
}

#[derive(Debug)]
enum Step {
    Client(Vec<u8>),
    Server(String),
    ServerCloses,
    HangUp,
}

impl Script {
    fn parse(text: &str) -> Script {
        let mut script = Script::default();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let (what, value) = line.split_once(':').unwrap_or_else(|| panic!("line {}: {line:?}", at + 1));
            script.take(at + 1, what, value.strip_prefix(' ').unwrap_or(value));
        }
        script
    }

    fn take(&mut self, at: usize, what: &str, value: &str) {
        let mut client = |end: &[u8]| self.steps.push((at, Step::Client([&octets(value)[..], end].concat())));
        match what {
            "C" => client(b"\r\n"),
            "B" => client(b"\n"),
            "T" => client(b""),
            "S" => self.steps.push((at, Step::Server(value.replace("{version}", vmail::VERSION)))),
            "E" => self.steps.push((at, Step::ServerCloses)),
            "H" => self.steps.push((at, Step::HangUp)),
            "machine" => self.machine += &format!("{value}\n"),
            "record" => self.record += &format!("{value}\n"),
            "alias" => self.aliases += &format!("{value}\n"),
            "local" => self.is_local = true,
            "not" => self.excluded.push(value.to_owned()),
            "kept" => {
                let (owner, text) = value.split_once(' ').unwrap();
                let text = String::from_utf8_lossy(&octets(text)).into_owned();
                self.kept.entry(owner.to_owned()).or_default().push(text);
            }
            _ => panic!("line {at}: {what:?} is no directive"),
        }
    }

    fn furnish(&self) -> House {
        let house = House::new(&self.machine);
        house.domain("va.test", &format!("alias = [\"va.net\", \"xn--bcher-kva.test\"]\n{}", self.record));
        house.domain("vb.test", "");
        OWNERS.iter().for_each(|owner| house.user(owner, "secret"));
        std::fs::write(house.root().aliases(&"va.test".parse().unwrap()), &self.aliases).unwrap();
        house
    }

    fn said(&self) -> Vec<u8> {
        let said = self.steps.iter().filter_map(|(_, step)| match step {
            Step::Client(said) => Some(&said[..]),
            _ => None,
        });
        said.collect::<Vec<_>>().concat()
    }
}

fn replay(script: &Script, mode: Mode) -> Result<(), String> {
    if script.excluded.iter().any(|excluded| format!("{mode:?}").eq_ignore_ascii_case(excluded)) {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let tree = script.furnish();
        let server = tree.open(serve::Mode::Daemon);
        let (pipe, theirs) = tokio::io::duplex(mode.at_once());
        let session = tokio::spawn(serve(Arc::clone(&server), script.is_local, theirs));
        converse(script, mode, pipe).await?;
        timeout(PATIENCE, session).await.map_err(|_| "0: the session does not end".to_owned())?.map_err(|error| format!("0: {error}"))?;
        for owner in OWNERS {
            let kept = crate::lmtp::kept(&server, &owner.parse().unwrap()).await;
            let kept: Vec<String> = kept.iter().map(|message| in_short(&String::from_utf8_lossy(message))).collect();
            let expected = script.kept.get(owner).cloned().unwrap_or_default();
            if kept != expected {
                return Err(format!("0: {owner} has {kept:#?} instead of {expected:#?}"));
            }
        }
        Ok(())
    })
}

async fn serve(server: Arc<Server>, is_local: bool, pipe: DuplexStream) {
    let (_stopper, stop) = watch::channel(false);
    let house = server.now().lmtp();
    let wire = Box::new(Wire::new(Plain::Pipe(pipe), house.machine.lmtp.idle.0, stop));
    let ends = Ends { local: "127.0.0.1".parse().unwrap(), peer: "127.0.0.1".parse().unwrap() };
    lmtp::serve(wire, Box::new(Call { ends: (!is_local).then_some(ends), may_start_tls: true }), &house).await;
}

async fn converse(script: &Script, mode: Mode, pipe: DuplexStream) -> Result<(), String> {
    let (input, output) = split(pipe);
    let mut input = BufReader::new(input);
    let mut speaker = Speaker::begin(script.said(), mode, output);
    for (at, step) in &script.steps {
        let outcome = match step {
            Step::Client(said) => {
                speaker.say(said).await;
                Ok(())
            }
            Step::Server(expected) => hear(&mut input, expected).await,
            Step::ServerCloses => hear_nothing(&mut input).await,
            Step::HangUp => Ok(()),
        };
        outcome.map_err(|what| format!("{at}: {what}"))?;
    }
    speaker.end().await;
    Ok(())
}

async fn hear(input: &mut BufReader<ReadHalf<DuplexStream>>, expected: &str) -> Result<(), String> {
    let mut line = Vec::new();
    let silence = timeout(PATIENCE, input.read_until(b'\n', &mut line)).await.is_err();
    let heard = line.strip_suffix(b"\r\n").unwrap_or_default();
    let is_right = match expected.split_once("{id}") {
        None => heard == octets(expected),
        Some((before, after)) => {
            let id = heard.strip_prefix(&octets(before)[..]).and_then(|rest| rest.strip_suffix(&octets(after)[..])).unwrap_or_default();
            id.len() == 22 && id.iter().all(|octet| octet.is_ascii_hexdigit() || *octet == b'.')
        }
    };
    match is_right && !silence {
        true => Ok(()),
        false => Err(format!("expected {expected:?}, heard {}{}", shown(&line), if silence { " and silence" } else { "" })),
    }
}

fn in_short(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let begin = text.find("Received: from ").expect("every message has a trace");
    let end = text[begin..].find("+0000\n").map(|at| begin + at + 6).expect("the trace ends with the time");
    let field = text[begin..end].replace("\n\t", " ");
    let (from, rest) = field.split_once(" by host.test (vmail ").expect("it says who we are");
    let (_, with) = rest.split_once(") with ").expect("it says how it came");
    let (protocol, rest) = with.split_once(" id ").expect("it has a name");
    let only = rest.split_once(';').unwrap().0.split_once(" for ").map(|(_, only)| format!(" for {only}")).unwrap_or_default();
    format!("{}{from} with {protocol}{only}\n{}", &text[..begin], &text[end..])
}

const OWNERS: [&str; 3] = ["joe@va.test", "ann@va.test", "joe@vb.test"];

/// RFC 3207 §4.2: what was sent in the clear behind STARTTLS, by whomever, is not done within TLS.
#[test]
fn what_is_injected_before_tls_is_forgotten_and_the_trace_says_lmtps() {
    let tls = "tls = { certificate = \"tls/cert.pem\", key = \"tls/key.pem\" }\n";
    let script = Script { machine: tls.to_owned(), ..Script::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tree = script.furnish();
        let authority = tree.certificate(&["mail.va.test"]);
        let server = tree.open(serve::Mode::Daemon);
        let (pipe, theirs) = tokio::io::duplex(1 << 20);
        let session = tokio::spawn(serve(Arc::clone(&server), false, theirs));
        let mut clear = BufReader::new(pipe);
        clear.write_all(b"LHLO mx.x.org\r\nMAIL FROM:<eve@x.org>\r\nSTARTTLS\r\nRCPT TO:<joe@va.test>\r\n").await.unwrap();
        let mut heard = String::new();
        while !heard.contains("220 2.0.0 ready for TLS\r\n") {
            assert!(clear.read_line(&mut heard).await.unwrap() > 0, "{heard}");
        }
        assert!(heard.contains("250-STARTTLS\r\n"), "{heard}");
        let name = rustls::pki_types::ServerName::try_from("mail.va.test").unwrap();
        let connector = tokio_rustls::TlsConnector::from(crate::stls::client(&authority));
        let mut tls = connector.connect(name, clear.into_inner()).await.unwrap();
        let said =
            "MAIL FROM:<eve@x.org>\r\nLHLO mx.x.org\r\nSTARTTLS\r\nMAIL FROM:<eve@x.org>\r\nRCPT TO:<ann@va.test>\r\nDATA\r\n.\r\nQUIT\r\n";
        tls.write_all(said.as_bytes()).await.unwrap();
        let mut within = String::new();
        tls.read_to_string(&mut within).await.unwrap();
        assert!(within.starts_with("503 5.5.1 say LHLO first\r\n") && !within.contains("250-STARTTLS"), "{within}");
        assert!(within.contains("\r\n502 5.5.1 ") && within.contains("250 2.0.0 <ann@va.test> delivered"), "{within}");
        session.await.unwrap();
        assert!(crate::lmtp::kept(&server, &"joe@va.test".parse().unwrap()).await.is_empty());
        let kept = crate::lmtp::kept(&server, &"ann@va.test".parse().unwrap()).await;
        assert!(String::from_utf8_lossy(&kept[0]).contains(" with LMTPS id "));
    });
}

fn replay_all(mode: Mode) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/lmtp");
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

#[test]
fn a_wrong_expectation_is_noticed() {
    let greeting = "S: 220 host.test LMTP vmail {version} ready\n";
    for (wrong, line) in [("C: NOOP\nS: 250\n", 3), ("C: QUIT\nE:\n", 3), ("H:\nkept: joe@va.test x\n", 0)] {
        let mismatch = replay(&Script::parse(&format!("{greeting}{wrong}")), Mode::Line).unwrap_err();
        assert!(mismatch.starts_with(&format!("{line}: ")), "{wrong}: {mismatch}");
    }
}

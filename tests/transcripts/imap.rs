//! Dialogues over IMAP, `tests/transcripts/imap/*.txt`, with any number of connections in one script.
//!
//! ```text
//! machine: LINE     a line of vmail.toml                 1: the client of connection 1 says this, and CRLF
//! record: LINE      a line of va.test's record           1~ it says this, and nothing behind it
//! certificate: yes  there is one for TLS                 1> the server says this, and CRLF
//! login: no         connections do not begin with        1E the server closes
//!                   joe's login                          1H the client hangs up
//! at: ADDRESS       which address the client dials       M: FOLDER MESSAGE: appended before the dialogue
//! not: MODE         line, byte, seven or all             C: and S: are 1: and 1>
//! ```
//!
//! Escapes are those of the other transcripts. In the server's lines `<name>` stands for a word that is not known beforehand, and from
//! then on for the same word, also in what clients say; `<*>` stands for anything. A script with one connection that says nothing of what
//! it has learned is also replayed without waiting. Whatever the server says, imap-codec must understand it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use vmail::serve::{self, Server};

use super::judge::judge;
use super::replay::{Mode, PATIENCE, shown};
use super::script::octets;
use crate::house::{Dial, House};

#[derive(Debug)]
struct Script {
    machine: String,
    record: String,
    at: String,
    has_certificate: bool,
    logs_in: bool,
    excluded: Vec<String>,
    mail: Vec<(String, Vec<u8>)>,
    steps: Vec<(usize, u32, Step)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Client(String),
    Server(String),
    ServerCloses,
    HangUp,
}

impl Script {
    fn parse(text: &str) -> Script {
        let mut script = Script {
            machine: String::new(),
            record: String::new(),
            at: "192.0.2.2".into(),
            has_certificate: false,
            logs_in: true,
            excluded: Vec::new(),
            mail: Vec::new(),
            steps: Vec::new(),
        };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        lines.for_each(|(at, line)| script.take(at + 1, line));
        script
    }

    fn take(&mut self, at: usize, line: &str) {
        let line = line.strip_prefix("C:").map_or(line.to_owned(), |said| format!("1:{said}"));
        let line = line.strip_prefix("S:").map_or(line.clone(), |said| format!("1>{said}"));
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            let (number, rest) = line.split_at(digits);
            let (kind, value) = rest.split_at(1);
            let value = value.strip_prefix(' ').unwrap_or(value);
            let step = match kind {
                ":" => Step::Client(format!("{value}\\r\\n")),
                "~" => Step::Client(value.to_owned()),
                ">" => Step::Server(value.to_owned()),
                "E" => Step::ServerCloses,
                "H" => Step::HangUp,
                _ => panic!("line {at}: {kind:?} is nothing"),
            };
            return self.steps.push((at, number.parse().unwrap(), step));
        }
        let (what, value) = line.split_once(": ").unwrap_or_else(|| panic!("line {at}: {line:?}"));
        match what {
            "machine" => self.machine += &format!("{value}\n"),
            "record" => self.record += &format!("{value}\n"),
            "certificate" => self.has_certificate = true,
            "login" => self.logs_in = value == "yes",
            "at" => self.at = value.to_owned(),
            "not" => self.excluded.push(value.to_owned()),
            "M" => {
                let (folder, message) = value.split_once(' ').unwrap();
                self.mail.push((folder.to_owned(), octets(message)));
            }
            _ => panic!("line {at}: {what:?} is no directive"),
        }
    }

    /// Whether a client need not listen to know what to say.
    fn can_be_said_at_once(&self) -> bool {
        let connections: BTreeSet<u32> = self.steps.iter().map(|(_, connection, _)| *connection).collect();
        let learns = |step: &Step| matches!(step, Step::Client(said) if named(said).is_some());
        connections.len() <= 1 && !self.steps.iter().any(|(_, _, step)| learns(step))
    }
}

/// The first `<name>`: what is before it, the name, what is behind it.
fn named(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('<')?;
    let (name, after) = rest.split_once('>')?;
    let is_name = name == "*" || !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_lowercase());
    if is_name { Some((before, name, after)) } else { None }
}

/// A client, which listens all the time, whatever it is saying.
struct Connection {
    heard: UnboundedReceiver<Vec<u8>>,
    ear: JoinHandle<()>,
    output: Option<WriteHalf<DuplexStream>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.ear.abort();
    }
}

struct Replay<'a> {
    script: &'a Script,
    mode: Mode,
    server: Arc<Server>,
    known: BTreeMap<String, String>,
    connections: BTreeMap<u32, Connection>,
}

fn replay(script: &Script, mode: Mode) -> Result<(), String> {
    let is_excluded = script.excluded.iter().any(|excluded| format!("{mode:?}").eq_ignore_ascii_case(excluded));
    if is_excluded || !mode.waits() && !script.can_be_said_at_once() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let tree = furnish(script);
        let server = tree.open(serve::Mode::Daemon);
        let (known, connections) = (BTreeMap::new(), BTreeMap::new());
        let mut replay = Replay { script, mode, server, known, connections };
        replay.deliver().await?;
        replay.play().await
    })
}

fn furnish(script: &Script) -> House {
    let tls = if script.has_certificate { "[tls]\ncertificate = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n" } else { "" };
    let address = "[address]\n\"192.0.2.1\" = \"main\"\n\"192.0.2.4\" = \"shared\"\n";
    let house = House::new(&format!("{}{address}{tls}", script.machine));
    if script.has_certificate {
        house.certificate(&["mail.va.test"]);
    }
    house.domain("va.test", &format!("ip = [\"192.0.2.2\"]\n{}", script.record));
    house.domain("vb.test", "ip = [\"192.0.2.3\"]\n");
    house.user("joe@va.test", "secret");
    house.user("joe@vb.test", "secret");
    house
}

impl Replay<'_> {
    async fn deliver(&mut self) -> Result<(), String> {
        for (folder, message) in &self.script.mail {
            let mut connection = self.dial(1 << 20);
            log_in(&mut connection).await?;
            let command = format!("m APPEND {folder} {{{}+}}\r\n", message.len());
            connection.say(&[command.as_bytes(), message, b"\r\nm LOGOUT\r\n"].concat()).await;
            let line = connection.hear().await?;
            if !line.starts_with(b"m OK") {
                return Err(format!("0: append: {}", shown(&line)));
            }
        }
        Ok(())
    }

    fn dial(&self, at_once: usize) -> Connection {
        let (ours, _session) = Dial::to(&self.script.at).connect_imap(&self.server, at_once);
        let (input, output) = split(ours);
        let (tell, heard) = unbounded_channel();
        Connection { heard, ear: tokio::spawn(listen(BufReader::new(input), tell)), output: Some(output) }
    }

    async fn play(&mut self) -> Result<(), String> {
        for (at, number, step) in &self.script.steps {
            if !self.connections.contains_key(number) {
                let mut connection = self.dial(self.mode.at_once());
                if self.script.logs_in {
                    log_in(&mut connection).await?;
                }
                if !self.mode.waits() {
                    connection.say_all(self.script);
                }
                self.connections.insert(*number, connection);
            }
            self.step(*number, step).await.map_err(|what| format!("{at}: {what}"))?;
        }
        Ok(())
    }

    async fn step(&mut self, number: u32, step: &Step) -> Result<(), String> {
        let connection = self.connections.get_mut(&number).expect("it is dialled at its first step");
        match step {
            Step::Client(said) if self.mode.waits() => connection.say(&octets(&filled(said, &self.known)?)).await,
            Step::Client(_) => {}
            Step::Server(expected) => {
                let line = connection.hear().await?;
                let expected = expected.replace("{version}", vmail::VERSION);
                check(&expected, &line, &mut self.known)?;
                judge(&line)?;
            }
            Step::ServerCloses => {
                let more = timeout(PATIENCE, connection.heard.recv()).await;
                if more != Ok(None) {
                    return Err(format!("expected the end, heard {more:?}"));
                }
            }
            Step::HangUp => _ = self.connections.remove(&number),
        }
        Ok(())
    }
}

impl Connection {
    async fn say(&mut self, said: &[u8]) {
        if let Some(output) = &mut self.output {
            // The server may have closed before it heard all.
            let _ = timeout(PATIENCE, output.write_all(said)).await;
        }
    }

    /// All that the script has to say, while we listen.
    fn say_all(&mut self, script: &Script) {
        let said = script.steps.iter().filter_map(|(_, _, step)| match step {
            Step::Client(said) => Some(octets(said)),
            _ => None,
        });
        let said = said.collect::<Vec<_>>().concat();
        if let Some(mut output) = self.output.take() {
            tokio::spawn(async move {
                let _ = output.write_all(&said).await;
                // Held, so that the server does not see an end.
                std::future::pending::<()>().await;
                drop(output);
            });
        }
    }

    async fn hear(&mut self) -> Result<Vec<u8>, String> {
        match timeout(PATIENCE, self.heard.recv()).await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err("heard the end".to_owned()),
            Err(_) => Err("heard silence".to_owned()),
        }
    }
}

async fn listen(mut input: BufReader<ReadHalf<DuplexStream>>, tell: UnboundedSender<Vec<u8>>) {
    loop {
        let mut line = Vec::new();
        match input.read_until(b'\n', &mut line).await {
            Ok(count) if count > 0 => _ = tell.send(line),
            _ => return,
        }
    }
}

async fn log_in(connection: &mut Connection) -> Result<(), String> {
    for (expected, said) in [("* OK", "0 LOGIN joe secret\r\n"), ("0 OK", "")] {
        let line = connection.hear().await?;
        if !line.starts_with(expected.as_bytes()) {
            return Err(format!("login: {}", shown(&line)));
        }
        connection.say(said.as_bytes()).await;
    }
    Ok(())
}

fn filled(said: &str, known: &BTreeMap<String, String>) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), said);
    while let Some((before, name, after)) = named(rest) {
        out += before;
        out += known.get(name).ok_or_else(|| format!("<{name}> is not known yet"))?;
        rest = after;
    }
    Ok(out + rest)
}

/// Holds a line against what is expected of it.
fn check(expected: &str, line: &[u8], known: &mut BTreeMap<String, String>) -> Result<(), String> {
    let wrong = || format!("expected {expected:?}, heard {}", shown(line));
    let mut left = line.strip_suffix(b"\r\n").ok_or_else(wrong)?;
    let mut rest = expected;
    while let Some((before, name, after)) = named(rest) {
        left = left.strip_prefix(&octets(before)[..]).ok_or_else(wrong)?;
        if name == "*" {
            return Ok(());
        }
        let end = left.iter().position(|octet| !octet.is_ascii_alphanumeric()).unwrap_or(left.len());
        let (word, behind) = left.split_at(end);
        let word = String::from_utf8_lossy(word).into_owned();
        let is_right = !word.is_empty() && *known.entry(name.to_owned()).or_insert(word.clone()) == word;
        (left, rest) = (is_right.then_some(behind).ok_or_else(wrong)?, after);
    }
    if left == octets(rest) { Ok(()) } else { Err(wrong()) }
}

fn replay_all(mode: Mode) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/imap");
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
    for (wrong, line) in
        [("C: a NOOP\nS: a NO\n", 2), ("C: a LOGOUT\nS: * BYE <*>\nS: a OK <*>\nS: more\n", 4), ("C: a LOGOUT\nS: * BYE <*>\nE:\n", 3)]
    {
        let mismatch = replay(&Script::parse(&wrong.replace("E:", "1E")), Mode::Line).unwrap_err();
        assert!(mismatch.starts_with(&format!("{line}: ")), "{wrong}: {mismatch}");
    }
}

/// RFC 4978: every reply can be read when it has come, and what a client sent behind COMPRESS is compressed already.
#[test]
fn a_conversation_goes_on_compressed() {
    let script = Script::parse("");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tree = furnish(&script);
        let server = tree.open(serve::Mode::Daemon);
        let (known, connections) = (BTreeMap::new(), BTreeMap::new());
        let replay = Replay { script: &script, mode: Mode::Line, server, known, connections };
        let mut connection = replay.dial(1 << 20);
        log_in(&mut connection).await.unwrap();
        let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
        let mut said = b"a COMPRESS DEFLATE\r\n".to_vec();
        said.reserve(1 << 16);
        let commands =
            format!("b NOOP\r\nc COMPRESS DEFLATE\r\nd APPEND INBOX {{3000+}}\r\n{}\r\ne CAPABILITY\r\nf LOGOUT\r\n", "x".repeat(3000));
        deflate.compress_vec(commands.as_bytes(), &mut said, flate2::FlushCompress::Sync).unwrap();
        connection.say(&said).await;
        assert_eq!(connection.hear().await.unwrap(), b"a OK DEFLATE active\r\n");
        let mut packed = Vec::new();
        while let Ok(Some(piece)) = timeout(PATIENCE, connection.heard.recv()).await {
            packed.extend(piece);
        }
        let mut heard = Vec::with_capacity(1 << 16);
        flate2::Decompress::new(false).decompress_vec(&packed, &mut heard, flate2::FlushDecompress::Sync).unwrap();
        let heard = String::from_utf8(heard).unwrap();
        let lines: Vec<&str> = heard.lines().map(|line| &line[..line.len().min(12)]).collect();
        assert_eq!(
            lines,
            ["b OK complet", "c NO [COMPRE", "d OK [APPEND", "* CAPABILITY", "e OK CAPABIL", "* BYE goodby", "f OK LOGOUT "],
            "{heard}"
        );
        assert!(!heard.contains("COMPRESS="), "{heard}");
    });
}

//! Plays the client of a transcript, and listens.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, split};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use vmail::serve;
use vmail::store::Claim;

use super::script::{Script, Session, Step};
use crate::house::{Dial, House};

/// How the client's octets are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A command, then its reply.
    Line,
    /// Octet by octet, each command's reply awaited.
    Byte,
    /// In pieces of seven, without waiting.
    Seven,
    /// All that the client ever says in one piece.
    All,
}

impl Mode {
    pub const ALL: [Mode; 4] = [Mode::Line, Mode::Byte, Mode::Seven, Mode::All];

    pub fn waits(self) -> bool {
        matches!(self, Mode::Line | Mode::Byte)
    }

    /// How many octets are under way at once.
    pub fn at_once(self) -> usize {
        match self {
            Mode::Byte => 1,
            Mode::Seven => 7,
            Mode::Line | Mode::All => 1 << 20,
        }
    }
}

/// What was said instead, or what was not said, behind the number of the transcript's line.
pub fn replay(script: &Script, mode: Mode) -> Result<(), String> {
    if script.excluded.iter().any(|excluded| format!("{mode:?}").eq_ignore_ascii_case(excluded)) {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let house = furnish(script);
        let server = house.open(serve::Mode::Daemon);
        let _claim: Option<Claim> = script.claimed.as_ref().map(|owner| server.now().house.store.claim(&owner.parse().unwrap()).unwrap());
        for session in &script.sessions {
            session.mail.iter().for_each(|message| house.deliver("joe@va.test", message));
            let mut dial = Dial::to(&session.local);
            dial.peer = script.peer.as_ref().map_or(dial.peer, |peer| peer.parse().unwrap());
            let (pipe, task) = dial.connect(&server, mode.at_once());
            let outcome = converse(script, session, mode, pipe).await;
            outcome?;
            timeout(PATIENCE, task).await.map_err(|_| "0: the session does not end".to_owned())?.map_err(|error| format!("0: {error}"))?;
        }
        Ok(())
    })
}

fn furnish(script: &Script) -> House {
    let tls = if script.has_certificate { "[tls]\ncertificate = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n" } else { "" };
    let address = "[address]\n\"192.0.2.1\" = \"main\"\n\"192.0.2.4\" = \"shared\"\n\"192.0.2.5\" = \"domain\"\n";
    let house = House::new(&format!("{}{address}{tls}", script.machine));
    if script.has_certificate {
        house.certificate(&["mail.va.test"]);
    }
    house.domain("va.test", &format!("ip = [\"192.0.2.2\"]\nalias = [\"va.net\"]\n{}", script.record));
    house.domain("vb.test", "ip = [\"192.0.2.3\"]\nstrict_ip = true\n");
    match &script.shadow {
        Some(fields) => house.user_with("joe@va.test", fields),
        None => house.user("joe@va.test", "secret"),
    }
    house.user("joe@vb.test", "secret");
    house
}

async fn converse(script: &Script, session: &Session, mode: Mode, pipe: DuplexStream) -> Result<(), String> {
    let (input, mut output) = split(pipe);
    let mut input = BufReader::new(input);
    if script.logs_in {
        log_in(&mut input, &mut output).await.map_err(|error| format!("0: login: {error}"))?;
    }
    let said = session.steps.iter().filter_map(|(_, step)| match step {
        Step::Client(said) => Some(&said[..]),
        _ => None,
    });
    let mut speaker = Speaker::begin(said.collect::<Vec<_>>().concat(), mode, output);
    for (at, step) in &session.steps {
        let outcome = match step {
            Step::Client(said) => {
                speaker.say(said).await;
                Ok(())
            }
            Step::Server(expected) => hear(&mut input, expected).await,
            Step::ServerCloses => hear_nothing(&mut input).await,
            // The rest is dropped unread, as a client's that is gone.
            Step::HangUp => Ok(()),
        };
        outcome.map_err(|what| format!("{at}: {what}"))?;
    }
    speaker.end().await;
    Ok(())
}

async fn log_in(input: &mut BufReader<ReadHalf<DuplexStream>>, output: &mut WriteHalf<DuplexStream>) -> std::io::Result<()> {
    for said in ["USER joe\r\n", "PASS secret\r\n", ""] {
        let mut line = String::new();
        input.read_line(&mut line).await?;
        if !line.starts_with("+OK") {
            return Err(std::io::Error::other(line));
        }
        output.write_all(said.as_bytes()).await?;
    }
    Ok(())
}

/// The client's mouth: it waits for its turn, or talks on while we listen.
pub enum Speaker {
    Waiting(WriteHalf<DuplexStream>),
    Talking(JoinHandle<WriteHalf<DuplexStream>>),
}

impl Speaker {
    /// Begins to say `all`, unless it has to wait for its turn.
    pub fn begin(all: Vec<u8>, mode: Mode, mut output: WriteHalf<DuplexStream>) -> Speaker {
        if mode.waits() {
            return Speaker::Waiting(output);
        }
        Speaker::Talking(tokio::spawn(async move {
            // The server may have closed before it heard all.
            let _ = output.write_all(&all).await;
            output
        }))
    }

    pub async fn say(&mut self, said: &[u8]) {
        if let Speaker::Waiting(output) = self {
            // As above; and it may be waiting to be heard.
            let _ = timeout(PATIENCE, output.write_all(said)).await;
        }
    }

    pub async fn end(self) {
        if let Speaker::Talking(task) = self {
            drop(task.await.unwrap());
        }
    }
}

async fn hear(input: &mut BufReader<ReadHalf<DuplexStream>>, expected: &[u8]) -> Result<(), String> {
    let mut line = Vec::new();
    match timeout(PATIENCE, input.read_until(b'\n', &mut line)).await {
        Ok(Ok(_)) if line == expected => Ok(()),
        outcome => {
            Err(format!("expected {}, heard {}{}", shown(expected), shown(&line), if outcome.is_err() { " and silence" } else { "" }))
        }
    }
}

pub async fn hear_nothing(input: &mut BufReader<ReadHalf<DuplexStream>>) -> Result<(), String> {
    let mut rest = Vec::new();
    match timeout(PATIENCE, input.read_to_end(&mut rest)).await {
        Ok(Ok(_)) if rest.is_empty() => Ok(()),
        outcome => Err(format!("expected the end, heard {}{}", shown(&rest), if outcome.is_err() { " and silence" } else { "" })),
    }
}

pub fn shown(octets: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(octets))
}

/// Longer than a password's hash takes on a busy machine; nothing waits for so long that goes right.
pub const PATIENCE: Duration = Duration::from_secs(20);

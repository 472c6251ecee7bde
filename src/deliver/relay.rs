//! Handing a message to another server: as much of SMTP (RFC 5321) as a client with one message and one recipient needs.

use std::fs::File;
use std::io::{self, Read, Seek};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::TcpStream;

/// Who we are, and the message's envelope.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    pub host: &'a str,
    /// Empty for a bounce.
    pub from: &'a str,
    pub to: &'a [&'a str],
}

/// Why a message was not taken.
#[derive(Debug)]
pub enum Refused {
    /// The server says that it never will be.
    Never(String),
    /// It may be later.
    Later(String),
    /// The connection is gone: for later.
    Lost(String),
}

impl Refused {
    fn for_now(self) -> Refused {
        match self {
            Refused::Never(said) => Refused::Later(said),
            other => other,
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::Lost(error.to_string())
    }
}

/// Gives `message`, with LF line ends, to the server at `place`, `host:port`; what it says for each of `envelope.to`. What is `Ok` the
/// server has taken charge of. The caller sets the deadline.
///
/// # Errors
/// The same for all of them.
pub async fn relay(place: &str, envelope: &Envelope<'_>, mut message: File) -> Result<Vec<Result<(), Refused>>, Refused> {
    let mut server = Server(BufWriter::new(BufReader::new(TcpStream::connect(place).await?)));
    // A server that does not talk to us says nothing of the message.
    server.answer().await.map_err(Refused::for_now)?;
    let features = match server.ask(&format!("EHLO {}", envelope.host)).await {
        // Who does not know EHLO has no extensions (RFC 5321 §3.2).
        Err(Refused::Never(_)) => server.ask(&format!("HELO {}", envelope.host)).await.map(|_| String::new()).map_err(Refused::for_now)?,
        said => said?,
    };
    let parameters = parameters(envelope, &features, is_8bit(&mut message)?)?;
    server.ask(&format!("MAIL FROM:<{}>{parameters}", envelope.from)).await?;
    let mut told = Vec::new();
    for to in envelope.to {
        told.push(match server.ask(&format!("RCPT TO:<{to}>")).await {
            Err(Refused::Lost(error)) => return Err(Refused::Lost(error)),
            said => said.map(drop),
        });
    }
    if told.iter().any(Result::is_ok) {
        server.ask("DATA").await?;
        server.data(message).await?;
        server.answer().await?;
    }
    // It has the message, or will not: what it says to this is no matter.
    let _ = server.ask("QUIT").await;
    Ok(told)
}

fn parameters(envelope: &Envelope<'_>, features: &str, is_8bit: bool) -> Result<String, Refused> {
    let mut addresses = envelope.to.iter().chain([&envelope.from]);
    if addresses.clone().any(|address| address.contains(|letter: char| letter.is_control() || "<>".contains(letter))) {
        return Err(Refused::Never("an address that no command can have".into()));
    }
    let has = |name: &str| features.lines().any(|line| line.get(4..).is_some_and(|line| line.trim().eq_ignore_ascii_case(name)));
    let is_international = !addresses.all(|address| address.is_ascii());
    let body = if is_8bit && has("8BITMIME") { " BODY=8BITMIME" } else { "" };
    match is_international {
        false => Ok(body.to_owned()),
        true if has("SMTPUTF8") => Ok(format!("{body} SMTPUTF8")),
        true => Err(Refused::Never("the next server knows no addresses like these (RFC 6531)".into())),
    }
}

fn is_8bit(message: &mut File) -> io::Result<bool> {
    let mut piece = vec![0; 64 * 1024];
    let is_8bit = loop {
        match message.read(&mut piece)? {
            0 => break false,
            some if !piece[..some].is_ascii() => break true,
            _ => {}
        }
    };
    message.rewind().map(|()| is_8bit)
}

struct Server(BufWriter<BufReader<TcpStream>>);

impl Server {
    async fn ask(&mut self, command: &str) -> Result<String, Refused> {
        self.0.write_all(format!("{command}\r\n").as_bytes()).await?;
        self.0.flush().await?;
        self.answer().await
    }

    /// All lines of a reply (RFC 5321 §4.2.1).
    async fn answer(&mut self) -> Result<String, Refused> {
        let mut said = String::new();
        loop {
            let begin = said.len();
            let room = (LONGEST_REPLY - begin) as u64;
            let mut line = Vec::new();
            (&mut self.0).take(room).read_until(b'\n', &mut line).await?;
            said.push_str(&String::from_utf8_lossy(&line));
            let line = &said[begin..];
            match (line.as_bytes().first(), line.as_bytes().get(3)) {
                _ if !line.ends_with('\n') || said.len() >= LONGEST_REPLY => return Err(Refused::Lost(format!("no reply: {said:?}"))),
                (Some(b'2' | b'3'), Some(b'-')) | (Some(b'4' | b'5'), Some(b'-')) => {}
                (Some(b'2' | b'3'), _) => return Ok(said),
                (Some(b'5'), _) => return Err(Refused::Never(said)),
                _ => return Err(Refused::Later(said)),
            }
        }
    }

    async fn data(&mut self, mut message: File) -> Result<(), Refused> {
        let (mut piece, mut lines) = (vec![0; 64 * 1024], Lines::new());
        loop {
            let some = message.read(&mut piece)?;
            if some == 0 {
                self.0.write_all(&lines.end()).await?;
                return Ok(self.0.flush().await?);
            }
            self.0.write_all(&lines.of(&piece[..some])).await?;
        }
    }
}

/// A message's text on its way to the wire: CRLF at line ends and nowhere else, a second dot before one that begins a line (RFC 5321
/// §4.5.2, §2.3.8). A CR alone becomes a line end: some servers take it for one, and what they would then see is not what was checked.
struct Lines {
    at_start: bool,
    after_cr: bool,
}

impl Lines {
    fn new() -> Lines {
        Lines { at_start: true, after_cr: false }
    }

    fn of(&mut self, text: &[u8]) -> Vec<u8> {
        let mut wire = Vec::with_capacity(text.len() + text.len() / 16);
        for &octet in text {
            if std::mem::take(&mut self.after_cr) {
                self.break_line(&mut wire);
                if octet == b'\n' {
                    continue;
                }
            }
            match octet {
                b'\r' => self.after_cr = true,
                b'\n' => self.break_line(&mut wire),
                octet => {
                    if self.at_start && octet == b'.' {
                        wire.push(b'.');
                    }
                    self.at_start = false;
                    wire.push(octet);
                }
            }
        }
        wire
    }

    fn break_line(&mut self, wire: &mut Vec<u8>) {
        wire.extend_from_slice(b"\r\n");
        self.at_start = true;
    }

    fn end(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        if std::mem::take(&mut self.after_cr) || !self.at_start {
            self.break_line(&mut wire);
        }
        wire.extend_from_slice(b".\r\n");
        wire
    }
}

/// Octets of a whole reply; RFC 5321 §4.5.3.1.5 has 512 for a line.
const LONGEST_REPLY: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(text: &[u8], piece: usize) -> String {
        let mut lines = Lines::new();
        let mut wire: Vec<u8> = text.chunks(piece).flat_map(|some| lines.of(some)).collect();
        wire.extend(lines.end());
        String::from_utf8(wire).unwrap()
    }

    #[test]
    fn lines_end_with_crlf_and_dots_are_doubled_however_the_text_comes() {
        for piece in 1..9 {
            assert_eq!(wire(b"a\n.\n..b\n.c", piece), "a\r\n..\r\n...b\r\n..c\r\n.\r\n");
            assert_eq!(wire(b"", piece), ".\r\n");
            assert_eq!(wire(b"a\n", piece), "a\r\n.\r\n");
        }
    }

    #[test]
    fn a_cr_alone_smuggles_nothing() {
        for piece in 1..9 {
            assert_eq!(wire(b"a\r.\r\nMAIL\n\r.\n", piece), "a\r\n..\r\nMAIL\r\n\r\n..\r\n.\r\n");
            assert_eq!(wire(b"a\r", piece), "a\r\n.\r\n");
        }
    }
}

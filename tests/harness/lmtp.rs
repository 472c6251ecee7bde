//! An LMTP client that fails after ten seconds of silence.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// One connection.
pub struct Lmtp {
    stream: BufReader<Stream>,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Lmtp {
    /// Connects to a socket of this machine, and says LHLO.
    pub fn local(path: &Path) -> io::Result<Lmtp> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(SILENCE))?;
        Lmtp::begin(Stream::Unix(stream))
    }

    /// Connects by TCP, and says LHLO.
    pub fn tcp(to: SocketAddr) -> io::Result<Lmtp> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        Lmtp::begin(Stream::Tcp(stream))
    }

    fn begin(stream: Stream) -> io::Result<Lmtp> {
        let mut lmtp = Lmtp { stream: BufReader::new(stream) };
        lmtp.hear()?;
        lmtp.ask("LHLO client.test")?;
        Ok(lmtp)
    }

    /// Says a line, and hears the reply: its last line.
    pub fn ask(&mut self, line: &str) -> io::Result<String> {
        self.say(format!("{line}\r\n").as_bytes())?;
        self.hear()
    }

    /// Sends octets as they are.
    pub fn say(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets)
    }

    /// The last line of the next reply.
    pub fn hear(&mut self) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 || !line.ends_with("\r\n") {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) == Some(&b' ') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).unwrap();
        rest
    }

    /// Sends a message, whose lines end with CRLF and begin with no dot, all at once, to the recipients; the reply for each of them.
    pub fn send(&mut self, to: &[&str], text: &str) -> io::Result<Vec<String>> {
        let rcpt: String = to.iter().map(|to| format!("RCPT TO:<{to}>\r\n")).collect();
        self.say(format!("MAIL FROM:<eve@x.org>\r\n{rcpt}DATA\r\n").as_bytes())?;
        for expected in ["250", "354"] {
            let count = if expected == "250" { 1 + to.len() } else { 1 };
            for _ in 0..count {
                let reply = self.hear()?;
                assert!(reply.starts_with(expected), "{reply}");
            }
        }
        self.say(format!("{text}.\r\n").as_bytes())?;
        to.iter().map(|_| self.hear()).collect()
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(tcp) => tcp.read(into),
            Stream::Unix(unix) => unix.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(tcp) => tcp.write(octets),
            Stream::Unix(unix) => unix.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const SILENCE: Duration = Duration::from_secs(10);

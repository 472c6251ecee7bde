//! A POP3 client that shows every octet, and fails after ten seconds of silence.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// One connection.
pub struct Pop {
    stream: BufReader<TcpStream>,
}

impl Pop {
    /// Dials, and reads the greeting.
    pub fn dial(to: impl ToSocketAddrs) -> (Pop, String) {
        let mut pop = Pop::connect(to);
        let greeting = pop.line();
        (pop, greeting)
    }

    /// Dials, waiting for a listener to come up, and reads nothing.
    pub fn connect(to: impl ToSocketAddrs) -> Pop {
        let to: Vec<_> = to.to_socket_addrs().unwrap().collect();
        let stream = super::until(&format!("a listener on {to:?}"), 20, || TcpStream::connect(&to[..]).ok());
        stream.set_read_timeout(Some(SILENCE)).unwrap();
        stream.set_write_timeout(Some(SILENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Pop { stream: BufReader::new(stream) }
    }

    /// Dials and logs in.
    pub fn login(to: impl ToSocketAddrs, user: &str, password: &str) -> Pop {
        Pop::try_login(to, user, password).unwrap_or_else(|answer| panic!("{user}: {answer}"))
    }

    /// Dials and logs in, or gives the answer.
    pub fn try_login(to: impl ToSocketAddrs, user: &str, password: &str) -> Result<Pop, String> {
        let (mut pop, _) = Pop::dial(to);
        assert!(pop.say(&format!("USER {user}")).starts_with("+OK"));
        let answer = pop.say(&format!("PASS {password}"));
        if answer.starts_with("+OK") { Ok(pop) } else { Err(answer) }
    }

    /// Says QUIT, and waits for the end: then the maildrop is free for the next session.
    pub fn quit(mut self) {
        let answer = self.say("QUIT");
        assert!(answer.starts_with("+OK"), "{answer}");
        assert_eq!(self.rest(), "", "the connection ends after QUIT");
    }

    /// The next line, without its end; empty where the connection has ended.
    pub fn line(&mut self) -> String {
        String::from_utf8_lossy(&self.octets()).trim_end_matches("\r\n").to_owned()
    }

    /// Sends a command and reads one line.
    pub fn say(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes());
        self.line()
    }

    /// Sends a command that must succeed, and reads the lines up to the dot, their dots unstuffed.
    pub fn ask(&mut self, command: &str) -> Vec<u8> {
        let first = self.say(command);
        assert!(first.starts_with("+OK"), "{command}: {first}");
        self.text()
    }

    /// The lines up to the dot, their dots unstuffed.
    pub fn text(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        loop {
            let line = self.octets();
            assert!(line.ends_with(b"\r\n"), "a line ends with {line:?}");
            match line.strip_prefix(b".") {
                Some(b"\r\n") => return text,
                Some(stuffed) => text.extend_from_slice(stuffed),
                None => text.extend_from_slice(&line),
            }
        }
    }

    /// Sends octets as they are.
    pub fn send(&mut self, octets: &[u8]) {
        self.stream.get_mut().write_all(octets).unwrap();
    }

    /// Everything up to the end of the connection; a reset counts as one.
    pub fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the connection does not end: {error}; after {:?}", String::from_utf8_lossy(&rest)),
        }
        String::from_utf8_lossy(&rest).into_owned()
    }

    fn octets(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(_) => line,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => line,
            Err(error) => panic!("silence after {:?}: {error}", String::from_utf8_lossy(&line)),
        }
    }
}

const SILENCE: Duration = Duration::from_secs(10);

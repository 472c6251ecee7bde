//! Mailboxes as servers show them: an IMAP client, for a server that it starts, or one that it dials.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::time::Duration;

/// A mailbox, as a server or a store shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    pub uidvalidity: u32,
    pub uidnext: u32,
    /// By UID.
    pub messages: BTreeMap<u32, Shown>,
}

/// A message: its subject, and its flags and keywords as IMAP writes them, without `\Recent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub subject: String,
    pub flags: BTreeSet<String>,
}

impl Sight {
    /// The UID of the message with this subject, of which there must be one.
    pub fn uid(&self, subject: &str) -> u32 {
        let mut found = self.messages.iter().filter(|(_, shown)| shown.subject == subject).map(|(uid, _)| *uid);
        let uid = found.next().unwrap_or_else(|| panic!("{subject} is not there"));
        assert_eq!(found.next(), None, "{subject} is there twice");
        uid
    }
}

/// A session.
pub struct Imap {
    stream: BufReader<Box<dyn Stream>>,
    child: Option<Child>,
    commands: u32,
}

/// A socket, of any kind.
pub trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

impl Imap {
    /// Starts `command`, which must greet with PREAUTH.
    pub fn start(command: &mut Command) -> Imap {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(SILENCE)).unwrap();
        let theirs = OwnedFd::from(theirs);
        let child =
            command.stdin(theirs.try_clone().unwrap()).stdout(theirs).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // What `command` keeps of the socket would hide that the program has ended.
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        let mut imap = Imap { stream: BufReader::new(Box::new(ours)), child: Some(child), commands: 0 };
        while !imap.line().starts_with("* PREAUTH") {}
        imap
    }

    /// Dials, waiting for a listener to come up, and reads the greeting.
    pub fn dial(to: impl ToSocketAddrs) -> (Imap, String) {
        let to: Vec<_> = to.to_socket_addrs().unwrap().collect();
        let stream = super::until(&format!("a listener on {to:?}"), 20, || TcpStream::connect(&to[..]).ok());
        stream.set_read_timeout(Some(SILENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut imap = Imap::over(stream);
        let greeting = imap.line();
        (imap, greeting)
    }

    /// Over a stream on which nothing waits to be read.
    pub fn over(stream: impl Stream + 'static) -> Imap {
        Imap { stream: BufReader::new(Box::new(stream)), child: None, commands: 0 }
    }

    /// Dials and logs in.
    pub fn login(to: impl ToSocketAddrs, user: &str, password: &str) -> Imap {
        let (mut imap, _) = Imap::dial(to);
        imap.ask(&format!("LOGIN {user} {password}"));
        imap
    }

    /// Says a command that must succeed; gives all answers, the last with the tag taken off.
    pub fn ask(&mut self, command: &str) -> Vec<String> {
        let answers = self.say(command);
        assert!(answers.last().unwrap().starts_with("OK"), "{command}: {answers:?}");
        answers
    }

    /// As [`Imap::ask`], but it may fail.
    pub fn say(&mut self, command: &str) -> Vec<String> {
        self.send(command);
        self.answers()
    }

    /// Says a command that the server answers with a `+`.
    pub fn begins(&mut self, command: &str) {
        self.send(command);
        let go_on = self.line();
        assert!(go_on.starts_with('+'), "{command}: {go_on}");
    }

    /// Says a piece of a command.
    pub fn stutter(&mut self, piece: &str) {
        self.stream.get_mut().write_all(piece.as_bytes()).unwrap();
        self.stream.get_mut().flush().unwrap();
    }

    /// Says a command, and hears nothing.
    pub fn send(&mut self, command: &str) {
        self.commands += 1;
        self.stream.get_mut().write_all(format!("t{} {command}\r\n", self.commands).as_bytes()).unwrap();
        self.stream.get_mut().flush().unwrap();
    }

    fn answers(&mut self) -> Vec<String> {
        let (tag, mut answers) = (format!("t{} ", self.commands), Vec::new());
        loop {
            let line = self.line();
            match line.strip_prefix(&tag) {
                Some(last) => {
                    answers.push(last.to_owned());
                    return answers;
                }
                None => answers.push(line),
            }
        }
    }

    /// Appends a small message; gives its UID, if the server says it.
    pub fn append(&mut self, folder: &str, subject: &str, flags: &str) -> Option<u32> {
        let text = letter(subject).replace('\n', "\r\n");
        self.begins(&format!("APPEND {folder} ({flags}) {{{}}}", text.len()));
        self.stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).unwrap();
        let answers = self.answers();
        assert!(answers.last().unwrap().starts_with("OK"), "{answers:?}");
        let code = answers.last()?.split_once("[APPENDUID ")?.1.split_once(']')?.0;
        code.split(' ').nth(1)?.parse().ok()
    }

    /// What is in a folder.
    pub fn sight(&mut self, folder: &str) -> Sight {
        let answers = self.ask(&format!("EXAMINE {folder}"));
        let number = |what: &str| -> Option<u32> {
            let rest = answers.iter().find_map(|line| line.split_once(what))?.1;
            rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
        };
        let messages: Vec<String> = match answers.iter().any(|line| line == "* 0 EXISTS") {
            true => Vec::new(),
            false => self.ask("UID FETCH 1:* (FLAGS ENVELOPE)"),
        };
        let messages: BTreeMap<u32, Shown> = messages.iter().filter_map(|line| shown(line)).collect();
        // Courier does not say UIDNEXT.
        let uidnext = number("[UIDNEXT ").unwrap_or_else(|| messages.last_key_value().map_or(1, |(uid, _)| uid + 1));
        Sight { uidvalidity: number("[UIDVALIDITY ").expect("it is always said"), uidnext, messages }
    }

    /// Says farewell, and waits for the end of the program, or of the connection.
    pub fn logout(mut self) {
        self.ask("LOGOUT");
        match &mut self.child {
            Some(child) => _ = child.wait().unwrap(),
            None => assert_eq!(self.rest(), "", "the connection ends after LOGOUT"),
        }
    }

    /// What comes until the connection ends.
    pub fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// A line with its literals, which must be small, without the last CRLF.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        loop {
            let read = self.stream.read_until(b'\n', &mut line).unwrap_or_else(|error| panic!("silence: {error}"));
            assert!(read > 0, "the server has ended after {:?}", String::from_utf8_lossy(&line));
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches("\r\n");
            match text.strip_suffix('}').and_then(|text| text.rsplit_once('{')).and_then(|(_, size)| size.parse::<usize>().ok()) {
                None => return text.to_owned(),
                Some(size) => {
                    let mut literal = vec![0; size];
                    self.stream.read_exact(&mut literal).unwrap();
                    line.extend_from_slice(&literal);
                }
            }
        }
    }
}

impl Drop for Imap {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A line of the answer to UID FETCH; the messages have no date, so that the subject comes first in the envelope.
fn shown(line: &str) -> Option<(u32, Shown)> {
    let within = |from: &str, to: &str| Some(line.split_once(from)?.1.split_once(to)?.0);
    let uid = within("UID ", " ").or_else(|| within("UID ", ")"))?.parse().ok()?;
    let flags = within("FLAGS (", ")")?.split(' ').filter(|flag| !flag.is_empty() && *flag != "\\Recent");
    let subject = within("ENVELOPE (NIL \"", "\"")?;
    Some((uid, Shown { subject: subject.to_owned(), flags: flags.map(str::to_owned).collect() }))
}

/// A small message with this subject, its line ends LF.
pub fn letter(subject: &str) -> String {
    format!("From: ann@example.org\nSubject: {subject}\n\nHello from {subject}.\n")
}

const SILENCE: Duration = Duration::from_secs(30);

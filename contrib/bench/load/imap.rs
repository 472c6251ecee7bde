//! One IMAP client: counts what it is told, and passes over literals by their length.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use crate::client::{Client, Target};

pub struct Imap {
    client: Client,
    commands: u32,
}

/// What was answered, counted.
#[derive(Debug, Default)]
pub struct Answer {
    /// Untagged responses.
    pub responses: usize,
    /// Octets in literals.
    pub octets: u64,
    /// The first response up to its first literal, and no more of it than a line that a person reads.
    pub first: String,
    /// Words in it.
    pub words: usize,
}

impl Imap {
    pub fn new(target: Arc<Target>) -> Self {
        Self { client: Client::new(target), commands: 0 }
    }

    /// Octets read so far, over all sessions.
    pub fn received(&self) -> u64 {
        self.client.received()
    }

    pub async fn login(&mut self, login: &str, password: &str) -> Result<()> {
        self.client.connect().await?;
        let greeting = self.client.with_line(|line| line.starts_with(b"* OK")).await?;
        ensure!(greeting, "not greeted with OK");
        self.ask(&format!("LOGIN {login} {password}")).await?;
        Ok(())
    }

    /// Says a command that must succeed.
    pub async fn ask(&mut self, command: &str) -> Result<Answer> {
        self.send(command).await?;
        self.answer().await.with_context(|| format!("{command:.100}"))
    }

    /// Selects a mailbox, and gives the number of its messages.
    pub async fn select(&mut self, mailbox: &str) -> Result<usize> {
        self.send(&format!("SELECT {mailbox}")).await?;
        let mut exists = 0;
        loop {
            let (number, is_last) = self.client.with_line(|line| (exists_in(line), !line.starts_with(b"*"))).await?;
            exists = number.unwrap_or(exists);
            if is_last {
                return Ok(exists);
            }
        }
    }

    /// Appends messages, in one command.
    pub async fn append(&mut self, mailbox: &str, messages: &[String]) -> Result<()> {
        let mut command = format!("APPEND {mailbox}");
        messages.iter().for_each(|message| command += &format!(" {{{}+}}\r\n{message}", message.len()));
        self.ask(&command).await.map(|_| ())
    }

    /// Begins IDLE.
    pub async fn idle(&mut self) -> Result<()> {
        self.send("IDLE").await?;
        let goes_on = self.client.with_line(|line| line.starts_with(b"+")).await?;
        ensure!(goes_on, "IDLE is refused");
        Ok(())
    }

    /// Waits, in IDLE, until so many messages are told.
    pub async fn told(&mut self, exists: usize) -> Result<()> {
        while self.client.with_line(exists_in).await? != Some(exists) {}
        Ok(())
    }

    /// Ends IDLE.
    pub async fn done(&mut self) -> Result<()> {
        self.client.send("DONE\r\n").await?;
        self.answer().await.map(|_| ())
    }

    /// Says farewell and waits until the server has hung up.
    pub async fn logout(&mut self) -> Result<()> {
        self.ask("LOGOUT").await?;
        self.client.hang_up().await
    }

    async fn send(&mut self, command: &str) -> Result<()> {
        self.commands += 1;
        self.client.send(&format!("{} {command}\r\n", self.commands)).await
    }

    async fn answer(&mut self) -> Result<Answer> {
        let (tag, mut answer) = (format!("{} ", self.commands), Answer::default());
        let mut begins = true;
        loop {
            let line = self.client.with_line(|line| answer.take(line, begins, &tag)).await??;
            match line {
                Line::Last => return Ok(answer),
                Line::Whole => begins = true,
                Line::Literal(octets) => {
                    begins = false;
                    self.client.skip(octets).await?;
                }
            }
        }
    }
}

enum Line {
    Last,
    Whole,
    /// So many octets of a literal follow, and then the line goes on.
    Literal(u64),
}

impl Answer {
    fn take(&mut self, line: &[u8], begins: bool, tag: &str) -> Result<Line> {
        if begins && line.starts_with(tag.as_bytes()) {
            let text = String::from_utf8_lossy(line);
            ensure!(text[tag.len()..].starts_with("OK"), "answered {text:?}");
            return Ok(Line::Last);
        }
        if begins {
            self.responses += 1;
        }
        if begins && self.responses == 1 {
            self.first = String::from_utf8_lossy(&line[..line.len().min(READABLE)]).into_owned();
            self.words = line.split(|octet| *octet == b' ').filter(|word| !word.is_empty()).count();
        }
        let literal = line.strip_suffix(b"}").and_then(|line| line.rsplit(|octet| *octet == b'{').next());
        let octets = literal.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        self.octets += octets.unwrap_or(0);
        Ok(octets.map_or(Line::Whole, Line::Literal))
    }
}

/// The number of `* 5 EXISTS`.
fn exists_in(line: &[u8]) -> Option<usize> {
    std::str::from_utf8(line).ok()?.strip_prefix("* ")?.strip_suffix(" EXISTS")?.parse().ok()
}

const READABLE: usize = 200;

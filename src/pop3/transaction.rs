//! The TRANSACTION state (RFC 1939 §5).

use super::capability::State;
use super::command::{BadCommand, Command, Number};
use super::maildrop::{Maildrop, NoMessage};
use super::reply;
use super::session::Session;
use crate::store::{Reader, Trouble};
use crate::wire::{FULL, Lost, Stuffer, spare};

const LEGAL: &str = "STAT, LIST, RETR, DELE, NOOP, RSET, TOP, UIDL, CAPA, LANG, QUIT";

impl Session<'_> {
    /// Until QUIT.
    pub(super) async fn transact(&mut self, maildrop: &mut Maildrop) -> Result<(), Lost> {
        loop {
            match self.command().await? {
                Ok(Command::Quit) => return Ok(()),
                Ok(Command::Stat) => {
                    let (messages, octets) = maildrop.totals();
                    self.ok_numbers(messages, octets);
                }
                Ok(Command::List(None)) => Box::pin(self.list(maildrop)).await?,
                Ok(Command::List(Some(number))) => self.list_one(maildrop, number),
                Ok(Command::Uidl(None)) => Box::pin(self.uidl(maildrop)).await?,
                Ok(Command::Uidl(Some(number))) => Box::pin(self.uidl_one(maildrop, number)).await,
                Ok(Command::Retr(number)) => Box::pin(self.retr(maildrop, number)).await?,
                Ok(Command::Top(number, lines)) => Box::pin(self.top(maildrop, number, lines)).await?,
                Ok(Command::Dele(number)) => self.dele(maildrop, number),
                Ok(Command::Noop) => self.wire.say(b"+OK\r\n"),
                Ok(Command::Rset) => {
                    maildrop.undelete();
                    let (messages, octets) = maildrop.totals();
                    self.ok(&format!("{messages} messages ({octets} octets)"));
                }
                Ok(Command::Capa) => {
                    let domain = maildrop.domain.clone();
                    self.capabilities(Some(&domain.record), State::Transaction);
                }
                Ok(Command::Lang(tag)) => self.lang(tag.as_deref()),
                Ok(_) => self.refuse_line(BadCommand::Unknown, LEGAL),
                Err(bad) => self.refuse_line(bad, LEGAL),
            }
            self.wire.flush_if_full().await?;
        }
    }

    async fn list(&mut self, maildrop: &Maildrop) -> Result<(), Lost> {
        let (messages, octets) = maildrop.totals();
        self.ok(&format!("{messages} messages ({octets} octets)"));
        for (at, message) in maildrop.remaining() {
            self.line_numbers(at as u64 + 1, message.size.popped());
            self.wire.flush_if_full().await?;
        }
        self.end_of_lines();
        Ok(())
    }

    fn list_one(&mut self, maildrop: &Maildrop, number: Number) {
        match maildrop.at(number) {
            Ok(at) => self.ok_numbers(number.0, maildrop.message(at).size.popped()),
            Err(none) => self.refuse_number(none, number),
        }
    }

    async fn uidl(&mut self, maildrop: &mut Maildrop) -> Result<(), Lost> {
        let places: Vec<usize> = maildrop.remaining().map(|(at, _)| at).collect();
        // A digest can fail: the ids of one reply are gathered before it begins, so that it is whole or an error.
        let mut lines = String::new();
        for at in places {
            match maildrop.unique_id(at).await {
                Ok(id) => lines.extend([itoa::Buffer::new().format(at + 1), " ", &id, "\r\n"]),
                Err(Trouble::Gone(_)) => {}
                Err(trouble) => return self.fail(maildrop, &trouble),
            }
        }
        self.ok("unique ids follow");
        self.say(&[&lines]);
        self.end_of_lines();
        Ok(())
    }

    async fn uidl_one(&mut self, maildrop: &mut Maildrop, number: Number) {
        match maildrop.at(number) {
            Err(none) => self.refuse_number(none, number),
            Ok(at) => match maildrop.unique_id(at).await {
                Ok(id) => self.say(&["+OK ", itoa::Buffer::new().format(number.0), " ", &id, "\r\n"]),
                Err(trouble) => self.err(reply::trouble(&trouble)),
            },
        }
    }

    fn dele(&mut self, maildrop: &mut Maildrop, number: Number) {
        match maildrop.at(number) {
            Ok(at) => {
                maildrop.delete(at);
                self.say(&["+OK message ", itoa::Buffer::new().format(number.0), " marked for deletion\r\n"]);
            }
            Err(none) => self.refuse_number(none, number),
        }
    }

    async fn retr(&mut self, maildrop: &mut Maildrop, number: Number) -> Result<(), Lost> {
        let Some((at, mut reader)) = self.begin(maildrop, number).await? else { return Ok(()) };
        self.doing = "sending a message";
        self.wire.begin_message()?;
        let size = maildrop.message(at).size.popped();
        self.say(&["+OK ", itoa::Buffer::new().format(size), " octets\r\n"]);
        let as_wire = reader.as_wire().filter(|_| size >= WORTH_SENDFILE && self.wire.can_send_file());
        match as_wire {
            Some((file, range)) => {
                self.wire.send_file(&file, range).await?;
                self.wire.say(b".\r\n");
            }
            None => self.send(&mut reader, Lines::All, size).await?,
        }
        self.end_of_message(reader).await?;
        maildrop.has_read(at);
        self.done.retr += 1;
        Ok(())
    }

    async fn top(&mut self, maildrop: &mut Maildrop, number: Number, lines: u64) -> Result<(), Lost> {
        let Some((at, mut reader)) = self.begin(maildrop, number).await? else { return Ok(()) };
        self.doing = "sending the top of a message";
        self.wire.begin_message()?;
        self.ok("top of message follows");
        let size = maildrop.message(at).size.popped();
        self.send(&mut reader, Lines::Header { body: lines, line_is_empty: true }, size).await?;
        self.end_of_message(reader).await?;
        self.done.top += 1;
        Ok(())
    }

    async fn begin(&mut self, maildrop: &mut Maildrop, number: Number) -> Result<Option<(usize, Reader)>, Lost> {
        let at = match maildrop.at(number) {
            Ok(at) => at,
            Err(none) => {
                self.refuse_number(none, number);
                return Ok(None);
            }
        };
        match maildrop.read(at).await {
            Ok(reader) => Ok(Some((at, reader))),
            Err(trouble) => self.fail(maildrop, &trouble).map(|()| None),
        }
    }

    /// Sends the message, or as much of it as `lines` allow, and the dot.
    async fn send(&mut self, reader: &mut Reader, mut lines: Lines, size: u64) -> Result<(), Lost> {
        let mut stuffer = Stuffer::default();
        let most = usize::try_from(size).unwrap_or(FULL).clamp(Reader::LEAST, FULL);
        let mut piece = spare::take();
        piece.resize(piece.len().max(most), 0);
        while !lines.are_done() {
            let count = reader.fill(&mut piece[..most]).await.map_err(|trouble| self.cut_off(&trouble))?;
            if count == 0 {
                break;
            }
            stuffer.push(lines.allowed(&piece[..count]), self.wire.output());
            self.wire.flush_if_full().await?;
        }
        stuffer.finish(self.wire.output());
        spare::give(piece);
        Ok(())
    }

    /// A message that another program changed while it was sent is not one: the client must not take it for complete.
    async fn end_of_message(&mut self, mut reader: Reader) -> Result<(), Lost> {
        match reader.verify().await {
            Ok(()) => {
                self.wire.end_message();
                Ok(())
            }
            Err(trouble) => {
                self.wire.output().clear();
                Err(self.cut_off(&trouble))
            }
        }
    }

    fn cut_off(&self, trouble: &Trouble) -> Lost {
        tracing::warn!(event = "maildrop", proto = "pop3", user = ?self.user, error = %trouble, doing = self.doing);
        Lost::Io(std::io::Error::other(trouble.to_string()))
    }

    fn fail(&mut self, maildrop: &Maildrop, trouble: &Trouble) -> Result<(), Lost> {
        tracing::warn!(event = "maildrop", proto = "pop3", user = %maildrop.owner, error = %trouble, doing = self.doing);
        self.err(reply::trouble(trouble));
        Ok(())
    }

    fn refuse_number(&mut self, none: NoMessage, number: Number) {
        match none {
            NoMessage::OutOfRange => self.err("invalid message; number out of range"),
            NoMessage::Deleted => self.say(&["-ERR message ", itoa::Buffer::new().format(number.0), " has been marked for deletion\r\n"]),
        }
    }
}

/// How much of a message is sent.
enum Lines {
    All,
    /// The header, the empty line, and so many lines of the body (RFC 1939 §7 TOP).
    Header {
        body: u64,
        /// Nothing but CR has come since the last line end.
        line_is_empty: bool,
    },
    /// So many lines more.
    Body(u64),
}

impl Lines {
    fn are_done(&self) -> bool {
        matches!(self, Lines::Body(0))
    }

    /// The part of `piece` that may still be sent.
    fn allowed<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let mut end = 0;
        while end < piece.len() && !self.are_done() {
            let line_end = memchr::memchr(b'\n', &piece[end..]).map(|at| end + at);
            let part = &piece[end..line_end.unwrap_or(piece.len())];
            match self {
                Lines::All => return piece,
                Lines::Header { body, line_is_empty } => {
                    *line_is_empty &= part.iter().all(|&octet| octet == b'\r');
                    match line_end {
                        Some(_) if *line_is_empty => *self = Lines::Body(*body),
                        Some(_) => *line_is_empty = true,
                        None => {}
                    }
                }
                Lines::Body(left) => *left -= u64::from(line_end.is_some()),
            }
            end = line_end.map_or(piece.len(), |at| at + 1);
        }
        &piece[..end]
    }
}

/// Below this a copy is cheaper than a system call more.
const WORTH_SENDFILE: u64 = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn top(text: &str, body: u64, at_once: usize) -> String {
        let mut lines = Lines::Header { body, line_is_empty: true };
        let mut sent = Vec::new();
        for piece in text.as_bytes().chunks(at_once) {
            if !lines.are_done() {
                sent.extend_from_slice(lines.allowed(piece));
            }
        }
        String::from_utf8(sent).unwrap()
    }

    #[test]
    fn top_is_the_header_the_empty_line_and_so_many_lines() {
        for text in ["A: 1\nB: 2\n\none\ntwo\nthree\n", "A: 1\r\nB: 2\r\n\r\none\r\ntwo\r\nthree\r\n"] {
            let end = |word: &str| text.find(word).unwrap();
            for at_once in 1..text.len() {
                assert_eq!(top(text, 0, at_once), text[..end("one")]);
                assert_eq!(top(text, 2, at_once), text[..end("three")]);
                assert_eq!(top(text, u64::MAX, at_once), text);
            }
        }
    }

    #[test]
    fn top_of_a_message_without_a_body_is_the_message() {
        assert_eq!(top("A: 1\n", 5, 3), "A: 1\n");
        assert_eq!(top("\nbody\n", 0, 3), "\n");
    }
}

//! One client's connection: lines in, replies and messages out, TLS, deadlines and counts, for every protocol alike.

mod deflate;
pub mod spare;
mod stuff;
mod transport;
mod unstuff;

pub use stuff::Stuffer;
pub use transport::{Accepting, Plain, TlsDoor, TlsStream};
pub use unstuff::Unstuffer;

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use deflate::Deflate;
use transport::Transport;

/// The connection to one client. While it is silent it owns no buffer.
pub struct Wire {
    transport: Transport,
    /// What is said and heard is compressed.
    deflate: Option<Box<Deflate>>,
    input: Vec<u8>,
    /// How much of `input` has been given out.
    taken: usize,
    output: Vec<u8>,
    counts: Counts,
    patience: Duration,
    stop: watch::Receiver<bool>,
    /// The end of the server has to wait.
    is_engaged: bool,
    hearing: Hearing,
}

/// Whether the client hears us, and what it would miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hearing {
    /// What waits to be sent is short replies.
    Replies,
    /// A message is among it.
    Message {
        /// More of it is to come.
        is_open: bool,
    },
    /// The client has closed its end without waiting for our replies. What it had sent before still counts: some say QUIT and are gone.
    Nothing,
}

/// What a client is expected to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Anything,
    /// The rest of what it has begun.
    Rest,
}

/// Octets that went over the wire, inside TLS where there is any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// From the client.
    pub received: u64,
    /// To the client.
    pub sent: u64,
}

/// A line of the client's.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Its octets, without the line end.
    Whole(&'a [u8]),
    /// It was longer than [`Wire::LONGEST_LINE`] and is thrown away.
    TooLong,
}

/// Why a conversation ends without the client's farewell.
#[derive(Debug)]
pub enum Lost {
    /// The client closed, or vanished.
    Closed,
    /// The client was silent, or took nothing, for too long.
    Idle,
    /// The server stops.
    Stopping,
    /// The transport failed.
    Io(io::Error),
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Lost {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionAborted => Lost::Closed,
            _ => Lost::Io(error),
        }
    }
}

impl Wire {
    /// RFC 2449 §4 wants 255 octets of us, RFC 5034 §4 lets a SASL response be longer; names and passwords have their own limits.
    pub const LONGEST_LINE: usize = 4096;

    /// A connection on which nothing has been said. A client may be silent for `patience`; when `stop` turns true the next wait for
    /// the client ends with [`Lost::Stopping`].
    pub fn new(io: Plain, patience: Duration, stop: watch::Receiver<bool>) -> Wire {
        let transport = Transport::Plain(io);
        Wire {
            transport,
            deflate: None,
            input: Vec::new(),
            taken: 0,
            output: Vec::new(),
            counts: Counts::default(),
            patience,
            stop,
            is_engaged: false,
            hearing: Hearing::Replies,
        }
    }

    /// Whether TLS protects the connection.
    pub fn is_secure(&self) -> bool {
        matches!(self.transport, Transport::Tls(_))
    }

    /// The client's next line. What has been said before goes out first, unless the client has already sent more: then the answers
    /// to several commands leave together.
    pub async fn line(&mut self) -> Result<Line<'_>, Lost> {
        if !self.has_line() {
            self.flush().await?;
        }
        let patience = self.patience;
        let end = match timeout(patience, self.await_line()).await {
            Ok(end) => end?,
            Err(_) => return Err(Lost::Idle),
        };
        let Some(end) = end else { return Ok(Line::TooLong) };
        let line = self.taken..end;
        self.taken = end + 1;
        let line = &self.input[line];
        Ok(Line::Whole(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// Waits until [`Wire::unread`] holds something. What has been said before goes out first, unless the client has already sent more.
    pub async fn more(&mut self) -> Result<(), Lost> {
        self.wait(Wanted::Anything).await
    }

    /// As [`Wire::more`], where the client is amid something. Many clients send a message and the end of their command apart, and their
    /// TCP keeps back the end until we acknowledge the message (RFC 1122 §4.2.3.4), for which ours would take 40 ms: it is told to hurry.
    pub async fn rest(&mut self) -> Result<(), Lost> {
        self.wait(Wanted::Rest).await
    }

    async fn wait(&mut self, wanted: Wanted) -> Result<(), Lost> {
        if !self.unread().is_empty() {
            return Ok(());
        }
        self.flush().await?;
        match timeout(self.patience, self.fill(wanted)).await {
            Ok(filled) => filled,
            Err(_) => Err(Lost::Idle),
        }
    }

    /// What the client has sent and nobody has used.
    pub fn unread(&self) -> &[u8] {
        &self.input[self.taken..]
    }

    /// The first `count` octets of [`Wire::unread`] are done with.
    pub fn used(&mut self, count: usize) {
        self.taken += count;
        debug_assert!(self.taken <= self.input.len());
    }

    /// From now on a client may be silent for so long.
    pub fn be_patient(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Whether the client is in the middle of something that is to be finished first when the server stops.
    pub fn be_engaged(&mut self, is_engaged: bool) {
        self.is_engaged = is_engaged;
    }

    fn has_line(&self) -> bool {
        memchr::memchr(b'\n', &self.input[self.taken..]).is_some()
    }

    /// Where the next line's LF is; `None` after a line that was too long.
    async fn await_line(&mut self) -> Result<Option<usize>, Lost> {
        let mut is_too_long = false;
        loop {
            let unread = &self.input[self.taken..];
            match memchr::memchr(b'\n', unread) {
                // However the line was cut on its way: its length alone decides.
                Some(at) if is_too_long || at > Wire::LONGEST_LINE => {
                    self.taken += at + 1;
                    return Ok(None);
                }
                Some(at) => return Ok(Some(self.taken + at)),
                None if unread.len() > Wire::LONGEST_LINE => {
                    is_too_long = true;
                    self.taken = self.input.len();
                }
                None => {}
            }
            self.fill(Wanted::Anything).await?;
        }
    }

    async fn fill(&mut self, wanted: Wanted) -> Result<(), Lost> {
        self.input.drain(..self.taken);
        self.taken = 0;
        if !self.is_engaged && *self.stop.borrow() {
            return Err(Lost::Stopping);
        }
        loop {
            if let Some(deflate) = &mut self.deflate
                && deflate.inflate(&mut self.input)? > 0
            {
                return Ok(());
            }
            let into = self.deflate.as_mut().map_or(&mut self.input, |deflate| deflate.arriving());
            let count = tokio::select! {
                count = self.transport.read(into, wanted) => count?,
                _ = self.stop.wait_for(|stopping| *stopping), if !self.is_engaged => return Err(Lost::Stopping),
            };
            self.counts.received += count as u64;
            match count {
                0 => return Err(Lost::Closed),
                _ if self.deflate.is_none() => return Ok(()),
                _ => {}
            }
        }
    }

    /// Says something; it leaves with the next flush.
    pub fn say(&mut self, octets: &[u8]) {
        self.output().extend_from_slice(octets);
    }

    /// The place where what is said is gathered, for those who write into it themselves.
    pub fn output(&mut self) -> &mut Vec<u8> {
        if self.output.capacity() == 0 {
            self.output = spare::take();
            self.output.clear();
            // Goes back to the spare ones with the flush, so that the next reply of this thread needs none.
            self.output.reserve(spare::SMALLEST);
        }
        &mut self.output
    }

    /// Sends what has been said, if it has become much.
    pub async fn flush_if_full(&mut self) -> Result<(), Lost> {
        if self.output.len() < FULL {
            return Ok(());
        }
        self.flush().await?;
        // There is more to be said, about as much again.
        self.output = spare::take();
        self.output.clear();
        Ok(())
    }

    /// Sends what has been said.
    pub async fn flush(&mut self) -> Result<(), Lost> {
        if self.output.is_empty() {
            return Ok(());
        }
        // The buffer goes with what it held: a client that is silent from now on costs none.
        let said = std::mem::take(&mut self.output);
        if self.hearing == Hearing::Nothing {
            return Ok(());
        }
        match (self.send(said).await.map_err(Lost::from), self.hearing) {
            (Ok(count), _) => {
                self.counts.sent += count;
                if self.hearing == (Hearing::Message { is_open: false }) {
                    self.hearing = Hearing::Replies;
                }
                Ok(())
            }
            (Err(Lost::Closed), Hearing::Replies) => {
                self.hearing = Hearing::Nothing;
                Ok(())
            }
            (Err(lost), _) => Err(lost),
        }
    }

    /// Returns how many octets that were on the wire.
    async fn send(&mut self, mut said: Vec<u8>) -> io::Result<u64> {
        if let Some(deflate) = &mut self.deflate {
            said = deflate.deflate(&said)?;
        }
        let (count, sent) = (said.len() as u64, self.transport.write_now(&said)?);
        if sent < said.len() || self.is_secure() {
            // Boxed: nearly always the socket takes all at once, and no session need be large for the other case.
            Box::pin(self.transport.write_all(&said[sent..])).await?;
        }
        spare::give(said);
        Ok(count)
    }

    /// What is said from here on is part of a message: if the client does not get it, the conversation is over.
    ///
    /// # Errors
    /// The client does not hear us any more.
    pub fn begin_message(&mut self) -> Result<(), Lost> {
        if self.hearing == Hearing::Nothing {
            return Err(Lost::Closed);
        }
        self.hearing = Hearing::Message { is_open: true };
        if self.output.capacity() < Wire::LONGEST_LINE {
            let mut roomy = spare::take();
            roomy.clear();
            roomy.append(&mut self.output);
            self.output = roomy;
        }
        Ok(())
    }

    /// The message has been said, to its end.
    pub fn end_message(&mut self) {
        self.hearing = Hearing::Message { is_open: false };
    }

    /// Whether [`Wire::send_file`] is possible: the transport takes octets as they are.
    pub fn can_send_file(&self) -> bool {
        matches!(self.transport, Transport::Plain(Plain::Tcp(_))) && self.deflate.is_none()
    }

    /// What has been said goes out; what is said and heard from here on is compressed (RFC 4978).
    pub async fn compress(&mut self) -> Result<(), Lost> {
        self.flush().await?;
        let arrived = self.input.split_off(self.taken);
        (self.input, self.taken) = (Vec::new(), 0);
        self.deflate = Some(Box::new(Deflate::new(arrived)));
        Ok(())
    }

    /// Whether the conversation is compressed.
    pub fn is_compressed(&self) -> bool {
        self.deflate.is_some()
    }

    /// Sends what has been said, then `range` of `file`, without copying it through this process.
    pub async fn send_file(&mut self, file: &Arc<File>, range: Range<u64>) -> Result<(), Lost> {
        let Transport::Plain(Plain::Tcp(tcp)) = &self.transport else {
            return Err(Lost::Io(io::Error::from(io::ErrorKind::Unsupported)));
        };
        let said = std::mem::take(&mut self.output);
        let sent = transport::send_with_file(tcp, &said, file, range).await;
        self.counts.sent += sent.as_ref().map_or(0, |count| *count);
        sent.map(|_| ()).map_err(Lost::from)
    }

    /// Begins TLS. What the client had sent before is thrown away: it may be somebody else's (RFC 2595 §4, CVE-2011-0411).
    /// Returns the server name that the client asked for.
    pub async fn start_tls(&mut self, door: &dyn TlsDoor, local: IpAddr) -> Result<Option<String>, Lost> {
        self.flush().await?;
        self.input = Vec::new();
        self.taken = 0;
        let Transport::Plain(plain) = std::mem::replace(&mut self.transport, Transport::Gone) else {
            return Err(Lost::Io(io::Error::other("TLS inside TLS")));
        };
        let (stream, name) = match timeout(HANDSHAKE, door.accept(plain, local)).await {
            Ok(accepted) => accepted?,
            Err(_) => return Err(Lost::Idle),
        };
        self.transport = Transport::Tls(Box::new(stream));
        Ok(name)
    }

    /// Sends the last words and closes.
    pub async fn close(mut self) -> Counts {
        // The client may have gone without waiting; there is nobody left to tell.
        if self.flush().await.is_ok() {
            self.transport.close().await;
        }
        self.counts
    }

    /// Sends the last words to a client that has not asked for the end, and waits a moment for it to take note: to close while it is
    /// still sending would make TCP throw our words away.
    pub async fn close_politely(mut self) -> Counts {
        if self.flush().await.is_ok() {
            // Best effort, and bounded in time and size.
            let _ = timeout(LINGER, self.transport.end_and_drain()).await;
        }
        self.counts
    }
}

/// So much is sent at once: a socket's buffer takes it in one go.
pub const FULL: usize = 64 * 1024;
const HANDSHAKE: Duration = Duration::from_secs(30);
const LINGER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    #[test]
    fn a_client_that_sends_its_end_apart_does_not_wait_for_our_acknowledgement() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let took = runtime.block_on(async move {
            let (_stop, stopping) = watch::channel(false);
            let tcp = tokio::net::TcpStream::from_std(server).unwrap();
            let mut wire = Wire::new(Plain::Tcp(tcp), Duration::from_secs(10), stopping);
            let begin = Instant::now();
            for _ in 0..ROUNDS {
                client.write_all(b"a message").unwrap();
                client.write_all(b"its end").unwrap();
                while wire.unread().len() < 16 {
                    let before = wire.unread().len();
                    // What is there is kept: only more is waited for.
                    wire.fill(Wanted::Rest).await.unwrap();
                    assert!(wire.unread().len() > before);
                }
                wire.used(16);
                wire.say(b"thanks");
                wire.flush().await.unwrap();
            }
            begin.elapsed()
        });
        assert!(took < Duration::from_millis(40) * ROUNDS / 2, "{took:?}");
    }

    const ROUNDS: u32 = 20;
}

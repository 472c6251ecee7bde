//! What carries the octets: TCP, TLS over it, a socket of this machine, or a pipe in memory for tests.

use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::IpAddr;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::ReadWriteFlags;
use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::{FULL, Wanted};

/// A connection without TLS.
pub enum Plain {
    /// A client.
    Tcp(TcpStream),
    /// A client on this machine.
    Unix(UnixStream),
    /// A test.
    Pipe(DuplexStream),
}

/// A connection with TLS.
pub type TlsStream = tokio_rustls::server::TlsStream<Plain>;

/// Who makes TLS of a connection: the room of certificates, for those who may not know it.
pub trait TlsDoor: Send + Sync {
    /// Whether a certificate is there for the dialled address `local`.
    fn is_open(&self, local: IpAddr) -> bool;

    /// The handshake; with the stream comes the server name that the client asked for.
    fn accept(&self, io: Plain, local: IpAddr) -> Accepting<'_>;
}

/// A handshake under way.
pub type Accepting<'a> = Pin<Box<dyn Future<Output = io::Result<(TlsStream, Option<String>)>> + Send + 'a>>;

pub(super) enum Transport {
    Plain(Plain),
    Tls(Box<TlsStream>),
    /// A handshake failed and took the connection with it.
    Gone,
}

impl Transport {
    /// Appends what has arrived to `input`; 0 is the end. While nothing arrives, an empty `input` has no memory.
    pub(super) fn read(&mut self, input: &mut Vec<u8>, wanted: Wanted) -> impl Future<Output = io::Result<usize>> {
        poll_fn(move |context| {
            let polled = self.poll_read(context, input);
            if polled.is_pending() {
                if input.is_empty() {
                    *input = Vec::new();
                }
                if wanted == Wanted::Rest {
                    self.acknowledge();
                }
            }
            polled
        })
    }

    /// What has arrived is acknowledged now, and not when there is something to say.
    fn acknowledge(&self) {
        if let Some(Plain::Tcp(tcp)) = self.plain() {
            // Best effort: it is only faster.
            let _ = rustix::net::sockopt::set_tcp_quickack(tcp, true);
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        let before = input.len();
        input.resize(before + READ_AT_ONCE, 0);
        let mut buffer = ReadBuf::new(&mut input[before..]);
        let polled = match self {
            Transport::Plain(plain) => Pin::new(plain).poll_read(context, &mut buffer),
            Transport::Tls(tls) => Pin::new(&mut **tls).poll_read(context, &mut buffer),
            Transport::Gone => Poll::Ready(Ok(())),
        };
        let count = buffer.filled().len();
        input.truncate(before + count);
        polled.map_ok(|()| count)
    }

    fn plain(&self) -> Option<&Plain> {
        match self {
            Transport::Plain(plain) => Some(plain),
            Transport::Tls(tls) => Some(tls.get_ref().0),
            Transport::Gone => None,
        }
    }

    /// Writes what the socket takes at once; how much that is. Of TLS and pipes, nothing.
    pub(super) fn write_now(&self, octets: &[u8]) -> io::Result<usize> {
        let written = match self {
            Transport::Plain(Plain::Tcp(tcp)) => tcp.try_write(octets),
            Transport::Plain(Plain::Unix(unix)) => unix.try_write(octets),
            _ => return Ok(0),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }

    /// Writes all of it; a client that takes nothing for a while has gone.
    pub(super) async fn write_all(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() {
            let written = match self {
                Transport::Plain(Plain::Tcp(tcp)) => match tcp.try_write(octets) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        progress(tcp.writable()).await?;
                        continue;
                    }
                    written => written?,
                },
                Transport::Plain(plain) => progress(plain.write(octets)).await?,
                Transport::Tls(tls) => progress(tls.write(octets)).await?,
                Transport::Gone => return Err(io::ErrorKind::BrokenPipe.into()),
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            octets = &octets[written..];
        }
        match self {
            Transport::Tls(tls) => progress(tls.flush()).await,
            _ => Ok(()),
        }
    }

    pub(super) async fn close(&mut self) {
        // Best effort: the client has had its answer.
        let _ = match self {
            Transport::Tls(tls) => progress(tls.shutdown()).await,
            Transport::Plain(Plain::Pipe(pipe)) => pipe.shutdown().await,
            Transport::Plain(Plain::Tcp(_) | Plain::Unix(_)) | Transport::Gone => Ok(()),
        };
    }

    /// Says that no more is coming, and reads until the client says the same.
    pub(super) async fn end_and_drain(&mut self) -> io::Result<()> {
        self.close().await;
        match self.plain() {
            Some(Plain::Tcp(tcp)) => socket2::SockRef::from(tcp).shutdown(std::net::Shutdown::Write)?,
            Some(Plain::Unix(unix)) => socket2::SockRef::from(unix).shutdown(std::net::Shutdown::Write)?,
            Some(Plain::Pipe(_)) | None => {}
        }
        let mut rest = Vec::new();
        for _ in 0..DRAIN {
            rest.clear();
            if self.read(&mut rest, Wanted::Anything).await? == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// Sends `said` and `range` of `file` with as few packets as that takes; returns how many octets that were.
pub(super) async fn send_with_file(tcp: &TcpStream, mut said: &[u8], file: &Arc<File>, range: Range<u64>) -> io::Result<u64> {
    let total = said.len() as u64 + (range.end - range.start);
    while !said.is_empty() {
        let sent = tcp.async_io(Interest::WRITABLE, || Ok(rustix::net::send(tcp, said, SendFlags::MORE | SendFlags::NOSIGNAL)?));
        said = &said[progress(sent).await?..];
    }
    let mut at = range.start;
    while at < range.end {
        let count = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(SEND_AT_ONCE);
        warm(file, at, count).await?;
        let sent = tcp.async_io(Interest::WRITABLE, || {
            let mut from = at;
            Ok(rustix::fs::sendfile(tcp, &**file, Some(&mut from), count)?)
        });
        match progress(sent).await? {
            // Not the client's end: no kind of error that would look like it.
            0 => return Err(io::Error::other("the file was cut short while it was being sent")),
            sent => at += sent as u64,
        }
    }
    Ok(total)
}

/// sendfile(2) waits for the disk. Octets that are not in memory are brought there first, where waiting holds up nobody.
async fn warm(file: &Arc<File>, at: u64, count: usize) -> io::Result<()> {
    let is_there = |at: u64| {
        let mut octet = [0];
        rustix::io::preadv2(file, &mut [IoSliceMut::new(&mut octet)], at, ReadWriteFlags::NOWAIT).is_ok()
    };
    if is_there(at) && is_there(at + count as u64 - 1) {
        return Ok(());
    }
    let file = file.clone();
    let read = move || {
        let mut scratch = vec![0; FULL];
        let end = at + count as u64;
        let mut at = at;
        while at < end {
            match file.read_at(&mut scratch, at)? {
                0 => break,
                count => at += count as u64,
            }
        }
        Ok(())
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

async fn progress<T>(deed: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(SEND_PATIENCE, deed).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Commands are short; a client that sends many at once is read in several goes.
const READ_AT_ONCE: usize = 4096;
/// So many reads are enough for what a client had under way.
const DRAIN: usize = 64;
/// One system call's worth: no other client waits for longer than this takes.
const SEND_AT_ONCE: usize = 1 << 20;
/// behaviour.md §2.7: 120 s for each sending.
const SEND_PATIENCE: Duration = Duration::from_secs(120);

impl AsyncRead for Plain {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Plain::Tcp(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Plain::Unix(unix) => Pin::new(unix).poll_read(context, buffer),
            Plain::Pipe(pipe) => Pin::new(pipe).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Plain {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Plain::Tcp(tcp) => Pin::new(tcp).poll_write(context, octets),
            Plain::Unix(unix) => Pin::new(unix).poll_write(context, octets),
            Plain::Pipe(pipe) => Pin::new(pipe).poll_write(context, octets),
        }
    }

    /// TLS has its records ready one by one: without this each would be a system call of its own.
    fn poll_write_vectored(self: Pin<&mut Self>, context: &mut Context<'_>, records: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Plain::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(context, records),
            Plain::Unix(unix) => Pin::new(unix).poll_write_vectored(context, records),
            Plain::Pipe(pipe) => Pin::new(pipe).poll_write_vectored(context, records),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Plain::Tcp(tcp) => tcp.is_write_vectored(),
            Plain::Unix(unix) => unix.is_write_vectored(),
            Plain::Pipe(pipe) => pipe.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Plain::Tcp(tcp) => Pin::new(tcp).poll_flush(context),
            Plain::Unix(unix) => Pin::new(unix).poll_flush(context),
            Plain::Pipe(pipe) => Pin::new(pipe).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Plain::Tcp(tcp) => Pin::new(tcp).poll_shutdown(context),
            Plain::Unix(unix) => Pin::new(unix).poll_shutdown(context),
            Plain::Pipe(pipe) => Pin::new(pipe).poll_shutdown(context),
        }
    }
}

//! One client: says a line of POP3, and believes the answer only when it has counted it. Its buffer serves IMAP, too.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail, ensure};
use memchr::{memchr, memmem};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

/// The server, and how it is reached.
pub struct Target {
    address: SocketAddr,
    tls: Option<TlsConnector>,
    connected: AtomicU32,
}

impl Target {
    pub fn new(address: SocketAddr, tls: bool) -> Self {
        Self { address, tls: tls.then(full_handshakes), connected: AtomicU32::new(0) }
    }

    /// Each connection comes from the next address of 127.1.0.0/16.
    async fn connect(&self) -> Result<Box<dyn Stream>> {
        let number = self.connected.fetch_add(1, Ordering::Relaxed) % (250 * 250);
        let source = Ipv4Addr::new(127, 1, (number / 250) as u8, (number % 250 + 1) as u8);
        let socket = TcpSocket::new_v4()?;
        socket.set_nodelay(true)?;
        socket.bind((source, 0).into())?;
        let stream = socket.connect(self.address).await.with_context(|| format!("{source} to {}", self.address))?;
        Ok(match &self.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(tls.connect(ServerName::try_from("bench.test")?, stream).await?),
        })
    }
}

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// One session after the other, in one buffer.
pub struct Client {
    target: Arc<Target>,
    stream: Option<Box<dyn Stream>>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    received: u64,
}

impl Client {
    pub fn new(target: Arc<Target>) -> Self {
        Self { target, stream: None, buffer: Vec::new(), start: 0, end: 0, received: 0 }
    }

    /// Octets read so far, over all sessions.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// A new connection, in place of the last one.
    pub async fn connect(&mut self) -> Result<()> {
        (self.start, self.end) = (0, 0);
        self.stream = Some(self.target.connect().await?);
        Ok(())
    }

    pub async fn login(&mut self, login: &str, password: &str) -> Result<()> {
        self.connect().await?;
        self.ok().await.context("greeting")?;
        self.ask(&format!("USER {login}\r\n")).await?;
        self.ask(&format!("PASS {password}\r\n")).await?;
        Ok(())
    }

    /// Messages and octets.
    pub async fn stat(&mut self) -> Result<(usize, u64)> {
        let answer = self.ask("STAT\r\n").await?;
        let mut words = answer.split(' ').skip(1);
        let mut number = || words.next().and_then(|word| word.parse().ok()).with_context(|| format!("STAT: {answer}"));
        Ok((number()? as usize, number()?))
    }

    /// Octets of each message, which must be numbered from 1.
    pub async fn list(&mut self) -> Result<Vec<u64>> {
        self.table("LIST\r\n", |size| size.parse().ok()).await
    }

    /// How many unique ids there are, each with a text.
    pub async fn uidl(&mut self) -> Result<usize> {
        Ok(self.table("UIDL\r\n", |id| (!id.is_empty()).then_some(())).await?.len())
    }

    /// Says good-bye and waits until the server has hung up.
    pub async fn quit(&mut self) -> Result<()> {
        self.ask("QUIT\r\n").await?;
        self.hang_up().await
    }

    /// Waits until the server has hung up.
    pub async fn hang_up(&mut self) -> Result<()> {
        ensure!(self.start == self.end, "something after the farewell");
        match self.fill().await {
            Ok(0) => {}
            Ok(_) => bail!("something after the farewell"),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {} // TLS without close_notify
            Err(error) => return Err(error.into()),
        }
        self.stream = None;
        Ok(())
    }

    pub async fn send(&mut self, text: &str) -> Result<()> {
        let stream = self.stream.as_mut().context("not connected")?;
        stream.write_all(text.as_bytes()).await?;
        stream.flush().await?;
        Ok(())
    }

    /// Reads one answer to RETR; the message's octets, without the dots that were stuffed in.
    pub async fn message(&mut self) -> Result<u64> {
        self.ok().await?;
        if self.buffer.len() < LARGE {
            self.buffer.resize(LARGE, 0);
        }
        let (mut octets, mut line_begins) = (0, true);
        loop {
            self.need(if line_begins { 3 } else { 1 }).await?;
            let window = &self.buffer[self.start..self.end];
            let (counted, dropped) = match (line_begins, window[0]) {
                (true, b'.') if window.starts_with(b".\r\n") => {
                    self.start += 3;
                    return Ok(octets);
                }
                (true, b'.') => (0, 1),
                _ => (memmem::find(window, b"\n.").map_or(window.len(), |at| at + 1), 0),
            };
            line_begins = counted > 0 && window[counted - 1] == b'\n';
            octets += counted as u64;
            self.start += counted + dropped;
        }
    }

    /// Gives a line without its CRLF to `read`, in place.
    pub async fn with_line<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let mut seen = 0;
        loop {
            if let Some(at) = memchr(b'\n', &self.buffer[self.start + seen..self.end]) {
                let line = &self.buffer[self.start..self.start + seen + at];
                let value = read(line.strip_suffix(b"\r").context("a line without CR")?);
                self.start += seen + at + 1;
                return Ok(value);
            }
            seen = self.end - self.start;
            self.need(seen + 1).await?;
        }
    }

    /// Passes over so many octets.
    pub async fn skip(&mut self, mut octets: u64) -> Result<()> {
        if self.buffer.len() < LARGE {
            self.buffer.resize(LARGE, 0);
        }
        while octets > 0 {
            self.need(1).await?;
            let some = octets.min((self.end - self.start) as u64);
            self.start += some as usize;
            octets -= some;
        }
        Ok(())
    }

    async fn ask(&mut self, line: &str) -> Result<String> {
        self.send(line).await?;
        self.ok().await.with_context(|| line.trim_end().to_owned())
    }

    async fn ok(&mut self) -> Result<String> {
        let line = self.line().await?;
        ensure!(line.starts_with("+OK"), "answered {line:?}");
        Ok(line)
    }

    async fn table<T>(&mut self, command: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
        self.ask(command).await?;
        let mut rows = Vec::new();
        loop {
            let line = self.line().await?;
            if line == "." {
                return Ok(rows);
            }
            let (number, value) = line.split_once(' ').with_context(|| line.clone())?;
            ensure!(number.parse() == Ok(rows.len() + 1), "{line:?} is not message {}", rows.len() + 1);
            rows.push(parse(value).with_context(|| line.clone())?);
        }
    }

    async fn line(&mut self) -> Result<String> {
        Ok(self.with_line(|line| std::str::from_utf8(line).map(str::to_owned)).await??)
    }

    /// Waits until so many octets are in the buffer.
    async fn need(&mut self, octets: usize) -> Result<()> {
        while self.end - self.start < octets {
            ensure!(self.fill().await? > 0, "the server hung up");
        }
        Ok(())
    }

    async fn fill(&mut self) -> std::io::Result<usize> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len().max(SMALL) * 2, 0);
        }
        let Some(stream) = &mut self.stream else { return Ok(0) };
        let count = stream.read(&mut self.buffer[self.end..]).await?;
        self.end += count;
        self.received += count as u64;
        Ok(count)
    }
}

fn full_handshakes() -> TlsConnector {
    let provider = CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384],
        ..aws_lc_rs::default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3's suite and group")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

/// Accepts every certificate: the server's work is measured, not ours.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

const SMALL: usize = 512;
const LARGE: usize = 256 * 1024;

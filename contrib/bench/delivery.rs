//! An LMTP load generator that believes nothing: each recipient must have a 250, each EXISTS must come. One line of JSON at the end.
//!
//! One thread, because it shares its cores with the server that it measures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

#[derive(Parser)]
#[command(about = "LMTP load for `contrib/bench/delivery`")]
struct Load {
    /// The server's LMTP port
    #[arg(long)]
    lmtp: SocketAddr,
    /// Users are u0, u1, ... of bench.test
    #[arg(long, default_value_t = 100)]
    users: usize,
    /// Octets of a message
    #[arg(long, default_value_t = 10_000)]
    size: usize,
    /// Messages in all
    #[arg(long, default_value_t = 1000)]
    messages: usize,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Messages one after the other on each connection
    Storm {
        #[arg(long, default_value_t = 1)]
        connections: usize,
        /// Recipients of each message
        #[arg(long, default_value_t = 1)]
        recipients: usize,
    },
    /// One message after the other to a user whose IMAP session is idle: how long EXISTS takes
    Exists {
        #[arg(long)]
        imap: SocketAddr,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let load = Arc::new(Load::parse());
    let work = async {
        match load.what {
            What::Storm { connections, recipients } => storm(load.clone(), connections, recipients).await,
            What::Exists { imap } => exists(&load, imap).await,
        }
    };
    tokio::time::timeout(Duration::from_secs(120), work).await.context("out of time")?
}

async fn storm(load: Arc<Load>, connections: usize, recipients: usize) -> Result<()> {
    ensure!(connections * recipients <= load.users, "{connections} connections with {recipients} recipients need as many users");
    let next = Arc::new(AtomicUsize::new(0));
    let (begin, mut lanes) = (Instant::now(), tokio::task::JoinSet::new());
    for _ in 0..connections {
        let (load, next) = (load.clone(), next.clone());
        lanes.spawn(async move {
            let (mut lmtp, mut took) = (Lmtp::dial(load.lmtp).await?, Vec::new());
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= load.messages {
                    break;
                }
                let to: Vec<String> = (0..recipients).map(|at| user((number * recipients + at) % load.users)).collect();
                let began = Instant::now();
                lmtp.send(&to, &message(number, load.size)).await?;
                took.push(began.elapsed());
            }
            lmtp.ask("QUIT").await?;
            Ok::<_, anyhow::Error>(took)
        });
    }
    let mut took = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        took.extend(lane??);
    }
    print(took, begin.elapsed());
    Ok(())
}

/// From the reply to EXISTS.
async fn exists(load: &Load, imap: SocketAddr) -> Result<()> {
    let mut idler = Line::dial(imap).await?;
    idler.until(|line| line.starts_with("* OK")).await?;
    for (command, end) in [("a LOGIN u0 secret\r\n", "a OK"), ("b SELECT INBOX\r\n", "b OK"), ("c IDLE\r\n", "+")] {
        idler.say(command.as_bytes()).await?;
        idler.until(|line| line.starts_with(end)).await?;
    }
    let (mut lmtp, mut took, begin) = (Lmtp::dial(load.lmtp).await?, Vec::new(), Instant::now());
    for number in 0..load.messages {
        // Nobody has anything to do meanwhile, as with real mail.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let began = Instant::now();
        let (to, text) = ([user(0)], message(number, load.size));
        let sent = lmtp.send(&to, &text);
        let seen = async {
            idler.until(|line| line.ends_with(" EXISTS")).await?;
            Ok(Instant::now())
        };
        let (sent, seen): (Result<Instant>, Result<Instant>) = tokio::join!(sent, seen);
        // Where EXISTS is there before the reply, nobody has waited.
        took.push(seen?.saturating_duration_since(sent?));
        ensure!(began.elapsed() < Duration::from_secs(5), "message {number} took too long");
    }
    print(took, begin.elapsed());
    Ok(())
}

fn print(mut took: Vec<Duration>, elapsed: Duration) {
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    let seconds = elapsed.as_secs_f64();
    let (operations, rate) = (took.len(), took.len() as f64 / seconds);
    println!(
        "{}",
        serde_json::json!({ "operations": operations, "seconds": seconds, "rate": rate, "p50_ms": at(0.5), "p99_ms": at(0.99) })
    );
}

fn user(number: usize) -> String {
    format!("u{number}@bench.test")
}

/// Lines of 72 letters, so large when sent.
fn message(number: usize, size: usize) -> String {
    let mut text = format!(
        "From: eve@x.org\r\nTo: joe@bench.test\r\nSubject: number {number}\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <{number}.{}@x.org>\r\n\r\n",
        std::process::id()
    );
    while text.len() + 74 <= size {
        text.push_str(&"abcdefgh ".repeat(8));
        text.push_str("\r\n");
    }
    text
}

/// A client of LMTP.
struct Lmtp(Line);

impl Lmtp {
    async fn dial(to: SocketAddr) -> Result<Lmtp> {
        let mut lmtp = Lmtp(Line::dial(to).await?);
        lmtp.reply("220").await?;
        lmtp.0.say(b"LHLO bench.test\r\n").await?;
        lmtp.reply("250").await?;
        Ok(lmtp)
    }

    /// As mail servers do: the envelope in one piece, then the message. Returns when the last recipient's reply was there.
    async fn send(&mut self, to: &[String], text: &str) -> Result<Instant> {
        let rcpt: String = to.iter().map(|to| format!("RCPT TO:<{to}>\r\n")).collect();
        self.0.say(format!("MAIL FROM:<eve@x.org>\r\n{rcpt}DATA\r\n").as_bytes()).await?;
        for _ in 0..=to.len() {
            self.reply("250").await?;
        }
        self.reply("354").await?;
        self.0.say(format!("{text}.\r\n").as_bytes()).await?;
        for _ in to {
            self.reply("250").await?;
        }
        Ok(Instant::now())
    }

    async fn ask(&mut self, line: &str) -> Result<()> {
        self.0.say(format!("{line}\r\n").as_bytes()).await?;
        self.reply("2").await
    }

    async fn reply(&mut self, code: &str) -> Result<()> {
        let line = self.0.until(|line| line.as_bytes().get(3) == Some(&b' ')).await?;
        ensure!(line.starts_with(code), "{line}");
        Ok(())
    }
}

/// Lines, either way.
struct Line(BufReader<TcpStream>);

impl Line {
    async fn dial(to: SocketAddr) -> Result<Line> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Line(BufReader::new(stream)))
    }

    async fn say(&mut self, octets: &[u8]) -> Result<()> {
        Ok(self.0.write_all(octets).await?)
    }

    async fn until(&mut self, is_it: impl Fn(&str) -> bool) -> Result<String> {
        loop {
            let mut line = String::new();
            ensure!(self.0.read_line(&mut line).await? > 0, "the server has gone");
            let line = line.trim_end();
            if is_it(line) {
                return Ok(line.to_owned());
            }
        }
    }
}

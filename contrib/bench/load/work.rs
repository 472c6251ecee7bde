//! The dialogues, and which part of each is timed.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::client::Client;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Work {
    /// Connect, USER, PASS, STAT, QUIT
    Login,
    /// Connect, USER, PASS, STAT, UIDL, LIST, each RETR, QUIT
    Session,
    /// The RETR of the first message, in a session of its own
    Retr,
    /// All RETRs of a session sent in one go
    Pipeline,
}

impl Work {
    /// Does it once; how long the timed part took.
    pub async fn operation(self, client: &mut Client, login: &str, password: &str, messages: usize) -> Result<Duration> {
        let whole = Instant::now();
        client.login(login, password).await?;
        let (count, octets) = client.stat().await?;
        ensure!(count == messages, "{count} messages, not {messages}");
        if let Work::Login = self {
            client.quit().await?;
            return Ok(whole.elapsed());
        }
        if let Work::Session = self {
            let unique = client.uidl().await?;
            ensure!(unique == count, "UIDL knows {unique} messages, STAT {count}");
        }
        let sizes = client.list().await?;
        ensure!(sizes.len() == count && sizes.iter().sum::<u64>() == octets, "LIST is not what STAT says");
        let part = Instant::now();
        match self {
            Work::Login => {}
            Work::Session => one_by_one(client, &sizes).await?,
            Work::Retr => one_by_one(client, &sizes[..1]).await?,
            Work::Pipeline => in_one_go(client, &sizes).await?,
        }
        let part = part.elapsed();
        client.quit().await?;
        Ok(if let Work::Session = self { whole.elapsed() } else { part })
    }
}

async fn one_by_one(client: &mut Client, sizes: &[u64]) -> Result<()> {
    for (index, size) in sizes.iter().enumerate() {
        client.send(&format!("RETR {}\r\n", index + 1)).await?;
        take(client, index + 1, *size).await?;
    }
    Ok(())
}

async fn in_one_go(client: &mut Client, sizes: &[u64]) -> Result<()> {
    let all: String = (1..=sizes.len()).map(|number| format!("RETR {number}\r\n")).collect();
    client.send(&all).await?;
    for (index, size) in sizes.iter().enumerate() {
        take(client, index + 1, *size).await?;
    }
    Ok(())
}

async fn take(client: &mut Client, number: usize, size: u64) -> Result<()> {
    let got = client.message().await?;
    ensure!(got == size, "message {number} has {got} octets, LIST says {size}");
    Ok(())
}

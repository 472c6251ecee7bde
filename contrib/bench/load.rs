//! A load generator for POP3 and IMAP that checks what it gets: a wrong octet count, a missing dot, an -ERR or a NO ends the run with an
//! error.
//!
//! One thread, because it shares its cores with the server that it measures. Each run is bounded by a number of operations and of
//! seconds, and prints one line of JSON.

#[path = "load/client.rs"]
mod client;
#[path = "load/imap.rs"]
mod imap;
#[path = "load/mailbox.rs"]
mod mailbox;
#[path = "load/work.rs"]
mod work;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};
use client::{Client, Target};
use mailbox::Mailbox;
use work::Work;

#[derive(Parser)]
#[command(about = "POP3 and IMAP load for `contrib/bench/run` and `contrib/bench/imap`")]
struct Load {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Operations one after the other on each connection; latencies at the end.
    Run {
        #[arg(value_enum)]
        work: Work,
        #[command(flatten)]
        plan: Plan,
        /// Sessions at a time
        #[arg(long, default_value_t = 1)]
        connections: usize,
        /// Operations in all
        #[arg(long, default_value_t = 1000)]
        operations: usize,
    },
    /// Logs in on 500, then on 2,000 connections; after each step prints a line, and goes on when it reads one.
    Idle {
        #[command(flatten)]
        plan: Plan,
        #[arg(long, value_delimiter = ',', default_value = "500,2000")]
        steps: Vec<usize>,
    },
    /// The same and more over IMAP
    Imap {
        #[command(subcommand)]
        what: Mailbox,
    },
}

#[derive(Args, Clone)]
struct Plan {
    #[arg(long)]
    address: SocketAddr,
    /// TLS 1.3 from the first byte: X25519, AES-256-GCM, never resumed
    #[arg(long)]
    tls: bool,
    /// Login names are this and a number from 0
    #[arg(long, default_value = "u")]
    prefix: String,
    /// How many such accounts there are; no two connections share one
    #[arg(long, default_value_t = 100)]
    accounts: usize,
    #[arg(long, default_value = "secret")]
    password: String,
    /// Messages that each maildrop must hold
    #[arg(long, default_value_t = 10)]
    messages: usize,
    /// The run fails when it takes longer
    #[arg(long, default_value_t = 120)]
    seconds: u64,
}

impl Plan {
    fn target(&self) -> Arc<Target> {
        Arc::new(Target::new(self.address, self.tls))
    }

    fn login(&self, account: usize) -> String {
        format!("{}{account}", self.prefix)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match Load::parse().what {
        What::Run { work, plan, connections, operations } => {
            let limit = Duration::from_secs(plan.seconds);
            tokio::time::timeout(limit, run(work, plan, connections, operations)).await.context("out of time")?
        }
        What::Idle { plan, steps } => {
            let limit = Duration::from_secs(plan.seconds);
            tokio::time::timeout(limit, idle(plan, steps)).await.context("out of time")?
        }
        What::Imap { what } => what.run().await,
    }
}

async fn run(work: Work, plan: Plan, connections: usize, operations: usize) -> Result<()> {
    ensure!(connections <= plan.accounts, "{connections} connections need as many accounts");
    let target = plan.target();
    let started = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let mut lanes = tokio::task::JoinSet::new();
    for first in 0..connections {
        lanes.spawn(lane(work, plan.clone(), target.clone(), started.clone(), operations, (first, connections)));
    }
    let mut done = Done::default();
    while let Some(lane) = lanes.join_next().await {
        done.add(lane??);
    }
    done.print(&format!("{work:?}").to_lowercase(), connections, begin.elapsed());
    Ok(())
}

/// One connection at a time, over the accounts that are this lane's own: `first`, `first + step`, ...
async fn lane(
    work: Work,
    plan: Plan,
    target: Arc<Target>,
    started: Arc<AtomicUsize>,
    operations: usize,
    (first, step): (usize, usize),
) -> Result<Done> {
    let mut done = Done::default();
    let mut client = Client::new(target);
    for account in (first..plan.accounts).step_by(step).cycle() {
        if started.fetch_add(1, Ordering::Relaxed) >= operations {
            break;
        }
        let login = plan.login(account);
        let took = work.operation(&mut client, &login, &plan.password, plan.messages).await.with_context(|| login.clone())?;
        done.add_one(took);
    }
    done.bytes = client.received();
    Ok(done)
}

#[derive(Default)]
struct Done {
    took: Vec<Duration>,
    bytes: u64,
}

impl Done {
    fn add(&mut self, other: Done) {
        self.took.extend(other.took);
        self.bytes += other.bytes;
    }

    fn add_one(&mut self, took: Duration) {
        self.took.push(took);
    }

    fn print(mut self, work: &str, connections: usize, elapsed: Duration) {
        self.took.sort_unstable();
        let at = |part: f64| self.took[((self.took.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
        let seconds = elapsed.as_secs_f64();
        println!(
            "{}",
            serde_json::json!({
                "work": work, "connections": connections,
                "operations": self.took.len(), "seconds": seconds, "rate": self.took.len() as f64 / seconds,
                "p50_ms": at(0.5), "p99_ms": at(0.99), "bytes": self.bytes,
            })
        );
    }
}

async fn idle(plan: Plan, steps: Vec<usize>) -> Result<()> {
    let target = plan.target();
    let mut open: Vec<Client> = Vec::new();
    for step in steps {
        ensure!(step <= plan.accounts, "{step} connections need as many accounts");
        while open.len() < step {
            let mut client = Client::new(target.clone());
            let login = plan.login(open.len());
            client.login(&login, &plan.password).await.with_context(|| login.clone())?;
            ensure!(client.stat().await?.0 == plan.messages, "{login}: not {} messages", plan.messages);
            open.push(client);
        }
        println!("{}", serde_json::json!({ "work": "idle", "open": step }));
        // Blocks our only thread: the sessions shall do nothing meanwhile.
        ensure!(std::io::stdin().read_line(&mut String::new())? > 0, "nobody read the memory");
    }
    for client in &mut open {
        client.quit().await?;
    }
    Ok(())
}

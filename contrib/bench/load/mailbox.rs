//! What is done over IMAP, and which part of it is timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Subcommand;

use crate::imap::{Answer, Imap};
use crate::{Done, Plan};

#[derive(Subcommand)]
pub enum Mailbox {
    /// Connect, LOGIN, SELECT, LOGOUT, one after the other on each connection
    Login {
        #[command(flatten)]
        plan: Plan,
        /// Sessions at a time
        #[arg(long, default_value_t = 1)]
        connections: usize,
        /// Sessions in all
        #[arg(long, default_value_t = 1000)]
        operations: usize,
    },
    /// APPEND, one message after the other on each connection
    Append {
        #[command(flatten)]
        plan: Plan,
        /// Sessions at a time
        #[arg(long, default_value_t = 1)]
        connections: usize,
        /// Messages in all
        #[arg(long, default_value_t = 1000)]
        operations: usize,
        /// Octets of a message
        #[arg(long, default_value_t = 10_000)]
        octets: usize,
        /// All connections use the first account
        #[arg(long)]
        one_mailbox: bool,
    },
    /// The same commands again and again in one session; those with `!` before them are timed, together
    Commands {
        #[command(flatten)]
        plan: Plan,
        /// How often
        #[arg(long, default_value_t = 10)]
        operations: usize,
        /// The session's mailbox
        #[arg(long, default_value = "INBOX")]
        mailbox: String,
        /// Untagged responses that each timed command must get
        #[arg(long)]
        responses: Option<usize>,
        /// Octets that must be in their literals
        #[arg(long)]
        octets: Option<u64>,
        /// Words that must be in the first response
        #[arg(long)]
        words: Option<usize>,
        commands: Vec<String>,
    },
    /// Appends as many messages as the mailbox must hold to a new one, and times the first FETCH of what lists show
    First {
        #[command(flatten)]
        plan: Plan,
        /// How often
        #[arg(long, default_value_t = 1)]
        operations: usize,
    },
    /// Logs in, selects and goes idle on so many connections; after each step prints a line, and goes on when it reads one
    Idle {
        #[command(flatten)]
        plan: Plan,
        #[arg(long, value_delimiter = ',', default_value = "500,2000")]
        steps: Vec<usize>,
    },
    /// How long after another session's APPEND is acknowledged an idle session is told of the message
    Notify {
        #[command(flatten)]
        plan: Plan,
        /// Messages in all
        #[arg(long, default_value_t = 100)]
        operations: usize,
        /// Milliseconds before each: long enough for a session that is idle to be put to sleep
        #[arg(long, default_value_t = 1500)]
        pause: u64,
    },
}

impl Mailbox {
    pub async fn run(self) -> Result<()> {
        let limit = Duration::from_secs(self.plan().seconds);
        tokio::time::timeout(limit, self.without_limit()).await.context("out of time")?
    }

    fn plan(&self) -> &Plan {
        match self {
            Mailbox::Login { plan, .. }
            | Mailbox::Append { plan, .. }
            | Mailbox::Commands { plan, .. }
            | Mailbox::First { plan, .. }
            | Mailbox::Idle { plan, .. }
            | Mailbox::Notify { plan, .. } => plan,
        }
    }

    async fn without_limit(self) -> Result<()> {
        match self {
            Mailbox::Login { plan, connections, operations } => logins(plan, connections, operations).await,
            Mailbox::Append { plan, connections, operations, octets, one_mailbox } => {
                appends(plan, connections, operations, octets, one_mailbox).await
            }
            Mailbox::Commands { plan, operations, mailbox, responses, octets, words, commands } => {
                let check = Check { responses, octets, words };
                repeat(plan, operations, &mailbox, &check, &commands).await
            }
            Mailbox::First { plan, operations } => first(plan, operations).await,
            Mailbox::Idle { plan, steps } => idle(plan, steps).await,
            Mailbox::Notify { plan, operations, pause } => notify(plan, operations, Duration::from_millis(pause)).await,
        }
    }
}

async fn logins(plan: Plan, connections: usize, operations: usize) -> Result<()> {
    ensure!(connections <= plan.accounts, "{connections} connections need as many accounts");
    let (target, started, begin) = (plan.target(), Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut lanes = tokio::task::JoinSet::new();
    for first in 0..connections {
        let (plan, target, started) = (plan.clone(), target.clone(), started.clone());
        lanes.spawn(async move {
            let (mut done, mut imap) = (Done::default(), Imap::new(target));
            for account in (first..plan.accounts).step_by(connections).cycle() {
                if started.fetch_add(1, Ordering::Relaxed) >= operations {
                    break;
                }
                let begin = Instant::now();
                imap.login(&plan.login(account), &plan.password).await?;
                let exists = imap.select("INBOX").await?;
                ensure!(exists == plan.messages, "{exists} messages, not {}", plan.messages);
                imap.logout().await?;
                done.add_one(begin.elapsed());
            }
            done.bytes = imap.received();
            anyhow::Ok(done)
        });
    }
    gather(lanes).await?.print("login", connections, begin.elapsed());
    Ok(())
}

async fn appends(plan: Plan, connections: usize, operations: usize, octets: usize, one_mailbox: bool) -> Result<()> {
    let (target, started) = (plan.target(), Arc::new(AtomicUsize::new(0)));
    let mut sessions = Vec::new();
    for lane in 0..connections {
        let mut imap = Imap::new(target.clone());
        imap.login(&plan.login(if one_mailbox { 0 } else { lane }), &plan.password).await?;
        sessions.push(imap);
    }
    let (begin, message) = (Instant::now(), [letter(0, octets)]);
    let mut lanes = tokio::task::JoinSet::new();
    for mut imap in sessions {
        let (started, message) = (started.clone(), message.clone());
        lanes.spawn(async move {
            let mut done = Done::default();
            while started.fetch_add(1, Ordering::Relaxed) < operations {
                let begin = Instant::now();
                imap.append("INBOX", &message).await?;
                done.add_one(begin.elapsed());
            }
            imap.logout().await?;
            anyhow::Ok(done)
        });
    }
    gather(lanes).await?.print("append", connections, begin.elapsed());
    Ok(())
}

async fn gather(mut lanes: tokio::task::JoinSet<Result<Done>>) -> Result<Done> {
    let mut done = Done::default();
    while let Some(lane) = lanes.join_next().await {
        done.add(lane??);
    }
    Ok(done)
}

struct Check {
    responses: Option<usize>,
    octets: Option<u64>,
    words: Option<usize>,
}

impl Check {
    fn hold(&self, command: &str, answer: &Answer) -> Result<()> {
        let is_right = self.responses.is_none_or(|responses| responses == answer.responses)
            && self.octets.is_none_or(|octets| octets == answer.octets)
            && self.words.is_none_or(|words| words == answer.words);
        ensure!(is_right, "{command}: {answer:?}");
        Ok(())
    }
}

async fn repeat(plan: Plan, operations: usize, mailbox: &str, check: &Check, commands: &[String]) -> Result<()> {
    let (mut imap, mut done) = (Imap::new(plan.target()), Done::default());
    imap.login(&plan.login(0), &plan.password).await?;
    let exists = imap.select(mailbox).await?;
    ensure!(exists == plan.messages, "{exists} messages, not {}", plan.messages);
    let begin = Instant::now();
    for _ in 0..operations {
        let mut timed = Duration::ZERO;
        for command in commands {
            let Some(measured) = command.strip_prefix('!') else {
                imap.ask(command).await?;
                continue;
            };
            let begin = Instant::now();
            let answer = imap.ask(measured).await?;
            timed += begin.elapsed();
            check.hold(measured, &answer)?;
        }
        done.add_one(timed);
    }
    let whole = begin.elapsed();
    imap.logout().await?;
    done.bytes = imap.received();
    done.print("commands", 1, whole);
    Ok(())
}

async fn first(plan: Plan, operations: usize) -> Result<()> {
    let (mut imap, mut done) = (Imap::new(plan.target()), Done::default());
    imap.login(&plan.login(0), &plan.password).await?;
    let (begin, messages): (_, Vec<String>) = (Instant::now(), (0..plan.messages).map(|number| letter(number, 2_000)).collect());
    for _ in 0..operations {
        imap.ask("CREATE Fresh").await?;
        for some in messages.chunks(100) {
            imap.append("Fresh", some).await?;
        }
        imap.select("Fresh").await?;
        let begin = Instant::now();
        let answer = imap.ask(&format!("FETCH 1:* {LISTED}")).await?;
        done.add_one(begin.elapsed());
        ensure!(answer.responses == plan.messages, "{answer:?}");
        imap.ask("CLOSE").await?;
        imap.ask("DELETE Fresh").await?;
    }
    imap.logout().await?;
    done.print("first", 1, begin.elapsed());
    Ok(())
}

async fn idle(plan: Plan, steps: Vec<usize>) -> Result<()> {
    let (target, mut open) = (plan.target(), Vec::new());
    for step in steps {
        ensure!(step <= plan.accounts, "{step} connections need as many accounts");
        while open.len() < step {
            let (mut imap, login) = (Imap::new(target.clone()), plan.login(open.len()));
            imap.login(&login, &plan.password).await.with_context(|| login.clone())?;
            let exists = imap.select("INBOX").await?;
            ensure!(exists == plan.messages, "{login}: {exists} messages, not {}", plan.messages);
            imap.idle().await?;
            open.push(imap);
        }
        println!("{}", serde_json::json!({ "work": "idle", "open": step }));
        // Blocks our only thread: the sessions shall do nothing meanwhile.
        ensure!(std::io::stdin().read_line(&mut String::new())? > 0, "nobody read the memory");
    }
    Ok(())
}

async fn notify(plan: Plan, operations: usize, pause: Duration) -> Result<()> {
    let (mut listener, mut sender, mut done) = (Imap::new(plan.target()), Imap::new(plan.target()), Done::default());
    let login = plan.login(0);
    listener.login(&login, &plan.password).await?;
    sender.login(&login, &plan.password).await?;
    let mut exists = listener.select("INBOX").await?;
    listener.idle().await?;
    let (begin, message) = (Instant::now(), [letter(0, 2_000)]);
    for _ in 0..operations {
        exists += 1;
        tokio::time::sleep(pause).await;
        let acknowledged = async {
            sender.append("INBOX", &message).await?;
            anyhow::Ok(Instant::now())
        };
        let told = async {
            listener.told(exists).await?;
            anyhow::Ok(Instant::now())
        };
        let (acknowledged, told) = tokio::try_join!(acknowledged, told)?;
        done.add_one(told.saturating_duration_since(acknowledged));
    }
    listener.done().await?;
    done.print("notify", 1, begin.elapsed());
    Ok(())
}

/// A message of about so many octets, with CRLF.
fn letter(number: usize, octets: usize) -> String {
    let head = format!(
        "From: Ann Other <ann{number}@example.org>\r\nTo: joe@bench.test\r\nSubject: number {number}\r\n\
         Date: Mon, 23 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{number}@example.org>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n"
    );
    let line = "the quick brown fox jumps over the lazy dog, and then it does so again\r\n";
    let count = octets.saturating_sub(head.len()) / line.len();
    head + &line.repeat(count)
}

/// What programs ask for to show a list of messages.
const LISTED: &str = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)";

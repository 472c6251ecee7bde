//! Handing a message on: to the machine's own MTA, or to the server that the administrator has named.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::MemfdFlags;
use tokio::process::Command;

use super::{Outcome, Refusal, relay};
use crate::config::Machine;

/// The way out.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The program that every MTA brings (Linux Standard Base, sendmail(8)).
    pub program: PathBuf,
    /// The server that is spoken to instead: `host:port`.
    pub relay: Option<String>,
    /// What we call ourselves there.
    pub host: String,
    /// How long it may take; afterwards it is ended.
    pub deadline: Duration,
}

impl Submission {
    /// As `machine` has it.
    pub fn of(machine: &Machine) -> Submission {
        let set = &machine.delivery;
        Submission { program: set.sendmail.clone(), relay: set.relay.clone(), host: machine.host(), deadline: set.deadline.0 }
    }

    /// Gives `message`, with LF line ends, to the MTA, from the envelope sender `from`, empty for none, to `to`.
    pub async fn submit(&self, from: &str, to: &str, message: &[u8]) -> Outcome {
        match in_memory(message) {
            Ok(message) => self.submit_file(from, &[to], message).await.into_iter().next().unwrap_or(Outcome::Broken),
            Err(error) => self.failed(&[to], &error.to_string()),
        }
    }

    /// As [`Submission::submit`], to several, of all that `message` has from where it is. An outcome for each of them.
    pub async fn submit_file(&self, from: &str, to: &[&str], message: File) -> Vec<Outcome> {
        let Some(relay) = &self.relay else { return vec![self.sendmail(from, to, message).await; to.len()] };
        let envelope = relay::Envelope { host: &self.host, from, to };
        match tokio::time::timeout(self.deadline, relay::relay(relay, &envelope, message)).await {
            Ok(Ok(told)) => {
                to.iter().zip(told).map(|(to, told)| told.map_or_else(|why| self.refused(&[*to], &why), |()| Outcome::Done)).collect()
            }
            Ok(Err(why)) => vec![self.refused(to, &why); to.len()],
            Err(_) => vec![self.failed(to, "took too long"); to.len()],
        }
    }

    async fn sendmail(&self, from: &str, to: &[&str], message: File) -> Outcome {
        match self.run(from, to, message).await {
            Ok(0) => Outcome::Done,
            Ok(67) => Outcome::Refused(Refusal::Nobody),
            Ok(code) => self.failed(to, &format!("exit code {code}")),
            Err(error) => self.failed(to, &error.to_string()),
        }
    }

    fn refused(&self, to: &[&str], why: &relay::Refused) -> Outcome {
        match why {
            relay::Refused::Never(said) => {
                self.failed(to, said);
                Outcome::NotForwarded
            }
            relay::Refused::Later(said) | relay::Refused::Lost(said) => self.failed(to, said),
        }
    }

    fn failed(&self, to: &[&str], error: &str) -> Outcome {
        tracing::warn!(event = "not-submitted", program = %self.program.display(), relay = self.relay, to = to.join(","), error);
        Outcome::Broken
    }

    async fn run(&self, from: &str, to: &[&str], message: File) -> io::Result<i32> {
        let from = if from.is_empty() { "<>" } else { from };
        let mut command = Command::new(&self.program);
        // `-i`: a line with a dot alone is no end. What comes behind `--` is no option, whatever it looks like.
        command.args(["-i", "-f", from, "--"]).args(to).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
        command.stdin(Stdio::from(message)).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let status = tokio::time::timeout(self.deadline, command.status()).await??;
        status.code().ok_or_else(|| io::Error::other("it was killed"))
    }
}

/// A file that exists nowhere: the program reads as it likes, and nobody has to serve a pipe.
fn in_memory(message: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("message", MemfdFlags::CLOEXEC)?);
    file.write_all(message)?;
    file.rewind()?;
    Ok(file)
}

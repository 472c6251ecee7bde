//! Handing a message to the machine's own MTA.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::MemfdFlags;
use tokio::process::Command;

use super::{Outcome, Refusal};

/// The way to the machine's own MTA: the program that every MTA brings (Linux Standard Base, sendmail(8)).
#[derive(Debug, Clone)]
pub struct Submission {
    /// The program.
    pub program: PathBuf,
    /// How long it may take; afterwards it is killed.
    pub deadline: Duration,
}

impl Default for Submission {
    fn default() -> Submission {
        Submission { program: "/usr/sbin/sendmail".into(), deadline: Duration::from_secs(60) }
    }
}

impl Submission {
    /// Gives `message`, with LF line ends, to the MTA, from the envelope sender `from`, empty for none, to `to`.
    pub async fn submit(&self, from: &str, to: &str, message: &[u8]) -> Outcome {
        let told = match in_memory(message) {
            Ok(message) => self.run(from, to, message).await,
            Err(error) => Err(error),
        };
        match told {
            Ok(0) => Outcome::Done,
            Ok(67) => Outcome::Refused(Refusal::Nobody),
            Ok(code) => self.failed(to, &format!("exit code {code}")),
            Err(error) => self.failed(to, &error.to_string()),
        }
    }

    fn failed(&self, to: &str, error: &str) -> Outcome {
        tracing::warn!(event = "not-submitted", program = %self.program.display(), to, error);
        Outcome::Broken
    }

    async fn run(&self, from: &str, to: &str, message: File) -> io::Result<i32> {
        let from = if from.is_empty() { "<>" } else { from };
        let mut command = Command::new(&self.program);
        // `-i`: a line with a dot alone is no end. What comes behind `--` is no option, whatever it looks like.
        command.args(["-i", "-f", from, "--", to]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
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

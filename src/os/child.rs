//! Programs that are run for mail: as a user without rights, in a clean environment, and not for ever.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, Uid, geteuid};
use rustix::thread::set_thread_res_uid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// A program that is to be run.
pub struct Job<'a> {
    /// The program, by its whole path, and its arguments.
    pub words: &'a [String],
    /// As whom it runs: uid and gid.
    pub user: (u32, u32),
    /// Its environment beside `PATH`.
    pub environment: &'a [(&'static str, String)],
    /// What it reads: a file, so that it may read as it likes, or not at all, and nobody has to serve a pipe.
    pub input: File,
    /// How long it may take; afterwards it is killed, and its children with it.
    pub deadline: Duration,
}

/// How a program has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` where a signal has ended it.
    pub code: Option<i32>,
    /// The beginning of what it wrote to standard error, for the administrator.
    pub complaint: String,
    /// Whether all of its output has come: a child of its own may still have the pipe.
    pub is_whole: bool,
}

impl Job<'_> {
    /// Runs it. What it writes to standard output goes to `out` while it reads.
    ///
    /// # Errors
    /// It cannot be started, took too long, or `out` fails; it is never started as root.
    pub async fn run(self, out: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Ended> {
        let mut command = self.command()?;
        let mut child = command.spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let mut killer = Killer { group, uid: self.user.0 };
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut complaint = Vec::new();
        let talk = async {
            let note = |some: &[u8]| {
                complaint.extend_from_slice(&some[..some.len().min(COMPLAINT - complaint.len())]);
                Ok(())
            };
            tokio::try_join!(drain(stdout, out), drain(stderr, note)).map(drop)
        };
        let ran = tokio::time::timeout(self.deadline, until_it_ends(&mut child, talk)).await;
        let (status, is_whole) = ran.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "took too long"))??;
        killer.group = None;
        Ok(Ended { code: status.code(), complaint: String::from_utf8_lossy(&complaint).trim().to_owned(), is_whole })
    }

    fn command(&self) -> io::Result<Command> {
        let [program, arguments @ ..] = self.words else { return Err(io::ErrorKind::InvalidInput.into()) };
        let (uid, gid) = self.user;
        if uid == 0 || gid == 0 {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "no program is run as root"));
        }
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("PATH", PATH).current_dir("/");
        command.envs(self.environment.iter().map(|(name, value)| (OsStr::new(name), OsStr::new(value))));
        command.stdin(self.input.try_clone()?).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        if geteuid().as_raw() != uid {
            command.gid(gid).uid(uid);
        }
        Ok(command)
    }
}

/// Waits for the program's end, and a moment longer for what is still in its pipes.
async fn until_it_ends(child: &mut tokio::process::Child, talk: impl Future<Output = io::Result<()>>) -> io::Result<(ExitStatus, bool)> {
    tokio::pin!(talk);
    tokio::select! {
        talked = &mut talk => {
            talked?;
            Ok((child.wait().await?, true))
        }
        status = child.wait() => {
            let status = status?;
            match tokio::time::timeout(GRACE, talk).await {
                Ok(talked) => talked.map(|()| (status, true)),
                Err(_) => Ok((status, false)),
            }
        }
    }
}

async fn drain(pipe: Option<impl AsyncRead + Unpin>, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    let mut piece = vec![0; 64 * 1024];
    loop {
        match pipe.read(&mut piece).await? {
            0 => return Ok(()),
            some => take(&piece[..some])?,
        }
    }
}

/// Kills a program with its children, unless its group is taken out.
struct Killer {
    group: Option<Pid>,
    uid: u32,
}

impl Drop for Killer {
    fn drop(&mut self) {
        let Some(group) = self.group else { return };
        if let Err(error) = kill(group, self.uid) {
            tracing::warn!(group = group.as_raw_nonzero().get(), %error, doing = "killing a program that took too long");
        }
    }
}

/// Kills a process group of `uid`. A process that may act as others may not signal them; a thread that is one of them may.
fn kill(group: Pid, uid: u32) -> io::Result<()> {
    match rustix::process::kill_process_group(group, Signal::KILL) {
        Err(rustix::io::Errno::PERM) => {}
        Ok(()) | Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let as_it = move || {
        set_thread_res_uid(None, Uid::from_raw(uid), None)?;
        rustix::process::kill_process_group(group, Signal::KILL)
    };
    let killed = std::thread::Builder::new().name("kill".into()).spawn(as_it)?.join();
    killed.unwrap_or(Err(rustix::io::Errno::PERM)).map_err(io::Error::from)
}

/// Octets.
const COMPLAINT: usize = 1024;
/// How long the children of a program that has ended may still write.
const GRACE: Duration = Duration::from_secs(1);
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

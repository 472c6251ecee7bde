//! Files that mail is appended to: `/file` of an alias, an mbox for other programs to read (behaviour.md §11).

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use super::errand::Errand;
use super::{Carrier, Mail, Outcome};
use crate::config::LockKind;
use crate::os::lock::{self, Dotlock, Range};
use crate::os::{Actor, atomic};

impl Carrier {
    /// Appends `mail` to the file at `path`, durably, as the user that programs run as.
    pub(super) async fn append_to(&self, path: &Path, errand: &Errand<'_>, mail: &Mail) -> Outcome {
        let input = match self.input(errand.asked(), errand.postmark(mail), mail).await {
            Ok(input) => input,
            Err(outcome) => return outcome,
        };
        let appended = match self.program_user() {
            Ok((uid, gid)) => {
                let (path, locks) = (path.to_owned(), self.set.locks.clone());
                let appending = move || Mbox { path: &path, actor: Actor::User { uid, gid }, locks: &locks }.append(input);
                let appended = tokio::task::spawn_blocking(appending).await;
                appended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
            }
            Err(error) => Err(io::Error::other(error)),
        };
        match appended {
            Ok(()) => {
                tracing::info!(event = "file", path = %path.display(), to = errand.asked());
                Outcome::Done
            }
            Err(error) => {
                tracing::warn!(event = "file", path = %path.display(), to = errand.asked(), %error);
                match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Outcome::DiskFull,
                    io::ErrorKind::WouldBlock => Outcome::Busy,
                    _ => Outcome::Broken,
                }
            }
        }
    }
}

struct Mbox<'a> {
    path: &'a Path,
    actor: Actor,
    locks: &'a [LockKind],
}

impl Mbox<'_> {
    /// Appends all of `message`, which begins with its From_ line, or nothing. Blocks.
    fn append(&self, message: File) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (file, is_new) = match self.open() {
                // Another has made it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => opened?,
            };
            if file.metadata()?.file_type().is_char_device() {
                // /dev/null.
                return Ok(());
            }
            if let Some(_locked) = self.lock(&file)? {
                return self
                    .actor
                    .run(|| write(&file, message))
                    .and_then(|()| if is_new { atomic::sync_folder(self.path) } else { Ok(()) });
            }
            if Instant::now() > deadline {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The file, and whether it was made. Nothing that lies there makes us follow, wait or get a terminal.
    fn open(&self) -> io::Result<(File, bool)> {
        let mut options = File::options();
        options.read(true).append(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
        let opened = self.actor.run(|| match options.open(self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => options.create_new(true).open(self.path).map(|file| (file, true)),
            opened => opened.map(|file| (file, false)),
        });
        let (file, is_new) = opened?;
        let kind = file.metadata()?.file_type();
        let is_null = kind.is_char_device() && self.path == Path::new("/dev/null");
        match kind.is_file() || is_null {
            true => Ok((file, is_new)),
            false => Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file")),
        }
    }

    /// Takes all locks, or none; `None` while somebody else has one, or has put another file in the place of this.
    fn lock(&self, file: &File) -> io::Result<Option<Option<Dotlock>>> {
        let mut dotlock = None;
        for kind in self.locks {
            let taken = match kind {
                LockKind::Fcntl => lock::range(file, Range::Exclusive, 0, 0)?,
                LockKind::Flock => lock::whole(file, true)?,
                LockKind::Dotlock => match Dotlock::take(self.path, self.actor) {
                    Ok(lock) => {
                        dotlock = lock;
                        dotlock.is_some()
                    }
                    // Where none can be made, the others must do.
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied && self.locks.len() > 1 => true,
                    Err(error) => return Err(error),
                },
            };
            if !taken {
                return Ok(None);
            }
        }
        let (ours, there) = (file.metadata()?, self.actor.run(|| std::fs::symlink_metadata(self.path)));
        Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())).then_some(dotlock))
    }
}

/// Appends the message durably. When that fails the file is what it was.
fn write(file: &File, message: File) -> io::Result<()> {
    let before = file.metadata()?.len();
    let written = copy(file, before, message).and_then(|()| file.sync_all());
    if written.is_err() {
        // Best effort: what matters is the first error.
        let _ = file.set_len(before);
    }
    written
}

fn copy(file: &File, before: u64, message: File) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(64 * 1024, file);
    out.write_all(lacking(file, before)?)?;
    let (mut lines, mut line, mut is_start, mut is_first) = (BufReader::new(message), Vec::new(), true, true);
    loop {
        line.clear();
        if io::Read::take(&mut lines, LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        // As sendmail's mailer for files does: any line that a reader might take for a separator.
        if is_start && !is_first && line.starts_with(b"From ") {
            out.write_all(b">")?;
        }
        out.write_all(&line)?;
        (is_start, is_first) = (line.ends_with(b"\n"), false);
    }
    out.write_all(if is_start { b"\n" } else { b"\n\n" })?;
    out.flush()
}

/// What the file lacks at its end for a From_ line to follow.
fn lacking(file: &File, len: u64) -> io::Result<&'static [u8]> {
    let mut end = [b'\n'; 2];
    let some = len.min(2) as usize;
    file.read_exact_at(&mut end[2 - some..], len - some as u64)?;
    Ok(match end {
        [b'\n', b'\n'] => b"",
        [_, b'\n'] => b"\n",
        _ => b"\n\n",
    })
}

const PATIENCE: Duration = Duration::from_secs(30);
/// Octets of a line that are held at a time.
const LINE: u64 = 64 * 1024;

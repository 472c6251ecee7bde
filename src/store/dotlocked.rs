//! The locks that Dovecot keeps while it gives out UIDs and UIDVALIDITYs: `dovecot-uidlist.lock` and the like.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::os::Actor;
use crate::os::lock::{Dotlock, Reusable, Taken};
use crate::store::busy::Here;
use crate::store::{Shared, Trouble};

/// Nobody else changes the file.
pub struct Locked<'a, D = Dotlock> {
    /// Dropped before `here`: in the reverse order of taking.
    _dot: Option<D>,
    _here: Here<'a>,
}

/// Locks `file`, by the dotlock beside it. Blocks.
///
/// # Errors
/// [`Trouble::Busy`] after [`PATIENCE`].
pub fn lock<'a>(shared: &'a Shared, actor: Actor, file: &Path) -> Result<Locked<'a>, Trouble> {
    lock_by(shared, file, || Dotlock::take_exclusively(file, actor))
}

/// As [`lock`], for a file that is locked again and again.
pub fn lock_again<'a>(shared: &'a Shared, file: &Path, dot: &'a Reusable) -> Result<Locked<'a, Taken<'a>>, Trouble> {
    lock_by(shared, file, || dot.take())
}

fn lock_by<'a, D>(shared: &'a Shared, file: &Path, take: impl Fn() -> io::Result<Option<D>>) -> Result<Locked<'a, D>, Trouble> {
    let deadline = Instant::now() + PATIENCE;
    let busy = || Trouble::Busy(file.into());
    let here = Here::take(shared, file, deadline).ok_or_else(busy)?;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(dot) = attempt(shared, file, &take)? {
            return Ok(Locked { _dot: dot, _here: here });
        }
        if Instant::now() + pause > deadline {
            return Err(busy());
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// `None`: another program has it. Where no dotlock can be made, the spool can't be written by anybody, or mail must be
/// removed to make room: going on without is right.
fn attempt<D>(shared: &Shared, file: &Path, take: impl Fn() -> io::Result<Option<D>>) -> Result<Option<Option<D>>, Trouble> {
    const IMPOSSIBLE: [Errno; 5] = [Errno::ACCESS, Errno::PERM, Errno::NOSPC, Errno::ROFS, Errno::DQUOT];
    match take() {
        Ok(taken) => Ok(taken.map(Some)),
        Err(error) if Errno::from_io_error(&error).is_some_and(|error| IMPOSSIBLE.contains(&error)) => {
            shared.warn_once(file, &error, "no dotlock can be made; going on without");
            Ok(Some(None))
        }
        Err(error) => Err(Trouble::io("making a dotlock for", file)(error)),
    }
}

/// How long to wait for others.
pub const PATIENCE: Duration = Duration::from_secs(30);

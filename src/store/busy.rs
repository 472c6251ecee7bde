//! Threads of this process, one after the other.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Shared;

/// One thread of this process at a time: an open-file lock alone would do, a dotlock would not know the threads apart.
pub struct Here<'a> {
    shared: &'a Shared,
    spool: PathBuf,
}

impl<'a> Here<'a> {
    /// Waits until `deadline`; `None` when somebody still has it then.
    pub fn take(shared: &'a Shared, spool: &Path, deadline: Instant) -> Option<Here<'a>> {
        let mut busy = shared.busy.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        while busy.contains(spool) {
            let left = deadline.checked_duration_since(Instant::now())?;
            busy = shared.freed.wait_timeout(busy, left).unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
        busy.insert(spool.to_owned());
        Some(Here { shared, spool: spool.to_owned() })
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.shared.busy.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).remove(&self.spool);
        self.shared.freed.notify_all();
    }
}

//! One thread that writes to the spools what the journals have acknowledged, a little later.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::mailbox::Mailbox;

/// What is owed, and when it is due. There is a thread only while something is.
#[derive(Default)]
pub struct Settler {
    owed: Mutex<Owed>,
    came: Condvar,
}

#[derive(Default)]
struct Owed {
    due: BTreeMap<(Instant, usize), Arc<Mailbox>>,
    /// Mailboxes that are due already.
    known: HashSet<Arc<Path>>,
    serial: usize,
    is_running: bool,
}

impl Settler {
    /// Settles `mailbox` after `time`, unless that is to be done already.
    pub fn settle_within(mailbox: &Arc<Mailbox>, time: Duration) {
        let settler = &mailbox.shared.settler;
        let mut owed = settler.owed();
        if !owed.known.insert(Arc::clone(mailbox.key())) {
            return;
        }
        owed.serial += 1;
        let due = (Instant::now() + time, owed.serial);
        owed.due.insert(due, Arc::clone(mailbox));
        let starts = !std::mem::replace(&mut owed.is_running, true);
        drop(owed);
        match starts {
            true => start(Arc::clone(&mailbox.shared)),
            false => settler.came.notify_one(),
        }
    }

    /// The next mailbox, when it is due; `None` when nothing is owed any more.
    fn next(&self) -> Option<Arc<Mailbox>> {
        let mut owed = self.owed();
        loop {
            let Some((&(due, serial), _)) = owed.due.first_key_value() else {
                owed.is_running = false;
                return None;
            };
            let now = Instant::now();
            if due <= now {
                let mailbox = owed.due.remove(&(due, serial))?;
                owed.known.remove(mailbox.key());
                return Some(mailbox);
            }
            owed = self.came.wait_timeout(owed, due - now).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start(shared: Arc<super::Shared>) {
    let work = move || {
        while let Some(mailbox) = shared.settler.next() {
            if let Err(trouble) = mailbox.settle() {
                tracing::warn!(user = %mailbox.account.owner, error = %trouble, doing = "writing flags to the spool");
            }
        }
    };
    if let Err(error) = thread::Builder::new().name("settler".into()).spawn(work) {
        // What is owed stays in the journals, for the next process that opens these mailboxes.
        tracing::error!(%error, "no thread can be started that writes flags to the spools");
    }
}

//! Syncs that are shared: whoever comes while one is under way needs only the next, and so do all who come with him.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The syncs of one file or folder.
#[derive(Default)]
pub struct Shared {
    turns: Mutex<Turns>,
    done: Condvar,
}

#[derive(Default)]
struct Turns {
    /// Syncs that have begun.
    begun: u64,
    /// The last that has ended, and how.
    ended: u64,
    outcome: Option<Arc<io::Error>>,
}

impl Shared {
    /// Returns when a sync that began after this call has ended. `sync` is called by one of those who wait, for all of them.
    ///
    /// # Errors
    /// That sync failed; the next one says nothing of what this one was to keep (fsync(2) reports an error once).
    pub fn sync(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = turns.begun + 1;
        loop {
            if turns.ended >= mine {
                return turns.outcome.as_ref().map_or(Ok(()), |error| Err(io::Error::new(error.kind(), Arc::clone(error))));
            }
            if turns.begun == turns.ended {
                break;
            }
            turns = self.done.wait(turns).unwrap_or_else(PoisonError::into_inner);
        }
        turns.begun += 1;
        drop(turns);
        let outcome = sync();
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.ended += 1;
        turns.outcome = outcome.as_ref().err().map(|error| Arc::new(io::Error::new(error.kind(), error.to_string())));
        drop(turns);
        self.done.notify_all();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};
    use std::thread;

    use super::*;

    #[test]
    fn those_who_come_during_a_sync_share_the_next() {
        let (shared, syncs) = (Shared::default(), AtomicUsize::new(0));
        let (running, is_running) = mpsc::channel();
        let release = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                shared.sync(|| {
                    running.send(()).unwrap();
                    release.wait();
                    syncs.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                })
            });
            is_running.recv().unwrap();
            let count = || {
                syncs.fetch_add(1, Ordering::SeqCst);
                Ok(())
            };
            let others: Vec<_> = (0..8).map(|_| scope.spawn(|| shared.sync(count))).collect();
            release.wait();
            others.into_iter().for_each(|other| other.join().unwrap().unwrap());
        });
        // Those who were late to wait may have needed one more.
        assert!((2..=9).contains(&syncs.load(Ordering::SeqCst)));
    }

    #[test]
    fn a_failure_is_told_to_all_it_concerns_and_to_nobody_else() {
        let shared = Shared::default();
        assert_eq!(shared.sync(|| Err(io::ErrorKind::StorageFull.into())).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(shared.sync(|| Ok(())).is_ok());
    }
}

//! Syncs that are shared: whoever comes while one is under way needs only the next, and so do all who come with him.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The syncs of one file or folder.
#[derive(Default)]
pub struct Shared {
    progress: Mutex<Progress>,
    ended: Condvar,
}

/// How far the file has come. Changes are counted, so that a sync covers all up to a number.
#[derive(Default)]
struct Progress {
    /// Changes made.
    made: u64,
    /// Changes that survive a power cut.
    kept: u64,
    /// The changes that a sync under way will have kept.
    under_way: Option<u64>,
    /// The changes of which no sync can tell any more: fsync(2) reports an error once.
    lost: Option<(u64, Arc<io::Error>)>,
}

impl Shared {
    /// The file was changed: the next [`Shared::sync`] has something to do.
    pub fn changed(&self) {
        self.progress().made += 1;
    }

    /// Returns when all changes until now survive a power cut. `sync` is called by one of those who wait, for all of them.
    ///
    /// # Errors
    /// The sync that was to keep them failed; a later one says nothing of them.
    pub fn sync(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut progress = self.progress();
        let mine = progress.made;
        while progress.kept < mine {
            if let Some((_, error)) = progress.lost.as_ref().filter(|(lost, _)| *lost >= mine) {
                return Err(io::Error::new(error.kind(), Arc::clone(error)));
            }
            if progress.under_way.is_none() {
                let all = progress.made;
                progress.under_way = Some(all);
                drop(progress);
                let outcome = sync();
                self.end(all, &outcome);
                return outcome;
            }
            progress = self.ended.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn end(&self, all: u64, outcome: &io::Result<()>) {
        let mut progress = self.progress();
        progress.under_way = None;
        match outcome {
            Ok(()) => progress.kept = all,
            Err(error) => progress.lost = Some((all, Arc::new(io::Error::new(error.kind(), error.to_string())))),
        }
        drop(progress);
        self.ended.notify_all();
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn those_who_come_during_a_sync_share_the_next() {
        let (shared, syncs) = (Shared::default(), AtomicUsize::new(0));
        let (running, is_running) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let count = |wait: Option<mpsc::Receiver<()>>| {
            syncs.fetch_add(1, Ordering::SeqCst);
            wait.into_iter().for_each(|wait| wait.recv().unwrap());
            Ok(())
        };
        thread::scope(|scope| {
            shared.changed();
            let (shared, count) = (&shared, &count);
            scope.spawn(move || {
                shared.sync(|| {
                    running.send(()).unwrap();
                    count(Some(may_go))
                })
            });
            is_running.recv().unwrap();
            (0..8).for_each(|_| shared.changed());
            let others: Vec<_> = (0..8).map(|_| scope.spawn(move || shared.sync(|| count(None)))).collect();
            go.send(()).unwrap();
            others.into_iter().for_each(|other| other.join().unwrap().unwrap());
        });
        assert_eq!(syncs.load(Ordering::SeqCst), 2);
        shared.sync(|| unreachable!("nothing has changed")).unwrap();
    }

    #[test]
    fn a_failure_is_told_of_what_it_concerns_and_of_nothing_else() {
        let shared = Shared::default();
        shared.changed();
        assert_eq!(shared.sync(|| Err(io::ErrorKind::StorageFull.into())).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(shared.sync(|| Ok(())).is_err(), "the same change");
        shared.changed();
        assert!(shared.sync(|| Ok(())).is_ok());
    }
}

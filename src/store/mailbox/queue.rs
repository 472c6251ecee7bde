//! Messages that are on the disk and wait for their UIDs. Whoever holds the files of a mailbox gives them to all who wait: a list, a
//! journal and a quota are written once for as many messages as came while others were at it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::store::spool::Staged;
use crate::store::{Appended, Incoming, Trouble};

/// Those that wait, first come first placed.
#[derive(Default)]
pub struct Queue(Mutex<Vec<Waiting>>);

/// Messages of one append: all of them are placed, or none.
struct Waiting {
    messages: Vec<Incoming>,
    staged: Staged,
    answer: Answer,
}

/// What became of the messages of one append.
type Answer = Arc<OnceLock<Result<Appended, Trouble>>>;

/// A place in the queue; dropping it gives it up.
pub struct Ticket<'a> {
    queue: &'a Queue,
    answer: Answer,
}

/// All that were waiting, as one append.
pub struct Round {
    pub messages: Vec<Incoming>,
    pub staged: Option<Staged>,
    answers: Vec<(usize, Answer)>,
}

impl Queue {
    /// At the end of the queue.
    pub fn join(&self, messages: &[Incoming], staged: Staged) -> Ticket<'_> {
        let answer = Answer::default();
        self.waiting().push(Waiting { messages: messages.to_vec(), staged, answer: Arc::clone(&answer) });
        Ticket { queue: self, answer }
    }

    /// All that wait; the caller tells them what became of it.
    pub fn take(&self) -> Round {
        let mut round = Round { messages: Vec::new(), staged: None, answers: Vec::new() };
        for Waiting { messages, staged, answer } in std::mem::take(&mut *self.waiting()) {
            round.answers.push((messages.len(), answer));
            round.messages.extend(messages);
            match &mut round.staged {
                Some(all) => all.join(staged),
                none => *none = Some(staged),
            }
        }
        round
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket<'_> {
    /// What became of the messages, once somebody has dealt with them.
    pub fn answer(&self) -> Option<Result<Appended, Trouble>> {
        self.answer.get().map(|answer| match answer {
            Ok(appended) => Ok(appended.clone()),
            Err(trouble) => Err(trouble.again()),
        })
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        // Nobody places what nobody waits for: the caller hears of a failure.
        self.queue.waiting().retain(|waiting| !Arc::ptr_eq(&waiting.answer, &self.answer));
    }
}

impl Round {
    /// Tells those who wait: the messages have the UIDs from the first of `placed` on, or none has any.
    pub fn tell(self, placed: Result<Appended, Trouble>) {
        let mut uids = placed.as_ref().map_or(&[][..], |appended| &appended.uids);
        for (count, answer) in self.answers {
            let told = match &placed {
                Ok(Appended { uidvalidity, .. }) => {
                    let (own, rest) = uids.split_at(count);
                    uids = rest;
                    Ok(Appended { uidvalidity: *uidvalidity, uids: own.to_vec() })
                }
                Err(trouble) => Err(trouble.again()),
            };
            // Each waits for one answer.
            let _ = answer.set(told);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::io;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::config::{Fsync, Spool};
    use crate::os::Dir;
    use crate::store::bench::{Bench, incoming};
    use crate::store::disk::{Disk, Machine};
    use crate::store::mailbox::Mailbox;
    use crate::store::{AnyHome, FolderName, Store};

    /// What eight threads hear that append while somebody has the files.
    fn appended_at_once(mailbox: &Arc<Mailbox>) -> Vec<Result<Appended, Trouble>> {
        let turn = mailbox.hold(true).unwrap();
        thread::scope(|scope| {
            let append = |nth| move || mailbox.append(&vec![incoming(&format!("Subject: {nth}\n\n")); nth]);
            // An append of nothing, which a copy of nothing is, has its answer too.
            let threads: Vec<_> = (0..8).map(|nth| scope.spawn(append(nth))).collect();
            while mailbox.queue.waiting().len() < 8 {
                thread::sleep(Duration::from_millis(1));
            }
            drop(turn);
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    fn inbox(bench: &Bench, disk: Arc<dyn Disk>) -> Arc<Mailbox> {
        let store = Store::on(Bench::places(bench.root(), Fsync::Optimized), disk);
        let AnyHome::Local(home) = store.home(bench.account()) else { unreachable!("files of this machine") };
        home.mailbox(&FolderName::inbox()).unwrap()
    }

    #[test]
    fn those_who_wait_are_placed_together() {
        for format in [Spool::Maildir, Spool::Mbox] {
            let bench = Bench::new(format);
            let mailbox = inbox(&bench, Arc::new(Machine));
            let all = appended_at_once(&mailbox).into_iter().map(|appended| appended.unwrap().uids);
            let mut seen = Vec::new();
            for (uids, count) in all.zip(0..) {
                assert!(uids.len() == count && uids.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{uids:?}");
                seen.extend(uids);
            }
            seen.sort_unstable();
            assert_eq!(seen, (1..=28).collect::<Vec<_>>());
            let state = mailbox.look().unwrap();
            assert_eq!(state.nth(0).unwrap().modseq, state.nth(27).unwrap().modseq, "one round");
        }
    }

    /// Files get no new names.
    struct Nameless;

    impl Disk for Nameless {
        fn rename_in(&self, _: (&Dir, &OsStr), _: (&Dir, &OsStr)) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn when_it_fails_all_hear_of_it_and_nothing_is_left() {
        let bench = Bench::new(Spool::Maildir);
        inbox(&bench, Arc::new(Machine)).append(&[incoming("Subject: first\n\n")]).unwrap();
        let all = appended_at_once(&inbox(&bench, Arc::new(Nameless)));
        assert!(all.iter().all(|appended| matches!(appended, Err(Trouble::Full(_)))), "{all:?}");
        let files = |part: &str| fs::read_dir(bench.spool().join(part)).unwrap().count();
        assert_eq!((files("new"), files("cur"), files("tmp")), (1, 0, 0));
        assert_eq!(inbox(&bench, Arc::new(Machine)).append(&[incoming("Subject: next\n\n")]).unwrap().uids, [2]);
    }
}

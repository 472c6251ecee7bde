//! One mailbox in this process: its files, what is known of them, and everything that can be done with it. Sessions share it.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use super::index::State;
use super::kept::{Kept, Written};
use super::name::FolderName;
use super::name::disk::Layout;
use super::news::{Place, Watcher};
use super::reader::blocking;
use super::spool::{Batch, Care, Hold, Scanned, Spool};
use super::{Account, Shared, Trouble, sync};
use crate::os::{Actor, Dir, process};

mod append;
mod change;
mod learn;
mod queue;
mod read;
mod rebuild;
mod settle;
mod transfer;

pub use change::SOON;
pub use learn::twins;

/// A mailbox that is in use. All functions but [`Mailbox::glance`] and [`Mailbox::read_at_once`] block.
pub struct Mailbox {
    pub shared: Arc<Shared>,
    pub account: Arc<Account>,
    pub name: FolderName,
    pub spool: Box<dyn Spool>,
    /// Where its index is; also what it is called among the mailboxes of this process.
    index: Arc<Path>,
    kept: Mutex<Kept>,
    journal: sync::Shared,
    turn: Mutex<()>,
    queue: queue::Queue,
    /// A session has had it open.
    pub is_seen: AtomicBool,
}

/// The files of a mailbox, held by this thread.
pub struct Turn<'a> {
    pub hold: Box<dyn Hold + 'a>,
    /// Ends after the hold.
    _turn: MutexGuard<'a, ()>,
}

/// The mailboxes of this process.
#[derive(Default)]
pub struct Open(Mutex<HashMap<Arc<Path>, Weak<Mailbox>>>);

impl Open {
    /// The mailbox whose index is at `index`, if somebody uses it: what [`Open::mailbox`] would give.
    pub fn find(shared: &Shared, account: &Arc<Account>, index: &Path, layout: Layout) -> Option<Arc<Mailbox>> {
        let open = shared.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mailbox = open.get(index).and_then(Weak::upgrade);
        drop(open);
        mailbox.filter(|mailbox| mailbox.fits(account, layout))
    }

    /// The mailbox whose index is at `index`: the one that others use, or a new one on `spool` when nobody does, or what they know of the
    /// account no longer holds, or its files have become an mbox or a Maildir meanwhile.
    pub fn mailbox(
        shared: &Arc<Shared>,
        account: &Arc<Account>,
        name: &FolderName,
        index: PathBuf,
        layout: Layout,
        spool: impl FnOnce() -> Box<dyn Spool>,
    ) -> Arc<Mailbox> {
        let index: Arc<Path> = index.into();
        // Let go after the lock: the last to do so takes it.
        let _other;
        let mut open = shared.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mailbox) = open.get(&index).and_then(Weak::upgrade) {
            if mailbox.fits(account, layout) {
                return mailbox;
            }
            _other = mailbox;
        }
        let mailbox = Arc::new(Mailbox {
            shared: Arc::clone(shared),
            account: Arc::clone(account),
            name: name.clone(),
            spool: spool(),
            index: Arc::clone(&index),
            kept: Mutex::new(Kept::Nothing),
            journal: sync::Shared::default(),
            turn: Mutex::new(()),
            queue: queue::Queue::default(),
            is_seen: AtomicBool::new(false),
        });
        open.insert(index, Arc::downgrade(&mailbox));
        mailbox
    }

    /// No mailbox is found by the indexes at or below `index` any more: they were renamed or removed.
    pub fn forget(shared: &Shared, index: &Path) {
        shared.open.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|known, _| !known.starts_with(index));
    }
}

/// The mailboxes that were used last: the next message or login finds them open. Clones share.
#[derive(Clone, Default)]
pub struct Recent(Arc<Mutex<VecDeque<Arc<Mailbox>>>>);

impl Recent {
    /// `mailbox` is wanted now.
    pub fn used(&self, mailbox: &Arc<Mailbox>) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = recent.iter().position(|known| Arc::ptr_eq(known, mailbox));
        let forgotten = match known {
            Some(at) => recent.remove(at),
            None if recent.len() >= *RECENT => recent.pop_front(),
            None => None,
        };
        recent.push_back(Arc::clone(mailbox));
        drop(recent);
        // The last to let go of a mailbox closes files.
        drop(forgotten);
    }
}

/// So many, each with two files open: a part of what the process may have, and memory of a megabyte or two.
static RECENT: LazyLock<usize> = LazyLock::new(|| usize::try_from(process::open_files() / 16).unwrap_or(usize::MAX).clamp(16, 1024));

impl Drop for Mailbox {
    fn drop(&mut self) {
        let mut open = self.shared.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.get(&self.index).is_some_and(|known| known.strong_count() == 0) {
            open.remove(&self.index);
        }
    }
}

impl Mailbox {
    /// Whether it is that of `account`, whose spool is of this kind.
    fn fits(&self, account: &Account, layout: Layout) -> bool {
        (std::ptr::eq(&*self.account, account) || *self.account == *account) && self.spool.layout() == layout
    }

    /// The mailbox as it is, if that can be told without waiting for the disk or for others.
    pub fn glance(&self) -> Option<State> {
        let mut kept = self.kept.try_lock().ok()?;
        kept.open_at_once(&self.shared.disk, &self.index, self.spool.layout());
        let state = kept.state()?;
        self.spool.is_untouched(state, Care::Full).ok()?.then(|| state.clone())
    }

    /// The mailbox as the index has it, if that is open and its journal tells nothing new. `home` is the folder of INBOX's index, which
    /// has those of all others.
    pub fn followed(&self, home: &Dir) -> Option<State> {
        let folder = if self.name.is_inbox() { Path::new("") } else { Path::new(self.index.file_name()?) };
        let kept = self.kept.try_lock().ok()?;
        kept.followed(&home.stamp_below(&folder.join(super::index::JOURNAL)).ok()?).cloned()
    }

    /// The mailbox as it is.
    pub fn look(&self) -> Result<State, Trouble> {
        let mut kept = self.kept();
        kept.open(&self.shared, &self.index, self.spool.layout());
        if let Some(state) = kept.state()
            && self.spool.is_untouched(state, Care::Full)?
        {
            return Ok(state.clone());
        }
        drop(kept);
        self.scan()
    }

    /// The mailbox as it is, looked at on a thread that may wait if need be.
    pub async fn now(self: &Arc<Self>) -> Result<State, Trouble> {
        match self.glance() {
            Some(state) => Ok(state),
            None => self.on_thread(|mailbox| mailbox.look()).await,
        }
    }

    /// The mailbox as it is, if UIDs still name what they named under `uidvalidity` (RFC 9051 §2.3.1.1).
    ///
    /// # Errors
    /// [`Trouble::Gone`] if they don't: the messages meant are not here.
    fn look_under(&self, uidvalidity: u32) -> Result<State, Trouble> {
        let state = self.look()?;
        self.check(&state, uidvalidity)?;
        Ok(state)
    }

    fn check(&self, state: &State, uidvalidity: u32) -> Result<(), Trouble> {
        if state.head().uidvalidity == uidvalidity { Ok(()) } else { Err(self.gone()) }
    }

    /// Keeps other threads and programs from changing the files; see [`Spool::hold`].
    pub fn hold(&self, make: bool) -> Result<Option<Turn<'_>>, Trouble> {
        self.hold_in(self.turn(), make)
    }

    /// Threads of this process queue up here: whoever waits for a lock of files must look again and again.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold_in<'a>(&'a self, turn: MutexGuard<'a, ()>, make: bool) -> Result<Option<Turn<'a>>, Trouble> {
        Ok(self.spool.hold(make)?.map(|hold| Turn { hold, _turn: turn }))
    }

    /// The mailbox as it is after its files were read.
    fn scan(&self) -> Result<State, Trouble> {
        match self.hold(false)? {
            Some(mut turn) => self.freshen(&mut *turn.hold, Care::Full).map(|(_, state)| state),
            None => self.without_files(),
        }
    }

    fn without_files(&self) -> Result<State, Trouble> {
        let mut kept = self.kept();
        kept.open(&self.shared, &self.index, self.spool.layout());
        let state = self.spool.absent(kept.state())?;
        if kept.state().is_none_or(|known| !known.is_empty()) {
            kept.replace(&self.shared, &self.index, state.clone());
            self.published(&state);
        }
        Ok(state)
    }

    /// What is known, brought up to date; no other thread writes while the guard lives.
    fn freshen(&self, hold: &mut dyn Hold, care: Care) -> Result<(MutexGuard<'_, Kept>, State), Trouble> {
        let mut kept = self.kept();
        loop {
            kept.open(&self.shared, &self.index, self.spool.layout());
            kept.restore(&self.shared, &self.index, self.spool.layout());
            let Some(state) = kept.state() else {
                let Scanned::Anew(state) = hold.scan(None)? else { unreachable!("there is nothing that this could be news to") };
                kept.replace(&self.shared, &self.index, state);
                break;
            };
            if self.spool.is_untouched(state, care)? {
                let state = state.clone();
                return Ok((kept, state));
            }
            let mut anew = None;
            let written = kept.write(&self.shared, &self.index, &mut |state| match hold.scan(Some(state))? {
                Scanned::News(batch) => Ok(batch),
                Scanned::Anew(state) => {
                    anew = Some(state);
                    Ok(Batch::default())
                }
            })?;
            match (anew, written) {
                (Some(state), _) => kept.replace(&self.shared, &self.index, state),
                (None, Written::Nowhere) => continue,
                (None, Written::Journal | Written::Memory) => {}
            }
            break;
        }
        let state = kept.state().cloned().expect("a scan leaves a state");
        self.published(&state);
        Ok((kept, state))
    }

    /// Writes what `deed` makes of the mailbox as it is, while its files are held.
    fn write_held(
        &self,
        hold: &mut dyn Hold,
        deed: &mut dyn FnMut(&mut dyn Hold, &State) -> Result<Batch, Trouble>,
    ) -> Result<State, Trouble> {
        loop {
            let (mut kept, _) = self.freshen(hold, Care::Quick)?;
            let written = kept.write(&self.shared, &self.index, &mut |state| deed(hold, state))?;
            if !matches!(written, Written::Nowhere) {
                let state = kept.state().cloned().expect("it was just written");
                self.published(&state);
                return Ok(state);
            }
        }
    }

    /// Writes what `deed` makes of the mailbox as the index has it: for what needs no files.
    fn write(&self, deed: &mut dyn FnMut(&State) -> Result<Batch, Trouble>) -> Result<(Written, State), Trouble> {
        loop {
            let mut kept = self.kept();
            kept.open(&self.shared, &self.index, self.spool.layout());
            let written = kept.write(&self.shared, &self.index, deed)?;
            if let Some(state) = kept.state().filter(|_| !matches!(written, Written::Nowhere)) {
                let state = state.clone();
                self.published(&state);
                return Ok((written, state));
            }
            drop(kept);
            self.look()?;
        }
    }

    /// Runs `deed` on a thread that may wait.
    pub async fn on_thread<T: Send + 'static>(self: &Arc<Self>, deed: impl FnOnce(&Arc<Mailbox>) -> T + Send + 'static) -> T {
        let mailbox = Arc::clone(self);
        blocking(move || deed(&mailbox)).await
    }

    /// There is a new state: the watchers hear of it, and the quota's figures follow.
    fn published(&self, state: &State) {
        let totals = state.head().totals;
        self.account.count(&self.shared, &self.name, totals.stored, totals.messages);
        self.shared.news.tell(&self.account.owner, &self.called());
    }

    /// Hears of every change from now on, whoever makes it.
    pub fn watch(&self) -> Watcher {
        self.shared.news.mailbox(&self.account.owner, &self.called(), self.watched())
    }

    /// Where other processes leave traces.
    pub fn watched(&self) -> Vec<Place> {
        let mut places = self.spool.watched();
        places.push(Place { folder: Arc::clone(&self.index), name: Some(super::index::JOURNAL.into()), actor: Actor::Service });
        places
    }

    /// The name by which watchers know it.
    fn called(&self) -> String {
        self.name.display('/').to_string()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gone(&self) -> Trouble {
        Trouble::Gone(self.account.spool.clone())
    }

    /// By what its watchers know it.
    pub fn key(&self) -> &Arc<Path> {
        &self.index
    }
}

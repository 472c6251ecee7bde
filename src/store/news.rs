//! Who waits for a mailbox hears of its changes: at once where this process makes them, soon where others do.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::address::Owner;
use abroad::Abroad;
pub use abroad::Place;

mod abroad;

#[cfg(test)]
mod tests;

/// The bells of all mailboxes that somebody waits for in this process. Clones share them.
#[derive(Clone, Default)]
pub struct News(Arc<Registry>);

#[derive(Default)]
struct Registry {
    /// Few mailboxes of one owner are waited for at a time: they are looked through.
    bells: Mutex<HashMap<Owner, Vec<Counted>>>,
    abroad: Abroad,
}

/// A bell, and how many wait for it.
struct Counted {
    bell: Arc<Bell>,
    watchers: usize,
}

/// What is rung when a mailbox has changed.
struct Bell {
    owner: Owner,
    /// `None`: the whole home.
    mailbox: Option<Box<str>>,
    /// How often it was rung.
    rung: AtomicU64,
    waiting: Notify,
    /// What others change when they change the mailbox.
    places: Mutex<Vec<Arc<Place>>>,
}

impl Bell {
    fn ring(&self) {
        self.rung.fetch_add(1, Ordering::Release);
        self.waiting.notify_waiters();
    }
}

impl News {
    /// Waits for changes of one mailbox of `owner`: told by [`News::tell`], or made by other processes at `places`. Look at the mailbox
    /// after this call: what was before it is no news.
    pub fn mailbox(&self, owner: &Owner, mailbox: &str, places: Vec<Place>) -> Watcher {
        self.watch(owner, Some(mailbox), places)
    }

    /// Waits for changes of any mailbox of `owner`, as [`News::mailbox`].
    pub fn home(&self, owner: &Owner, places: Vec<Place>) -> Watcher {
        self.watch(owner, None, places)
    }

    /// Tells all who wait for this mailbox, or for the home that it is in. Costs a look-up where nobody waits.
    pub fn tell(&self, owner: &Owner, mailbox: &str) {
        let bells = self.0.bells.lock().unwrap_or_else(PoisonError::into_inner);
        let of_owner = bells.get(owner).into_iter().flatten();
        of_owner.filter(|known| known.bell.mailbox.as_deref().is_none_or(|name| name == mailbox)).for_each(|known| known.bell.ring());
    }

    fn watch(&self, owner: &Owner, mailbox: Option<&str>, places: Vec<Place>) -> Watcher {
        let bell = self.0.bell(owner, mailbox);
        let seen = bell.rung.load(Ordering::Acquire);
        places.into_iter().for_each(|place| self.0.abroad.add(place, &bell));
        Watcher { news: Arc::clone(&self.0), bell, seen }
    }
}

impl Registry {
    fn bell(&self, owner: &Owner, mailbox: Option<&str>) -> Arc<Bell> {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        let of_owner = bells.entry(owner.clone()).or_insert_with(|| Vec::with_capacity(1));
        if let Some(known) = of_owner.iter_mut().find(|known| known.bell.mailbox.as_deref() == mailbox) {
            known.watchers += 1;
            return Arc::clone(&known.bell);
        }
        let bell = Arc::new(Bell {
            owner: owner.clone(),
            mailbox: mailbox.map(Box::from),
            rung: AtomicU64::new(0),
            waiting: Notify::new(),
            places: Mutex::default(),
        });
        of_owner.push(Counted { bell: Arc::clone(&bell), watchers: 1 });
        bell
    }

    /// One less waits for it; with the last it goes.
    fn leave(&self, bell: &Arc<Bell>) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(of_owner) = bells.get_mut(&bell.owner) else { return };
        let Some(at) = of_owner.iter().position(|known| Arc::ptr_eq(&known.bell, bell)) else { return };
        of_owner[at].watchers -= 1;
        if of_owner[at].watchers > 0 {
            return;
        }
        of_owner.swap_remove(at);
        if of_owner.is_empty() {
            bells.remove(&bell.owner);
        }
        drop(bells);
        // Nobody finds this bell any more: who comes now makes one of his own.
        self.abroad.leave(bell);
    }
}

/// Waits for changes of a mailbox or a home.
pub struct Watcher {
    news: Arc<Registry>,
    bell: Arc<Bell>,
    seen: u64,
}

impl Watcher {
    /// Returns when something has changed since the last return, or since this was made; at once where it already has. What has
    /// changed is for the caller to see, and it may be nothing. Nothing is lost when the future is dropped.
    pub async fn changed(&mut self) {
        loop {
            let waiting = self.bell.waiting.notified();
            // From here on a ring ends the wait; one before is in the count.
            let now = self.bell.rung.load(Ordering::Acquire);
            if now != self.seen {
                self.seen = now;
                return;
            }
            waiting.await;
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.news.leave(&self.bell);
    }
}

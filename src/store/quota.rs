//! How much mail the users of a domain have, and whether more may come: one figure for everybody who asks.
//!
//! Each domain has one small file. It holds absolute figures for each folder, so that saying them again does no harm, their totals for
//! each user and the domain, and what is reserved for mail that is on its way. Each step is one locked change that a death of the
//! process leaves whole; reservations of the dead do not count. Nothing is synced: after a power cut a folder that had just changed
//! may have its former figure, which the next [`Quota::set`] for that folder mends (the store says it at each scan, append and
//! expunge), and [`Quota::recompute`] mends all. The file belongs to one machine: locks and starts of others are unknown to it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Trouble;
use super::disk::{Disk, Machine};
use crate::address::{Domain, User};
use crate::config::Allowance;
use book::Book;
use layout::Held;

mod book;
mod held;
mod layout;
mod table;

#[cfg(test)]
mod crash;
#[cfg(test)]
mod tests;

/// The counter of one domain. Clones share it. All deeds block, for microseconds.
#[derive(Clone)]
pub struct Quota(Arc<Book>);

/// How much mail somebody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The messages' sizes as clients see them (RFC822.SIZE), added up.
    pub octets: u64,
    pub messages: u64,
}

impl Usage {
    /// The storage in units of 1024 octets, as IMAP tells it (RFC 9208 §5.1).
    pub fn kibibytes(self) -> u64 {
        self.octets.div_ceil(1024)
    }

    fn and(self, more: Usage) -> Usage {
        Usage { octets: self.octets.saturating_add(more.octets), messages: self.messages.saturating_add(more.messages) }
    }
}

/// A limit that stands against more mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("over quota: {scope} has {used} of {limit} {resource}")]
pub struct Over {
    pub scope: Scope,
    pub resource: Resource,
    /// What is there and what is on its way, without what was asked for: octets or messages.
    pub used: u64,
    /// In the same unit.
    pub limit: u64,
}

/// Whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The user's INBOX.
    Inbox,
    /// All of the user's mail.
    User,
    /// All mail of the domain.
    Domain,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Scope::Inbox => "the inbox",
            Scope::User => "the user",
            Scope::Domain => "the domain",
        })
    }
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    Storage,
    Messages,
}

impl std::fmt::Display for Resource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Resource::Storage => "octets",
            Resource::Messages => "messages",
        })
    }
}

impl Quota {
    /// The counter of `domain` in `folder` (`ROOT/var/lib/vmail/quota`). Looks at nothing and makes nothing yet.
    pub fn open(folder: &Path, domain: &Domain) -> Quota {
        Quota::on(folder, domain, Box::new(Machine))
    }

    /// One that is written through `disk`.
    pub(super) fn on(folder: &Path, domain: &Domain, disk: Box<dyn Disk>) -> Quota {
        Quota(Arc::new(Book::new(folder.join(domain.as_str()), disk)))
    }

    /// Reserves room in `folder` for `more`, unless a limit stands against it: exactly reaching one is allowed. What moves within one
    /// account needs no reservation.
    ///
    /// # Errors
    /// The counter can't be read or written; nobody knows then whether the mail would fit. [`Trouble::Busy`] when some thousand
    /// reservations of the domain are open.
    pub fn reserve(&self, user: &User, folder: &str, more: Usage, allowance: &Allowance) -> Result<Result<Reservation, Over>, Trouble> {
        let mut reservation = Reservation { quota: self.clone(), user: user.clone(), folder: folder.into(), held: None };
        if *allowance == Allowance::default() {
            return Ok(Ok(reservation));
        }
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let outcome = self.locked(|page| {
            let user = page.header.user(user.as_str());
            let wanted = Held { user, usage: more, holder: 0, serial, is_inbox: is_inbox(folder) };
            page.reserve(wanted, allowance)
        })?;
        Ok(outcome.map(|held| {
            reservation.held = Some(held);
            reservation
        }))
    }

    /// Notes what `folder` has now, all of it. To be called under the lock of the folder's index, after each change of it and each scan
    /// of the folder; to say the same again costs little. Lowered limits do not matter here, nor does a full disk for a folder that
    /// was there before.
    ///
    /// # Errors
    /// The counter can't be written. The folder's change stands all the same: the next call mends it.
    pub fn set(&self, user: &User, folder: &str, now: Usage) -> Result<(), Trouble> {
        self.locked(|page| page.set(page.header.user(user.as_str()), page.header.folder(folder), now))
    }

    /// Follows a folder that has a new name; its subfolders are to be named one by one.
    ///
    /// # Errors
    /// As for [`Quota::set`].
    pub fn rename_folder(&self, user: &User, old: &str, new: &str) -> Result<(), Trouble> {
        self.locked(|page| page.rename_folder(page.header.user(user.as_str()), page.header.folder(old), page.header.folder(new)))
    }

    /// Follows a user who has a new name. Costs as much as the domain is large.
    ///
    /// # Errors
    /// As for [`Quota::set`].
    pub fn rename_user(&self, old: &User, new: &User) -> Result<(), Trouble> {
        self.if_there(|page| {
            let (old, new) = (page.header.user(old.as_str()), page.header.user(new.as_str()));
            page.rebuild(|mut slot| {
                slot.user = if slot.user == old { new } else { slot.user };
                Some(slot)
            })
        })
    }

    /// Forgets a user whose mail is gone. Costs as much as the domain is large.
    ///
    /// # Errors
    /// As for [`Quota::set`].
    pub fn forget_user(&self, user: &User) -> Result<(), Trouble> {
        self.if_there(|page| {
            let user = page.header.user(user.as_str());
            page.rebuild(|slot| (slot.user != user).then_some(slot))
        })
    }

    /// What a user has, without what is reserved.
    ///
    /// # Errors
    /// The counter can't be read.
    pub fn usage(&self, user: &User) -> Result<Usage, Trouble> {
        self.locked(|page| page.usage(page.header.user(user.as_str()), 0))
    }

    /// What one folder of a user has.
    ///
    /// # Errors
    /// The counter can't be read.
    pub fn folder_usage(&self, user: &User, folder: &str) -> Result<Usage, Trouble> {
        self.locked(|page| page.usage(page.header.user(user.as_str()), page.header.folder(folder)))
    }

    /// What all users have.
    ///
    /// # Errors
    /// The counter can't be read.
    pub fn domain_usage(&self) -> Result<Usage, Trouble> {
        self.locked(|page| Ok(page.header.total))
    }

    /// Whether all mail has been counted: not so where the file is new, or was damaged. Then [`Quota::recompute`] is due.
    ///
    /// # Errors
    /// The counter can't be read.
    pub fn is_complete(&self) -> Result<bool, Trouble> {
        self.locked(|page| Ok(page.header.is_complete))
    }

    /// Replaces everything by what has been `counted` in every folder of every user. May take its time: what is [`Quota::set`] meanwhile
    /// is newer and stays, and folders that neither names are forgotten at the end.
    ///
    /// # Errors
    /// The first that `counted` yields, or the counter can't be written; it is then as incomplete as it was.
    pub fn recompute<'a>(&self, counted: impl IntoIterator<Item = Result<(&'a User, String, Usage), Trouble>>) -> Result<(), Trouble> {
        let began = self.locked(|page| {
            page.header.epoch += 1;
            page.header.is_sweeping = true;
            page.write_header().map(|()| page.header.epoch)
        })?;
        for folder in counted {
            let (user, folder, usage) = folder?;
            self.locked(|page| page.set_swept(page.header.user(user.as_str()), page.header.folder(&folder), usage))?;
        }
        self.locked(|page| {
            // Another may have begun meanwhile: it knows better what was there.
            page.header.is_sweeping = page.header.epoch != began;
            page.rebuild(|slot| (slot.epoch >= began).then_some(slot))?;
            page.header.is_complete = true;
            page.write_header()
        })
    }

    fn locked<T>(&self, deed: impl FnMut(&mut book::Page<'_>) -> io::Result<T>) -> Result<T, Trouble> {
        self.0.locked(deed).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Trouble::Busy(self.0.path().into()),
            _ => Trouble::io("counting a quota in", self.0.path())(error),
        })
    }

    /// Who is forgotten needs no counter.
    fn if_there(&self, deed: impl FnMut(&mut book::Page<'_>) -> io::Result<()>) -> Result<(), Trouble> {
        if self.0.is_there() { self.locked(deed) } else { Ok(()) }
    }
}

/// Room for mail that is on its way; dropping it gives the room back.
#[must_use = "dropping it gives the room back"]
pub struct Reservation {
    quota: Quota,
    user: User,
    folder: Box<str>,
    /// `None` where nothing is limited.
    held: Option<(usize, Held)>,
}

impl Reservation {
    /// The mail has arrived: notes what its folder has `now`, all of it, as [`Quota::set`], and gives the reservation back in one step.
    ///
    /// # Errors
    /// As for [`Quota::set`]. The mail is there all the same.
    pub fn commit(mut self, now: Usage) -> Result<(), Trouble> {
        self.quota.locked(|page| {
            self.held.iter().try_for_each(|(number, held)| page.release(*number, held))?;
            page.set(page.header.user(self.user.as_str()), page.header.folder(&self.folder), now)
        })?;
        self.held = None;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Some((number, held)) = self.held else { return };
        let released = self.quota.locked(|page| {
            page.release(number, &held)?;
            page.write_unwritten()
        });
        if let Err(error) = released {
            // It ends with the process.
            tracing::warn!(%error, "giving back a reservation");
        }
    }
}

/// RFC 9051 §5.1: in any case of its letters.
fn is_inbox(folder: &str) -> bool {
    folder.eq_ignore_ascii_case("INBOX")
}

static SERIAL: AtomicU32 = AtomicU32::new(0);

//! A maildrop in the TRANSACTION state: what is there, what is marked as deleted, what has been read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::address::Owner;
use crate::login::Account;
use crate::store::{self, AnyFolder, Changes, Claim, Flags, Folder, Home, Message, Store, Trouble};

use crate::vdomain::VirtualDomain;

use super::command::Number;

/// The maildrop of one session.
pub(super) struct Maildrop {
    /// Whose it is.
    pub owner: Owner,
    /// The domain, as it was at login.
    pub domain: Arc<VirtualDomain>,
    /// The messages, as they were at login.
    pub folder: AnyFolder,
    marks: Vec<Mark>,
    /// No other POP3 session while this lives.
    _claim: Claim,
}

/// No other POP3 session of this maildrop from here on. A client that has just lost its connection and comes back is not told that it is
/// in use by itself: the old session is given a moment to end.
async fn claim(store: &Store, owner: &Owner) -> Result<Claim, Trouble> {
    let began = Instant::now();
    loop {
        match store.claim(owner) {
            Err(Trouble::Busy(_)) if began.elapsed() < STILL_ENDING => tokio::time::sleep(STILL_ENDING / 20).await,
            outcome => return outcome,
        }
    }
}

const STILL_ENDING: Duration = Duration::from_secs(1);

/// What the session has done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Mark {
    is_deleted: bool,
    is_read: bool,
}

/// Why a message number is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoMessage {
    OutOfRange,
    Deleted,
}

impl Maildrop {
    /// Opens the maildrop for this session alone (RFC 1939 §4).
    pub(super) async fn open(store: &Store, account: Account) -> Result<Maildrop, Trouble> {
        let claim = claim(store, &account.owner).await?;
        let place = store::Account { owner: account.owner.clone(), actor: account.actor, spool: account.maildrop };
        let folder = store.home(place).inbox().await?;
        let marks = vec![Mark::default(); folder.messages().len()];
        Ok(Maildrop { owner: account.owner, domain: account.domain, folder, marks, _claim: claim })
    }

    /// Where in the folder message `number` is.
    pub(super) fn at(&self, number: Number) -> Result<usize, NoMessage> {
        let at = usize::try_from(number.0).ok().and_then(|number| number.checked_sub(1)).ok_or(NoMessage::OutOfRange)?;
        match self.marks.get(at) {
            None => Err(NoMessage::OutOfRange),
            Some(mark) if mark.is_deleted => Err(NoMessage::Deleted),
            Some(_) => Ok(at),
        }
    }

    /// The messages that are not marked as deleted, by their place in the folder.
    pub(super) fn remaining(&self) -> impl Iterator<Item = (usize, &Message)> {
        let marked = self.folder.messages().iter().zip(&self.marks).enumerate();
        marked.filter(|(_, (_, mark))| !mark.is_deleted).map(|(at, (message, _))| (at, message))
    }

    /// How many remain, and their octets.
    pub(super) fn totals(&self) -> (u64, u64) {
        self.remaining().fold((0, 0), |(count, octets), (_, message)| (count + 1, octets + message.size))
    }

    /// Marks message `at` as deleted.
    pub(super) fn delete(&mut self, at: usize) {
        self.marks[at].is_deleted = true;
    }

    /// Message `at` has been sent.
    pub(super) fn has_read(&mut self, at: usize) {
        self.marks[at].is_read = true;
    }

    /// Unmarks all messages (RFC 1939 §5 RSET).
    pub(super) fn undelete(&mut self) {
        self.marks.iter_mut().for_each(|mark| mark.is_deleted = false);
    }

    /// How many are marked as deleted.
    pub(super) fn deleted(&self) -> usize {
        self.marks.iter().filter(|mark| mark.is_deleted).count()
    }

    /// The UPDATE state (RFC 1939 §6), after QUIT: deleted messages go, read ones are seen.
    pub(super) async fn update(&mut self) -> Result<(), Trouble> {
        self.apply(true).await
    }

    /// The connection was lost: nothing goes (RFC 1939 §6), but what was read stays seen.
    pub(super) async fn keep_seen(&mut self) -> Result<(), Trouble> {
        self.apply(false).await
    }

    async fn apply(&mut self, with_deletions: bool) -> Result<(), Trouble> {
        let marks_seen = self.domain.record.pop3.mark_seen;
        let mut changes = Changes::default();
        for (message, mark) in self.folder.messages().iter().zip(&self.marks) {
            if mark.is_deleted && with_deletions {
                changes.expunge(message.uid);
            } else if mark.is_read && marks_seen && !message.flags.contains(Flags::SEEN) {
                changes.add(message.uid, Flags::SEEN);
            }
        }
        if changes.is_empty() { Ok(()) } else { self.folder.apply(&changes).await }
    }

    /// The least time until the next login.
    pub(super) fn login_delay(account: &Account) -> Duration {
        account.domain.record.pop3.login_delay.0
    }
}

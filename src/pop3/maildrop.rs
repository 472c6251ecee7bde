//! A maildrop in the TRANSACTION state: what is there, what is marked as deleted, what has been read.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::address::Owner;
use crate::config;
use crate::config::Uidl;
use crate::login::Account;
use crate::store::{self, AnyFolder, Changes, Claim, Entry, Facts, Flags, Folder, FolderName, Home, Reader, State, Store, Trouble, Uids};

use crate::vdomain::VirtualDomain;

use super::command::Number;
use super::uidl::unique_id;

/// The maildrop of one session.
pub(super) struct Maildrop {
    /// Whose it is.
    pub owner: Owner,
    /// The domain, as it was at login.
    pub domain: Arc<VirtualDomain>,
    pub folder: AnyFolder,
    /// The messages, as they were at login: their numbers never shift.
    pub messages: State,
    marks: Vec<Mark>,
    /// The first message of each content, by UID; only where unique ids are made of that.
    firsts: OnceLock<HashMap<Option<[u64; 2]>, u32>>,
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
        let place = store::Account::of(&account.domain, account.owner.user(), &account.known);
        let mut folder = store.home(place).open(&FolderName::inbox()).await?;
        let totals = folder.state().head().totals;
        if totals.sized < totals.messages {
            folder.learn(&Uids::all(), Facts::Size).await?;
        }
        if account.domain.record.uidl == config::Uidl::Md5 {
            folder.learn(&Uids::all(), Facts::Twins).await?;
        }
        let messages = folder.state().clone();
        let marks = vec![Mark::default(); messages.len()];
        Ok(Maildrop { owner: account.owner, domain: account.domain, folder, messages, marks, firsts: OnceLock::new(), _claim: claim })
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
    pub(super) fn remaining(&self) -> impl Iterator<Item = (usize, Entry<'_>)> {
        let marked = self.messages.messages().zip(&self.marks).enumerate();
        marked.filter(|(_, (_, mark))| !mark.is_deleted).map(|(at, (message, _))| (at, message))
    }

    /// The message that is at place `at`.
    pub(super) fn message(&self, at: usize) -> Entry<'_> {
        self.messages.nth(at).expect("numbers are checked by `at`, and the state never changes")
    }

    /// How many remain, and their octets; looks at deleted messages alone.
    pub(super) fn totals(&self) -> (u64, u64) {
        let all = self.messages.head().totals;
        let deleted = self.marks.iter().enumerate().filter(|(_, mark)| mark.is_deleted);
        deleted.fold((all.messages, all.popped()), |(count, octets), (at, _)| (count - 1, octets - self.message(at).size.popped()))
    }

    /// Begins reading message `at`.
    pub(super) async fn read(&mut self, at: usize) -> Result<Reader, Trouble> {
        let uid = self.message(at).uid;
        self.folder.read(uid).await
    }

    /// The unique id of message `at`.
    pub(super) async fn unique_id(&mut self, at: usize) -> Result<String, Trouble> {
        let message = self.messages.nth(at).ok_or_else(|| Trouble::Gone(self.owner.to_string().into()))?;
        let form = self.domain.record.uidl;
        let is_first = form != Uidl::Md5 || self.is_first(&message);
        unique_id(&mut self.folder, &message, form, is_first).await
    }

    /// Whether no message before it has the same content, as far as contents are known.
    fn is_first(&self, message: &Entry<'_>) -> bool {
        let firsts = self.firsts.get_or_init(|| {
            let mut firsts = HashMap::new();
            self.messages.messages().for_each(|message| _ = firsts.entry(message.content()).or_insert(message.uid));
            firsts
        });
        message.content().is_none() || firsts.get(&message.content()) == Some(&message.uid)
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
        let mut seen = Uids::NONE;
        for (message, mark) in self.messages.messages().zip(&self.marks) {
            if mark.is_deleted && with_deletions {
                changes.expunge(message.uid);
            } else if mark.is_read && marks_seen && !message.flags().contains(Flags::SEEN) {
                seen.insert(message.uid);
            }
        }
        changes.add(seen, Flags::SEEN.with(Flags::OLD));
        self.folder.apply(&changes).await?;
        self.folder.settle().await
    }

    /// The least time until the next login.
    pub(super) fn login_delay(account: &Account) -> Duration {
        account.domain.record.pop3.login_delay.0
    }
}

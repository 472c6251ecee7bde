//! What keeps the octets of one mailbox: all in which an mbox and a Maildir differ, seen from [`Mailbox`](super::mailbox::Mailbox).

use std::path::PathBuf;

use super::index::{Message, Op, State};
use super::maildir::Maildir;
use super::{Changes, Incoming, Reader, Trouble};

/// The files of one mailbox. All functions block.
pub trait Spool: Send + Sync {
    /// Whether the files are as they were when `state` was told of them: a handful of system calls.
    fn is_untouched(&self, state: &State) -> Result<bool, Trouble>;

    /// Keeps other programs from changing the files, as far as they keep to locks; `None` when there are no files.
    fn hold(&self) -> Result<Option<Box<dyn Hold + '_>>, Trouble>;

    /// The mailbox without files.
    fn absent(&self, known: Option<&State>) -> State;

    /// Brings messages to the disk, durably, where nobody sees them yet.
    fn stage(&self, messages: &[Incoming]) -> Result<Staged, Trouble>;

    /// What has been placed survives a power cut.
    fn harden(&self) -> Result<(), Trouble>;

    /// Begins reading a message of the current state; `None` when the files are no longer as that state says.
    fn read(&self, state: &State, message: &Message<'_>) -> Result<Option<Reader>, Trouble>;

    /// Whether flags and expunges are acknowledged once the journal has them, and written to the files later.
    fn is_lazy(&self) -> bool;

    /// What to watch for the news of other programs.
    fn watched(&self) -> Vec<PathBuf>;

    /// It is a Maildir: messages come from and go to other Maildirs as files.
    fn as_maildir(&self) -> Option<&Maildir> {
        None
    }
}

/// The files of a mailbox, held.
pub trait Hold {
    /// Looks at the files, and tells what has changed since `known`.
    fn scan(&mut self, known: Option<&State>) -> Result<Scanned, Trouble>;

    /// Makes staged messages visible, with the next UIDs.
    fn place(&mut self, state: &State, messages: &[Incoming], staged: Staged) -> Result<Vec<Op>, Trouble>;

    /// Makes changes in the files; durable on return.
    fn change(&mut self, state: &State, changes: &Changes) -> Result<Vec<Op>, Trouble>;

    /// Writes to the files what the index alone knows, or some of it.
    fn settle(&mut self, state: &State) -> Result<Vec<Op>, Trouble>;
}

/// What a scan found.
pub enum Scanned {
    /// The same mailbox, with changes.
    News(Vec<Op>),
    /// A mailbox of which nothing was known, or not this one.
    Anew(State),
}

/// Messages on the disk that nobody sees yet. Those that are not placed are removed again.
pub enum Staged {
    /// In `tmp/`, one for each message.
    Maildir(super::maildir::Staged),
    /// An mbox has no such place.
    Nothing,
}

//! What keeps the octets of one mailbox: all in which an mbox and a Maildir differ, seen from [`Mailbox`](super::mailbox::Mailbox).

use super::index::{Entry, Op, State};
use super::maildir::{self, Maildir, Way};
use super::mbox;
use super::name::disk::Layout;
use super::news::Place;
use super::{Changes, Incoming, Reader, Trouble, Uids};
use crate::os::Dir;

/// The files of one mailbox. Locks are taken in this order: [`Spool::hold`], then the index.
pub trait Spool: Send + Sync {
    /// Whether the files are as they were when `state` was told of them: a handful of system calls, made on the async threads.
    fn is_untouched(&self, state: &State, care: Care) -> Result<bool, Trouble>;

    /// The same for one of many mailboxes, where `home`, the Maildir of INBOX, is held open with the owner's rights: less walking.
    /// `false` also where that way does not lead to the files.
    fn is_untouched_below(&self, _home: &Dir, _state: &State) -> bool {
        false
    }

    /// Keeps other programs from changing the files, as far as they keep to locks; `None` when there are no files, unless `make` says
    /// that they are to be made: INBOX comes into being with its first message. Blocks.
    fn hold(&self, make: bool) -> Result<Option<Box<dyn Hold + '_>>, Trouble>;

    /// The mailbox without files: empty, its numbers kept for the case that mail comes. Blocks.
    fn absent(&self, known: Option<&State>) -> Result<State, Trouble>;

    /// Brings messages to the disk, durably, where nobody sees them yet. Blocks.
    fn stage(&self, messages: &[Incoming]) -> Result<Staged, Trouble>;

    /// What was placed before the call survives a power cut after it; those who wait share the work. Blocks.
    fn harden(&self) -> Result<(), Trouble>;

    /// Begins reading a message of the current state; `None` when it is not where that state says, or would have to be waited for while
    /// `at_once` forbids that.
    fn read(&self, state: &State, message: &Entry<'_>, at_once: bool) -> Result<Option<Reader>, Trouble>;

    /// What it is. The index says so too, in the last octet of its notes ([`mark`]): what one left is nothing to the other.
    fn layout(&self) -> Layout;

    /// Whether flags and expunges are acknowledged once the journal has them, and reach the files later.
    fn is_lazy(&self) -> bool;

    /// What to watch for the news of other programs.
    fn watched(&self) -> Vec<Place>;

    /// If it is a Maildir: messages go from one to another as files.
    fn as_maildir(&self) -> Option<&Maildir> {
        None
    }
}

/// What stands in the last octet of the notes in the index.
pub const fn mark(layout: Layout) -> u8 {
    match layout {
        Layout::Maildir => b'd',
        Layout::Mbox => b'x',
    }
}

/// How surely nothing must have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// To tell a session of the mailbox.
    Full,
    /// To append to it: what another program did in the same moment as we is seen by the next who looks.
    Quick,
}

/// What is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What was acknowledged.
    Owed,
    /// Also that a session has seen what is new: in a Maildir, such messages go from `new` to `cur`.
    Seen,
}

/// The files of a mailbox, held. All functions block.
pub trait Hold {
    /// Looks at the files, and tells what has changed since `known`.
    fn scan(&mut self, known: Option<&State>) -> Result<Scanned, Trouble>;

    /// Makes staged messages visible, with the UIDs from UIDNEXT on. Not durable before [`Spool::harden`].
    fn place(&mut self, state: &State, messages: &[Incoming], staged: Staged) -> Result<Batch, Trouble>;

    /// Makes changes in the files, those with `unchanged_since` already sorted out; durable on return. Only where [`Spool::is_lazy`] is false.
    fn change(&mut self, state: &State, changes: &Changes) -> Result<Batch, Trouble>;

    /// Takes the files of messages of another Maildir, of which `known` is known: all that are there or none; from which UID to which.
    /// Only where [`Spool::as_maildir`] is something.
    ///
    /// # Errors
    /// [`Trouble::Changed`] when a file is not where `known` says.
    fn adopt(&mut self, state: &State, from: &Maildir, known: &State, uids: &Uids, way: Way) -> Result<Adopted, Trouble>;

    /// Writes to the files some of what the index alone knows; durable on return. Only where [`Spool::is_lazy`] is true.
    fn settle(&mut self, state: &State, extent: Extent) -> Result<Batch, Trouble>;
}

/// What came from another Maildir, for the index, and from which UID to which.
pub type Adopted = (Vec<Op>, Vec<(u32, u32)>);

/// What happened, for the index.
#[derive(Debug, Default)]
pub struct Batch {
    pub ops: Vec<Op>,
    /// What is to be cached, by UID; after the ops.
    pub cache: Vec<(u32, Vec<u8>)>,
}

impl From<Vec<Op>> for Batch {
    fn from(ops: Vec<Op>) -> Batch {
        Batch { ops, cache: Vec::new() }
    }
}

/// What a scan found.
pub enum Scanned {
    /// The same mailbox, with changes.
    News(Batch),
    /// A mailbox of which nothing was known, or not this one.
    Anew(State),
}

/// Messages on the disk that nobody sees yet. Those that are not placed are removed again.
pub enum Staged {
    /// In `tmp/`, one for each message.
    Maildir(maildir::Staged),
    /// As they will stand in an mbox: there is no place there where nobody would see them.
    Mbox(mbox::Staged),
}

impl Staged {
    /// Those of `other` follow; it is of the same mailbox.
    pub fn join(&mut self, other: Staged) {
        match (self, other) {
            (Staged::Maildir(staged), Staged::Maildir(other)) => staged.join(other),
            (Staged::Mbox(staged), Staged::Mbox(other)) => staged.join(other),
            _ => unreachable!("a mailbox is of one kind"),
        }
    }
}

//! A mailbox as it was at one moment: never changes, and costs next to nothing to keep.

use std::io;
use std::sync::Arc;

use super::keywords::Keywords;
use super::op::{Arrival, Keyword, Seal};
use super::record::{Live, Record, Span};
use crate::store::message::Traits;

/// A mailbox at one moment. Clones share.
#[derive(Debug, Clone)]
pub struct State(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    head: Head,
}

/// What is known of the mailbox as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Another one whenever the index was made anew.
    pub epoch: u64,
    pub uidvalidity: u32,
    /// The UID of the next message to come; never goes down under one UIDVALIDITY.
    pub uidnext: u32,
    /// The highest MODSEQ (RFC 7162).
    pub modseq: u64,
    /// RFC 8474; made by the driver.
    pub mailbox: [u8; 16],
    /// What the state was read from; which is which is up to the driver.
    pub stamps: [Seal; 2],
    /// mbox: how the file begins.
    pub front: Front,
    /// For the driver.
    pub notes: [u8; 64],
    pub totals: Totals,
}

/// The first message of an mbox, which may have UIDVALIDITY and last UID in its header, and may be the pseudo message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Front {
    pub offset: u64,
    pub from_len: u16,
    pub pseudo: bool,
    /// Its header has UIDVALIDITY and last UID: the latter.
    pub last: Option<u32>,
}

/// Sums over all messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    pub messages: u64,
    pub unseen: u64,
    pub deleted: u64,
    /// [`Traits::DIRTY`] ones.
    pub dirty: u64,
    /// [`Traits::SIZED`] ones.
    pub sized: u64,
    /// Ones with an entry in the cache.
    pub cached: u64,
    /// Octets stored.
    pub stored: u64,
    /// Octets on the wire of those whose size is known.
    pub wire: u64,
}

impl State {
    /// A mailbox found in the spool, with an epoch of its own and a MODSEQ above all that there ever were.
    ///
    /// # Errors
    /// UIDs do not ascend up to `uidnext`, or a limit of keywords is exceeded.
    pub fn found(uidvalidity: u32, uidnext: u32, mailbox: [u8; 16], messages: Vec<Arrival>) -> io::Result<State> {
        todo!()
    }

    /// The same with what [`Op::Spool`](super::Op::Spool) would set.
    #[must_use]
    pub fn with_spool(self, stamps: [Seal; 2], front: Front, notes: [u8; 64]) -> State {
        todo!()
    }

    pub fn head(&self) -> &Head {
        &self.0.head
    }

    pub fn keywords(&self) -> &Keywords {
        todo!()
    }

    pub fn len(&self) -> usize {
        todo!()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A message by UID.
    pub fn message(&self, uid: u32) -> Option<Entry<'_>> {
        todo!()
    }

    /// The message at `position`, which counts from 0.
    pub fn nth(&self, position: usize) -> Option<Entry<'_>> {
        todo!()
    }

    /// How many messages have a smaller UID.
    pub fn before(&self, uid: u32) -> usize {
        todo!()
    }

    /// The position of the message with this UID.
    pub fn position(&self, uid: u32) -> Option<usize> {
        todo!()
    }

    /// All messages, by UID.
    pub fn messages(&self) -> Entries<'_> {
        self.range(Span { first: 1, last: u32::MAX })
    }

    /// Those with a UID in `span`.
    pub fn range(&self, span: Span) -> Entries<'_> {
        todo!()
    }

    /// Those whose MODSEQ is higher.
    pub fn changed_since(&self, modseq: u64) -> Entries<'_> {
        todo!()
    }

    /// Those of which all of `traits` hold.
    pub fn having(&self, traits: Traits) -> Entries<'_> {
        todo!()
    }

    /// Those of which not all of `traits` hold.
    pub fn lacking(&self, traits: Traits) -> Entries<'_> {
        todo!()
    }

    /// What was expunged since then, in order: UIDs in between that never existed, or went earlier, may be among them.
    /// `None`: that is no longer known.
    pub fn vanished_since(&self, modseq: u64) -> Option<Vec<Span>> {
        todo!()
    }

    /// What `old`, an earlier state of the same mailbox and UIDVALIDITY, has and this one has not.
    pub fn vanished_from(&self, old: &State) -> Vec<Span> {
        todo!()
    }

    /// Expunged messages whose file may still be there.
    pub fn doomed(&self) -> &[Live] {
        todo!()
    }

    /// Some of the snapshot turned out to be unreadable: what it held is left out, and the index must be made anew.
    pub fn is_damaged(&self) -> bool {
        todo!()
    }
}

/// A message of a state.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub record: Record,
    inner: &'a Inner,
}

impl<'a> Entry<'a> {
    /// The file name; empty if it has none.
    pub fn name(&self) -> &'a [u8] {
        todo!()
    }

    /// The explicit POP3 UIDL; empty if it has none.
    pub fn uidl_text(&self) -> &'a [u8] {
        todo!()
    }

    pub fn keywords(&self) -> impl Iterator<Item = &'a Keyword> {
        std::iter::empty()
    }
}

impl std::ops::Deref for Entry<'_> {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

/// Messages of a state, by UID.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    inner: &'a Inner,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        todo!()
    }
}

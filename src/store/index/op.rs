//! What can happen to a mailbox, as the journal says it.

use std::sync::Arc;

use super::record::{Live, Span};
use super::state::Front;
use crate::os::stamp::Stamp;
use crate::store::message::{Flags, Size, Traits};

/// One thing that happened. Several make a batch, which is taken in whole or not at all. A batch with an [`Op::Append`],
/// [`Op::Flags`] or [`Op::Expunge`] that changes a message gets a new MODSEQ, and so do the messages that it changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// New messages: UIDs ascend, from UIDNEXT on.
    Append(Vec<Arrival>),
    Flags(Marks),
    /// Messages go; doomed ones leave their record behind, until [`Op::Buried`] says that their file is gone.
    Expunge {
        uids: Vec<Span>,
        doomed: bool,
    },
    /// Flags and keywords have reached the spool.
    Flushed(Vec<Flushed>),
    /// The files of doomed messages are gone.
    Buried(Vec<Span>),
    Learnt(Vec<Learnt>),
    /// mbox: messages lie elsewhere, each by itself.
    Moved(Vec<Moved>),
    /// mbox: messages from this UID on lie `by` octets further on.
    Shift {
        from: u32,
        by: i64,
    },
    /// The spool as the state now has it; what is `None` stays.
    Spool {
        stamps: [Option<Seal>; 2],
        front: Option<Front>,
        notes: Option<[u8; 64]>,
    },
    /// UIDNEXT is at least this.
    Next(u32),
    /// Another UIDVALIDITY makes the history of expunged messages useless. UIDNEXT may go down only in an empty mailbox.
    Identity {
        uidvalidity: u32,
        uidnext: u32,
        mailbox: [u8; 16],
    },
}

/// The stamp of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seal {
    pub stamp: Stamp,
    /// The stamp is as good as the content: see [`Stamp::settled`].
    pub settled: bool,
}

/// A keyword (RFC 9051 §2.3.2), 1 to 255 octets. Those that differ only in the case of ASCII letters are one; the first spelling wins.
pub type Keyword = Arc<str>;

/// A message that comes.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    pub live: Live,
    pub keywords: Vec<Keyword>,
}

/// Flags and keywords of messages: first what goes, then what comes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Marks {
    pub uids: Vec<Span>,
    pub remove: Flags,
    pub add: Flags,
    /// All keywords go.
    pub clear: bool,
    pub remove_keywords: Vec<Keyword>,
    pub add_keywords: Vec<Keyword>,
    /// The spool does not know it yet: messages that change become [`Traits::DIRTY`].
    pub dirty: bool,
}

/// What the spool now says of a message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Flushed {
    pub uid: u32,
    /// That of the message when it was written: one that has changed since stays [`Traits::DIRTY`].
    pub modseq: u64,
    pub letters: u32,
    pub fresh: bool,
    pub verbatim: bool,
    /// Its new file name; `None`: as before.
    pub name: Option<Arc<[u8]>>,
}

/// What has become known of a message.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Learnt {
    pub uid: u32,
    /// Makes it [`Traits::SIZED`].
    pub size: Option<Size>,
    /// Makes it [`Traits::PRINTED`].
    pub fingerprint: Option<[u64; 2]>,
    /// What [`Locked::cache`](super::Locked::cache) returned.
    pub cache: Option<u64>,
    pub received: Option<u32>,
    pub saved: Option<u32>,
    pub on: Traits,
    pub off: Traits,
}

/// mbox: where a message now lies.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moved {
    pub uid: u32,
    pub place: u64,
    pub len: u64,
    pub from_len: u16,
    pub on: Traits,
    pub off: Traits,
}

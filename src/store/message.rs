//! What a folder knows of a message without reading it, and what can be asked to change.

/// A message of a folder: small, because a maildrop may have 100,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Octets on the wire: line ends CRLF, hidden headers left out, before dot-stuffing (behaviour.md §18 trap 18).
    pub size: u64,
    pub uid: u32,
    pub flags: Flags,
    pub(super) twin: bool,
    pub(super) uidl: Uidl,
}

impl Message {
    /// Another message with the same content was there when this one came: a digest does not tell them apart.
    pub fn twin(&self) -> bool {
        self.twin
    }

    /// The identity that POP3 shows as `%08x%08x` (behaviour.md §2.13). Usually UIDVALIDITY and UID; it stays when another program
    /// gives the mailbox a new UIDVALIDITY.
    pub fn uidl(&self) -> Uidl {
        self.uidl
    }
}

/// UIDVALIDITY and UID that a message first had here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uidl {
    pub uidvalidity: u32,
    pub uid: u32,
}

/// A set of message flags (RFC 9051 §2.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u8);

impl Flags {
    pub const NONE: Flags = Flags(0);
    pub const SEEN: Flags = Flags(1);
    pub const ANSWERED: Flags = Flags(2);
    pub const FLAGGED: Flags = Flags(4);
    pub const DELETED: Flags = Flags(8);
    pub const DRAFT: Flags = Flags(16);
    /// Some session has listed it before: not `\Recent`.
    pub const OLD: Flags = Flags(32);

    /// Whether all of `other` are set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// These and `other`.
    #[must_use]
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// What [`Folder::apply`](super::Folder::apply) does, by UID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub(super) expunge: Vec<u32>,
    pub(super) add: Vec<(u32, Flags)>,
}

impl Changes {
    /// The message goes.
    pub fn expunge(&mut self, uid: u32) {
        self.expunge.push(uid);
    }

    /// The message gets `flags`, beside those it has.
    pub fn add(&mut self, uid: u32, flags: Flags) {
        self.add.push((uid, flags));
    }

    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.expunge.is_empty() && self.add.is_empty()
    }
}

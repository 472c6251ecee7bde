//! What a folder knows of a message without reading it.

use bytemuck::{Pod, Zeroable};

/// Truths about a message that are no flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traits(pub u8);

impl Traits {
    pub const TWIN: Traits = Traits(1);
    pub const EXACT: Traits = Traits(2);
    /// The file itself says which UID it has.
    pub const RECORDED: Traits = Traits(4);
    /// The size on the wire is known.
    pub const SIZED: Traits = Traits(8);
    /// The fingerprint is known.
    pub const PRINTED: Traits = Traits(16);
    /// Maildir: the file lies in `new/`.
    pub const FRESH: Traits = Traits(32);
    /// Flags or keywords have changed since they were written to the spool.
    pub const DIRTY: Traits = Traits(64);
    /// Maildir: what the file name says after `:` is not how we would write it.
    pub const VERBATIM: Traits = Traits(128);

    pub fn contains(self, other: Traits) -> bool {
        self.0 & other.0 == other.0
    }

    pub fn set(&mut self, other: Traits, on: bool) {
        self.0 = if on { self.0 | other.0 } else { self.0 & !other.0 };
    }

    pub fn new(twin: bool, exact: bool) -> Traits {
        Traits(u8::from(twin) | u8::from(exact) << 1)
    }
}

/// How long a message is on the wire, where each line end is CRLF.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Pod, Zeroable)]
pub struct Size(u64);

impl Size {
    /// `octets` in all; unless `is_ended`, the last line has no end.
    pub fn new(octets: u64, is_ended: bool) -> Size {
        Size(octets.min(u64::MAX >> 1) << 1 | u64::from(!is_ended))
    }

    /// As the message is: RFC822.SIZE, the length of IMAP's `BODY[]`.
    pub fn octets(self) -> u64 {
        self.0 >> 1
    }

    /// As POP3 sends it: RFC 1939 §3 has a message end with a line end.
    pub fn popped(self) -> u64 {
        self.octets() + if self.is_ended() { 0 } else { 2 }
    }

    /// The last line has an end.
    pub fn is_ended(self) -> bool {
        self.0 & 1 == 0
    }

    /// As file names and lists of Maildirs tell it, which can't say whether a line end is missing: then it is measured again.
    pub(super) fn told(self) -> Option<u64> {
        self.is_ended().then(|| self.octets())
    }
}

/// What tells a message from others, whoever rewrote the file: 128 bits.
pub(super) type Fingerprint = [u64; 2];

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

    /// All there are.
    pub const ALL: Flags = Flags(63);

    /// Whether all of `other` are set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    pub const fn bits(self) -> u8 {
        self.0
    }

    pub const fn from_bits(bits: u8) -> Flags {
        Flags(bits)
    }

    /// These and `other`.
    #[must_use]
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// These but not `other`.
    #[must_use]
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// Those that are in both.
    #[must_use]
    pub fn both(self, other: Flags) -> Flags {
        Flags(self.0 & other.0)
    }
}

//! What a home tells of its folders without opening them.

use super::index::State;
use super::name::FolderName;
use crate::config::SpecialUse;

/// A line of LIST (RFC 9051 §6.3.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: FolderName,
    /// There is a mailbox of this name; without one it is a level of the hierarchy (`\NoSelect`), or only subscribed (`\NonExistent`).
    pub exists: bool,
    /// It can have no folders below it (`\NoInferiors`).
    pub no_inferiors: bool,
    pub subscribed: bool,
    pub special: Option<SpecialUse>,
}

/// What STATUS tells (RFC 9051 §6.3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    pub id: MailboxId,
    pub uidvalidity: u32,
    pub uidnext: u32,
    /// HIGHESTMODSEQ (RFC 7162 §3.1.2.1).
    pub modseq: u64,
    pub messages: u32,
    pub unseen: u32,
    pub deleted: u32,
    /// Octets on the wire; while not all sizes are known, no less than that (RFC 8438 §3).
    pub octets: u64,
}

impl Status {
    /// That of a mailbox.
    pub(super) fn of(state: &State) -> Status {
        let head = state.head();
        let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Status {
            id: MailboxId(head.mailbox),
            uidvalidity: head.uidvalidity,
            uidnext: head.uidnext,
            modseq: head.modseq,
            messages: small(head.totals.messages),
            unseen: small(head.totals.unseen),
            deleted: small(head.totals.deleted),
            // Stored line ends may be one octet, and are two on the wire.
            octets: if head.totals.sized == head.totals.messages { head.totals.wire } else { head.totals.stored.saturating_mul(2) },
        }
    }
}

/// MAILBOXID (RFC 8474 §4): stays when the folder is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MailboxId(pub [u8; 16]);

impl std::fmt::Display for MailboxId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|octet| write!(out, "{octet:02x}"))
    }
}

/// Where appended messages are (RFC 4315 §3 APPENDUID), in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    pub uidvalidity: u32,
    pub uids: Vec<u32>,
}

/// What became of copied messages (RFC 4315 §3 COPYUID).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Of the folder that has the copies.
    pub uidvalidity: u32,
    /// From which UID to which, ascending. Messages that were gone are left out.
    pub uids: Vec<(u32, u32)>,
}

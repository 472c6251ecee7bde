//! What the index keeps of an mbox as a whole, beside its stamp.

use crate::store::index::State;
use crate::store::name::disk::Layout;
use crate::store::spool;

/// What is known of how the messages lie, and when all of them were last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// In seconds since 1970: what happens in the middle without a trace at the end is seen at the next whole scan.
    pub scanned: u64,
    /// In the order of their UIDs.
    pub in_order: bool,
}

impl Summary {
    /// That of `state`.
    pub fn of(state: &State) -> Summary {
        let notes = &state.head().notes;
        let (scanned, _) = notes.split_first_chunk().expect("there are eight octets");
        Summary { scanned: u64::from_le_bytes(*scanned), in_order: notes[8] == 1 }
    }

    /// As the index keeps it.
    pub fn octets(&self) -> [u8; 64] {
        let mut octets = [0; 64];
        octets[..8].copy_from_slice(&self.scanned.to_le_bytes());
        octets[8] = self.in_order.into();
        octets[63] = spool::mark(Layout::Mbox);
        octets
    }
}

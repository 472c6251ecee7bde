//! What the index keeps for the Maildir driver.

use crate::os::stamp::Stamp;
use crate::store::index::State;
use crate::store::name::disk::Layout;
use crate::store::spool;

/// What was read beside the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notes {
    /// The list of UIDs, as it was when the state agreed with it.
    pub list: Stamp,
    /// Lines in it.
    pub lines: u64,
}

impl Notes {
    /// Those of `state`.
    pub fn of(state: &State) -> Notes {
        let field = |at: usize| u64::from_le_bytes(*state.head().notes[8 * at..].first_chunk().expect("there are eight"));
        let list = Stamp { dev: field(0), ino: field(1), size: field(2), mtime: field(3).cast_signed(), ctime: field(4).cast_signed() };
        Notes { list, lines: field(5) }
    }

    /// As the index keeps them.
    pub fn octets(&self) -> [u8; 64] {
        let Stamp { dev, ino, size, mtime, ctime } = self.list;
        let mut octets = [0; 64];
        octets[63] = spool::mark(Layout::Maildir);
        for (at, field) in [dev, ino, size, mtime.cast_unsigned(), ctime.cast_unsigned(), self.lines].into_iter().enumerate() {
            octets[8 * at..8 * (at + 1)].copy_from_slice(&field.to_le_bytes());
        }
        octets
    }
}

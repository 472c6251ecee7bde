//! What the journal alone knows reaches the spool: within two seconds, and when a session ends.

use std::sync::atomic::Ordering;

use super::Mailbox;
use crate::store::Trouble;
use crate::store::index::State;
use crate::store::kept;
use crate::store::spool::{Batch, Extent};

impl Mailbox {
    /// Writes to the spool all that is owed to it, and makes the next opening cheap.
    pub fn settle(&self) -> Result<(), Trouble> {
        while self.is_owing() {
            // Others may want the mailbox: what is owed is paid in pieces.
            let Some(mut turn) = self.hold(false)? else { return Ok(()) };
            let state = self.write_held(&mut *turn.hold, &mut |hold, state| match self.owes(state) {
                true => hold.settle(state, self.extent()),
                false => Ok(Batch::default()),
            })?;
            if !self.owes(&state) {
                break;
            }
        }
        self.kept().tidy();
        Ok(())
    }

    /// Whether the spool lacks something that the journal has, or sessions have seen.
    pub fn is_owing(&self) -> bool {
        self.spool.is_lazy() && self.kept().is_owing(|state| self.owes(state))
    }

    /// Whether who opens the mailbox next has more to read than need be.
    pub fn is_untidy(&self) -> bool {
        self.kept().is_untidy()
    }

    /// Whether the spool lacks something that `state` has.
    pub(super) fn owes(&self, state: &State) -> bool {
        let has_news = state.head().totals.fresh > 0 && self.extent() == Extent::Seen;
        kept::owes(state) || has_news
    }

    fn extent(&self) -> Extent {
        if self.is_seen.load(Ordering::Relaxed) { Extent::Seen } else { Extent::Owed }
    }
}

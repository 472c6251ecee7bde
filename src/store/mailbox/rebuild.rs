//! The index, made anew from the files.

use super::{Mailbox, Turn};
use crate::store::Trouble;
use crate::store::index::State;
use crate::store::spool::Care;

impl Mailbox {
    /// Removes the index, when all that it alone knew has reached the files. Those who use it make another. Blocks.
    pub fn drop_index(&self) -> Result<(), Trouble> {
        loop {
            self.look()?;
            self.settle()?;
            // Nobody scans or delivers meanwhile; flags that somebody sets in this very moment need another round.
            let _turn = self.hold(false)?;
            if self.kept().discard(&self.shared, &self.index, |state| self.spool.is_lazy() && self.owes(state)) {
                return Ok(());
            }
        }
    }

    /// The mailbox as it is, and as it stays while the turn lasts; `None` when there are no files. Blocks.
    pub fn freeze(&self) -> Result<Option<(Turn<'_>, State)>, Trouble> {
        let Some(mut turn) = self.hold(self.name.is_inbox())? else { return Ok(None) };
        let (kept, state) = self.freshen(&mut *turn.hold, Care::Full)?;
        drop(kept);
        Ok(Some((turn, state)))
    }

    /// Nothing is known of the mailbox any more. Its files must be held.
    pub fn forget(&self) {
        self.kept().discard(&self.shared, &self.index, |_| false);
    }

    /// Drops the index and makes it anew. Blocks.
    pub fn rebuild(&self) -> Result<State, Trouble> {
        self.drop_index()?;
        self.look()
    }
}

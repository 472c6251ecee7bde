//! The index, made anew from the files.

use super::Mailbox;
use crate::store::Trouble;
use crate::store::index::State;

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

    /// Drops the index and makes it anew. Blocks.
    pub fn rebuild(&self) -> Result<State, Trouble> {
        self.drop_index()?;
        self.look()
    }
}

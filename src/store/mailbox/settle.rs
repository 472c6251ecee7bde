//! What the journal alone knows reaches the spool: within two seconds, and when a folder is closed.

use super::Mailbox;
use crate::store::Trouble;
use crate::store::index::State;
use crate::store::spool::Batch;

impl Mailbox {
    /// Writes to the spool all that is owed to it.
    pub fn settle(&self) -> Result<(), Trouble> {
        loop {
            // Others may want the mailbox: what is owed is paid in pieces.
            let Some(mut hold) = self.spool.hold(false)? else { return Ok(()) };
            let state = self.write_held(&mut *hold, &mut |hold, state| match owes(state) {
                true => hold.settle(state),
                false => Ok(Batch::default()),
            })?;
            if !owes(&state) {
                return Ok(());
            }
        }
    }

    /// Whether the spool lacks something that the journal has.
    pub fn is_owing(&self) -> bool {
        self.kept().state().is_some_and(owes)
    }
}

/// Whether the spool lacks something that `state` has.
pub(super) fn owes(state: &State) -> bool {
    state.head().totals.dirty > 0 || !state.doomed().is_empty()
}

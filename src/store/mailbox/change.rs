//! Flags and expunges: acknowledged from the journal where the spool is lazy, else from the spool.

use std::sync::Arc;
use std::time::Duration;

use super::Mailbox;
use crate::config::Fsync;
use crate::store::change::{self, Reaching};
use crate::store::index::State;
use crate::store::kept::Written;
use crate::store::settler::Settler;
use crate::store::spool::Batch;
use crate::store::{Applied, Changes, Trouble};

impl Mailbox {
    /// Makes `changes` to messages whose UIDs were told under `uidvalidity`; durable on return.
    pub fn apply(self: &Arc<Self>, uidvalidity: u32, changes: &Changes) -> Result<(State, Applied), Trouble> {
        let applied = match self.spool.is_lazy() {
            true => self.apply_soon(uidvalidity, changes),
            false => self.apply_now(uidvalidity, changes),
        };
        // Whoever had it open asks for messages, not for a folder.
        applied.map_err(|trouble| if matches!(trouble, Trouble::NoFolder) { self.gone() } else { trouble })
    }

    fn apply_soon(self: &Arc<Self>, uidvalidity: u32, changes: &Changes) -> Result<(State, Applied), Trouble> {
        let mut applied = Applied::default();
        let (written, state) = self.write(&mut |state| {
            self.check(state, uidvalidity)?;
            let changes = change::fitting(changes, state, &mut applied.stale);
            Ok(Batch::from(change::ops(&changes, Reaching::Later)))
        })?;
        match written {
            Written::Journal => self.sync_journal()?,
            // Nothing else would keep it.
            Written::Memory | Written::Nowhere => self.settle()?,
        }
        Settler::settle_within(self, SOON);
        Ok((state, applied))
    }

    fn sync_journal(&self) -> Result<(), Trouble> {
        self.journal.changed();
        let sync = || match self.kept().durable() {
            Some(journal) if self.shared.places.fsync != Fsync::Never => journal.sync(),
            _ => Ok(()),
        };
        let synced = if self.shared.places.fsync == Fsync::Always { sync() } else { self.journal.sync(sync) };
        synced.map_err(Trouble::io("syncing the journal in", &self.index))
    }

    fn apply_now(&self, uidvalidity: u32, changes: &Changes) -> Result<(State, Applied), Trouble> {
        let mut applied = Applied::default();
        if changes.concern_nothing() {
            return Ok((self.look_under(uidvalidity)?, applied));
        }
        let mut turn = self.hold(false)?.ok_or_else(|| self.gone())?;
        let state = self.write_held(&mut *turn.hold, &mut |hold, state| {
            self.check(state, uidvalidity)?;
            let changes = change::fitting(changes, state, &mut applied.stale);
            if changes.is_empty() { Ok(Batch::default()) } else { hold.change(state, &changes) }
        })?;
        Ok((state, applied))
    }
}

/// How soon other programs see flags.
pub const SOON: Duration = Duration::from_millis(1500);

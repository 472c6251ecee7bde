//! Flags and expunges: acknowledged from the journal where the spool is lazy, else from the spool.

use std::sync::Arc;
use std::time::Duration;

use super::Mailbox;
use crate::config::Fsync;
use crate::store::index::{Marks, Op, Span, State};
use crate::store::kept::Written;
use crate::store::settler::Settler;
use crate::store::spool::Batch;
use crate::store::{Applied, Changes, FlagChange, Flags, How, Trouble, Uids};

impl Mailbox {
    /// Makes `changes`; durable on return.
    pub fn apply(self: &Arc<Self>, changes: &Changes) -> Result<(State, Applied), Trouble> {
        match self.spool.is_lazy() {
            true => self.apply_soon(changes),
            false => self.apply_now(changes),
        }
    }

    fn apply_soon(self: &Arc<Self>, changes: &Changes) -> Result<(State, Applied), Trouble> {
        let mut applied = Applied::default();
        let (written, state) = self.write(&mut |state| {
            let changes = fitting(changes, state, &mut applied.stale);
            Ok(Batch::from(ops(&changes)))
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
        self.journal.sync(sync).map_err(Trouble::io("syncing the journal in", &self.index))
    }

    fn apply_now(&self, changes: &Changes) -> Result<(State, Applied), Trouble> {
        let mut applied = Applied::default();
        let mut hold = self.spool.hold(false)?.ok_or_else(|| self.gone())?;
        let state = self.write_held(&mut *hold, &mut |hold, state| {
            let changes = fitting(changes, state, &mut applied.stale);
            if changes.is_empty() { Ok(Batch::default()) } else { hold.change(state, &changes) }
        })?;
        Ok((state, applied))
    }
}

/// How soon other programs see flags.
pub const SOON: Duration = Duration::from_millis(1500);

/// The part of `changes` that concerns messages that are there and that does not come too late; what does goes to `stale`.
fn fitting(changes: &Changes, state: &State, stale: &mut Uids) -> Changes {
    *stale = Uids::NONE;
    let present = |uids: &Uids| -> Uids { uids.ranges().flat_map(|range| state.range(Span::from(range))).map(|message| message.uid).collect() };
    let mut flags = Vec::new();
    for change in &changes.flags {
        let mut fit = FlagChange { uids: Uids::NONE, ..change.clone() };
        for uid in present(&change.uids).iter() {
            let since = state.message(uid).map_or(0, |message| message.modseq);
            if change.unchanged_since.is_some_and(|least| since > least) { stale.insert(uid) } else { fit.uids.insert(uid) }
        }
        if !fit.uids.is_empty() {
            flags.push(fit);
        }
    }
    Changes { flags, expunge: present(&changes.expunge) }
}

fn ops(changes: &Changes) -> Vec<Op> {
    let mut ops: Vec<Op> = changes.flags.iter().map(|change| Op::Flags(marks(change))).collect();
    if !changes.expunge.is_empty() {
        ops.push(Op::Expunge { uids: changes.expunge.spans(), doomed: true });
    }
    ops
}

fn marks(change: &FlagChange) -> Marks {
    let words = || change.keywords.iter().map(|word| word.as_str().into()).collect();
    let (remove, add) = match change.how {
        How::Add => (Flags::NONE, change.flags),
        How::Remove => (change.flags, Flags::NONE),
        How::Replace => (Flags::ALL.without(Flags::OLD), change.flags),
    };
    let is_removal = change.how == How::Remove;
    Marks {
        uids: change.uids.spans(),
        remove,
        add,
        clear: change.how == How::Replace,
        remove_keywords: if is_removal { words() } else { Vec::new() },
        add_keywords: if is_removal { Vec::new() } else { words() },
        dirty: true,
    }
}

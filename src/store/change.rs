//! What can be asked to change in a mailbox, and what came of it.

use super::index::{Marks, Op, Span, State};
use super::{Flags, Uids};

/// What [`Folder::apply`](super::Folder::apply) does: flags first, then what is to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// One after the other.
    pub flags: Vec<FlagChange>,
    /// These messages go, whatever flags they have.
    pub expunge: Uids,
}

/// A change of flags and keywords of some messages (RFC 9051 §6.4.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagChange {
    pub uids: Uids,
    pub how: How,
    pub flags: Flags,
    /// IMAP atoms; compared without regard to ASCII case, kept as first written.
    pub keywords: Vec<String>,
    /// Leaves alone, and reports, messages whose MODSEQ is above this (RFC 7162 §3.1.3).
    pub unchanged_since: Option<u64>,
}

/// What becomes of the flags that a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
    /// `FLAGS`
    Replace,
}

/// What [`Folder::apply`](super::Folder::apply) did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Messages that had changed since, and were left alone.
    pub stale: Uids,
}

impl Changes {
    /// The message goes.
    pub fn expunge(&mut self, uid: u32) {
        self.expunge.insert(uid);
    }

    /// The messages get `flags`, beside those they have.
    pub fn add(&mut self, uids: Uids, flags: Flags) {
        if !uids.is_empty() {
            self.flags.push(FlagChange { uids, how: How::Add, flags, keywords: Vec::new(), unchanged_since: None });
        }
    }

    /// No message is named.
    pub(super) fn concern_nothing(&self) -> bool {
        self.expunge.is_empty() && self.flags.iter().all(|change| change.uids.is_empty())
    }

    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.expunge.is_empty() && self.flags.is_empty()
    }
}

impl FlagChange {
    /// What becomes of `flags`.
    pub fn of(&self, flags: Flags) -> Flags {
        match self.how {
            How::Add => flags.with(self.flags),
            How::Remove => flags.without(self.flags),
            // Not a flag that a client can take back.
            How::Replace => self.flags.with(flags.both(Flags::OLD)),
        }
    }

    /// What becomes of `keywords`.
    pub fn of_keywords(&self, keywords: &mut Vec<String>) {
        let named = |word: &String| self.keywords.iter().any(|known| known.eq_ignore_ascii_case(word));
        match self.how {
            How::Remove => keywords.retain(|word| !named(word)),
            How::Replace => keywords.retain(named),
            How::Add => {}
        }
        if self.how != How::Remove {
            for word in &self.keywords {
                if !keywords.iter().any(|known| known.eq_ignore_ascii_case(word)) {
                    keywords.push(word.clone());
                }
            }
        }
    }
}

/// When changes reach the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaching {
    /// With the ops.
    Now,
    /// When the mailbox settles.
    Later,
}

/// The part of `changes` that concerns messages that are there and that does not come too late; what does goes to `stale`.
pub(super) fn fitting(changes: &Changes, state: &State, stale: &mut Uids) -> Changes {
    *stale = Uids::NONE;
    let present =
        |uids: &Uids| -> Uids { uids.ranges().flat_map(|range| state.range(Span::from(range))).map(|message| message.uid).collect() };
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

/// As ops of the index.
pub(super) fn ops(changes: &Changes, reaching: Reaching) -> Vec<Op> {
    let mut ops: Vec<Op> = changes.flags.iter().map(|change| Op::Flags(marks(change, reaching))).collect();
    if !changes.expunge.is_empty() {
        ops.push(Op::Expunge { uids: changes.expunge.spans(), doomed: reaching == Reaching::Later });
    }
    ops
}

fn marks(change: &FlagChange, reaching: Reaching) -> Marks {
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
        dirty: reaching == Reaching::Later,
    }
}

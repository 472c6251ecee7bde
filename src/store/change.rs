//! What can be asked to change in a mailbox, and what came of it.

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

//! Whether a mailbox has room, before the message is there.

use super::{Leaf, Mailbox, Outcome, Plan};
use crate::config::OverQuota;
use crate::store::quota::Usage;
use crate::store::{Account, Store};

impl Plan {
    /// The answer to RCPT where about `octets` are to come, or 0 where nobody has said: [`Plan::outcome`], and whether the mailbox has
    /// room. Of a list those get the message who have room: that is told when it is there.
    pub fn outcome_with_room(&self, octets: u64, store: &Store) -> Outcome {
        let outcome = self.outcome();
        let mut leaves = self.leaves().map(|(_, leaf)| leaf).filter(|leaf| !matches!(leaf, Leaf::Reply { .. }));
        match (&outcome, leaves.next(), leaves.next()) {
            (Outcome::Done, Some(Leaf::Mailbox(mailbox)), None) => mailbox.room(octets, store),
            _ => outcome,
        }
    }
}

impl Mailbox {
    /// Whether about `octets` more would find room. The last word is the store's, when the message is there.
    pub fn room(&self, octets: u64, store: &Store) -> Outcome {
        let allowance = Account::of(&self.domain, &self.user, &self.account).allowance;
        // What a filter leaves of the message is not known.
        let octets = if self.domain.record.delivery.filter.is_some() { 1 } else { octets.max(1) };
        let more = Usage { octets, messages: 1 };
        match store.quota(&self.domain.name).reserve(&self.user, "INBOX", more, &allowance) {
            Ok(Err(_)) => self.full(),
            // What can't be told now is told later.
            Ok(Ok(_)) | Err(_) => Outcome::Done,
        }
    }

    /// What the sender hears of a full mailbox.
    pub(super) fn full(&self) -> Outcome {
        match self.domain.record.delivery.over_quota {
            OverQuota::Refuse => Outcome::MailboxFull,
            OverQuota::Wait => Outcome::MailboxFullNow,
        }
    }
}

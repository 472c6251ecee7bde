//! New messages.

use super::Mailbox;
use crate::store::{Appended, Incoming, Trouble};

impl Mailbox {
    /// Appends all of `messages` or none; durable on return.
    pub fn append(&self, messages: &[Incoming]) -> Result<Appended, Trouble> {
        let octets = messages.iter().map(|message| message.letter.len()).sum();
        let _reserved = self.account.reserve(&self.shared, &self.name, octets, messages.len() as u64)?;
        self.append_reserved(messages)
    }

    /// As [`Mailbox::append`], whatever the quota says.
    pub(super) fn append_reserved(&self, messages: &[Incoming]) -> Result<Appended, Trouble> {
        let mut staged = Some(self.spool.stage(messages)?);
        let mut hold = self.spool.hold(true)?.ok_or_else(|| self.gone())?;
        let mut appended = Appended { uidvalidity: 0, uids: Vec::new() };
        self.write_held(&mut *hold, &mut |hold, state| {
            let head = state.head();
            appended = Appended { uidvalidity: head.uidvalidity, uids: (head.uidnext..).take(messages.len()).collect() };
            hold.place(state, messages, staged.take().expect("what was placed was written"))
        })?;
        drop(hold);
        self.spool.harden()?;
        Ok(appended)
    }
}

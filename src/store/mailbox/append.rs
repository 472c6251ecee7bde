//! New messages.

use std::sync::Arc;

use super::Mailbox;
use crate::store::{Appended, Changes, Incoming, Trouble};

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
        let mut turn = self.hold(true)?.ok_or(Trouble::NoFolder)?;
        let mut appended = Appended { uidvalidity: 0, uids: Vec::new() };
        self.write_held(&mut *turn.hold, &mut |hold, state| {
            let head = state.head();
            appended = Appended { uidvalidity: head.uidvalidity, uids: (head.uidnext..).take(messages.len()).collect() };
            hold.place(state, messages, staged.take().expect("what was placed was written"))
        })?;
        drop(turn);
        self.spool.harden()?;
        Ok(appended)
    }

    /// Appends `with` to `to` and expunges `uid`; durable on return.
    pub fn replace(self: &Arc<Self>, uidvalidity: u32, uid: u32, with: &Incoming, to: &Mailbox) -> Result<Appended, Trouble> {
        if self.look_under(uidvalidity)?.message(uid).is_none() {
            return Err(self.gone());
        }
        let appended = to.append(std::slice::from_ref(with))?;
        let mut changes = Changes::default();
        changes.expunge(uid);
        self.apply(uidvalidity, &changes)?;
        Ok(appended)
    }
}

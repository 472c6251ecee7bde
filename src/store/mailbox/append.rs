//! New messages.

use std::sync::Arc;

use super::Mailbox;
use super::queue::Ticket;
use crate::store::spool::Hold;
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
        let ticket = self.queue.join(messages, self.spool.stage(messages)?);
        let appended = self.placed(&ticket)?;
        self.spool.harden()?;
        Ok(appended)
    }

    /// Waits for the files, unless somebody who had them has placed the messages already.
    fn placed(&self, ticket: &Ticket<'_>) -> Result<Appended, Trouble> {
        let turn = self.turn();
        if let Some(answer) = ticket.answer() {
            return answer;
        }
        let mut turn = self.hold_in(turn, true)?.ok_or(Trouble::NoFolder)?;
        self.place_all(&mut *turn.hold);
        // Who had taken the messages may have come to grief over them.
        ticket.answer().unwrap_or_else(|| Err(Trouble::Busy(self.index.to_path_buf())))
    }

    /// Places everybody's messages, and tells them.
    fn place_all(&self, hold: &mut dyn Hold) {
        let mut round = self.queue.take();
        if round.staged.is_none() {
            return;
        }
        let mut appended = Appended { uidvalidity: 0, uids: Vec::new() };
        let written = self.write_held(hold, &mut |hold, state| {
            let head = state.head();
            appended = Appended { uidvalidity: head.uidvalidity, uids: (head.uidnext..).take(round.messages.len()).collect() };
            hold.place(state, &round.messages, round.staged.take().expect("what was placed was written"))
        });
        round.tell(written.map(|_| appended));
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

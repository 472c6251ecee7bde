//! EXPUNGE and UID EXPUNGE (RFC 9051 §6.4.3, §6.4.9).

use super::reply::{Refusal, Reply};
use super::session::Session;
use super::state::Selected;
use super::table::{Order, Telling};
use crate::store::index::Span;
use crate::store::{Changes, Flags, Folder, Uids};

impl Session<'_> {
    pub(super) async fn expunge(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        let among = if order.is_uid {
            order.args.space()?;
            let set = order.args.set()?;
            Some(self.selected()?.view.resolve(&set, true)?)
        } else {
            None
        };
        order.args.end()?;
        let selected = self.writable()?;
        let gone = selected.deleted(among.as_ref());
        let count = gone.len();
        selected.folder.apply(&Changes { expunge: gone, ..Changes::default() }).await?;
        self.done.expunged += count;
        let counts = self.enabled.condstore && count > 0;
        self.after_expunges("EXPUNGE completed", counts).await
    }

    /// Tells which messages are gone, then that it is done, and to a client that `counts` changes where the mailbox stands (RFC 7162 §3.2.7).
    pub(super) async fn after_expunges(&mut self, done: &'static str, counts: bool) -> Result<Reply, Refusal> {
        self.tell(Telling::All).await?;
        let modseq = self.selected()?.view.told().head().modseq;
        if counts { Reply::ok(format!("[HIGHESTMODSEQ {modseq}] {done}")) } else { Reply::ok(done) }
    }

    /// The selected mailbox, if it may be changed.
    pub(super) fn writable(&mut self) -> Result<&mut Selected, Refusal> {
        let selected = self.selected()?;
        if selected.is_read_only { Err(Refusal::no("[NOPERM] the mailbox is open for reading only")) } else { Ok(selected) }
    }
}

impl Selected {
    /// The messages that are marked as deleted, `among` these if they are given. Only such as the client knows.
    pub(super) fn deleted(&self, among: Option<&Uids>) -> Uids {
        let now = self.folder.state();
        if now.head().totals.deleted == 0 {
            return Uids::NONE;
        }
        let known = now.range(Span { first: 1, last: self.view.last_uid() });
        let deleted = known.filter(|message| message.flags().contains(Flags::DELETED)).map(|message| message.uid);
        deleted.filter(|uid| among.is_none_or(|among| among.contains(*uid))).collect()
    }
}

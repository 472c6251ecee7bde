//! COPY and MOVE (RFC 9051 §6.4.7, §6.4.8).

use super::out::Out;
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::Order;
use crate::store::{Copied, Folder, FolderName, Uids};

impl Session<'_> {
    pub(super) async fn copy(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        let (uids, to) = self.what_and_where(order)?;
        let copied = self.selected()?.folder.copy(&uids, &to).await.map_err(Refusal::of_target)?;
        Reply::ok(code(&copied).map_or("COPY completed: nothing was there".to_owned(), |code| format!("{code} COPY completed")))
    }

    pub(super) async fn relocate(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        let (uids, to) = self.what_and_where(order)?;
        let copied = self.writable()?.folder.relocate(&uids, &to).await.map_err(Refusal::of_target)?;
        // RFC 6851 §4.3: before the messages go, for a client that forgets them then.
        if let Some(code) = code(&copied) {
            self.say(&["* OK ", &code, " moved"]);
        }
        // RFC 6851 §4.4: HIGHESTMODSEQ whenever something has moved.
        self.after_expunges("MOVE completed", !copied.uids.is_empty()).await
    }

    fn what_and_where(&mut self, mut order: Order<'_>) -> Result<(Uids, FolderName), Refusal> {
        let args = &mut order.args;
        args.space()?;
        let set = args.set()?;
        args.space()?;
        let to = args.mailbox(&self.user()?.namespace)?;
        args.end()?;
        Ok((self.selected()?.view.resolve(&set, order.is_uid)?, to?))
    }
}

/// COPYUID (RFC 4315 §3); none where nothing was copied.
fn code(copied: &Copied) -> Option<String> {
    let (from, to): (Uids, Uids) = (copied.uids.iter().map(|(from, _)| *from).collect(), copied.uids.iter().map(|(_, to)| *to).collect());
    let mut text = Vec::new();
    Out::new(&mut text).raw("[COPYUID ").number(copied.uidvalidity).raw(" ").set(&from).raw(" ").set(&to).raw("]");
    (!copied.uids.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
}

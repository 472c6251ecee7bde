//! RENAME (RFC 9051 §6.3.6).

use super::fetch::Bookmark;
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::state::User;
use super::table::Order;
use crate::store::{FolderName, Home};

impl Session<'_> {
    pub(super) async fn rename(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        let (args, user) = (&mut order.args, self.user()?);
        args.space()?;
        let from = args.mailbox(&user.namespace)?;
        args.space()?;
        let to = args.mailbox(&user.namespace)?;
        args.end()?;
        let (from, to) = (from?, to?);
        user.home.rename(&from, &to).await?;
        user.follow(&from, &to).await?;
        Reply::ok("RENAME completed")
    }
}

impl User {
    /// The selected mailbox stays selected, whatever it is called now. INBOX is where it was, without its messages (RFC 9051 §6.3.6).
    async fn follow(&mut self, from: &FolderName, to: &FolderName) -> Result<(), Refusal> {
        let Some(selected) = self.selected.as_mut().filter(|selected| selected.name.starts_with(from) && !from.is_inbox()) else {
            return Ok(());
        };
        selected.name = selected.name.renamed(from, to)?;
        selected.folder = self.home.open(&selected.name).await?;
        selected.bookmark = Bookmark::default();
        Ok(())
    }
}

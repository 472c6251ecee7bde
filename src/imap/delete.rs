//! DELETE (RFC 9051 §6.3.5).

use super::reply::{Refusal, Reply};
use super::session::Session;
use super::state::User;
use super::table::Order;
use crate::store::{FolderName, Home, Trouble};

impl Session<'_> {
    pub(super) async fn delete(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.space()?;
        let name = order.args.mailbox(&self.user()?.namespace)?;
        order.args.end()?;
        let name = name?;
        let user = self.user()?;
        let is_selected = user.selected.as_ref().is_some_and(|selected| selected.name == name);
        match user.home.delete(&name).await {
            Err(Trouble::NoFolder) if user.has_below(&name).await? => {
                return Err(Refusal::no("[HASCHILDREN] it is no mailbox, and there are mailboxes below it"));
            }
            outcome => outcome?,
        }
        if is_selected {
            // Nothing of it is left that could be settled.
            user.selected = None;
        }
        Reply::ok("DELETE completed")
    }
}

impl User {
    /// RFC 9051 §6.3.5: what is a mere level of names can't be deleted.
    async fn has_below(&self, name: &FolderName) -> Result<bool, Refusal> {
        Ok(self.home.list().await?.iter().any(|listed| listed.exists && listed.name.starts_with(name)))
    }
}

//! DELETE (RFC 9051 §6.3.5).

use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::Order;
use crate::store::Home;

impl Session<'_> {
    pub(super) async fn delete(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.space()?;
        let name = order.args.mailbox(&self.user()?.namespace)?;
        order.args.end()?;
        let name = name?;
        let user = self.user()?;
        let is_selected = user.selected.as_ref().is_some_and(|selected| selected.name == name);
        user.home.delete(&name).await?;
        if is_selected {
            // Nothing of it is left that could be settled.
            user.selected = None;
        }
        Reply::ok("DELETE completed")
    }
}

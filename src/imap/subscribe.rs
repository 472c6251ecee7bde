//! SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8). A name can be subscribed whether there is such a mailbox or not.

use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::Order;
use crate::store::Home;

impl Session<'_> {
    pub(super) async fn subscribe(&mut self, mut order: Order<'_>, subscribed: bool) -> Result<Reply, Refusal> {
        order.args.space()?;
        let user = self.user()?;
        let name = order.args.mailbox(&user.namespace)?;
        order.args.end()?;
        user.home.subscribe(&name?, subscribed).await?;
        Reply::ok("completed")
    }
}

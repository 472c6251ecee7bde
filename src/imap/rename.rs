//! RENAME (RFC 9051 §6.3.6).

use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::Order;
use crate::store::Home;

impl Session<'_> {
    pub(super) async fn rename(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        let (args, user) = (&mut order.args, self.user()?);
        args.space()?;
        let from = args.mailbox(&user.namespace)?;
        args.space()?;
        let to = args.mailbox(&user.namespace)?;
        args.end()?;
        user.home.rename(&from?, &to?).await?;
        Reply::ok("RENAME completed")
    }
}

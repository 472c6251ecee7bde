//! NOOP, CHECK and LOGOUT (RFC 9051 §6.1.2, §6.1.3; RFC 3501 §6.4.1). What there is to tell is told at the end of every command.

use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::Order;

impl Session<'_> {
    pub(super) fn noop(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.end()?;
        Reply::ok("completed")
    }

    pub(super) fn logout(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.end()?;
        Ok(Reply::Leave)
    }
}

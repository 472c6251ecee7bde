//! UNAUTHENTICATE (RFC 8437): the connection stays, with TLS and compression, the user goes, and the domain is identified anew.

use super::frame::Limits;
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::state::Enabled;
use super::table::Order;

impl Session<'_> {
    pub(super) async fn unauthenticate(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.end()?;
        self.leave_mailbox().await;
        // RFC 8437 §3: nothing of what the user has enabled or said is left.
        (self.user, self.done.client) = (None, None);
        self.enabled = Enabled::default();
        self.framer.limit(Limits::STRANGER);
        self.visit.identify_anew();
        self.visit.began = std::time::Instant::now();
        self.be_patient();
        Reply::ok("UNAUTHENTICATE completed")
    }
}

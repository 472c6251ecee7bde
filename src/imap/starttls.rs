//! STARTTLS (RFC 9051 §6.2.1). What the client sent before it is dropped: it may be somebody else's.

use super::frame::{Framer, Limits};
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::Order;

impl Session<'_> {
    pub(super) async fn start_tls(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.end()?;
        if !self.visit.offers_tls(&self.wire) || !self.offers("STARTTLS") {
            return Err(Refusal::Bad("TLS is not available here"));
        }
        self.say(&[order.tag, " OK begin TLS negotiation"]);
        self.doing = "negotiating TLS";
        self.framer = Framer::new(Limits::STRANGER);
        self.visit.call.sni = self.wire.start_tls(&*self.visit.house.tls, self.visit.call.local).await?;
        self.done.client = None;
        self.visit.identify_anew();
        Ok(Reply::Said)
    }
}

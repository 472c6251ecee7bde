//! STARTTLS (RFC 3207): what was said before counts no more.

use super::reply::Reply;
use super::session::Session;
use crate::wire::Lost;

impl Session<'_> {
    pub(super) async fn start_tls(&mut self) -> Result<(), Lost> {
        let Some(local) = self.call.ends.map(|ends| ends.local).filter(|_| self.offers_tls()) else {
            self.reply(&Reply::new(502, "5.5.1", "there is no TLS here"));
            return Ok(());
        };
        self.give_up();
        self.client = None;
        self.reply(&Reply::new(220, "2.0.0", "ready for TLS"));
        self.doing = "beginning TLS";
        let house = self.house;
        Box::pin(self.wire.start_tls(&*house.tls, local)).await.map(drop)
    }

    pub(super) fn offers_tls(&self) -> bool {
        let is_open = |ends: super::session::Ends| self.house.tls.is_open(ends.local);
        self.call.may_start_tls && !self.wire.is_secure() && self.call.ends.is_some_and(is_open)
    }
}

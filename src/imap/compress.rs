//! COMPRESS (RFC 4978): each reply is flushed, so that the client can read it at once.

use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::Order;

impl Session<'_> {
    pub(super) async fn compress(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.space()?;
        let mechanism = order.args.atom()?;
        order.args.end()?;
        if !mechanism.eq_ignore_ascii_case("DEFLATE") {
            return Err(Refusal::no("[CANNOT] mechanism not known here; there is DEFLATE"));
        }
        if self.wire.is_compressed() {
            return Err(Refusal::no("[COMPRESSIONACTIVE] DEFLATE is active already"));
        }
        self.say(&[order.tag, " OK DEFLATE active"]);
        self.wire.compress().await?;
        Ok(Reply::Said)
    }
}

//! NAMESPACE (RFC 2342, RFC 9051 §6.3.10): one, the user's own.

use super::out::Out;
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::Order;

impl Session<'_> {
    pub(super) fn namespace(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.end()?;
        let namespace = self.user()?.namespace.clone();
        let mut separator = [0; 4];
        let separator = namespace.separator().encode_utf8(&mut separator);
        Out::new(self.wire.output()).raw("* NAMESPACE ((").quoted(namespace.prefix()).raw(" ").quoted(separator).raw(")) NIL NIL").end();
        Reply::ok("NAMESPACE completed")
    }
}

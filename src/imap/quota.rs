//! GETQUOTA and GETQUOTAROOT (RFC 9208): one root, the user's own mail. What the domain has, of others' mail too, is not told.

use super::reply::{Refusal, Reply};
use super::session::Session;
use super::state::User;
use super::table::Order;
use crate::store::Home;
use crate::store::quota::Usage;

impl Session<'_> {
    pub(super) async fn get_quota(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.space()?;
        let root = order.args.astring()?;
        order.args.end()?;
        if *root != *ROOT.as_bytes() || !self.user()?.has_root() {
            return Err(Refusal::no("[NONEXISTENT] there is no such quota root"));
        }
        self.say_quota().await?;
        Reply::ok("GETQUOTA completed")
    }

    pub(super) async fn get_quota_root(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.space()?;
        let is_utf8 = self.enabled.has_utf8_names();
        let user = self.user()?;
        let name = order.args.mailbox(&user.namespace)?;
        order.args.end()?;
        // RFC 9208 §4.1.2: also of mailboxes that are not there.
        let (name, namespace) = (name?, user.namespace.clone());
        let has_root = user.has_root();
        let mut out = self.out();
        out.raw("* QUOTAROOT ").mailbox(&name, &namespace, is_utf8);
        if !has_root {
            out.end();
            return Reply::ok("GETQUOTAROOT completed");
        }
        out.raw(" ").quoted(ROOT).end();
        self.say_quota().await?;
        Reply::ok("GETQUOTAROOT completed")
    }

    pub(super) fn set_quota(&mut self) -> Result<Reply, Refusal> {
        Err(Refusal::no("[NOPERM] quotas are set by the administrator"))
    }

    async fn say_quota(&mut self) -> Result<(), Refusal> {
        let user = self.user()?;
        let usage = user.home.usage().await?;
        let resources = resources(user, usage);
        self.out().raw("* QUOTA ").quoted(ROOT).raw(" (").raw(resources).raw(")").end();
        Ok(())
    }
}

impl User {
    /// RFC 9208 §7: a root has a limit at least.
    fn has_root(&self) -> bool {
        self.allowance.storage.is_some() || self.allowance.messages.is_some()
    }
}

/// RFC 9208 §5: what is not limited is not told.
fn resources(user: &User, usage: Usage) -> String {
    let storage = user.allowance.storage.map(|most| format!("STORAGE {} {}", usage.kibibytes(), most / 1024));
    let messages = user.allowance.messages.map(|most| format!("MESSAGE {} {most}", usage.messages));
    storage.into_iter().chain(messages).collect::<Vec<_>>().join(" ")
}

/// The quota root's name: an identifier, which clients may show.
const ROOT: &str = "mail";

//! CREATE (RFC 9051 §6.3.4), with a special use (RFC 6154 §3).

use super::args::Args;
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::Order;
use crate::config::SpecialUse;
use crate::store::Home;

impl Session<'_> {
    pub(super) async fn create(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.space()?;
        let mut name = order.args.mailbox_text()?;
        let special = special_use(&mut order.args)?;
        order.args.end()?;
        if special.is_some() && !self.offers("CREATE-SPECIAL-USE") {
            return Err(Refusal::Bad("no such option"));
        }
        let user = self.user()?;
        // RFC 9051 §6.3.4: with a separator at its end, the client means to make others below it.
        if name.ends_with(user.namespace.separator()) {
            name.pop();
        }
        let folder = user.namespace.folder(&name)?;
        let id = user.home.create(&folder, special).await?;
        Reply::ok(format!("[MAILBOXID ({id})] CREATE completed"))
    }
}

/// ` (USE (\Sent))`, if it is there. A folder has one use here.
fn special_use(args: &mut Args<'_>) -> Result<Option<SpecialUse>, Refusal> {
    if args.is_at_end() {
        return Ok(None);
    }
    args.space()?;
    args.expect(b'(', "options expected")?;
    if !args.is_word("USE") {
        return Err(Refusal::Bad("no such option"));
    }
    args.space()?;
    args.expect(b'(', "list of uses expected")?;
    let mut uses = Vec::new();
    loop {
        args.expect(b'\\', "special use expected")?;
        uses.push(args.atom()?);
        if !args.takes(b' ') {
            break;
        }
    }
    args.expect(b')', "list without an end")?;
    args.expect(b')', "options without an end")?;
    match uses[..] {
        [one] => match known_use(one) {
            Some(special) => Ok(Some(special)),
            None => Err(Refusal::no("[USEATTR] no folder has that use here")),
        },
        _ => Err(Refusal::no("[USEATTR] a folder has one use here")),
    }
}

/// The special use of that name.
pub(super) fn known_use(name: &str) -> Option<SpecialUse> {
    SpecialUse::ALL.into_iter().find(|special| special.name().eq_ignore_ascii_case(name))
}

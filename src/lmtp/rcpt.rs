//! RCPT (RFC 5321 §4.1.1.3): what becomes of the mail is told here already, as far as anybody can know.

use super::mail::{after, not_ascii, unknown_parameter};
use super::reply::Reply;
use super::session::Session;
use crate::address;
use crate::deliver::{self, Outcome, Plan, Refusal};

impl Session<'_> {
    pub(super) fn rcpt(&mut self, text: &str) -> Reply {
        let most = self.house.machine.lmtp.recipients;
        let Some(transaction) = &self.transaction else { return Reply::out_of_turn("say MAIL first") };
        if transaction.text.is_some() {
            return Reply::out_of_turn("the message has begun; RSET gives it up");
        }
        let path = match parse(text, transaction.from.is_utf8) {
            Ok(path) => path,
            Err(reply) => return reply,
        };
        if transaction.plans.len() >= most || transaction.steps >= MOST_STEPS {
            return Reply::new(452, "4.5.3", format!("no more than {} recipients at once, the others later", transaction.plans.len()));
        }
        let (size, sender) = (transaction.from.size.unwrap_or(0), transaction.from.path.as_str());
        let plan = match self.plan(&path, sender) {
            Ok(plan) => plan,
            Err(reply) => return reply,
        };
        let outcome = plan.outcome_with_room(size, self.house.carrier.store());
        self.take(path.as_str().to_owned(), plan, outcome)
    }

    fn plan(&self, path: &address::Path, sender: &str) -> Result<Plan, Reply> {
        let (names, maps) = (&*self.house.names, &*self.house.maps);
        match (path.domain(), path.address()) {
            (_, Ok(address)) => Ok(deliver::plan(names, maps, &address, sender)),
            // RFC 5321 §4.5.1.
            (None, _) if path.local().eq_ignore_ascii_case("postmaster") => Ok(deliver::plan_for_postmaster(names, maps, sender)),
            (None, Err(error)) => Err(Reply::new(501, "5.1.3", error.to_string())),
            (Some(_), Err(_)) => Err(Reply::of(&Outcome::Refused(Refusal::NotOurs), path.as_str())),
        }
    }

    fn take(&mut self, recipient: String, plan: Plan, outcome: Outcome) -> Reply {
        if outcome != Outcome::Done {
            self.done.refused += 1;
            tracing::info!(
                event = "refused",
                proto = "lmtp",
                peer = self.call.peer(),
                rcpt = recipient,
                sender = self.transaction.as_ref().map(|transaction| transaction.from.path.as_str()),
                status = &*outcome.reply().status
            );
            return Reply::of(&outcome, &recipient);
        }
        let reply = Reply::new(250, "2.1.5", format!("<{recipient}> recipient ok"));
        if let Some(transaction) = &mut self.transaction {
            transaction.steps += plan.steps.len();
            transaction.plans.push(plan);
            transaction.recipients.push(recipient);
        }
        reply
    }
}

/// Reads what stands behind `RCPT`.
///
/// # Errors
/// It is not understood: the reply.
pub fn parse(text: &str, is_utf8: bool) -> Result<address::Path, Reply> {
    let path = after(text, "TO:").ok_or_else(|| Reply::syntax("expected RCPT TO:<address>"))?;
    let (path, rest) = address::Path::read(path).map_err(|error| Reply::new(501, "5.1.3", error.to_string()))?;
    match rest {
        _ if path.is_null() => Err(Reply::new(501, "5.1.3", "a message goes to somebody")),
        _ if !is_utf8 && !path.as_str().is_ascii() => Err(not_ascii()),
        "" => Ok(path),
        rest if rest.starts_with(' ') => Err(unknown_parameter()),
        _ => Err(Reply::syntax("expected RCPT TO:<address>")),
    }
}

/// Steps of the plans of a message: as many as two lists may have that are as large as lists get. Some ten megabytes.
const MOST_STEPS: usize = 40_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_a_path_and_nothing_else() {
        assert_eq!(parse("to: <@relay.org:joe+x@va.test>", false).unwrap().as_str(), "joe+x@va.test");
        assert_eq!(parse("TO:<jörg@va.test>", true).unwrap().local(), "jörg");
        let wrong = |text: &str| parse(text, false).map_err(|reply| (reply.code, reply.status.into_owned())).unwrap_err();
        assert_eq!(wrong("<joe@va.test>"), (501, "5.5.4".to_owned()));
        assert_eq!(wrong("TO:joe@va.test"), (501, "5.1.3".to_owned()));
        assert_eq!(wrong("TO:<>"), (501, "5.1.3".to_owned()));
        assert_eq!(wrong("TO:<joe@va.test> NOTIFY=NEVER"), (555, "5.5.4".to_owned()));
        assert_eq!(wrong("TO:<joe@va.test>x"), (501, "5.5.4".to_owned()));
        assert_eq!(wrong("TO:<jörg@va.test>"), (553, "5.6.7".to_owned()));
    }
}

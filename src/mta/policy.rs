//! Postfix's policy protocol (SMTPD_POLICY_README): what a recipient is told before the message comes.

use super::End;
use crate::address::Address;
use crate::deliver::{self, Outcome, Refusal};
use crate::house::House;
use crate::wire::{Line, Lost, Wire};

/// Answers requests until the client goes.
pub async fn serve(wire: &mut Wire, house: &House, requests: &mut u64) -> Result<End, Lost> {
    let mut request = Request::default();
    loop {
        let taken = match wire.line().await? {
            Line::Whole(line) => request.take(line),
            Line::TooLong => Taken::Malformed,
        };
        match taken {
            Taken::More => {}
            // Postfix says 451 then, as it does for every answer that it does not get.
            Taken::Malformed => return Ok(End::Refused),
            Taken::Whole => {
                let action = decide(&request, house).unwrap_or_else(|| "DUNNO".to_owned());
                wire.say(format!("action={action}\n\n").as_bytes());
                *requests += 1;
                request = Request::default();
                wire.flush_if_full().await?;
            }
        }
    }
}

/// What a request says, as far as it matters.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Request {
    recipient: String,
    sender: String,
    size: u64,
    lines: usize,
}

/// What a line made of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// There is more to come.
    More,
    /// It is whole.
    Whole,
    /// It is none.
    Malformed,
}

impl Request {
    /// Takes the next line, `name=value` or the empty one at the end. Names that nobody knows are for others.
    pub fn take(&mut self, line: &[u8]) -> Taken {
        self.lines += 1;
        if line.is_empty() {
            return if self.lines > 1 { Taken::Whole } else { Taken::Malformed };
        }
        let text = String::from_utf8_lossy(line);
        let Some((name, value)) = text.split_once('=').filter(|_| self.lines <= MOST_LINES) else { return Taken::Malformed };
        match name {
            "request" if value != "smtpd_access_policy" => return Taken::Malformed,
            "recipient" => self.recipient = value.to_owned(),
            "sender" => self.sender = value.to_owned(),
            // 0 where the client has not said it.
            "size" => self.size = value.parse().unwrap_or(0),
            _ => {}
        }
        Taken::More
    }
}

/// What Postfix is to do, where it is to do anything. After DATA it names a recipient only if there is but one.
fn decide(request: &Request, house: &House) -> Option<String> {
    let address: Address = request.recipient.parse().ok()?;
    let plan = deliver::plan(&*house.names, &house.maps, &address, &request.sender);
    let outcome = plan.outcome_with_room(request.size, &house.store);
    if matches!(outcome, Outcome::Done | Outcome::Refused(Refusal::NotOurs)) {
        return None;
    }
    let reply = outcome.reply();
    tracing::info!(event = "refused", proto = "policy", rcpt = request.recipient, sender = request.sender, status = &*reply.status);
    Some(format!("{} {} {}", reply.code, reply.status, reply.text))
}

/// Postfix sends some thirty.
const MOST_LINES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(lines: &[&str]) -> (Request, Taken) {
        let mut request = Request::default();
        let taken = lines.iter().map(|line| request.take(line.as_bytes())).last().unwrap();
        (request, taken)
    }

    #[test]
    fn a_request_ends_with_an_empty_line() {
        let (request, whole) = taken(&["request=smtpd_access_policy", "sender=a=b@x.org", "recipient=joe@va.test", "size=12", "new=x", ""]);
        let expected = Request { recipient: "joe@va.test".into(), sender: "a=b@x.org".into(), size: 12, lines: 6 };
        assert_eq!((request, whole), (expected, Taken::Whole));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        assert_eq!(taken(&[""]).1, Taken::Malformed);
        assert_eq!(taken(&["request=other"]).1, Taken::Malformed);
        assert_eq!(taken(&["EHLO x"]).1, Taken::Malformed);
        assert_eq!(taken(&["a=b"; MOST_LINES]).1, Taken::More);
        assert_eq!(taken(&["a=b"; MOST_LINES + 1]).1, Taken::Malformed);
        assert_eq!(taken(&["size=-1", "size=99999999999999999999", ""]).0.size, 0);
    }
}

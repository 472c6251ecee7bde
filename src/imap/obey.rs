//! Commands one after the other: heard, looked up in the table, done, and concluded with a tagged response.

use std::time::Duration;

use zeroize::Zeroizing;

use super::args::Args;
use super::frame::{self, Announced, Event, Head, Refused};
use super::reply::{self, Refusal, Reply};
use super::session::Session;
use super::table::{self, Order, Telling};
use crate::house::End;
use crate::wire::Lost;

/// What came from the client.
enum Heard {
    Command(Zeroizing<Vec<u8>>),
    /// The beginning of one, up to its message.
    Message(Vec<u8>, Announced),
    Refused(Vec<u8>, Refused),
}

impl Session<'_> {
    /// Until the client leaves, or has to.
    pub(super) async fn obey_all(&mut self) -> Result<End, Lost> {
        self.be_patient();
        loop {
            self.wire.flush_if_full().await?;
            let end = match self.hear().await? {
                Heard::Command(text) => self.obey(&text, None).await?,
                Heard::Message(text, announced) => self.obey(&text, Some(announced)).await?,
                Heard::Refused(text, why) => self.refuse_length(&text, why),
            };
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// How long the client may be silent now: strangers less than users (RFC 9051 §5.4).
    pub(super) fn be_patient(&mut self) {
        let idle = self.visit.house.machine.imap.idle.0;
        self.wire.be_patient(if self.user.is_some() { idle } else { idle.min(LOGIN_PATIENCE) });
    }

    /// The next command.
    async fn hear(&mut self) -> Result<Heard, Lost> {
        self.doing = "reading a command";
        loop {
            if self.user.is_none() && self.visit.began.elapsed() > LOGIN_PATIENCE {
                // Whoever only talks, octet by octet, does not keep others out for ever.
                return Err(Lost::Idle);
            }
            if self.framer.is_amid() {
                self.wire.rest().await?;
            } else {
                self.wire.more().await?;
            }
            let (used, event) = self.framer.feed(self.wire.unread());
            self.wire.used(used);
            match event {
                None => {}
                Some(Event::Asking) => self.say(&["+ OK"]),
                Some(Event::Command) => return Ok(Heard::Command(Zeroizing::new(self.framer.take()))),
                Some(Event::Message(announced)) => return Ok(Heard::Message(self.framer.take(), announced)),
                Some(Event::Refused(why)) => return Ok(Heard::Refused(self.framer.take(), why)),
            }
        }
    }

    /// Does what the client wants, and says how it went. A message that nobody has taken is not wanted.
    async fn obey(&mut self, text: &[u8], message: Option<Announced>) -> Result<Option<End>, Lost> {
        self.done.commands += 1;
        let outcome = match self.order(text, message) {
            Ok((row, order)) => self.carry_out(row, order).await,
            Err(refusal) => {
                if let Some(announced) = message {
                    self.framer.abandon(announced);
                }
                Err(refusal)
            }
        };
        self.conclude(frame::tag(text).unwrap_or("*"), outcome)
    }

    /// The command that `text` is, if it may be given now.
    fn order<'t>(&self, text: &'t [u8], message: Option<Announced>) -> Result<(&'static table::Row, Order<'t>), Refusal> {
        let head = Head::of(text)?;
        let mut args = Args::new(head.args, self.enabled.has_utf8_names());
        let is_uid = head.name.eq_ignore_ascii_case("UID");
        let name = if is_uid {
            args.space()?;
            args.word()?
        } else {
            head.name
        };
        let row = table::find(name, is_uid).filter(|row| self.offers(row.needs)).ok_or(Refusal::Bad("no such command"))?;
        row.check(self.user.is_some(), self.user.as_ref().is_some_and(|user| user.selected.is_some()))?;
        if message.is_some() && !row.takes_message {
            return Err(Refusal::Bad("no message belongs here"));
        }
        Ok((row, Order { tag: head.tag, args, is_uid, message }))
    }

    async fn carry_out(&mut self, row: &'static table::Row, order: Order<'_>) -> Result<Reply, Refusal> {
        self.doing = row.name;
        let outcome = match self.dispatch(row.command, order).await {
            Ok(Reply::Idling) => Box::pin(self.tell_news()).await,
            outcome => outcome,
        };
        let telling = match outcome {
            Ok(Reply::Ok(_)) | Err(Refusal::No(_) | Refusal::Trouble(_)) => row.news,
            Ok(Reply::Numbered(_)) => Telling::NoExpunge,
            _ => return outcome,
        };
        Box::pin(self.tell(telling)).await?;
        self.say_what_waits(telling);
        outcome
    }

    fn conclude(&mut self, tag: &str, outcome: Result<Reply, Refusal>) -> Result<Option<End>, Lost> {
        match outcome {
            Ok(Reply::Ok(text)) => self.say(&[tag, " OK ", &text]),
            Ok(Reply::Numbered(text)) => self.say(&[tag, " OK ", text]),
            Ok(Reply::Said | Reply::Idling) => {}
            Ok(Reply::Leave) => {
                self.say(&["* BYE goodbye"]);
                self.say(&[tag, " OK LOGOUT completed"]);
                return Ok(Some(End::Quit));
            }
            Err(Refusal::Bad(text)) => return Ok(self.refuse(tag, text)),
            Err(Refusal::No(text)) => self.say(&[tag, " NO ", &text]),
            Err(Refusal::Trouble(trouble)) => {
                if reply::is_worth_a_line(&trouble) {
                    let user = self.served.as_ref().map(ToString::to_string);
                    tracing::warn!(event = "store", proto = "imap", user, peer = %self.visit.call.peer, error = %trouble, doing = self.doing);
                }
                self.say(&[tag, " NO ", &reply::trouble(&trouble)]);
            }
            Err(Refusal::Bye(text)) => {
                self.say(&["* BYE ", text]);
                return Ok(Some(End::Refused));
            }
            Err(Refusal::Lost(lost)) => return Err(lost),
        }
        self.mistakes = 0;
        // RFC 9051 §11: guessing costs the connection.
        if self.user.is_none() && self.visit.has_tried_enough() {
            self.say(&["* BYE too many failed logins"]);
            return Ok(Some(End::Refused));
        }
        Ok(None)
    }

    fn refuse(&mut self, tag: &str, text: &str) -> Option<End> {
        self.say(&[tag, " BAD ", text]);
        self.mistakes += 1;
        if self.mistakes < MOST_MISTAKES {
            return None;
        }
        self.say(&["* BYE too many commands that are none"]);
        Some(End::Refused)
    }

    fn refuse_length(&mut self, text: &[u8], why: Refused) -> Option<End> {
        let tag = frame::tag(text).unwrap_or("*");
        match why {
            Refused::TooLong => self.refuse(tag, "[TOOBIG] command too long"),
            // RFC 7888 §4: better no connection than to read it all.
            Refused::Unasked => {
                self.say(&["* BYE [TOOBIG] literals above 4096 octets wait to be asked for"]);
                Some(End::Refused)
            }
        }
    }
}

/// No client makes so many mistakes one after the other; whatever does speaks something else.
const MOST_MISTAKES: u32 = 25;
/// So long may a login take, all in all.
const LOGIN_PATIENCE: Duration = Duration::from_secs(180);

//! All of a message is there: it is delivered, and each recipient has a reply (RFC 2033 §4.2).

use std::time::Instant;

use chrono::Local;

use super::id;
use super::reply::Reply;
use super::session::{Session, Transaction};
use super::text::{Fault, Text};
use super::trace::Trace;
use crate::deliver::{Carried, Fate, Mail};
use crate::store::Letter;
use crate::wire::Lost;

impl Session<'_> {
    /// Ends the transaction.
    pub(super) async fn deliver(&mut self, text: Text) -> Result<(), Lost> {
        let Some(transaction) = self.transaction.take() else { return Ok(()) };
        self.doing = "delivering";
        let (id, len, began) = (id::new(), text.len(), Instant::now());
        let received = text.finish().and_then(|letter| self.mail_of(&transaction, letter, &id));
        let mail = match received {
            Ok(mail) => mail,
            Err(fault) => {
                self.nobody_gets(&transaction, &fault, &id, len);
                self.give_up();
                return Ok(());
            }
        };
        let carrier = self.house.carrier.clone();
        let carried = Box::pin(carrier.carry(&transaction.plans, &mail)).await;
        self.tell(&transaction, &carried, &id, len, began);
        let heard = self.wire.flush().await;
        // Also where the client has gone. Meanwhile it sends no more mail: nobody can make us answer faster than the answers leave.
        self.doing = "answering automatically";
        Box::pin(carrier.answer(&transaction.plans, &mail, &carried)).await;
        self.give_up();
        heard
    }

    fn mail_of(&self, transaction: &Transaction, letter: Letter, id: &str) -> Result<Mail, Fault> {
        let mail = Mail::new(letter, transaction.from.path.as_str()).map_err(Fault::Trouble)?;
        let trace = Trace {
            client: self.client.as_deref().unwrap_or("unknown"),
            peer: self.call.ends.map(|ends| ends.peer),
            host: &self.house.host,
            is_secure: self.wire.is_secure(),
            is_utf8: transaction.from.is_utf8,
            id,
            only: match &transaction.recipients[..] {
                [only] => Some(only),
                _ => None,
            },
            date: Local::now().fixed_offset(),
        };
        Ok(mail.with_trace(trace.field()))
    }

    fn nobody_gets(&mut self, transaction: &Transaction, fault: &Fault, id: &str, len: u64) {
        tracing::warn!(event = "not-received", proto = "lmtp", peer = self.call.peer(), id, sender = transaction.sender(), bytes = len, error = ?fault);
        transaction.recipients.iter().for_each(|recipient| self.reply(&fault.reply(recipient)));
        self.done.refused += transaction.recipients.len() as u64;
    }

    fn tell(&mut self, transaction: &Transaction, carried: &Carried, id: &str, len: u64, began: Instant) {
        let ms = began.elapsed().as_millis() as u64;
        self.done.messages += 1;
        for (recipient, outcome) in transaction.recipients.iter().zip(&carried.outcomes) {
            let reply = Reply::of(outcome, recipient);
            let (peer, sender, status) = (self.call.peer(), transaction.sender(), &*reply.status);
            tracing::info!(event = "delivery", proto = "lmtp", peer, id, sender, rcpt = recipient, bytes = len, ms, status);
            match outcome.fate() {
                Fate::Done => self.done.recipients += 1,
                Fate::Never | Fate::Later => self.done.refused += 1,
            }
            self.reply(&Reply { text: format!("{} {id}", reply.text).into(), ..reply });
        }
    }
}

//! FETCH and UID FETCH (RFC 9051 §6.4.5 and §6.4.9): what is asked for, what must be known for that, and the answers.
//!
//! [`item`] has what can be asked for, [`parse`] reads it, [`answer`] looks at the messages and [`facts`] says what needs no reading.
//! What needs it is a [`section`], which [`pour`] sends as it is read: a client that is slow costs a buffer, not a message.

mod answer;
mod contents;
mod facts;
mod fields;
mod item;
mod lines;
mod parse;
mod pour;
mod section;
#[cfg(test)]
mod tests;
mod vanished;

pub use pour::Bookmark;

use item::{Fact, Items};

use super::args::Bad;
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::set::Set;
use super::state::Selected;
use super::table::Order;
use super::view::View;
use crate::store::{AnyFolder, Trouble};
use crate::wire::{Lost, Wire};

/// A FETCH or UID FETCH, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    set: Set,
    items: Items,
    is_uid: bool,
    /// Only messages whose MODSEQ is higher (RFC 7162 §3.1.4.1).
    changed_since: Option<u64>,
    /// What has been expunged since then is told, too (RFC 7162 §3.2.6).
    vanished: bool,
}

/// The mailbox that is asked.
pub struct Mailbox<'s> {
    pub folder: &'s mut AnyFolder,
    pub view: &'s mut View,
    /// By EXAMINE: nothing becomes `\Seen`.
    pub is_read_only: bool,
    /// The client has enabled CONDSTORE: with changed flags comes their MODSEQ (RFC 7162 §3.2).
    pub tells_modseq: bool,
    /// One for each selected mailbox, kept between commands.
    pub bookmark: &'s mut Bookmark,
}

/// How a FETCH went; what was found has been said.
#[derive(Debug)]
pub enum Fetched {
    /// All of it was there.
    Done,
    /// Some messages that the client knows are gone, and it has not been told yet.
    Expunged,
    /// A part is encoded in a way that nobody knows (RFC 3516 §4.3).
    UnknownEncoding,
    /// The store could not give all of it; an administrator may want to know.
    Failed(Trouble),
    /// The numbers are of no messages. Nothing has been said.
    Bad(Bad),
}

impl Fetch {
    /// Whether MODSEQs are asked for, which enables CONDSTORE (RFC 7162 §3.1).
    pub fn enables_condstore(&self) -> bool {
        self.changed_since.is_some() || self.items.facts.contains(&Fact::ModSeq)
    }

    /// Says what is asked for, message by message. The folder is taken as it is: whoever calls refreshes it, and tells the news
    /// afterwards; expunges are never told here (RFC 9051 §7.5.1).
    ///
    /// # Errors
    /// The client is lost, or must be: a message was not what it was known to be after some of it had been sent.
    pub async fn answer(&self, mailbox: Mailbox<'_>, wire: &mut Wire) -> Result<Fetched, Lost> {
        let uids = match mailbox.view.resolve(&self.set, self.is_uid) {
            Ok(uids) => uids,
            Err(bad) => return Ok(Fetched::Bad(bad)),
        };
        if let Some(since) = self.changed_since.filter(|_| self.vanished) {
            vanished::tell(wire.output(), &self.set, mailbox.view.told(), since);
        }
        answer::answer(self, &uids, mailbox, wire).await
    }
}

impl Session<'_> {
    pub(super) async fn fetch(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        let fetch = Fetch::parse(&mut order.args, order.is_uid, self.enabled.qresync)?;
        // RFC 7162 §3.1: whoever uses it has enabled it.
        if fetch.enables_condstore() {
            self.enable_condstore();
        }
        let (tells_modseq, wire) = (self.enabled.condstore, &mut self.wire);
        let Some(selected) = self.user.as_mut().and_then(|user| user.selected.as_mut()) else {
            return Err(Refusal::Bad("select a mailbox first"));
        };
        let Selected { folder, view, is_read_only, bookmark, .. } = selected;
        let mailbox = Mailbox { folder, view, is_read_only: *is_read_only, tells_modseq, bookmark };
        fetch.answer(mailbox, wire).await?.conclude(order.is_uid)
    }
}

impl Fetched {
    /// What is said at the end.
    fn conclude(self, is_uid: bool) -> Result<Reply, Refusal> {
        match self {
            Fetched::Done => Reply::ok("FETCH completed"),
            // RFC 9051 §6.4.9: a UID that is no message's is no error.
            Fetched::Expunged if is_uid => Reply::ok("[EXPUNGEISSUED] FETCH completed; some of the messages are there no more"),
            // RFC 2180 §4.1.2, RFC 5530 §3.
            Fetched::Expunged => Err(Refusal::no("[EXPUNGEISSUED] some of the messages are there no more")),
            Fetched::UnknownEncoding => Err(Refusal::no("[UNKNOWN-CTE] nobody here knows how that part is encoded")),
            Fetched::Failed(trouble) => Err(Refusal::Trouble(trouble)),
            Fetched::Bad(bad) => Err(bad.into()),
        }
    }
}

//! Delivery into a user's mailbox.

use super::{Carrier, Mail, Mailbox, Outcome};
use crate::store::{Account, FolderName, Home, Incoming, Letter, Store, Trouble};

impl Mailbox {
    /// Puts `mail` into the INBOX, past the domain's filter; durable when it is [`Outcome::Done`]. Bounces of what becomes of it later go to
    /// `bounces_to`, or to the sender: [`Step::bounces_to`](super::Step::bounces_to). Of a bounce nobody hears (RFC 5321 §6.1).
    pub async fn deliver(&self, mail: &Mail, bounces_to: Option<&str>, by: &Carrier) -> Outcome {
        let owner = self.owner();
        if mail.was_delivered_to(&owner) {
            return Outcome::Circling;
        }
        let bounces_to = if mail.sender().is_empty() { "" } else { bounces_to.unwrap_or(mail.sender()) };
        let mail = match self.filtered(mail, bounces_to, by).await {
            Ok(mail) => mail,
            Err(outcome) => return outcome,
        };
        let outcome = self.append(&mail, bounces_to, by.store()).await.map_or_else(|trouble| self.outcome(&trouble), |()| Outcome::Done);
        if let Outcome::Done = outcome {
            tracing::info!(event = "delivered", user = %owner, sender = mail.sender());
        }
        outcome
    }

    async fn append(&self, mail: &Mail, bounces_to: &str, store: &Store) -> Result<(), Trouble> {
        let incoming = Incoming { sender: Some(bounces_to.to_owned()), ..Incoming::new(self.letter(mail, bounces_to, store).await?) };
        let home = store.home(Account::of(&self.domain, &self.user, &self.account));
        home.append(&FolderName::inbox(), &[incoming]).await.map(drop)
    }

    /// Large letters are written where waiting for the disk keeps nobody else waiting.
    async fn letter(&self, mail: &Mail, bounces_to: &str, store: &Store) -> Result<Letter, Trouble> {
        let owner = self.owner();
        if mail.is_small() {
            return mail.letter_for(&owner, bounces_to, store);
        }
        let (mail, bounces_to, store) = (mail.clone(), bounces_to.to_owned(), store.clone());
        let written = tokio::task::spawn_blocking(move || mail.letter_for(&owner, &bounces_to, &store)).await;
        written.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// What the sender hears of a trouble; the administrator hears the rest.
    fn outcome(&self, trouble: &Trouble) -> Outcome {
        tracing::warn!(event = "not-delivered", user = %self.owner(), error = %trouble);
        match trouble {
            Trouble::OverQuota(_) => self.full(),
            trouble => Outcome::of_trouble(trouble),
        }
    }
}

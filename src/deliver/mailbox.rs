//! Delivery into a user's mailbox.

use super::{Mail, Mailbox, Outcome};
use crate::store::{Account, FolderName, Home, Incoming, Letter, Store, Trouble};

impl Mailbox {
    /// Puts `mail` into the INBOX; durable when it is [`Outcome::Done`]. Bounces of what becomes of it later go to `bounces_to`, or to the
    /// sender: [`Step::bounces_to`](super::Step::bounces_to). Of a bounce nobody hears (RFC 5321 §6.1).
    pub async fn deliver(&self, mail: &Mail, bounces_to: Option<&str>, store: &Store) -> Outcome {
        let owner = self.owner();
        if mail.was_delivered_to(&owner) {
            return Outcome::Circling;
        }
        let outcome = self.append(mail, bounces_to, store).await.map_or_else(|trouble| self.outcome(&trouble), |()| Outcome::Done);
        if let Outcome::Done = outcome {
            tracing::info!(event = "delivered", user = %owner, sender = mail.sender());
        }
        outcome
    }

    async fn append(&self, mail: &Mail, bounces_to: Option<&str>, store: &Store) -> Result<(), Trouble> {
        let sender = if mail.sender().is_empty() { "" } else { bounces_to.unwrap_or(mail.sender()) };
        let incoming = Incoming { sender: Some(sender.to_owned()), ..Incoming::new(self.letter(mail, sender, store).await?) };
        let home = store.home(Account::of(&self.domain, &self.user, &self.account));
        home.append(&FolderName::inbox(), &[incoming]).await.map(drop)
    }

    /// Large letters are written where waiting for the disk keeps nobody else waiting.
    async fn letter(&self, mail: &Mail, sender: &str, store: &Store) -> Result<Letter, Trouble> {
        let owner = self.owner();
        if mail.is_small() {
            return mail.letter_for(&owner, sender, store);
        }
        let (mail, sender, store) = (mail.clone(), sender.to_owned(), store.clone());
        let written = tokio::task::spawn_blocking(move || mail.letter_for(&owner, &sender, &store)).await;
        written.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// What the sender hears of a trouble; the administrator hears the rest.
    fn outcome(&self, trouble: &Trouble) -> Outcome {
        tracing::warn!(event = "not-delivered", user = %self.owner(), error = %trouble);
        match trouble {
            Trouble::OverQuota(_) => self.full(),
            Trouble::Busy(_) | Trouble::Changed(_) | Trouble::Gone(_) => Outcome::Busy,
            Trouble::Full(_) => Outcome::DiskFull,
            // Mail is never lost to an error: what nobody foresaw is for later.
            Trouble::NotMailbox { .. } | Trouble::NoFolder | Trouble::Exists | Trouble::BadName(_) | Trouble::Io { .. } => Outcome::Broken,
        }
    }
}

//! The filter program of a domain, which messages pass on their way into mailboxes (behaviour.md §4.7).

use super::program::environment;
use super::{Carrier, Mail, Mailbox, Outcome, Refusal};
use crate::config::{CommandLine, Tokens};
use crate::os::Actor;
use crate::os::child::Job;

impl Mailbox {
    /// What the filter makes of `mail`; without one, `mail` itself.
    ///
    /// # Errors
    /// Why nothing is to be stored: [`Outcome::Dropped`] where that is the filter's wish.
    pub(super) async fn filtered(&self, mail: &Mail, bounces_to: &str, by: &Carrier) -> Result<Mail, Outcome> {
        match &self.domain.record.delivery.filter {
            None => Ok(mail.clone()),
            Some(filter) => self.pass(filter, mail, bounces_to, by).await,
        }
    }

    async fn pass(&self, filter: &CommandLine, mail: &Mail, bounces_to: &str, by: &Carrier) -> Result<Mail, Outcome> {
        let owner = self.owner().to_string();
        let domain = self.domain.name.as_str();
        let tokens = Tokens { addressed: domain, primary: domain, sender: mail.sender(), user: self.user.as_str() };
        let words = filter.words(&tokens).ok_or(Outcome::Refused(Refusal::Option))?;
        let environment = environment(&owner, &self.domain, mail.sender(), self.detail.as_deref());
        let input = by.input(&owner, super::mail::path(bounces_to), mail).await?;
        let mut draft = by.store().draft();
        let most = by.set.filtered_limit;
        let failed = |error: &str, complaint: &str| {
            tracing::warn!(event = "filter", user = owner, program = words[0], error, complaint);
            Outcome::Broken
        };
        let user = self.filter_user(by).map_err(|error| failed(&error, ""))?;
        let job = Job { words: &words, user, environment: &environment, input, deadline: by.set.deadline };
        let ended = job.run(|some| match draft.len() + some.len() as u64 > most {
            true => Err(std::io::ErrorKind::FileTooLarge.into()),
            false => draft.push(some).map_err(std::io::Error::other),
        });
        let ended = ended.await.map_err(|error| failed(&error.to_string(), ""))?;
        match ended.code {
            Some(0) if ended.is_whole && draft.is_empty() => {
                tracing::info!(event = "dropped", user = owner, program = words[0], sender = mail.sender());
                Err(Outcome::Dropped)
            }
            Some(0) if ended.is_whole => {
                let letter = draft.finish().map_err(|trouble| Outcome::of_trouble(&trouble))?;
                Mail::new(letter, mail.sender()).map_err(|trouble| Outcome::of_trouble(&trouble))
            }
            Some(0) => Err(failed("a child of its own still writes", &ended.complaint)),
            Some(code) => Err(failed(&format!("exit code {code}"), &ended.complaint)),
            None => Err(failed("it was killed", &ended.complaint)),
        }
    }

    /// The mailbox's owner; never root.
    fn filter_user(&self, by: &Carrier) -> Result<(u32, u32), String> {
        match self.domain.actor(&self.account) {
            Actor::User { uid, gid } => Ok((uid, gid)),
            Actor::Service if rustix::process::geteuid().is_root() => by.program_user(),
            Actor::Service => Ok((rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())),
        }
    }
}

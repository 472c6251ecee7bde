//! Programs that get mail: of aliases and fallbacks (behaviour.md §4.5, §11).

use std::fs::File;

use nix::unistd::User;

use super::errand::Errand;
use super::{Carrier, Command, Mail, Outcome, Refusal};
use crate::os::child::{Ended, Job};
use crate::vdomain::VirtualDomain;

impl Carrier {
    /// Gives `mail` to a program, with a From_ line as sendmail's and Postfix's programs expect one. A fallback's words are its arguments;
    /// what an administrator wrote behind the bar of an alias is for the shell, as with any MTA: nothing in it comes from mail.
    pub(super) async fn run_program(&self, command: &Command, domain: &VirtualDomain, errand: &Errand<'_>, mail: &Mail) -> Outcome {
        let words = match command {
            Command::Words(words) => words.clone(),
            Command::Line(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
        };
        let input = match self.input(errand.asked(), errand.postmark(mail), mail).await {
            Ok(input) => input,
            Err(outcome) => return outcome,
        };
        let environment = environment(errand.asked(), domain, mail.sender(), None);
        let ended = match self.program_user() {
            Ok(user) => {
                let job = Job { words: &words, user, environment: &environment, input, deadline: self.set.deadline };
                job.run(|_| Ok(())).await.map_err(|error| error.to_string())
            }
            Err(error) => Err(error),
        };
        match ended {
            Ok(ended) => reported(command, errand.asked(), &ended),
            Err(error) => {
                tracing::warn!(event = "program", command = %command, to = errand.asked(), error);
                Outcome::Broken
            }
        }
    }

    /// Who runs programs: the administrator's choice, or the service; never root.
    pub(super) fn program_user(&self) -> Result<(u32, u32), String> {
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let name = &self.set.program_user;
        match User::from_name(name).map_err(|error| error.to_string())? {
            Some(user) if user.uid.is_root() => Err("no program is run as root".into()),
            Some(user) => Ok((user.uid.as_raw(), user.gid.as_raw())),
            None if self.set.is_user_chosen || own.0 == 0 => Err(format!("there is no user {name}: set delivery.program_user")),
            None => Ok(own),
        }
    }

    /// What a program reads that gets `mail` on behalf of the address `by`, below the lines `above`.
    pub(super) async fn input(&self, by: &str, above: String, mail: &Mail) -> Result<File, Outcome> {
        let (address, letter, store) = (by.to_owned(), mail.clone(), self.store().clone());
        let made = tokio::task::spawn_blocking(move || letter.file_for(&address, &above, &store)).await;
        made.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())).map_err(|trouble| {
            tracing::warn!(event = "not-delivered", to = by, error = %trouble);
            Outcome::of_trouble(&trouble)
        })
    }
}

/// What an exit code means; the administrator hears what a sender must not.
fn reported(command: &Command, to: &str, Ended { code, complaint, .. }: &Ended) -> Outcome {
    let outcome = judged(*code);
    match outcome {
        Outcome::Done => tracing::info!(event = "program", command = %command, to),
        _ => tracing::warn!(event = "program", command = %command, to, ?code, complaint),
    }
    outcome
}

/// sysexits.h, as sendmail takes it (behaviour.md §4.2). What says nothing of the message is no reason to bounce it: 78 and a missing
/// program are an administrator's mistakes, and a signal is nobody's wish.
fn judged(code: Option<i32>) -> Outcome {
    match code {
        Some(0) => Outcome::Done,
        Some(67) => Outcome::Refused(Refusal::Nobody),
        Some(64..=66 | 68..=70 | 72 | 73 | 76 | 77) => Outcome::Declined,
        _ => Outcome::Broken,
    }
}

/// The environment of a program: who wrote to whom. What a shell might make something of is `_`, for these are strangers' words.
pub(super) fn environment(to: &str, domain: &VirtualDomain, sender: &str, detail: Option<&str>) -> Vec<(&'static str, String)> {
    let local = to.rsplit_once('@').map_or(to, |(local, _)| local);
    let mut set = vec![
        ("SENDER", harmless(sender)),
        ("RECIPIENT", harmless(to)),
        ("LOCAL", harmless(local)),
        ("DOMAIN", domain.name.to_string()),
        ("HOME", "/".to_owned()),
        ("SHELL", "/bin/sh".to_owned()),
    ];
    set.extend(detail.map(|detail| ("EXTENSION", harmless(detail))));
    set
}

fn harmless(text: &str) -> String {
    text.chars().map(|letter| if letter.is_alphanumeric() || "!@%-_=+:,./".contains(letter) { letter } else { '_' }).collect()
}

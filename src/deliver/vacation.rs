//! The vacation notice of a user (behaviour.md §4.9, §15.3).

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, FixedOffset, NaiveDate};

use super::addressed::Own;
use super::answer::{self, Letterhead};
use super::automatic::{Answer, Silence, answerable};
use super::memory::Memory;
use super::{Found, Leaf, Mail, Mailbox, Outcome, Plan, Submission, field};
use crate::address::Address;
use crate::os::Actor;

/// Answers `mail`, which step `at` of `plan` has brought into a mailbox, where its user has switched that on: each sender once in seven
/// days. The answer has no envelope sender. An answer that cannot be sent is told to the administrator; the mail is in its mailbox.
///
/// # Errors
/// Why there is no answer.
pub async fn vacation(plan: &Plan, at: usize, mail: &Mail, by: &Submission, now: DateTime<FixedOffset>) -> Result<(), Silence> {
    let Some(Found::Leaf(Leaf::Mailbox(mailbox))) = plan.steps.get(at).map(|step| &step.found) else { return Err(Silence::Off) };
    let own = Own::of(plan, at, mailbox);
    let to = answerable(mail, &own.texts(), Answer::Vacation)?;
    if !own.are_named_in(mail) {
        return Err(Silence::NotNamed);
    }
    let (Ok(from), owner) = (Address::new(mailbox.user.as_str(), mailbox.domain.name.clone()), mailbox.owner()) else {
        return Err(Silence::Off);
    };
    let (places, sender) = (Place::all(mailbox), to.to_string());
    let due = tokio::task::spawn_blocking(move || Place::due(&places, &sender, now)).await;
    let text = due.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())).unwrap_or_else(|error| {
        tracing::warn!(event = "no-vacation", user = %owner, %error);
        Err(Silence::Off)
    })?;
    let id = format!("<{:x}.{:x}@{}>", now.timestamp_micros(), getrandom::u64().unwrap_or_default(), mailbox.domain.name);
    let head = Letterhead { from: &from, to: &to, submitted: "auto-replied (vacation)", date: now, id: &id };
    if by.submit("", &to.to_string(), &answer::compose(&text, &head, mail)).await == Outcome::Done {
        tracing::info!(event = "vacation", user = %mailbox.owner(), to = %to);
    }
    Ok(())
}

/// Where a user's notice may be.
struct Place {
    text: PathBuf,
    index: PathBuf,
    actor: Actor,
}

impl Place {
    /// The administrator's place, which wins, and the user's own (behaviour.md §19).
    fn all(mailbox: &Mailbox) -> [Place; 2] {
        let (domain, home) = (&mailbox.domain, mailbox.domain.home(&mailbox.account));
        let given = domain.vacation(&mailbox.user);
        let index = given.with_added_extension("db");
        [
            Place { text: given, index, actor: Actor::Service },
            Place { text: home.join(".vacation"), index: home.join(".vacation.db"), actor: domain.actor(&mailbox.account) },
        ]
    }

    /// The text for `sender`, who is then on record.
    fn due(places: &[Place], sender: &str, now: DateTime<FixedOffset>) -> io::Result<Result<Vec<u8>, Silence>> {
        for place in places {
            let found = place.actor.run(|| {
                let Some(mut memory) = Memory::open(&place.index)? else { return Ok(None) };
                let Some(text) = written(&place.text)? else { return Ok(Some(Err(Silence::Off))) };
                if !is_time(&text, now.date_naive()) {
                    return Ok(Some(Err(Silence::Off)));
                }
                let first = memory.is_first(sender, now.timestamp(), PERIOD)?;
                Ok(Some(if first { Ok(text) } else { Err(Silence::Answered) }))
            })?;
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Ok(Err(Silence::Off))
    }
}

/// The text, which is a message with its header; `None` where there is none: then there is nothing to send (behaviour.md §4.9).
fn written(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
    }
    let mut text = Vec::new();
    file.take(MOST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MOST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(Some(text)) }
}

/// Whether `today` is between the days that the text's `X-Vacation-Begin` and `X-Vacation-End` name as 2026-12-24, both included. A day
/// that cannot be read is never.
fn is_time(text: &[u8], today: NaiveDate) -> bool {
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n");
    let day = |name: &str| {
        let field = field::fields(text.as_bytes()).find(|field| field.is(name))?;
        Some(std::str::from_utf8(field.value).ok().and_then(|day| day.parse::<NaiveDate>().ok()))
    };
    day("X-Vacation-Begin").is_none_or(|day| day.is_some_and(|day| day <= today))
        && day("X-Vacation-End").is_none_or(|day| day.is_some_and(|day| today <= day))
}

/// Seconds for which a sender is not answered again (RFC 3834 §2).
const PERIOD: i64 = 7 * 24 * 60 * 60;
/// Octets.
const MOST: u64 = 1 << 20;

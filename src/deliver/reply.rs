//! The auto-responder: everybody who writes to a name gets the text of `NAME.auto` (behaviour.md §4.8).

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chrono::{DateTime, FixedOffset};

use super::answer::{self, Letterhead};
use super::automatic::{Answer, Silence, answerable};
use super::{Leaf, Mail, Outcome, Plan, Submission};
use crate::address::Address;

/// Answers `mail` where step `at` of `plan` is a [`Leaf::Reply`]. The answer has no envelope sender, so that nothing can come back.
///
/// An answer that cannot be sent is told to the administrator, and is no reason to deliver the message again: others have it already.
pub async fn auto_reply(plan: &Plan, at: usize, mail: &Mail, by: &Submission, now: DateTime<FixedOffset>) -> Result<Outcome, Silence> {
    let Some(super::Found::Leaf(Leaf::Reply { domain, name, text })) = plan.steps.get(at).map(|step| &step.found) else {
        return Ok(Outcome::Done);
    };
    let own: Vec<String> = plan.above(at).map(|step| step.subject.clone()).collect();
    let to = answerable(mail, &own, Answer::AutoReply)?;
    let sent = match (Address::new(name.as_str(), domain.name.clone()), written(text)) {
        (Ok(from), Ok(text)) => {
            let id = format!("<{:x}.{:x}@{}>", now.timestamp_micros(), getrandom::u64().unwrap_or_default(), domain.name);
            let head = Letterhead { from: &from, to: &to, submitted: "auto-replied", date: now, id: &id };
            by.submit("", &to.to_string(), &answer::compose(&text, &head, mail)).await
        }
        (_, Err(error)) => {
            tracing::warn!(event = "no-auto-reply", path = %text.display(), %error);
            Outcome::Broken
        }
        (Err(_), _) => Outcome::Broken,
    };
    if sent == Outcome::Done {
        tracing::info!(event = "auto-reply", user = %format_args!("{name}@{}", domain.name), to = %to);
    }
    Ok(Outcome::Done)
}

fn written(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
    }
    let mut text = Vec::new();
    file.take(MOST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MOST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// Octets: more than anybody wants to be sent by a machine.
const MOST: u64 = 1 << 20;

//! What we say: the one place where troubles turn into the words of IMAP (RFC 9051 §7.1, RFC 5530).

use std::borrow::Cow;

use super::args::Bad;
use super::out::Out;
use super::session::Session;
use crate::login::Denied;
use crate::store::Trouble;
use crate::store::name::BadName;
use crate::wire::Lost;

/// How a command went well.
pub(super) enum Reply {
    /// Tagged OK, with this text; a response code stands at its beginning.
    Ok(Cow<'static, str>),
    /// The same, where sequence numbers were in a command that has UIDs else: no expunge is told with it (RFC 7162 §3.2.10.2).
    Numbered(&'static str),
    /// All has been said.
    Said,
    /// What else there is to say is said while the client idles.
    Idling,
    /// The client leaves.
    Leave,
}

impl Reply {
    /// Tagged OK, with this text.
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Result<Reply, Refusal> {
        Ok(Reply::Ok(text.into()))
    }

    /// Tagged OK of a search.
    pub fn found(text: &'static str, has_numbers: bool) -> Result<Reply, Refusal> {
        if has_numbers { Ok(Reply::Numbered(text)) } else { Reply::ok(text) }
    }
}

/// Why a command was not done.
pub(super) enum Refusal {
    /// Tagged BAD: it was no such command.
    Bad(&'static str),
    /// Tagged NO; a response code stands at its beginning.
    No(Cow<'static, str>),
    /// The store could not do it.
    Trouble(Trouble),
    /// The session ends here, with BYE.
    Bye(&'static str),
    /// The client is gone.
    Lost(Lost),
}

impl Refusal {
    /// Tagged NO.
    pub fn no(text: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal::No(text.into())
    }

    /// What is said of a folder that a message was to go to: the client may make it (RFC 9051 §6.3.12).
    pub fn of_target(trouble: Trouble) -> Refusal {
        match trouble {
            Trouble::NoFolder => Refusal::no("[TRYCREATE] there is no such mailbox"),
            trouble => Refusal::Trouble(trouble),
        }
    }
}

impl From<Bad> for Refusal {
    fn from(bad: Bad) -> Refusal {
        Refusal::Bad(bad.0)
    }
}

impl From<BadName> for Refusal {
    fn from(bad: BadName) -> Refusal {
        Refusal::Trouble(Trouble::BadName(bad))
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Refusal {
        Refusal::Trouble(trouble)
    }
}

impl From<Lost> for Refusal {
    fn from(lost: Lost) -> Refusal {
        Refusal::Lost(lost)
    }
}

impl Session<'_> {
    /// The end of the output buffer.
    pub(super) fn out(&mut self) -> Out<'_> {
        Out::new(self.wire.output())
    }

    /// A line.
    pub(super) fn say(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.wire.say(part.as_bytes()));
        self.wire.say(b"\r\n");
    }
}

/// What a client is told whose login failed.
pub(super) fn denial(told: Denied) -> &'static str {
    match told {
        Denied::Credentials => "[AUTHENTICATIONFAILED] invalid user name or password",
        Denied::NoDomain => "[AUTHENTICATIONFAILED] this address serves many domains: log in as user@domain",
        Denied::Locked => "[CONTACTADMIN] mail of this domain can't be read now; ask its administrator",
        Denied::NeedsTls => "[PRIVACYREQUIRED] a password needs TLS here: use STARTTLS first, or the port for TLS",
        Denied::Trouble => "[UNAVAILABLE] can't check passwords now, please try later",
    }
}

/// What a client is told. Paths, and whose limit it is beside the user's, are for the log alone.
pub(super) fn trouble(trouble: &Trouble) -> Cow<'static, str> {
    Cow::Borrowed(match trouble {
        Trouble::Busy(_) => "[INUSE] the mailbox is in use by another program, please try later",
        Trouble::Full(_) => "[UNAVAILABLE] no space on the server for this change; nothing was changed",
        Trouble::Gone(_) => "[EXPUNGEISSUED] some of the messages are there no more",
        Trouble::Changed(_) => "[UNAVAILABLE] the mailbox was changed by another program, please try again",
        Trouble::NotMailbox { .. } => "[CONTACTADMIN] the mailbox can't be read; the administrator has to look",
        Trouble::OverQuota(_) => "[OVERQUOTA] the mailbox is full",
        Trouble::NoFolder => "[NONEXISTENT] there is no such mailbox",
        Trouble::Exists => "[ALREADYEXISTS] there is a mailbox of that name",
        Trouble::BadName(bad) => return Cow::Owned(format!("[CANNOT] {}", printable(&bad.to_string()))),
        Trouble::Io { .. } => "[UNAVAILABLE] the mailbox can't be read or written now, please try later",
    })
}

/// Texts of responses are printable ASCII.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if matches!(letter, ' '..='~') { letter } else { '?' }).collect()
}

/// Whether an administrator may have to act.
pub(super) fn is_worth_a_line(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Busy(_) | Trouble::Full(_) | Trouble::Changed(_) | Trouble::NotMailbox { .. } | Trouble::Io { .. })
}

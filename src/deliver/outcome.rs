//! What became of a message for one recipient, and how that is said: the one table of replies and exit codes (behaviour.md §4.2).

use std::borrow::Cow;

use super::{Found, Plan, Refusal, Verdict};
use crate::maps::Told;
use crate::store::Trouble;

/// What became of a message for one recipient or one leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is where it belongs, durably.
    Done,
    /// A filter wants it to be forgotten.
    Dropped,
    /// The plan leads to nobody.
    Refused(Refusal),
    /// It has been in this mailbox before.
    Circling,
    /// It has come through too many servers to be sent on.
    TooFar,
    /// It is larger than the machine takes.
    TooLarge,
    /// A program does not want it.
    Declined,
    /// The next server does not want it.
    NotForwarded,
    /// A quota stands against it, and the domain refuses such mail.
    MailboxFull,
    /// A quota stands against it, and the domain lets such mail wait.
    MailboxFullNow,
    /// Some of a list get it, and this member cannot be made out.
    BadMember,
    /// Another program has the mailbox.
    Busy,
    /// There is no room on the disk.
    DiskFull,
    /// A file of the administrator's has to be mended first.
    Unclear,
    /// The plan has too many addresses.
    TooMany,
    /// The system failed.
    Broken,
}

/// Whether a message has to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is delivered.
    Done,
    /// It will never be.
    Never,
    /// It may be later.
    Later,
}

/// How an outcome is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The reply code of LMTP (RFC 5321 §4.2.3).
    pub code: u16,
    /// The enhanced status code (RFC 3463).
    pub status: Cow<'static, str>,
    /// The exit code of sysexits.h.
    pub exit: u8,
    /// For people; a sender may read it, so it is polite and has no paths (behaviour.md §18 trap 46).
    pub text: Cow<'static, str>,
}

impl Reply {
    /// What a line of virtusertable says, and the exit code that comes nearest.
    pub(super) fn of_map(told: Told) -> Reply {
        let exit = match told.status.split_once('.') {
            _ if told.code < 500 => 75,
            Some((_, "1.1" | "1.6")) => 67,
            Some((_, "1.2")) => 68,
            _ => 69,
        };
        Reply { code: told.code, status: told.status.into(), exit, text: told.text.into() }
    }
}

impl Outcome {
    /// How it is said. Exit codes for what may come later are 75 throughout: 78 would bounce mail for a mistake of the administrator's
    /// (behaviour.md §18 trap 45).
    pub fn reply(&self) -> Reply {
        let (code, status, exit, text) = match self {
            Outcome::Done => (250, "2.0.0", 0, "delivered"),
            Outcome::Dropped => (250, "2.0.0", 0, "accepted"),
            Outcome::Refused(Refusal::NotOurs) => (550, "5.1.2", 68, "this domain is not served here"),
            Outcome::Refused(Refusal::Rejected) => (550, "5.2.1", 69, "this domain accepts no mail"),
            Outcome::Refused(Refusal::Nobody) => (550, "5.1.1", 67, "there is no such user here"),
            Outcome::Refused(Refusal::Ambiguous) => (550, "5.1.4", 67, "several users here have that name"),
            Outcome::Refused(Refusal::Loop) => (554, "5.4.6", 70, "the address leads back to itself"),
            Outcome::Refused(Refusal::Option) => (553, "5.1.3", 67, "this name or this sender is not accepted here"),
            Outcome::Refused(Refusal::Told(reply)) => return (**reply).clone(),
            Outcome::Circling => (554, "5.4.6", 70, "the message has been here before"),
            Outcome::TooFar => (554, "5.4.6", 70, "the message has come through too many servers"),
            Outcome::TooLarge => (552, "5.3.4", 69, "the message is too large"),
            Outcome::Declined => (554, "5.3.0", 69, "the message is not accepted here"),
            Outcome::NotForwarded => (554, "5.0.0", 69, "the message is not accepted where it would be sent on to"),
            Outcome::MailboxFull => (552, "5.2.2", 73, "the mailbox is full"),
            Outcome::MailboxFullNow => (452, "4.2.2", 75, "the mailbox is full"),
            Outcome::BadMember => (554, "5.2.4", 70, "a member of this list cannot be reached"),
            Outcome::Busy => (450, "4.2.0", 75, "the mailbox is in use, try again later"),
            Outcome::DiskFull => (452, "4.3.1", 75, "there is no room at the moment, try again later"),
            Outcome::Unclear => (451, "4.3.5", 75, "this address is being mended, try again later"),
            Outcome::TooMany => (451, "4.2.4", 75, "this list is too large, its owner has to mend it"),
            Outcome::Broken => (451, "4.3.0", 75, "something went wrong here, try again later"),
        };
        Reply { code, status: status.into(), exit, text: text.into() }
    }

    /// What a trouble of the store means for mail that is on its way.
    pub(super) fn of_trouble(trouble: &Trouble) -> Outcome {
        match trouble {
            Trouble::Busy(_) | Trouble::Changed(_) | Trouble::Gone(_) => Outcome::Busy,
            Trouble::Full(_) => Outcome::DiskFull,
            // Mail is never lost to an error: what nobody foresaw is for later.
            Trouble::OverQuota(_) => Outcome::MailboxFullNow,
            Trouble::NotMailbox { .. } | Trouble::NoFolder | Trouble::Exists | Trouble::BadName(_) | Trouble::Io { .. } => Outcome::Broken,
        }
    }

    /// Whether the message has to come again.
    pub fn fate(&self) -> Fate {
        match self.reply().code {
            ..400 => Fate::Done,
            400..500 => Fate::Later,
            _ => Fate::Never,
        }
    }

    /// What becomes of a message for the recipient of `plan`, after its `leaves` have had theirs: later, if that holds for one of them, for
    /// then the whole message has to come again; else never, so that the sender hears of the members of a list that did not get it.
    pub fn of_recipient(plan: &Plan, leaves: impl IntoIterator<Item = Outcome>) -> Outcome {
        let before = plan.outcome();
        if before != Outcome::Done {
            return before;
        }
        let all = leaves.into_iter().chain(plan.missed());
        // Of those that are as bad, the first.
        all.reduce(|worst, other| if other.fate() > worst.fate() { other } else { worst }).unwrap_or(Outcome::Broken)
    }
}

impl Plan {
    /// What the plan means before anything is delivered: the answer to RCPT. [`Outcome::Done`]: go on.
    pub fn outcome(&self) -> Outcome {
        match self.verdict() {
            Verdict::Deliver => Outcome::Done,
            Verdict::Later(_) if self.steps.iter().any(|step| matches!(step.found, Found::TooMuch)) => Outcome::TooMany,
            Verdict::Later(_) => Outcome::Unclear,
            Verdict::NotNow(refusal) | Verdict::Never(refusal) => Outcome::Refused(refusal.clone()),
        }
    }

    /// What becomes of those members of a list who are no leaves.
    fn missed(&self) -> impl Iterator<Item = Outcome> {
        self.steps.iter().filter_map(|step| match &step.found {
            // The others have it: the whole message must not come again for the sake of one whom it may never reach.
            Found::Refused(refusal) if refusal.may_pass() => Some(Outcome::BadMember),
            Found::Refused(refusal) => Some(Outcome::Refused(refusal.clone())),
            Found::Waits(_) => Some(Outcome::BadMember),
            _ => None,
        })
    }
}

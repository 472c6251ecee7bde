//! A plan: who gets the mail for one address, and how that was found.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::{Leaf, Outcome, Reply};
use crate::vdomain::VirtualDomain;

/// Who gets the mail for one address, and how that was found.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The address asked for, then everything that came of it: each step directly before those that it led to.
    pub steps: Vec<Step>,
}

/// One thing that was looked at.
#[derive(Debug, Clone)]
pub struct Step {
    /// An address, or a target as an alias file has it.
    pub subject: String,
    /// The step that led here; `None` for the address asked for.
    pub parent: Option<usize>,
    /// How many steps led here.
    pub depth: usize,
    /// Where the subject is written; `None` for the address asked for.
    pub place: Option<Place>,
    /// Who hears of bounces instead of the sender, because the mail is a list's: the `owner-` rule of behaviour.md §11.
    pub bounces_to: Option<String>,
    /// What came of it.
    pub found: Found,
}

/// Where something is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// The line, counted from 1; `None` where the file is no list of lines.
    pub line: Option<usize>,
    /// The name or the setting by which it was found.
    pub key: Arc<str>,
}

impl Place {
    /// A setting of a domain's record.
    pub(super) fn setting(domain: &VirtualDomain, key: &str) -> Place {
        Place { file: domain.record_path().into(), line: None, key: key.into() }
    }
}

/// What came of a step.
#[derive(Debug, Clone)]
pub enum Found {
    /// It leads on: the steps that have it as their parent.
    Leads(Way),
    /// It gets the message.
    Leaf(Leaf),
    /// It is in the plan already: nobody gets a message twice.
    Double,
    /// Nobody gets a message by this step.
    Refused(Refusal),
    /// Nobody can tell who gets it before an administrator has mended this.
    Waits(String),
    /// The plan has more steps than we care for. Nobody gets anything, so that nobody gets it again with each attempt.
    TooMuch,
}

/// How a step leads on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The domain is another name of one of ours.
    DomainAlias,
    /// A line of virtmaps or virtusertable.
    Map,
    /// An alias.
    Alias,
    /// A list in a file of its own.
    Include,
    /// The full name of a user.
    FullName,
    /// The domain's fallback.
    Fallback,
    /// The auto-responder gets it, and nobody else: that is a destination, too (behaviour.md §18 trap 35).
    ReplyAlone,
    /// postmaster and abuse of a domain that has none are the machine's (RFC 5321 §4.5.1, RFC 2142 §4).
    Postmaster,
}

/// Why somebody gets no mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The domain is none of ours.
    NotOurs,
    /// The domain takes no mail.
    Rejected,
    /// There is nobody of that name.
    Nobody,
    /// Several users have that full name.
    Ambiguous,
    /// It leads back to itself, and nobody on the way is a user.
    Loop,
    /// A program would take the name or the sender for an option.
    Option,
    /// A line of virtusertable says so, in these words; perhaps only for now.
    Told(Arc<Reply>),
}

impl Refusal {
    /// Whether it may be otherwise later.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Refusal::Told(reply) if reply.code < 500)
    }
}

/// What a plan as a whole means, before anything is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Somebody gets the message.
    Deliver,
    /// Nobody can tell now.
    Later(&'a str),
    /// Nobody does now.
    NotNow(&'a Refusal),
    /// Nobody does.
    Never(&'a Refusal),
}

impl Plan {
    /// Who gets the message, each once.
    pub fn leaves(&self) -> impl Iterator<Item = (&Step, &Leaf)> {
        self.steps.iter().filter_map(|step| match &step.found {
            Found::Leaf(leaf) => Some((step, leaf)),
            _ => None,
        })
    }

    /// The step `at` and those that led to it.
    pub fn above(&self, at: usize) -> impl Iterator<Item = &Step> {
        std::iter::successors(self.steps.get(at), |step| self.steps.get(step.parent?))
    }

    /// Whether `one` led to `other`, or is it.
    pub(super) fn is_above(&self, one: usize, other: usize) -> bool {
        std::iter::successors(Some(other), |&at| self.steps[at].parent).any(|at| at == one)
    }

    /// Whether anybody does. A list with a dead member is delivered to the others (behaviour.md §18 traps 67, 74).
    pub fn verdict(&self) -> Verdict<'_> {
        if self.steps.iter().any(|step| matches!(step.found, Found::TooMuch)) {
            return Verdict::Later("leads to too many addresses");
        }
        if self.leaves().next().is_some() {
            return Verdict::Deliver;
        }
        let waits = self.steps.iter().find_map(|step| match &step.found {
            Found::Waits(what) => Some(what),
            _ => None,
        });
        let refused = || {
            self.steps.iter().filter_map(|step| match &step.found {
                Found::Refused(refusal) => Some(refusal),
                _ => None,
            })
        };
        match (waits, refused().find(|refusal| refusal.may_pass())) {
            (Some(what), _) => Verdict::Later(what),
            (None, Some(refusal)) => Verdict::NotNow(refusal),
            (None, None) => Verdict::Never(refused().next().unwrap_or(&Refusal::Nobody)),
        }
    }
}

impl fmt::Display for Refusal {
    /// Polite and without paths: a sender may read it (behaviour.md §18 trap 46).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Told(reply) => write!(out, "{} {} {}", reply.code, reply.status, reply.text),
            refusal => out.write_str(&Outcome::Refused(refusal.clone()).reply().text),
        }
    }
}

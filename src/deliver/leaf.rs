//! Where a message ends: the leaves of a plan.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::address::{Owner, User};
use crate::vdomain::{Account, VirtualDomain};

/// Somebody or something that gets the message.
#[derive(Debug, Clone)]
pub enum Leaf {
    /// A user's mail.
    Mailbox(Mailbox),
    /// Another server, or the main domain: by the local MTA.
    Forward {
        /// The address, the domain in lower case.
        to: String,
    },
    /// A program, which gets the message on standard input.
    Program {
        /// Whose alias or fallback says so.
        domain: Arc<VirtualDomain>,
        /// What is run.
        command: Command,
    },
    /// A file, to which the message is appended.
    File {
        /// Whose alias says so.
        domain: Arc<VirtualDomain>,
        /// The file.
        path: PathBuf,
    },
    /// An automatic reply to the sender, beside what else happens (behaviour.md §4.8).
    Reply {
        /// Whose it is.
        domain: Arc<VirtualDomain>,
        /// The name that was written to.
        name: User,
        /// The message, with its header.
        text: PathBuf,
    },
}

/// A user's mail.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// The domain.
    pub domain: Arc<VirtualDomain>,
    /// The user.
    pub user: User,
    /// The user's line in passwd.
    pub account: Account,
    /// What stood behind the `+`, for filters.
    pub detail: Option<String>,
}

impl Mailbox {
    /// Whose it is.
    pub fn owner(&self) -> Owner {
        Owner::new(self.domain.name.clone(), self.user.clone())
    }
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// What an administrator wrote behind the bar of an alias; nothing in it comes from mail.
    Line(String),
    /// A fallback's program and its arguments, which hold words of the mail: never for a shell.
    Words(Vec<String>),
}

impl fmt::Display for Leaf {
    /// Two leaves with the same text get one copy of a message (behaviour.md §11).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leaf::Mailbox(mailbox) => write!(out, "mailbox {}", mailbox.owner()),
            Leaf::Forward { to } => write!(out, "forward to {to}"),
            Leaf::Program { domain, command } => write!(out, "program {command} of {}", domain.name),
            Leaf::File { domain, path } => write!(out, "file {} of {}", path.display(), domain.name),
            Leaf::Reply { text, .. } => write!(out, "automatic reply {}", text.display()),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Line(line) => write!(out, "|{line}"),
            Command::Words(words) => write!(out, "|{words:?}"),
        }
    }
}

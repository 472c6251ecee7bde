//! What we say: replies of one line with the status codes of RFC 2034.

use std::borrow::Cow;
use std::fmt;

use crate::deliver::Outcome;

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// RFC 5321 §4.2.
    pub code: u16,
    /// RFC 3463; empty where RFC 2034 §4 wants none.
    pub status: Cow<'static, str>,
    /// For people.
    pub text: Cow<'static, str>,
}

impl Reply {
    /// A reply.
    pub fn new(code: u16, status: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Reply {
        Reply { code, status: status.into(), text: text.into() }
    }

    /// What became of a message for `recipient`, or becomes of `recipient`.
    pub fn of(outcome: &Outcome, recipient: &str) -> Reply {
        let reply = outcome.reply();
        Reply::new(reply.code, reply.status, format!("<{recipient}> {}", reply.text))
    }

    /// The message is larger than `limit` octets.
    pub fn too_big(limit: u64) -> Reply {
        Reply::new(552, "5.3.4", format!("messages have at most {limit} octets here"))
    }

    /// A command at the wrong time.
    pub fn out_of_turn(text: &'static str) -> Reply {
        Reply::new(503, "5.5.1", text)
    }

    /// A command that can't be understood.
    pub fn syntax(text: impl Into<Cow<'static, str>>) -> Reply {
        Reply::new(501, "5.5.4", text)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.status {
            "" => write!(out, "{} {}\r\n", self.code, self.text),
            status => write!(out, "{} {status} {}\r\n", self.code, self.text),
        }
    }
}

//! What we say: the one place where troubles turn into the words of POP3.

use super::command::BadCommand;
use super::session::Session;
use crate::login::Denied;
use crate::store::Trouble;

impl Session<'_> {
    /// `+OK text`.
    pub(super) fn ok(&mut self, text: &str) {
        self.say(&["+OK ", text, "\r\n"]);
    }

    /// `-ERR text`; a response code of RFC 2449 §8 or RFC 3206 stands at its beginning.
    pub(super) fn err(&mut self, text: &str) {
        self.say(&["-ERR ", text, "\r\n"]);
    }

    /// One line of a reply of many. Such a line never begins with a dot here.
    pub(super) fn line(&mut self, text: &str) {
        self.say(&[text, "\r\n"]);
    }

    /// The end of a reply of many lines.
    pub(super) fn end_of_lines(&mut self) {
        self.say(&[".\r\n"]);
    }

    /// `+OK first second`, for the numbers of which most replies consist.
    pub(super) fn ok_numbers(&mut self, first: u64, second: u64) {
        let (mut one, mut two) = (itoa::Buffer::new(), itoa::Buffer::new());
        self.say(&["+OK ", one.format(first), " ", two.format(second), "\r\n"]);
    }

    /// A line of two numbers.
    pub(super) fn line_numbers(&mut self, first: u64, second: u64) {
        let (mut one, mut two) = (itoa::Buffer::new(), itoa::Buffer::new());
        self.say(&[one.format(first), " ", two.format(second), "\r\n"]);
    }

    pub(super) fn say(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.wire.say(part.as_bytes()));
    }

    /// A line that is no command. `legal` lists what is, as the ancestor did.
    pub(super) fn refuse_line(&mut self, bad: BadCommand, legal: &str) {
        match bad {
            BadCommand::Unknown => self.say(&["-ERR Invalid command; valid commands: ", legal, "\r\n"]),
            BadCommand::Usage(usage) => self.say(&["-ERR Invalid arguments; expected: ", usage, "\r\n"]),
            BadCommand::NotText => self.err("Invalid octets: names are UTF-8 text without NUL"),
            BadCommand::TooLong => self.err("Line too long"),
        }
    }
}

/// What a client is told whose login failed.
pub(super) fn denial(told: Denied) -> &'static str {
    match told {
        Denied::Credentials => "[AUTH] invalid usercode or password, please try again",
        Denied::NoDomain => "[AUTH] this address serves many domains: log in as user@domain",
        Denied::Locked => "[SYS/PERM] mail of this domain can't be retrieved now; ask its administrator",
        Denied::NeedsTls => "[AUTH] a password needs TLS here: use STLS first, or the port for TLS",
        Denied::Trouble => "[SYS/TEMP] can't check passwords now, please try later",
    }
}

/// What a client is told whose maildrop can't be opened, read or updated. Paths are for the log alone.
pub(super) fn trouble(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Busy(_) => "[IN-USE] the maildrop is in use by another session or program",
        Trouble::Full(_) => "[SYS/TEMP] no space on the server for this change; nothing was changed",
        Trouble::Gone(_) => "[SYS/TEMP] the message was removed by another program",
        Trouble::Changed(_) => "[SYS/TEMP] the maildrop was changed by another program, please log in again",
        Trouble::NotMailbox { .. } => "[SYS/PERM] the maildrop can't be read; the administrator has to look",
        Trouble::OverQuota(_) => "[SYS/PERM] the mailbox is full",
        Trouble::NoFolder | Trouble::Exists | Trouble::BadName(_) => "[SYS/TEMP] the maildrop has another form now, please log in again",
        Trouble::Io { .. } => "[SYS/TEMP] the maildrop can't be read now, please try later",
    }
}

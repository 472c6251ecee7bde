//! One client's session, from the greeting to the end.

use super::authorization::Authorised;
use super::maildrop::Maildrop;
use crate::VERSION;
use crate::address::Owner;
use crate::house::{Call, End, House, Report, Unserved, Visit};
use crate::wire::{Line, Lost, Wire};

/// What was done in a session.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// Messages sent by RETR.
    pub retr: u32,
    /// Messages sent by TOP.
    pub top: u32,
    /// Messages removed.
    pub dele: usize,
}

/// Serves one client.
pub async fn serve(wire: Box<Wire>, call: Box<Call>, house: &House) -> Report<Done> {
    let mut session = Box::new(Session {
        visit: Visit::new(call, house, "pop3"),
        is_utf8: false,
        doing: "greeting",
        done: Done::default(),
        user: None,
        wire,
    });
    let end = match session.converse().await {
        Ok(end) => end,
        Err(lost) => {
            session.farewell(&lost);
            End::Lost(lost)
        }
    };
    Box::pin(session.report(end)).await
}

pub(super) struct Session<'a> {
    pub(super) wire: Box<Wire>,
    pub(super) visit: Visit<'a>,
    pub(super) is_utf8: bool,
    /// What is logged of a connection that breaks now.
    pub(super) doing: &'static str,
    pub(super) done: Done,
    pub(super) user: Option<Owner>,
}

impl Session<'_> {
    async fn converse(&mut self) -> Result<End, Lost> {
        if let Err(refusal) = self.greet() {
            self.err(refusal);
            return Ok(End::Refused);
        }
        // Boxed: a session spends its life in one of these, and should not be as large as the largest.
        let mut maildrop = match Box::pin(self.authorise()).await? {
            Authorised::In(maildrop) => maildrop,
            Authorised::Left => return Ok(End::Quit),
            Authorised::Refused => return Ok(End::Refused),
        };
        match self.transact(&mut maildrop).await {
            Ok(()) => Ok(Box::pin(self.update(maildrop)).await),
            Err(lost) => {
                // What was read stays read; the reason is in the log already if that fails, too.
                if let Err(trouble) = Box::pin(maildrop.keep_seen()).await {
                    tracing::warn!(event = "update", user = %maildrop.owner, error = %trouble, doing = "keeping flags");
                }
                Err(lost)
            }
        }
    }

    /// RFC 1939 §4; the words are the ancestor's, and checkvdomain looks for them (behaviour.md §2.2).
    fn greet(&mut self) -> Result<(), &'static str> {
        self.visit.admit().map_err(|unserved| match unserved {
            Unserved::NoDomain => "[SYS/PERM] no domain here: its address is not in the record of any domain",
            Unserved::Main => "[SYS/PERM] this address belongs to the main domain, whose mail is not served here",
            Unserved::Broken => "[SYS/TEMP] the record of this domain is broken; its administrator has to mend it",
        })?;
        let name = self.visit.name();
        self.say(&["+OK ", &name, " POP3 Server (Version ", VERSION, ") ready.\r\n"]);
        Ok(())
    }

    async fn update(&mut self, mut maildrop: Box<Maildrop>) -> End {
        self.doing = "updating the maildrop";
        let deleted = maildrop.deleted();
        match maildrop.update().await {
            Ok(()) => {
                self.done.dele = deleted;
                self.goodbye();
                End::Quit
            }
            Err(trouble) => {
                self.err(super::reply::trouble(&trouble));
                End::NotUpdated(trouble)
            }
        }
    }

    pub(super) fn goodbye(&mut self) {
        let name = self.visit.name();
        self.say(&["+OK ", &name, " POP3 Server (Version ", VERSION, ") shutdown.\r\n"]);
    }

    /// The last words to a client who did not say any.
    fn farewell(&mut self, lost: &Lost) {
        match lost {
            Lost::Stopping => self.err("[SYS/TEMP] the server is being stopped, please come back later"),
            // RFC 1939 §3: at autologout the connection is closed without a word.
            Lost::Idle | Lost::Closed | Lost::Io(_) => {}
        }
    }

    async fn report(self, end: End) -> Report<Done> {
        let domain = self.user.as_ref().map(Owner::domain).or_else(|| self.visit.dialled().map(|domain| &domain.name));
        let is_agreed = matches!(end, End::Quit | End::NotUpdated(_));
        Report {
            end,
            doing: self.doing,
            domain: domain.map(ToString::to_string),
            user: self.user.map(|owner| owner.user().to_string()),
            why: self.visit.decision.why,
            sni: self.visit.call.sni,
            done: self.done,
            counts: if is_agreed { self.wire.close().await } else { self.wire.close_politely().await },
        }
    }

    /// The next command, or what is wrong with the line.
    pub(super) async fn command(&mut self) -> Result<Result<super::command::Command, super::command::BadCommand>, Lost> {
        self.doing = "reading a command";
        Ok(match self.wire.line().await? {
            Line::Whole(line) => super::command::parse(line),
            Line::TooLong => Err(super::command::BadCommand::TooLong),
        })
    }
}

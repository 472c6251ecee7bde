//! One client's session, from the greeting to the end.

use super::frame::{Framer, Limits};
use super::reply::Refusal;
use super::state::{Enabled, Selected, User};
use crate::VERSION;
use crate::house::{Call, End, House, Report, Unserved, Visit};
use crate::store::Folder;
use crate::wire::{Lost, Wire};

/// What was done in a session.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// What the client says it is (RFC 2971).
    pub client: Option<String>,
    /// Commands.
    pub commands: u64,
    /// Messages appended.
    pub appended: u64,
    /// Messages expunged.
    pub expunged: u64,
}

/// Serves one client.
pub async fn serve(wire: Box<Wire>, call: Box<Call>, house: &House) -> Report<Done> {
    let mut session = Box::new(Session {
        visit: Visit::new(call, house, "imap"),
        framer: Framer::new(Limits::STRANGER),
        enabled: Enabled::default(),
        user: None,
        mistakes: 0,
        doing: "greeting",
        done: Done::default(),
        served: None,
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
    pub(super) framer: Framer,
    pub(super) visit: Visit<'a>,
    pub(super) enabled: Enabled,
    pub(super) user: Option<Box<User>>,
    /// Commands that were none, since the last that was one.
    pub(super) mistakes: u32,
    /// What is logged of a connection that breaks now.
    pub(super) doing: &'static str,
    pub(super) done: Done,
    /// Who logged in last: for the log.
    pub(super) served: Option<crate::address::Owner>,
}

impl Session<'_> {
    async fn converse(&mut self) -> Result<End, Lost> {
        if let Err(refusal) = self.greet() {
            self.say(&["* BYE ", refusal]);
            return Ok(End::Refused);
        }
        self.obey_all().await
    }

    fn greet(&mut self) -> Result<(), &'static str> {
        self.visit.admit().map_err(|unserved| match unserved {
            Unserved::NoDomain => "[UNAVAILABLE] no domain here: its address is not in the record of any domain",
            Unserved::Main => "[UNAVAILABLE] this address belongs to the main domain, whose mail is not served here",
            Unserved::Broken => "[CONTACTADMIN] the record of this domain is broken; its administrator has to mend it",
        })?;
        let (name, capabilities) = (self.visit.name(), self.capabilities());
        self.say(&["* OK [CAPABILITY ", &capabilities, "] ", &name, " IMAP server (vmail ", VERSION, ") ready"]);
        Ok(())
    }

    /// The last words to a client who did not say any.
    fn farewell(&mut self, lost: &Lost) {
        match lost {
            Lost::Stopping => self.say(&["* BYE [UNAVAILABLE] the server is being stopped, please come back later"]),
            // RFC 9051 §5.4.
            Lost::Idle => self.say(&["* BYE you have been silent for too long"]),
            Lost::Closed | Lost::Io(_) => {}
        }
    }

    async fn report(mut self, end: End) -> Report<Done> {
        self.leave_mailbox().await;
        let domain = self.served.as_ref().map(|owner| owner.domain()).or_else(|| self.visit.dialled().map(|domain| &domain.name));
        Report {
            doing: self.doing,
            domain: domain.map(ToString::to_string),
            user: self.served.map(|owner| owner.user().to_string()),
            why: self.visit.decision.why,
            sni: self.visit.call.sni,
            done: self.done,
            counts: if matches!(end, End::Quit) { self.wire.close().await } else { self.wire.close_politely().await },
            end,
        }
    }

    /// No mailbox is selected any more.
    pub(super) async fn leave_mailbox(&mut self) {
        let Some(mut selected) = self.user.as_mut().and_then(|user| user.selected.take()) else { return };
        if let Err(trouble) = selected.folder.settle().await {
            // What was acknowledged is safe; other programs see it later.
            tracing::warn!(event = "settle", proto = "imap", error = %trouble, doing = self.doing);
        }
    }

    /// Who has logged in.
    pub(super) fn user(&mut self) -> Result<&mut User, Refusal> {
        self.user.as_deref_mut().ok_or(Refusal::Bad("log in first"))
    }

    /// The selected mailbox.
    pub(super) fn selected(&mut self) -> Result<&mut Selected, Refusal> {
        self.user()?.selected.as_mut().ok_or(Refusal::Bad("select a mailbox first"))
    }
}

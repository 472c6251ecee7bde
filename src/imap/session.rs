//! One client's session, from the greeting to the end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::frame::{Framer, Limits};
use super::reply::Refusal;
use super::state::{Enabled, Selected, User};
use crate::VERSION;
use crate::config::{Machine, MainUsers};
use crate::login::{Gate, policy};
use crate::store::{Folder, Store};
use crate::vdomain::{Answer, Decision, Evidence, Names, Standing, VirtualDomain, Whose, Why, identify};
use crate::wire::{Counts, Lost, TlsDoor, Wire};

/// What sessions share: the machine as it was configured when they began.
pub struct House {
    /// The settings.
    pub machine: Arc<Machine>,
    /// The machine's own name.
    pub host: String,
    /// The domains.
    pub names: Arc<dyn Names>,
    /// Where everybody logs in.
    pub gate: Arc<Gate>,
    /// The mailboxes.
    pub store: Store,
    /// Certificates.
    pub tls: Arc<dyn TlsDoor>,
    /// Who the main domain's users are.
    pub main: MainUsers,
}

/// One connection, as it came in.
#[derive(Debug, Clone)]
pub struct Call {
    /// The dialled address.
    pub local: IpAddr,
    /// The client's.
    pub peer: IpAddr,
    /// The TLS server name, where TLS came first.
    pub sni: Option<String>,
    /// The names of the dialled address, as far as they were needed.
    pub names: Answer,
    /// Whether this listener offers STARTTLS.
    pub may_start_tls: bool,
}

/// How a session ended, with what there is to count.
#[derive(Debug)]
pub struct Report {
    /// How.
    pub end: End,
    /// What the session was doing when it was lost.
    pub doing: &'static str,
    /// The domain that the greeting or the login was for.
    pub domain: Option<String>,
    /// Who logged in.
    pub user: Option<String>,
    /// Which evidence decided.
    pub why: Why,
    /// The TLS server name.
    pub sni: Option<String>,
    /// What the client says it is (RFC 2971).
    pub client: Option<String>,
    /// Messages.
    pub done: Done,
    /// Octets.
    pub counts: Counts,
}

/// How a session ended.
#[derive(Debug)]
pub enum End {
    /// With LOGOUT.
    Logout,
    /// We refused the connection, or had enough.
    Refused,
    /// Without a farewell.
    Lost(Lost),
}

/// What was done in a session.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// Commands.
    pub commands: u64,
    /// Messages appended.
    pub appended: u64,
    /// Messages expunged.
    pub expunged: u64,
}

/// Serves one client.
pub async fn serve(wire: Box<Wire>, call: Box<Call>, house: &House) -> Report {
    let decision = decide(&call, house);
    let mut session = Box::new(Session {
        framer: Framer::new(Limits::STRANGER),
        enabled: Enabled::default(),
        user: None,
        tries: 0,
        mistakes: 0,
        began: Instant::now(),
        doing: "greeting",
        done: Done::default(),
        client: None,
        served: None,
        wire,
        call,
        decision,
        house,
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

/// Whose the connection is, as far as is known without a login. The steps are for `vmail explain`; a session need not keep them.
fn decide(call: &Call, house: &House) -> Decision {
    Decision { steps: Vec::new(), ..identify(&*house.names, &evidence(call)) }
}

pub(super) fn evidence(call: &Call) -> Evidence<'_> {
    Evidence { local: call.local, names: call.names.evidence(), sni: call.sni.as_deref(), login: None }
}

pub(super) struct Session<'a> {
    pub(super) wire: Box<Wire>,
    pub(super) framer: Framer,
    pub(super) call: Box<Call>,
    pub(super) house: &'a House,
    /// Whose the connection is, as far as that is known without a login.
    pub(super) decision: Decision,
    pub(super) enabled: Enabled,
    pub(super) user: Option<Box<User>>,
    /// Failed logins.
    pub(super) tries: u32,
    /// Commands that were none, since the last that was one.
    pub(super) mistakes: u32,
    pub(super) began: Instant,
    /// What is logged of a connection that breaks now.
    pub(super) doing: &'static str,
    pub(super) done: Done,
    /// What the client says it is.
    pub(super) client: Option<String>,
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
        match &self.decision.whose {
            Whose::Refused(_) => return Err("[UNAVAILABLE] no domain here: its address is not in the record of any domain"),
            Whose::Main if self.house.main == MainUsers::None => {
                return Err("[UNAVAILABLE] this address belongs to the main domain, whose mail is not served here");
            }
            Whose::Domain(domain) if matches!(domain.standing, Standing::Broken(_)) => {
                return Err("[CONTACTADMIN] the record of this domain is broken; its administrator has to mend it");
            }
            Whose::Domain(_) | Whose::Main | Whose::Shared => {}
        }
        let (name, capabilities) = (self.name(), self.capabilities());
        self.say(&["* OK [CAPABILITY ", &capabilities, "] ", &name, " IMAP server (vmail ", VERSION, ") ready"]);
        Ok(())
    }

    /// `Virtual DOMAIN`, or the machine's own name.
    fn name(&self) -> String {
        match &self.decision.whose {
            Whose::Domain(domain) => format!("Virtual {}", domain.name),
            Whose::Main | Whose::Shared | Whose::Refused(_) => self.house.host.clone(),
        }
    }

    /// The domain of the connection, without a login.
    pub(super) fn dialled(&self) -> Option<&Arc<VirtualDomain>> {
        match &self.decision.whose {
            Whose::Domain(domain) => Some(domain),
            _ => None,
        }
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

    async fn report(mut self, end: End) -> Report {
        self.leave_mailbox().await;
        let domain = self.served.as_ref().map(|owner| owner.domain()).or_else(|| self.dialled().map(|domain| &domain.name));
        Report {
            doing: self.doing,
            domain: domain.map(ToString::to_string),
            user: self.served.map(|owner| owner.user().to_string()),
            why: self.decision.why,
            sni: self.call.sni,
            client: self.client,
            done: self.done,
            counts: if matches!(end, End::Logout) { self.wire.close().await } else { self.wire.close_politely().await },
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

    /// Whether STARTTLS is possible now.
    pub(super) fn offers_tls(&self) -> bool {
        self.call.may_start_tls && !self.wire.is_secure() && !self.wire.is_compressed() && self.house.tls.is_open(self.call.local)
    }

    /// Whether this client may send passwords as things stand, judged by the domain of the connection.
    pub(super) fn allows_passwords(&self) -> bool {
        let domain = self.dialled().map(|domain| &**domain);
        policy(domain, &self.house.machine).allows(self.call.peer, self.wire.is_secure())
    }

    /// The domain is identified anew, since the client may have said more clearly whom it wants.
    pub(super) fn identify_anew(&mut self) {
        self.decision = decide(&self.call, self.house);
    }
}

//! One client's session, from the greeting to the end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::authorization::Authorised;
use super::maildrop::Maildrop;
use crate::VERSION;
use crate::address::Owner;
use crate::config::{Machine, MainUsers};
use crate::login::{Gate, LoginDelay, policy};
use crate::store::{Store, Trouble};
use crate::vdomain::{Answer, Decision, Evidence, Names, Standing, VirtualDomain, Whose, Why, identify};
use crate::wire::{Counts, Line, Lost, TlsDoor, Wire};

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
    /// The memory of last logins.
    pub login_delay: LoginDelay,
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
    /// Whether this listener offers STLS.
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
    /// Messages sent whole, sent in part, and removed.
    pub done: Done,
    /// Octets.
    pub counts: Counts,
}

/// How a session ended.
#[derive(Debug)]
pub enum End {
    /// With QUIT; deletions, if any, are done.
    Quit,
    /// With QUIT, and the update failed.
    NotUpdated(Trouble),
    /// We refused the connection, or had enough of failed logins.
    Refused,
    /// Without a farewell.
    Lost(Lost),
}

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
pub async fn serve(wire: Box<Wire>, call: Box<Call>, house: &House) -> Report {
    let decision = decide(&call, house);
    let mut session = Box::new(Session {
        is_utf8: false,
        tries: 0,
        began: Instant::now(),
        doing: "greeting",
        done: Done::default(),
        user: None,
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
    pub(super) call: Box<Call>,
    pub(super) house: &'a House,
    /// Whose the connection is, as far as that is known without a login.
    pub(super) decision: Decision,
    pub(super) is_utf8: bool,
    /// Failed logins.
    pub(super) tries: u32,
    pub(super) began: Instant,
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
        match &self.decision.whose {
            Whose::Refused(_) => return Err("[SYS/PERM] no domain here: its address is not in the record of any domain"),
            Whose::Main if self.house.main == MainUsers::None => {
                return Err("[SYS/PERM] this address belongs to the main domain, whose mail is not served here");
            }
            Whose::Domain(domain) if matches!(domain.standing, Standing::Broken(_)) => {
                return Err("[SYS/TEMP] the record of this domain is broken; its administrator has to mend it");
            }
            Whose::Domain(_) | Whose::Main | Whose::Shared => {}
        }
        let name = self.name();
        self.say(&["+OK ", &name, " POP3 Server (Version ", VERSION, ") ready.\r\n"]);
        Ok(())
    }

    /// `Virtual DOMAIN`, or the machine's own name.
    pub(super) fn name(&self) -> String {
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
        let name = self.name();
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

    async fn report(self, end: End) -> Report {
        let domain = self.user.as_ref().map(Owner::domain).or_else(|| self.dialled().map(|domain| &domain.name));
        let is_agreed = matches!(end, End::Quit | End::NotUpdated(_));
        Report {
            end,
            doing: self.doing,
            domain: domain.map(ToString::to_string),
            user: self.user.map(|owner| owner.user().to_string()),
            why: self.decision.why,
            sni: self.call.sni,
            done: self.done,
            counts: if is_agreed { self.wire.close().await } else { self.wire.close_politely().await },
        }
    }

    /// Whether STLS is possible now.
    pub(super) fn offers_tls(&self) -> bool {
        self.call.may_start_tls && !self.wire.is_secure() && self.house.tls.is_open(self.call.local)
    }

    /// Whether this client may send passwords as things stand, judged by the domain of the connection.
    pub(super) fn allows_passwords(&self) -> bool {
        let domain = self.dialled().map(|domain| &**domain);
        policy(domain, &self.house.machine).allows(self.call.peer, self.wire.is_secure())
    }

    /// TLS has begun: the domain is identified anew, since the client may have said more clearly whom it wants.
    pub(super) fn identify_anew(&mut self, sni: Option<String>) {
        self.call.sni = sni;
        self.decision = decide(&self.call, self.house);
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

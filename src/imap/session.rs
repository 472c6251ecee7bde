//! One client's session, from the greeting to the end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::args::Args;
use super::frame::{self, Announced, Event, Framer, Head, Limits, Refused};
use super::reply::{self, Refusal, Reply};
use super::state::{Enabled, Selected, User};
use super::table::{self, Order};
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
    mistakes: u32,
    pub(super) began: Instant,
    /// What is logged of a connection that breaks now.
    pub(super) doing: &'static str,
    pub(super) done: Done,
    /// What the client says it is.
    pub(super) client: Option<String>,
    /// Who logged in last: for the log.
    pub(super) served: Option<crate::address::Owner>,
}

/// What came from the client.
enum Heard {
    Command(Zeroizing<Vec<u8>>),
    /// The beginning of one, up to its message.
    Message(Vec<u8>, Announced),
    Refused(Vec<u8>, Refused),
}

impl Session<'_> {
    async fn converse(&mut self) -> Result<End, Lost> {
        if let Err(refusal) = self.greet() {
            self.say(&["* BYE ", refusal]);
            return Ok(End::Refused);
        }
        loop {
            self.wire.flush_if_full().await?;
            if self.user.is_none() && self.began.elapsed() > LOGIN_PATIENCE {
                // Whoever only talks does not keep others out for ever.
                return Err(Lost::Idle);
            }
            let end = match self.hear().await? {
                // Boxed: a session spends its life waiting, and should not be as large as the largest command.
                Heard::Command(text) => Box::pin(self.obey(&text, None)).await?,
                Heard::Message(text, announced) => Box::pin(self.obey(&text, Some(announced))).await?,
                Heard::Refused(text, why) => self.refuse_length(&text, why),
            };
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// The next command.
    async fn hear(&mut self) -> Result<Heard, Lost> {
        self.doing = "reading a command";
        loop {
            self.wire.more().await?;
            let (used, event) = self.framer.feed(self.wire.unread());
            self.wire.used(used);
            match event {
                None => {}
                Some(Event::Asking) => self.say(&["+ OK"]),
                Some(Event::Command) => return Ok(Heard::Command(Zeroizing::new(self.framer.take()))),
                Some(Event::Message(announced)) => return Ok(Heard::Message(self.framer.take(), announced)),
                Some(Event::Refused(why)) => return Ok(Heard::Refused(self.framer.take(), why)),
            }
        }
    }

    /// Does what the client wants, and says how it went. A message that nobody has taken is not wanted.
    async fn obey(&mut self, text: &[u8], message: Option<Announced>) -> Result<Option<End>, Lost> {
        self.done.commands += 1;
        let outcome = match self.order(text, message) {
            Ok((row, order)) => self.carry_out(row, order).await,
            Err(refusal) => {
                if let Some(announced) = message {
                    self.framer.abandon(announced);
                }
                Err(refusal)
            }
        };
        self.conclude(frame::tag(text).unwrap_or("*"), outcome)
    }

    /// The command that `text` is, if it may be given now.
    fn order<'t>(&self, text: &'t [u8], message: Option<Announced>) -> Result<(&'static table::Row, Order<'t>), Refusal> {
        let head = Head::of(text)?;
        let mut args = Args::new(head.args, self.enabled.has_utf8_names());
        let is_uid = head.name.eq_ignore_ascii_case("UID");
        let name = if is_uid {
            args.space()?;
            args.word()?
        } else {
            head.name
        };
        let row = table::find(name, is_uid).filter(|row| self.offers(row.needs)).ok_or(Refusal::Bad("no such command"))?;
        row.check(self.user.is_some(), self.user.as_ref().is_some_and(|user| user.selected.is_some()))?;
        if message.is_some() && !row.takes_message {
            return Err(Refusal::Bad("no message belongs here"));
        }
        Ok((row, Order { tag: head.tag, args, is_uid, message }))
    }

    async fn carry_out(&mut self, row: &'static table::Row, order: Order<'_>) -> Result<Reply, Refusal> {
        self.doing = row.name;
        let outcome = self.dispatch(row.command, order).await;
        if matches!(outcome, Ok(Reply::Ok(_)) | Err(Refusal::No(_) | Refusal::Trouble(_))) {
            self.tell(row.news).await?;
        }
        outcome
    }

    fn conclude(&mut self, tag: &str, outcome: Result<Reply, Refusal>) -> Result<Option<End>, Lost> {
        match outcome {
            Ok(Reply::Ok(text)) => self.say(&[tag, " OK ", &text]),
            Ok(Reply::Said) => {}
            Ok(Reply::Leave) => {
                self.say(&["* BYE goodbye"]);
                self.say(&[tag, " OK LOGOUT completed"]);
                return Ok(Some(End::Logout));
            }
            Err(Refusal::Bad(text)) => return Ok(self.refuse(tag, text)),
            Err(Refusal::No(text)) => self.say(&[tag, " NO ", &text]),
            Err(Refusal::Trouble(trouble)) => {
                if reply::is_worth_a_line(&trouble) {
                    let user = self.served.as_ref().map(ToString::to_string);
                    tracing::warn!(event = "store", proto = "imap", user, peer = %self.call.peer, error = %trouble, doing = self.doing);
                }
                self.say(&[tag, " NO ", &reply::trouble(&trouble)]);
            }
            Err(Refusal::Bye(text)) => {
                self.say(&["* BYE ", text]);
                return Ok(Some(End::Refused));
            }
            Err(Refusal::Lost(lost)) => return Err(lost),
        }
        self.mistakes = 0;
        // RFC 9051 §11: guessing costs the connection.
        if self.user.is_none() && self.tries >= self.house.machine.login.tries {
            self.say(&["* BYE too many failed logins"]);
            return Ok(Some(End::Refused));
        }
        Ok(None)
    }

    fn refuse(&mut self, tag: &str, text: &str) -> Option<End> {
        self.say(&[tag, " BAD ", text]);
        self.mistakes += 1;
        if self.mistakes < MOST_MISTAKES {
            return None;
        }
        self.say(&["* BYE too many commands that are none"]);
        Some(End::Refused)
    }

    fn refuse_length(&mut self, text: &[u8], why: Refused) -> Option<End> {
        let tag = frame::tag(text).unwrap_or("*");
        match why {
            Refused::TooLong => self.refuse(tag, "[TOOBIG] command too long"),
            // RFC 7888 §4: better no connection than to read it all.
            Refused::Unasked => {
                self.say(&["* BYE [TOOBIG] literals above 4096 octets wait to be asked for"]);
                Some(End::Refused)
            }
        }
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

/// No client makes so many mistakes one after the other; whatever does speaks something else.
const MOST_MISTAKES: u32 = 25;
/// So long may a login take, all in all.
const LOGIN_PATIENCE: Duration = Duration::from_secs(180);

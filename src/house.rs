//! What the sessions of every protocol with logins share: the house they are in, the call that came in, whose it is, and how it ended.

mod visit;

use std::net::IpAddr;
use std::sync::Arc;

use crate::config::{Machine, MainUsers};
use crate::login::{Gate, LoginDelay};
use crate::maps::Sources;
use crate::store::{Store, Trouble};
use crate::vdomain::{Answer, Evidence, Names, Why};
use crate::wire::{Counts, Lost, TlsDoor};

pub use visit::{Unserved, Visit};

/// What sessions share: the machine as it was configured when they began.
pub struct House {
    /// The settings.
    pub machine: Arc<Machine>,
    /// The machine's own name.
    pub host: String,
    /// The domains.
    pub names: Arc<dyn Names>,
    /// The address maps that delivery goes by.
    pub maps: Arc<Sources>,
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
    /// Whether this listener offers to begin TLS.
    pub may_start_tls: bool,
}

impl Call {
    /// What it says about whose it is.
    pub fn evidence(&self) -> Evidence<'_> {
        Evidence { local: self.local, names: self.names.evidence(), sni: self.sni.as_deref(), login: None }
    }
}

/// How a session ended, with what there is to count.
#[derive(Debug)]
pub struct Report<Done> {
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
    /// What was done, in the protocol's own counts.
    pub done: Done,
    /// Octets.
    pub counts: Counts,
}

/// How a session ended.
#[derive(Debug)]
pub enum End {
    /// The client took its leave; what it wanted done at the end is done.
    Quit,
    /// The client took its leave, and what it wanted done at the end failed.
    NotUpdated(Trouble),
    /// We refused the connection, or had enough.
    Refused,
    /// Without a farewell.
    Lost(Lost),
}

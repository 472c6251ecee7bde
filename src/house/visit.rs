//! A client in the house: the domain it is taken for, what it may do so far, and its login.

use std::sync::Arc;
use std::time::Instant;

use super::{Call, House};
use crate::config::MainUsers;
use crate::login::{Account, Attempt, Denial, Denied, policy};
use crate::vdomain::password::Secret;
use crate::vdomain::{Decision, Standing, VirtualDomain, Whose, identify};
use crate::wire::Wire;

/// A connection that is being served.
pub struct Visit<'a> {
    /// Where.
    pub house: &'a House,
    /// As it came in; the server name is that of the last TLS handshake.
    pub call: Box<Call>,
    /// Whose the connection is, as far as that is known without a login; after one, why the account is whose it is.
    pub decision: Decision,
    /// Since when it has been without a login.
    pub began: Instant,
    /// Failed logins.
    pub tries: u32,
    proto: &'static str,
}

/// Why nobody is served at the dialled address. The protocols find the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unserved {
    /// It is in the record of no domain.
    NoDomain,
    /// It is the main domain's, whose mail is not ours.
    Main,
    /// The domain's record can't be read.
    Broken,
}

impl<'a> Visit<'a> {
    /// A client that has just come in; `proto` is for the log.
    pub fn new(call: Box<Call>, house: &'a House, proto: &'static str) -> Visit<'a> {
        Visit { decision: decide(&call, house), house, call, began: Instant::now(), tries: 0, proto }
    }

    /// Whether somebody is served here.
    ///
    /// # Errors
    /// Nobody is.
    pub fn admit(&self) -> Result<(), Unserved> {
        match &self.decision.whose {
            Whose::Refused(_) => Err(Unserved::NoDomain),
            Whose::Main if self.house.main == MainUsers::None => Err(Unserved::Main),
            Whose::Domain(domain) if matches!(domain.standing, Standing::Broken(_)) => Err(Unserved::Broken),
            Whose::Domain(_) | Whose::Main | Whose::Shared => Ok(()),
        }
    }

    /// What greetings call us: `Virtual DOMAIN`, or the machine's own name (behaviour.md §2.2).
    pub fn name(&self) -> String {
        match &self.decision.whose {
            Whose::Domain(domain) => format!("Virtual {}", domain.name),
            Whose::Main | Whose::Shared | Whose::Refused(_) => self.house.host.clone(),
        }
    }

    /// The domain of the connection, without a login.
    pub fn dialled(&self) -> Option<&Arc<VirtualDomain>> {
        match &self.decision.whose {
            Whose::Domain(domain) => Some(domain),
            _ => None,
        }
    }

    /// Whether TLS can begin now.
    pub fn offers_tls(&self, wire: &Wire) -> bool {
        self.call.may_start_tls && !wire.is_secure() && !wire.is_compressed() && self.house.tls.is_open(self.call.local)
    }

    /// Whether this client may send passwords as things stand, judged by the domain of the connection.
    pub fn allows_passwords(&self, wire: &Wire) -> bool {
        policy(self.dialled().map(|domain| &**domain), &self.house.machine).allows(self.call.peer, wire.is_secure())
    }

    /// The domain is identified anew, since the client may have said more clearly whom it wants.
    pub fn identify_anew(&mut self) {
        self.decision = decide(&self.call, self.house);
    }

    /// Checks a name and a password, which came through TLS or not. A failure is counted and logged.
    ///
    /// # Errors
    /// Nobody may log in that way.
    pub async fn log_in(&mut self, name: &str, secret: Secret, is_secure: bool) -> Result<Account, Denial> {
        let house = self.house;
        let peer = self.call.peer;
        let attempt = Attempt { evidence: self.call.evidence(), peer, is_secure, name, machine: &house.machine };
        let outcome = house.gate.log_in(&*house.names, attempt, secret).await;
        if let Err(denial) = &outcome {
            self.tries += 1;
            self.log_failure(name, denial);
        }
        outcome
    }

    /// Whether it has guessed enough.
    pub fn has_tried_enough(&self) -> bool {
        self.tries >= self.house.machine.login.tries
    }

    /// At once, not when the client hangs up: whoever watches the log can act while it guesses.
    fn log_failure(&self, name: &str, denial: &Denial) {
        let name: String = name.chars().take(100).collect();
        let (proto, peer, dialled) = (self.proto, self.call.peer, self.call.local);
        let domain = self.dialled().map(|domain| domain.name.to_string());
        if denial.told == Denied::Trouble {
            // An administrator must act: nobody of that domain gets in.
            return tracing::error!(event = "login-trouble", proto, %peer, %dialled, domain, user = name, error = denial.why);
        }
        let ms = self.began.elapsed().as_millis() as u64;
        tracing::info!(event = "login-failed", proto, %peer, %dialled, domain, user = name, reason = denial.why, ms);
    }
}

/// Whose the connection is, as far as is known without a login. The steps are for `vmail explain`; a session need not keep them.
fn decide(call: &Call, house: &House) -> Decision {
    Decision { steps: Vec::new(), ..identify(&*house.names, &call.evidence()) }
}

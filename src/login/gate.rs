//! The gate: everybody who logs in passes here, whatever the protocol.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;

use super::plaintext::policy;
use super::throttle::Throttle;
use super::verified::Verified;
use crate::address::Owner;
use crate::config::{Machine, Retrieval};
use crate::os::Actor;
use crate::vdomain::password::{self, Secret};
use crate::vdomain::{Evidence, Login, Names, Refusal, Standing, VirtualDomain, Whose, Why, identify};

/// Verifies, delays, remembers. One for the process.
pub struct Gate {
    hashing: Semaphore,
    verified: Verified,
    throttle: Throttle,
    failure_delay: Duration,
    /// What the main domain's connections get that no native daemon takes.
    main: Option<Arc<VirtualDomain>>,
}

/// What a client presents, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The connection. Its `login` is filled in by the gate.
    pub evidence: Evidence<'a>,
    /// The client's address.
    pub peer: IpAddr,
    /// Whether TLS protects the connection.
    pub is_secure: bool,
    /// The name as typed.
    pub name: &'a str,
    /// The settings of the machine.
    pub machine: &'a Machine,
}

impl Attempt<'_> {
    /// What failures are counted by, beside the network: the name as typed, and where.
    fn key(&self) -> String {
        let name = self.name.trim_end().chars().take(MOST_NAME).flat_map(char::to_lowercase);
        name.chain(format!(" {}", self.evidence.local).chars()).collect()
    }
}

/// Somebody who has logged in. Only the gate makes one.
#[derive(Debug, Clone)]
pub struct Account {
    /// Who it is.
    pub owner: Owner,
    /// The domain, as it was at login.
    pub domain: Arc<VirtualDomain>,
    /// Its line in passwd.
    pub known: crate::vdomain::Account,
    /// Which evidence decided for the domain.
    pub why: Why,
}

/// What the client of a failed login is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// Name or password is wrong, or the account is not to be used; the client is not told which.
    Credentials,
    /// The address is shared and the name has no domain.
    NoDomain,
    /// The domain's users cannot read their mail for now; the password was right.
    Locked,
    /// Not without TLS.
    NeedsTls,
    /// We can't tell now; try later.
    Trouble,
}

/// A login that failed.
#[derive(Debug)]
pub struct Denial {
    /// What the client is told.
    pub told: Denied,
    /// Why, for the log.
    pub why: String,
}

impl Denial {
    fn new(told: Denied, why: impl Into<String>) -> Denial {
        Denial { told, why: why.into() }
    }
}

impl Gate {
    /// As `[login]` says. `main` is the main domain, where its users are to be served.
    pub fn new(machine: &Machine, main: Option<Arc<VirtualDomain>>) -> io::Result<Gate> {
        Ok(Gate {
            hashing: Semaphore::new(machine.login.hashing.0),
            verified: Verified::new(machine.login.cache.0)?,
            throttle: Throttle::default(),
            failure_delay: machine.login.failure_delay.0,
            main,
        })
    }

    /// Lets somebody in, or says why not. A failure takes at least the failure delay, and is logged at once by the caller with the reason.
    pub async fn log_in(&self, names: &dyn Names, attempt: Attempt<'_>, secret: Secret) -> Result<Account, Denial> {
        let outcome = self.judge(names, attempt, secret).await;
        match &outcome {
            Ok(_) => self.throttle.succeeded(attempt.peer, &attempt.key()),
            Err(denial) => match denial.told {
                Denied::Credentials | Denied::NoDomain => {
                    let times = self.throttle.failed(attempt.peer, &attempt.key());
                    tokio::time::sleep(self.failure_delay * times).await;
                }
                // Nobody's guess; yet who asks again and again waits as well.
                Denied::Trouble | Denied::Locked | Denied::NeedsTls => tokio::time::sleep(self.failure_delay).await,
            },
        }
        outcome
    }

    async fn judge(&self, names: &dyn Names, attempt: Attempt<'_>, secret: Secret) -> Result<Account, Denial> {
        let login = match Login::parse(attempt.name, &attempt.machine.login.separators) {
            Ok(login) => login,
            Err(malformed) => return Err(self.refuse_unknown(secret, malformed.to_string()).await),
        };
        let decision = identify(names, &Evidence { login: Some(&login), ..attempt.evidence });
        let domain = match decision.whose {
            Whose::Domain(domain) => domain,
            Whose::Main => match &self.main {
                Some(main) => main.clone(),
                None => return Err(self.refuse_unknown(secret, "the main domain's users are not served here".into()).await),
            },
            Whose::Refused(Refusal::NoDomain) | Whose::Shared => return Err(Denial::new(Denied::NoDomain, "no domain in the login")),
            Whose::Refused(refusal) => return Err(self.refuse_unknown(secret, format!("{refusal:?}")).await),
        };
        if let Standing::Broken(fault) = &domain.standing {
            return Err(trouble(fault.to_string()));
        }
        if !policy(Some(&domain), attempt.machine).allows(attempt.peer, attempt.is_secure) {
            return Err(Denial::new(Denied::NeedsTls, "no TLS"));
        }
        self.check(domain, login, decision.why, secret).await
    }

    async fn check(&self, domain: Arc<VirtualDomain>, login: Login, why: Why, secret: Secret) -> Result<Account, Denial> {
        let users = &domain.realm.users;
        let unreadable = |path: &std::path::Path, error: io::Error| trouble(format!("{}: {error}", path.display()));
        let passwd = users.passwd().map_err(|error| unreadable(users.passwd_path(), error))?;
        let shadow = users.shadow().map_err(|error| unreadable(users.shadow_path(), error))?;
        let (known, line) = (passwd.get(&login.user), shadow.get(&login.user));
        let refusal = match (known, line) {
            (None, _) => Some("unknown user"),
            (Some(account), _) if account.uid == 0 && is_beyond_us(domain.actor(account)) => Some("uid 0"),
            (Some(_), None) => Some("no line in shadow"),
            (Some(_), Some(line)) if !password::is_usable(&line.hash) => Some("locked or without a password"),
            (Some(_), Some(line)) if line.ends.is_some_and(|day| day <= today()) => Some("expired"),
            (Some(_), Some(_)) => None,
        };
        let stored = match (refusal, line) {
            (None, Some(line)) => line.hash.clone(),
            // What can't be let in costs what others cost.
            _ => shadow.decoy(&login.user).unwrap_or_else(|| Arc::from(DECOY)),
        };
        let owner = Owner::new(domain.name.clone(), login.user.clone());
        let is_right = self.verify(&owner, stored, secret).await;
        match (refusal, is_right, known) {
            (Some(why), ..) => Err(Denial::new(Denied::Credentials, why)),
            (None, true, Some(account)) => admit(owner, &domain, account, why),
            (None, ..) => Err(Denial::new(Denied::Credentials, "wrong password")),
        }
    }

    async fn verify(&self, owner: &Owner, stored: Arc<str>, secret: Secret) -> bool {
        let mac = self.verified.mac(owner, &stored, &secret);
        if self.verified.knows(&mac) {
            return true;
        }
        let is_right = self.hash(stored, secret).await;
        if is_right {
            self.verified.remember(mac);
        }
        is_right
    }

    /// Off the async threads, and only so many at a time: each takes memory and a processor.
    async fn hash(&self, stored: Arc<str>, secret: Secret) -> bool {
        let _turn = self.hashing.acquire().await.expect("the semaphore is never closed");
        tokio::task::spawn_blocking(move || password::verify(&stored, &secret)).await.unwrap_or(false)
    }

    /// Somebody of no domain or of no possible name costs what a wrong password costs.
    async fn refuse_unknown(&self, secret: Secret, why: String) -> Denial {
        self.hash(Arc::from(DECOY), secret).await;
        Denial::new(Denied::Credentials, why)
    }
}

fn admit(owner: Owner, domain: &Arc<VirtualDomain>, account: &crate::vdomain::Account, why: Why) -> Result<Account, Denial> {
    // Only who knows the password is told of the domain's state.
    if domain.standing == Standing::Disabled || domain.record.retrieval == Retrieval::Locked {
        return Err(Denial::new(Denied::Locked, "the domain is locked"));
    }
    Ok(Account { known: account.clone(), domain: domain.clone(), owner, why })
}

/// A service that may act as other users must not be made to act as root by a line of `passwd.DOMAIN`.
fn is_beyond_us(actor: Actor) -> bool {
    actor != Actor::Service && !rustix::process::geteuid().is_root()
}

fn trouble(why: String) -> Denial {
    Denial::new(Denied::Trouble, why)
}

/// Days since 1970-01-01, as shadow(5) counts.
fn today() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs() / 86_400).unwrap_or(i64::MAX)
}

/// An argon2id hash with our own costs, of a password that nobody has.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$dm1haWwgZGVjb3kgc2FsdA$sQwPqzWfI0aTQ4XUQ8Uqh3k0S2V3dGUgbm9ib2R5IGtub3dz";
const MOST_NAME: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decoy_costs_what_a_hash_costs() {
        assert!(password::is_usable(DECOY));
    }
}

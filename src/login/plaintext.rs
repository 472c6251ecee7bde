//! Who may log in without TLS (design.md §4).

use std::net::IpAddr;

use crate::config::{Machine, Plaintext};
use crate::vdomain::VirtualDomain;

/// The policy that holds for logins of one domain at one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy(Plaintext);

/// What is set for the domain, else for the machine, else: everybody until a certificate is configured. One that is configured and
/// broken counts: a mistake in a file must not turn the protection off.
pub fn policy(domain: Option<&VirtualDomain>, machine: &Machine) -> Policy {
    let has_certificate = machine.tls.is_some() || domain.is_some_and(|domain| domain.record.tls.is_some());
    let set = domain.and_then(|domain| domain.record.plaintext).or(machine.plaintext);
    Policy(set.unwrap_or(if has_certificate { Plaintext::TlsFirst } else { Plaintext::Always }))
}

impl Policy {
    /// Whether a client at `peer` may log in as things stand.
    pub fn allows(self, peer: IpAddr, is_secure: bool) -> bool {
        let is_here = peer.to_canonical().is_loopback();
        match self.0 {
            Plaintext::Always => true,
            Plaintext::TlsFirst | Plaintext::Local => is_secure || is_here,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Pair;

    fn allows(set: Option<Plaintext>, has_certificate: bool, peer: &str, is_secure: bool) -> bool {
        let pair = Pair { certificate: "c".into(), key: "k".into() };
        let machine = Machine { plaintext: set, tls: has_certificate.then_some(pair), ..Machine::default() };
        policy(None, &machine).allows(peer.parse().unwrap(), is_secure)
    }

    #[test]
    fn a_certificate_makes_strangers_use_it() {
        assert!(allows(None, false, "198.51.100.9", false));
        assert!(!allows(None, true, "198.51.100.9", false));
        assert!(allows(None, true, "198.51.100.9", true));
        assert!(
            allows(None, true, "127.1.2.3", false) && allows(None, true, "::1", false) && allows(None, true, "::ffff:127.0.0.1", false)
        );
    }

    #[test]
    fn what_is_set_holds_with_and_without_a_certificate() {
        assert!(allows(Some(Plaintext::Always), true, "198.51.100.9", false));
        assert!(!allows(Some(Plaintext::Local), false, "198.51.100.9", false));
    }
}

//! The memory of verified passwords: a login repeated within its life costs a MAC instead of a hash.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;

use crate::address::Owner;
use crate::vdomain::password::Secret;

/// Remembers that a password opened a hash, as a MAC over both, keyed by this process alone. A changed hash makes another MAC, so
/// that a new password in `shadow.DOMAIN` counts at once.
pub struct Verified {
    key: hmac::Key,
    lasts: Duration,
    known: Mutex<HashMap<Mac, Instant>>,
}

/// What is remembered of a login.
pub type Mac = [u8; 32];

impl Verified {
    /// An empty memory with a fresh key. `lasts` = 0 remembers nothing.
    pub fn new(lasts: Duration) -> io::Result<Verified> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::from)?;
        Ok(Verified { key: hmac::Key::new(hmac::HMAC_SHA256, &key), lasts, known: Mutex::default() })
    }

    /// The MAC of a login with `secret` to the account whose hash is `stored`.
    pub fn mac(&self, owner: &Owner, stored: &str, secret: &Secret) -> Mac {
        let mut mac = hmac::Context::with_key(&self.key);
        for part in [owner.domain().as_str().as_bytes(), owner.user().as_str().as_bytes(), stored.as_bytes(), secret.octets()] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        let mut octets = [0; 32];
        octets.copy_from_slice(mac.sign().as_ref());
        octets
    }

    /// Whether that login was verified, and not too long ago.
    pub fn knows(&self, mac: &Mac) -> bool {
        // One insertion or removal can't be half done: a panic elsewhere leaves the map whole.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(mac).is_some_and(|until| *until > Instant::now())
    }

    /// It was verified just now.
    pub fn remember(&self, mac: Mac) {
        if self.lasts.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, until| *until > now);
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(mac, now + self.lasts);
    }
}

/// 5 MB at most.
const MOST: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn another_password_hash_or_account_is_not_known() {
        let verified = Verified::new(Duration::from_secs(60)).unwrap();
        let (joe, ann): (Owner, Owner) = ("joe@va.test".parse().unwrap(), "ann@va.test".parse().unwrap());
        verified.remember(verified.mac(&joe, "$6$one", &secret("pw")));
        assert!(verified.knows(&verified.mac(&joe, "$6$one", &secret("pw"))));
        assert!(!verified.knows(&verified.mac(&joe, "$6$one", &secret("pw2"))));
        assert!(!verified.knows(&verified.mac(&joe, "$6$two", &secret("pw"))));
        assert!(!verified.knows(&verified.mac(&ann, "$6$one", &secret("pw"))));
    }

    #[test]
    fn what_lasts_no_time_is_not_remembered() {
        let verified = Verified::new(Duration::ZERO).unwrap();
        let mac = verified.mac(&"joe@va.test".parse().unwrap(), "h", &secret("pw"));
        verified.remember(mac);
        assert!(!verified.knows(&mac));
    }
}

//! Slowing down who guesses: the more failures from one network for one account, the longer the answer takes. Nobody is locked out,
//! and a network from which the right password came is not slowed for that account.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The network that a client is in: an IPv4 address, or an IPv6 /64, which is what one customer has.
pub fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// Counts failures by network and login name.
#[derive(Debug, Default)]
pub struct Throttle {
    records: Mutex<HashMap<(IpAddr, String), Record>>,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    failures: u32,
    has_succeeded: bool,
    last: Instant,
}

impl Throttle {
    /// A login failed; how many times `delay` the answer has to wait.
    pub fn failed(&self, peer: IpAddr, name: &str) -> u32 {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut records);
        let record = records.entry(key(peer, name)).or_insert(Record { failures: 0, has_succeeded: false, last: Instant::now() });
        *record = Record { failures: record.failures.saturating_add(1), last: Instant::now(), ..*record };
        match record.has_succeeded {
            true => 1,
            // 1, 1, 1, 2, 4, 8: people mistype, machines guess on.
            false => 1 << record.failures.saturating_sub(3).min(3),
        }
    }

    /// A login succeeded.
    pub fn succeeded(&self, peer: IpAddr, name: &str) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing is kept of those who never failed: they are nearly all.
        if let Some(record) = records.get_mut(&key(peer, name)) {
            *record = Record { failures: 0, has_succeeded: true, last: Instant::now() };
        }
    }
}

fn key(peer: IpAddr, name: &str) -> (IpAddr, String) {
    (network(peer), name.to_owned())
}

fn make_room(records: &mut HashMap<(IpAddr, String), Record>) {
    if records.len() < MOST {
        return;
    }
    let now = Instant::now();
    records.retain(|_, record| now.duration_since(record.last) < FORGOTTEN);
    if records.len() >= MOST {
        // Whoever fills this place with names of his own does not get rid of what he has failed at.
        records.retain(|_, record| record.failures > 3);
    }
    if records.len() >= MOST {
        records.clear();
    }
}

/// Names are 100 letters at most, so this is 40 MB at most.
const MOST: usize = 65_536;
const FORGOTTEN: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_gets_slower_but_only_for_the_guesser() {
        let throttle = Throttle::default();
        let (guesser, other) = ("198.51.100.9".parse().unwrap(), "198.51.100.10".parse().unwrap());
        let waits: Vec<u32> = (0..8).map(|_| throttle.failed(guesser, "joe@va.test")).collect();
        assert_eq!(waits, [1, 1, 1, 2, 4, 8, 8, 8]);
        assert_eq!(throttle.failed(other, "joe@va.test"), 1);
        assert_eq!(throttle.failed(guesser, "ann@va.test"), 1);
    }

    #[test]
    fn who_once_had_the_password_is_not_slowed() {
        let throttle = Throttle::default();
        let home = "2001:db8:1:2:3::4".parse().unwrap();
        assert_eq!((0..9).map(|_| throttle.failed(home, "joe")).max(), Some(8));
        throttle.succeeded("2001:db8:1:2:9::9".parse().unwrap(), "joe");
        assert!((0..9).all(|_| throttle.failed(home, "joe") == 1));
    }
}

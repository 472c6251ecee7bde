//! How many connections at once: in all, and from one network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config;
use crate::login::network;

/// The connections there are now.
#[derive(Debug, Default)]
pub struct Limits {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// A connection's place; dropping it frees the place.
#[derive(Debug)]
pub struct Seat {
    limits: Arc<Limits>,
    source: IpAddr,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowded {
    /// Too many in all.
    All,
    /// Too many from this network.
    Source,
}

impl Limits {
    /// A place for a client at `peer`, if there is one.
    pub fn seat(self: &Arc<Limits>, peer: IpAddr, most: &config::Limits) -> Result<Seat, Crowded> {
        let source = network(peer);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= most.connections {
            return Err(Crowded::All);
        }
        let from_here = open.by_source.get(&source).copied().unwrap_or(0);
        if from_here >= most.per_source {
            return Err(Crowded::Source);
        }
        open.by_source.insert(source, from_here + 1);
        open.all += 1;
        Ok(Seat { limits: self.clone(), source })
    }

    /// How many connections there are.
    pub fn open(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.limits.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(from_here) = open.by_source.get_mut(&self.source) {
            *from_here -= 1;
            if *from_here == 0 {
                open.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_counted_by_network_and_given_back() {
        let limits = Arc::new(Limits::default());
        let most = config::Limits { connections: 3, per_source: 2 };
        let seat = |peer: &str| limits.seat(peer.parse().unwrap(), &most);
        let (one, _two) = (seat("2001:db8::1").unwrap(), seat("2001:db8::2").unwrap());
        assert_eq!(seat("2001:db8::3").unwrap_err(), Crowded::Source);
        let _three = seat("192.0.2.1").unwrap();
        assert_eq!(seat("192.0.2.2").unwrap_err(), Crowded::All);
        drop(one);
        assert!(seat("2001:db8::3").is_ok());
        assert_eq!(limits.open(), 2);
    }
}

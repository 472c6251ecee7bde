//! CAPA (RFC 2449 §5): exactly what is done, in this state, on this connection.

use super::session::Session;
use crate::VERSION;
use crate::config::{DomainRecord, Expire};

impl Session<'_> {
    /// The reply to CAPA. `domain` is the domain, as far as it is known: after login for sure.
    pub(super) fn capabilities(&mut self, domain: Option<&DomainRecord>, state: State) {
        self.ok("Capability list follows");
        for name in ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"] {
            self.line(name);
        }
        self.expire(domain);
        self.login_delay(domain);
        if state == State::Authorization && self.visit.offers_tls(&self.wire) {
            self.line("STLS");
        }
        if self.visit.allows_passwords(&self.wire) {
            self.line("USER");
            self.line("SASL PLAIN");
        }
        self.line("UTF8 USER");
        self.line("LANG");
        self.say(&["IMPLEMENTATION vmail-", VERSION, "\r\n"]);
        self.end_of_lines();
    }

    /// RFC 2449 §6.7. Before the domain is known nothing can be promised.
    fn expire(&mut self, domain: Option<&DomainRecord>) {
        match domain.map(|record| record.pop3.expire) {
            None => {}
            Some(Expire::Never) => self.line("EXPIRE NEVER"),
            Some(Expire::Days(days)) => self.say(&["EXPIRE ", itoa::Buffer::new().format(days), "\r\n"]),
        }
    }

    /// RFC 2449 §6.5.
    fn login_delay(&mut self, domain: Option<&DomainRecord>) {
        let delay = domain.map_or(0, |record| record.pop3.login_delay.0.as_secs_f64().ceil() as u64);
        if delay > 0 {
            self.say(&["LOGIN-DELAY ", itoa::Buffer::new().format(delay), "\r\n"]);
        }
    }
}

/// The states of RFC 1939 in which a client can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Authorization,
    Transaction,
}

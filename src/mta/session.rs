//! One connection of the mail server, whatever it asks.

use super::{auth, policy, socketmap};
use crate::house::House;
use crate::vdomain::Resolver;
use crate::wire::{Lost, Wire};

/// What is asked on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Look-ups: socketmap_table(5).
    Socketmap,
    /// Decisions at RCPT: Postfix's SMTPD_POLICY_README.
    Policy,
    /// Passwords: Dovecot's authentication protocol, version 1.2.
    Auth,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 3] = [Service::Socketmap, Service::Policy, Service::Auth];

    /// As the log and the configuration name it.
    pub fn name(self) -> &'static str {
        match self {
            Service::Socketmap => "socketmap",
            Service::Policy => "policy",
            Service::Auth => "auth",
        }
    }
}

/// How a connection ended, with what there is to count.
#[derive(Debug)]
pub struct Report {
    /// How.
    pub end: End,
    /// Requests that were answered.
    pub requests: u64,
}

/// How a connection ended. Nobody takes leave here: [`Lost::Closed`] is what is expected.
#[derive(Debug)]
pub enum End {
    /// What came was none of the protocol.
    Refused,
    /// By the client, by silence, or by us who stop.
    Lost(Lost),
}

/// Serves one client.
pub async fn serve(service: Service, mut wire: Box<Wire>, house: &House, resolver: &Resolver) -> Report {
    let mut requests = 0;
    let outcome = match service {
        Service::Socketmap => socketmap::serve(&mut wire, house, &mut requests).await,
        Service::Policy => policy::serve(&mut wire, house, &mut requests).await,
        Service::Auth => Box::pin(auth::serve(&mut wire, house, resolver, &mut requests)).await,
    };
    wire.close().await;
    Report { end: outcome.unwrap_or_else(End::Lost), requests }
}

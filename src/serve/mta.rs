//! Questions of the machine's own mail server: their connections, and what is logged of them.

use std::sync::Arc;
use std::time::Instant;

use tokio::net::UnixStream;
use tokio::sync::watch;

use super::server::Server;
use crate::config;
use crate::mta::{self, End, Report, Service};
use crate::wire::{Lost, Plain, Wire};

/// Serves a connection that came in at a socket of this machine, to its end.
pub async fn serve(service: Service, server: Arc<Server>, stream: UnixStream, stop: watch::Receiver<bool>) {
    let (began, now) = (Instant::now(), server.now());
    let settings = &now.house.machine.mta;
    // All clients are one: the machine's mail server.
    let most = config::Limits { connections: settings.connections, per_source: usize::MAX };
    let Ok(_seat) = server.mta.seat(std::net::Ipv4Addr::LOCALHOST.into(), &most) else {
        // None of the protocols has words for it; whoever gets no answer comes again.
        return tracing::warn!(event = "crowded", proto = service.name(), limit = settings.connections as u64);
    };
    let wire = Box::new(Wire::new(Plain::Unix(stream), settings.idle.0, stop));
    let report = Box::pin(mta::serve(service, wire, &now.house, &now.resolver)).await;
    log(service, &report, began);
}

fn log(service: Service, report: &Report, began: Instant) {
    let (end, error) = match &report.end {
        End::Refused => ("refused", None),
        End::Lost(Lost::Closed) => ("quit", None),
        End::Lost(Lost::Idle) => ("idle", None),
        End::Lost(Lost::Stopping) => ("stopping", None),
        End::Lost(Lost::Io(error)) => ("lost", Some(error.to_string())),
    };
    let (proto, ms) = (service.name(), began.elapsed().as_millis() as u64);
    tracing::info!(event = "session", proto, peer = "local", requests = report.requests, ms, end, error);
}

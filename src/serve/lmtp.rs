//! LMTP: its connections, wherever they came in.

use std::sync::Arc;
use std::time::Instant;

use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;

use super::limits::Crowded;
use super::listener::{Place, ends};
use super::server::{Now, Server};
use crate::config::{self, TlsMode};
use crate::deliver::Carrier;
use crate::house;
use crate::lmtp::{self, Call, End, Ends, House, Report};
use crate::wire::{Lost, Plain, Wire};

/// Serves a connection that came in by TCP, to its end.
pub async fn serve_tcp(server: Arc<Server>, place: Place, stream: TcpStream, peer: std::net::SocketAddr, stop: watch::Receiver<bool>) {
    let Ok(local) = stream.local_addr() else { return };
    let (local, peer) = ends(local, peer);
    serve(server, place.tls, Plain::Tcp(stream), Some(Ends { local, peer }), stop).await;
}

/// Serves a connection that came in at the socket of this machine, to its end.
pub async fn serve_local(server: Arc<Server>, stream: UnixStream, stop: watch::Receiver<bool>) {
    serve(server, TlsMode::None, Plain::Unix(stream), None, stop).await;
}

async fn serve(server: Arc<Server>, tls: TlsMode, stream: Plain, ends: Option<Ends>, stop: watch::Receiver<bool>) {
    let now = server.now();
    let settings = &now.house.machine.lmtp;
    let call = Box::new(Call { ends, may_start_tls: tls == TlsMode::Starttls });
    let mut wire = Box::new(Wire::new(stream, settings.idle.0, stop));
    // All clients are one: the machine's mail server.
    let most = config::Limits { connections: settings.connections, per_source: usize::MAX };
    let _seat = match server.lmtp.seat(std::net::Ipv4Addr::LOCALHOST.into(), &most) {
        Ok(seat) => seat,
        Err(crowded) => return refuse(wire, &call, tls, crowded).await,
    };
    if let (TlsMode::Implicit, Some(ends)) = (tls, ends)
        && let Err(lost) = Box::pin(wire.start_tls(&*now.door, ends.local)).await
    {
        return tracing::info!(event = "tls-failed", proto = "lmtp", peer = call.peer(), error = ?lost);
    }
    talk(&now, wire, call).await;
}

/// Talks with a client, and logs the session.
pub async fn talk(now: &Now, wire: Box<Wire>, call: Box<Call>) {
    let (began, peer) = (Instant::now(), call.peer());
    let report = lmtp::serve(wire, call, &now.lmtp()).await;
    log(&peer, &report, began);
}

/// A connection as every protocol knows it.
pub fn call_of(call: &house::Call) -> Box<Call> {
    Box::new(Call { ends: Some(Ends { local: call.local, peer: call.peer }), may_start_tls: call.may_start_tls })
}

/// The client comes again, as for everything that begins with a 4.
async fn refuse(mut wire: Box<Wire>, call: &Call, tls: TlsMode, crowded: Crowded) {
    tracing::warn!(event = "crowded", proto = "lmtp", peer = call.peer(), limit = ?crowded);
    if tls != TlsMode::Implicit {
        wire.say(b"421 4.3.2 too many connections, please come back later\r\n");
        wire.close_politely().await;
    }
}

fn log(peer: &str, report: &Report, began: Instant) {
    let (end, error, doing) = match &report.end {
        End::Quit => ("quit", None, None),
        End::Refused => ("refused", None, None),
        End::Lost(Lost::Closed) => ("closed", None, Some(report.doing)),
        End::Lost(Lost::Idle) => ("idle", None, Some(report.doing)),
        End::Lost(Lost::Stopping) => ("stopping", None, None),
        End::Lost(Lost::Io(error)) => ("lost", Some(error.to_string()), Some(report.doing)),
    };
    tracing::info!(
        event = "session",
        proto = "lmtp",
        peer,
        client = report.client,
        messages = report.done.messages,
        recipients = report.done.recipients,
        refused = report.done.refused,
        bytes = report.counts.received,
        ms = began.elapsed().as_millis() as u64,
        end,
        error,
        doing
    );
}

impl Now {
    /// What sessions over LMTP see.
    pub fn lmtp(&self) -> House {
        House {
            machine: self.house.machine.clone(),
            host: self.house.host.clone(),
            names: self.house.names.clone(),
            maps: self.house.maps.clone(),
            carrier: Carrier::new(self.house.store.clone(), &self.house.machine),
            tls: self.door.clone(),
        }
    }
}

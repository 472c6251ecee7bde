//! One accepted connection: seated, identified, and given to whom it is for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::watch;

use super::limits::{Crowded, Seat};
use super::listener::{Place, ends};
use super::lmtp;
use super::server::{Now, Server};
use crate::config::{Proto, TlsMode};
use crate::house::{Call, End, Report};
use crate::imap;
use crate::os::process;
use crate::pop3;
use crate::vdomain::{Answer, Decision, Evidence, NamesOf, Whose, identify};
use crate::wire::{Lost, Plain, Wire};

/// Serves a connection that came in at `place`, to its end.
pub fn serve(
    server: Arc<Server>,
    place: Place,
    stream: TcpStream,
    peer: SocketAddr,
    stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send {
    let Place { proto, tls, .. } = place;
    // Boxed, and gone when the talk begins: the rest is what an idle session consists of.
    let begun = Box::pin(begin(server, place, stream, peer, stop));
    async move {
        let Some(Begun { now, wire, call, _seat }) = begun.await else { return };
        talk(&now, proto, tls, wire, call).await;
    }
}

/// A connection with which we are going to talk.
struct Begun {
    now: Arc<Now>,
    wire: Box<Wire>,
    call: Box<Call>,
    _seat: Seat,
}

/// Seats a connection, unless it is for somebody else.
async fn begin(server: Arc<Server>, place: Place, stream: TcpStream, peer: SocketAddr, stop: watch::Receiver<bool>) -> Option<Begun> {
    if place.proto == Proto::Lmtp {
        lmtp::serve_tcp(server, place, stream, peer, stop).await;
        return None;
    }
    let (local, peer) = ends(stream.local_addr().ok()?, peer);
    let now = server.now();
    let seat = server.limits.seat(peer, &now.house.machine.limit);
    let seat = seat.map_err(|crowded| refuse(&stream, place, peer, crowded)).ok()?;
    let (decision, names) = look_up(&now, local).await;
    let native = now.native.of(place.proto);
    if decision.whose == Whose::Main && !native.is_empty() && place.tls != TlsMode::Implicit {
        hand_over(place.proto, native, stream, peer, local).await;
        return None;
    }
    let call = Box::new(Call { local, peer, sni: None, names, may_start_tls: place.tls == TlsMode::Starttls });
    let wire = Box::new(Wire::new(Plain::Tcp(stream), patience(&now, place.proto), stop));
    Some(Begun { now, wire, call, _seat: seat })
}

/// Whose the connection is by its address, the name service being asked only where that could make a difference.
pub async fn look_up(now: &Now, local: IpAddr) -> (Decision, Answer) {
    let evidence = Evidence { local, names: NamesOf::Unasked, sni: None, login: None };
    let decision = identify(&*now.house.names, &evidence);
    if !decision.wants_names() {
        return (decision, Answer::Off);
    }
    let answer = Box::pin(now.resolver.names(local)).await;
    let decision = identify(&*now.house.names, &Evidence { names: answer.evidence(), ..evidence });
    if let Answer::Unanswered = answer {
        // behaviour.md trap 7: a customer's users may be landing in the main domain.
        tracing::warn!(event = "no-name", dialled = %local, why = %decision.why, "the name service did not answer; list the address in its domain's record");
    }
    (decision, answer)
}

/// How long a client may be silent at first.
pub fn patience(now: &Now, proto: Proto) -> Duration {
    match proto {
        Proto::Pop3 => now.house.machine.pop3.idle.0,
        Proto::Imap => now.house.machine.imap.idle.0,
        Proto::Lmtp => now.house.machine.lmtp.idle.0,
    }
}

/// Talks with a client, and logs the session. What is large is boxed: this is what an idle session consists of.
pub async fn talk(now: &Now, proto: Proto, tls: TlsMode, mut wire: Box<Wire>, mut call: Box<Call>) {
    let began = Instant::now();
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    if tls == TlsMode::Implicit {
        match Box::pin(wire.start_tls(&*now.door, call.local)).await {
            Ok(sni) => call.sni = sni,
            Err(lost) => {
                return tracing::info!(event = "tls-failed", proto = proto.name(), peer = %call.peer, dialled = %call.local, error = ?lost);
            }
        }
    }
    let talked = Talked { id, proto, peer: call.peer, local: call.local, began };
    match proto {
        Proto::Pop3 => {
            let report = Box::pin(pop3::serve(wire, call, &now.house)).await;
            talked.log(&report, Some(&report.done), None);
        }
        Proto::Imap => {
            let report = Box::pin(imap::serve(wire, call, &now.house)).await;
            talked.log(&report, None, Some(&report.done));
        }
        Proto::Lmtp => Box::pin(lmtp::talk(now, wire, lmtp::call_of(&call))).await,
    }
}

/// A session that has ended, as `serve` knows it.
struct Talked {
    id: u64,
    proto: Proto,
    peer: IpAddr,
    local: IpAddr,
    began: Instant,
}

impl Talked {
    fn log<D>(&self, report: &Report<D>, pop3: Option<&pop3::Done>, imap: Option<&imap::Done>) {
        let (end, error, doing) = match &report.end {
            End::Quit => ("quit", None, None),
            End::NotUpdated(trouble) => ("not-updated", Some(trouble.to_string()), Some(report.doing)),
            End::Refused => ("refused", None, None),
            End::Lost(Lost::Closed) => ("closed", None, Some(report.doing)),
            End::Lost(Lost::Idle) => ("idle", None, Some(report.doing)),
            End::Lost(Lost::Stopping) => ("stopping", None, None),
            End::Lost(Lost::Io(error)) => ("lost", Some(error.to_string()), Some(report.doing)),
        };
        tracing::info!(
            event = "session",
            id = self.id,
            proto = self.proto.name(),
            peer = %self.peer,
            dialled = %self.local,
            sni = report.sni,
            domain = report.domain,
            why = %report.why,
            user = report.user,
            client = imap.and_then(|done| done.client.as_deref()),
            retr = pop3.map(|done| done.retr),
            top = pop3.map(|done| done.top),
            dele = pop3.map(|done| done.dele as u64),
            commands = imap.map(|done| done.commands),
            appended = imap.map(|done| done.appended),
            expunged = imap.map(|done| done.expunged),
            bytes = report.counts.sent,
            ms = self.began.elapsed().as_millis() as u64,
            end,
            error,
            doing
        );
    }
}

/// Says so where the client can understand it.
fn refuse(stream: &TcpStream, place: Place, peer: IpAddr, crowded: Crowded) {
    tracing::warn!(event = "crowded", proto = place.proto.name(), %peer, limit = ?crowded);
    if place.tls != TlsMode::Implicit {
        // Best effort: the connection ends in any case, and a fresh socket takes so much.
        let _ = stream.try_write(refusal(place.proto, "too many connections, please try later").as_bytes());
    }
}

/// A greeting that is none, in the protocol's words: the trouble is ours, and passes.
pub fn refusal(proto: Proto, why: &str) -> String {
    match proto {
        Proto::Pop3 => format!("-ERR [SYS/TEMP] {why}\r\n"),
        Proto::Imap => format!("* BYE [UNAVAILABLE] {why}\r\n"),
        Proto::Lmtp => format!("421 4.3.2 {why}\r\n"),
    }
}

/// The native daemon serves it on the untouched socket (behaviour.md §2.5).
async fn hand_over(proto: Proto, words: &[String], stream: TcpStream, peer: IpAddr, local: IpAddr) {
    let proto = proto.name();
    let started = stream.into_std().and_then(|stream| process::native(words, stream)).and_then(|command| {
        let mut command = tokio::process::Command::from(command);
        command.spawn()
        // The command, and with it our copy of the connection, is dropped here.
    });
    match started {
        Err(error) => tracing::error!(event = "native", proto, program = words[0], %error, doing = "starting the native daemon"),
        Ok(mut child) => {
            let status = child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::info!(event = "native", proto, %peer, dialled = %local, program = words[0], end = status);
        }
    }
}

/// Numbers sessions for the log.
static NEXT: AtomicU64 = AtomicU64::new(1);

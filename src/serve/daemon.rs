//! `vmail serve`: the daemon from its start to its end.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::connection;
use super::listener::{self, Bound, Place};
use super::local::{Local, Socket};
use super::server::{Mode, Server};
use super::systemd;
use super::watch::Watch;
use crate::config::{Native, Root};
use crate::os::process;

/// What is running, for whoever wants to know once it is.
#[derive(Debug, Clone)]
pub struct Started {
    /// Where it listens.
    pub places: Vec<Place>,
}

/// Serves all domains below `root` until SIGTERM or SIGINT. `started` is called when all listeners are open.
///
/// # Errors
/// The configuration is wrong, or nothing can be listened on: says what, where and how to mend it.
pub fn run(root: Root, started: impl FnOnce(&Started)) -> anyhow::Result<()> {
    let server = Arc::new(Server::load(root, Mode::Daemon, Native::default(), None)?);
    let (bound, are_passed) = listeners(&server)?;
    let sockets = Socket::bind_all(&server)?;
    raise_open_files(&server);
    server.become_service()?;
    // Started after the rights are given up: Linux keeps them by thread.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(server, bound, are_passed, sockets, started));
    runtime.shutdown_background();
    outcome
}

/// The listening sockets, and whether systemd has passed them.
fn listeners(server: &Server) -> anyhow::Result<(Vec<Bound>, bool)> {
    let now = server.now();
    let machine = &now.house.machine;
    let passed = systemd::sockets(machine).map_err(anyhow::Error::msg)?;
    if !passed.is_empty() {
        return Ok((passed, true));
    }
    let bind = |place: Place| listener::bind(place).map_err(|error| anyhow::anyhow!("{}: {}", place.address, advice(&error)));
    let bound: anyhow::Result<Vec<Bound>> = listener::places(machine, now.door.has_any()).into_iter().map(bind).collect();
    Ok((bound?, false))
}

/// A connection takes a descriptor for itself and one for its maildrop.
fn raise_open_files(server: &Server) {
    let (may, wanted) = (process::raise_open_files(), server.now().house.machine.limit.connections as u64 * 2 + 100);
    if may < wanted {
        tracing::warn!(
            event = "open-files",
            limit = may,
            wanted,
            "too few open files for limit.connections: raise LimitNOFILE or lower the limit"
        );
    }
}

fn advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!("{error}: another program listens there; stop it, or give [[listen]] another port"),
        io::ErrorKind::PermissionDenied => format!("{error}: ports below 1024 need root; start as root, or give [[listen]] a higher port"),
        _ => error.to_string(),
    }
}

async fn serve(
    server: Arc<Server>,
    bound: Vec<Bound>,
    are_passed: bool,
    sockets: Vec<Socket>,
    started: impl FnOnce(&Started),
) -> anyhow::Result<()> {
    let (stopper, stop) = watch::channel(false);
    let mut signals = Signals::new()?;
    let watched = Watch::over(&server.root);
    if let Err(error) = &watched {
        tracing::warn!(event = "watch", %error, "changes of the configuration are noticed at SIGHUP only");
    }
    let mut watched = watched.ok();
    let mut local = Local::begin(&server, sockets, stop.clone());
    let mut accepting = Accepting { server: server.clone(), stop, tasks: HashMap::new(), are_passed };
    for one in bound {
        accepting.begin(one)?;
    }
    tokio::spawn(systemd::keep_watchdog_quiet());
    let places: Vec<Place> = accepting.tasks.keys().copied().collect();
    tracing::info!(event = "ready", version = crate::VERSION, listeners = places.len() as u64);
    systemd::ready("serving");
    started(&Started { places });
    loop {
        tokio::select! {
            news = signals.next() => match news {
                News::Stop => break,
                News::Reload => {
                    systemd::reloading();
                    accepting.reload().await;
                    local.reload(&server).await;
                    systemd::ready("serving");
                }
            },
            () = changed(watched.as_mut()) => {
                accepting.reload().await;
                local.reload(&server).await;
            }
        }
    }
    systemd::stopping();
    tracing::info!(event = "stopping", connections = server.open() as u64);
    accepting.end();
    local.end().await;
    // All sessions hear it, each says farewell in its own words.
    stopper.send_replace(true);
    drain(&server).await;
    Ok(())
}

async fn changed(watched: Option<&mut Watch>) {
    match watched {
        Some(watched) => watched.changed().await,
        None => std::future::pending().await,
    }
}

async fn drain(server: &Server) {
    let all_gone = async {
        while server.open() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(DRAIN, all_gone).await.is_err() {
        tracing::warn!(event = "stopped", connections = server.open() as u64, "some sessions did not end in time");
    }
}

/// The listeners at work, by where they were asked to listen.
struct Accepting {
    server: Arc<Server>,
    stop: watch::Receiver<bool>,
    tasks: HashMap<Place, JoinHandle<()>>,
    /// The sockets are systemd's: a reload neither opens nor closes any.
    are_passed: bool,
}

impl Accepting {
    fn begin(&mut self, bound: Bound) -> io::Result<()> {
        let listener = TcpListener::from_std(bound.socket)?;
        let task = tokio::spawn(accept(self.server.clone(), bound.place, listener, self.stop.clone()));
        self.tasks.insert(bound.place, task);
        Ok(())
    }

    /// Reads the configuration again, and opens and closes listeners as it now says.
    async fn reload(&mut self) {
        if let Err(fault) = self.server.reload() {
            return tracing::error!(event = "reload", error = %fault, "the configuration in use stays");
        }
        if self.are_passed {
            return;
        }
        let now = self.server.now();
        let wanted = listener::places(&now.house.machine, now.door.has_any());
        // A port 0 of the configuration is one of ours, whichever it became.
        let is_wanted = |place: &Place| {
            wanted.iter().any(|want| want == place || Place { address: place.address, ..*want } == *place && want.address.port() == 0)
        };
        let unwanted: Vec<Place> = self.tasks.keys().filter(|place| !is_wanted(place)).copied().collect();
        for place in unwanted {
            if let Some(task) = self.tasks.remove(&place) {
                task.abort();
                // The socket is closed when the task has ended, and not before its address is free again.
                let _ = task.await;
            }
        }
        for place in wanted {
            if place.address.port() == 0 || self.tasks.contains_key(&place) {
                continue;
            }
            if let Err(error) = listener::bind(place).and_then(|bound| self.begin(bound)) {
                let advice = match error.kind() {
                    io::ErrorKind::PermissionDenied => {
                        format!("{error}: ports below 1024 are opened at the start only; restart the service")
                    }
                    _ => advice(&error),
                };
                tracing::error!(event = "listen", address = %place.address, error = advice);
            }
        }
    }

    fn end(&mut self) {
        self.tasks.drain().for_each(|(_, task)| task.abort());
    }
}

async fn accept(server: Arc<Server>, place: Place, listener: TcpListener, stop: watch::Receiver<bool>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => drop(tokio::spawn(connection::serve(server.clone(), place, stream, peer, stop.clone()))),
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                // No descriptors or no memory: what is there goes on, new ones wait in the backlog.
                tracing::error!(event = "accept", address = %place.address, %error);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// accept(2): errors of a connection that was gone before we took it.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | HostUnreachable | Interrupted | NetworkDown | NetworkUnreachable)
}

enum News {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> News {
        tokio::select! {
            _ = self.terminate.recv() => News::Stop,
            _ = self.interrupt.recv() => News::Stop,
            _ = self.hangup.recv() => News::Reload,
        }
    }
}

/// How long sessions have to end: an update in progress takes its time, a client that reads slowly does not get it.
const DRAIN: Duration = Duration::from_secs(20);

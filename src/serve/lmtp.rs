//! LMTP: the socket of this machine that it listens on, and its connections, wherever they came in.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::unistd::{Group, User};
use tokio::net::{TcpStream, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::limits::Crowded;
use super::listener::{Place, ends};
use super::server::{Now, Server};
use crate::config::{self, LmtpSettings, Machine, TlsMode};
use crate::deliver::Carrier;
use crate::house;
use crate::lmtp::{self, Call, End, Ends, House, Report};
use crate::wire::{Lost, Plain, Wire};

/// The socket at work; it goes when this is dropped.
pub struct Socket {
    listener: std::os::unix::net::UnixListener,
    path: PathBuf,
    /// Device and inode: another server may have put its own there since.
    identity: (u64, u64),
}

impl Socket {
    /// Listens on the socket that the configuration names, if it names one. What a dead server has left there is replaced; where
    /// another one listens, it stays.
    ///
    /// # Errors
    /// It can't be made, with its path.
    pub fn bind(server: &Server) -> anyhow::Result<Option<Socket>> {
        let now = server.now();
        let machine = &now.house.machine;
        let Some(path) = machine.lmtp.socket(&server.root) else { return Ok(None) };
        let bound = Socket::at(&path, machine);
        bound.map(Some).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
    }

    fn at(path: &Path, machine: &Machine) -> io::Result<Socket> {
        make_folder(path)?;
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::other("another program listens there; stop it, or give lmtp.socket another path"));
        }
        // Made beside it and put in its place: no client ever finds one that is not ready, or with other rights.
        let beside = path.with_added_extension(std::process::id().to_string());
        remove(&beside)?;
        let listener = std::os::unix::net::UnixListener::bind(&beside)?;
        listener.set_nonblocking(true)?;
        give(&beside, machine).and_then(|()| std::fs::rename(&beside, path)).inspect_err(|_| _ = remove(&beside))?;
        let meta = std::fs::symlink_metadata(path)?;
        Ok(Socket { listener, path: path.to_owned(), identity: (meta.dev(), meta.ino()) })
    }

    /// Takes connections until the server stops.
    async fn accept(self, server: Arc<Server>, stop: watch::Receiver<bool>) {
        let listener = match self.listener.try_clone().and_then(UnixListener::from_std) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(event = "listen", proto = "lmtp", path = %self.path.display(), %error),
        };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(serve(server.clone(), TlsMode::None, Plain::Unix(stream), None, stop.clone()))),
                Err(error) => {
                    // No descriptors or no memory: what is there goes on, new ones wait in the backlog.
                    tracing::error!(event = "accept", path = %self.path.display(), %error);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let is_ours = std::fs::symlink_metadata(&self.path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.identity);
        if is_ours {
            // Best effort: the next server replaces it.
            let _ = remove(&self.path);
        }
    }
}

/// The socket as the configuration wants it now.
pub struct Local {
    stop: watch::Receiver<bool>,
    /// What it was made from, and the task that listens.
    task: Option<(LmtpSettings, JoinHandle<()>)>,
}

impl Local {
    /// Takes connections at `socket`.
    pub fn begin(server: &Arc<Server>, socket: Option<Socket>, stop: watch::Receiver<bool>) -> Local {
        let mut local = Local { stop, task: None };
        local.listen(server, socket);
        local
    }

    fn listen(&mut self, server: &Arc<Server>, socket: Option<Socket>) {
        let settings = server.now().house.machine.lmtp.clone();
        let Some(socket) = socket else { return };
        let accepting = socket.accept(server.clone(), self.stop.clone());
        self.task = Some((settings, tokio::spawn(accepting)));
    }

    /// Moves the socket where the configuration wants it otherwise than before.
    pub async fn reload(&mut self, server: &Arc<Server>) {
        let now = server.now();
        let new = &now.house.machine.lmtp;
        let is_same = |old: &LmtpSettings| (&old.socket, old.mode, &old.group) == (&new.socket, new.mode, &new.group);
        if self.task.as_ref().is_some_and(|(old, task)| is_same(old) && !task.is_finished()) {
            return;
        }
        self.end().await;
        match Socket::bind(server) {
            Ok(socket) => self.listen(server, socket),
            Err(error) => tracing::error!(event = "listen", proto = "lmtp", %error),
        }
    }

    /// Takes no more.
    pub async fn end(&mut self) {
        if let Some((_, task)) = self.task.take() {
            task.abort();
            // The socket goes when the task has ended.
            let _ = task.await;
        }
    }
}

/// The folder is open to all: the socket's own rights say who may connect.
fn make_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.exists() => {
            std::fs::create_dir_all(folder)?;
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
        }
        _ => Ok(()),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The service user's, the group's, and with the rights that are configured.
fn give(path: &Path, machine: &Machine) -> io::Result<()> {
    let LmtpSettings { mode, group, .. } = &machine.lmtp;
    let user = User::from_name(&machine.user)?;
    let gid = match group {
        None => user.as_ref().map(|user| user.gid.as_raw()),
        Some(name) => {
            let group =
                Group::from_name(name)?.ok_or_else(|| io::Error::other(format!("lmtp.group = {name:?}: there is no such group")))?;
            Some(group.gid.as_raw())
        }
    };
    let uid = user.map(|user| user.uid.as_raw()).filter(|_| rustix::process::geteuid().is_root());
    std::os::unix::fs::chown(path, uid, gid)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode.0))
}

/// Serves a connection that came in by TCP, to its end.
pub async fn serve_tcp(server: Arc<Server>, place: Place, stream: TcpStream, peer: std::net::SocketAddr, stop: watch::Receiver<bool>) {
    let Ok(local) = stream.local_addr() else { return };
    let (local, peer) = ends(local, peer);
    serve(server, place.tls, Plain::Tcp(stream), Some(Ends { local, peer }), stop).await;
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
            carrier: Carrier::new(self.house.store.clone(), &self.house.machine),
            tls: self.door.clone(),
        }
    }
}

//! Sockets of this machine: where its own mail server delivers, looks up and asks.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Group, User};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::server::Server;
use super::{lmtp, mta};
use crate::config::{FileMode, Machine, Root};
use crate::mta::Service;

/// What is spoken there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Talk {
    /// LMTP.
    Lmtp,
    /// A question of the mail server's.
    Mta(Service),
}

/// A socket as the configuration wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    talk: Talk,
    path: PathBuf,
    mode: FileMode,
    group: Option<String>,
}

/// A socket at work; it goes when this is dropped.
pub struct Socket {
    wanted: Wanted,
    listener: std::os::unix::net::UnixListener,
    /// Device and inode: another server may have put its own there since.
    identity: (u64, u64),
}

impl Talk {
    /// As the log names it.
    fn name(self) -> &'static str {
        match self {
            Talk::Lmtp => "lmtp",
            Talk::Mta(service) => service.name(),
        }
    }

    /// The setting with the socket's path.
    fn setting(self) -> &'static str {
        match self {
            Talk::Lmtp => "lmtp.socket",
            Talk::Mta(Service::Socketmap) => "mta.socketmap",
            Talk::Mta(Service::Policy) => "mta.policy",
            Talk::Mta(Service::Auth) => "mta.auth",
        }
    }

    async fn serve(self, server: Arc<Server>, stream: UnixStream, stop: watch::Receiver<bool>) {
        match self {
            Talk::Lmtp => lmtp::serve_local(server, stream, stop).await,
            Talk::Mta(service) => mta::serve(service, server, stream, stop).await,
        }
    }
}

impl Wanted {
    /// All that the configuration names.
    fn all(machine: &Machine, root: &Root) -> Vec<Wanted> {
        let lmtp = machine.lmtp.socket(root).map(|path| {
            let (mode, group) = (machine.lmtp.mode, machine.lmtp.group.clone());
            Wanted { talk: Talk::Lmtp, path, mode, group }
        });
        let settings = &machine.mta;
        let questions = Service::ALL.into_iter().filter_map(|service| {
            let name = match service {
                Service::Socketmap => &settings.socketmap,
                Service::Policy => &settings.policy,
                Service::Auth => &settings.auth,
            };
            let (talk, path) = (Talk::Mta(service), root.run().join(name));
            (name != Path::new("")).then(|| Wanted { talk, path, mode: settings.mode, group: settings.group.clone() })
        });
        lmtp.into_iter().chain(questions).collect()
    }

    /// The service user's, the group's, and with the rights that are configured.
    fn give(&self, path: &Path, machine: &Machine) -> io::Result<()> {
        let user = User::from_name(&machine.user)?;
        let gid = match &self.group {
            None => user.as_ref().map(|user| user.gid.as_raw()),
            Some(name) => {
                let unknown = || io::Error::other(format!("the group {name:?} that is configured for it does not exist"));
                Some(Group::from_name(name)?.ok_or_else(unknown)?.gid.as_raw())
            }
        };
        let uid = user.map(|user| user.uid.as_raw()).filter(|_| rustix::process::geteuid().is_root());
        std::os::unix::fs::chown(path, uid, gid)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(self.mode.0))
    }
}

impl Socket {
    /// Listens on the sockets that the configuration names. What a dead server has left there is replaced; where another one listens, it
    /// stays.
    ///
    /// # Errors
    /// One can't be made, with its path.
    pub fn bind_all(server: &Server) -> anyhow::Result<Vec<Socket>> {
        let now = server.now();
        let machine = &now.house.machine;
        Wanted::all(machine, &server.root).into_iter().map(|wanted| Socket::bind(wanted, machine)).collect()
    }

    fn bind(wanted: Wanted, machine: &Machine) -> anyhow::Result<Socket> {
        let path = wanted.path.clone();
        Socket::at(wanted, machine).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
    }

    fn at(wanted: Wanted, machine: &Machine) -> io::Result<Socket> {
        let path = &wanted.path;
        make_folder(path)?;
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            let setting = wanted.talk.setting();
            return Err(io::Error::other(format!("another program listens there; stop it, or give {setting} another path")));
        }
        // Made beside it and put in its place: no client ever finds one that is not ready, or with other rights.
        let beside = path.with_added_extension(std::process::id().to_string());
        remove(&beside)?;
        let listener = std::os::unix::net::UnixListener::bind(&beside)?;
        listener.set_nonblocking(true)?;
        wanted.give(&beside, machine).and_then(|()| std::fs::rename(&beside, path)).inspect_err(|_| _ = remove(&beside))?;
        let meta = std::fs::symlink_metadata(path)?;
        Ok(Socket { listener, identity: (meta.dev(), meta.ino()), wanted })
    }

    /// Takes connections until the server stops.
    async fn accept(self, server: Arc<Server>, stop: watch::Receiver<bool>) {
        let Wanted { talk, path, .. } = &self.wanted;
        let listener = match self.listener.try_clone().and_then(UnixListener::from_std) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(event = "listen", proto = talk.name(), path = %path.display(), %error),
        };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(talk.serve(server.clone(), stream, stop.clone()))),
                Err(error) => {
                    // No descriptors or no memory: what is there goes on, new ones wait in the backlog.
                    tracing::error!(event = "accept", path = %path.display(), %error);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let path = &self.wanted.path;
        let is_ours = std::fs::symlink_metadata(path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.identity);
        if is_ours {
            // Best effort: the next server replaces it.
            let _ = remove(path);
        }
    }
}

/// The sockets as the configuration wants them now.
pub struct Local {
    stop: watch::Receiver<bool>,
    /// What each was made from, and the task that listens.
    tasks: HashMap<Talk, (Wanted, JoinHandle<()>)>,
}

impl Local {
    /// Takes connections at `sockets`.
    pub fn begin(server: &Arc<Server>, sockets: Vec<Socket>, stop: watch::Receiver<bool>) -> Local {
        let mut local = Local { stop, tasks: HashMap::new() };
        sockets.into_iter().for_each(|socket| local.listen(server, socket));
        local
    }

    fn listen(&mut self, server: &Arc<Server>, socket: Socket) {
        let wanted = socket.wanted.clone();
        let task = tokio::spawn(socket.accept(server.clone(), self.stop.clone()));
        self.tasks.insert(wanted.talk, (wanted, task));
    }

    /// Moves the sockets that the configuration wants otherwise than before.
    pub async fn reload(&mut self, server: &Arc<Server>) {
        let now = server.now();
        let machine = &now.house.machine;
        let wanted = Wanted::all(machine, &server.root);
        let is_right = |old: &Wanted, task: &JoinHandle<()>| wanted.contains(old) && !task.is_finished();
        let wrong: Vec<Talk> = self.tasks.iter().filter(|(_, (old, task))| !is_right(old, task)).map(|(talk, _)| *talk).collect();
        for talk in wrong {
            self.close(talk).await;
        }
        for one in wanted {
            if self.tasks.contains_key(&one.talk) {
                continue;
            }
            let name = one.talk.name();
            match Socket::bind(one, machine) {
                Ok(socket) => self.listen(server, socket),
                Err(error) => tracing::error!(event = "listen", proto = name, %error),
            }
        }
    }

    async fn close(&mut self, talk: Talk) {
        if let Some((_, task)) = self.tasks.remove(&talk) {
            task.abort();
            // The socket goes when the task has ended.
            let _ = task.await;
        }
    }

    /// Takes no more.
    pub async fn end(&mut self) {
        let all: Vec<Talk> = self.tasks.keys().copied().collect();
        for talk in all {
            self.close(talk).await;
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

//! Lines to a daemon's datagram socket: never waiting for it, finding it again when it has been away.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Sink;

/// A socket of ours, and the daemon's name in the file system. Not connected: each line looks the name up, so that a restarted
/// daemon is found by the next line.
pub(super) struct Datagram {
    socket: UnixDatagram,
    path: PathBuf,
    lost: AtomicU64,
}

impl Datagram {
    pub(super) fn to(path: &Path) -> io::Result<Datagram> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Datagram { socket, path: path.to_owned(), lost: AtomicU64::new(0) })
    }
}

impl Sink for Datagram {
    fn put(&self, line: &[u8]) -> u64 {
        match self.socket.send_to(line, &self.path) {
            Ok(_) => self.lost.swap(0, Ordering::Relaxed),
            Err(_) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                0
            }
        }
    }
}

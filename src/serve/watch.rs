//! Noticing that the configuration has changed: inotify on the folders that hold it.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

use crate::config::Root;

/// Watches the folders of the configuration.
pub struct Watch {
    fd: AsyncFd<std::os::fd::OwnedFd>,
}

impl Watch {
    /// Watches `/etc/vmail` and `/etc/vmail/domains` below `root`.
    pub fn over(root: &Root) -> io::Result<Watch> {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let flags = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::MOVED_FROM | WatchFlags::DELETE | WatchFlags::ONLYDIR;
        inotify::add_watch(&fd, root.etc(), flags)?;
        match inotify::add_watch(&fd, root.domains(), flags) {
            // It appears with the first domain; until then SIGHUP tells.
            Err(rustix::io::Errno::NOENT) => {}
            outcome => drop(outcome?),
        }
        Ok(Watch { fd: AsyncFd::new(fd)? })
    }

    /// Returns when a file that the directory of domains depends on has changed, and nothing has for a moment.
    pub async fn changed(&self) -> io::Result<()> {
        while !self.next().await? {}
        // Commands change several files; one reading is enough for all of them.
        while let Ok(next) = tokio::time::timeout(SETTLED, self.next()).await {
            next?;
        }
        Ok(())
    }

    /// Waits for events; whether one of them matters.
    async fn next(&self) -> io::Result<bool> {
        loop {
            let mut ready = self.fd.readable().await?;
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut reader = inotify::Reader::new(&self.fd, &mut buffer);
            let mut matters = false;
            loop {
                match reader.next() {
                    Ok(event) => matters |= event.file_name().is_none_or(|name| is_ours(OsStr::from_bytes(name.to_bytes()))),
                    Err(rustix::io::Errno::AGAIN) => break,
                    Err(error) => return Err(error.into()),
                }
                if reader.is_buffer_empty() {
                    break;
                }
            }
            ready.clear_ready();
            return Ok(matters);
        }
    }
}

/// Accounts are looked up in their files at each login: only what defines domains is of interest.
fn is_ours(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| !name.starts_with('.') && (name.ends_with(".toml") || name.starts_with("passwd.")))
}

const SETTLED: Duration = Duration::from_millis(50);

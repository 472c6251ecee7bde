//! Noticing that the configuration has changed: inotify on the folders that hold it.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::config::Root;

/// Watches the folders of the configuration.
pub struct Watch {
    news: mpsc::Receiver<()>,
}

impl Watch {
    /// Watches `/etc/vmail` and `/etc/vmail/domains` below `root`, from a thread of its own that sleeps until something happens.
    pub fn over(root: &Root) -> io::Result<Watch> {
        let fd = inotify::init(CreateFlags::CLOEXEC)?;
        let flags = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::MOVED_FROM | WatchFlags::DELETE | WatchFlags::ONLYDIR;
        inotify::add_watch(&fd, root.etc(), flags)?;
        match inotify::add_watch(&fd, root.domains(), flags) {
            // It appears with the first domain; until then SIGHUP tells.
            Err(rustix::io::Errno::NOENT) => {}
            outcome => _ = outcome?,
        }
        let (tell, news) = mpsc::channel(1);
        std::thread::Builder::new().name("watch".into()).spawn(move || read(&fd, &tell))?;
        Ok(Watch { news })
    }

    /// Returns when a file that the directory of domains depends on has changed, and nothing has for a moment.
    pub async fn changed(&mut self) {
        if self.news.recv().await.is_none() {
            return std::future::pending().await;
        }
        // Commands change several files; one reading is enough for all of them.
        while let Ok(Some(())) = timeout(SETTLED, self.news.recv()).await {}
    }
}

/// Tells of every event that matters; one that waits to be heard is enough.
fn read(fd: &OwnedFd, tell: &mpsc::Sender<()>) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(fd, &mut buffer);
    while let Ok(event) = events.next() {
        if event.file_name().is_none_or(|name| defines_domains(OsStr::from_bytes(name.to_bytes())))
            && let Err(mpsc::error::TrySendError::Closed(())) = tell.try_send(())
        {
            return;
        }
    }
}

/// Accounts are looked up in their files at each login: only what defines domains is of interest.
fn defines_domains(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| !name.starts_with('.') && (name.ends_with(".toml") || name.starts_with("passwd.")))
}

const SETTLED: Duration = Duration::from_millis(50);

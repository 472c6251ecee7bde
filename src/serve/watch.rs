//! Noticing that the configuration has changed: inotify on the folders that hold it.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
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
        inotify::add_watch(&fd, root.etc(), CHANGES | WatchFlags::CREATE)?;
        let domains = root.domains();
        match inotify::add_watch(&fd, &domains, CHANGES) {
            // It appears with the first domain.
            Err(rustix::io::Errno::NOENT) => {}
            outcome => _ = outcome?,
        }
        let (tell, news) = mpsc::channel(1);
        std::thread::Builder::new().name("watch".into()).spawn(move || read(&fd, &domains, &tell))?;
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
fn read(fd: &OwnedFd, domains: &Path, tell: &mpsc::Sender<()>) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(fd, &mut buffer);
    while let Ok(event) = events.next() {
        let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
        let is_folder = event.events().contains(ReadFlags::ISDIR);
        let is_news = match (is_folder, name) {
            (_, None) => true,
            // The folder of records has come, or come back. Where it has gone again there is nothing to watch.
            (true, name) => name == domains.file_name() && inotify::add_watch(fd, domains, CHANGES).is_ok(),
            // A file that has just been made says nothing yet.
            (false, Some(name)) => !event.events().contains(ReadFlags::CREATE) && defines_domains(name),
        };
        if is_news && let Err(mpsc::error::TrySendError::Closed(())) = tell.try_send(()) {
            return;
        }
    }
}

/// Accounts are looked up in their files at each login: only what defines domains is of interest.
fn defines_domains(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| !name.starts_with('.') && (name.ends_with(".toml") || name.starts_with("passwd.")))
}

const CHANGES: WatchFlags =
    WatchFlags::CLOSE_WRITE.union(WatchFlags::MOVED_TO).union(WatchFlags::MOVED_FROM).union(WatchFlags::DELETE).union(WatchFlags::ONLYDIR);
const SETTLED: Duration = Duration::from_millis(50);

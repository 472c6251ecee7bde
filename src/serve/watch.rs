//! Noticing that the configuration has changed: inotify on the folders that hold it.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::config::Root;
use crate::os::watch::{Event, Folders, ReadFlags, WatchFlags, Watcher};

/// Watches the folders of the configuration.
pub struct Watch {
    news: mpsc::Receiver<()>,
    _watcher: Watcher,
}

impl Watch {
    /// Watches `/etc/vmail` and `/etc/vmail/domains` below `root`.
    pub fn over(root: &Root) -> io::Result<Watch> {
        let (tell, news) = mpsc::channel(1);
        let domains = root.domains();
        let watcher = Watcher::start(move |folders, event| {
            if is_news(folders, &event, &domains) {
                // One that waits to be heard is enough.
                let _ = tell.try_send(());
            }
        })?;
        watcher.folders().add(&root.etc(), CHANGES | WatchFlags::CREATE)?;
        match watcher.folders().add(&root.domains(), CHANGES) {
            // It appears with the first domain.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => _ = outcome?,
        }
        Ok(Watch { news, _watcher: watcher })
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

fn is_news(folders: &Folders, event: &Event<'_>, domains: &Path) -> bool {
    let Event::Change { name, what, .. } = event else { return false };
    match (what.contains(ReadFlags::ISDIR), name) {
        (_, None) => true,
        // The folder of records has come, or come back. Where it has gone again there is nothing to watch.
        (true, name) => *name == domains.file_name() && folders.add(domains, CHANGES).is_ok(),
        // A file that has just been made says nothing yet.
        (false, Some(name)) => !what.contains(ReadFlags::CREATE) && defines_domains(name),
    }
}

/// Accounts are looked up in their files at each login: only what defines domains is of interest.
fn defines_domains(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| !name.starts_with('.') && (name.ends_with(".toml") || name.starts_with("passwd.")))
}

const CHANGES: WatchFlags =
    WatchFlags::CLOSE_WRITE.union(WatchFlags::MOVED_TO).union(WatchFlags::MOVED_FROM).union(WatchFlags::DELETE).union(WatchFlags::ONLYDIR);
const SETTLED: Duration = Duration::from_millis(50);

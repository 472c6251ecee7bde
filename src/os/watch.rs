//! inotify(7): one descriptor, and one thread that hears of changes in folders.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::event::{EventfdFlags, PollFd, PollFlags};
use rustix::fs::inotify::{self, CreateFlags};
pub use rustix::fs::inotify::{ReadFlags, WatchFlags};

/// Hears of changes until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    folders: Arc<Folders>,
    stop: Arc<OwnedFd>,
}

/// The folders that are watched; clones of the [`Arc`] may add more from anywhere.
#[derive(Debug)]
pub struct Folders(OwnedFd);

/// What is heard.
#[derive(Debug)]
pub enum Event<'a> {
    /// Something happened in the folder that has this number, to the file of this name, or to the folder itself. Where more has happened
    /// than the kernel could note ([`ReadFlags::QUEUE_OVERFLOW`]), the number is -1.
    Change { watch: i32, name: Option<&'a OsStr>, what: ReadFlags },
    /// That was all for now.
    Pause,
}

impl Watcher {
    /// Calls `hear` from a thread of its own that sleeps until something happens.
    ///
    /// # Errors
    /// The user has too many watchers already (`fs.inotify.max_user_instances`), or too many threads.
    pub fn start(hear: impl FnMut(&Folders, Event<'_>) + Send + 'static) -> io::Result<Watcher> {
        let folders = Arc::new(Folders(inotify::init(CreateFlags::CLOEXEC)?));
        let stop = Arc::new(rustix::event::eventfd(0, EventfdFlags::CLOEXEC)?);
        let (watched, stopped) = (Arc::clone(&folders), Arc::clone(&stop));
        std::thread::Builder::new().name("watch".into()).spawn(move || listen(&watched, &stopped, hear))?;
        Ok(Watcher { folders, stop })
    }

    /// What is watched.
    pub fn folders(&self) -> &Arc<Folders> {
        &self.folders
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // It cannot fail: the number is far from its end.
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
    }
}

impl Folders {
    /// Watches `folder` for `what`, and returns the number that its events carry: one folder has one, whatever it is called.
    ///
    /// # Errors
    /// There is no such folder, it may not be read, or too many are watched already (`fs.inotify.max_user_watches`).
    pub fn add(&self, folder: &Path, what: WatchFlags) -> io::Result<i32> {
        Ok(inotify::add_watch(&self.0, folder, what)?)
    }

    /// Watches a folder no more.
    pub fn remove(&self, watch: i32) {
        // The kernel has done it already where the folder is gone.
        let _ = inotify::remove_watch(&self.0, watch);
    }
}

fn listen(folders: &Folders, stop: &OwnedFd, mut hear: impl FnMut(&Folders, Event<'_>)) {
    let mut buffer = [MaybeUninit::uninit(); 16_384];
    let mut events = inotify::Reader::new(&folders.0, &mut buffer);
    loop {
        if events.is_buffer_empty() {
            hear(folders, Event::Pause);
            if !wait(folders, stop) {
                return;
            }
        }
        match events.next() {
            Ok(event) => {
                let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                hear(folders, Event::Change { watch: event.wd(), name, what: event.events() });
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return tracing::error!(%error, "changes of files are not heard of any more"),
        }
    }
}

/// Sleeps until something has happened; `false` when nobody wants to hear it any more.
fn wait(folders: &Folders, stop: &OwnedFd) -> bool {
    let mut both = [PollFd::new(&folders.0, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
    while rustix::event::poll(&mut both, None) == Err(rustix::io::Errno::INTR) {}
    both[1].revents().is_empty()
}

/// Whether all changes below `folder` are made by this machine's kernel: on a network file system, others' changes are not heard of.
pub fn is_local(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|system| !REMOTE.contains(&(system.f_type as u32)))
}

/// statfs(2): NFS, SMB, CIFS, SMB2, FUSE, 9P, Ceph, AFS, Lustre, OCFS2, GFS2.
const REMOTE: [u32; 11] =
    [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x6573_5546, 0x0102_1997, 0x00c3_6400, 0x5346_414f, 0x0bd0_0bd0, 0x7461_636f, 0x0116_1970];

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn changes_are_heard_until_nobody_listens() {
        let folder = tempfile::tempdir().unwrap();
        let (tell, heard) = mpsc::channel();
        let watcher = Watcher::start(move |_, event| {
            if let Event::Change { watch, name, .. } = event {
                tell.send((watch, name.map(OsStr::to_owned))).unwrap();
            }
        });
        let watcher = watcher.unwrap();
        let watch = watcher.folders().add(folder.path(), WatchFlags::CREATE).unwrap();
        std::fs::write(folder.path().join("new"), "").unwrap();
        assert_eq!(heard.recv_timeout(Duration::from_secs(10)).unwrap(), (watch, Some("new".into())));
        drop(watcher);
        // The thread ends, and what it owned with it.
        assert_eq!(heard.recv_timeout(Duration::from_secs(10)), Err(mpsc::RecvTimeoutError::Disconnected));
        assert!(is_local(folder.path()) && !is_local(&folder.path().join("missing")));
    }
}

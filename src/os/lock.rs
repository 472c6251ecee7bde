//! Locks that other programs know: dotlock, fcntl(2), flock(2).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use nix::fcntl::{FcntlArg, fcntl};
use rustix::fs::{AtFlags, CWD, FlockOperation, Timespec, Timestamps, UTIME_NOW};

use super::Actor;

/// What a lock on a range of a file is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    Shared,
    Exclusive,
    Free,
}

/// Locks `len` octets from `start` (0: to the end, however the file grows) for the open file description of `file`, as fcntl(2) knows it
/// since Linux 3.15: it excludes the older per-process locks, but belongs to this descriptor and ends with it.
/// Returns `false` when another has it.
pub fn range(file: &File, kind: Range, start: u64, len: u64) -> io::Result<bool> {
    let lock = libc::flock {
        l_type: match kind {
            Range::Shared => libc::F_RDLCK,
            Range::Exclusive => libc::F_WRLCK,
            Range::Free => libc::F_UNLCK,
        } as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start.cast_signed(),
        l_len: len.cast_signed(),
        l_pid: 0,
    };
    match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&lock)) {
        Ok(_) => Ok(true),
        Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// flock(2). Returns `false` when another has it.
pub fn whole(file: &File, exclusive: bool) -> io::Result<bool> {
    let operation = if exclusive { FlockOperation::NonBlockingLockExclusive } else { FlockOperation::NonBlockingLockShared };
    match rustix::fs::flock(file, operation) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The file `SPOOL.lock`; dropping it removes it.
#[derive(Debug)]
pub struct Dotlock {
    path: PathBuf,
    actor: Actor,
    /// To remove only what is ours.
    ino: u64,
}

impl Dotlock {
    /// A dotlock older than this is left over, whoever made it.
    pub const STALE: Duration = Duration::from_secs(300);

    /// Makes the dotlock of `spool` with the rights of `actor`; one that is left over goes away first. `None` when another has it.
    pub fn take(spool: &Path, actor: Actor) -> io::Result<Option<Dotlock>> {
        actor.run(|| {
            let path = beside(spool, ".lock");
            let unique = spool.with_file_name(format!(".lk.{}.{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed)));
            let ino = mark(&unique)?;
            let taken = link(&unique, &path, ino).and_then(|taken| {
                let retry = !taken && is_stale(&path)? && clear(&path)?;
                if retry { link(&unique, &path, ino) } else { Ok(taken) }
            });
            // The link is the lock; this name has done its work.
            let removed = fs::remove_file(&unique);
            let taken = taken?;
            let lock = taken.then_some(Dotlock { path, actor, ino });
            removed.map(|()| lock)
        })
    }
}

impl Dotlock {
    /// As [`Dotlock::take`], in fewer steps, for folders in which each program makes its locks by `O_EXCL` alone: Maildirs, where
    /// nobody has to fear the NFS of the last century.
    pub fn take_exclusively(file: &Path, actor: Actor) -> io::Result<Option<Dotlock>> {
        actor.run(|| {
            let path = beside(file, ".lock");
            let made = exclusively(&path, || label_anew(&path))?;
            Ok(made.map(|ino| Dotlock { path, actor, ino }))
        })
    }
}

/// The dotlock of one file that is locked again and again, as [`Dotlock::take_exclusively`] takes it: between two uses it lies at
/// another name, so that no file is made and freed each time. One thread at a time takes it.
#[derive(Debug)]
pub struct Reusable {
    path: PathBuf,
    actor: Actor,
    /// Where it lies: in a folder of files that nobody looks at, and that are cleared away should we die.
    rest: Box<Path>,
    resting: Mutex<Option<u64>>,
}

/// A [`Reusable`] dotlock in use; dropping it frees the lock.
#[derive(Debug)]
pub struct Taken<'a> {
    lock: &'a Reusable,
    ino: u64,
}

impl Reusable {
    /// Of `file`, on whose file system `folder` is. Makes nothing yet.
    pub fn new(file: &Path, folder: &Path, actor: Actor) -> Reusable {
        let rest = folder.join(format!("{}.{}.lock", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed)));
        Reusable { path: beside(file, ".lock"), actor, rest: rest.into(), resting: Mutex::new(None) }
    }

    /// `None` when another program has it.
    pub fn take(&self) -> io::Result<Option<Taken<'_>>> {
        let made = self.actor.run(|| exclusively(&self.path, || self.make()))?;
        Ok(made.map(|ino| Taken { lock: self, ino }))
    }

    fn make(&self) -> io::Result<u64> {
        let mut resting = self.resting();
        if let Some(ino) = *resting {
            match self.wake() {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) => return Ok(ino),
                // Cleared away by somebody, or there are no hard links here.
                Err(_) => *resting = None,
            }
        }
        label_anew(&self.path)
    }

    /// Gives it the name that locks, with the time of now: others take an old lock for left over.
    fn wake(&self) -> io::Result<()> {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        rustix::fs::utimensat(CWD, &*self.rest, &Timestamps { last_access: now, last_modification: now }, AtFlags::SYMLINK_NOFOLLOW)?;
        fs::hard_link(&self.rest, &self.path)
    }

    fn free(&self, ino: u64) -> io::Result<()> {
        if fs::symlink_metadata(&self.path)?.ino() != ino {
            // Taken from us because we were slow.
            return Ok(());
        }
        let mut resting = self.resting();
        if resting.is_none() && fs::rename(&self.path, &self.rest).is_ok() {
            *resting = Some(ino);
            return Ok(());
        }
        fs::remove_file(&self.path)
    }

    fn resting(&self) -> MutexGuard<'_, Option<u64>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let Reusable { path, actor, .. } = self.lock;
        if let Err(error) = actor.run(|| self.lock.free(self.ino)) {
            tracing::warn!(path = %path.display(), %error, "removing a dotlock");
        }
    }
}

impl Drop for Reusable {
    fn drop(&mut self) {
        if self.resting().take().is_some() {
            // Gone with its folder, if it is not there.
            let _ = self.actor.run(|| fs::remove_file(&self.rest));
        }
    }
}

/// Makes the lock at `path` by `make`, unless it is there; one that is left over goes away first. `None` when another has it.
fn exclusively(path: &Path, make: impl Fn() -> io::Result<u64>) -> io::Result<Option<u64>> {
    let is_there = |made: &io::Result<u64>| made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists);
    let mut made = make();
    if is_there(&made) {
        if !(is_stale(path)? || is_abandoned(path)) || !clear(path)? {
            return Ok(None);
        }
        made = make();
    }
    if is_there(&made) { Ok(None) } else { made.map(Some) }
}

/// Its maker died before it could say who it is.
fn is_abandoned(path: &Path) -> bool {
    let patience = Duration::from_secs(10);
    fs::symlink_metadata(path).is_ok_and(|made| {
        made.len() == 0 && made.modified().is_ok_and(|when| SystemTime::now().duration_since(when).is_ok_and(|age| age > patience))
    })
}

impl Drop for Dotlock {
    fn drop(&mut self) {
        let removed = self.actor.run(|| match fs::symlink_metadata(&self.path) {
            Ok(now) if now.ino() == self.ino => fs::remove_file(&self.path),
            // Taken from us because we were slow.
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        });
        if let Err(error) = removed {
            tracing::warn!(path = %self.path.display(), %error, "removing a dotlock");
        }
    }
}

static SERIAL: AtomicU32 = AtomicU32::new(0);

fn beside(spool: &Path, suffix: &str) -> PathBuf {
    // Exactly as long: some are kept for as long as a session lasts.
    let mut path = OsString::with_capacity(spool.as_os_str().len() + suffix.len());
    path.push(spool);
    path.push(suffix);
    path.into()
}

/// Makes a file that says who we are, and returns its inode.
fn mark(path: &Path) -> io::Result<u64> {
    // A name of an earlier process with our id.
    let _ = fs::remove_file(path);
    label_anew(path)
}

fn label_anew(path: &Path) -> io::Result<u64> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Err(error) = file.write_all(label(std::process::id()).as_bytes()) {
        // A lock without a name would keep everybody out.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(file.metadata()?.ino())
}

/// What stands in a dotlock: the process, and a mark of the host for spools that several hosts share. At most 15 octets: procmail
/// takes a left-over lock away only if it has no more than 16, and would else wait for ever.
fn label(pid: u32) -> String {
    format!("{pid}:{}\n", host())
}

/// link(2) is atomic everywhere; over NFS its answer may be lost, the count of links is not.
fn link(unique: &Path, path: &Path, ino: u64) -> io::Result<bool> {
    match fs::hard_link(unique, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(fs::symlink_metadata(path).is_ok_and(|now| now.ino() == ino)),
        Err(error) => Err(error),
    }
}

/// Left over: its process is gone from this host, or it is too old.
fn is_stale(path: &Path) -> io::Result<bool> {
    let made = match fs::symlink_metadata(path) {
        Ok(made) if !made.is_file() => return Ok(false),
        Ok(made) => made,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let age = SystemTime::now().duration_since(made.modified()?).unwrap_or_default();
    Ok(age > Dotlock::STALE || (made.len() < 1024 && fs::read_to_string(path).is_ok_and(|text| is_of_dead_process(&text))))
}

fn is_of_dead_process(text: &str) -> bool {
    let own = host();
    let (pid, place) = text.trim().split_once(':').unwrap_or((text.trim(), own.as_str()));
    let pid = pid.parse().ok().and_then(rustix::process::Pid::from_raw);
    place == own && pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

/// Removes a left-over lock, unless somebody else has just done so and taken it.
fn clear(path: &Path) -> io::Result<bool> {
    let aside = path.with_file_name(format!(".lk.{}.{}.stale", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed)));
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        outcome => outcome?,
    }
    let stale = is_stale(&aside)? || is_abandoned(&aside);
    if !stale {
        // It was a fresh one: back with it, if its place is still free.
        let _ = fs::hard_link(&aside, path);
    }
    fs::remove_file(&aside)?;
    Ok(stale)
}

/// Six digits that tell this host from others. Asked for each time: a name that changes must not make our own locks foreign.
fn host() -> String {
    let sum = xxhash_rust::xxh3::xxh3_64(rustix::system::uname().nodename().to_bytes());
    format!("{:06x}", sum & 0xff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn python_can_lock(path: &Path) -> bool {
        let script = "import fcntl,sys\nf=open(sys.argv[1],'r+b')\nfcntl.lockf(f, fcntl.LOCK_EX|fcntl.LOCK_NB)";
        Command::new("python3").args(["-c", script]).arg(path).stderr(std::process::Stdio::null()).status().unwrap().success()
    }

    #[test]
    fn range_locks_exclude_other_programs_and_end_with_the_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("joe");
        fs::write(&path, "x").unwrap();
        let open = || OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let (one, two) = (open(), open());
        assert!(python_can_lock(&path));
        assert!(range(&one, Range::Exclusive, 0, 0).unwrap());
        assert!(!python_can_lock(&path));
        assert!(!range(&two, Range::Shared, 0, 0).unwrap());
        drop(open()); // Closing another descriptor of the file frees nothing.
        assert!(!python_can_lock(&path));
        drop(one);
        assert!(python_can_lock(&path));
        assert!(range(&two, Range::Shared, 0, 0).unwrap());
    }

    #[test]
    fn a_dotlock_is_one_persons_until_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("joe");
        let lock = Dotlock::take(&spool, Actor::Service).unwrap().unwrap();
        assert!(Dotlock::take(&spool, Actor::Service).unwrap().is_none());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(lock);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_dotlock_is_small_enough_for_procmail_to_take_away_when_it_is_left_over() {
        let longest = 4_194_304; // Linux gives no higher process id.
        assert!(label(longest).len() < 16, "{}", label(longest));
    }

    #[test]
    fn dotlocks_of_the_dead_and_the_old_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("joe");
        let path = folder.path().join("joe.lock");
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        fs::write(&path, format!("{}\n", child.id())).unwrap();
        assert!(Dotlock::take(&spool, Actor::Service).unwrap().is_some());
        fs::write(&path, "1\n").unwrap();
        assert!(Dotlock::take(&spool, Actor::Service).unwrap().is_none());
        fs::write(&path, format!("{}:elsewhere.example\n", child.id())).unwrap();
        assert!(Dotlock::take(&spool, Actor::Service).unwrap().is_none());
        let old = SystemTime::now() - Dotlock::STALE - Duration::from_secs(1);
        File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        assert!(Dotlock::take(&spool, Actor::Service).unwrap().is_some());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_lock_that_is_used_again_is_the_same_file_and_nobodys_between() {
        let folder = tempfile::tempdir().unwrap();
        let (file, path, tmp) = (folder.path().join("list"), folder.path().join("list.lock"), folder.path().join("tmp"));
        fs::create_dir(&tmp).unwrap();
        let lock = Reusable::new(&file, &tmp, Actor::Service);
        let ino = |lock: &Reusable| {
            let taken = lock.take().unwrap().unwrap();
            assert!(Dotlock::take_exclusively(&file, Actor::Service).unwrap().is_none());
            assert!(Reusable::new(&file, &tmp, Actor::Service).take().unwrap().is_none());
            let ino = fs::metadata(&path).unwrap().ino();
            drop(taken);
            assert!(!path.exists());
            ino
        };
        let first = ino(&lock);
        assert_eq!(ino(&lock), first);
        drop(Dotlock::take_exclusively(&file, Actor::Service).unwrap().unwrap());
        let rest = fs::read_dir(&tmp).unwrap().next().unwrap().unwrap().path();
        let long_ago = SystemTime::now() - Dotlock::STALE - Duration::from_secs(60);
        File::options().write(true).open(&rest).unwrap().set_modified(long_ago).unwrap();
        let taken = lock.take().unwrap().unwrap();
        assert!(Dotlock::take_exclusively(&file, Actor::Service).unwrap().is_none(), "it is as old as its last use");
        drop(taken);
        fs::remove_file(&rest).unwrap();
        ino(&lock);
        assert_eq!(ino(&lock), ino(&lock));
        drop(lock);
        assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
    }

    #[test]
    fn a_lock_made_at_one_stroke_excludes_and_is_taken_from_the_dead() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        let path = folder.path().join("list.lock");
        let lock = Dotlock::take_exclusively(&file, Actor::Service).unwrap().unwrap();
        assert!(Dotlock::take_exclusively(&file, Actor::Service).unwrap().is_none());
        assert!(Dotlock::take(&file, Actor::Service).unwrap().is_none());
        drop(lock);
        assert!(!path.exists());
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        for text in ["", &label(0x3fff_fff0)] {
            fs::write(&path, text).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
            assert!(Dotlock::take_exclusively(&file, Actor::Service).unwrap().is_some(), "{text:?}");
        }
        fs::write(&path, "").unwrap();
        assert!(Dotlock::take_exclusively(&file, Actor::Service).unwrap().is_none(), "its maker may live");
    }
}

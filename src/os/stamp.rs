//! Whether a file is still the one it was.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;

/// What changes when a file does. Times in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    pub dev: u64,
    pub ino: u64,
    pub size: u64,
    pub mtime: i64,
    pub ctime: i64,
}

impl Stamp {
    /// The stamp of an open file.
    pub fn of(file: &File) -> io::Result<Stamp> {
        Ok(Stamp::from(&rustix::fs::fstat(file)?))
    }

    /// The stamp of the file at `path`.
    pub fn at(path: &Path) -> io::Result<Stamp> {
        Ok(Stamp::from(&rustix::fs::stat(path)?))
    }

    /// The stamp of what is at `path` itself, and not of what a link there leads to.
    pub fn unfollowed(path: &Path) -> io::Result<Stamp> {
        Ok(Stamp::from(&rustix::fs::lstat(path)?))
    }

    /// Whether a scan that began at `when` would have seen every change that this stamp stands for: a later change within the same
    /// tick of the clock leaves no trace, as git's index knows.
    pub fn settled(&self, when: i64) -> bool {
        const TICK: i64 = 100_000_000;
        self.ctime < when - TICK
    }

    /// As [`Stamp::settled`], where `fd` tells that the file system has clocks without ticks.
    pub fn settled_on(&self, fd: impl AsFd, when: i64) -> bool {
        self.settled(when) || has_no_ticks(fd)
    }
}

/// Whether each change after a look at a file's times gives it other times: multigrain timestamps, which Linux 6.13 brought to these
/// file systems. Anything else has ticks, as far as we know.
fn has_no_ticks(fd: impl AsFd) -> bool {
    const EXT4: u64 = 0xef53;
    const XFS: u64 = 0x5846_5342;
    const BTRFS: u64 = 0x9123_683e;
    const TMPFS: u64 = 0x0102_1994;
    static KERNEL: OnceLock<bool> = OnceLock::new();
    let kernel = *KERNEL.get_or_init(|| release(&rustix::system::uname().release().to_string_lossy()) >= (6, 13));
    kernel && rustix::fs::fstatfs(fd).is_ok_and(|on| [EXT4, XFS, BTRFS, TMPFS].contains(&(on.f_type as u64)))
}

/// The first two numbers of a kernel's release.
fn release(text: &str) -> (u32, u32) {
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

impl From<&Stat> for Stamp {
    fn from(stat: &Stat) -> Stamp {
        let nanos = |seconds: i64, nanos: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos);
        Stamp {
            dev: stat.st_dev,
            ino: stat.st_ino,
            size: stat.st_size.cast_unsigned(),
            mtime: nanos(stat.st_mtime, stat.st_mtime_nsec as i64),
            ctime: nanos(stat.st_ctime, stat.st_ctime_nsec as i64),
        }
    }
}

/// Nanoseconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_told_apart() {
        assert_eq!(release("6.18.44-fc"), (6, 18));
        assert_eq!(release("5.10.0-31-amd64"), (5, 10));
        assert_eq!(release("?"), (0, 0));
    }

    #[test]
    fn where_there_are_no_ticks_no_change_hides() {
        let folder = tempfile::tempdir().unwrap();
        let dir = File::open(folder.path()).unwrap();
        for name in 0..200 {
            let before = Stamp::of(&dir).unwrap();
            std::fs::write(folder.path().join(name.to_string()), "").unwrap();
            assert!(Stamp::of(&dir).unwrap() != before || !before.settled_on(&dir, now()));
        }
    }
}

//! Whether a file is still the one it was.

use std::fs::File;
use std::io;
use std::path::Path;
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

    /// Whether a scan that began at `when` would have seen every change that this stamp stands for: a later change within the same
    /// tick of the clock leaves no trace, as git's index knows.
    pub fn settled(&self, when: i64) -> bool {
        const TICK: i64 = 100_000_000;
        self.ctime < when - TICK
    }
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

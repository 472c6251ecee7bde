//! A file kept in memory as what it means, and read again when it changes.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::privilege;

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The device and inode: a file put in its place is another.
    pub file: (u64, u64),
    /// Octets.
    pub size: u64,
    /// When its text last changed, nanoseconds since 1970.
    pub modified: i128,
    /// When anything about it last changed, nanoseconds since 1970; no program can set it back.
    pub changed: i128,
}

impl Stamp {
    /// The state that `meta` shows.
    pub fn of(meta: &Metadata) -> Stamp {
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Stamp {
            file: (meta.dev(), meta.ino()),
            size: meta.size(),
            modified: nanos(meta.mtime(), meta.mtime_nsec()),
            changed: nanos(meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether a change right after this stamp was taken could go unseen: the file changed so recently that the file system's
    /// clock may not have ticked since.
    pub fn is_fresh(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos() as i128;
        now - self.changed < TICK.as_nanos() as i128
    }
}

/// Coarser than the clock of any file system in use (ext4 and xfs: a jiffy, 10 ms at most).
const TICK: Duration = Duration::from_millis(50);

/// One file, understood by `parse`, and replaced whole when its stamp changes.
#[derive(Debug)]
pub struct Cached<T> {
    path: PathBuf,
    parse: fn(&[u8], &Path) -> T,
    held: Mutex<Option<(Stamp, Arc<T>)>>,
}

impl<T> Cached<T> {
    /// Nothing is read yet.
    pub fn new(path: PathBuf, parse: fn(&[u8], &Path) -> T) -> Cached<T> {
        Cached { path, parse, held: Mutex::new(None) }
    }

    /// The file's meaning as it is now: one stat(2) when nothing has changed.
    ///
    /// # Errors
    /// The file is missing or unreadable; what was held before is then forgotten.
    pub fn current(&self) -> io::Result<Arc<T>> {
        // What is held is replaced whole, so a panic elsewhere cannot have left it half done.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = std::fs::metadata(&self.path).map(|meta| Stamp::of(&meta)).inspect_err(|_| *held = None)?;
        if let Some((known, meaning)) = &*held
            && *known == stamp
        {
            return Ok(meaning.clone());
        }
        *held = None;
        let (stamp, text) = read(&self.path)?;
        let meaning = Arc::new((self.parse)(&text, &self.path));
        if !stamp.is_fresh() {
            *held = Some((stamp, meaning.clone()));
        }
        Ok(meaning)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn read(path: &Path) -> io::Result<(Stamp, Vec<u8>)> {
    let mut file: File = privilege::open_for_reading(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok((stamp, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_read_again_even_when_its_size_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let cached = Cached::new(path.clone(), |text, _| text.to_vec());
        assert!(cached.current().is_err());
        for text in ["one", "two", "six"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(*cached.current().unwrap(), text.as_bytes());
            assert_eq!(*cached.current().unwrap(), text.as_bytes());
        }
        std::fs::remove_file(&path).unwrap();
        assert!(cached.current().is_err());
    }
}

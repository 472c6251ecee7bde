//! A file kept in memory as what it means, and read again when it changes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::privilege;
use super::stamp::{self, Stamp};

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
        let stamp = Stamp::at(&self.path).inspect_err(|_| *held = None)?;
        if let Some((known, meaning)) = &*held
            && *known == stamp
        {
            return Ok(meaning.clone());
        }
        *held = None;
        let began = stamp::now();
        let (stamp, text) = read(&self.path)?;
        let meaning = Arc::new((self.parse)(&text, &self.path));
        if stamp.settled(began) {
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
    let stamp = Stamp::of(&file)?;
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

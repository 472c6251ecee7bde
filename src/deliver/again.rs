//! What of a message has been delivered already when it comes again because of the rest.
//!
//! An MTA gives a message for a list, or for several recipients of one vdeliver, once more as a whole while one of them has to wait: without
//! a memory the others would have it again every half hour, for days. The notes are in the index folder and as disposable as that: without
//! them mail comes twice, but none is lost.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Mail;
use crate::os::atomic;
use crate::store::Store;

/// What is known of one message.
pub struct Again {
    /// Where that stands; `None` for mail that nothing tells from another.
    path: Option<PathBuf>,
    /// The leaves that have it.
    done: HashSet<String>,
    /// Whether there is a note, and so can be more.
    is_noted: bool,
}

impl Again {
    /// What was noted of `mail`. Costs one open(2) for mail that comes for the first time.
    pub fn of(mail: &Mail, store: &Store) -> Again {
        let path = mail.identity().map(|identity| store.places().index.join(FOLDER).join(identity));
        let text = path.as_ref().and_then(|path| fs::read_to_string(path).ok());
        let done = text.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
        Again { path, done, is_noted: text.is_some() }
    }

    /// Whether `leaf` has it.
    pub fn has(&self, leaf: &str) -> bool {
        !self.done.is_empty() && self.done.contains(&key(leaf))
    }

    /// Notes durably that `leaves` have it. `false` where that is impossible. Blocks.
    pub fn note<'a>(&mut self, leaves: impl Iterator<Item = &'a str>) -> bool {
        let Some(path) = &self.path else { return false };
        let new: Vec<String> = leaves.map(key).filter(|key| !self.done.contains(key)).collect();
        if new.is_empty() && self.is_noted {
            return true;
        }
        self.is_noted = append(path, &new).inspect_err(|error| tracing::debug!(path = %path.display(), %error, "no note")).is_ok();
        self.done.extend(new);
        self.is_noted
    }
}

fn append(path: &Path, keys: &[String]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    if let Err(error) = fs::create_dir(folder)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    let mut file = File::options().append(true).create(true).mode(0o600).open(path)?;
    // In one piece: another may be at it for the same message.
    file.write_all((keys.join("\n") + "\n").as_bytes())?;
    file.sync_all()?;
    atomic::sync_folder(path)?;
    sweep(folder);
    Ok(())
}

/// Takes away what no MTA will ask for again.
fn sweep(folder: &Path) {
    let is_old = |entry: &fs::DirEntry| {
        let changed = entry.metadata().and_then(|meta| meta.modified()).unwrap_or_else(|_| SystemTime::now());
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > KEPT)
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten().take(MOST).filter(is_old) {
        // Another may have been faster.
        let _ = fs::remove_file(entry.path());
    }
}

/// A leaf's text may be of any length and have any letters.
fn key(leaf: &str) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(leaf.as_bytes()))
}

const FOLDER: &str = "carried";
/// MTAs give up after five days.
const KEPT: Duration = Duration::from_secs(8 * 24 * 60 * 60);
/// Notes that are looked at each time.
const MOST: usize = 1000;

//! Opening the files of an index, while others may be replacing them.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::files::{self, Beside, INDEX, Identity, JOURNAL, Patience};
use super::journal::{self, Origin};
use super::op::Op;
use super::record::Record;
use super::snapshot::{self, Useless};
use super::state::{Generation, Inner, State};
use crate::os::lock::{self, Range};
use crate::store::disk::Disk;

/// Snapshot and journal, read.
#[derive(Debug)]
pub struct Files {
    pub state: State,
    pub journal: Arc<File>,
    pub identity: Identity,
    /// Where the next frame goes.
    pub end: u64,
}

/// What is there.
#[derive(Debug)]
pub enum Seen {
    Files(Files),
    Nothing,
    Useless(Useless),
    /// Snapshot and journal are not of one index: somebody may just be replacing them.
    Torn,
}

/// Reads what is in `folder`. The journal is opened first: a snapshot that is newer than it has all that is in it.
pub fn read(folder: &Path, patience: Patience) -> io::Result<Seen> {
    let (Some(journal), Some(index)) = (found(patience.open_to_write(&folder.join(JOURNAL)))?, found(patience.open(&folder.join(INDEX)))?)
    else {
        return Ok(Seen::Nothing);
    };
    let inner = match snapshot::open(&index, patience)? {
        Ok(inner) => inner,
        Err(why) => return Ok(Seen::Useless(why)),
    };
    match Origin::read(&journal, patience)? {
        Ok(Origin { epoch, base }) if epoch == inner.head.epoch && base <= inner.sequence => finish(inner, journal, patience),
        Ok(_) => Ok(Seen::Torn),
        Err(why) => Ok(Seen::Useless(why)),
    }
}

/// No file is no error.
pub fn found<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn finish(mut inner: Inner, journal: File, patience: Patience) -> io::Result<Seen> {
    match take_in(&mut inner, &journal, patience, journal::START) {
        Ok(end) => {
            let identity = files::identity(&journal)?;
            Ok(Seen::Files(Files { state: State(Arc::new(inner)), journal: Arc::new(journal), identity, end }))
        }
        Err(error) if is_useless(&error) => Ok(Seen::Useless("the journal does not fit the index")),
        Err(error) => Err(error),
    }
}

/// The error is about what is in the files.
pub fn is_useless(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}

/// Takes in what the journal has from `at` on; returns where that ends.
pub fn take_in(inner: &mut Inner, journal: &File, patience: Patience, at: u64) -> io::Result<u64> {
    journal::read(journal, patience, inner.head.epoch, at, |sequence, batch| match sequence.checked_sub(inner.sequence) {
        None | Some(0) => Ok(()),
        Some(1) => {
            let ops = Op::read(batch).ok_or(io::ErrorKind::InvalidData)?;
            inner.apply(ops)?;
            inner.sequence = sequence;
            Ok(())
        }
        Some(_) => Err(io::ErrorKind::InvalidData.into()),
    })
}

/// How long to wait for another who has the lock.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tries until another has let go, for some time.
fn wait(mut attempt: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let (began, mut pause) = (Instant::now(), Duration::from_micros(50));
    while !attempt()? {
        if began.elapsed() > PATIENCE {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "another process keeps the index locked"));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(4));
    }
    Ok(())
}

/// Locks a journal. The caller must see whether it still is the one in use.
pub fn lock(journal: &File) -> io::Result<()> {
    wait(|| lock::range(journal, Range::Exclusive, 0, 0)).map_err(|error| match error.raw_os_error() {
        // Opened for reading, for it can't be written.
        Some(libc::EBADF) => io::ErrorKind::PermissionDenied.into(),
        _ => error,
    })
}

/// Lets others have it.
pub fn unlock(journal: &File) {
    // Fails only for what is no lock; and closing the file does it too.
    let _ = lock::range(journal, Range::Free, 0, 0);
}

/// The journal in use, locked; `None` if there is none.
pub fn locked(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(JOURNAL);
    loop {
        let Some(journal) = found(Patience::Wait.open_to_write(&path))? else { return Ok(None) };
        lock(&journal)?;
        if found(files::look(&path))?.is_some_and(|(now, _)| files::identity(&journal).is_ok_and(|ours| ours == now)) {
            return Ok(Some(journal));
        }
    }
}

/// Locks the folder, for those who find no journal to lock.
pub fn locked_folder(folder: &Path) -> io::Result<File> {
    let folder = File::open(folder)?;
    wait(|| lock::whole(&folder, true))?;
    Ok(folder)
}

/// How a new snapshot is made.
pub struct Making<'a> {
    pub disk: &'a dyn Disk,
    pub folder: &'a Path,
    pub cache: Generation,
    /// Where a message's entry in the cache is.
    pub cached: &'a dyn Fn(&Record) -> u64,
    /// There is a journal with what no spool has yet: at any moment the disk must have one that fits the snapshot.
    pub careful: bool,
}

impl Making<'_> {
    /// Puts a snapshot of `state` and an empty journal in place of what was there, durably. The new journal is locked.
    /// Only under the lock. After an error what was there is still there, perhaps with a newer snapshot that fits.
    pub fn make(&self, state: &State) -> io::Result<Files> {
        let path = self.folder.join(INDEX);
        let index = self.beside(&path, |file| snapshot::write(self.disk, file, state, self.cache, self.cached))?;
        if self.careful {
            self.disk.sync_folder(&path)?;
        }
        let origin = Origin { epoch: state.head().epoch, base: state.0.sequence };
        let journal = self.beside(&self.folder.join(JOURNAL), |file| {
            origin.write(self.disk, file)?;
            lock(file)
        })?;
        self.disk.sync_folder(&path)?;
        let inner = snapshot::open(&index, Patience::Wait)?.map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
        let identity = files::identity(&journal)?;
        Ok(Files { state: State(Arc::new(inner)), journal: Arc::new(journal), identity, end: journal::START })
    }

    fn beside(&self, path: &Path, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<File> {
        let beside = Beside::new(self.disk, path)?;
        match write(&beside.file).and_then(|()| self.disk.sync(&beside.file)) {
            Ok(()) => beside.place(),
            Err(error) => {
                beside.discard();
                Err(error)
            }
        }
    }
}

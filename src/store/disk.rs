//! What updates do to the disk, in one place, so that tests can pull the plug between any two of these.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The deeds of an update that a crash may separate.
pub trait Disk: Send + Sync {
    /// Makes an empty file, in place of what was there.
    fn create(&self, path: &Path) -> io::Result<File> {
        File::options().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
    }

    /// Overwrites from `at`.
    fn write(&self, file: &File, octets: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(octets, at)
    }

    /// Cuts, or extends with zeros.
    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }

    /// Makes sure that there is room behind the end; the length stays.
    fn reserve(&self, file: &File, from: u64, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, from, len) {
            // Not every file system can; then the write will tell.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What was written survives a power cut.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Gives a file a name, in place of the one that had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Takes a name away.
    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// The names in the folder of `path` survive a power cut.
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        crate::os::atomic::sync_folder(path)
    }
}

/// The machine's own.
pub struct Machine;

impl Disk for Machine {}

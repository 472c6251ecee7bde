//! What updates do to the disk, in one place, so that tests can pull the plug between any two of these.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::AtFlags;

use crate::os::Dir;

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

    /// Writes behind the end of a file that was opened for that.
    fn append(&self, mut file: &File, octets: &[u8]) -> io::Result<()> {
        file.write_all(octets)
    }

    /// Makes the folder at `path` for its owner alone.
    fn make(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(path)
    }

    /// Makes the folder `name` for its owner alone; `false` when there is one.
    fn make_in(&self, dir: &Dir, name: &OsStr) -> io::Result<bool> {
        dir.make(name)
    }

    /// Removes the folder `name`, which must be empty.
    fn remove_in(&self, dir: &Dir, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?)
    }

    /// Makes the file `name`, which must not be there.
    fn create_in(&self, dir: &Dir, name: &OsStr) -> io::Result<File> {
        dir.create(name)
    }

    /// Gives a file another name, in place of the one that had it.
    fn rename_in(&self, from: (&Dir, &OsStr), to: (&Dir, &OsStr)) -> io::Result<()> {
        Ok(rustix::fs::renameat(from.0, from.1, to.0, to.1)?)
    }

    /// Gives a file one name more, which must not be there.
    fn link_in(&self, from: (&Dir, &OsStr), to: (&Dir, &OsStr)) -> io::Result<()> {
        Ok(rustix::fs::linkat(from.0, from.1, to.0, to.1, AtFlags::empty())?)
    }

    /// Takes a name away.
    fn unlink_in(&self, dir: &Dir, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(dir, name, AtFlags::empty())?)
    }

    /// The names in `dir` survive a power cut.
    fn sync_dir(&self, dir: &Dir) -> io::Result<()> {
        dir.sync()
    }

    /// The names in the folder of `path` survive a power cut.
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        crate::os::atomic::sync_folder(path)
    }
}

/// The machine's own.
pub struct Machine;

impl Disk for Machine {}

//! A folder held by its descriptor: what is done in it reaches nothing else, whatever becomes of its name, and no link leads out of it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::stamp::Stamp;

/// An open folder. Names given to its functions are single components.
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl Dir {
    /// The folder at `path`, whose parents are the administrator's; the folder itself must not be a link.
    pub fn open(path: &Path) -> io::Result<Dir> {
        Ok(Dir(rustix::fs::open(path, OFlags::DIRECTORY | SAFELY, Mode::empty())?))
    }

    /// The folder `name` in this one.
    pub fn beneath(&self, name: impl AsRef<OsStr>) -> io::Result<Dir> {
        let name = component(name.as_ref())?;
        Ok(Dir(rustix::fs::openat(&self.0, name, OFlags::DIRECTORY | SAFELY, Mode::empty())?))
    }

    /// Makes the folder `name` for its owner alone; `false` when there is one.
    pub fn make(&self, name: impl AsRef<OsStr>) -> io::Result<bool> {
        match rustix::fs::mkdirat(&self.0, component(name.as_ref())?, Mode::from_raw_mode(0o700)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the regular file `name` for reading; nothing that is there makes us wait.
    pub fn read(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.file(name.as_ref(), OFlags::RDONLY)
    }

    /// Opens the regular file `name` for reading and for writing at its end.
    pub fn append(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.file(name.as_ref(), OFlags::RDWR | OFlags::APPEND)
    }

    /// Opens the regular file `name` for reading and writing.
    pub fn write(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.file(name.as_ref(), OFlags::RDWR)
    }

    /// Makes the file `name`, which must not be there.
    pub fn create(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.file(name.as_ref(), OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)
    }

    /// Opens the file `name` of the folder `folder` in this one for reading, if the kernel knows the way by heart.
    pub fn read_cached(&self, folder: &str, name: &OsStr) -> io::Result<File> {
        component(OsStr::new(folder))?;
        let path = Path::new(folder).join(component(name)?);
        let strictly = ResolveFlags::CACHED | ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file = rustix::fs::openat2(&self.0, &path, OFlags::RDONLY | SAFELY, Mode::empty(), strictly)?;
        regular(file)
    }

    fn file(&self, name: &OsStr, how: OFlags) -> io::Result<File> {
        regular(rustix::fs::openat(&self.0, component(name)?, how | SAFELY, Mode::from_raw_mode(0o600))?)
    }

    /// Everything of the file `name`, up to `most` octets.
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`] when there is more.
    pub fn content(&self, name: impl AsRef<OsStr>, most: u64) -> io::Result<Vec<u8>> {
        use std::io::Read;
        let mut text = Vec::new();
        self.read(name)?.take(most + 1).read_to_end(&mut text)?;
        if text.len() as u64 > most { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
    }

    /// What is known of `name`, itself and not what a link leads to.
    pub fn stat(&self, name: impl AsRef<OsStr>) -> io::Result<Stat> {
        Ok(rustix::fs::statat(&self.0, component(name.as_ref())?, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// The stamp of what is at `path` below it, a few names long. A link on the way may lead anywhere, so the stamp says whether this is
    /// what was there before, and nothing of anything else.
    pub fn stamp_below(&self, path: &Path) -> io::Result<Stamp> {
        Ok(Stamp::from(&rustix::fs::statat(&self.0, path, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// The stamp of the folder: it changes when a name in it does.
    pub fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp::from(&rustix::fs::fstat(&self.0)?))
    }

    /// Calls `take` with each name in it but `.` and `..`, in no order, and what it is as far as the folder itself tells.
    pub fn each(&self, mut take: impl FnMut(&OsStr, FileType)) -> io::Result<()> {
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                take(OsStr::from_bytes(name), entry.file_type());
            }
        }
        Ok(())
    }

    /// The names in it that `wanted` takes, sorted.
    pub fn names(&self, mut wanted: impl FnMut(&OsStr, FileType) -> bool) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        self.each(|name, kind| {
            if wanted(name, kind) {
                names.push(name.to_owned());
            }
        })?;
        names.sort();
        Ok(names)
    }

    /// A path by which this process reaches `name`, whatever the folder is called meanwhile: for functions that know paths only.
    pub fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        use std::os::fd::AsRawFd;
        Path::new("/proc/self/fd").join(self.0.as_raw_fd().to_string()).join(name.as_ref())
    }

    /// The names in it survive a power cut.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn regular(file: OwnedFd) -> io::Result<File> {
    match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(file.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file")),
    }
}

/// `name`, if it is a name and no path.
fn component(name: &OsStr) -> io::Result<&OsStr> {
    let octets = name.as_bytes();
    let is_path = octets.is_empty() || octets == b"." || octets == b".." || octets.contains(&b'/');
    if is_path { Err(io::Error::new(io::ErrorKind::InvalidInput, "is no name in a folder")) } else { Ok(name) }
}

/// Nothing that is there makes us follow, wait or get a terminal.
const SAFELY: OFlags = OFlags::NOFOLLOW.union(OFlags::NOCTTY).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_and_no_path_leads_out() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("in");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        symlink(folder.path(), inside.join("up")).unwrap();
        symlink(folder.path().join("secret"), inside.join("file")).unwrap();
        let dir = Dir::open(&inside).unwrap();
        assert!(dir.beneath("up").is_err());
        assert!(dir.read("file").is_err());
        assert!(dir.append("file").is_err());
        assert!(dir.read("../secret").is_err() && dir.beneath("..").is_err() && dir.stat("").is_err());
        assert!(Dir::open(&inside.join("up")).is_err());
    }

    #[test]
    fn files_are_made_listed_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open(folder.path()).unwrap();
        std::io::Write::write_all(&mut dir.create("b").unwrap(), b"12345").unwrap();
        assert!(dir.create("b").is_err());
        assert!(dir.make("a").unwrap() && !dir.make("a").unwrap());
        assert_eq!(dir.names(|_, _| true).unwrap(), ["a", "b"]);
        assert_eq!(dir.content("b", 5).unwrap(), b"12345");
        assert!(dir.content("b", 4).is_err());
        assert!(dir.read("a").is_err());
        assert_eq!(std::fs::read(dir.path("b")).unwrap(), b"12345");
    }
}

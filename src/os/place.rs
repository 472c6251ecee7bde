//! Files and folders made where others may write too: never through a link, and never out of what is somebody else's.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

/// A file or folder of ours, held by its descriptor: what is done to it reaches nothing else, whatever becomes of its name.
#[derive(Debug)]
pub struct Place(OwnedFd);

impl Place {
    /// The file at `path`, made empty where there is none. One that is there must belong to one of `known`.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where something else is in the way; the error says what.
    pub fn file(path: &Path, known: &[u32]) -> io::Result<Place> {
        match rustix::fs::open(path, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | SAFELY, Mode::from_raw_mode(0o600)) {
            Ok(made) => Ok(Place(made)),
            Err(Errno::EXIST) => Place::file_that_is_there(path, known),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`Place::file`], but makes none.
    pub fn file_that_is_there(path: &Path, known: &[u32]) -> io::Result<Place> {
        let (place, stat) = Place::open(path, OFlags::empty(), known)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if stat.st_nlink == 1 => Ok(place),
            // It may be a link to a file of root's.
            FileType::RegularFile => Err(in_the_way("it has other names too")),
            _ => Err(in_the_way("it is no regular file")),
        }
    }

    /// The folder at `path`, made where there is none; its parent must be there. The second value tells whether it was made.
    ///
    /// # Errors
    /// As for [`Place::file`].
    pub fn folder(path: &Path, known: &[u32]) -> io::Result<(Place, bool)> {
        let is_new = match rustix::fs::mkdir(path, Mode::from_raw_mode(0o700)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        Ok((Place::folder_that_is_there(path, known)?, is_new))
    }

    /// As [`Place::folder`], but makes none.
    pub fn folder_that_is_there(path: &Path, known: &[u32]) -> io::Result<Place> {
        Place::open(path, OFlags::DIRECTORY, known).map(|(place, _)| place)
    }

    fn open(path: &Path, kind: OFlags, known: &[u32]) -> io::Result<(Place, Stat)> {
        let opened = rustix::fs::open(path, OFlags::RDONLY | kind | SAFELY, Mode::empty()).map_err(|error| match error {
            Errno::LOOP => in_the_way("it is a symbolic link"),
            Errno::NOTDIR => in_the_way("it is no folder"),
            Errno::NXIO => in_the_way("it is no regular file"),
            error => error.into(),
        })?;
        let stat = rustix::fs::fstat(&opened)?;
        if !known.contains(&stat.st_uid) {
            return Err(in_the_way(&format!("it belongs to uid {}", stat.st_uid)));
        }
        Ok((Place(opened), stat))
    }

    /// Gives it away.
    pub fn give(&self, uid: u32, gid: u32) -> io::Result<()> {
        Ok(rustix::fs::fchown(&self.0, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?)
    }

    /// Sets the mode, whatever the umask says.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(rustix::fs::fchmod(&self.0, Mode::from_raw_mode(mode))?)
    }
}

/// Makes the folder at `path` and those above it where they are missing, readable to all whatever the umask says, durably. Links are followed:
/// for folders whose parents are the administrator's.
pub fn make_folders(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_folders(parent)?;
    }
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o700)) {
        Ok(()) => {
            Place::folder_that_is_there(path, &[rustix::process::geteuid().as_raw()])?.set_mode(0o755)?;
            super::atomic::sync_folder(path)
        }
        Err(Errno::EXIST) if path.is_dir() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn in_the_way(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, format!("is in the way: {why}"))
}

/// Nothing that is there makes us follow, wait or get a terminal.
const SAFELY: OFlags = OFlags::NOFOLLOW.union(OFlags::NOCTTY).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn refusal<T>(outcome: io::Result<T>) -> String {
        let error = outcome.map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{error}");
        error.to_string()
    }

    #[test]
    fn links_and_strangers_are_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let own = [rustix::process::geteuid().as_raw()];
        fs::write(at("precious"), "x").unwrap();
        symlink(at("precious"), at("link")).unwrap();
        symlink(folder.path(), at("folder link")).unwrap();
        fs::hard_link(at("precious"), at("second")).unwrap();
        assert_eq!(refusal(Place::file(&at("link"), &own)), "is in the way: it is a symbolic link");
        assert_eq!(refusal(Place::file(&at("second"), &own)), "is in the way: it has other names too");
        assert_eq!(refusal(Place::file(folder.path(), &own)), "is in the way: it is no regular file");
        assert!(refusal(Place::folder(&at("folder link"), &own)).starts_with("is in the way: it is "));
        assert_eq!(refusal(Place::folder(&at("precious"), &own)), "is in the way: it is no folder");
        fs::remove_file(at("second")).unwrap();
        assert_eq!(refusal(Place::file(&at("precious"), &[])), format!("is in the way: it belongs to uid {}", own[0]));
        assert!(Place::file(&at("precious"), &own).is_ok());
    }

    #[test]
    fn a_pipe_does_not_make_us_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let own = [rustix::process::geteuid().as_raw()];
        assert_eq!(refusal(Place::file(&path, &own)), "is in the way: it is no regular file");
    }

    #[test]
    fn folders_are_made_with_all_above_them() {
        let folder = tempfile::tempdir().unwrap();
        make_folders(&folder.path().join("a/b")).unwrap();
        for name in ["a", "a/b"] {
            let made = fs::metadata(folder.path().join(name)).unwrap();
            assert_eq!((made.permissions().mode() & 0o7777, made.uid()), (0o755, rustix::process::geteuid().as_raw()));
        }
    }
}

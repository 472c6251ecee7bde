//! The files of an index: where they are, how they are opened and read, how one takes another's place.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytemuck::{Pod, Zeroable};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags};

use crate::store::disk::Disk;

pub const INDEX: &str = "vmail.index";
pub const JOURNAL: &str = "vmail.journal";
pub const CACHE: &str = "vmail.cache";

/// How each of them begins: which it is, in which version, and in which order its octets are.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Mark {
    magic: [u8; 8],
    version: u32,
    order: u32,
}

/// What is wrong with a [`Mark`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    NoSuchFile,
    Order,
    Version,
}

impl Mark {
    /// `version` changes when the meaning of an octet does.
    pub const fn new(magic: [u8; 8], version: u32) -> Mark {
        // Reads otherwise on a machine of the other byte order.
        Mark { magic, version, order: 0x0102_0304 }
    }

    /// How it is not the one that is `wanted`.
    pub fn misfit(self, wanted: Mark) -> Option<Misfit> {
        match () {
            () if self.magic != wanted.magic => Some(Misfit::NoSuchFile),
            () if self.order != wanted.order => Some(Misfit::Order),
            () if self.version != wanted.version => Some(Misfit::Version),
            () => None,
        }
    }
}

/// Whether to wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Only what the kernel has at hand; else [`io::ErrorKind::WouldBlock`].
    None,
    Wait,
}

impl Patience {
    /// Opens a file for reading.
    pub fn open(self, path: &Path) -> io::Result<File> {
        self.open_as(path, OFlags::RDONLY)
    }

    /// Opens a file for reading and writing, or for reading where nothing can be written.
    pub fn open_to_write(self, path: &Path) -> io::Result<File> {
        match self.open_as(path, OFlags::RDWR) {
            Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => self.open(path),
            outcome => outcome,
        }
    }

    fn open_as(self, path: &Path, mode: OFlags) -> io::Result<File> {
        let flags = mode | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(match self {
            Patience::Wait => rustix::fs::open(path, flags, Mode::empty())?.into(),
            Patience::None => rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED)?.into(),
        })
    }

    /// Fills `into` from `at` on.
    pub fn read(self, file: &File, mut into: &mut [u8], mut at: u64) -> io::Result<()> {
        if self == Patience::Wait {
            return file.read_exact_at(into, at);
        }
        while !into.is_empty() {
            let read = match rustix::io::preadv2(file, &mut [IoSliceMut::new(into)], at, ReadWriteFlags::NOWAIT) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(Errno::INTR) => continue,
                outcome => outcome?,
            };
            into = &mut into[read..];
            at += read as u64;
        }
        Ok(())
    }
}

/// What tells a file from another that has taken its name.
pub type Identity = (u64, u64);

pub fn identity(file: &File) -> io::Result<Identity> {
    let stat = rustix::fs::fstat(file)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Which file has this name, and how long it is.
pub fn look(path: &Path) -> io::Result<(Identity, u64)> {
    let stat = rustix::fs::stat(path)?;
    Ok(((stat.st_dev, stat.st_ino), stat.st_size.cast_unsigned()))
}

pub fn len(file: &File) -> io::Result<u64> {
    Ok(rustix::fs::fstat(file)?.st_size.cast_unsigned())
}

/// A file that is to take the name `path` when it is complete. Only the holder of the lock may make one.
pub struct Beside<'a> {
    disk: &'a dyn Disk,
    path: &'a Path,
    beside: PathBuf,
    pub file: File,
}

impl<'a> Beside<'a> {
    pub fn new(disk: &'a dyn Disk, path: &'a Path) -> io::Result<Beside<'a>> {
        let beside = path.with_extension(format!("{}.new", path.extension().unwrap_or_default().display()));
        let file = disk.create(&beside)?;
        Ok(Beside { disk, path, beside, file })
    }

    /// It takes the name.
    pub fn place(self) -> io::Result<File> {
        self.disk.rename(&self.beside, self.path)?;
        Ok(self.file)
    }

    /// Something went wrong: it goes.
    pub fn discard(self) {
        // Best effort; the next one overwrites it.
        let _ = self.disk.unlink(&self.beside);
    }
}

/// Makes a folder, with all above it that are missing, durably.
pub fn make_folder(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_folder(disk, parent)?;
    }
    match disk.make(folder) {
        Ok(()) => disk.sync_folder(folder),
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes to a file from its beginning on, in large pieces.
pub struct Pen<'a> {
    disk: &'a dyn Disk,
    file: &'a File,
    buffer: Vec<u8>,
    written: u64,
}

const PIECE: usize = 256 * 1024;

impl<'a> Pen<'a> {
    pub fn new(disk: &'a dyn Disk, file: &'a File) -> Pen<'a> {
        Pen { disk, file, buffer: Vec::with_capacity(PIECE), written: 0 }
    }

    /// Octets written.
    pub fn at(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    pub fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        if self.buffer.len() + octets.len() > PIECE {
            self.flush()?;
        }
        self.buffer.extend_from_slice(octets);
        Ok(())
    }

    pub fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.disk.write(self.file, &self.buffer, self.written)?;
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }
}

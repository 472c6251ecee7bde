//! What mail is exported to: an mbox, a Maildir, or a tree of files that have one message each.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::letter::Tags;
use crate::store::FolderName;

mod maildir;
mod mbox;
mod tree;

pub(super) use mbox::is_quotable;
pub(super) use tree::FLAGS;

/// A form of mail outside of the store, and where it is.
#[derive(Debug, Clone)]
pub struct Target {
    pub format: Format,
    pub path: PathBuf,
}

/// A form of mail outside of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// mbox: a file for each folder.
    Mbox,
    /// Maildir, its folders as Maildir++.
    Maildir,
    /// A folder of files with one message each, `flags.txt` beside them.
    Eml,
}

/// Takes messages one after the other, folder by folder.
pub(super) trait Sink {
    /// Those that follow are of this folder; unset: of the only one.
    fn folder(&mut self, name: Option<&FolderName>) -> io::Result<()>;
    /// A message begins.
    fn begin(&mut self, uid: u32, tags: &Tags) -> io::Result<()>;
    /// The next octets of its text.
    fn text(&mut self, octets: &[u8]) -> io::Result<()>;
    /// The message is complete.
    fn end(&mut self) -> io::Result<()>;
    /// All is there, and on the disk.
    fn finish(&mut self) -> io::Result<()>;
}

impl Target {
    /// Begins; what is there is not overwritten.
    pub(super) fn open(&self) -> Box<dyn Sink> {
        match self.format {
            Format::Mbox => Box::new(mbox::Mboxes::new(&self.path)),
            Format::Maildir => Box::new(maildir::Maildirs::new(&self.path)),
            Format::Eml => Box::new(tree::Tree::new(&self.path)),
        }
    }
}

/// A new file for its owner's eyes only.
fn create(path: &Path) -> io::Result<BufWriter<File>> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    file.map(|file| BufWriter::with_capacity(256 * 1024, file)).map_err(|error| about(path, &error))
}

fn make_folders(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| about(path, &error))
}

/// Gives the file the message's date, and closes it.
fn close(mut file: BufWriter<File>, received: Option<u32>) -> io::Result<()> {
    file.flush()?;
    match received {
        Some(received) => file.get_ref().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(received.into())),
        None => Ok(()),
    }
}

/// Everything that was written to the file system of `path` is on the disk.
fn sync(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(path)?)?)
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

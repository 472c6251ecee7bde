//! Mail as files that have one message each, in folders as the account has them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::super::letter::Tags;
use super::{Sink, close, create, make_folders, sync};
use crate::store::FolderName;

/// The tree below a path: `Lists/Rust/17.eml`, by UID, and `Lists/Rust/flags.txt`, in which a line for each message with flags begins
/// with the name of its file.
pub struct Tree {
    path: PathBuf,
    folder: PathBuf,
    now: Option<(BufWriter<File>, Option<u32>)>,
    flags: Option<BufWriter<File>>,
}

impl Tree {
    pub fn new(path: &Path) -> Tree {
        Tree { path: path.into(), folder: path.into(), now: None, flags: None }
    }

    fn close(&mut self) -> io::Result<()> {
        self.flags.take().map_or(Ok(()), |mut flags| flags.flush())
    }
}

impl Sink for Tree {
    fn folder(&mut self, name: Option<&FolderName>) -> io::Result<()> {
        self.close()?;
        self.folder = name.map_or_else(|| self.path.clone(), |name| self.path.join(name.display('/').to_string()));
        make_folders(&self.folder)?;
        self.flags = Some(create(&self.folder.join(FLAGS))?);
        Ok(())
    }

    fn begin(&mut self, uid: u32, tags: &Tags) -> io::Result<()> {
        let name = format!("{uid}.eml");
        let words: Vec<&str> = tags.words().collect();
        if let Some(flags) = self.flags.as_mut().filter(|_| !words.is_empty()) {
            writeln!(flags, "{name} {}", words.join(" "))?;
        }
        self.now = Some((create(&self.folder.join(name))?, tags.received));
        Ok(())
    }

    fn text(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.now {
            Some((file, _)) => file.write_all(octets),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.now.take().map_or(Ok(()), |(file, received)| close(file, received))
    }

    fn finish(&mut self) -> io::Result<()> {
        self.close()?;
        sync(&self.path)
    }
}

/// Where a tree has the flags of its messages.
pub const FLAGS: &str = "flags.txt";

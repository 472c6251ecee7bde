//! What mail is imported from: mboxes, a Maildir, or a tree of files that have one message each.

use std::io;
use std::path::{Path, PathBuf};

use super::letter::Taken;
use super::target::Format;
use crate::store::name::disk::Encoding;

mod maildir;
mod mbox;
mod tree;

/// Mail outside of the store.
#[derive(Debug, Clone)]
pub struct Source {
    pub path: PathBuf,
    /// Unset: what it looks like.
    pub format: Option<Format>,
}

/// Takes the next octets of a message's text.
pub(super) type Text<'a> = &'a mut dyn FnMut(&[u8]) -> anyhow::Result<()>;

/// Gives messages one after the other, in the same order each time.
pub(super) trait Letters {
    /// The next message, its text to `text`; `None` at the end.
    fn next(&mut self, text: Text<'_>) -> anyhow::Result<Option<Taken>>;
    /// How much of it has been given, and how much there is, in octets or messages.
    fn progress(&self) -> (u64, u64);
}

impl Source {
    /// Begins reading. A Maildir's folders are called as `encoding` has it.
    pub(super) fn open(&self, encoding: Encoding) -> anyhow::Result<Box<dyn Letters>> {
        Ok(match self.format.map_or_else(|| looks_like(&self.path), Ok)? {
            Format::Mbox if !self.path.is_dir() => Box::new(mbox::Mbox::open(&self.path, None)?),
            Format::Maildir => Box::new(maildir::Maildir::open(&self.path, encoding)?),
            // Both may be in one tree.
            Format::Mbox | Format::Eml => Box::new(tree::Tree::open(&self.path)?),
        })
    }
}

fn looks_like(path: &Path) -> io::Result<Format> {
    let meta = std::fs::metadata(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    Ok(match () {
        () if !meta.is_dir() && path.extension().is_some_and(|ending| ending == "eml") => Format::Eml,
        () if !meta.is_dir() => Format::Mbox,
        () if path.join("cur").is_dir() => Format::Maildir,
        () => Format::Eml,
    })
}

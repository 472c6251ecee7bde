//! Messages of a tree: `.eml` files have one each, `.mbox` files are folders.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context;

use super::super::letter::{Tags, Taken};
use super::super::target::FLAGS;
use super::mbox::Mbox;
use super::{Letters, Text};
use crate::store::FolderName;

/// A tree being read, by name.
pub struct Tree {
    /// What is still to be read, the next one last.
    files: Vec<(Option<FolderName>, PathBuf)>,
    mbox: Option<Mbox>,
    /// Of the files of a folder.
    flags: Option<(PathBuf, HashMap<String, Vec<String>>)>,
    done: u64,
    total: u64,
}

impl Tree {
    pub fn open(path: &Path) -> anyhow::Result<Tree> {
        let mut files = Vec::new();
        match path.is_dir() {
            true => gather(path, &mut Vec::new(), &mut files)?,
            false => files.push((None, path.into())),
        }
        files.reverse();
        Ok(Tree { total: files.len() as u64, files, mbox: None, flags: None, done: 0 })
    }

    fn eml(&mut self, folder: Option<FolderName>, path: &Path, text: Text<'_>) -> anyhow::Result<Taken> {
        let about = || path.display().to_string();
        let mut file = File::open(path).with_context(about)?;
        let modified = file.metadata().with_context(about)?.modified().with_context(about)?;
        let mut piece = vec![0; 64 * 1024];
        loop {
            match file.read(&mut piece).with_context(about)? {
                0 => break,
                some => text(&piece[..some])?,
            }
        }
        let seconds = modified.duration_since(UNIX_EPOCH).ok().and_then(|age| u32::try_from(age.as_secs()).ok());
        let mut tags = Tags { received: seconds, ..Tags::default() };
        if let Some(words) = self.flags_of(path).with_context(about)? {
            tags.add_words(words.iter().map(String::as_str));
        }
        Ok(Taken { folder, tags })
    }

    fn flags_of(&mut self, path: &Path) -> anyhow::Result<Option<&Vec<String>>> {
        let folder = path.parent().unwrap_or(Path::new(""));
        if self.flags.as_ref().is_none_or(|(known, _)| known != folder) {
            self.flags = Some((folder.into(), read_flags(&folder.join(FLAGS))?));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(self.flags.as_ref().and_then(|(_, flags)| flags.get(&*name)))
    }
}

impl Letters for Tree {
    fn next(&mut self, text: Text<'_>) -> anyhow::Result<Option<Taken>> {
        loop {
            if let Some(mbox) = &mut self.mbox {
                match mbox.next(text)? {
                    Some(taken) => return Ok(Some(taken)),
                    None => self.mbox = None,
                }
            }
            let Some((folder, path)) = self.files.pop() else { return Ok(None) };
            self.done += 1;
            match path.extension().is_some_and(|ending| ending == "mbox") {
                true => self.mbox = Some(Mbox::open(&path, folder)?),
                false => return self.eml(folder, &path, text).map(Some),
            }
        }
    }

    fn progress(&self) -> (u64, u64) {
        (self.done, self.total)
    }
}

/// What is below `path`, in order; links are not followed.
fn gather(path: &Path, above: &mut Vec<String>, files: &mut Vec<(Option<FolderName>, PathBuf)>) -> anyhow::Result<()> {
    let about = || path.display().to_string();
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(path).and_then(Iterator::collect).with_context(about)?;
    entries.sort_by_key(|entry| (numbered(&entry.path()), entry.file_name()));
    for entry in entries {
        let (kind, path) = (entry.file_type().with_context(about)?, entry.path());
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match path.extension().and_then(|ending| ending.to_str()) {
            _ if kind.is_dir() => {
                above.push(entry.file_name().to_string_lossy().into_owned());
                gather(&path, above, files)?;
                above.pop();
            }
            Some("eml") if kind.is_file() => files.push((name(above, None)?, path)),
            Some("mbox") if kind.is_file() => files.push((name(above, Some(&stem))?, path)),
            _ => {}
        }
    }
    Ok(())
}

/// `9.eml` comes before `10.eml`.
fn numbered(path: &Path) -> u64 {
    path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()).unwrap_or(u64::MAX)
}

fn name(above: &[String], last: Option<&str>) -> anyhow::Result<Option<FolderName>> {
    let parts: Vec<&str> = above.iter().map(String::as_str).chain(last).collect();
    if parts.is_empty() {
        return Ok(None);
    }
    FolderName::of(parts.iter().copied()).map(Some).with_context(|| format!("a folder can't be called {:?}", parts.join("/")))
}

/// As the export wrote them.
fn read_flags(path: &Path) -> anyhow::Result<HashMap<String, Vec<String>>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.with_context(|| path.display().to_string())?,
    };
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace().map(str::to_owned);
        Some((words.next()?, words.collect()))
    };
    Ok(text.lines().filter_map(line).collect())
}

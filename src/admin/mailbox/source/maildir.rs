//! Messages of a Maildir and its folders.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::Context;
use rustix::fs::FileType;

use super::super::letter::{Tags, Taken};
use super::{Letters, Text};
use crate::os::Dir;
use crate::store::maildir::keywords::{self, Letters as Keywords};
use crate::store::maildir::name::{self, FileName};
use crate::store::maildir::uidlist;
use crate::store::name::disk::{Encoding, Layout, Naming};
use crate::store::{Flags, FolderName};

/// A Maildir being read: by folders, and in each by UID as far as Dovecot gave any, then by time.
pub struct Maildir {
    top: Dir,
    /// What is still to be read, the next one last.
    folders: Vec<(Option<FolderName>, OsString)>,
    now: Option<Folder>,
    done: u64,
    total: u64,
}

struct Folder {
    name: Option<FolderName>,
    /// `new` and `cur`.
    dirs: [Dir; 2],
    letters: Keywords,
    further: HashMap<Vec<u8>, Vec<String>>,
    /// In which of the two, and its name; the next one last.
    files: Vec<(usize, OsString)>,
}

impl Maildir {
    pub fn open(path: &Path, encoding: Encoding) -> anyhow::Result<Maildir> {
        let open = || -> io::Result<Maildir> {
            let top = Dir::open(path)?;
            let naming = Naming { layout: Layout::Maildir, encoding };
            let names = top.names(|name, kind| name.as_bytes().starts_with(b".") && kind == FileType::Directory)?;
            let below = naming.listing(names).into_iter().map(|(name, path)| (Some(name), path));
            let mut folders: Vec<_> = std::iter::once((None, OsString::new())).chain(below).collect();
            let mut total = 0;
            for (_, path) in &folders {
                total += Folder::files(&dirs(&top, path)?)?.len() as u64;
            }
            folders.reverse();
            Ok(Maildir { top, folders, now: None, done: 0, total })
        };
        open().with_context(|| format!("{}: can't be read as a Maildir", path.display()))
    }
}

impl Letters for Maildir {
    fn next(&mut self, text: Text<'_>) -> anyhow::Result<Option<Taken>> {
        loop {
            if let Some(folder) = &mut self.now
                && let Some((part, name)) = folder.files.pop()
            {
                self.done += 1;
                return folder.read(part, &name, text).map(Some);
            }
            let Some((name, path)) = self.folders.pop() else { return Ok(None) };
            self.now = Some(Folder::open(&self.top, name, &path).with_context(|| path.display().to_string())?);
        }
    }

    fn progress(&self) -> (u64, u64) {
        (self.done, self.total)
    }
}

impl Folder {
    fn open(top: &Dir, name: Option<FolderName>, path: &OsStr) -> io::Result<Folder> {
        let beside = if path.is_empty() { None } else { Some(top.beneath(path)?) };
        let lists = beside.as_ref().unwrap_or(top);
        let dirs = dirs(top, path)?;
        let letters = Keywords::parse(&content(lists, "dovecot-keywords", 1 << 20)?);
        let further = content(lists, "vmail-keywords", keywords::LARGEST)?;
        let further = keywords::read(&further).map(|line| (line.base.to_vec(), line.keywords().map(str::to_owned).collect())).collect();
        let list = content(lists, "dovecot-uidlist", uidlist::LARGEST)?;
        let uids = uids(&list);
        let mut files = Folder::files(&dirs)?;
        files.sort_by(|(_, one), (_, other)| {
            let (one, other) = (FileName::parse(one).base(), FileName::parse(other).base());
            let uid = |base: &[u8]| uids.get(base).copied().unwrap_or(u32::MAX);
            uid(one).cmp(&uid(other)).then_with(|| name::by_arrival(one, other)).then_with(|| one.cmp(other)).reverse()
        });
        Ok(Folder { name, dirs, letters, further, files })
    }

    fn files(dirs: &[Dir; 2]) -> io::Result<Vec<(usize, OsString)>> {
        let mut files = Vec::new();
        for (at, dir) in dirs.iter().enumerate() {
            let mail = dir.names(|name, kind| !name.as_bytes().starts_with(b".") && kind == FileType::RegularFile)?;
            files.extend(mail.into_iter().map(|name| (at, name)));
        }
        Ok(files)
    }

    fn read(&self, part: usize, name: &OsStr, text: Text<'_>) -> anyhow::Result<Taken> {
        let about = || name.display().to_string();
        let mut file = self.dirs[part].read(name).with_context(about)?;
        let stat = rustix::fs::fstat(&file).with_context(about)?;
        let mut piece = vec![0; 64 * 1024];
        loop {
            match file.read(&mut piece).with_context(about)? {
                0 => break,
                some => text(&piece[..some])?,
            }
        }
        let parsed = FileName::parse(name);
        let marks = parsed.marks();
        let old = if part == 0 { Flags::NONE } else { Flags::OLD };
        let mut tags = Tags { flags: marks.flags.with(old), received: u32::try_from(stat.st_mtime).ok(), ..Tags::default() };
        let by_letter = (0..26).filter(|letter| marks.keywords & 1 << letter != 0).filter_map(|letter| self.letters.name(letter));
        by_letter.chain(self.further.get(parsed.base()).into_iter().flatten().map(String::as_str)).for_each(|word| tags.add_keyword(word));
        Ok(Taken { folder: self.name.clone(), tags })
    }
}

fn dirs(top: &Dir, path: &OsStr) -> io::Result<[Dir; 2]> {
    match path.is_empty() {
        true => Ok([top.beneath("new")?, top.beneath("cur")?]),
        false => {
            let folder = top.beneath(path)?;
            Ok([folder.beneath("new")?, folder.beneath("cur")?])
        }
    }
}

fn content(dir: &Dir, name: &str, most: usize) -> io::Result<Vec<u8>> {
    match dir.content(name, most as u64) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        content => content,
    }
}

fn uids(list: &[u8]) -> HashMap<&[u8], u32> {
    match uidlist::read(list) {
        Ok((_, records)) => records.map(|record| (record.base, record.uid)).collect(),
        Err(_) => HashMap::new(),
    }
}

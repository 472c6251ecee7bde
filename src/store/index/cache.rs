//! `vmail.cache`: what can be computed from a message, so that it need not be. Every entry may be lost, none may be wrong.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytemuck::{Pod, Zeroable};
use rustix::io::{Errno, ReadWriteFlags};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::files::{self, Beside, Mark, Patience, Pen};
use super::keywords::invalid;
use super::record::Record;
use crate::store::Contents;
use crate::store::disk::Disk;

const MARK: Mark = Mark::new(*b"vmailcch", 2);

/// The most octets that an entry may have.
pub const ENTRY: usize = 256 * 1024;

/// A cache file, open.
#[derive(Debug)]
pub struct Cache {
    file: File,
}

/// How a cache file begins.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Page {
    mark: Mark,
    epoch: u64,
    generation: u64,
    sum: u64,
}

/// How an entry begins.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Head {
    sum: u64,
    len: u32,
    uid: u32,
}

const HEAD: usize = size_of::<Head>();

impl Page {
    fn new(epoch: u64, generation: u64) -> Page {
        let page = Page { mark: MARK, epoch, generation, sum: 0 };
        Page { sum: xxh3_64(bytemuck::bytes_of(&page)), ..page }
    }
}

fn sum(uid: u32, entry: &[u8]) -> u64 {
    xxh3_64_with_seed(entry, u64::from(uid) << 32 | entry.len() as u64)
}

/// An entry with its head.
fn framed(uid: u32, entry: &[u8]) -> Vec<u8> {
    let head = Head { sum: sum(uid, entry), len: entry.len() as u32, uid };
    [bytemuck::bytes_of(&head), entry].concat()
}

impl Cache {
    /// Opens the cache file of this epoch and generation; `None` if it is another's, or none.
    pub fn open(path: &Path, epoch: u64, generation: u64) -> Option<Cache> {
        let file = Patience::Wait.open_to_write(path).ok()?;
        let mut page = Page::zeroed();
        file.read_exact_at(bytemuck::bytes_of_mut(&mut page), 0).ok()?;
        (bytemuck::bytes_of(&page) == bytemuck::bytes_of(&Page::new(epoch, generation))).then_some(Cache { file })
    }

    /// Makes an empty one, in place of what was there. Under the lock.
    pub fn create(disk: &dyn Disk, path: &Path, epoch: u64, generation: u64) -> io::Result<Cache> {
        let beside = Beside::new(disk, path)?;
        disk.write(&beside.file, bytemuck::bytes_of(&Page::new(epoch, generation)), 0)?;
        beside.place().map(|file| Cache { file })
    }

    /// The entry of a message; `None` if it has none that is whole.
    pub fn read(&self, message: &Record) -> Option<Vec<u8>> {
        if message.cache < size_of::<Page>() as u64 {
            return None;
        }
        let mut head = Head::zeroed();
        self.file.read_exact_at(bytemuck::bytes_of_mut(&mut head), message.cache).ok()?;
        if head.uid != message.uid || head.len as usize > ENTRY {
            return None;
        }
        let mut entry = vec![0; head.len as usize];
        self.file.read_exact_at(&mut entry, message.cache.checked_add(HEAD as u64)?).ok()?;
        (sum(message.uid, &entry) == head.sum).then_some(entry)
    }

    /// The entries of messages that have one that is whole. Neighbours are read together.
    pub fn read_all(&self, messages: impl Iterator<Item = Record>) -> Contents {
        let (mut window, mut contents) = (Window::new(&self.file, ReadWriteFlags::empty()), Contents::default());
        for message in messages {
            window.entry(&message).into_iter().for_each(|entry| contents.push(message.uid, entry));
        }
        contents
    }

    /// The same, if each has one, and all are in the page cache.
    pub fn read_at_once(&self, messages: impl Iterator<Item = Record>) -> Option<Contents> {
        let (mut window, mut contents) = (Window::new(&self.file, ReadWriteFlags::NOWAIT), Contents::default());
        for message in messages {
            contents.push(message.uid, window.entry(&message)?);
        }
        Some(contents)
    }

    /// Puts entries at the end, and returns where each is. Under the lock.
    pub fn append(&self, disk: &dyn Disk, entries: &[(u32, Vec<u8>)]) -> io::Result<Vec<u64>> {
        let begin = files::len(&self.file)?.max(size_of::<Page>() as u64);
        let (mut octets, mut places) = (Vec::new(), Vec::with_capacity(entries.len()));
        for (uid, entry) in entries {
            if entry.len() > ENTRY {
                return Err(invalid("the entry is too large"));
            }
            places.push(begin + octets.len() as u64);
            octets.extend(framed(*uid, entry));
        }
        disk.write(&self.file, &octets, begin)?;
        Ok(places)
    }

    /// Whether it still is the one that has the name `path`.
    pub fn is_at(&self, path: &Path) -> bool {
        files::look(path).ok().map(|(identity, _)| identity) == files::identity(&self.file).ok()
    }
}

/// A stretch of the file in memory.
struct Window<'a> {
    file: &'a File,
    how: ReadWriteFlags,
    at: u64,
    octets: Vec<u8>,
    /// How much was to be read the last time.
    len: usize,
}

impl<'a> Window<'a> {
    fn new(file: &'a File, how: ReadWriteFlags) -> Window<'a> {
        Window { file, how, at: 0, octets: Vec::new(), len: 0 }
    }

    fn entry(&mut self, message: &Record) -> Option<&[u8]> {
        if message.cache < size_of::<Page>() as u64 {
            return None;
        }
        let head: Head = bytemuck::pod_read_unaligned(self.octets(message.cache, HEAD)?);
        if head.uid != message.uid || head.len as usize > ENTRY {
            return None;
        }
        let entry = self.octets(message.cache.checked_add(HEAD as u64)?, head.len as usize)?;
        (sum(message.uid, entry) == head.sum).then_some(entry)
    }

    fn octets(&mut self, at: u64, len: usize) -> Option<&[u8]> {
        let within = at.checked_sub(self.at).and_then(|from| usize::try_from(from).ok()).filter(|from| from + len <= self.octets.len());
        let from = match within {
            Some(from) => from,
            None => {
                // Of a few messages not much is read, of many much at once.
                self.len = (2 * self.len).clamp(FIRST_WINDOW, WINDOW);
                self.octets.resize(len.max(self.len), 0);
                let read = read(self.file, &mut self.octets, at, self.how).ok()?;
                self.octets.truncate(read);
                self.at = at;
                0
            }
        };
        self.octets.get(from..from + len)
    }
}

/// As much as there is.
fn read(file: &File, into: &mut [u8], at: u64, how: ReadWriteFlags) -> io::Result<usize> {
    let mut done = 0;
    while done < into.len() {
        match rustix::io::preadv2(file, &mut [IoSliceMut::new(&mut into[done..])], at + done as u64, how) {
            Ok(0) => break,
            Ok(some) => done += some,
            Err(Errno::INTR) => {}
            // The beginning is in memory, the rest is not.
            Err(Errno::AGAIN) if done > 0 => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}

const FIRST_WINDOW: usize = 16 * 1024;
const WINDOW: usize = 256 * 1024;

/// Writes the entries of `messages` to `beside`, as the cache of another generation. Returns where they are now, by UID.
pub fn compact<'a>(
    disk: &dyn Disk,
    beside: &Beside<'_>,
    old: &Cache,
    messages: impl Iterator<Item = Record> + 'a,
    epoch: u64,
    generation: u64,
) -> io::Result<Vec<(u32, u64)>> {
    let mut pen = Pen::new(disk, &beside.file);
    pen.put(bytemuck::bytes_of(&Page::new(epoch, generation)))?;
    let mut places = Vec::new();
    let mut window = Window::new(&old.file, ReadWriteFlags::empty());
    for message in messages {
        if let Some(entry) = window.entry(&message) {
            places.push((message.uid, pen.at()));
            pen.put(&framed(message.uid, entry))?;
        }
    }
    pen.flush()?;
    Ok(places)
}

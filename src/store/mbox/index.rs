//! The disposable index: what the last scan found, so that the next login need not scan.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::os::stamp::Stamp;
use crate::store::message::Traits;
use crate::store::{Flags, Message, Uidl};

/// A mailbox as it was when `stamp` was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub stamp: Stamp,
    /// The stamp is as good as the content: see [`Stamp::settled`].
    pub settled: bool,
    pub uidvalidity: u32,
    /// The UID of the next message to come; never goes down.
    pub next: u32,
    pub front: Front,
    /// By UID.
    pub messages: Vec<Message>,
}

/// The first message of the file, which may have UIDVALIDITY and last UID in its header, and may be the pseudo message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Front {
    pub offset: u64,
    pub from_len: u16,
    pub pseudo: bool,
    /// Its header has UIDVALIDITY and last UID: the latter.
    pub last: Option<u32>,
}

const MAGIC: &[u8; 8] = b"vmailidx";
const VERSION: u32 = 1;
const HEADER: usize = 96;
const RECORD: usize = 56;

impl Index {
    /// As stored.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + RECORD * self.messages.len());
        out.extend(MAGIC);
        out.extend([0; 8]); // the checksum, in the end
        let bits = u32::from(self.settled) | u32::from(self.front.pseudo) << 1 | u32::from(self.front.last.is_some()) << 2;
        for word in [VERSION, self.messages.len() as u32, self.uidvalidity, self.next, bits, u32::from(self.front.from_len)] {
            out.extend(word.to_le_bytes());
        }
        let stamp = &self.stamp;
        let last = u64::from(self.front.last.unwrap_or(0));
        for word in [stamp.dev, stamp.ino, stamp.size, stamp.mtime.cast_unsigned(), stamp.ctime.cast_unsigned(), self.front.offset, last] {
            out.extend(word.to_le_bytes());
        }
        debug_assert_eq!(out.len(), HEADER);
        self.messages.iter().for_each(|message| encode(message, &mut out));
        let sum = xxh3_64(&out[16..]);
        out[8..16].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// `None` for anything but what [`Index::encode`] made.
    pub fn decode(data: &[u8]) -> Option<Index> {
        let mut read = Fields(data.strip_prefix(MAGIC)?);
        if read.u64()? != xxh3_64(data.get(16..)?) || read.u32()? != VERSION {
            return None;
        }
        let count = read.u32()? as usize;
        let (uidvalidity, next, bits, from_len) = (read.u32()?, read.u32()?, read.u32()?, read.u32()? as u16);
        let (dev, ino, size) = (read.u64()?, read.u64()?, read.u64()?);
        let (mtime, ctime) = (read.u64()?.cast_signed(), read.u64()?.cast_signed());
        let (offset, last) = (read.u64()?, read.u64()? as u32);
        if read.0.len() != count.checked_mul(RECORD)? {
            return None;
        }
        let messages = read.0.chunks_exact(RECORD).map(|record| decode(Fields(record))).collect::<Option<Vec<_>>>()?;
        let front = Front { offset, from_len, pseudo: bits & 2 != 0, last: (bits & 4 != 0).then_some(last) };
        Some(Index { stamp: Stamp { dev, ino, size, mtime, ctime }, settled: bits & 1 != 0, uidvalidity, next, front, messages })
    }

    /// What is stored at `path`. Absent, torn and foreign files are all the same: there is no index.
    pub fn load(path: &Path) -> Option<Index> {
        Index::decode(&fs::read(path).ok()?)
    }

    /// Replaces what is stored at `path`; `durable` also on the disk.
    pub fn save(&self, path: &Path, durable: bool) -> io::Result<()> {
        let beside = path.with_extension(format!("new.{}", std::process::id()));
        let written = make(&beside).and_then(|mut file| {
            file.write_all(&self.encode())?;
            if durable { file.sync_data() } else { Ok(()) }
        });
        let placed = written.and_then(|()| fs::rename(&beside, path));
        if placed.is_err() {
            let _ = fs::remove_file(&beside);
        } else if durable {
            crate::os::atomic::sync_folder(path)?;
        }
        placed
    }
}

/// Makes a file for writing, and the folders to it when they are missing.
fn make(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(Path::new("/"));
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            open()
        }
        outcome => outcome,
    }
}

fn encode(message: &Message, out: &mut Vec<u8>) {
    out.extend(message.uid.to_le_bytes());
    out.extend([message.flags.bits(), message.traits.0]);
    out.extend(message.from_len.to_le_bytes());
    out.extend(message.uidl.uidvalidity.to_le_bytes());
    out.extend(message.uidl.uid.to_le_bytes());
    for word in [message.offset, message.len, message.size, message.fingerprint[0], message.fingerprint[1]] {
        out.extend(word.to_le_bytes());
    }
}

fn decode(mut read: Fields<'_>) -> Option<Message> {
    let uid = read.u32()?;
    let [flags, traits] = read.take()?;
    let from_len = u16::from_le_bytes(read.take()?);
    let uidl = Uidl { uidvalidity: read.u32()?, uid: read.u32()? };
    let (offset, len, size) = (read.u64()?, read.u64()?, read.u64()?);
    let fingerprint = [read.u64()?, read.u64()?];
    Some(Message { size, uid, flags: Flags::from_bits(flags), traits: Traits(traits), from_len, uidl, offset, len, fingerprint })
}

/// Little-endian fields, one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Index {
        let message = Message {
            size: 1,
            uid: 2,
            flags: Flags::SEEN,
            traits: Traits::TWIN,
            from_len: 40,
            uidl: Uidl { uidvalidity: 3, uid: 4 },
            offset: 5,
            len: 6,
            fingerprint: [7, 8],
        };
        let stamp = Stamp { dev: 1, ino: 2, size: 3, mtime: -4, ctime: 5 };
        let front = Front { offset: 1, from_len: 2, pseudo: true, last: Some(9) };
        Index { stamp, settled: true, uidvalidity: 7, next: 10, front, messages: vec![message; 3] }
    }

    #[test]
    fn a_record_is_small() {
        assert_eq!(size_of::<Message>(), RECORD);
    }

    #[test]
    fn what_was_stored_comes_back() {
        assert_eq!(Index::decode(&example().encode()), Some(example()));
    }

    #[test]
    fn anything_else_is_no_index() {
        let good = example().encode();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(Index::decode(&bad), None, "octet {at}");
            assert_eq!(Index::decode(&good[..at]), None, "cut at {at}");
        }
    }
}

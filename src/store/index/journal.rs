//! `vmail.journal`: what happened since the snapshot, in frames that are whole or not there.

use std::fs::File;
use std::io;

use bytemuck::{Pod, Zeroable};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::codec::{Code, Rest};
use super::files::{self, Mark, Misfit, Patience};
use super::keywords::invalid;
use super::op::Op;
use super::snapshot::Useless;
use crate::store::disk::Disk;

const MARK: Mark = Mark::new(*b"vmailjnl", 3);

/// How a journal begins.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Page {
    mark: Mark,
    epoch: u64,
    base: u64,
    zero: [u64; 3],
    sum: u64,
}

/// What a journal continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// That of the index.
    pub epoch: u64,
    /// The sequence number of the last batch that is not in the journal.
    pub base: u64,
}

/// Where frames begin.
pub const START: u64 = size_of::<Page>() as u64;

impl Origin {
    /// Writes the beginning of a journal.
    pub fn write(self, disk: &dyn Disk, file: &File) -> io::Result<()> {
        let page = Page { mark: MARK, epoch: self.epoch, base: self.base, zero: [0; 3], sum: 0 };
        disk.write(file, bytemuck::bytes_of(&Page { sum: page.right_sum(), ..page }), 0)
    }

    /// Reads the beginning of a journal.
    pub fn read(file: &File, patience: Patience) -> io::Result<Result<Origin, Useless>> {
        if files::len(file)? < START {
            return Ok(Err("the journal is too short"));
        }
        let mut page = Page::zeroed();
        patience.read(file, bytemuck::bytes_of_mut(&mut page), 0)?;
        Ok(match page.mark.misfit(MARK) {
            Some(Misfit::NoSuchFile) => Err("the journal is no journal"),
            Some(Misfit::Order) => Err("the journal is of another kind of machine"),
            Some(Misfit::Version) => Err("the journal is of another version"),
            None if page.sum != page.right_sum() => Err("the journal is damaged"),
            None => Ok(Origin { epoch: page.epoch, base: page.base }),
        })
    }
}

impl Page {
    fn right_sum(&self) -> u64 {
        xxh3_64(&bytemuck::bytes_of(self)[..size_of::<Page>() - 8])
    }
}

/// How a frame begins.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Head {
    /// Of the frame with 0 here, seeded with the epoch.
    sum: u64,
    sequence: u64,
    /// Of what follows.
    len: u64,
}

const HEAD: usize = size_of::<Head>();

/// The most octets that a batch may have. More must be several.
const BATCH: usize = 256 * 1024 * 1024;

impl Op {
    /// A batch, as [`Op::read`] reads it.
    pub fn write(ops: &[Op]) -> Vec<u8> {
        let mut batch = Vec::new();
        ops.iter().for_each(|op| op.put(&mut batch));
        batch
    }

    /// The ops of a batch; `None` for anything but what [`Op::write`] made.
    pub fn read(batch: &[u8]) -> Option<Vec<Op>> {
        let (mut rest, mut ops) = (Rest(batch), Vec::new());
        while !rest.0.is_empty() {
            ops.push(Op::take(&mut rest)?);
        }
        Some(ops)
    }
}

/// A batch as a frame.
pub fn frame(epoch: u64, sequence: u64, ops: &[Op]) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; HEAD];
    ops.iter().for_each(|op| op.put(&mut frame));
    let len = frame.len() - HEAD;
    if len > BATCH {
        return Err(invalid("the batch is too large"));
    }
    let head = Head { sum: 0, sequence, len: len as u64 };
    frame[..HEAD].copy_from_slice(bytemuck::bytes_of(&head));
    let sum = xxh3_64_with_seed(&frame, epoch);
    frame[..8].copy_from_slice(&sum.to_ne_bytes());
    Ok(frame)
}

/// The frame that `octets` begin with, and its length. `None`: it is not there, or not whole.
fn first(epoch: u64, octets: &mut [u8]) -> Option<(u64, usize)> {
    let head: Head = bytemuck::pod_read_unaligned(octets.get(..HEAD)?);
    let end = usize::try_from(head.len).ok().filter(|len| *len <= BATCH)? + HEAD;
    let frame = octets.get_mut(..end)?;
    frame[..8].fill(0);
    (xxh3_64_with_seed(frame, epoch) == head.sum).then_some((head.sequence, end))
}

/// Calls `each` with the sequence numbers and batches of the frames from `at` on, up to the first that is not whole: returns where
/// that would begin.
pub fn read(
    file: &File,
    patience: Patience,
    epoch: u64,
    mut at: u64,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let len = files::len(file)?;
    let (mut buffer, mut wanted) = (Vec::new(), PIECE);
    while at < len {
        let have = wanted.min(usize::try_from(len - at).unwrap_or(usize::MAX));
        buffer.resize(have, 0);
        match patience.read(file, &mut buffer, at) {
            // Cut meanwhile, by one who found that it was not whole.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(at),
            outcome => outcome?,
        }
        let mut done = 0;
        while let Some((sequence, end)) = first(epoch, &mut buffer[done..]) {
            each(sequence, &buffer[done + HEAD..done + end])?;
            done += end;
        }
        at += done as u64;
        match needed(&buffer[done..]) {
            // There is more of the file: the rest of the frame may be in it.
            Some(needed) if have as u64 + at - done as u64 != len && needed > have - done => wanted = needed.max(PIECE),
            _ => return Ok(at),
        }
    }
    Ok(at)
}

const PIECE: usize = 64 * 1024;

/// How many octets the frame has that `octets`, some of the file, begin with.
fn needed(octets: &[u8]) -> Option<usize> {
    match octets.get(..HEAD) {
        Some(head) => {
            usize::try_from(bytemuck::pod_read_unaligned::<Head>(head).len).ok().filter(|len| *len <= BATCH).map(|len| len + HEAD)
        }
        None => Some(HEAD),
    }
}

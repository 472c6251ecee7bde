//! The redo journal's layout: a header with checksums, then the octets to be written and where.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::os::stamp::Stamp;
use crate::store::disk::Disk;

/// What an update does to the length of a spool, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub kind: Kind,
    pub old_size: u64,
    pub new_size: u64,
    /// Nothing between `untouched` and `from` changes; from `from` on everything may.
    pub untouched: u64,
    pub from: u64,
}

/// What a journal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Once it is whole, it must happen.
    Update,
    /// New mail, not acknowledged yet: once it has begun, it is completed; else it is forgotten.
    Append,
}

impl Kind {
    fn magic(self) -> u64 {
        match self {
            Kind::Update => u64::from_le_bytes(*b"vmredo01"),
            Kind::Append => u64::from_le_bytes(*b"vmapnd01"),
        }
    }

    /// Octets of the spool by which to recognise it.
    fn witness(self) -> u64 {
        match self {
            Kind::Update => 64 * 1024,
            Kind::Append => 256,
        }
    }
}

/// Octets of the spool by which to recognise it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness {
    at: u64,
    len: u64,
    sum: u64,
}

impl Witness {
    fn new(spool: &File, from: u64, to: u64) -> io::Result<Witness> {
        let mut witness = Witness { at: from, len: to - from, sum: 0 };
        witness.sum = witness.look(spool)?;
        Ok(witness)
    }

    fn look(&self, spool: &File) -> io::Result<u64> {
        let mut octets = vec![0; self.len as usize];
        spool.read_exact_at(&mut octets, self.at)?;
        Ok(xxh3_64(&octets))
    }

    /// Whether `spool` still has them.
    pub fn holds(&self, spool: &File) -> io::Result<bool> {
        match self.look(spool) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            sum => Ok(sum? == self.sum),
        }
    }
}

/// A complete journal.
pub struct Journal {
    file: File,
    end: u64,
    pub dev: u64,
    pub ino: u64,
    pub plan: Plan,
    /// Octets before the first that changes.
    pub context: Witness,
    /// Octets that a shorter file will not have any more.
    pub cut: Witness,
}

const FIELDS: usize = 16;
const HEADER: u64 = 8 * FIELDS as u64;
const CHUNK: usize = 256 * 1024;

/// A journal being written.
pub struct Writer<'a> {
    disk: &'a dyn Disk,
    file: &'a File,
    buffer: Vec<u8>,
    /// Octets in the file.
    at: u64,
    sum: Xxh3,
}

impl<'a> Writer<'a> {
    /// Writes into the empty `file`.
    pub fn new(disk: &'a dyn Disk, file: &'a File) -> Writer<'a> {
        Writer { disk, file, buffer: Vec::with_capacity(CHUNK), at: HEADER, sum: Xxh3::new() }
    }

    /// Announces `len` octets for offset `at` of the spool; they must follow.
    pub fn piece(&mut self, at: u64, len: u64) -> io::Result<()> {
        self.octets(&at.to_le_bytes())?;
        self.octets(&len.to_le_bytes())
    }

    /// Octets of a piece.
    pub fn octets(&mut self, octets: &[u8]) -> io::Result<()> {
        self.sum.update(octets);
        if self.buffer.len() + octets.len() > CHUNK {
            self.flush()?;
        }
        if octets.len() > CHUNK {
            self.disk.write(self.file, octets, self.at)?;
            self.at += octets.len() as u64;
        } else {
            self.buffer.extend_from_slice(octets);
        }
        Ok(())
    }

    /// Octets of a piece, taken from another file.
    pub fn copy(&mut self, from: &File, at: u64, len: u64) -> io::Result<()> {
        chunks(from, at, len, |_, octets| self.octets(octets))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.disk.write(self.file, &self.buffer, self.at)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Completes the journal with what is to be known of `spool`.
    pub fn finish(mut self, plan: &Plan, spool: &File) -> io::Result<()> {
        self.flush()?;
        let stamp = Stamp::of(spool)?;
        let witness = plan.kind.witness();
        let context = Witness::new(spool, plan.untouched.max(plan.from.saturating_sub(witness)), plan.from)?;
        let cut_end = plan.old_size.min(plan.new_size + witness).max(plan.new_size);
        let cut =
            Witness::new(spool, plan.new_size.min(plan.old_size), if plan.old_size > plan.new_size { cut_end } else { plan.old_size })?;
        let mut header = [0; FIELDS];
        header[..15].copy_from_slice(&[
            plan.kind.magic(),
            self.at,
            self.sum.digest(),
            stamp.dev,
            stamp.ino,
            plan.old_size,
            plan.new_size,
            plan.untouched,
            plan.from,
            context.at,
            context.len,
            context.sum,
            cut.at,
            cut.len,
            cut.sum,
        ]);
        let mut octets: Vec<u8> = header.iter().flat_map(|field| field.to_le_bytes()).collect();
        let sum = xxh3_64(&octets[..8 * (FIELDS - 1)]);
        octets[8 * (FIELDS - 1)..].copy_from_slice(&sum.to_le_bytes());
        self.disk.write(self.file, &octets, 0)
    }
}

impl Journal {
    /// The journal at `path`; `None` when it is not whole.
    pub fn open(path: &Path) -> io::Result<Option<Journal>> {
        let file = File::open(path)?;
        let mut octets = [0; HEADER as usize];
        match file.read_exact_at(&mut octets, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            outcome => outcome?,
        }
        let mut fields = [0; FIELDS];
        for (field, octets) in std::iter::zip(&mut fields, octets.as_chunks::<8>().0) {
            *field = u64::from_le_bytes(*octets);
        }
        let [
            magic,
            end,
            payload,
            dev,
            ino,
            old_size,
            new_size,
            untouched,
            from,
            context_at,
            context_len,
            context_sum,
            cut_at,
            cut_len,
            cut_sum,
            sum,
        ] = fields;
        let Some(kind) = [Kind::Update, Kind::Append].into_iter().find(|kind| kind.magic() == magic) else { return Ok(None) };
        if sum != xxh3_64(&octets[..8 * (FIELDS - 1)]) || file.metadata()?.len() < end {
            return Ok(None);
        }
        let plan = Plan { kind, old_size, new_size, untouched, from };
        let context = Witness { at: context_at, len: context_len, sum: context_sum };
        let cut = Witness { at: cut_at, len: cut_len, sum: cut_sum };
        let journal = Journal { file, end, dev, ino, plan, context, cut };
        Ok((journal.sum()? == payload).then_some(journal))
    }

    fn sum(&self) -> io::Result<u64> {
        let mut sum = Xxh3::new();
        chunks(&self.file, HEADER, self.end - HEADER, |_, octets| {
            sum.update(octets);
            Ok(())
        })?;
        Ok(sum.digest())
    }

    /// Writes all pieces into `spool`; doing so twice is doing so once.
    pub fn replay(&self, disk: &dyn Disk, spool: &File) -> io::Result<()> {
        self.pieces(|at, octets| disk.write(spool, octets, at))
    }

    /// Writes all pieces into another journal.
    pub fn copy(&self, writer: &mut Writer<'_>) -> io::Result<()> {
        writer.copy(&self.file, HEADER, self.end - HEADER)
    }

    /// Whether the octets between the old end of `spool` and the new are what the update brought about: zeros, or ours.
    pub fn fills(&self, spool: &File) -> io::Result<bool> {
        let (old, new) = (self.plan.old_size, self.plan.new_size);
        let mut fills = true;
        let mut there = Vec::new();
        self.pieces(|at, octets| {
            let (from, to) = (at.max(old), (at + octets.len() as u64).min(new));
            if fills && from < to {
                there.resize((to - from) as usize, 0);
                spool.read_exact_at(&mut there, from)?;
                let ours = &octets[(from - at) as usize..];
                fills = std::iter::zip(&there, ours).all(|(there, ours)| *there == 0 || there == ours);
            }
            Ok(())
        })?;
        Ok(fills)
    }

    /// Up to where `spool`, from its old end on, has the octets that an append was to write: or zeros, where these were lost.
    pub fn agreeing(&self, spool: &File) -> io::Result<u64> {
        let (size, mut agreeing, mut there) = (Stamp::of(spool)?.size, self.plan.old_size, Vec::new());
        self.pieces(|at, octets| {
            if at == agreeing && at < size {
                there.resize(octets.len().min((size - at) as usize), 0);
                spool.read_exact_at(&mut there, at)?;
                let differs = std::iter::zip(&there, octets).position(|(there, ours)| *there != 0 && there != ours);
                agreeing += differs.unwrap_or(there.len()) as u64;
            }
            Ok(())
        })?;
        Ok(agreeing)
    }

    /// Gives all octets with their places, in chunks.
    fn pieces(&self, mut take: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut at = HEADER;
        while at < self.end {
            let mut head = [[0; 8]; 2];
            self.file.read_exact_at(head.as_flattened_mut(), at)?;
            let [place, len] = head.map(u64::from_le_bytes);
            at += 16;
            chunks(&self.file, at, len, |offset, octets| take(place + offset, octets))?;
            at += len;
        }
        Ok(())
    }
}

/// Reads `len` octets from `at`, in chunks; `take` gets each with its offset from `at`.
fn chunks(file: &File, at: u64, len: u64, mut take: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK.min(len as usize)];
    let mut done = 0;
    while done < len {
        let some = buffer.len().min((len - done) as usize);
        file.read_exact_at(&mut buffer[..some], at + done)?;
        take(done, &buffer[..some])?;
        done += some as u64;
    }
    Ok(())
}

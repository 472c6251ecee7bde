//! What is known of a mailbox, and whether the index keeps it for the others.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::disk::Disk;
use super::index::{Durable, Found, Index, Learnt, Op, Record, State};
use super::spool::Batch;
use super::{Shared, Trouble};

/// The state of one mailbox in this process.
pub enum Kept {
    /// Nobody has looked yet.
    Nothing,
    /// In files, with the other processes.
    Files(Index),
    /// The files can't be written: each process scans for itself.
    Memory(State),
}

/// How far what was written is kept.
pub enum Written {
    /// In the journal; [`Kept::durable`] makes it last.
    Journal,
    /// In the memory of this process alone.
    Memory,
    /// Nothing was done: the index is gone, and the mailbox must be looked at again.
    Nowhere,
}

impl Kept {
    /// Opens the index in `folder`, if nothing is known yet.
    pub fn open(&mut self, shared: &Shared, folder: &Path) {
        if !matches!(self, Kept::Nothing) {
            return;
        }
        match Index::open(folder, &shared.disk) {
            Ok(Found::Index(index)) => *self = Kept::Files(index),
            Ok(Found::Nothing) => {}
            Ok(Found::Useless(why)) => {
                tracing::warn!(path = %folder.display(), why, "the index is of no use and is made anew");
            }
            Err(error) => shared.warn_once(folder, &error, "the index can't be read; each opening will scan"),
        }
    }

    /// As [`Kept::open`], if that needs no waiting.
    pub fn open_at_once(&mut self, disk: &Arc<dyn Disk>, folder: &Path) {
        if matches!(self, Kept::Nothing)
            && let Some(index) = Index::open_cached(folder, disk)
        {
            *self = Kept::Files(index);
        }
    }

    /// The state, as far as there is one.
    pub fn state(&self) -> Option<&State> {
        match self {
            Kept::Nothing => None,
            Kept::Files(index) => Some(index.state()),
            Kept::Memory(state) => Some(state),
        }
    }

    /// What is cached of a message, if the files have it.
    pub fn cached(&self, message: &Record) -> Option<Vec<u8>> {
        match self {
            Kept::Files(index) => index.cached(message),
            Kept::Nothing | Kept::Memory(_) => None,
        }
    }

    /// What makes the journal last.
    pub fn durable(&self) -> Option<Durable> {
        match self {
            Kept::Files(index) => Some(index.durable()),
            Kept::Nothing | Kept::Memory(_) => None,
        }
    }

    /// Takes in what other processes wrote.
    pub fn follow(&mut self) {
        let Kept::Files(index) = self else { return };
        // The index is gone, or of no use any more: the next scan makes one.
        if index.follow().is_err() || index.state().is_damaged() {
            *self = Kept::Nothing;
        }
    }

    /// Writes what `deed` makes of the state as it is, while no other process writes.
    pub fn write(
        &mut self,
        shared: &Shared,
        folder: &Path,
        deed: &mut dyn FnMut(&State) -> Result<Batch, Trouble>,
    ) -> Result<Written, Trouble> {
        let unwritten = match self {
            Kept::Nothing => return Ok(Written::Nowhere),
            Kept::Memory(state) => {
                *state = state.after(deed(state)?.ops).map_err(Trouble::io("updating", folder))?;
                return Ok(Written::Memory);
            }
            Kept::Files(index) => match write(index, folder, deed)? {
                Outcome::Done => return Ok(Written::Journal),
                Outcome::NoIndex => {
                    *self = Kept::Nothing;
                    return Ok(Written::Nowhere);
                }
                Outcome::Unlockable(error) => {
                    let state = index.state().clone();
                    let ops = deed(&state)?.ops;
                    Unwritten { error, state, ops }
                }
                Outcome::Unwritten(unwritten) => unwritten,
            },
        };
        shared.warn_once(folder, &unwritten.error, CANT_WRITE);
        // What others find must not lack what is done here.
        Index::remove(folder, &*shared.disk);
        let state = unwritten.state.after(unwritten.ops).map_err(Trouble::io("updating", folder))?;
        *self = Kept::Memory(state);
        Ok(Written::Memory)
    }

    /// Puts `state` in place of all that was known.
    pub fn replace(&mut self, shared: &Shared, folder: &Path, state: State) {
        let replaced = match self {
            Kept::Files(index) => index.lock().and_then(|mut locked| locked.replace(&state)),
            _ => Index::create(folder, &shared.disk, &state).map(|index| *self = Kept::Files(index)),
        };
        if let Err(error) = replaced {
            shared.warn_once(folder, &error, CANT_WRITE);
            Index::remove(folder, &*shared.disk);
            *self = Kept::Memory(state);
        }
    }
}

enum Outcome {
    Done,
    NoIndex,
    /// It is there, and can be read at most.
    Unlockable(io::Error),
    Unwritten(Unwritten),
}

/// Something was done to the spool that the journal has not taken.
struct Unwritten {
    error: io::Error,
    state: State,
    ops: Vec<Op>,
}

fn write(index: &mut Index, folder: &Path, deed: &mut dyn FnMut(&State) -> Result<Batch, Trouble>) -> Result<Outcome, Trouble> {
    let mut locked = match index.lock() {
        Ok(locked) => locked,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(Trouble::Busy(folder.into())),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => return Ok(Outcome::NoIndex),
        Err(error) => return Ok(Outcome::Unlockable(error)),
    };
    let Batch { mut ops, cache } = deed(locked.state())?;
    // What can't be cached is computed again when it is asked for.
    let cached = |(uid, entry): (u32, Vec<u8>)| Some(Learnt { uid, cache: Some(locked.cache(uid, &entry).ok()?), ..Learnt::default() });
    let learnt: Vec<Learnt> = cache.into_iter().filter_map(cached).collect();
    if !learnt.is_empty() {
        ops.push(Op::Learnt(learnt));
    }
    if ops.is_empty() {
        return Ok(Outcome::Done);
    }
    Ok(match locked.append(&ops) {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Unwritten(Unwritten { error, state: locked.state().clone(), ops }),
    })
}

const CANT_WRITE: &str = "the index can't be written; each opening will scan";

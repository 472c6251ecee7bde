//! What is known of a mailbox, and whether the index keeps it for the others.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::disk::Disk;
use super::index::{Durable, Found, Index, Learnt, Op, Record, State};
use super::name::disk::Layout;
use super::spool::{self, Batch};
use super::{Contents, Shared, Trouble};
use crate::os::stamp::Stamp;

/// The state of one mailbox in this process.
pub enum Kept {
    /// Nobody has looked yet.
    Nothing,
    /// In files, with the other processes.
    Files(Index),
    /// The files can't be written: each process scans for itself.
    Memory(State),
    /// The files have gone, and some of this the spool does not have yet.
    Orphan(State),
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
    /// Takes in what other processes wrote to the index in `folder`, or opens it. That of a spool of another kind is of no use.
    pub fn open(&mut self, shared: &Shared, folder: &Path, layout: Layout) {
        self.follow();
        if !matches!(self, Kept::Nothing) {
            return;
        }
        match Index::open(folder, &shared.disk) {
            Ok(Found::Index(index)) if is_of(index.state(), layout) => *self = Kept::Files(index),
            Ok(Found::Index(_)) => Index::remove(folder, &*shared.disk),
            Ok(Found::Nothing) => {}
            Ok(Found::Useless(why)) => {
                tracing::warn!(path = %folder.display(), why, "the index is of no use and is made anew");
            }
            Err(error) => shared.warn_once(folder, &error, "the index can't be read; each opening will scan"),
        }
    }

    /// As [`Kept::open`], if that needs no waiting.
    pub fn open_at_once(&mut self, disk: &Arc<dyn Disk>, folder: &Path, layout: Layout) {
        self.follow();
        if matches!(self, Kept::Nothing)
            && let Some(index) = Index::open_cached(folder, disk).filter(|index| is_of(index.state(), layout))
        {
            *self = Kept::Files(index);
        }
    }

    /// Makes an index of what has outlived its own, unless others have made one. The files must be held: only of them it can tell.
    pub fn restore(&mut self, shared: &Shared, folder: &Path, layout: Layout) {
        match std::mem::replace(self, Kept::Nothing) {
            Kept::Orphan(state) if is_of(&state, layout) => self.replace(shared, folder, state),
            Kept::Orphan(_) => {}
            known => *self = known,
        }
    }

    /// Whether there are changes that the spool lacks.
    pub fn is_owing(&self, owes: impl Fn(&State) -> bool) -> bool {
        matches!(self, Kept::Orphan(_)) || self.state().is_some_and(owes)
    }

    /// The state, as far as there is one.
    pub fn state(&self) -> Option<&State> {
        match self {
            Kept::Nothing | Kept::Orphan(_) => None,
            Kept::Files(index) => Some(index.state()),
            Kept::Memory(state) => Some(state),
        }
    }

    /// What is cached of many messages.
    pub fn cached_all(&self, messages: impl Iterator<Item = Record>) -> Contents {
        match self {
            Kept::Files(index) => index.cached_all(messages),
            Kept::Nothing | Kept::Memory(_) | Kept::Orphan(_) => Contents::default(),
        }
    }

    /// The same, if something is cached of each, and that takes no waiting.
    pub fn cached_at_once(&self, messages: impl Iterator<Item = Record>) -> Option<Contents> {
        match self {
            Kept::Files(index) => index.cached_at_once(messages),
            Kept::Nothing | Kept::Memory(_) | Kept::Orphan(_) => None,
        }
    }

    /// What makes the journal last.
    pub fn durable(&self) -> Option<Durable> {
        match self {
            Kept::Files(index) => Some(index.durable()),
            Kept::Nothing | Kept::Memory(_) | Kept::Orphan(_) => None,
        }
    }

    /// Whether the next opening can be made cheaper.
    pub fn is_untidy(&self) -> bool {
        matches!(self, Kept::Files(index) if index.is_untidy())
    }

    /// Makes the next opening cheap, if that is worth the while.
    pub fn tidy(&mut self) {
        if self.is_untidy()
            && let Kept::Files(index) = self
            && let Ok(mut locked) = index.lock()
        {
            // The journal has it all the same.
            let _ = locked.snapshot();
        }
    }

    /// The state, if other processes wrote nothing since: `journal` is the stamp of the file that is the journal now.
    pub fn followed(&self, journal: &Stamp) -> Option<&State> {
        match self {
            Kept::Files(index) if index.is_followed(journal) => Some(index.state()).filter(|state| !state.is_damaged()),
            _ => None,
        }
    }

    fn follow(&mut self) {
        let Kept::Files(index) = self else { return };
        if index.follow().is_err() || index.state().is_damaged() {
            self.lose();
        }
    }

    /// The index is gone, or of no use any more: the next scan makes one. What has been acknowledged and stands nowhere else stays.
    fn lose(&mut self) {
        *self = match std::mem::replace(self, Kept::Nothing) {
            Kept::Files(index) if owes(index.state()) && !index.state().is_damaged() => Kept::Orphan(index.state().clone()),
            _ => Kept::Nothing,
        };
    }

    /// Writes what `deed` makes of the state as it is, while no other process writes.
    pub fn write(
        &mut self,
        shared: &Shared,
        folder: &Path,
        deed: &mut dyn FnMut(&State) -> Result<Batch, Trouble>,
    ) -> Result<Written, Trouble> {
        let unwritten = match self {
            Kept::Nothing | Kept::Orphan(_) => return Ok(Written::Nowhere),
            Kept::Memory(state) => {
                *state = state.after(deed(state)?.ops).map_err(Trouble::io("updating", folder))?;
                return Ok(Written::Memory);
            }
            Kept::Files(index) => match write(index, folder, deed)? {
                Outcome::Done => return Ok(Written::Journal),
                Outcome::NoIndex => {
                    self.lose();
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

    /// Removes the files, with nobody writing to them; `false` if `owes` says that they are still needed.
    pub fn discard(&mut self, shared: &Shared, folder: &Path, owes: impl Fn(&State) -> bool) -> bool {
        match self {
            Kept::Memory(state) | Kept::Orphan(state) if owes(state) => return false,
            Kept::Files(index) => match index.lock() {
                Ok(locked) if owes(locked.state()) => return false,
                // Without the lock they are of no use to anybody.
                _locked => Index::remove(folder, &*shared.disk),
            },
            Kept::Memory(_) | Kept::Orphan(_) | Kept::Nothing => Index::remove(folder, &*shared.disk),
        }
        *self = Kept::Nothing;
        true
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

/// Whether `state` has changes that the spool lacks.
pub fn owes(state: &State) -> bool {
    state.head().totals.dirty > 0 || !state.doomed().is_empty()
}

fn is_of(state: &State, layout: Layout) -> bool {
    state.head().notes.last() == Some(&spool::mark(layout))
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
    if !cache.is_empty()
        && let Ok(places) = locked.cache_all(&cache)
    {
        let cached = |((uid, _), place): (&(u32, Vec<u8>), u64)| Learnt { uid: *uid, cache: Some(place), ..Learnt::default() };
        ops.push(Op::Learnt(std::iter::zip(&cache, places).map(cached).collect()));
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

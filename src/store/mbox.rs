//! Mail in one mbox file, shared with every other program that knows the format (behaviour.md §2.9, §18 traps 20-25).

mod folder;
pub mod from;
pub mod head;
mod index;
mod journal;
mod locks;
mod look;
mod notes;
mod number;
mod recognise;
mod redo;
pub mod scan;
mod tally;
mod update;

pub(super) use crate::os::stamp::Stamp;
pub use folder::{MboxFolder, MboxHome};
pub(super) use recognise::{is_still_there, measure};

use super::{Account, Shared, Trouble};

/// Finishes an update that a crash interrupted, if any. Blocks.
pub(super) fn finish(shared: &Shared, account: &Account) -> Result<(), Trouble> {
    match locks::lock(shared, account, locks::PATIENCE)? {
        Some(locked) => redo::recover(shared, account, &locked),
        None => Ok(()),
    }
}

#[cfg(test)]
mod crash;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

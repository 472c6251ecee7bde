//! Mail in one mbox file, shared with every other program that knows the format (behaviour.md §2.9, §18 traps 20-25).

pub mod from;
pub mod head;
pub mod scan;
pub(super) mod tally;

use super::index::{Entry, State};
use super::spool::{Care, Hold, Spool, Staged};
use super::{Account, FolderName, Incoming, Reader, Shared, Trouble};
pub(super) use crate::os::stamp::Stamp;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) fn finish(_: &Shared, _: &Account) -> Result<(), Trouble> {
    Ok(())
}
pub(super) fn halves(fingerprint: u128) -> [u64; 2] {
    [fingerprint as u64, (fingerprint >> 64) as u64]
}
pub(super) fn is_still_there(_: &std::fs::File, _: &super::message::Message) -> std::io::Result<bool> {
    Ok(true)
}
pub struct Mbox;
impl Mbox {
    pub fn new(_: Arc<Shared>, _: Arc<Account>, _: PathBuf, _: FolderName) -> Mbox {
        Mbox
    }
}
impl Spool for Mbox {
    fn is_untouched(&self, _: &State, _: Care) -> Result<bool, Trouble> {
        todo!()
    }
    fn hold(&self, _: bool) -> Result<Option<Box<dyn Hold + '_>>, Trouble> {
        todo!()
    }
    fn absent(&self, _: Option<&State>) -> Result<State, Trouble> {
        todo!()
    }
    fn stage(&self, _: &[Incoming]) -> Result<Staged, Trouble> {
        todo!()
    }
    fn harden(&self) -> Result<(), Trouble> {
        todo!()
    }
    fn read(&self, _: &State, _: &Entry<'_>, _: bool) -> Result<Option<Reader>, Trouble> {
        todo!()
    }
    fn is_lazy(&self) -> bool {
        false
    }
    fn watched(&self) -> Vec<super::news::Place> {
        Vec::new()
    }
}

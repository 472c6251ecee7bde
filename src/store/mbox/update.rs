//! x
use super::index::Index;
use crate::store::{Account, Changes, Shared, Trouble};
pub fn apply(_shared: &Shared, _account: &Account, _past: &Index, _changes: &Changes) -> Result<(), Trouble> {
    todo!()
}

//! x
use super::locks::Locked;
use crate::store::{Account, Shared, Trouble};
pub fn recover(_shared: &Shared, _account: &Account, _locked: &Locked<'_>) -> Result<(), Trouble> {
    Ok(())
}

//! Keywords and the sets of them that messages have, each kept once.

use super::op::Keyword;

/// All keywords of a mailbox, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Keywords {
    names: Vec<Keyword>,
}

impl Keywords {
    pub fn names(&self) -> &[Keyword] {
        &self.names
    }

    /// Those of a set.
    pub fn of(&self, set: u32) -> impl Iterator<Item = &Keyword> {
        let _ = set;
        std::iter::empty()
    }
}

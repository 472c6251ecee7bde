//! What there is to say about a line of a table.

use std::fmt;

/// A remark on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The line, counted from 1.
    pub line: usize,
    /// Whether the line holds.
    pub weight: Weight,
    /// What is wrong. Shows a stranger's text: escaped, and only its head.
    pub what: String,
    /// What to do about it.
    pub mend: &'static str,
}

/// How much is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The line does not hold.
    Wrong,
    /// The line holds, but perhaps it was not meant so.
    Odd,
}

impl fmt::Display for Remark {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warning = if self.weight == Weight::Odd { "warning: " } else { "" };
        write!(out, "{warning}{}; {}", self.what, self.mend)
    }
}

/// All remarks on a table; of the first thousand of each weight also the words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks {
    told: Vec<Remark>,
    wrong: usize,
    odd: usize,
}

impl Remarks {
    /// How many lines do not hold.
    pub fn wrong(&self) -> usize {
        self.wrong
    }

    /// How many other remarks there are.
    pub fn odd(&self) -> usize {
        self.odd
    }

    /// The remarks by line, as far as they are kept.
    pub fn iter(&self) -> impl Iterator<Item = &Remark> {
        let mut told: Vec<&Remark> = self.told.iter().collect();
        told.sort_by_key(|remark| remark.line);
        told.into_iter()
    }

    pub(super) fn note_wrong(&mut self, line: usize, what: impl Into<String>, mend: &'static str) {
        if self.wrong < MAX_TOLD {
            self.told.push(Remark { line, weight: Weight::Wrong, what: what.into(), mend });
        }
        self.wrong += 1;
    }

    pub(super) fn note_odd(&mut self, line: usize, what: impl Into<String>, mend: &'static str) {
        if self.odd < MAX_TOLD {
            self.told.push(Remark { line, weight: Weight::Odd, what: what.into(), mend });
        }
        self.odd += 1;
    }
}

/// More than anybody reads.
const MAX_TOLD: usize = 1_000;

//! What is wrong in a file, where, and how to mend it.

use std::fmt;
use std::path::{Path, PathBuf};

/// A mistake in a file that an administrator keeps: `FILE:LINE: what is wrong; how to mend it`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; `None` where the whole file is meant.
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Fault {
    /// A fault of the whole file.
    pub fn of_file(file: &Path, what: impl Into<String>) -> Fault {
        Fault { file: file.to_owned(), line: None, what: what.into() }
    }

    /// A fault of one line.
    pub fn of_line(file: &Path, line: usize, what: impl Into<String>) -> Fault {
        Fault { file: file.to_owned(), line: Some(line), what: what.into() }
    }

    /// The file could not be read.
    pub fn unreadable(file: &Path, error: &std::io::Error) -> Fault {
        Fault::of_file(file, format!("cannot be read: {error}"))
    }

    /// What the TOML reader found, by line.
    pub(super) fn of_toml(file: &Path, text: &str, error: &toml::de::Error) -> Fault {
        let line = error.span().map(|span| line_of(text, span.start));
        Fault { file: file.to_owned(), line, what: error.message().replace('\n', "; ") }
    }
}

/// The number, from 1, of the line that holds octet `at`.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|&&octet| octet == b'\n').count() + 1
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "{}:{line}: {}", self.file.display(), self.what),
            None => write!(out, "{}: {}", self.file.display(), self.what),
        }
    }
}

impl std::error::Error for Fault {}

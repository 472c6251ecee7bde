//! How far a long work has come, on standard error where that is a terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// A line that is written over and over, and taken away at the end.
pub(super) struct Progress {
    doing: &'static str,
    is_shown: bool,
    began: Instant,
    next: Duration,
}

impl Progress {
    /// One for `doing`; nothing is shown in the first moments.
    pub fn new(doing: &'static str) -> Progress {
        Progress { doing, is_shown: std::io::stderr().is_terminal(), began: Instant::now(), next: OFTEN }
    }

    /// So much is done, of so much if that is known.
    pub fn told(&mut self, done: u64, total: Option<u64>) {
        if self.is_shown && self.began.elapsed() >= self.next {
            self.next = self.began.elapsed() + OFTEN;
            // Best effort: it is only for looking at.
            let _ = write!(std::io::stderr(), "\r{}\x1b[K", line(self.doing, done, total));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown && self.next > OFTEN {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(doing: &str, done: u64, total: Option<u64>) -> String {
    match total.filter(|&total| total > 0) {
        None => format!("{doing}: {done}"),
        Some(total) => {
            let share = done.min(total);
            let filled = usize::try_from(share.saturating_mul(WIDTH as u64) / total).unwrap_or(WIDTH);
            format!("{doing} [{}{}] {done} of {total}", "#".repeat(filled), " ".repeat(WIDTH - filled))
        }
    }
}

const OFTEN: Duration = Duration::from_millis(200);
const WIDTH: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_up() {
        assert_eq!(line("import", 5, None), "import: 5");
        assert_eq!(line("import", 0, Some(10)), format!("import [{}] 0 of 10", " ".repeat(30)));
        assert_eq!(line("import", 5, Some(10)), format!("import [{}{}] 5 of 10", "#".repeat(15), " ".repeat(15)));
        assert_eq!(line("import", 12, Some(10)), format!("import [{}] 12 of 10", "#".repeat(30)));
    }
}

//! What is told of a message while its text streams by, once: sizes, fingerprint, and all that IMAP clients ask of it.

use super::mbox;
use super::mbox::head::{Line, Walk};
use super::mbox::tally::Tally;
use super::message::{Fingerprint, Size};
use crate::message::{Entry, Scanner};

/// A measurement under way. The header fields in which mbox programs keep their notes are text like any other, but no part of what
/// identifies the message: it keeps its EMAILID when it is copied to or from an mbox.
pub struct Measure {
    walk: Walk,
    tally: Tally,
    scanner: Scanner,
    /// What could not be told yet for want of more.
    held: Vec<u8>,
    has_notes: bool,
    done: u64,
    header: Option<u64>,
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Measured {
    pub size: Size,
    /// The stored octets are those of the wire.
    pub exact: bool,
    pub fingerprint: Fingerprint,
    /// There are notes of mbox programs, which an mbox would take for its own.
    pub has_notes: bool,
    /// Octets of the header, up to the blank line that ends it; none if there is no such line.
    pub header: Option<u64>,
    /// What clients ask of it.
    pub entry: Entry,
}

impl Measure {
    pub fn new() -> Measure {
        Measure {
            walk: Walk::default(),
            tally: Tally::new(),
            scanner: Scanner::new(),
            held: Vec::new(),
            has_notes: false,
            done: 0,
            header: None,
        }
    }

    /// The next octets, as many as there are.
    pub fn feed(&mut self, octets: &[u8]) {
        if self.held.is_empty() {
            let done = self.take(octets, false);
            self.held.extend_from_slice(&octets[done..]);
        } else {
            let mut all = std::mem::take(&mut self.held);
            all.extend_from_slice(octets);
            let done = self.take(&all, false);
            all.drain(..done);
            self.held = all;
        }
    }

    /// There are no more.
    pub fn finish(mut self) -> Measured {
        let held = std::mem::take(&mut self.held);
        self.take(&held, true);
        self.end()
    }

    fn take(&mut self, octets: &[u8], last: bool) -> usize {
        let mut at = 0;
        while let Some(step) = self.walk.step(&octets[at..], last) {
            let piece = &octets[at..at + step.len];
            at += step.len;
            match step.line {
                Line::Hidden(_) => {
                    self.has_notes = true;
                    self.tally.volatile(piece);
                }
                Line::Lines => self.tally.volatile(piece),
                Line::End => {
                    self.header = Some(self.done);
                    self.tally.text(piece);
                }
                _ => self.tally.text(piece),
            }
            self.done += step.len as u64;
            self.scanner.feed(piece);
        }
        at
    }

    fn end(self) -> Measured {
        Measured {
            size: self.tally.size(),
            exact: self.tally.exact(),
            fingerprint: mbox::halves(self.tally.digest()),
            has_notes: self.has_notes,
            header: self.header,
            entry: self.scanner.finish().entry,
        }
    }
}

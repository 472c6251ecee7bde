//! What is told of a message while its text streams by, once: sizes, fingerprint, and all that IMAP clients ask of it.

use super::mbox::head::{Line, Walk};
use super::mbox::tally::Tally;
use super::message::Fingerprint;
use super::{Flags, mbox};
use crate::message::{Entry, Scanner};

/// A measurement under way.
pub struct Measure {
    walk: Walk,
    notes: Notes,
    tally: Tally,
    scanner: Scanner,
    /// What could not be told yet for want of more.
    held: Vec<u8>,
    flags: Flags,
    has_notes: bool,
}

/// What becomes of the header fields in which mbox programs keep their notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notes {
    /// They belong to the mailbox, not to the message: never shown nor counted.
    Hidden,
    /// Text like any other, but no part of what identifies the message: it keeps its EMAILID when it is copied to an mbox.
    Shown,
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Octets on the wire.
    pub size: u64,
    /// The stored octets are those of the wire.
    pub exact: bool,
    pub fingerprint: Fingerprint,
    /// What the notes of mbox programs say.
    pub flags: Flags,
    /// There are such notes.
    pub has_notes: bool,
    /// What clients ask of it.
    pub entry: Entry,
}

impl Measure {
    pub fn new(notes: Notes) -> Measure {
        let (walk, tally, scanner) = (Walk::default(), Tally::new(), Scanner::new());
        Measure { walk, notes, tally, scanner, held: Vec::new(), flags: Flags::NONE, has_notes: false }
    }

    /// The measurement of a whole text.
    pub fn of(text: &[u8], notes: Notes) -> Measured {
        let mut measure = Measure::new(notes);
        measure.take(text, true);
        measure.end()
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
            match (step.line, self.notes) {
                (Line::Hidden(field), notes) => {
                    self.has_notes = true;
                    self.flags = self.flags.with(mbox::scan::flags_of(field, piece));
                    if notes == Notes::Hidden {
                        self.tally.hidden();
                        continue;
                    }
                    self.tally.volatile(piece);
                }
                (Line::Lines, _) => self.tally.volatile(piece),
                _ => self.tally.text(piece),
            }
            self.scanner.feed(piece);
        }
        at
    }

    fn end(self) -> Measured {
        Measured {
            size: self.tally.wire(),
            exact: self.tally.exact(),
            fingerprint: mbox::halves(self.tally.digest()),
            flags: self.flags,
            has_notes: self.has_notes,
            entry: self.scanner.finish().entry,
        }
    }
}

//! Reading a message once, in pieces.

use super::entry::Entry;
use super::part::{Encoding, Kind, Part};

/// A message being read.
#[derive(Debug, Default)]
pub struct Scanner {
    at: u64,
    wire: u64,
    cr: bool,
}

/// What was found in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Stored octets.
    pub len: u64,
    /// Wire octets: RFC822.SIZE.
    pub size: u64,
    pub entry: Entry,
}

impl Scanner {
    /// In front of a message's first octet.
    pub fn new() -> Scanner {
        Scanner::default()
    }

    /// Reads the next octets as they are stored, as many as there are at hand: where a message is cut makes no difference.
    pub fn feed(&mut self, chunk: &[u8]) {
        for &octet in chunk {
            self.at += 1;
            self.wire += 1 + u64::from(octet == b'\n' && !self.cr);
            self.cr = octet == b'\r';
        }
    }

    /// The message has ended.
    pub fn finish(self) -> Scanned {
        let whole = Part {
            parent: None,
            kind: Kind::Leaf,
            media: "text/plain".to_owned(),
            encoding: Encoding::Identity,
            header: 0,
            body: 0,
            len: self.at,
            header_size: 0,
            size: self.wire,
            lines: 0,
        };
        let entry = Entry {
            envelope: Vec::new(),
            bodystructure: Vec::new(),
            body: Vec::new(),
            preview: String::new(),
            fields: Vec::new(),
            sent: None,
            subject_base: String::new(),
            thread: 0,
            parts: vec![whole],
        };
        Scanned { len: self.at, size: self.wire, entry }
    }
}

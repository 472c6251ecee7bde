//! The parts of a message while it is read: those found, those open, and the delimiters that end them.

use super::described::Described;
use super::envelope;
use super::header::{Header, Kept};
use super::part::{Kind, Part};
use super::preview::Samples;
use super::whole::Whole;

/// Parts of a message. What comes behind them belongs to the last.
pub const MOST_PARTS: usize = 10_000;
/// Parts inside each other. What is deeper is not looked into.
pub const DEEPEST: usize = 64;
/// Octets of a boundary that are compared; RFC 2046 §5.1.1 allows 70.
pub const LONGEST_BOUNDARY: usize = 256;
/// Addresses in all envelopes of a message.
const MOST_ADDRESSES: usize = 10_000;
/// Octets that are kept: of the message's header, of each other, of all.
const LONGEST_TOP_HEADER: usize = 256 << 10;
const LONGEST_HEADER: usize = 64 << 10;
const ALL_HEADERS: usize = 1 << 20;

/// A place in a message.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Stored octets before it.
    pub stored: u64,
    /// Line ends before it that lack a CR.
    pub bare: u64,
    /// Line ends before it.
    pub lines: u64,
}

impl Place {
    /// Wire octets before it.
    pub fn wire(&self) -> u64 {
        self.stored + self.bare
    }
}

/// A part that was found.
#[derive(Debug)]
pub struct Found {
    pub parent: Option<u16>,
    header: Place,
    body: Place,
    end: Place,
    pub described: Described,
    /// ENVELOPE of a message; empty if it is a part of a multipart.
    pub envelope: Vec<u8>,
}

impl Found {
    fn new(parent: Option<u16>, header: Place) -> Found {
        Found { parent, header, body: header, end: header, described: Described::default(), envelope: Vec::new() }
    }

    /// Wire octets of its body.
    pub fn size(&self) -> u64 {
        self.end.wire() - self.body.wire()
    }

    /// Line ends in its body.
    pub fn lines(&self) -> u64 {
        self.end.lines - self.body.lines
    }

    /// The row of the table.
    pub fn into_part(self) -> Part {
        Part {
            parent: self.parent,
            kind: self.described.kind,
            encoding: self.described.encoding,
            header: self.header.stored,
            body: self.body.stored,
            len: self.end.stored - self.body.stored,
            header_size: self.body.wire() - self.header.wire(),
            size: self.size(),
            lines: self.lines(),
            media: self.described.media,
        }
    }
}

/// The parts of a message so far.
#[derive(Debug)]
pub struct Opened {
    /// Depth-first.
    pub parts: Vec<Found>,
    /// Those that go on, each inside the one before it. Never empty until the message has ended.
    open: Vec<Open>,
    /// How many of them wait for delimiters.
    waiting: usize,
    /// Octets of headers that may still be kept.
    headers_left: usize,
    addresses_left: usize,
    pub samples: Samples,
    pub whole: Option<Whole>,
}

#[derive(Debug)]
struct Open {
    part: u16,
    /// Of a multipart that has not been closed.
    boundary: Option<Vec<u8>>,
    /// It is, or is in, a message inside the message.
    inner: bool,
}

impl Opened {
    /// The message itself is open, and its header begins.
    pub fn message() -> (Opened, Kept) {
        let opened = Opened {
            parts: vec![Found::new(None, Place::default())],
            open: vec![Open { part: 0, boundary: None, inner: false }],
            waiting: 0,
            headers_left: ALL_HEADERS,
            addresses_left: MOST_ADDRESSES,
            samples: Samples::default(),
            whole: None,
        };
        (opened, Kept::new(LONGEST_TOP_HEADER))
    }

    /// Whether there are delimiters to be looked for.
    pub fn has_delimiters(&self) -> bool {
        self.waiting > 0
    }

    /// Which multipart, by its level, the line delimits, and whether it closes it.
    ///
    /// The line has to begin with the boundary, not to be it (RFC 2046 §5.1.1). Of several that fit, the innermost that is the whole
    /// line is meant, else the longest: boundaries of nested parts often begin alike.
    pub fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let line = line.trim_ascii_end().strip_prefix(b"--")?;
        if self.parts.len() >= MOST_PARTS {
            return None;
        }
        let mut best: Option<(usize, &[u8])> = None;
        for (level, open) in self.open.iter().enumerate().rev() {
            let Some(after) = open.boundary.as_ref().and_then(|boundary| line.strip_prefix(&boundary[..])) else { continue };
            if best.is_none_or(|(_, shortest)| after.len() < shortest.len()) {
                best = Some((level, after));
            }
            if after.is_empty() || after == b"--" {
                break;
            }
        }
        best.map(|(level, after)| (level, after.starts_with(b"--")))
    }

    /// Ends all open parts from `level` inwards at `end`, or where they began if a line end before a delimiter is all they have.
    pub fn close_to(&mut self, level: usize, end: Place, here: Place) {
        let mut inside = Place::default();
        for closed in self.open.drain(level.min(self.open.len())..).rev() {
            self.waiting -= usize::from(closed.boundary.is_some());
            let part = &mut self.parts[usize::from(closed.part)];
            part.end = end.max(part.body).max(inside).min(here);
            inside = part.end;
        }
        self.samples.stop();
    }

    /// No part of the multipart at `level` follows.
    pub fn close_multipart(&mut self, level: usize) {
        self.waiting -= usize::from(self.open[level].boundary.take().is_some());
    }

    /// A part begins inside the innermost one that is open.
    pub fn open(&mut self, here: Place) -> Kept {
        let outer = self.open.last().map_or(0, |open| open.part);
        let inner = self.open.last().is_some_and(|open| open.inner) || self.kind(outer) == Kind::Message;
        let part = u16::try_from(self.parts.len()).expect("fewer than MOST_PARTS");
        self.parts.push(Found::new(Some(outer), here));
        self.open.push(Open { part, boundary: None, inner });
        Kept::new(LONGEST_HEADER.min(self.headers_left))
    }

    /// The delimiter's line went on until here.
    pub fn begin_header(&mut self, here: Place) {
        if let Some(part) = self.parts.last_mut() {
            part.header = here;
        }
    }

    /// The innermost part's header has ended. Returns the header of the message inside it, if one begins here.
    pub fn end_header(&mut self, kept: Kept, here: Place) -> Option<Kept> {
        let lines = kept.into_lines();
        self.headers_left -= lines.len().min(self.headers_left);
        let header = Header::read(&lines);
        let may_nest = self.open.len() < DEEPEST && self.parts.len() < MOST_PARTS;
        let parent = self.parts.last().and_then(|part| part.parent);
        let mut described = Described::read(&header, self.is_in_digest(parent), may_nest);
        let boundary = described.boundary.take();
        if parent.is_none_or(|parent| self.kind(parent) == Kind::Message) {
            let envelope = envelope::write(&header, &mut self.addresses_left);
            self.parts.last_mut()?.envelope = envelope;
        }
        if parent.is_none() {
            self.whole = Some(Whole::read(&header, &lines));
        }
        self.begin_body(described, boundary, here)
    }

    fn begin_body(&mut self, described: Described, boundary: Option<Vec<u8>>, here: Place) -> Option<Kept> {
        let open = self.open.last_mut()?;
        if !open.inner {
            self.samples.start(&described);
        }
        self.waiting += usize::from(boundary.is_some());
        open.boundary = boundary;
        let kind = described.kind;
        let part = self.parts.last_mut()?;
        part.described = described;
        part.body = here;
        (kind == Kind::Message).then(|| self.open(here))
    }

    /// Octets of the innermost part's body.
    pub fn sample(&mut self, text: &[u8]) {
        self.samples.push(text);
    }

    fn kind(&self, part: u16) -> Kind {
        self.parts[usize::from(part)].described.kind
    }

    /// What stands in a multipart/digest is a message where it does not say otherwise (RFC 2046 §5.1.5).
    fn is_in_digest(&self, parent: Option<u16>) -> bool {
        parent.is_some_and(|parent| self.parts[usize::from(parent)].described.media == "multipart/digest")
    }
}

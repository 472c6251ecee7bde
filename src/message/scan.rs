//! Reading a message once, in pieces: where its parts begin and end, and nothing kept of it but headers and the beginning of a text.

use memchr::{memchr, memchr_iter};

use super::entry::Entry;
use super::header::Kept;
use super::opened::{Found, Opened, Place};
use super::whole::Whole;

/// A message being read. It holds at most 1 MiB of headers and 32 KiB of text, whatever it is fed.
#[derive(Debug)]
pub struct Scanner {
    here: Place,
    /// In front of the line end that was read last.
    line_end: Place,
    /// The last octet was a CR.
    cr: bool,
    within: Within,
    /// The beginning of a line that may be a delimiter.
    probe: Vec<u8>,
    /// The header being read; `None` in a body.
    header: Option<Kept>,
    opened: Opened,
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

/// Where the next octet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// At the beginning of a line, or behind what `probe` holds of it.
    Start,
    /// In a line that is no delimiter, or in text that has none.
    Line,
    /// In the rest of a delimiter's line.
    Delimiter,
}

impl Default for Scanner {
    fn default() -> Scanner {
        Scanner::new()
    }
}

impl Scanner {
    /// In front of a message's first octet.
    pub fn new() -> Scanner {
        let start = Place::default();
        let (opened, header) = Opened::message();
        Scanner { here: start, line_end: start, cr: false, within: Within::Line, probe: Vec::new(), header: Some(header), opened }
    }

    /// Reads the next octets as they are stored, as many as there are at hand: where a message is cut makes no difference.
    pub fn feed(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let read = match (self.within, &self.header) {
                (Within::Start, _) => self.start(rest),
                (Within::Delimiter, _) => self.rest_of_delimiter(rest),
                (Within::Line, Some(_)) => self.header_line(rest),
                (Within::Line, None) => self.text(rest),
            };
            rest = &rest[read..];
        }
    }

    /// The message has ended.
    pub fn finish(mut self) -> Scanned {
        if !self.probe.is_empty() {
            self.decide();
        }
        self.end_headers();
        self.opened.close_to(0, self.here, self.here);
        let Opened { parts, samples, whole, .. } = self.opened;
        let whole = whole.unwrap_or_default();
        Scanned { len: self.here.stored, size: self.here.wire(), entry: entry(parts, samples.preview(), whole) }
    }

    /// At the beginning of a line: goes on once it is known whether it is a delimiter.
    fn start(&mut self, rest: &[u8]) -> usize {
        if !self.opened.has_delimiters() || self.probe.is_empty() && rest[0] != b'-' {
            self.within = Within::Line;
            return 0;
        }
        let window = &rest[..rest.len().min(LONGEST_PROBE - self.probe.len())];
        let read = memchr(b'\n', window).map_or(window.len(), |end| end + 1);
        self.probe.extend_from_slice(&window[..read]);
        let undecided =
            b"--".starts_with(&self.probe[..self.probe.len().min(2)]) && !self.probe.ends_with(b"\n") && self.probe.len() < LONGEST_PROBE;
        if !undecided {
            self.decide();
        }
        read
    }

    /// `probe` holds all of its line that matters.
    fn decide(&mut self) {
        let probe = std::mem::take(&mut self.probe);
        match self.opened.delimiter(&probe) {
            Some((level, closes)) => self.delimiter(&probe, level, closes),
            None => {
                self.within = Within::Line;
                self.feed(&probe);
            }
        }
        // The memory serves again, unless a delimiter-like line has begun meanwhile.
        if self.probe.is_empty() {
            self.probe = probe;
            self.probe.clear();
        }
    }

    /// The line that begins with `probe` ends all parts inside the multipart at `level`, and begins a part of it or `closes` it.
    fn delimiter(&mut self, probe: &[u8], level: usize, closes: bool) {
        self.end_headers();
        self.opened.close_to(level + 1, self.line_end, self.here);
        self.count(probe);
        match closes {
            true => self.opened.close_multipart(level),
            false => self.header = Some(self.opened.open(self.here)),
        }
        self.within = if probe.ends_with(b"\n") { Within::Start } else { Within::Delimiter };
    }

    fn rest_of_delimiter(&mut self, rest: &[u8]) -> usize {
        let end = memchr(b'\n', rest);
        let read = end.map_or(rest.len(), |end| end + 1);
        self.count(&rest[..read]);
        if self.header.is_some() {
            self.opened.begin_header(self.here);
        }
        if end.is_some() {
            self.within = Within::Start;
        }
        read
    }

    fn header_line(&mut self, rest: &[u8]) -> usize {
        let end = memchr(b'\n', rest);
        let read = end.map_or(rest.len(), |end| end + 1);
        self.count(&rest[..read]);
        let blank = self.header.as_mut().is_some_and(|header| header.push(&rest[..read]));
        if end.is_some() {
            self.within = Within::Start;
        }
        if blank {
            self.end_header();
        }
        read
    }

    /// The header being read ends here. That of a message inside may begin.
    fn end_header(&mut self) {
        if let Some(header) = self.header.take() {
            self.header = self.opened.end_header(header, self.here);
        }
    }

    /// No header goes on: the part has ended before its body began.
    fn end_headers(&mut self) {
        // A header without a line describes a text, so this comes to an end.
        while self.header.is_some() {
            self.end_header();
        }
    }

    /// Text from within a line up to a line that may be a delimiter.
    fn text(&mut self, rest: &[u8]) -> usize {
        let has_delimiters = self.opened.has_delimiters();
        let Place { stored, mut bare, mut lines } = self.here;
        let mut read = rest.len();
        for end in memchr_iter(b'\n', rest) {
            let cr = if end == 0 { self.cr } else { rest[end - 1] == b'\r' };
            if has_delimiters && rest.get(end + 1).is_none_or(|next| *next == b'-') {
                self.line_end = Place { stored: stored + end as u64 - u64::from(cr), bare, lines };
                self.within = Within::Start;
                read = end + 1;
            }
            lines += 1;
            bare += u64::from(!cr);
            if read == end + 1 {
                break;
            }
        }
        self.here = Place { stored: stored + read as u64, bare, lines };
        self.cr = rest[read - 1] == b'\r';
        self.opened.sample(&rest[..read]);
        read
    }

    /// Counts octets with no line end but perhaps at their end.
    fn count(&mut self, piece: &[u8]) {
        let Some((last, before)) = piece.split_last() else { return };
        let cr = before.last().map_or(self.cr, |octet| *octet == b'\r');
        self.here.stored += piece.len() as u64;
        self.cr = *last == b'\r';
        if *last == b'\n' {
            self.line_end = Place { stored: self.here.stored - 1 - u64::from(cr), ..self.here };
            self.here.bare += u64::from(!cr);
            self.here.lines += 1;
        }
    }
}

fn entry(mut parts: Vec<Found>, preview: String, whole: Whole) -> Entry {
    Entry {
        envelope: std::mem::take(&mut parts[0].envelope),
        bodystructure: super::structure::write(&parts, true),
        body: super::structure::write(&parts, false),
        preview,
        fields: whole.fields,
        sent: whole.sent,
        subject_base: whole.subject_base,
        thread: whole.thread,
        parts: parts.into_iter().map(Found::into_part).collect(),
    }
}

/// Octets of a line that are looked at to tell whether it is a delimiter: two hyphens, the boundary, two hyphens.
const LONGEST_PROBE: usize = 2 + super::opened::LONGEST_BOUNDARY + 2;

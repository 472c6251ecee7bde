//! Finding the messages of an mbox: pure, streaming, and never holding more than what it is given.

use memchr::memmem::Finder;

use super::from;
use super::head::{Hidden, Line, PEEK, Walk};
use super::tally::Tally;
use crate::store::Flags;
use crate::store::index::{Keyword, Record};
use crate::store::message::{Size, Traits};

/// A message in the file, as the file tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where its From_ line begins (where it begins, if it has none).
    pub offset: u64,
    /// Octets of the From_ line, its end included; 0 for a file's head without one.
    pub from_len: u16,
    /// Octets of its text as stored, hidden headers included, the blank line that separates it from the next not.
    pub len: u64,
    pub size: Size,
    pub fingerprint: u128,
    pub flags: Flags,
    /// `X-Keywords`.
    pub keywords: Vec<Keyword>,
    /// The stored text is what the wire needs.
    pub exact: bool,
    /// The date of the From_ line.
    pub date: Option<u32>,
    /// `X-UID`.
    pub uid: Option<u32>,
    /// `X-IMAPbase` or `X-IMAP`: UIDVALIDITY and last UID.
    pub base: Option<(u32, u32)>,
    /// UW's pseudo message (behaviour.md §2.13).
    pub pseudo: bool,
}

impl Found {
    /// What a scan would find of a known message, as far as it matters to numbers.
    pub(super) fn of(message: &Record) -> Found {
        let [low, high] = message.fingerprint;
        Found {
            offset: message.place,
            from_len: message.from_len,
            len: message.len,
            size: message.size,
            fingerprint: u128::from(high) << 64 | u128::from(low),
            flags: message.flags(),
            keywords: Vec::new(),
            exact: message.has(Traits::EXACT),
            date: Some(message.received).filter(|&date| date > 0),
            uid: message.has(Traits::RECORDED).then_some(message.uid),
            base: None,
            pseudo: false,
        }
    }

    /// The same of a pseudo message.
    pub(super) fn pseudo(base: Option<(u32, u32)>) -> Found {
        Found { base, pseudo: true, ..Found::of(&Record::default()) }
    }

    /// Where its text ends.
    pub fn end(&self) -> u64 {
        self.offset + u64::from(self.from_len) + self.len
    }
}

/// With a buffer of this size every call of [`Scan::feed`] gets on.
pub const LEAST: usize = 4096;

/// A scan in progress.
pub struct Scan {
    /// Offset of the next octet to be fed.
    at: u64,
    state: State,
    walk: Walk,
    tally: Tally,
    now: Option<Found>,
    /// No message has ended yet.
    first: bool,
    subject_fits: bool,
    /// Where the body of `now` begins.
    body: u64,
    /// The three octets before `at`, as far as they matter to the question whether a blank line was before.
    before: [u8; 3],
    separators: Finder<'static>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In front of everything, or after nothing but blank lines.
    Front,
    /// In front of a line that is known to be a From_ line.
    From,
    Head,
    Body,
}

impl Default for Scan {
    fn default() -> Scan {
        Scan::new()
    }
}

impl Scan {
    /// A scan from the beginning of a file.
    pub fn new() -> Scan {
        Scan::from_message(0)
    }

    /// A scan from where a message begins in the file, at octet `at`.
    pub fn from_message(at: u64) -> Scan {
        Scan {
            at,
            state: State::Front,
            walk: Walk::default(),
            tally: Tally::new(),
            now: None,
            first: at == 0,
            subject_fits: false,
            body: 0,
            before: [b'\n'; 3],
            separators: Finder::new(b"\nFrom "),
        }
    }

    /// Reads `data`, which begins where the last call stopped; `last` says that the file ends with it. Returns how many octets it has
    /// read: the rest is to be brought again, with more behind it. It is never 0 when `data` has [`LEAST`] octets.
    pub fn feed(&mut self, data: &[u8], last: bool, found: &mut impl FnMut(Found)) -> usize {
        let mut done = 0;
        loop {
            let state = self.state;
            let read = match state {
                State::Front => self.front(&data[done..], last),
                State::From => self.from(&data[done..]),
                State::Head => self.head(&data[done..], last),
                State::Body => self.body(&data[done..], last, found),
            };
            done += read;
            self.at += read as u64;
            if read == 0 && self.state == state {
                break;
            }
        }
        if last && done == data.len() {
            self.end(self.at, found);
        }
        done
    }

    /// Skips blank lines, then tells a mailbox from a headless text.
    fn front(&mut self, data: &[u8], last: bool) -> usize {
        let blank = blank_lines(data);
        if blank > 0 || data.is_empty() {
            return blank;
        }
        match self.separator(data, last) {
            None => {}
            Some(true) => self.state = State::From,
            // Not a mailbox's beginning: a message of its own, so that nothing is lost (behaviour.md §18 trap 21).
            Some(false) => self.begin(0, None),
        }
        0
    }

    /// Whether `data` begins with a From_ line; `None` when more must be seen.
    fn separator(&self, data: &[u8], last: bool) -> Option<bool> {
        let seen = &data[..data.len().min(from::LONGEST)];
        if !seen.starts_with(b"From ") {
            let may_become = !last && (b"From ".starts_with(seen) || seen == b"\r");
            return if may_become { None } else { Some(false) };
        }
        match memchr::memchr(b'\n', seen) {
            Some(end) => Some(from::separates(&seen[..end])),
            None if last && data.len() < from::LONGEST => Some(from::separates(seen)),
            None if data.len() < from::LONGEST => None,
            None => Some(false),
        }
    }

    fn from(&mut self, data: &[u8]) -> usize {
        let len = memchr::memchr(b'\n', data).map_or(data.len(), |end| end + 1);
        self.begin(len as u16, from::date(&data[..len]));
        len
    }

    fn begin(&mut self, from_len: u16, date: Option<u32>) {
        self.now = Some(Found {
            offset: self.at,
            from_len,
            len: 0,
            size: Size::default(),
            fingerprint: 0,
            flags: Flags::NONE,
            keywords: Vec::new(),
            exact: false,
            date,
            uid: None,
            base: None,
            pseudo: false,
        });
        self.state = State::Head;
        self.walk = Walk::default();
        self.tally.restart();
        self.subject_fits = false;
    }

    /// Reads header lines. Neighbours of a kind are counted together: fewer, longer pieces.
    fn head(&mut self, data: &[u8], last: bool) -> usize {
        let (mut run, mut at, mut kind) = (0, 0, Kind::Text);
        while let Some(step) = self.walk.step(&data[at..], last) {
            let next = Kind::of(step.line);
            if next != kind {
                self.count(&data[run..at], kind);
                (run, kind) = (at, next);
            }
            if step.begins {
                self.note(step.line, &data[at..at + step.len]);
            }
            at += step.len;
            if step.line == Line::End {
                self.state = State::Body;
                self.body = self.at + at as u64;
                self.before = [b'\n'; 3];
                break;
            }
        }
        self.count(&data[run..at], kind);
        at
    }

    fn count(&mut self, piece: &[u8], kind: Kind) {
        match kind {
            _ if piece.is_empty() => {}
            Kind::Text => self.tally.text(piece),
            Kind::Volatile => self.tally.volatile(piece),
            Kind::Hidden => self.tally.hidden(),
        }
    }

    /// Takes the meaning out of a header line.
    fn note(&mut self, line: Line, text: &[u8]) {
        let Some(now) = &mut self.now else { return };
        match line {
            Line::Hidden(field @ (Hidden::Status | Hidden::XStatus)) => now.flags = now.flags.with(flags_of(field, text)),
            Line::Hidden(Hidden::XUid) => now.uid = now.uid.or_else(|| first_number(value(text)).filter(|&uid| uid > 0)),
            Line::Hidden(Hidden::Base) => now.base = now.base.or_else(|| base_in(value(text))),
            Line::Hidden(Hidden::XKeywords) => add_keywords(value(text), &mut now.keywords),
            Line::Subject => self.subject_fits |= value(text).trim_ascii() == PSEUDO_SUBJECT,
            _ => {}
        }
    }

    fn body(&mut self, data: &[u8], last: bool, found: &mut impl FnMut(Found)) -> usize {
        // What might be the beginning of a separator or half a line end is left for the next time.
        let mut limit = if last { data.len() } else { data.len().saturating_sub(b"\nFrom ".len()) };
        if !last && limit > 0 && data[limit - 1] == b'\r' {
            limit -= 1;
        }
        let first = data.starts_with(b"F").then_some(0);
        let separators = self.separators.clone();
        for start in first.into_iter().chain(separators.find_iter(data).map(|end| end + 1)) {
            if start > limit && !last {
                break;
            }
            if !self.after_blank(data, start) {
                continue;
            }
            match self.separator(&data[start..], last) {
                Some(false) => {}
                None if start > 0 => return self.text(&data[..start]),
                None => return 0,
                Some(true) => {
                    self.text(&data[..start]);
                    self.end(self.at + start as u64, found);
                    self.state = State::From;
                    return start;
                }
            }
        }
        self.text(&data[..limit])
    }

    fn text(&mut self, piece: &[u8]) -> usize {
        self.tally.text(piece);
        for &octet in &piece[piece.len().saturating_sub(3)..] {
            self.before = [self.before[1], self.before[2], octet];
        }
        piece.len()
    }

    /// Whether the line before `start` in `data` is blank.
    fn after_blank(&self, data: &[u8], start: usize) -> bool {
        let back = |by: usize| if start >= by { data[start - by] } else { self.before[3 + start - by] };
        back(1) == b'\n' && (back(2) == b'\n' || (back(2) == b'\r' && back(3) == b'\n'))
    }

    /// The message in progress ends before `at`.
    fn end(&mut self, at: u64, found: &mut impl FnMut(Found)) {
        let Some(mut now) = self.now.take() else { return };
        now.len = at - now.offset - u64::from(now.from_len);
        now.size = self.tally.size();
        // The blank line before the next From_ belongs to the file, not to the message; the one that ends a header is the message's.
        if self.state == State::Body && at > self.body && self.after_blank(&[], 0) {
            now.len -= 1 + u64::from(self.before[1] == b'\r');
            now.size = Size::new(now.size.octets() - 2, true);
        }
        now.exact = now.len > 0 && self.tally.exact();
        now.fingerprint = self.tally.digest();
        now.pseudo = self.first && self.subject_fits && now.base.is_some();
        self.first = false;
        found(now);
    }
}

/// Octets of the blank lines that `data` begins with.
fn blank_lines(data: &[u8]) -> usize {
    let mut rest = data;
    while let Some(next) = rest.strip_prefix(b"\n").or_else(|| rest.strip_prefix(b"\r\n")) {
        rest = next;
    }
    data.len() - rest.len()
}

const PSEUDO_SUBJECT: &[u8] = b"DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Volatile,
    Hidden,
}

impl Kind {
    fn of(line: Line) -> Kind {
        match line {
            Line::Hidden(_) => Kind::Hidden,
            Line::Lines => Kind::Volatile,
            Line::Shown | Line::Subject | Line::End | Line::Body => Kind::Text,
        }
    }
}

pub(super) fn value(line: &[u8]) -> &[u8] {
    let colon = memchr::memchr(b':', line).map_or(line.len(), |colon| colon + 1);
    &line[colon..]
}

/// The flags in a header line: letters of `Status` and `X-Status`, as UW and mutt write them.
pub(super) fn flags_of(field: Hidden, line: &[u8]) -> Flags {
    if !matches!(field, Hidden::Status | Hidden::XStatus) {
        return Flags::NONE;
    }
    value(line).iter().fold(Flags::NONE, |flags, letter| {
        flags.with(match letter {
            b'R' => Flags::SEEN,
            b'O' => Flags::OLD,
            b'A' => Flags::ANSWERED,
            b'F' => Flags::FLAGGED,
            b'D' => Flags::DELETED,
            b'T' => Flags::DRAFT,
            _ => Flags::NONE,
        })
    })
}

/// Adds the words of `X-Keywords`, as pine and Dovecot write them. Strangers can send such a header, so there are limits.
pub(super) fn add_keywords(value: &[u8], all: &mut Vec<Keyword>) {
    // More of a long line is not always at hand.
    let value = &value[..value.len().min(PEEK - 16)];
    let words = value.split(|octet| octet.is_ascii_whitespace()).filter(|word| is_keyword(word));
    for word in words.filter_map(|word| std::str::from_utf8(word).ok()) {
        if all.len() < MOST_KEYWORDS && !all.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            all.push(word.into());
        }
    }
}

/// An atom (RFC 9051 §9).
pub(super) fn is_keyword(word: &[u8]) -> bool {
    let is_atom = |octet: &u8| octet.is_ascii_graphic() && !b"(){%*\"\\]".contains(octet);
    (1..=255).contains(&word.len()) && word.iter().all(is_atom)
}

/// Keywords of one message.
pub(super) const MOST_KEYWORDS: usize = 250;

pub(super) fn first_number(value: &[u8]) -> Option<u32> {
    let digits = value.trim_ascii_start();
    let len = digits.iter().take_while(|octet| octet.is_ascii_digit()).count();
    std::str::from_utf8(&digits[..len]).ok()?.parse().ok()
}

pub(super) fn base_in(value: &[u8]) -> Option<(u32, u32)> {
    let value = value.trim_ascii_start();
    let gap = value.iter().position(|octet| !octet.is_ascii_digit())?;
    let uidvalidity = first_number(value).filter(|&uidvalidity| uidvalidity > 0)?;
    // A stranger may have sent this header: it must not use up the numbers.
    let last = first_number(&value[gap..]).filter(|&last| last <= u32::MAX / 2)?;
    Some((uidvalidity, last))
}

/// All messages of a file held in memory: for tests and the fuzzer.
pub fn scan(file: &[u8], chunk: usize) -> Vec<Found> {
    let (mut scan, mut all, mut at) = (Scan::new(), Vec::new(), 0);
    let mut end = file.len().min(chunk.max(LEAST));
    loop {
        at += scan.feed(&file[at..end], end == file.len(), &mut |found| all.push(found));
        if end == file.len() {
            return all;
        }
        end = (at + chunk.max(LEAST)).min(file.len());
    }
}

#[cfg(test)]
mod tests;

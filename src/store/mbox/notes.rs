//! What mailbox programs write into headers: examining it, overwriting it in place, writing it anew.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::head::{Hidden, Line, Step, Walk};
use super::scan::value;
use crate::store::Flags;
use crate::store::index::Keyword;

/// The header of a message in the file, as far as an update needs to know.
#[derive(Debug, Default)]
pub struct Head {
    /// Where it ends: where its blank line begins, or the text's end.
    pub end: u64,
    /// Octets of the lines that stay as they are when it is written anew.
    kept: u64,
    /// The last of these lines has no end.
    ragged: bool,
    crlf: Option<bool>,
    pub uid: Option<u32>,
    status: Option<Region>,
    xstatus: Option<Region>,
    keywords: Option<Region>,
    /// A field is there twice, or where it can't be overwritten.
    is_odd: bool,
    pub base: Option<Base>,
}

/// The value of a header line.
#[derive(Debug)]
struct Region {
    at: u64,
    octets: Vec<u8>,
}

/// The line with UIDVALIDITY and last UID.
#[derive(Debug, Clone)]
pub struct Base {
    pub uidvalidity: u32,
    pub last: u32,
    /// Where the last UID is, if it has the room for any.
    pub last_at: Option<u64>,
    /// What follows: the names of keywords.
    pub rest: Vec<u8>,
}

/// Octets to be overwritten in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    pub at: u64,
    pub octets: Vec<u8>,
}

/// What changes flags and keywords in place.
#[derive(Debug, Default)]
pub struct Patches {
    pub flagging: Vec<Patch>,
    pub naming: Option<Patch>,
}

/// What a header written anew says.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// None in a file that records no UIDs.
    pub uid: Option<u32>,
    pub flags: Flags,
    pub keywords: Vec<Keyword>,
    /// In the first message: UIDVALIDITY, last UID, and the rest of the line.
    pub base: Option<(u32, u32, Vec<u8>)>,
    /// Blanks that make up for length.
    pub pad: u64,
}

/// Digits of a number that fits any UID.
const DIGITS: usize = 10;

impl Head {
    /// That of a message to be written, without notes so far.
    pub fn plain() -> Head {
        Head::default()
    }

    /// Looks at the header of the text at `text`.
    pub fn examine(file: &File, text: Range<u64>) -> io::Result<Head> {
        let mut head = Head { end: text.end, ..Head::default() };
        walk(file, text, |step, octets, at| {
            head.note(step, octets, at);
            Ok(())
        })?;
        Ok(head)
    }

    fn note(&mut self, step: Step, octets: &[u8], at: u64) {
        if octets.ends_with(b"\n") {
            self.crlf.get_or_insert(octets.ends_with(b"\r\n"));
        }
        match step.line {
            Line::End => self.end = at,
            line if stays(line) => {
                self.kept += step.len as u64;
                self.ragged = !octets.ends_with(b"\n");
            }
            Line::Hidden(field) if step.begins && octets.ends_with(b"\n") => self.note_field(field, octets, at),
            Line::Hidden(_) => self.is_odd = true,
            _ => {}
        }
    }

    fn note_field(&mut self, field: Hidden, line: &[u8], at: u64) {
        let octets = value(line);
        let octets = octets.strip_suffix(b"\n").map_or(octets, |octets| octets.strip_suffix(b"\r").unwrap_or(octets));
        // The blank behind the colon is not room.
        let blank = usize::from(octets.starts_with(b" "));
        let at = at + (line.len() - value(line).len() + blank) as u64;
        let region = || Region { at, octets: octets[blank..].to_vec() };
        let slot = match field {
            Hidden::Status => &mut self.status,
            Hidden::XStatus => &mut self.xstatus,
            Hidden::XKeywords => &mut self.keywords,
            Hidden::XUid => {
                self.uid = self.uid.or_else(|| super::scan::first_number(octets));
                return;
            }
            Hidden::Base => {
                self.base = self.base.take().or_else(|| Base::of(&octets[blank..], at));
                return;
            }
            Hidden::ContentLength => return,
        };
        self.is_odd |= slot.is_some();
        slot.get_or_insert_with(region);
    }

    /// How to say `flags` and `keywords` without moving anything; `None` when there is no room. Each octet of flags stands for one: however
    /// much of them reaches the disk, the header stays a header. Keywords must be written in one go.
    pub fn patches(&self, flags: Flags, keywords: &[Keyword]) -> Option<Patches> {
        let mut flagging = Vec::new();
        if self.is_odd {
            return None;
        }
        for (region, meanings) in [(&self.status, STATUS), (&self.xstatus, XSTATUS)] {
            match region {
                Some(region) => flagging.extend(region.with(meanings, flags)?),
                None if letters(flags, meanings).is_empty() => {}
                None => return None,
            }
        }
        let naming = match &self.keywords {
            Some(region) => region.naming(keywords)?,
            None if keywords.is_empty() => None,
            None => return None,
        };
        Some(Patches { flagging, naming })
    }

    /// Octets of the header written anew.
    pub fn len_with(&self, notes: &Notes) -> u64 {
        self.kept + self.mend().len() as u64 + self.lines(notes).len() as u64
    }

    fn mend(&self) -> &'static str {
        if self.ragged { self.line_end() } else { "" }
    }

    fn line_end(&self) -> &'static str {
        if self.crlf == Some(true) { "\r\n" } else { "\n" }
    }

    /// The header written anew.
    pub fn write(&self, file: &File, text: Range<u64>, notes: &Notes, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        walk(file, text, |step, octets, _| if stays(step.line) { write(octets) } else { Ok(()) })?;
        write(self.mend().as_bytes())?;
        write(&self.lines(notes))
    }

    /// Our lines. All have room for what may come, so that the next change fits in place.
    pub fn lines(&self, notes: &Notes) -> Vec<u8> {
        let end = self.line_end();
        let mut lines = Vec::new();
        if let Some((uidvalidity, last, rest)) = &notes.base {
            lines.extend(format!("X-IMAPbase: {uidvalidity:010} {last:010}").into_bytes());
            lines.extend_from_slice(rest);
            lines.extend(end.as_bytes());
        }
        let (status, xstatus) = (letters(notes.flags, STATUS), letters(notes.flags, XSTATUS));
        let (status, xstatus) = (String::from_utf8_lossy(&status), String::from_utf8_lossy(&xstatus));
        if let Some(uid) = notes.uid {
            lines.extend(format!("X-UID: {uid:<DIGITS$}{end}").into_bytes());
        }
        let pad = " ".repeat(notes.pad as usize);
        lines.extend(format!("Status: {status:<2}{pad}{end}X-Status: {xstatus:<4}{end}").into_bytes());
        if !notes.keywords.is_empty() || self.keywords.is_some() {
            for words in in_lines(&notes.keywords) {
                let room = (words.len() + 1).next_multiple_of(KEYWORD_ROOM);
                lines.extend(format!("X-Keywords: {words:<room$}{end}").into_bytes());
            }
        }
        lines
    }
}

impl Base {
    fn of(octets: &[u8], at: u64) -> Option<Base> {
        let digits = |from: usize| octets[from..].iter().take_while(|octet| octet.is_ascii_digit()).count();
        let gap = digits(0);
        let last = gap + octets[gap..].iter().take_while(|octet| octet.is_ascii_whitespace()).count();
        let len = digits(last);
        let (uidvalidity, value) = super::scan::base_in(octets)?;
        (gap > 0 && len > 0 && last > gap).then(|| Base {
            uidvalidity,
            last: value,
            last_at: (len == DIGITS).then_some(at + last as u64),
            rest: octets[last + len..].to_vec(),
        })
    }

    /// How to raise the last UID in place.
    pub fn patch(&self, last: u32) -> Option<Patch> {
        self.last_at.map(|at| Patch { at, octets: format!("{last:010}").into_bytes() })
    }
}

impl Region {
    /// The letters that say which of `flags` hold, in their places; none if they do already.
    fn with(&self, meanings: &[(Flags, u8)], flags: Flags) -> Option<Option<Patch>> {
        let mut octets = self.octets.clone();
        for (flag, letter) in meanings {
            let is_there = octets.contains(letter);
            match flags.contains(*flag) {
                true if !is_there => *octets.iter_mut().find(|octet| **octet == b' ')? = *letter,
                false if is_there => octets.iter_mut().filter(|octet| *octet == letter).for_each(|octet| *octet = b' '),
                _ => {}
            }
        }
        Some((octets != self.octets).then_some(Patch { at: self.at, octets }))
    }

    /// The words, and blanks for the rest.
    fn naming(&self, keywords: &[Keyword]) -> Option<Option<Patch>> {
        let mut there = Vec::new();
        super::scan::add_keywords(&self.octets, &mut there);
        if there == keywords {
            return Some(None);
        }
        let mut octets = keywords.join(" ").into_bytes();
        if octets.len() > self.octets.len() {
            return None;
        }
        octets.resize(self.octets.len(), b' ');
        Some(Some(Patch { at: self.at, octets }))
    }
}

/// Words for lines that every program takes; at least one.
fn in_lines(keywords: &[Keyword]) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in keywords {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() > LONGEST_LINE => lines.push(word.to_string()),
            Some(line) if !line.is_empty() => line.extend([" ", word]),
            _ => lines = vec![word.to_string()],
        }
    }
    lines
}

const LONGEST_LINE: usize = 600;

/// Keywords get room in steps of so many octets.
const KEYWORD_ROOM: usize = 64;

const STATUS: &[(Flags, u8)] = &[(Flags::SEEN, b'R'), (Flags::OLD, b'O')];
const XSTATUS: &[(Flags, u8)] = &[(Flags::ANSWERED, b'A'), (Flags::FLAGGED, b'F'), (Flags::DELETED, b'D'), (Flags::DRAFT, b'T')];

fn letters(flags: Flags, of: &[(Flags, u8)]) -> Vec<u8> {
    of.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, letter)| *letter).collect()
}

/// Whether a line stays when the header is written anew.
fn stays(line: Line) -> bool {
    !matches!(
        line,
        Line::End | Line::Body | Line::Hidden(Hidden::Status | Hidden::XStatus | Hidden::XUid | Hidden::XKeywords | Hidden::Base)
    )
}

/// Gives the header's lines, or parts of long ones, with their places; its blank line is the last.
fn walk(file: &File, text: Range<u64>, mut take: impl FnMut(Step, &[u8], u64) -> io::Result<()>) -> io::Result<()> {
    let (mut walk, mut buffer, mut at) = (Walk::default(), vec![0; 8192], text.start);
    while at < text.end && !walk.in_body() {
        let room = usize::try_from(text.end - at).unwrap_or(usize::MAX).min(buffer.len());
        file.read_exact_at(&mut buffer[..room], at)?;
        let (last, mut done) = (at + room as u64 == text.end, 0);
        while !walk.in_body()
            && let Some(step) = walk.step(&buffer[done..room], last)
        {
            take(step, &buffer[done..done + step.len], at + done as u64)?;
            done += step.len;
        }
        at += done as u64;
    }
    Ok(())
}

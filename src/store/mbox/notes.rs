//! What mailbox programs write into headers: examining it, overwriting it in place, writing it anew.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::head::{Hidden, Line, Step, Walk};
use super::scan::value;
use crate::store::Flags;

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

/// What a header written anew says.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    pub uid: u32,
    pub flags: Flags,
    /// In the first message: UIDVALIDITY, last UID, and the rest of the line.
    pub base: Option<(u32, u32, Vec<u8>)>,
    /// Blanks that make up for length.
    pub pad: u64,
}

/// Digits of a number that fits any UID.
const DIGITS: usize = 10;

impl Head {
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
        match field {
            Hidden::Status => drop(self.status.get_or_insert_with(region)),
            Hidden::XStatus => drop(self.xstatus.get_or_insert_with(region)),
            Hidden::XUid => self.uid = self.uid.or_else(|| super::scan::first_number(octets)),
            Hidden::Base => self.base = self.base.take().or_else(|| Base::of(&octets[blank..], at)),
            Hidden::XKeywords | Hidden::ContentLength => {}
        }
    }

    /// How to add `flags` without moving anything; `None` when there is no room. Each octet stands for one flag: however much of this
    /// reaches the disk, the header stays a header.
    pub fn patches(&self, flags: Flags) -> Option<Vec<Patch>> {
        let mut all = Vec::new();
        for (region, letters) in [(&self.status, letters(flags, STATUS)), (&self.xstatus, letters(flags, XSTATUS))] {
            if !letters.is_empty() {
                all.push(region.as_ref()?.with(&letters)?);
            }
        }
        Some(all)
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
    fn lines(&self, notes: &Notes) -> Vec<u8> {
        let end = self.line_end();
        let mut lines = Vec::new();
        if let Some((uidvalidity, last, rest)) = &notes.base {
            lines.extend(format!("X-IMAPbase: {uidvalidity:010} {last:010}").into_bytes());
            lines.extend_from_slice(rest);
            lines.extend(end.as_bytes());
        }
        let (status, xstatus) = (letters(notes.flags, STATUS), letters(notes.flags, XSTATUS));
        let (status, xstatus) = (String::from_utf8_lossy(&status), String::from_utf8_lossy(&xstatus));
        let pad = " ".repeat(notes.pad as usize);
        lines.extend(format!("X-UID: {:<DIGITS$}{pad}{end}Status: {status:<2}{end}X-Status: {xstatus:<4}{end}", notes.uid).into_bytes());
        lines
    }
}

impl Base {
    fn of(octets: &[u8], at: u64) -> Option<Base> {
        let digits = |from: usize| octets[from..].iter().take_while(|octet| octet.is_ascii_digit()).count();
        let gap = digits(0);
        let last = gap + octets[gap..].iter().take_while(|octet| octet.is_ascii_whitespace()).count();
        let len = digits(last);
        (gap > 0 && len > 0 && last > gap)
            .then(|| Base { last_at: (len == DIGITS).then_some(at + last as u64), rest: octets[last + len..].to_vec() })
    }

    /// How to raise the last UID in place.
    pub fn patch(&self, last: u32) -> Option<Patch> {
        self.last_at.map(|at| Patch { at, octets: format!("{last:010}").into_bytes() })
    }
}

impl Region {
    fn with(&self, letters: &[u8]) -> Option<Patch> {
        let mut octets = self.octets.clone();
        for letter in letters {
            if !octets.contains(letter) {
                *octets.iter_mut().find(|octet| **octet == b' ')? = *letter;
            }
        }
        Some(Patch { at: self.at, octets })
    }
}

const STATUS: &[(Flags, u8)] = &[(Flags::SEEN, b'R'), (Flags::OLD, b'O')];
const XSTATUS: &[(Flags, u8)] = &[(Flags::ANSWERED, b'A'), (Flags::FLAGGED, b'F'), (Flags::DELETED, b'D'), (Flags::DRAFT, b'T')];

fn letters(flags: Flags, of: &[(Flags, u8)]) -> Vec<u8> {
    of.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, letter)| *letter).collect()
}

/// Whether a line stays when the header is written anew.
fn stays(line: Line) -> bool {
    !matches!(line, Line::End | Line::Body | Line::Hidden(Hidden::Status | Hidden::XStatus | Hidden::XUid | Hidden::Base))
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

//! New messages, at the end of the file: all or none, and as any other program would read them.
//!
//! A line that would be taken for a From_ line is written with `>` before it, and only such a line (not every line that begins with
//! `From `, as mboxo has it, and nothing is unquoted when it is read, as mboxrd would): nearly every message stays what it is for us and
//! for others. What a sender calls his notes of mailbox programs is left out: they would be taken for ours.

use std::io;

use memchr::memmem;

use super::head::{self, Walk};
use super::ledger::Ledger;
use super::notes::{Head, Notes, Patch};
use super::summary::Summary;
use super::{Held, Mbox, changed, from, look, recognise, redo, scan};
use crate::os::stamp::{self, Stamp};
use crate::store::index::{Arrival, Front, Keyword, Live, Op, Record, Seal, State};
use crate::store::message::Traits;
use crate::store::spool::Batch;
use crate::store::{Draft, Flags, Incoming, Letter, Trouble, Uidl};

/// Messages as they will be written: with a header that ends, a line end at the end, and nothing in them that an mbox must not have.
pub struct Staged(Vec<Letter>);

impl Staged {
    /// Those of `other` follow.
    pub fn join(&mut self, other: Staged) {
        self.0.extend(other.0);
    }
}

/// Prepares messages; most are as they must be.
pub fn stage(mbox: &Mbox, messages: &[Incoming]) -> Result<Staged, Trouble> {
    messages.iter().map(|message| ready(&message.letter, mbox)).collect::<Result<_, _>>().map(Staged)
}

/// The letter as it may stand in an mbox.
pub fn ready(letter: &Letter, mbox: &Mbox) -> Result<Letter, Trouble> {
    match is_ready(letter).map_err(Trouble::io("reading", &mbox.path))? {
        true => Ok(letter.clone()),
        false => made_ready(letter, mbox),
    }
}

fn is_ready(letter: &Letter) -> io::Result<bool> {
    // What lies across two pieces is found in the end of one with the beginning of the other.
    let (mut end, mut any, finder) = (b"\n".to_vec(), false, memmem::Finder::new(SEPARATOR));
    letter.each(|piece| {
        let joint = [&end[..], &piece[..piece.len().min(SEPARATOR.len())]].concat();
        any |= finder.find(&joint).is_some() || finder.find(piece).is_some();
        end.extend_from_slice(&piece[piece.len().saturating_sub(SEPARATOR.len())..]);
        end.drain(..end.len().saturating_sub(SEPARATOR.len()));
        Ok(())
    })?;
    let measured = letter.measured();
    Ok(!any && !measured.has_notes && measured.header.is_some() && end.ends_with(b"\n"))
}

/// What may begin a From_ line.
const SEPARATOR: &[u8] = b"\nFrom ";

fn made_ready(letter: &Letter, mbox: &Mbox) -> Result<Letter, Trouble> {
    let places = &mbox.shared.places;
    let (mut quoting, mut walk, mut held) =
        (Quoting { draft: Draft::new(places), line: Vec::new(), in_line: false }, Walk::default(), Vec::new());
    letter
        .each(|piece| {
            held.extend_from_slice(piece);
            let (settled, shown) = head::show(&mut walk, &mut held, false);
            quoting.push(&held[..shown]).map_err(io::Error::other)?;
            held.drain(..settled);
            Ok(())
        })
        .map_err(Trouble::io("writing into", &places.staging))?;
    let (_, shown) = head::show(&mut walk, &mut held, true);
    quoting.push(&held[..shown])?;
    quoting.finish(walk.in_body())
}

/// Lines on their way into a letter.
struct Quoting {
    draft: Draft,
    /// The beginning of a line that may be a From_ line.
    line: Vec<u8>,
    /// In the middle of a line that is none.
    in_line: bool,
}

impl Quoting {
    fn push(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        for piece in octets.split_inclusive(|&octet| octet == b'\n') {
            if !self.in_line {
                self.line.extend_from_slice(piece);
                let may_be = self.line.len() < from::LONGEST && (b"From ".starts_with(&self.line) || self.line.starts_with(b"From "));
                if may_be && !piece.ends_with(b"\n") {
                    continue;
                }
                self.end_line()?;
            } else {
                self.draft.push(piece)?;
            }
            self.in_line = !piece.ends_with(b"\n");
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), Trouble> {
        if self.line.starts_with(b"From ") && from::separates(self.line.trim_ascii_end()) {
            self.draft.push(b">")?;
        }
        self.draft.push(&self.line)?;
        self.line.clear();
        Ok(())
    }

    fn finish(mut self, header_ended: bool) -> Result<Letter, Trouble> {
        let in_line = self.in_line || !self.line.is_empty();
        self.end_line()?;
        if in_line {
            self.draft.push(b"\n")?;
        }
        if !header_ended {
            self.draft.push(b"\n")?;
        }
        self.draft.finish()
    }
}

/// Whether new messages get a record of their UID.
enum Recording {
    /// The first of the file gets that of the mailbox, too.
    First,
    /// All before have one: this overwrites the last UID.
    Next(Patch),
    /// The numbers follow from the order of the file, as those of the messages before do.
    Not,
}

/// What is going to be at the end of the file.
pub struct Tail<'a> {
    /// What the file lacks for a From_ line to follow.
    pub prefix: &'static [u8],
    pub parts: Vec<Part<'a>>,
}

/// A message as it stands in the file.
pub struct Part<'a> {
    pub from: String,
    /// Stand at the end of the header.
    pub notes: Vec<u8>,
    pub letter: &'a Letter,
    /// Octets of the header, without the blank line.
    pub header: u64,
}

impl Part<'_> {
    fn len(&self) -> u64 {
        self.notes.len() as u64 + self.letter.len()
    }
}

impl redo::Octets for Tail<'_> {
    fn each(&self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        take(self.prefix)?;
        for part in &self.parts {
            take(part.from.as_bytes())?;
            let mut before = part.header;
            part.letter.each(|piece| {
                let cut = usize::try_from(before).unwrap_or(usize::MAX);
                if before == u64::MAX || cut >= piece.len() {
                    before = if before == u64::MAX { before } else { before - piece.len() as u64 };
                    return take(piece);
                }
                before = u64::MAX;
                take(&piece[..cut])?;
                take(&part.notes)?;
                take(&piece[cut..])
            })?;
            take(b"\n")?;
        }
        Ok(())
    }
}

impl Held<'_> {
    /// Writes messages behind all others.
    pub(super) fn append(&mut self, state: &State, messages: &[Incoming], Staged(letters): Staged) -> Result<Batch, Trouble> {
        let io = |error| Trouble::io("appending to", &self.mbox.path)(error);
        if !self.locked.writable {
            return Err(io(io::ErrorKind::PermissionDenied.into()));
        }
        if messages.is_empty() {
            return Ok(Batch::default());
        }
        let file = &self.locked.file;
        let size = Stamp::of(file).map_err(io)?.size;
        let recording = self.recording(state, messages.len() as u32).map_err(io)?;
        let mut tail = Tail { prefix: lacking(file, size).map_err(io)?, parts: Vec::new() };
        let mut arrivals: Vec<Arrival> = Vec::new();
        let mut at = size + tail.prefix.len() as u64;
        for (nth, (message, letter)) in std::iter::zip(messages, &letters).enumerate() {
            let (part, arrival) = compose(state, nth, messages.len(), message, letter, &recording, at);
            at += part.from.len() as u64 + part.len() + 1;
            tail.parts.push(part);
            arrivals.push(arrival);
        }
        self.note_uidls(state, &arrivals);
        self.mbox.syncs.changed();
        redo::append(self.mbox, file, size, at - size, &tail)?;
        if let Recording::Next(patch) = &recording {
            // Until this is done the records above it do not count, and the numbers follow from the order: they are the same.
            self.mbox.shared.disk.write(file, &patch.octets, patch.at).map_err(io)?;
        }
        self.appended(state, arrivals, &letters, &recording, tail.prefix).map_err(io)
    }

    fn appended(
        &self,
        state: &State,
        arrivals: Vec<Arrival>,
        letters: &[Letter],
        recording: &Recording,
        prefix: &[u8],
    ) -> io::Result<Batch> {
        let (file, head) = (&self.locked.file, state.head());
        let stamp = Stamp::of(file)?;
        *self.mbox.written.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some((stamp.dev, stamp.ino));
        let cache = std::iter::zip(&arrivals, letters)
            .map(|(arrival, letter)| (arrival.live.record.uid, letter.measured().entry.encode()))
            .collect();
        let first = arrivals[0].live.record;
        let last = Some(head.uidnext + arrivals.len() as u32 - 1);
        let front = match recording {
            Recording::First => Front { offset: first.place, from_len: first.from_len, pseudo: false, last },
            Recording::Next(_) => Front { last, ..head.front },
            Recording::Not => head.front,
        };
        let mut summary = Summary::of(state);
        if state.is_empty() {
            summary = Summary { scanned: look::seconds(), in_order: true };
        }
        let mut ops = if prefix.is_empty() { Vec::new() } else { self.refit_last(state, first.place)? };
        ops.push(Op::Append(arrivals));
        let seal = Seal { stamp, settled: stamp.settled_on(file, stamp::now()) };
        ops.push(Op::Spool { stamps: [Some(seal), None], front: Some(front), notes: Some(summary.octets()) });
        Ok(Batch { ops, cache })
    }

    /// The message before may have had no proper end: now it has one.
    fn refit_last(&self, state: &State, end: u64) -> io::Result<Vec<Op>> {
        let Some(last) = state.len().checked_sub(1).and_then(|last| state.nth(last)).filter(|_| Summary::of(state).in_order) else {
            return Ok(Vec::new());
        };
        if last.len > LARGEST_REFIT {
            // It has a body, as far as anybody knows, whose end is the same.
            return Ok(Vec::new());
        }
        let region = Record { len: end - super::text(&last), ..*last };
        Ok(recognise::found(&self.locked.file, &region)?.map_or_else(Vec::new, |found| changed::refit(&last, &found)))
    }

    fn recording(&self, state: &State, count: u32) -> io::Result<Recording> {
        let front = state.head().front;
        if state.is_empty() && !front.pseudo {
            return Ok(Recording::First);
        }
        // Where the last message has no record, one behind it would put it last, should the index get lost.
        if front.last != Some(state.head().uidnext - 1) {
            return Ok(Recording::Not);
        }
        let text = front.offset + u64::from(front.from_len);
        let base = Head::examine(&self.locked.file, text..self.locked.file.metadata()?.len())?.base;
        Ok(base.and_then(|base| base.patch(state.head().uidnext + count - 1)).map_or(Recording::Not, Recording::Next))
    }

    /// Unique ids that are not UIDVALIDITY and UID have no place in the file.
    fn note_uidls(&self, state: &State, arrivals: &[Arrival]) {
        if arrivals.iter().all(|arrival| arrival.live.uidl_text().is_empty()) {
            return;
        }
        let head = state.head();
        let mut ledger =
            Ledger::read(self.mbox).filter(|ledger| ledger.uidvalidity == head.uidvalidity).unwrap_or_else(|| Ledger::plain(head));
        for Arrival { live, .. } in arrivals.iter().filter(|arrival| !arrival.live.uidl_text().is_empty()) {
            ledger.note_uidl(live.record.uid, live.record.uidl(), live.uidl_text());
        }
        ledger.write(self.mbox);
    }
}

fn compose<'a>(
    state: &State,
    nth: usize,
    count: usize,
    message: &Incoming,
    letter: &'a Letter,
    recording: &Recording,
    place: u64,
) -> (Part<'a>, Arrival) {
    let (head, measured) = (state.head(), letter.measured());
    let uid = head.uidnext + nth as u32;
    let received = message.received.unwrap_or_else(|| look::seconds() as u32);
    let keywords: Vec<Keyword> = words(message);
    let is_recorded = !matches!(recording, Recording::Not);
    let base = matches!((recording, nth), (Recording::First, 0)).then(|| (head.uidvalidity, head.uidnext + count as u32 - 1, Vec::new()));
    let from = from::line(message.sender.as_deref(), received);
    let is_noted = is_recorded || message.flags != Flags::NONE || !keywords.is_empty();
    let pad = if !is_noted && from.len() as u64 + letter.len() < redo::PLAIN { redo::PLAIN } else { 0 };
    let notes = Notes { uid: is_recorded.then_some(uid), flags: message.flags, keywords: keywords.clone(), base, pad };
    let notes = if is_noted || pad > 0 { Head::plain().lines(&notes) } else { Vec::new() };
    let part = Part { from, notes, letter, header: measured.header.unwrap_or(0) };
    let mut record = Record {
        uid,
        place,
        from_len: part.from.len() as u16,
        len: part.len(),
        size: measured.size,
        fingerprint: measured.fingerprint,
        received,
        saved: message.saved.unwrap_or_else(|| look::seconds() as u32),
        ..Record::default()
    };
    record.set_flags(message.flags);
    record.set_uidl(Uidl { uidvalidity: head.uidvalidity, uid });
    record.set_traits(Traits::EXACT, measured.exact && part.notes.is_empty());
    record.set_traits(Traits::SIZED, true);
    record.set_traits(Traits::PRINTED, true);
    record.set_traits(Traits::RECORDED, is_recorded);
    // As it can be noted; POP3 knows none with blanks.
    let uidl = message.uidl.as_deref().unwrap_or_default().replace(char::is_whitespace, "-");
    let live = Live::new(record, b"", uidl.as_bytes());
    (part, Arrival { live, keywords })
}

/// The keywords that a header can have.
fn words(message: &Incoming) -> Vec<Keyword> {
    let words = message.keywords.iter().filter(|word| scan::is_keyword(word.as_bytes()));
    words.take(scan::MOST_KEYWORDS).map(|word| word.as_str().into()).collect()
}

/// What the file lacks at its end, for a From_ line to follow.
fn lacking(file: &std::fs::File, size: u64) -> io::Result<&'static [u8]> {
    use std::os::unix::fs::FileExt;
    let mut end = [0; 4];
    let len = size.min(4) as usize;
    file.read_exact_at(&mut end[..len], size - len as u64)?;
    Ok(match &end[..len] {
        [] => b"",
        end if end.ends_with(b"\n\n") || end.ends_with(b"\n\r\n") => b"",
        [b'\n'] | [b'\r', b'\n'] => b"",
        end if end.ends_with(b"\n") => b"\n",
        _ => b"\n\n",
    })
}

/// What is larger is not read again.
const LARGEST_REFIT: u64 = 64 * 1024;

//! Octets of a message on their way from the store to the client: a piece at a time, whatever the message is.

use std::io;

use super::fields::Picker;
use super::lines::{Lines, Window, mask};
use super::section::Place;
use crate::message::Decoder;
use crate::store::{Reader, Trouble};
use crate::wire::{FULL, Lost, Wire, spare};

/// What becomes of the octets of a place.
#[derive(Debug)]
pub(super) enum Filter<'f> {
    /// They are sent as they are.
    Whole,
    /// Those of some fields are.
    Fields(Picker<'f>),
    /// They are decoded.
    Decoded(Decoder),
}

/// What a [`Filter`] gives.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    pub octets: u64,
    pub has_nul: bool,
}

/// How far the last part of a body was read that was asked for by its octets: many clients ask for a large one part by part, and how
/// many octets of the wire are behind a stored one is known to those only who have read that far.
#[derive(Debug, Default)]
pub struct Bookmark {
    uid: u32,
    place: Option<Place>,
    mark: Mark,
}

/// Where reading can go on.
#[derive(Debug, Default, Clone, Copy)]
struct Mark {
    /// Stored octets of the place before it.
    stored: u64,
    /// Octets on the wire before it.
    wire: u64,
    lines: Lines,
}

/// One message being read.
pub(super) struct Pour<'r> {
    pub reader: &'r mut Reader,
    pub uid: u32,
    pub bookmark: &'r mut Bookmark,
}

impl Pour<'_> {
    /// What `filter` gives of `place`, within `window`.
    ///
    /// # Errors
    /// The message can't be read to its end.
    pub async fn measure(&mut self, place: Place, mut filter: Filter<'_>, mut window: Window) -> Result<Measured, Lost> {
        let (mut measured, mut given, mut lines, masks) = (Measured::default(), Vec::new(), Lines::default(), filter.is_raw());
        let mut pieces = Pieces::new(self.reader, place, 0);
        while let Some(piece) = pieces.next().await? {
            if masks {
                mask(piece);
            }
            lines.push(piece, |run| filter.push(run, &mut given));
            measured.add(window.cut(&given));
            given.clear();
            // What is in memory is read without waiting: others shall have their turn.
            tokio::task::consume_budget().await;
        }
        filter.finish(&mut given);
        measured.add(window.cut(&given));
        Ok(measured)
    }

    /// Sends what `filter` gives of `place`, within `window`, which it fills.
    ///
    /// # Errors
    /// The client is lost, or has to be: it was promised more octets than there are.
    pub async fn send(&mut self, place: Place, filter: Filter<'_>, window: Window, wire: &mut Wire) -> Result<(), Lost> {
        match filter {
            Filter::Whole => self.send_whole(place, window, wire).await,
            filter => self.send_filtered(place, filter, window, wire).await,
        }
    }

    async fn send_whole(&mut self, place: Place, window: Window, wire: &mut Wire) -> Result<(), Lost> {
        let mark = self.bookmark.find(self.uid, place, window.skip);
        let (mut window, mut lines, mut read) = (Window { skip: window.skip - mark.wire, ..window }, mark.lines, mark);
        let mut pieces = Pieces::new(self.reader, place, mark.stored);
        while window.left > 0 {
            let here = Mark { lines, ..read };
            let piece = pieces.next().await?.ok_or_else(short)?;
            read.stored += piece.len() as u64;
            mask(piece);
            if window.skip == 0 && window.left >= 2 * piece.len() as u64 {
                let octets = lines.append(piece, wire.output()) as u64;
                read.wire += octets;
                window.left -= octets;
            } else {
                lines.push(piece, |run| {
                    read.wire += run.len() as u64;
                    wire.output().extend_from_slice(window.cut(run));
                });
            }
            if window.left == 0 {
                self.bookmark.put(self.uid, place, here);
            }
            wire.flush_if_full().await?;
        }
        Ok(())
    }

    async fn send_filtered(&mut self, place: Place, mut filter: Filter<'_>, mut window: Window, wire: &mut Wire) -> Result<(), Lost> {
        let (mut given, mut lines, masks) = (Vec::new(), Lines::default(), filter.is_raw());
        let mut pieces = Pieces::new(self.reader, place, 0);
        while window.left > 0 {
            let Some(piece) = pieces.next().await? else { break };
            if masks {
                mask(piece);
            }
            lines.push(piece, |run| filter.push(run, &mut given));
            wire.output().extend_from_slice(window.cut(&given));
            given.clear();
            wire.flush_if_full().await?;
        }
        filter.finish(&mut given);
        wire.output().extend_from_slice(window.cut(&given));
        if window.left == 0 { Ok(()) } else { Err(short()) }
    }
}

/// The stored octets of a place, piece by piece.
struct Pieces<'r> {
    reader: &'r mut Reader,
    buffer: Vec<u8>,
    /// Stored octets of the message before what is read next.
    at: u64,
    from: u64,
    end: u64,
}

impl<'r> Pieces<'r> {
    /// Those behind the first `passed`.
    fn new(reader: &'r mut Reader, place: Place, passed: u64) -> Pieces<'r> {
        reader.rewind();
        let (from, end) = (place.from.saturating_add(passed), place.from.saturating_add(place.len));
        let most = usize::try_from(end - from.min(end)).unwrap_or(FULL).clamp(Reader::LEAST, FULL);
        let mut buffer = spare::take();
        buffer.resize(most, 0);
        Pieces { reader, buffer, at: 0, from, end }
    }

    /// `None` behind the last one.
    async fn next(&mut self) -> Result<Option<&mut [u8]>, Lost> {
        // Nothing is read for the sake of an empty place.
        while self.at < self.end && self.from < self.end {
            if self.at < self.from {
                self.at += self.reader.skip(self.from - self.at);
            }
            let count = self.reader.fill(&mut self.buffer).await.map_err(|trouble| cut_off(&trouble))?;
            if count == 0 {
                return Err(short());
            }
            let start = self.at;
            self.at += count as u64;
            let (first, last) = (self.from.max(start), self.end.min(self.at));
            if first < last {
                return Ok(Some(&mut self.buffer[(first - start) as usize..(last - start) as usize]));
            }
        }
        Ok(None)
    }
}

impl Drop for Pieces<'_> {
    fn drop(&mut self) {
        spare::give(std::mem::take(&mut self.buffer));
    }
}

impl Filter<'_> {
    /// `run` has CRLF as line ends.
    fn push(&mut self, run: &[u8], given: &mut Vec<u8>) {
        match self {
            Filter::Whole => given.extend_from_slice(run),
            Filter::Fields(picker) => picker.push(run, given),
            Filter::Decoded(decoder) => decoder.push(run, given),
        }
    }

    fn finish(self, given: &mut Vec<u8>) {
        match self {
            Filter::Whole => {}
            Filter::Fields(picker) => picker.finish(given),
            Filter::Decoded(decoder) => decoder.finish(given),
        }
    }

    fn is_raw(&self) -> bool {
        !matches!(self, Filter::Decoded(_))
    }
}

impl Measured {
    fn add(&mut self, octets: &[u8]) {
        self.octets += octets.len() as u64;
        self.has_nul |= memchr::memchr(0, octets).is_some();
    }
}

impl Bookmark {
    /// Where reading `place` can begin, if `wire` octets of it are to be passed over.
    fn find(&self, uid: u32, place: Place, wire: u64) -> Mark {
        let is_there = self.uid == uid && self.place == Some(place) && self.mark.wire <= wire;
        if is_there { self.mark } else { Mark::default() }
    }

    fn put(&mut self, uid: u32, place: Place, mark: Mark) {
        *self = Bookmark { uid, place: Some(place), mark };
    }
}

/// The client has been promised a message that is another one now: it must not take what it got for that.
pub(super) fn cut_off(trouble: &Trouble) -> Lost {
    Lost::Io(io::Error::other(trouble.to_string()))
}

fn short() -> Lost {
    Lost::Io(io::Error::other("a message is shorter than it was"))
}

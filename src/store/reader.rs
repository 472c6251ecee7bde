//! Reading one message without holding it.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use md5::{Digest, Md5};
use rustix::io::{Errno, ReadWriteFlags};

use super::Trouble;
use super::index::Record;
use super::mbox;
use super::mbox::head::{self, Walk};
use super::mbox::is_still_there;
use super::message::Traits;
use crate::os::Dir;
use crate::os::stamp::Stamp;

/// One message on its way out. Owns no buffer; the folder may be used meanwhile.
pub struct Reader {
    source: Source,
    /// The next stored octet.
    at: u64,
    end: u64,
    walk: Walk,
}

enum Source {
    File(Box<Spooled>),
    /// A file that has one message, which never changes.
    Whole(Letter),
    Memory(Arc<[u8]>),
}

/// An open file that is a message.
struct Letter {
    file: Arc<File>,
    path: Arc<Path>,
    /// The folder that has it: it is at hand for the next one as long as this one is read.
    _top: Arc<Dir>,
}

/// A message in a file that other programs change.
pub(super) struct Spooled {
    pub file: Arc<File>,
    pub path: Arc<PathBuf>,
    pub message: Record,
    /// The file as it was when the message was known to be where it is.
    pub stamp: Option<Stamp>,
}

impl Reader {
    /// The least buffer that [`Reader::fill`] takes.
    pub const LEAST: usize = 4096;

    pub(super) fn of_file(spooled: Spooled) -> Reader {
        let (at, end) = (mbox::text(&spooled.message), mbox::end(&spooled.message));
        Reader { source: Source::File(Box::new(spooled)), at, end, walk: Walk::default() }
    }

    /// Reads `file`, all `len` octets of it: one of the Maildir at `path`, whose folder is `top`.
    pub(super) fn of_whole_file(file: File, len: u64, path: &Arc<Path>, top: Arc<Dir>) -> Reader {
        let source = Source::Whole(Letter { file: Arc::new(file), path: Arc::clone(path), _top: top });
        Reader { source, at: 0, end: len, walk: Walk::of_body() }
    }

    pub(super) fn of_memory(text: Arc<[u8]>) -> Reader {
        let end = text.len() as u64;
        Reader { source: Source::Memory(text), at: 0, end, walk: Walk::of_body() }
    }

    /// Reads on: visible octets into the front of `into` (at least [`Reader::LEAST`] long; 64 KiB is good), line ends as stored,
    /// hidden headers left out. Returns how many; 0 is the end. What is in the page cache comes without leaving this thread.
    ///
    /// # Errors
    /// [`Trouble::Changed`] when another program has cut the file meanwhile.
    pub async fn fill(&mut self, into: &mut [u8]) -> Result<usize, Trouble> {
        while self.at < self.end {
            let wanted = self.wanted(into.len());
            let read = match self.read_cached(&mut into[..wanted]) {
                Err(Errno::AGAIN | Errno::OPNOTSUPP) => self.read_elsewhere(&mut into[..wanted]).await,
                outcome => outcome.map_err(io::Error::from),
            };
            let shown = self.settle(into, read)?;
            if shown > 0 {
                return Ok(shown);
            }
        }
        Ok(0)
    }

    /// Begins anew.
    pub fn rewind(&mut self) {
        (self.at, self.walk) = match &self.source {
            Source::File(spooled) => (mbox::text(&spooled.message), Walk::default()),
            Source::Whole(_) | Source::Memory(_) => (0, Walk::of_body()),
        };
    }

    /// Passes over at most `count` visible octets without reading them, where nothing can be hidden among them: not in the header of a
    /// message that shares its file. Returns how many.
    pub fn skip(&mut self, count: u64) -> u64 {
        let skipped = if self.walk.in_body() { count.min(self.end - self.at) } else { 0 };
        self.at += skipped;
        skipped
    }

    /// MD5 of all that is left to read, its line ends as LF whichever way they are stored and the last one there: a program that
    /// converts a spool changes no unique id. Blocks.
    pub(super) fn md5(mut self) -> Result<[u8; 16], Trouble> {
        let (mut md5, mut buffer) = (Md5::new(), vec![0; 64 * 1024]);
        let mut last = Last::LineEnd;
        loop {
            let some = self.fill_here(&mut buffer)?;
            if some == 0 {
                break;
            }
            for line in buffer[..some].split_inclusive(|&octet| octet == b'\n') {
                if last == Last::Cr && line != b"\n" {
                    md5.update(b"\r");
                }
                let (text, end) = match line {
                    [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => (text, Last::LineEnd),
                    [text @ .., b'\r'] => (text, Last::Cr),
                    text => (text, Last::Other),
                };
                md5.update(text);
                if end == Last::LineEnd {
                    md5.update(b"\n");
                }
                last = end;
            }
        }
        match last {
            Last::LineEnd => {}
            Last::Cr => md5.update(b"\r\n"),
            Last::Other => md5.update(b"\n"),
        }
        Ok(md5.finalize().into())
    }

    /// As [`Reader::fill`], on a thread that may wait.
    pub(super) fn fill_here(&mut self, into: &mut [u8]) -> Result<usize, Trouble> {
        while self.at < self.end {
            let wanted = self.wanted(into.len());
            let read = match &self.source {
                Source::File(spooled) => spooled.file.read_at(&mut into[..wanted], self.at),
                Source::Whole(letter) => letter.file.read_at(&mut into[..wanted], self.at),
                Source::Memory(_) => self.read_cached(&mut into[..wanted]).map_err(io::Error::from),
            };
            let shown = self.settle(into, read)?;
            if shown > 0 {
                return Ok(shown);
            }
        }
        Ok(0)
    }

    /// The file and the octets in it that may be sent as they are: CRLF throughout, no line begins with a dot, nothing hidden, CRLF at
    /// the end. To be asked before the first [`Reader::fill`]; what was sent instead is judged by [`Reader::verify`] all the same.
    pub fn as_wire(&self) -> Option<(Arc<File>, Range<u64>)> {
        match &self.source {
            Source::File(spooled) if spooled.message.has(Traits::EXACT) => Some((Arc::clone(&spooled.file), self.at..self.end)),
            _ => None,
        }
    }

    /// After the last octet: whether what was read was that message all the time.
    ///
    /// # Errors
    /// [`Trouble::Changed`]: another program rewrote the mailbox meanwhile. The client must not be told that the message is complete.
    pub async fn verify(&mut self) -> Result<(), Trouble> {
        match &self.source {
            Source::Memory(_) | Source::Whole(_) => Ok(()),
            Source::File(spooled) => match spooled.is_still_there().await? {
                true => Ok(()),
                false => Err(spooled.changed()),
            },
        }
    }

    fn wanted(&self, room: usize) -> usize {
        debug_assert!(room >= Reader::LEAST, "a line's beginning must fit");
        usize::try_from(self.end - self.at).unwrap_or(room).min(room)
    }

    /// Takes what was read into the front of `into`, and leaves there what is shown of it.
    fn settle(&mut self, into: &mut [u8], read: io::Result<usize>) -> Result<usize, Trouble> {
        let read = match (read, &self.source) {
            (Ok(0), Source::File(spooled)) => return Err(spooled.changed()),
            (Ok(0), Source::Whole(letter)) => return Err(Trouble::Changed(letter.path.to_path_buf())),
            (Err(error), Source::File(spooled)) => return Err(Trouble::io("reading", &spooled.path)(error)),
            (Err(error), Source::Whole(letter)) => return Err(Trouble::io("reading a message of", &letter.path)(error)),
            (read, _) => read.unwrap_or(0),
        };
        if self.walk.in_body() {
            self.at += read as u64;
            return Ok(read);
        }
        let last = self.at + read as u64 == self.end;
        let (settled, shown) = head::show(&mut self.walk, &mut into[..read], last);
        self.at += settled as u64;
        Ok(shown)
    }

    fn read_cached(&self, into: &mut [u8]) -> Result<usize, Errno> {
        match &self.source {
            Source::File(spooled) => at_once(&spooled.file, into, self.at),
            Source::Whole(letter) => at_once(&letter.file, into, self.at),
            Source::Memory(text) => {
                let from = self.at as usize;
                into.copy_from_slice(&text[from..from + into.len()]);
                Ok(into.len())
            }
        }
    }

    /// Reads on a thread that may wait for the disk.
    async fn read_elsewhere(&self, into: &mut [u8]) -> io::Result<usize> {
        let file = match &self.source {
            Source::File(spooled) => Arc::clone(&spooled.file),
            Source::Whole(letter) => Arc::clone(&letter.file),
            Source::Memory(_) => return Ok(0),
        };
        let (at, mut buffer) = (self.at, vec![0; into.len()]);
        let (buffer, read) = blocking(move || {
            let read = file.read_at(&mut buffer, at);
            (buffer, read)
        })
        .await;
        let read = read?;
        into[..read].copy_from_slice(&buffer[..read]);
        Ok(read)
    }
}

impl Spooled {
    /// Whether the message is where it was: at a glance when the file is untouched, by its fingerprint when not.
    pub async fn is_still_there(&self) -> Result<bool, Trouble> {
        let now = Stamp::of(&self.file).map_err(Trouble::io("looking at", &self.path))?;
        if self.stamp == Some(now) {
            return Ok(true);
        }
        let (file, message) = (Arc::clone(&self.file), self.message);
        let there = blocking(move || is_still_there(&file, &message)).await;
        there.map_err(Trouble::io("reading", &self.path))
    }

    fn changed(&self) -> Trouble {
        Trouble::Changed(self.path.to_path_buf())
    }
}

/// What is in the page cache.
fn at_once(file: &File, into: &mut [u8], at: u64) -> Result<usize, Errno> {
    rustix::io::preadv2(file, &mut [IoSliceMut::new(into)], at, ReadWriteFlags::NOWAIT)
}

/// Runs `deed` on a thread that may wait. A panic there is a panic here.
pub(super) async fn blocking<T: Send + 'static>(deed: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(deed).await {
        Ok(outcome) => outcome,
        Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
    }
}
/// What a piece ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    LineEnd,
    /// It may be the first half of a line end.
    Cr,
    Other,
}

#[cfg(test)]
mod tests {
    use md5::Digest;

    use super::Reader;

    fn rest(reader: &mut Reader) -> Vec<u8> {
        let (mut buffer, mut all) = (vec![0; Reader::LEAST], Vec::new());
        loop {
            match reader.fill_here(&mut buffer).unwrap() {
                0 => return all,
                some => all.extend_from_slice(&buffer[..some]),
            }
        }
    }

    #[test]
    fn octets_can_be_skipped_and_the_message_read_again() {
        let text = "Status: text like any other\n\n".to_owned() + &"0123456789".repeat(1000);
        let mut reader = Reader::of_memory(text.as_bytes().into());
        assert_eq!(reader.skip(5), 5);
        let begun = reader.fill_here(&mut vec![0; Reader::LEAST]).unwrap();
        assert_eq!(reader.skip(100), 100);
        assert_eq!(rest(&mut reader), text.as_bytes()[5 + begun + 100..]);
        assert_eq!(reader.skip(1), 0);
        reader.rewind();
        assert_eq!(rest(&mut reader), text.as_bytes());
    }

    #[test]
    fn line_ends_make_no_difference_to_the_digest() {
        let texts = ["A: 1\n\none\r two\n", "A: 1\r\n\r\none\r two\r\n", "A: 1\r\n\none\r two"];
        for text in texts {
            let digest = Reader::of_memory(text.as_bytes().into()).md5().unwrap();
            assert_eq!(digest, *md5::Md5::digest(texts[0]));
        }
    }
}

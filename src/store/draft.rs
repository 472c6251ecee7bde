//! A message on its way into mailboxes: received and measured once, stored as often as there are recipients.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, Mode, OFlags};

use super::measure::{Measure, Measured};
use super::{Flags, Places, Trouble};

/// A message being received. Line ends may be CRLF or LF; they are stored as LF, as other programs on a Unix machine expect. A line end
/// behind a CR that is text keeps its own CR: what is read again has CRLF where LF stands alone, so CR CR LF comes back as it was.
pub struct Draft {
    text: Text,
    len: u64,
    measure: Measure,
    held: Held,
    staging: Arc<Path>,
}

/// What the octets so far end with, and is not stored yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    /// A CR that may be half of a line end.
    Cr,
    /// The same, behind a CR that is text.
    CrAfterCr,
}

enum Text {
    Memory(Vec<u8>),
    File { file: Arc<File>, from: u64 },
}

/// Where many letters wait together: a few in memory, the others in one file without a name.
#[derive(Default)]
pub(super) struct Shelf {
    in_memory: u64,
    file: Option<Arc<File>>,
    at: u64,
}

impl Shelf {
    /// `letter`, from now on in the shelf's file if there are too many in memory. Blocks.
    pub fn keep(&mut self, letter: Letter, places: &Places) -> Result<Letter, Trouble> {
        if matches!(letter.0.text, Text::Memory(_)) && self.in_memory + letter.len() <= SHELF_IN_MEMORY {
            self.in_memory += letter.len();
            return Ok(letter);
        }
        let io = |error| Trouble::io("writing into", &places.staging)(error);
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(self.file.insert(Arc::new(staged(&places.staging).map_err(io)?))),
        };
        let from = self.at;
        letter
            .each(|piece| {
                file.write_all_at(piece, self.at)?;
                self.at += piece.len() as u64;
                Ok(())
            })
            .map_err(io)?;
        Ok(Letter(Arc::new(Whole { text: Text::File { file, from }, len: letter.len(), measured: letter.measured().clone() })))
    }
}

const SHELF_IN_MEMORY: u64 = 16 << 20;

/// A received message: its text with LF line ends, and what is to be known of it. Clones share the text.
#[derive(Clone)]
pub struct Letter(Arc<Whole>);

struct Whole {
    text: Text,
    len: u64,
    measured: Measured,
}

/// A message to be appended.
#[derive(Clone)]
pub struct Incoming {
    pub letter: Letter,
    pub flags: Flags,
    pub keywords: Vec<String>,
    /// INTERNALDATE in seconds since 1970; unset: now.
    pub received: Option<u32>,
    /// SAVEDATE (RFC 8514) in seconds since 1970; unset: now.
    pub saved: Option<u32>,
    /// The envelope sender, for the From_ line of an mbox; unset: `MAILER-DAEMON`.
    pub sender: Option<String>,
    /// The POP3 unique id that it must keep.
    pub uidl: Option<String>,
}

/// More than this goes to a file.
const IN_MEMORY: usize = 1 << 20;

impl Draft {
    /// An empty one. Large ones are kept in the store's staging folder, without a name.
    pub fn new(places: &Places) -> Draft {
        let staging = places.staging.as_path().into();
        Draft { text: Text::Memory(Vec::new()), len: 0, measure: Measure::new(), held: Held::Nothing, staging }
    }

    /// The next octets. Writes to the disk when there are many, so it may block a little; the caller limits how many there are.
    pub fn push(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        // Nothing tells nothing of the CR that is held.
        if octets.is_empty() {
            return Ok(());
        }
        let (mut from, held) = (0, std::mem::replace(&mut self.held, Held::Nothing));
        if held == Held::CrAfterCr || held == Held::Cr && octets[0] != b'\n' {
            self.keep(b"\r")?;
        }
        for cr in memchr::memchr_iter(b'\r', octets) {
            let is_after_cr = if cr == 0 { held != Held::Nothing } else { octets[cr - 1] == b'\r' };
            match octets.get(cr + 1) {
                Some(b'\n') if !is_after_cr => {
                    self.keep(&octets[from..cr])?;
                    from = cr + 1;
                }
                Some(_) => {}
                None => {
                    self.keep(&octets[from..cr])?;
                    self.held = if is_after_cr { Held::CrAfterCr } else { Held::Cr };
                    return Ok(());
                }
            }
        }
        self.keep(&octets[from..])
    }

    /// Octets received so far, as they will be stored.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing has come yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All has come.
    pub fn finish(mut self) -> Result<Letter, Trouble> {
        if self.held != Held::Nothing {
            self.keep(b"\r")?;
        }
        let Draft { text, len, measure, .. } = self;
        Ok(Letter(Arc::new(Whole { text, len, measured: measure.finish() })))
    }

    fn keep(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        self.measure.feed(octets);
        self.len += octets.len() as u64;
        match &mut self.text {
            Text::Memory(text) if text.len() + octets.len() <= IN_MEMORY => text.extend_from_slice(octets),
            Text::Memory(text) => {
                let staged =
                    staged(&self.staging).and_then(|mut file| file.write_all(text).and_then(|()| file.write_all(octets)).map(|()| file));
                let file = Arc::new(staged.map_err(Trouble::io("writing into", &self.staging))?);
                self.text = Text::File { file, from: 0 };
            }
            Text::File { file, .. } => (&**file).write_all(octets).map_err(Trouble::io("writing into", &self.staging))?,
        }
        Ok(())
    }
}

/// A file without a name: a crash leaves nothing behind.
fn staged(folder: &Path) -> io::Result<File> {
    let nameless = || rustix::fs::open(folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::from_raw_mode(0o600));
    let made = nameless().or_else(|error| match error {
        rustix::io::Errno::NOENT => std::fs::create_dir_all(folder).map_err(|_| error).and_then(|()| nameless()),
        error => Err(error),
    });
    match made {
        // Not every file system can.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => named(folder),
        made => Ok(made?.into()),
    }
}

fn named(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!("draft.{}.{:?}", std::process::id(), std::thread::current().id()));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

impl Letter {
    /// The letter whose text is `text`.
    pub fn of(text: &[u8], places: &Places) -> Result<Letter, Trouble> {
        let mut draft = Draft::new(places);
        draft.push(text)?;
        draft.finish()
    }

    /// Octets stored, line ends LF.
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// The first octets, `most` of them if there are so many. Blocks.
    pub fn beginning(&self, most: usize) -> Result<Vec<u8>, Trouble> {
        let len = usize::try_from(self.len()).unwrap_or(usize::MAX).min(most);
        match &self.0.text {
            Text::Memory(text) => Ok(text[..len].to_vec()),
            Text::File { file, from } => {
                let mut text = vec![0; len];
                file.read_exact_at(&mut text, *from).map_err(Trouble::io("reading", Path::new("a staged message")))?;
                Ok(text)
            }
        }
    }

    /// Adds the text to `draft`, from octet `start` on. Blocks.
    pub fn copy_into(&self, draft: &mut Draft, start: u64) -> Result<(), Trouble> {
        let (mut skipped, mut trouble) = (start, None);
        let read = self.each(|piece| {
            let skip = usize::try_from(skipped).unwrap_or(usize::MAX).min(piece.len());
            skipped -= skip as u64;
            draft.push(&piece[skip..]).map_err(|why| {
                trouble = Some(why);
                io::ErrorKind::Other.into()
            })
        });
        match trouble {
            Some(trouble) => Err(trouble),
            None => read.map_err(Trouble::io("reading", Path::new("a staged message"))),
        }
    }

    /// `head` and the text from octet `start` on, in a file without a name, open at its beginning: for a program to read. Blocks.
    pub(super) fn as_file(&self, head: &[u8], start: u64, places: &Places) -> io::Result<File> {
        let mut file = match self.len() <= IN_MEMORY as u64 {
            true => File::from(rustix::fs::memfd_create("message", MemfdFlags::CLOEXEC)?),
            false => staged(&places.staging)?,
        };
        file.write_all(head)?;
        let mut skipped = start;
        self.each(|piece| {
            let skip = usize::try_from(skipped).unwrap_or(usize::MAX).min(piece.len());
            skipped -= skip as u64;
            file.write_all(&piece[skip..])
        })?;
        // It may be opened again by a name like /dev/stdin, by another user.
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o444))?;
        file.rewind()?;
        Ok(file)
    }

    pub(super) fn measured(&self) -> &Measured {
        &self.0.measured
    }

    /// Gives the text, in pieces. Blocks.
    pub(super) fn each(&self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match &self.0.text {
            Text::Memory(text) => take(text),
            Text::File { file, from } => {
                let (mut piece, mut at) = (vec![0; 256 * 1024], 0);
                while at < self.0.len {
                    let some = usize::try_from(self.0.len - at).unwrap_or(usize::MAX).min(piece.len());
                    file.read_exact_at(&mut piece[..some], from + at)?;
                    take(&piece[..some])?;
                    at += some as u64;
                }
                Ok(())
            }
        }
    }
}

impl Incoming {
    /// `letter` without flags, received now.
    pub fn new(letter: Letter) -> Incoming {
        Incoming { letter, flags: Flags::NONE, keywords: Vec::new(), received: None, saved: None, sender: None, uidl: None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stored(text: &str, cut: usize) -> String {
        let mut draft = Draft::new(&Places::inside(Path::new("/nonexistent"), crate::config::Fsync::Never));
        text.as_bytes().chunks(cut).for_each(|piece| draft.push(piece).unwrap());
        String::from_utf8(draft.finish().unwrap().beginning(usize::MAX).unwrap()).unwrap()
    }

    /// What a client is sent: CRLF for each LF without a CR.
    fn sent(stored: &str) -> String {
        stored.replace("\r\n", "\n").replace('\n', "\r\n")
    }

    #[test]
    fn line_ends_are_lf_but_for_those_behind_a_cr() {
        for (text, expected) in [("a\r\nb\n\r\n", "a\nb\n\n"), ("a\r\r\nb\r\n", "a\r\r\nb\n"), ("\ra\r", "\ra\r"), ("\r\r\r\n", "\r\r\r\n")]
        {
            assert_eq!(stored(text, usize::MAX), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn octets_come_back_as_they_were_but_for_bare_lf(text in "[a\r\n]{0,40}", cut in 1usize..9) {
            let kept = stored(&text, cut);
            prop_assert_eq!(sent(&kept), sent(&text));
            prop_assert_eq!(stored(&kept, cut), kept);
        }
    }
}

//! Messages of an mbox.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::super::letter::{Tags, Taken};
use super::super::target::is_quotable;
use super::{Letters, Text};
use crate::store::FolderName;
use crate::store::mbox::from;

/// An mbox being read: mboxrd, mboxo and what UW's and Dovecot's programs leave.
pub struct Mbox {
    path: PathBuf,
    folder: Option<FolderName>,
    input: BufReader<File>,
    len: u64,
    at: u64,
    /// The From_ line of the next message.
    from: Option<Vec<u8>>,
    is_first: bool,
}

/// What a line is to the message that is being read.
enum Piece {
    /// Part of a line, up to its end if it has one.
    Text,
    /// The next message's From_ line.
    From,
    End,
}

impl Mbox {
    /// Begins; messages are for `folder`.
    pub fn open(path: &Path, folder: Option<FolderName>) -> anyhow::Result<Mbox> {
        let file = File::open(path).with_context(|| format!("{}: can't be opened", path.display()))?;
        let len = file.metadata()?.len();
        let input = BufReader::with_capacity(256 * 1024, file);
        let mut mbox = Mbox { path: path.into(), folder, input, len, at: 0, from: None, is_first: true };
        mbox.find_first()?;
        Ok(mbox)
    }

    /// Blank lines may stand before the first message, and nothing else.
    fn find_first(&mut self) -> anyhow::Result<()> {
        let mut line = Vec::new();
        while self.line(&mut line)? > 0 {
            if is_from(&line) {
                self.from = Some(line);
                return Ok(());
            }
            ensure!(is_blank(&line), "{}: is no mbox: it does not begin with a From_ line", self.path.display());
        }
        Ok(())
    }

    /// Reads a line, or as much of one as is looked at.
    fn line(&mut self, line: &mut Vec<u8>) -> anyhow::Result<usize> {
        line.clear();
        let read = (&mut self.input).take(LONGEST).read_until(b'\n', line).with_context(|| self.path.display().to_string())?;
        self.at += read as u64;
        Ok(read)
    }

    fn message(&mut self, from: &[u8], text: Text<'_>) -> anyhow::Result<(Tags, bool)> {
        let mut reading =
            Reading { tags: Tags::default(), in_header: true, hides: false, was_blank: false, at_start: true, is_pseudo: false };
        reading.tags.received = from::date(from);
        reading.tags.sender = sender(from);
        let mut line = Vec::new();
        loop {
            let piece = match self.line(&mut line)? {
                0 => Piece::End,
                _ if reading.at_start && (reading.was_blank || reading.in_header) && is_from(&line) => Piece::From,
                _ => Piece::Text,
            };
            match piece {
                Piece::Text => reading.take(&line, text)?,
                Piece::From => {
                    self.from = Some(line);
                    break;
                }
                Piece::End => break,
            }
        }
        Ok((reading.tags, reading.is_pseudo))
    }
}

impl Letters for Mbox {
    fn next(&mut self, text: Text<'_>) -> anyhow::Result<Option<Taken>> {
        while let Some(from) = self.from.take() {
            let is_first = std::mem::take(&mut self.is_first);
            if is_first {
                // UW's pseudo message is none; whether it is one is known only at its end, and it is small.
                let mut kept = Vec::new();
                let mut overflow = false;
                let (tags, is_pseudo) = self.message(&from, &mut |piece| {
                    if overflow || kept.len() + piece.len() > PSEUDO {
                        if !std::mem::replace(&mut overflow, true) {
                            text(&kept)?;
                        }
                        return text(piece);
                    }
                    kept.extend_from_slice(piece);
                    Ok(())
                })?;
                if is_pseudo && !overflow {
                    continue;
                }
                if !overflow {
                    text(&kept)?;
                }
                return Ok(Some(Taken { folder: self.folder.clone(), tags }));
            }
            let (tags, _) = self.message(&from, text)?;
            return Ok(Some(Taken { folder: self.folder.clone(), tags }));
        }
        Ok(None)
    }

    fn progress(&self) -> (u64, u64) {
        (self.at, self.len)
    }
}

/// A message being read.
struct Reading {
    tags: Tags,
    in_header: bool,
    /// The last header line was a note of mailbox programs, and so is what continues it.
    hides: bool,
    /// A blank line that may be the one before the next From_ line.
    was_blank: bool,
    /// The next octet begins a line.
    at_start: bool,
    is_pseudo: bool,
}

impl Reading {
    fn take(&mut self, line: &[u8], text: Text<'_>) -> anyhow::Result<()> {
        let starts = std::mem::replace(&mut self.at_start, line.ends_with(b"\n"));
        if std::mem::take(&mut self.was_blank) {
            text(b"\n")?;
        }
        match () {
            () if self.in_header && !starts => self.pass_header(line, text),
            () if self.in_header && is_blank(line) => {
                self.in_header = false;
                text(line)
            }
            () if self.in_header => {
                if !line.starts_with(b" ") && !line.starts_with(b"\t") {
                    self.hides = self.tags.add_mbox_line(line);
                    self.is_pseudo |= line.len() > 7 && line[..7].eq_ignore_ascii_case(b"X-IMAP:");
                }
                self.pass_header(line, text)
            }
            () if starts && is_blank(line) => {
                self.was_blank = true;
                Ok(())
            }
            () if starts && line.starts_with(b">") && is_quotable(line) => text(&line[1..]),
            () => text(line),
        }
    }

    fn pass_header(&self, line: &[u8], text: Text<'_>) -> anyhow::Result<()> {
        if self.hides { Ok(()) } else { text(line) }
    }
}

fn is_from(line: &[u8]) -> bool {
    line.starts_with(b"From ") && line.len() <= from::LONGEST && from::separates(line.trim_ascii_end())
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

fn sender(from: &[u8]) -> Option<String> {
    let word = from.get(5..)?.split(|octet| octet.is_ascii_whitespace()).next()?;
    String::from_utf8(word.to_vec()).ok().filter(|word| !word.is_empty())
}

/// Octets of a line that are looked at together.
const LONGEST: u64 = 64 * 1024;
/// Octets that a pseudo message has at most.
const PSEUDO: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Flags;

    fn all(text: &str) -> Vec<(Tags, String)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, text).unwrap();
        let mut mbox = Mbox::open(&path, None).unwrap();
        let mut all = Vec::new();
        loop {
            let mut octets = Vec::new();
            let taken = mbox.next(&mut |piece| {
                octets.extend_from_slice(piece);
                Ok(())
            });
            match taken.unwrap() {
                Some(taken) => all.push((taken.tags, String::from_utf8(octets).unwrap())),
                None => return all,
            }
        }
    }

    const FROM: &str = "From joe@x.test Sun Sep  9 01:46:40 2001\n";

    #[test]
    fn messages_come_with_flags_keywords_and_dates() {
        let text = format!("{FROM}A: 1\nStatus: RO\nX-Keywords: Work\n\tmore\nX-UID: 7\nB: 2\n\none\n\n\n{FROM}A: 3\nX-Status: F\n\ntwo");
        let found = all(&text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].1, "A: 1\nB: 2\n\none\n\n");
        assert_eq!(found[0].0.flags, Flags::SEEN.with(Flags::OLD));
        assert_eq!(found[0].0.keywords, ["Work"]);
        assert_eq!((found[0].0.received, found[0].0.sender.as_deref()), (Some(1_000_000_000), Some("joe@x.test")));
        assert_eq!((found[1].0.flags, found[1].1.as_str()), (Flags::FLAGGED, "A: 3\n\ntwo"));
    }

    #[test]
    fn quoted_separators_lose_one_quote_and_sentences_stay() {
        let found = all(&format!("{FROM}A: 1\n\n>{FROM}>>{FROM}From here on\n>From here on\n\n"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1, format!("A: 1\n\n{FROM}>{FROM}From here on\n>From here on\n"));
    }

    #[test]
    fn the_pseudo_message_is_none() {
        let found = all(&format!("{FROM}Subject: DON'T DELETE\nX-IMAP: 1 2\nStatus: RO\n\ntext\n\n{FROM}A: 1\n\nb\n\n"));
        assert_eq!(found.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["A: 1\n\nb\n"]);
    }

    #[test]
    fn what_is_no_mbox_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "hello\n").unwrap();
        assert!(Mbox::open(&path, None).is_err());
        assert!(all("").is_empty());
        assert!(all("\n\n").is_empty());
        assert_eq!(
            all(FROM),
            [(Tags { received: Some(1_000_000_000), sender: Some("joe@x.test".into()), ..Tags::default() }, String::new())]
        );
    }
}

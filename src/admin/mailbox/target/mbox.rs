//! Mail as mboxes, a From_ line before each message.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::super::letter::Tags;
use super::{Sink, create, make_folders, sync};
use crate::store::FolderName;
use crate::store::mbox::from;

/// One mbox at the path, or below it one for each folder: `Lists/Rust.mbox`.
pub struct Mboxes {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    quoting: Quoting,
}

impl Mboxes {
    pub fn new(path: &Path) -> Mboxes {
        Mboxes { path: path.into(), file: None, quoting: Quoting::default() }
    }

    fn out(&mut self) -> io::Result<&mut BufWriter<File>> {
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn close(&mut self) -> io::Result<()> {
        match self.file.take() {
            Some(mut file) => file.flush().and_then(|()| file.get_ref().sync_all()),
            None => Ok(()),
        }
    }
}

impl Sink for Mboxes {
    fn folder(&mut self, name: Option<&FolderName>) -> io::Result<()> {
        self.close()?;
        let path = match name {
            None => self.path.clone(),
            Some(name) => self.path.join(format!("{}.mbox", name.display('/'))),
        };
        make_folders(path.parent().unwrap_or(Path::new("/")))?;
        self.file = Some(create(&path)?);
        Ok(())
    }

    fn begin(&mut self, _: u32, tags: &Tags) -> io::Result<()> {
        let sender = tags.sender.as_deref().unwrap_or("MAILER-DAEMON");
        let date = chrono::DateTime::from_timestamp(tags.received.unwrap_or(0).into(), 0).unwrap_or_default();
        let lines = format!("From {sender} {}\n{}", date.format("%a %b %e %H:%M:%S %Y"), tags.mbox_lines());
        self.quoting = Quoting::default();
        self.out()?.write_all(lines.as_bytes())
    }

    fn text(&mut self, octets: &[u8]) -> io::Result<()> {
        let Mboxes { file: Some(file), quoting, .. } = self else { return Err(io::ErrorKind::NotFound.into()) };
        quoting.write(octets, file)
    }

    fn end(&mut self) -> io::Result<()> {
        let Mboxes { file: Some(file), quoting, .. } = self else { return Err(io::ErrorKind::NotFound.into()) };
        quoting.finish(file)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.close()?;
        sync(self.path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    }
}

/// Lines that would separate messages get a `>` before them, and so do those that have got one already (mboxrd), so that the text comes
/// back as it was. Sentences that begin with `From ` are left alone.
#[derive(Default)]
struct Quoting {
    /// The beginning of a line, as long as it is not known what it is.
    line: Vec<u8>,
    in_line: bool,
    last: Option<u8>,
}

impl Quoting {
    fn write(&mut self, octets: &[u8], out: &mut impl Write) -> io::Result<()> {
        self.last = octets.last().copied().or(self.last);
        for piece in octets.split_inclusive(|&octet| octet == b'\n') {
            let ends = piece.ends_with(b"\n");
            if self.in_line {
                out.write_all(piece)?;
                self.in_line = !ends;
                continue;
            }
            self.line.extend_from_slice(piece);
            if ends || self.line.len() > from::LONGEST || !may_separate(&self.line) {
                self.pass(out)?;
                self.in_line = !ends;
            }
        }
        Ok(())
    }

    fn pass(&mut self, out: &mut impl Write) -> io::Result<()> {
        if is_quotable(&self.line) {
            out.write_all(b">")?;
        }
        out.write_all(&self.line)?;
        self.line.clear();
        Ok(())
    }

    /// The last line has an end, and a blank line follows.
    fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.pass(out)?;
        out.write_all(if self.last == Some(b'\n') { b"\n" } else { b"\n\n" })
    }
}

/// Whether more of the line could make it a separator.
fn may_separate(line: &[u8]) -> bool {
    let text = without_quotes(line);
    let known = text.len().min(5);
    text[..known] == b"From "[..known]
}

/// Whether the line is one that separates messages, behind any number of `>`.
pub fn is_quotable(line: &[u8]) -> bool {
    let line = without_quotes(line);
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.len() <= from::LONGEST && line.starts_with(b"From ") && from::separates(line)
}

fn without_quotes(line: &[u8]) -> &[u8] {
    &line[line.iter().take_while(|&&octet| octet == b'>').count()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, piece: usize) -> String {
        let (mut quoting, mut out) = (Quoting::default(), Vec::new());
        text.as_bytes().chunks(piece).for_each(|piece| quoting.write(piece, &mut out).unwrap());
        quoting.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn separators_are_quoted_and_sentences_are_not() {
        let text = "a: b\n\nFrom joe Thu Jan  1 00:00:00 1970\n>From joe Thu Jan  1 00:00:00 1970\nFrom here on\n>From here on\nFr\nFrom";
        let wanted = text.replace("From joe", ">From joe") + "\n\n";
        for piece in 1..text.len() {
            assert_eq!(written(text, piece), wanted, "{piece}");
        }
        assert_eq!(written("a\n", 9), "a\n\n");
        assert_eq!(written("", 9), "\n\n");
    }
}

//! Mail as a Maildir, with folders as Maildir++ has them.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::super::letter::Tags;
use super::{Sink, about, close, create, make_folders, sync};
use crate::store::maildir::keywords::Letters;
use crate::store::maildir::name::{Birth, Marks};
use crate::store::name::disk::{Encoding, Layout, Naming};
use crate::store::{Flags, FolderName};

/// The Maildir at a path.
pub struct Maildirs {
    path: PathBuf,
    folder: PathBuf,
    letters: Letters,
    now: Option<Message>,
    count: u64,
}

struct Message {
    file: BufWriter<File>,
    at: PathBuf,
    octets: u64,
    marks: Marks,
    received: Option<u32>,
}

impl Maildirs {
    pub fn new(path: &Path) -> Maildirs {
        Maildirs { path: path.into(), folder: path.into(), letters: Letters::default(), now: None, count: 0 }
    }

    fn write_letters(&self) -> io::Result<()> {
        match self.letters == Letters::default() {
            true => Ok(()),
            false => fs::write(self.folder.join("dovecot-keywords"), self.letters.write()),
        }
    }
}

impl Sink for Maildirs {
    fn folder(&mut self, name: Option<&FolderName>) -> io::Result<()> {
        self.write_letters()?;
        self.letters = Letters::default();
        let naming = Naming { layout: Layout::Maildir, encoding: Encoding::Utf7 };
        let below = name.map_or(Ok(String::new()), |name| naming.path(name));
        self.folder = self.path.join(below.map_err(|bad| io::Error::new(io::ErrorKind::InvalidInput, bad))?);
        for part in ["tmp", "new", "cur"] {
            let part = self.folder.join(part);
            make_folders(&part)?;
            if fs::read_dir(&part)?.next().is_some() {
                return Err(about(&part, &io::Error::new(io::ErrorKind::AlreadyExists, "has mail already")));
            }
        }
        if self.folder != self.path {
            create(&self.folder.join("maildirfolder"))?;
        }
        Ok(())
    }

    fn begin(&mut self, uid: u32, tags: &Tags) -> io::Result<()> {
        let letters = tags.keywords.iter().filter_map(|word| self.letters.assign(word));
        let keywords = letters.fold(0, |bits, letter| bits | 1 << letter);
        let marks = Marks { flags: tags.flags.without(Flags::OLD), passed: false, keywords };
        let at = self.folder.join("tmp").join(uid.to_string());
        self.now = Some(Message { file: create(&at)?, at, octets: 0, marks, received: tags.received });
        Ok(())
    }

    fn text(&mut self, octets: &[u8]) -> io::Result<()> {
        let Some(message) = &mut self.now else { return Err(io::ErrorKind::NotFound.into()) };
        message.octets += octets.len() as u64;
        message.file.write_all(octets)
    }

    fn end(&mut self) -> io::Result<()> {
        let Some(message) = self.now.take() else { return Ok(()) };
        close(message.file, message.received)?;
        self.count += 1;
        let seconds = message.received.unwrap_or(0).into();
        let birth = Birth { seconds, micros: 0, pid: std::process::id(), nth: self.count, promised: None, host: "export" };
        let name = birth.base(message.octets, None);
        // Old or not: what was exported has been seen by somebody.
        fs::rename(&message.at, self.folder.join("cur").join(name + &message.marks.info()))
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write_letters()?;
        sync(&self.path)
    }
}

//! Keeping up `dovecot-uidlist` and `dovecot-keywords`, under their lock.

use std::collections::HashMap;
use std::io;

use super::keywords::{self, Letters};
use super::uidlist::{self, Header, Record};
use super::{Held, UIDLIST};
use crate::os::stamp::Stamp;
use crate::store::Trouble;

/// What the lists beside the files say.
pub struct Lists {
    pub header: Header,
    /// By base.
    pub lines: HashMap<Box<[u8]>, Line>,
    /// The UID of the next message, as the list says.
    pub next: u32,
    /// It must be written anew before anybody appends to it.
    pub is_due: bool,
    pub stamp: Stamp,
}

/// What a line says.
#[derive(Debug, Clone, Default)]
pub struct Line {
    pub uid: u32,
    pub fields: Vec<u8>,
}

impl Held<'_> {
    /// The list of UIDs; `None` when there is none of any use.
    pub fn lists(&self) -> Result<Option<Lists>, Trouble> {
        match self.act("reading the list of UIDs of", || self.content(UIDLIST, uidlist::LARGEST))? {
            None => Ok(None),
            Some((text, stamp)) => match parse(&text, stamp) {
                Ok(lists) => Ok(Some(lists)),
                Err(broken) => {
                    let path = self.maildir.path.join(UIDLIST);
                    tracing::warn!(path = %path.display(), %broken, "messages get new UIDs");
                    Ok(None)
                }
            },
        }
    }

    /// The text of a file beside the messages; `None` when there is none.
    pub fn content(&self, name: &str, most: usize) -> io::Result<Option<(Vec<u8>, Stamp)>> {
        match self.top.content(name, most as u64) {
            Ok(text) => Ok(Some((text, Stamp::from(&self.top.stat(name)?)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Appends lines to the list, which must be in order; not synced.
    pub fn append_lines(&self, lines: &[u8]) -> Result<Stamp, Trouble> {
        let disk = &self.maildir.shared.disk;
        self.act("writing the list of UIDs of", || {
            let list = self.top.append(UIDLIST)?;
            let before = list.metadata()?.len();
            if let Err(error) = disk.append(&list, lines) {
                // Half a line would cost all UIDs: Dovecot throws a list away that has one.
                disk.set_len(&list, before)?;
                return Err(error);
            }
            Stamp::of(&list)
        })
    }

    /// As [`Held::append_lines`], and they survive a power cut.
    pub fn append_durably(&self, lines: &[u8]) -> Result<Stamp, Trouble> {
        let stamp = self.append_lines(lines)?;
        self.sync_list().map(|()| stamp)
    }

    /// The lines that were appended survive a power cut.
    pub fn sync_list(&self) -> Result<(), Trouble> {
        match self.maildir.is_unsafe() {
            true => Ok(()),
            false => self.act("syncing the list of UIDs of", || self.maildir.shared.disk.sync(&self.top.read(UIDLIST)?)),
        }
    }

    /// Writes a list anew, durably.
    pub fn write_list(&self, header: &Header, lines: &[u8]) -> Result<Stamp, Trouble> {
        let mut text = Vec::with_capacity(64 + lines.len());
        header.write(&mut text);
        text.extend_from_slice(lines);
        self.write_file(UIDLIST, &text)
    }

    /// Replaces a file beside the messages, durably.
    pub fn write_file(&self, name: &str, text: &[u8]) -> Result<Stamp, Trouble> {
        let (disk, beside) = (&self.maildir.shared.disk, format!("{name}.tmp"));
        self.act("writing beside", || {
            match disk.unlink_in(&self.top, beside.as_ref()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = disk.create_in(&self.top, beside.as_ref())?;
            disk.append(&file, text)?;
            if !self.maildir.is_unsafe() {
                disk.sync(&file)?;
            }
            disk.rename_in((&self.top, beside.as_ref()), (&self.top, name.as_ref()))?;
            if !self.maildir.is_unsafe() {
                disk.sync_dir(&self.top)?;
            }
            Stamp::of(&file)
        })
    }

    /// What the letters of file names mean.
    pub fn letters(&self) -> Result<Letters, Trouble> {
        let text = self.act("reading the keywords of", || self.content(LETTERS, LARGEST_LETTERS))?;
        Ok(text.map_or_else(Letters::default, |(text, _)| Letters::parse(&text)))
    }

    /// Notes the meaning of letters, durably, before they are used.
    pub fn write_letters(&self, letters: &Letters) -> Result<(), Trouble> {
        self.write_file(LETTERS, &letters.write()).map(drop)
    }

    /// The keywords for which there was no letter, by base.
    pub fn further_keywords(&self) -> Result<HashMap<Box<[u8]>, Vec<String>>, Trouble> {
        let text = self.act("reading the keywords of", || self.content(FURTHER, keywords::LARGEST))?;
        let mut all = HashMap::new();
        for change in keywords::read(text.as_ref().map_or(&[], |(text, _)| text)) {
            all.insert(Box::from(&*change.base), change.keywords().map(str::to_owned).collect());
        }
        Ok(all)
    }

    /// Replaces [`Held::further_keywords`].
    pub fn write_further(&self, all: &HashMap<Box<[u8]>, Vec<String>>) -> Result<(), Trouble> {
        let mut text = Vec::new();
        for (base, words) in all {
            // More than a line can have are kept by the index alone.
            let _ = keywords::write(&mut text, base, words.iter().map(String::as_str));
        }
        self.write_file(FURTHER, &text).map(drop)
    }

    pub fn act<T>(&self, doing: &'static str, deed: impl FnOnce() -> io::Result<T>) -> Result<T, Trouble> {
        self.maildir.act(doing, deed)
    }
}

pub fn parse(text: &[u8], stamp: Stamp) -> Result<Lists, uidlist::Broken> {
    let (header, mut records) = uidlist::read(text)?;
    let mut lines = HashMap::new();
    let mut is_due = header.version != uidlist::Version::Three || header.guid.is_none();
    for record in records.by_ref() {
        let fields = record.fields().fold(Vec::new(), |mut fields, (key, value)| {
            uidlist::push_field(&mut fields, key, value);
            fields
        });
        // The later line counts; Dovecot wants the earlier one out.
        is_due |= lines.insert(record.base.into(), Line { uid: record.uid, fields }).is_some();
    }
    let (next, is_due) = (records.next_uid(), is_due || records.is_damaged());
    Ok(Lists { header, lines, next, is_due, stamp })
}

impl Line {
    /// As a record of the list.
    pub fn record<'a>(&'a self, base: &'a [u8]) -> Record<'a> {
        Record::new(self.uid, &self.fields, base)
    }
}

pub const LETTERS: &str = "dovecot-keywords";
const LARGEST_LETTERS: usize = 1 << 20;
pub const FURTHER: &str = "vmail-keywords";

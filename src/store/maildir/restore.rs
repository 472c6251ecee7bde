//! A Maildir written as a whole, with the UIDs that its messages have elsewhere.

use std::io::{self, Write};
use std::path::Path;

use super::deliver::{birth, date};
use super::keywords::{self, Letters};
use super::name::Marks;
use super::uidlist::{self, Header, Record as Line};
use super::{CUR, NEW, TMP, UIDLIST, marks};
use crate::os::Dir;
use crate::store::disk::Disk;
use crate::store::index::{Entry, State};
use crate::store::message::Traits;
use crate::store::{Flags, Uidl};

/// A Maildir being written where nobody looks yet; nothing is synced.
pub struct Restoring<'a> {
    top: Dir,
    tmp: Dir,
    folders: [Dir; 2],
    state: &'a State,
    letters: Letters,
    /// Keywords for which there was no letter.
    further: Vec<u8>,
    lines: Vec<u8>,
}

impl<'a> Restoring<'a> {
    /// Begins in the folder at `path`, which is there and empty, one below INBOX's if `is_below`. It will be what `state` is.
    pub fn begin(disk: &dyn Disk, path: &Path, state: &'a State, is_below: bool) -> io::Result<Restoring<'a>> {
        let top = Dir::open(path)?;
        super::make_parts(disk, &top)?;
        if is_below {
            top.create("maildirfolder")?;
        }
        let (tmp, folders) = (top.beneath(TMP)?, [top.beneath(NEW)?, top.beneath(CUR)?]);
        Ok(Restoring { top, tmp, folders, state, letters: Letters::default(), further: Vec::new(), lines: Vec::new() })
    }

    /// Adds the message `entry`, whose text `write` writes; POP3 is to call it `uidl` unless that is empty. By ascending UID.
    pub fn add(&mut self, entry: &Entry<'_>, uidl: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<u64>) -> io::Result<()> {
        let staged = entry.uid.to_string();
        let mut file = io::BufWriter::with_capacity(64 * 1024, self.tmp.create(&staged)?);
        let octets = write(&mut file)?;
        file.flush()?;
        date(file.get_ref(), entry.received)?;
        let wire = entry.has(Traits::SIZED).then(|| entry.size.told()).flatten();
        let base = birth(Some(Uidl { uidvalidity: self.state.head().uidvalidity, uid: entry.uid })).base(octets, wire);
        let mut homeless = Vec::new();
        let mut bits = 0;
        for word in entry.keywords() {
            match self.letters.assign(word) {
                Some(letter) => bits |= 1 << letter,
                None => homeless.push(&**word),
            }
        }
        if !homeless.is_empty() {
            keywords::write(&mut self.further, base.as_bytes(), homeless).map_err(io::Error::other)?;
        }
        let fresh = entry.flags() == Flags::NONE && bits == 0;
        let info = marks::info(marks::bits(Marks { flags: entry.flags().without(Flags::OLD), passed: false, keywords: bits }));
        let name = if fresh { base.clone() } else { format!("{base}{info}") };
        rustix::fs::renameat(&self.tmp, &staged, &self.folders[usize::from(!fresh)], &name)?;
        let mut fields = Vec::new();
        uidlist::push_field(&mut fields, uidlist::UIDL, uidl.as_bytes());
        Line::new(entry.uid, &fields, base.as_bytes()).write(&mut self.lines).map_err(io::Error::other)
    }

    /// All messages are there: writes the lists.
    pub fn finish(self) -> io::Result<()> {
        let head = self.state.head();
        let mut list = Vec::new();
        Header::new(head.uidvalidity, head.uidnext, Some(u128::from_be_bytes(head.mailbox))).write(&mut list);
        list.extend_from_slice(&self.lines);
        self.top.create(UIDLIST)?.write_all(&list)?;
        if self.letters != Letters::default() {
            self.top.create(super::ledger::LETTERS)?.write_all(&self.letters.write())?;
        }
        if !self.further.is_empty() {
            self.top.create(super::ledger::FURTHER)?.write_all(&self.further)?;
        }
        Ok(())
    }
}

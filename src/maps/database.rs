//! The compiled form of `virtmaps`: a CDB, which Postfix reads as `cdb:FILE`, too.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::Virtmaps;
use super::cdb::{Cdb, two};
use super::virtmaps::{Hit, look_up};
use crate::os::{atomic, privilege};

/// A compiled table. Its keys are `user@domain` and `@domain`, in lower case.
#[derive(Debug)]
pub struct Database(Cdb);

impl Database {
    /// Where the compiled form of `table` is: Postfix, too, appends `.cdb` to the name it is given.
    pub fn place(table: &Path) -> PathBuf {
        let mut name = table.as_os_str().to_owned();
        name.push(".cdb");
        name.into()
    }

    /// Whether `table` has been written since it was compiled.
    pub fn is_behind(table: &Path) -> bool {
        let written = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
        written(table) > written(&Database::place(table))
    }

    /// Opens the compiled form of `table`.
    ///
    /// # Errors
    /// There is none yet, or it is unreadable.
    pub fn open(table: &Path) -> io::Result<Database> {
        Ok(Database(Cdb::new(privilege::open_for_reading(&Database::place(table))?)))
    }

    /// Who gets the mail for `user@domain`.
    ///
    /// # Errors
    /// It cannot be read, or is no compiled table.
    pub fn recipient(&self, address: &str) -> io::Result<Option<Hit>> {
        let Some((key, record)) = look_up(address, |key| self.0.find(key.as_bytes()).transpose()) else { return Ok(None) };
        let record = record?;
        let recipient = String::from_utf8(self.0.value(record)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Some(Hit { key, recipient, line: self.line(record.at)? }))
    }

    /// The line that the record at this place was made from; `None` where another program made the table.
    fn line(&self, at: u32) -> io::Result<Option<usize>> {
        let Some(lines) = self.0.find(LINES)? else { return Ok(None) };
        let (mut first, mut behind) = (0, u64::from(lines.len) / 8);
        while behind - first > AT_ONCE {
            let middle = first + (behind - first) / 2;
            let mut octets = [0; 8];
            self.0.read(lines, middle * 8, &mut octets)?;
            if two(octets).0 <= at { first = middle } else { behind = middle }
        }
        let mut octets = vec![0; (behind - first) as usize * 8];
        self.0.read(lines, first * 8, &mut octets)?;
        let line = octets.as_chunks().0.iter().map(|pair| two(*pair)).find(|(place, _)| *place == at);
        Ok(line.map(|(_, line)| line as usize))
    }
}

impl Virtmaps<'_> {
    /// Replaces the compiled form of `table` by this one, whole: who reads it meanwhile has the old one or the new, and so has the disk
    /// after a power cut.
    ///
    /// # Errors
    /// It cannot be written; the old one stays.
    pub fn compile(&self, table: &Path) -> io::Result<()> {
        atomic::replace_by(&Database::place(table), 0o644, |file| self.fill(file.try_clone()?))
    }

    fn fill(&self, file: File) -> io::Result<()> {
        let mut made = cdb2::CDBMake::new(file)?;
        let (mut at, mut lines) = (HEAD, Vec::with_capacity(self.entries().len() * 8));
        for entry in self.entries() {
            made.add(entry.key.as_bytes(), entry.recipient.as_bytes())?;
            lines.extend_from_slice(&at.to_le_bytes());
            lines.extend_from_slice(&u32::try_from(entry.line).unwrap_or(u32::MAX).to_le_bytes());
            // What overflows the CDB has refused before.
            at = at.wrapping_add((8 + entry.key.len() + entry.recipient.len()) as u32);
        }
        made.add(LINES, &lines)?;
        made.finish()
    }
}

/// The key, which no address can be, of all places of records with the lines they were made from: two numbers each, of 32 bits, the lower
/// octets first, in the order of the places.
const LINES: &[u8] = b"\0lines";
/// Where the first record is.
const HEAD: u32 = 2048;
/// Places that are read at once.
const AT_ONCE: u64 = 512;

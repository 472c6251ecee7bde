//! The compiled form of `virtmaps`: a CDB, which Postfix reads as `cdb:FILE`, too.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::Virtmaps;
use super::virtmaps::{Hit, look_up};
use crate::os::atomic;

/// A compiled table. Its keys are `user@domain` and `@domain`, in lower case.
pub struct Database(cdb2::CDB);

impl Database {
    /// Where the compiled form of `table` is: Postfix, too, appends `.cdb` to the name it is given.
    pub fn place(table: &Path) -> PathBuf {
        let mut name = table.as_os_str().to_owned();
        name.push(".cdb");
        name.into()
    }

    /// Opens the compiled form of `table`.
    ///
    /// # Errors
    /// There is none yet, or it is unreadable.
    pub fn open(table: &Path) -> io::Result<Database> {
        Ok(Database(cdb2::CDB::open(Database::place(table))?))
    }

    /// Who gets the mail for `user@domain`.
    pub fn recipient(&self, address: &str) -> Option<Hit> {
        let get = |key: &str| String::from_utf8(self.0.get(key.as_bytes())?.ok()?).ok();
        look_up(address, get).map(|(key, recipient)| Hit { key, recipient })
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
        for entry in self.entries() {
            made.add(entry.key.as_bytes(), entry.recipient.as_bytes())?;
        }
        made.finish()
    }
}

//! Files with names that no list of UIDs can have: with a line end in it, or nothing before the colon. They are mail all the same.

use std::ffi::{OsStr, OsString};
use std::io;

use rustix::fs::FileType;

use super::deliver::birth;
use super::name::{FileName, Marks};
use super::{Held, uidlist};
use crate::os::Dir;

impl Held<'_> {
    /// `names`, where those of mail in `dir` that can't be listed have become others that can. What can't be renamed is left out.
    pub(super) fn listable(&self, dir: &Dir, names: Vec<OsString>) -> Vec<OsString> {
        let (mut good, odd): (Vec<OsString>, Vec<OsString>) =
            names.into_iter().partition(|name| uidlist::is_listable(FileName::parse(name).base()));
        if odd.is_empty() {
            return good;
        }
        let before = good.len();
        match self.maildir.account.actor.run(|| odd.iter().try_for_each(|name| self.tame(dir, name).map(|name| good.extend(name)))) {
            Ok(()) => {}
            Err(error) => self.maildir.shared.warn_once(&self.maildir.path, &error, "files with odd names can't be renamed, nor shown"),
        }
        let renamed = good.len() - before;
        if renamed > 0 {
            tracing::warn!(path = %self.maildir.path.display(), files = renamed, "files had odd names, and have others now");
        }
        good
    }

    /// Gives a file of mail the name that it would have got from us. `None` if it is none, or gone.
    fn tame(&self, dir: &Dir, name: &OsStr) -> io::Result<Option<OsString>> {
        let Ok(stat) = dir.stat(name) else { return Ok(None) };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let (base, marks) = (birth(None).base(stat.st_size.cast_unsigned(), None), FileName::parse(name).marks());
        let tame = OsString::from(if marks == Marks::default() { base } else { base + &marks.info() });
        match self.maildir.shared.disk.rename_in((dir, name), (dir, &tame)) {
            Ok(()) => Ok(Some(tame)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

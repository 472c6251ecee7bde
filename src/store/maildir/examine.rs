//! What is wrong with the files of a Maildir.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

use rustix::fs::{FileType, Stat};

use super::name::FileName;
use super::{CUR, NEW, TMP, UIDLIST, uidlist};
use crate::os::Dir;
use crate::store::examine::{Mend, Oddity, strange};
use crate::store::index::State;

/// Looks at each file of the Maildir at `path`, all of which should belong to `uid`; `state` is what is known of it.
pub fn examine(path: &Path, uid: u32, state: &State) -> io::Result<Vec<Oddity>> {
    let top = Dir::open(path)?;
    let mut odd = Odd { uid, found: Vec::new() };
    odd.owner(path, &rustix::fs::fstat(&top)?);
    let mut bases = HashSet::new();
    for part in [NEW, CUR, TMP] {
        odd.part(&top, path, part, &mut bases)?;
    }
    if let Some(broken) = list(&top)? {
        odd.add(&path.join(UIDLIST), broken, Mend::Look);
    }
    let missing = state.messages().filter(|message| !bases.contains(FileName::parse(os(message.name())).base())).count();
    if missing > 0 {
        odd.add(path, format!("{missing} messages of the index have no file"), Mend::Rebuild);
    }
    Ok(odd.found)
}

struct Odd {
    uid: u32,
    found: Vec<Oddity>,
}

impl Odd {
    fn part(&mut self, top: &Dir, path: &Path, part: &str, bases: &mut HashSet<Vec<u8>>) -> io::Result<()> {
        let path = path.join(part);
        let dir = match top.beneath(part) {
            Ok(dir) => dir,
            Err(error) => {
                self.add(&path, format!("is no folder: {error}"), Mend::Look);
                return Ok(());
            }
        };
        self.owner(&path, &rustix::fs::fstat(&dir)?);
        for name in dir.names(|_, _| true)? {
            match dir.stat(&name) {
                Ok(stat) => self.file(&path, part, &name, &stat),
                // Another program has just renamed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            bases.insert(FileName::parse(&name).base().to_vec());
        }
        Ok(())
    }

    fn file(&mut self, folder: &Path, part: &str, name: &OsStr, stat: &Stat) {
        let path = folder.join(name);
        let parsed = FileName::parse(name);
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return self.add(&path, "is no regular file", Mend::Look);
        }
        self.owner(&path, stat);
        if part == TMP {
            let age = crate::os::stamp::now() / 1_000_000_000 - stat.st_mtime;
            if age > STALE {
                self.add(&path, "a delivery left it there", Mend::Look);
            }
            return;
        }
        if name.as_encoded_bytes().starts_with(b".") || !uidlist::is_listable(parsed.base()) {
            self.add(&path, "no message is called so", Mend::Look);
        }
        if parsed.size().is_some_and(|size| size != stat.st_size.cast_unsigned()) {
            self.add(&path, format!("has {} octets, its name says something else", stat.st_size), Mend::Look);
        }
    }

    fn owner(&mut self, path: &Path, stat: &Stat) {
        if let Some(what) = strange(stat, self.uid) {
            self.add(path, what, Mend::Give);
        }
    }

    fn add(&mut self, path: &Path, what: impl Into<String>, mend: Mend) {
        if self.found.len() < MOST {
            self.found.push(Oddity { path: path.into(), what: what.into(), mend });
        }
    }
}

/// What is wrong with the list of UIDs.
fn list(top: &Dir) -> io::Result<Option<String>> {
    let text = match top.content(UIDLIST, uidlist::LARGEST as u64) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Ok(Some(format!("can't be read: {error}"))),
    };
    Ok(match uidlist::read(&text) {
        Err(broken) => Some(format!("{broken}: messages get new UIDs")),
        Ok((_, mut records)) => {
            records.by_ref().for_each(drop);
            records.is_damaged().then(|| "some lines are damaged: those messages get new UIDs".into())
        }
    })
}

fn os(name: &[u8]) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name)
}

/// maildir(5): after so many seconds a file in `tmp` is nobody's.
const STALE: i64 = 36 * 3600;
/// A Maildir with more is beyond a list.
const MOST: usize = 1000;

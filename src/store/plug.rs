//! Pulling the plug: a disk that stops after some deeds, and may then lose what it was not told to keep.
//!
//! Names are lost from the last one back, as a file system with a journal does, or any of them, as others do; what was written to files is
//! lost piece by piece, in any order. What takes a name from a file puts it on a shelf beside the tree, from where it comes back.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::fs::{AtFlags, Mode, OFlags};
use tempfile::TempDir;

use super::disk::{Disk, Machine};
use crate::os::Dir;

/// When the plug is pulled, and how badly.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// So many deeds happen.
    pub after: usize,
    /// How much of a write that comes next happens too, in eighths.
    pub torn: usize,
    /// Also what was not synced is lost, by this chance; 0: nothing is, for only the process dies.
    pub chance: u64,
}

/// The disk of a machine whose plug is pulled.
pub struct Plug(Mutex<Power>);

struct Power {
    cut: Cut,
    done: usize,
    is_dead: bool,
    /// Files by inode, as the disk surely has them, and what was done since.
    files: HashMap<u64, Unsynced>,
    /// What happened to names, and may not last.
    names: Vec<Named>,
    shelf: TempDir,
    shelved: usize,
    root: PathBuf,
    /// What was there when the plug had been pulled.
    left: Vec<(OsString, u64, u64)>,
}

struct Unsynced {
    file: File,
    synced: Vec<u8>,
    since: Vec<Deed>,
}

enum Deed {
    Write(u64, Vec<u8>),
    Len(u64),
}

/// A name in a folder, whatever the folder is called.
struct At {
    dir: OwnedFd,
    name: OsString,
}

enum Named {
    /// A file or folder, by its inode, got a name.
    Made { at: At, ino: u64 },
    /// It got another name, in place of what is on the shelf.
    Renamed { from: At, to: At, ino: u64, over: Option<OsString> },
    /// It went to the shelf.
    Removed { at: At, shelved: OsString },
}

impl Plug {
    /// A disk for `root` and all below it; `root` need not be there yet, its parent must.
    pub fn beside(root: &Path, cut: Cut) -> Arc<Plug> {
        let shelf = tempfile::Builder::new().prefix("shelf").tempdir_in(root.parent().unwrap()).unwrap();
        let (files, names, left) = Default::default();
        Arc::new(Plug(Mutex::new(Power { cut, done: 0, is_dead: false, files, names, shelf, shelved: 0, root: root.into(), left })))
    }

    /// Whether it was pulled.
    pub fn is_pulled(&self) -> bool {
        self.power().is_dead
    }

    /// What is not synced is lost now, if it is to be lost at all.
    pub fn pull(&self) {
        let mut power = self.power();
        if !power.is_dead {
            power.pull();
        }
    }

    /// Nothing has happened since it was pulled: there is no deed that goes past it.
    pub fn assert_nothing_since(&self) {
        let power = self.power();
        if power.is_dead {
            assert_eq!(tree(&power.root), power.left, "something was done without power");
        }
    }

    fn power(&self) -> MutexGuard<'_, Power> {
        self.0.lock().unwrap()
    }

    fn deed<T>(&self, deed: impl FnOnce(&mut Power) -> io::Result<T>) -> io::Result<T> {
        let mut power = self.power();
        if power.lives()? { deed(&mut power) } else { Err(power.pull()) }
    }

    fn write_at(&self, file: &File, octets: &[u8], at: impl FnOnce() -> io::Result<u64>) -> io::Result<()> {
        let mut power = self.power();
        let lives = power.lives()?;
        let octets = if lives { octets } else { &octets[..octets.len() * power.cut.torn / 8] };
        let at = at()?;
        power.file(file).since.push(Deed::Write(at, octets.to_vec()));
        again(file).write_all_at(octets, at)?;
        if lives { Ok(()) } else { Err(power.pull()) }
    }
}

impl Power {
    /// Counts a deed; `false` when it is the one at which the plug is pulled.
    fn lives(&mut self) -> io::Result<bool> {
        if self.is_dead {
            return Err(io::Error::other("no power"));
        }
        self.done += 1;
        Ok(self.done <= self.cut.after)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.cut.chance = self.cut.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.cut.chance >> 33) % sides
    }

    fn pull(&mut self) -> io::Error {
        self.is_dead = true;
        if self.cut.chance != 0 {
            self.lose_content();
            self.lose_names();
        }
        self.left = tree(&self.root);
        io::Error::other("the plug was pulled")
    }

    fn lose_content(&mut self) {
        for Unsynced { file, synced: mut now, since } in std::mem::take(&mut self.files).into_values() {
            for deed in since {
                match deed {
                    _ if self.roll(2) == 0 => {}
                    Deed::Len(len) => now.resize(len as usize, 0),
                    Deed::Write(at, octets) => {
                        let end = at as usize + octets.len();
                        now.resize(now.len().max(end), 0);
                        now[at as usize..end].copy_from_slice(&octets);
                    }
                }
            }
            let file = again(&file);
            file.write_all_at(&now, 0).unwrap();
            file.set_len(now.len() as u64).unwrap();
        }
    }

    fn lose_names(&mut self) {
        let is_orderly = self.roll(2) == 0;
        let lost = self.roll(self.names.len() as u64 + 1) as usize;
        for named in self.names.split_off(self.names.len() - lost).into_iter().rev() {
            if is_orderly || self.roll(2) == 0 {
                self.undo(named);
            }
        }
    }

    /// As if it had not happened; what others did to the name since stays.
    fn undo(&mut self, named: Named) {
        match named {
            Named::Made { at, ino } if at.ino() == Some(ino) => drop(self.shelve(&at)),
            Named::Renamed { from, to, ino, over } if to.ino() == Some(ino) => {
                if from.ino().is_none() {
                    rename(&to, &from).unwrap();
                }
                over.into_iter().for_each(|over| rename(&self.on_shelf(&over), &to).unwrap());
            }
            Named::Removed { at, shelved } if at.ino().is_none() => rename(&self.on_shelf(&shelved), &at).unwrap(),
            _ => {}
        }
    }

    fn on_shelf(&self, name: &OsStr) -> At {
        At { dir: File::open(self.shelf.path()).unwrap().into(), name: name.into() }
    }

    fn free_on_shelf(&mut self) -> At {
        self.shelved += 1;
        self.on_shelf(self.shelved.to_string().as_ref())
    }

    fn shelve(&mut self, at: &At) -> io::Result<OsString> {
        let shelved = self.free_on_shelf();
        rename(at, &shelved).map(|()| shelved.name)
    }

    fn file(&mut self, file: &File) -> &mut Unsynced {
        let clone = || Unsynced { file: file.try_clone().unwrap(), synced: content(file), since: Vec::new() };
        self.files.entry(file.metadata().unwrap().ino()).or_insert_with(clone)
    }

    fn made(&mut self, at: At) {
        let ino = at.ino().expect("it was just made");
        self.names.push(Named::Made { at, ino });
    }

    fn rename(&mut self, from: At, to: At) -> io::Result<()> {
        let ino = from.ino().ok_or(io::ErrorKind::NotFound)?;
        let kept = self.free_on_shelf();
        // A folder can't be kept so; only an empty one is replaced, and that is as good as none.
        let over = rustix::fs::linkat(&to.dir, &to.name, &kept.dir, &kept.name, AtFlags::empty()).is_ok().then_some(kept.name);
        rename(&from, &to)?;
        self.names.push(Named::Renamed { from, to, ino, over });
        Ok(())
    }

    fn remove(&mut self, at: At) -> io::Result<()> {
        let shelved = self.shelve(&at)?;
        self.names.push(Named::Removed { at, shelved });
        Ok(())
    }

    fn sync_names(&mut self, dir: &impl AsFd) {
        let ino = ino_of(dir);
        self.names.retain(|named| match named {
            Named::Made { at, .. } | Named::Removed { at, .. } => ino_of(&at.dir) != ino,
            Named::Renamed { from, to, .. } => ino_of(&from.dir) != ino && ino_of(&to.dir) != ino,
        });
    }
}

impl At {
    fn path(path: &Path) -> io::Result<At> {
        Ok(At { dir: File::open(path.parent().unwrap())?.into(), name: path.file_name().unwrap().into() })
    }

    fn of(dir: &Dir, name: &OsStr) -> At {
        let again = rustix::fs::openat(dir, ".", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        At { dir: again.unwrap(), name: name.into() }
    }

    fn ino(&self) -> Option<u64> {
        Some(rustix::fs::statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW).ok()?.st_ino)
    }
}

fn ino_of(fd: &impl AsFd) -> u64 {
    rustix::fs::fstat(fd).unwrap().st_ino
}

fn rename(from: &At, to: &At) -> io::Result<()> {
    Ok(rustix::fs::renameat(&from.dir, &from.name, &to.dir, &to.name)?)
}

/// The same file, to be written anywhere.
fn again(file: &File) -> File {
    File::options().read(true).write(true).open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap()
}

fn content(file: &File) -> Vec<u8> {
    fs::read(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap()
}

impl Disk for Plug {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.deed(|power| {
            let at = At::path(path)?;
            if at.ino().is_some() {
                power.remove(At::path(path)?)?;
            }
            let file = Machine.create(path)?;
            power.made(at);
            Ok(file)
        })
    }

    fn write(&self, file: &File, octets: &[u8], at: u64) -> io::Result<()> {
        self.write_at(file, octets, || Ok(at))
    }

    fn append(&self, file: &File, octets: &[u8]) -> io::Result<()> {
        self.write_at(file, octets, || Ok(file.metadata()?.len()))
    }

    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        self.deed(|power| {
            power.file(file).since.push(Deed::Len(len));
            file.set_len(len)
        })
    }

    fn reserve(&self, _: &File, _: u64, _: u64) -> io::Result<()> {
        self.deed(|_| Ok(()))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.deed(|power| {
            power.files.remove(&ino_of(file));
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.deed(|power| power.rename(At::path(from)?, At::path(to)?))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.deed(|power| power.remove(At::path(path)?))
    }

    fn make(&self, path: &Path) -> io::Result<()> {
        self.deed(|power| {
            Machine.make(path)?;
            power.made(At::path(path)?);
            Ok(())
        })
    }

    fn make_in(&self, dir: &Dir, name: &OsStr) -> io::Result<bool> {
        self.deed(|power| {
            let made = Machine.make_in(dir, name)?;
            if made {
                power.made(At::of(dir, name));
            }
            Ok(made)
        })
    }

    fn remove_in(&self, dir: &Dir, name: &OsStr) -> io::Result<()> {
        self.deed(|power| {
            let mut is_empty = true;
            dir.beneath(name)?.each(|_, _| is_empty = false)?;
            if is_empty { power.remove(At::of(dir, name)) } else { Err(io::ErrorKind::DirectoryNotEmpty.into()) }
        })
    }

    fn create_in(&self, dir: &Dir, name: &OsStr) -> io::Result<File> {
        self.deed(|power| {
            let file = Machine.create_in(dir, name)?;
            power.made(At::of(dir, name));
            Ok(file)
        })
    }

    fn rename_in(&self, from: (&Dir, &OsStr), to: (&Dir, &OsStr)) -> io::Result<()> {
        self.deed(|power| power.rename(At::of(from.0, from.1), At::of(to.0, to.1)))
    }

    fn link_in(&self, from: (&Dir, &OsStr), to: (&Dir, &OsStr)) -> io::Result<()> {
        self.deed(|power| {
            Machine.link_in(from, to)?;
            power.made(At::of(to.0, to.1));
            Ok(())
        })
    }

    fn unlink_in(&self, dir: &Dir, name: &OsStr) -> io::Result<()> {
        self.deed(|power| match rustix::fs::FileType::from_raw_mode(dir.stat(name)?.st_mode) {
            rustix::fs::FileType::Directory => Err(rustix::io::Errno::ISDIR.into()),
            _ => power.remove(At::of(dir, name)),
        })
    }

    fn sync_dir(&self, dir: &Dir) -> io::Result<()> {
        self.deed(|power| {
            power.sync_names(dir);
            Ok(())
        })
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.deed(|power| {
            power.sync_names(&File::open(path.parent().unwrap())?);
            Ok(())
        })
    }
}

/// What is below `root`, locks and quotas aside: paths, inodes and lengths.
fn tree(root: &Path) -> Vec<(OsString, u64, u64)> {
    let mut all = Vec::new();
    let mut levels = vec![root.to_owned()];
    while let Some(level) = levels.pop() {
        for entry in fs::read_dir(&level).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let is_other = name == "quota"
                || name == "run"
                || name.as_encoded_bytes().ends_with(b".lock")
                || name.as_encoded_bytes().starts_with(b".lk.");
            // A lock may just be going.
            let Some(known) = path.symlink_metadata().ok().filter(|_| !is_other) else { continue };
            // It comes with the quotas.
            if name != "var" {
                all.push((path.clone().into_os_string(), known.ino(), if known.is_dir() { 0 } else { known.len() }));
            }
            levels.extend(known.is_dir().then_some(path));
        }
    }
    all.sort();
    all
}

#[test]
fn what_was_synced_stays_and_what_was_not_may_be_lost() {
    let (mut kept, mut lost) = (0, 0);
    for chance in 1..40 {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let plug = Plug::beside(&root, Cut { after: usize::MAX, torn: 0, chance });
        let dir = Dir::open(&root).unwrap();
        let synced = plug.create_in(&dir, "synced".as_ref()).unwrap();
        plug.append(&synced, b"one").unwrap();
        plug.sync(&synced).unwrap();
        plug.sync_dir(&dir).unwrap();
        plug.append(&synced, b"two").unwrap();
        plug.append(&plug.create_in(&dir, "new".as_ref()).unwrap(), b"three").unwrap();
        plug.rename_in((&dir, "new".as_ref()), (&dir, "synced".as_ref())).unwrap();
        plug.unlink_in(&dir, "synced".as_ref()).unwrap();
        plug.pull();
        assert!(plug.unlink_in(&dir, "synced".as_ref()).is_err());
        match fs::read(root.join("synced")) {
            Ok(text) if text.starts_with(b"one") => lost += 1,
            Ok(text) => assert!([&b""[..], b"three"].contains(&&text[..]), "{text:?}"),
            Err(_) => kept += 1,
        }
    }
    assert!(kept > 0 && lost > 0, "{kept} {lost}");
}

//! Pulling the plug at every deed: what was appended and synced is there afterwards, what was not may be, and nothing else.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Mutex;

use super::tests::{Bench, arrival, seen, state};
use super::*;
use crate::store::disk::Machine;

/// A disk that stops after some deeds, and then loses what it was not told to keep.
struct Plug(Mutex<Power>);

#[derive(Default)]
struct Power {
    left: usize,
    /// How much of the last write still happens, in eighths.
    torn: usize,
    /// Unsynced things are lost at random; unless it is 0.
    chance: u64,
    dead: bool,
    /// Files by inode, as the disk surely has them.
    synced: HashMap<u64, (File, Vec<u8>)>,
    /// Renames and unlinks that may not last: what had the name before.
    names: Vec<(PathBuf, Option<PathBuf>)>,
    serial: usize,
}

impl Power {
    fn roll(&mut self) -> u64 {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.chance >> 33
    }

    fn pull(&mut self) -> io::Error {
        self.dead = true;
        if self.chance != 0 {
            let mut kept = HashSet::new();
            for (path, before) in std::mem::take(&mut self.names).into_iter().rev() {
                // Each name by itself: no file system promises more.
                if kept.contains(&path) || self.roll().is_multiple_of(2) {
                    kept.insert(path);
                    continue;
                }
                match before {
                    Some(before) => fs::rename(before, path).unwrap(),
                    None => drop(fs::remove_file(path)),
                }
            }
            for (_, (file, content)) in std::mem::take(&mut self.synced) {
                let mut now = read(&file);
                match self.roll() % 3 {
                    0 => now = content,
                    // Some of what came since is there as zeros.
                    1 => now[content.len().min(file.metadata().unwrap().len() as usize)..].fill(0),
                    _ => {}
                }
                file.set_len(0).unwrap();
                file.write_all_at(&now, 0).unwrap();
            }
        }
        io::Error::other("the plug was pulled")
    }

    /// Keeps the file that has this name findable.
    fn remember(&mut self, path: &Path) {
        self.serial += 1;
        let beside = path.with_file_name(format!("old.{}", self.serial));
        let kept = fs::hard_link(path, &beside).is_ok();
        self.names.push((path.to_owned(), kept.then_some(beside)));
    }
}

fn read(file: &File) -> Vec<u8> {
    let mut all = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut all, 0).unwrap();
    all
}

impl Plug {
    fn disk(left: usize, torn: usize, chance: u64) -> Arc<dyn Disk> {
        Arc::new(Plug(Mutex::new(Power { left, torn, chance, ..Power::default() })))
    }

    fn deed<T>(&self, deed: impl FnOnce(&mut Power, bool) -> io::Result<T>) -> io::Result<T> {
        let mut power = self.0.lock().unwrap();
        if power.dead {
            return Err(io::Error::other("no power"));
        }
        let last = power.left == 0;
        power.left = power.left.saturating_sub(1);
        let outcome = deed(&mut power, last);
        if last { Err(power.pull()) } else { outcome }
    }
}

impl Disk for Plug {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.deed(|_, _| Machine.create(path))
    }

    fn write(&self, file: &File, octets: &[u8], at: u64) -> io::Result<()> {
        self.deed(|power, last| {
            power.synced.entry(file.metadata().unwrap().ino()).or_insert_with(|| (file.try_clone().unwrap(), read(file)));
            let octets = if last { &octets[..octets.len() * power.torn / 8] } else { octets };
            file.write_all_at(octets, at)
        })
    }

    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        self.deed(|_, _| file.set_len(len))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.deed(|power, last| {
            if !last {
                power.synced.remove(&file.metadata().unwrap().ino());
            }
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.deed(|power, last| {
            if last {
                return Ok(());
            }
            power.remember(to);
            fs::rename(from, to)
        })
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.deed(|_, _| fs::remove_file(path))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.deed(|power, last| {
            if !last {
                let folder = path.parent().unwrap();
                power.names.retain(|(name, _)| name.parent() != Some(folder));
            }
            Ok(())
        })
    }
}

/// Some work; returns the batches that were appended, and how many of them were synced.
fn work(folder: &Path, disk: Arc<dyn Disk>) -> (Vec<u32>, usize) {
    let (mut appended, mut synced) = (Vec::new(), 0);
    let outcome = (|| -> io::Result<()> {
        let mut index = match Index::open(folder, &disk)? {
            Found::Index(index) => index,
            _ => panic!("it was of use"),
        };
        for step in 0..6 {
            let uid = index.state().head().uidnext;
            let mut locked = index.lock()?;
            appended.push(uid);
            let cache = locked.cache(uid, &[uid as u8; 40])?;
            let mut new = arrival(uid);
            new.live.record.cache = cache;
            locked.append(&[Op::Append(vec![new]), seen(&[uid])])?;
            if step % 3 == 1 {
                // Enough for a compaction of the cache.
                let learnt = (0..70).map(|_| Learnt { uid, cache: Some(cache), ..Learnt::default() }).collect();
                locked.append(&[Op::Learnt(learnt)])?;
                locked.snapshot()?;
            }
            drop(locked);
            index.durable().sync()?;
            synced = appended.len();
        }
        Ok(())
    })();
    match outcome {
        Ok(()) => (appended, usize::MAX),
        Err(_) => (appended, synced),
    }
}

/// Whether the work came to its end before the plug was pulled.
fn crash(after: usize, torn: usize, chance: u64) -> bool {
    let bench = Bench::new();
    Index::create(&bench.folder(), &Plug::disk(usize::MAX, 8, 0), &state(2)).unwrap();
    let (appended, synced) = work(&bench.folder(), Plug::disk(after, torn, chance));
    let context = || format!("after {after} deeds, {torn}/8, chance {chance}");
    // One that is never pulled, and does not wait for a real disk.
    let steady = Plug::disk(usize::MAX, 8, 0);
    let Found::Index(mut index) = Index::open(&bench.folder(), &steady).unwrap() else { panic!("{}", context()) };
    check(&index, &appended, synced, &context());
    // Life goes on.
    let uid = index.state().head().uidnext;
    index.lock().unwrap().append(&[Op::Append(vec![arrival(uid)])]).unwrap();
    assert_eq!(bench.open().state().message(uid).unwrap().name(), arrival(uid).live.name(), "{}", context());
    index.lock().unwrap().snapshot().unwrap();
    check(&bench.open(), &[&appended[..], &[uid]].concat(), synced, &context());
    synced == usize::MAX
}

fn check(index: &Index, appended: &[u32], synced: usize, context: &str) {
    let there: Vec<u32> = index.state().messages().map(|entry| entry.uid).collect();
    let least = 2 + synced.min(appended.len());
    assert!(there.len() >= least && there.iter().zip(1..).all(|(uid, at)| *uid == at), "{context}: {there:?} of {appended:?}");
    for entry in index.state().messages().skip(2) {
        assert_eq!(entry.name(), arrival(entry.uid).live.name(), "{context}");
        assert!(index.cached(&entry).is_none_or(|cached| cached == [entry.uid as u8; 40]), "{context}");
    }
    assert!(!index.state().is_damaged(), "{context}");
}

#[test]
fn a_killed_process_loses_nothing() {
    for torn in [0, 3, 8] {
        (0..).find(|after| crash(*after, torn, 0));
    }
}

#[test]
fn a_power_cut_loses_nothing_that_was_synced() {
    for chance in 1..40 {
        (0..).find(|after| crash(*after, chance as usize % 9, xxhash_rust::xxh3::xxh3_64(&[chance, *after as u8])));
    }
}

#[test]
fn an_index_that_was_not_finished_is_made_again() {
    for chance in 0..4 {
        (0..20)
            .find(|after| {
                let bench = Bench::new();
                let made = Index::create(&bench.folder(), &Plug::disk(*after, 4, chance), &state(3)).is_ok();
                let index = Index::create(&bench.folder(), &super::tests::disk(), &state(3)).unwrap();
                assert_eq!(index.state().messages().count(), 3);
                made
            })
            .expect("it is done at some time");
    }
}

/// A disk on which nothing can be written.
struct Full;

impl Disk for Full {
    fn create(&self, _: &Path) -> io::Result<File> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn write(&self, file: &File, octets: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(&octets[..octets.len() / 2], at)?;
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn a_full_disk_changes_nothing_and_stops_no_reader() {
    let (bench, mut index) = Bench::with(3);
    let full: Arc<dyn Disk> = Arc::new(Full);
    let Found::Index(mut poor) = Index::open(&bench.folder(), &full).unwrap() else { panic!() };
    assert_eq!(poor.lock().unwrap().append(&[seen(&[1])]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(poor.lock().unwrap().snapshot().is_err());
    assert!(poor.lock().unwrap().cache(1, b"entry").is_err());
    assert_eq!((poor.state().head().totals.unseen, bench.open().state().head().totals.unseen), (3, 3));
    index.lock().unwrap().append(&[seen(&[2])]).unwrap();
    assert!(poor.follow().unwrap());
    assert_eq!(poor.state().head().totals.unseen, 2);
}

//! What an index promises to those who keep to its rules.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::os::stamp::Stamp;
use crate::store::disk::Machine;
use crate::store::message::{Flags, Traits};

/// A folder that goes away.
pub struct Bench(tempfile::TempDir);

impl Bench {
    pub fn new() -> Bench {
        Bench(tempfile::tempdir().unwrap())
    }

    pub fn folder(&self) -> PathBuf {
        self.0.path().join("va.test/joe")
    }

    /// An index of `count` messages.
    pub fn with(count: u32) -> (Bench, Index) {
        let bench = Bench::new();
        let index = Index::create(&bench.folder(), &disk(), &state(count)).unwrap();
        (bench, index)
    }

    pub fn open(&self) -> Index {
        open(&self.folder()).expect("it is of use")
    }
}

pub fn disk() -> Arc<dyn Disk> {
    Arc::new(Machine)
}

pub fn open(folder: &Path) -> Option<Index> {
    match Index::open(folder, &disk()).unwrap() {
        Found::Index(index) => Some(index),
        _ => None,
    }
}

pub fn arrival(uid: u32) -> Arrival {
    let mut record = Record { uid, place: 1000 * u64::from(uid), len: 500, ..Record::default() };
    record.set_traits(Traits::FRESH, uid.is_multiple_of(3));
    let (name, uidl) = (format!("{uid}.M1P2.mail.example:2,"), if uid.is_multiple_of(5) { format!("pop{uid}") } else { String::new() });
    Arrival { live: Live::new(record, name.as_bytes(), uidl.as_bytes()), keywords: keywords(uid % 3) }
}

pub fn keywords(count: u32) -> Vec<Keyword> {
    ["$Junk", "Later"].into_iter().take(count as usize).map(Keyword::from).collect()
}

pub fn state(count: u32) -> State {
    State::found(77, count + 1, [9; 16], (1..=count).map(arrival).collect()).unwrap()
}

pub fn seen(uids: &[u32]) -> Op {
    Op::Flags(Marks { uids: uids.iter().copied().map(Span::one).collect(), add: Flags::SEEN, dirty: true, ..Marks::default() })
}

fn expunge(first: u32, last: u32) -> Op {
    Op::Expunge { uids: vec![Span { first, last }], doomed: true }
}

fn uids<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<u32> {
    entries.map(|entry| entry.uid).collect()
}

#[test]
fn what_was_found_is_there_when_it_is_opened_again() {
    let (bench, index) = Bench::with(300);
    let stamps = [Seal { stamp: Stamp { dev: 1, ino: 2, size: 3, mtime: -4, ctime: 5 }, settled: true }, Seal::default()];
    let front = Front { offset: 1, from_len: 2, pseudo: true, last: Some(9) };
    let op = Op::Spool { stamps: [Some(stamps[0]), None], front: Some(front), notes: Some([7; 64]) };
    let mut index = index;
    index.lock().unwrap().append(&[op]).unwrap();
    index.lock().unwrap().snapshot().unwrap();
    let index = bench.open();
    let state = index.state();
    assert_eq!((state.len(), state.head().uidvalidity, state.head().uidnext, state.head().mailbox), (300, 77, 301, [9; 16]));
    assert_eq!((state.head().stamps, state.head().front, state.head().notes), (stamps, front, [7; 64]));
    let entry = state.message(155).unwrap();
    assert_eq!((entry.name(), entry.uidl_text()), (&b"155.M1P2.mail.example:2,"[..], &b"pop155"[..]));
    assert_eq!(entry.keywords().collect::<Vec<_>>(), keywords(2).iter().collect::<Vec<_>>());
    assert_eq!(state.nth(154).unwrap().uid, 155);
    assert_eq!((state.position(155), state.position(301), state.before(301)), (Some(154), None, 300));
    assert_eq!(uids(state.range(Span { first: 127, last: 130 })), [127, 128, 129, 130]);
    assert!(!state.is_damaged());
}

#[test]
fn others_hear_of_everything() {
    let (bench, mut index) = Bench::with(10);
    let mut other = bench.open();
    assert!(!other.follow().unwrap());
    let before = other.state().clone();
    index.lock().unwrap().append(&[seen(&[3, 4]), expunge(7, 8), Op::Append(vec![arrival(11)])]).unwrap();
    assert!(other.follow().unwrap());
    assert!(!other.follow().unwrap());
    assert_eq!(uids(other.state().changed_since(before.head().modseq)), [3, 4, 11]);
    assert_eq!(other.state().head().modseq, before.head().modseq + 1);
    assert_eq!(other.state().vanished_since(before.head().modseq), Some(vec![Span { first: 7, last: 8 }]));
    assert_eq!(other.state().vanished_since(before.head().modseq - 1), None);
    index.lock().unwrap().snapshot().unwrap();
    other.lock().unwrap().append(&[seen(&[5])]).unwrap();
    index.follow().unwrap();
    assert_eq!(uids(index.state().having(Traits::DIRTY)), [3, 4, 5]);
    assert_eq!(before.len(), 10);
    assert!(before.message(7).is_some());
}

#[test]
fn a_change_of_nothing_is_no_change() {
    let (_bench, mut index) = Bench::with(3);
    index.lock().unwrap().append(&[seen(&[1])]).unwrap();
    let modseq = index.state().head().modseq;
    index.lock().unwrap().append(&[seen(&[1, 9]), expunge(50, 60), Op::Append(vec![])]).unwrap();
    assert_eq!(index.state().head().modseq, modseq);
}

#[test]
fn one_change_of_many_messages_copies_one_block() {
    let (_bench, mut index) = Bench::with(3000);
    index.lock().unwrap().snapshot().unwrap();
    index.lock().unwrap().append(&[seen(&[1500])]).unwrap();
    let text = format!("{:?}", index.state().0.rope);
    assert_eq!((text.matches("Mapped").count(), text.matches("Live {").count()), (2, rope::BLOCK));
}

#[test]
fn doomed_messages_are_known_until_they_are_buried() {
    let (bench, mut index) = Bench::with(5);
    index.lock().unwrap().append(&[expunge(2, 4)]).unwrap();
    let named = Flushed { uid: 3, name: Some(b"moved"[..].into()), ..Flushed::default() };
    index.lock().unwrap().append(&[Op::Flushed(vec![named]), Op::Buried(vec![Span::one(2)])]).unwrap();
    for snapshot in [false, true] {
        if snapshot {
            index.lock().unwrap().snapshot().unwrap();
        }
        let other = bench.open();
        let names: Vec<&[u8]> = other.state().doomed().iter().map(Live::name).collect();
        assert_eq!(names, [&b"moved"[..], b"4.M1P2.mail.example:2,"]);
    }
    assert_eq!(uids(index.state().messages()), [1, 5]);
}

#[test]
fn flags_that_change_while_they_are_flushed_stay_dirty() {
    let (_bench, mut index) = Bench::with(5);
    let mut locked = index.lock().unwrap();
    locked.append(&[seen(&[1, 2, 5])]).unwrap();
    let modseq = locked.state().head().modseq;
    locked.append(&[Op::Flags(Marks { uids: vec![Span::one(2)], add: Flags::DELETED, dirty: true, ..Marks::default() })]).unwrap();
    let flushed = |uid| Flushed { uid, modseq, letters: 4, name: (uid == 5).then(|| b"five"[..].into()), ..Flushed::default() };
    locked.append(&[Op::Flushed(vec![flushed(1), flushed(2), flushed(5)])]).unwrap();
    drop(locked);
    assert_eq!(uids(index.state().having(Traits::DIRTY)), [2]);
    let five = index.state().message(5).unwrap();
    assert_eq!((five.name(), five.uidl_text(), five.letters), (&b"five"[..], &b"pop5"[..], 4));
    assert_eq!((index.state().head().totals.dirty, index.state().head().totals.unseen), (1, 2));
}

#[test]
fn messages_behind_an_expunged_one_are_shifted_at_once() {
    let (bench, mut index) = Bench::with(1000);
    index.lock().unwrap().snapshot().unwrap();
    index.lock().unwrap().append(&[expunge(200, 200), Op::Shift { from: 201, by: -1000 }]).unwrap();
    index.lock().unwrap().append(&[Op::Shift { from: 700, by: 5 }, Op::Append(vec![arrival(1001)])]).unwrap();
    let moved = Moved { uid: 900, place: 42, len: 43, from_len: 44, on: Traits::RECORDED, off: Traits::FRESH };
    index.lock().unwrap().append(&[Op::Moved(vec![moved])]).unwrap();
    for snapshot in [false, true] {
        if snapshot {
            index.lock().unwrap().snapshot().unwrap();
        }
        let other = bench.open();
        let place = |uid| other.state().message(uid).unwrap().place;
        assert_eq!([199, 201, 699, 700, 1000, 1001, 900].map(place), [199_000, 200_000, 698_000, 699_005, 999_005, 1_001_000, 42]);
    }
}

#[test]
fn only_one_can_have_the_lock() {
    let (bench, mut index) = Bench::with(1);
    let locked = index.lock().unwrap();
    let path = bench.folder();
    let waiting = std::thread::spawn(move || {
        let mut other = open(&path).unwrap();
        other.lock().unwrap().append(&[seen(&[1])]).unwrap();
    });
    while !waiting.is_finished() && locked.state().head().totals.unseen == 1 {
        std::thread::yield_now();
        if fs::metadata(bench.folder().join(JOURNAL)).unwrap().len() == journal::START {
            break;
        }
    }
    assert_eq!(fs::metadata(bench.folder().join(JOURNAL)).unwrap().len(), journal::START);
    drop(locked);
    waiting.join().unwrap();
    assert!(index.follow().unwrap());
    assert_eq!(index.state().head().totals.unseen, 0);
}

#[test]
fn many_writers_lose_nothing_while_snapshots_are_made() {
    let (bench, index) = Bench::with(1);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let mut other = bench.open();
            scope.spawn(move || {
                for nth in 0..100 {
                    let mut locked = other.lock().unwrap();
                    let uid = locked.state().head().uidnext;
                    locked.append(&[Op::Append(vec![arrival(uid)])]).unwrap();
                    if nth % 20 == writer {
                        locked.snapshot().unwrap();
                    }
                }
            });
        }
        for _ in 0..100 {
            let reader = bench.open();
            assert_eq!(reader.state().messages().count() as u64, reader.state().head().totals.messages);
        }
    });
    let mut index = index;
    index.follow().unwrap();
    assert_eq!(uids(index.state().messages()), (1..=401).collect::<Vec<_>>());
}

#[test]
fn a_long_journal_becomes_a_snapshot() {
    let (bench, mut index) = Bench::with(1);
    for uid in 2..1000 {
        index.lock().unwrap().append(&[Op::Append(vec![arrival(uid)])]).unwrap();
    }
    assert!(index.journal_len() < 66_000);
    assert_eq!(bench.open().state().len(), 999);
}

#[test]
fn a_torn_tail_is_cut_by_the_next_who_locks() {
    let (bench, mut index) = Bench::with(3);
    index.lock().unwrap().append(&[seen(&[1])]).unwrap();
    let path = bench.folder().join(JOURNAL);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], &whole[64..100]].concat()).unwrap();
    let mut other = bench.open();
    assert_eq!(other.state().head().totals.unseen, 2);
    assert!(!other.follow().unwrap());
    other.lock().unwrap().append(&[seen(&[2])]).unwrap();
    assert!(index.follow().unwrap());
    assert_eq!(index.state().head().totals.unseen, 1);
}

#[test]
fn what_is_not_possible_changes_nothing() {
    let (_bench, mut index) = Bench::with(3);
    let before = format!("{:?}", index.state());
    let mut locked = index.lock().unwrap();
    let long = vec![Keyword::from("x".repeat(300))];
    let marks = Marks { uids: vec![Span::one(1)], add_keywords: long, ..Marks::default() };
    for ops in [vec![Op::Append(vec![arrival(3)])], vec![seen(&[1]), Op::Append(vec![arrival(9), arrival(9)])], vec![Op::Flags(marks)]] {
        assert_eq!(locked.append(&ops).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
    assert_eq!(format!("{:?}", locked.state()), before);
    assert!(State::found(1, 5, [0; 16], vec![arrival(2), arrival(2)]).is_err());
    assert!(State::found(1, 2, [0; 16], vec![arrival(2)]).is_err());
}

#[test]
fn entries_of_the_cache_are_found_as_long_as_they_are_there() {
    let (bench, mut index) = Bench::with(200);
    let mut other = bench.open();
    let entry = |uid: u32| vec![uid as u8; 300 + uid as usize];
    let mut locked = index.lock().unwrap();
    let learnt = (1..=200).map(|uid| Learnt { uid, cache: Some(locked.cache(uid, &entry(uid)).unwrap()), ..Learnt::default() }).collect();
    locked.append(&[Op::Learnt(learnt)]).unwrap();
    drop(locked);
    other.follow().unwrap();
    let read = |index: &Index, uid| index.cached(&index.state().message(uid).unwrap());
    assert_eq!((read(&index, 7), read(&other, 7)), (Some(entry(7)), Some(entry(7))));
    let path = bench.folder().join(CACHE);
    let before = fs::metadata(&path).unwrap().len();
    let mut locked = index.lock().unwrap();
    locked.append(&[expunge(1, 150)]).unwrap();
    locked.snapshot().unwrap();
    drop(locked);
    assert!(fs::metadata(&path).unwrap().len() < before / 2);
    assert_eq!(read(&index, 170), Some(entry(170)));
    // One that has not heard of it yet, and one that has.
    assert_eq!(read(&other, 170), Some(entry(170)));
    other.follow().unwrap();
    assert_eq!(read(&other, 170), Some(entry(170)));
    fs::remove_file(&path).unwrap();
    let at = index.lock().unwrap().cache(170, b"anew").unwrap();
    index.lock().unwrap().append(&[Op::Learnt(vec![Learnt { uid: 170, cache: Some(at), ..Learnt::default() }])]).unwrap();
    other.follow().unwrap();
    assert_eq!((read(&index, 170), read(&other, 170)), (Some(b"anew".to_vec()), Some(b"anew".to_vec())));
    assert_eq!((read(&index, 171), index.state().head().totals.cached), (None, 50));
    assert!(index.lock().unwrap().cache(1, &vec![0; 256 * 1024 + 1]).is_err());
}

#[test]
fn an_index_that_was_thrown_away_is_missed_and_made_anew() {
    let (bench, mut index) = Bench::with(3);
    let old = index.state().clone();
    index.lock().unwrap().append(&[seen(&[2])]).unwrap();
    fs::remove_dir_all(bench.folder()).unwrap();
    assert_eq!(index.follow().unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(index.lock().unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(index.state().head().totals.unseen, 2);
    assert!(matches!(Index::open(&bench.folder(), &disk()).unwrap(), Found::Nothing));
    let anew = Index::create(&bench.folder(), &disk(), &state(2)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&bench.folder()), mode(bench.folder().parent().unwrap())), (0o700, 0o700));
    assert!(anew.state().head().modseq > index.state().head().modseq);
    assert!(index.follow().unwrap());
    assert_eq!(index.state().head().epoch, anew.state().head().epoch);
    assert_eq!(index.state().vanished_since(old.head().modseq), None);
    assert_eq!(index.state().vanished_from(&old), [Span::one(3)]);
    assert_eq!(uids(index.state().changed_since(old.head().modseq)), [1, 2]);
}

#[test]
fn two_that_make_an_index_share_the_first() {
    let bench = Bench::new();
    let made: Vec<Index> = std::thread::scope(|scope| {
        let make = || Index::create(&bench.folder(), &disk(), &state(3)).unwrap();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.iter().all(|index| index.state().head().epoch == made[0].state().head().epoch));
}

#[test]
fn a_state_put_in_place_of_another_goes_on_from_there() {
    let (bench, mut index) = Bench::with(5);
    let mut other = bench.open();
    index.lock().unwrap().append(&[seen(&[1])]).unwrap();
    let before = index.state().clone();
    // Made before, so that its MODSEQ is too low.
    let mut inner = state::Inner::clone(&state(2).0);
    inner.head.modseq = 5;
    index.lock().unwrap().replace(&State(Arc::new(inner))).unwrap();
    other.follow().unwrap();
    assert_eq!(other.state().head().modseq, before.head().modseq + 1);
    assert_eq!(uids(other.state().changed_since(before.head().modseq)), [1, 2]);
    assert_eq!(other.state().vanished_from(&before), [Span { first: 3, last: 5 }]);
    other.lock().unwrap().append(&[seen(&[2])]).unwrap();
    assert!(index.follow().unwrap());
}

#[test]
fn another_uidvalidity_begins_anew() {
    let (bench, mut index) = Bench::with(5);
    let modseq = index.state().head().modseq;
    let identity = Op::Identity { uidvalidity: 78, uidnext: 1, mailbox: [9; 16] };
    index.lock().unwrap().append(&[expunge(1, 5), identity, Op::Append(vec![arrival(1)])]).unwrap();
    let other = bench.open();
    assert_eq!((other.state().head().uidvalidity, other.state().head().uidnext), (78, 2));
    assert_eq!(other.state().vanished_since(modseq), None);
}

#[test]
fn opening_what_is_in_memory_waits_for_nothing() {
    let (bench, _index) = Bench::with(50);
    let opened = Index::open_cached(&bench.folder(), &disk());
    // Some file systems can't tell.
    if let Some(index) = opened {
        assert_eq!(index.state().len(), 50);
    }
    assert!(Index::open_cached(&bench.folder().join("none"), &disk()).is_none());
}

#[test]
fn an_open_mailbox_costs_next_to_nothing() {
    let (bench, mut index) = Bench::with(5000);
    index.lock().unwrap().snapshot().unwrap();
    let index = bench.open();
    let text = format!("{:?}", index.state().0.rope);
    assert_eq!((text.matches("Mapped").count(), text.matches("Live {").count()), (1, 0));
    assert!(size_of::<Index>() + size_of::<state::Inner>() < 1024);
}

#[test]
fn sets_of_keywords_that_nobody_has_are_left_out_of_the_snapshot() {
    let (bench, mut index) = Bench::with(4);
    let mark = |add: &str| Marks { uids: vec![Span::one(1)], clear: true, add_keywords: vec![add.into()], ..Marks::default() };
    for add in ["a", "b", "c"] {
        index.lock().unwrap().append(&[Op::Flags(mark(add))]).unwrap();
    }
    index.lock().unwrap().snapshot().unwrap();
    let other = bench.open();
    assert_eq!(other.state().keywords().sets().len(), 3);
    assert_eq!(other.state().keywords().names().len(), 5);
    let of = |uid| other.state().message(uid).unwrap().keywords().map(|name| name.to_string()).collect::<Vec<_>>();
    assert_eq!((of(1), of(2), of(3)), (vec!["c".to_owned()], vec!["$Junk".into(), "Later".into()], vec![]));
}

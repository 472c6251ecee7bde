//! Whatever happens to an octet of the files: the same mailbox, an earlier one, or nothing of use; never another.

use std::fs;

use super::files::INDEX;
use super::tests::{Bench, arrival, open, seen};
use super::*;

/// What an index tells.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    head: String,
    messages: Vec<Message>,
}

#[derive(Debug, Clone, PartialEq)]
struct Message {
    core: String,
    text: Vec<u8>,
    cached: Option<Vec<u8>>,
}

impl Told {
    fn by(index: &Index) -> Told {
        let state = index.state();
        let messages = state.messages().map(|entry| Message::told(index, &entry)).collect();
        let vanished = state.vanished_since(state.head().modseq - 3);
        Told { head: format!("{:?} {} {vanished:?}", state.head(), state.doomed().len()), messages }
    }

    /// But for entries of the cache, which may be missed.
    fn is(&self, truth: &Told) -> bool {
        let pairs = || std::iter::zip(&self.messages, &truth.messages);
        self.head == truth.head && self.messages.len() == truth.messages.len() && pairs().all(|(told, truth)| told.is(truth))
    }
}

impl Message {
    fn told(index: &Index, entry: &Entry<'_>) -> Message {
        let place = (entry.uid, entry.modseq, entry.place, entry.len, entry.letters, entry.flags(), entry.traits());
        let core = format!("{place:?} {:?}", entry.keywords().collect::<Vec<_>>());
        Message { core, text: [entry.name(), b" ", entry.uidl_text()].concat(), cached: index.cached(entry) }
    }

    fn is(&self, truth: &Message) -> bool {
        (&self.core, &self.text) == (&truth.core, &truth.text) && (self.cached.is_none() || self.cached == truth.cached)
    }

    /// The same, but for a text that is left out.
    fn is_part_of(&self, truth: &Message) -> bool {
        let text = if self.text == b" " { &truth.text } else { &self.text };
        Message { text: text.clone(), ..self.clone() }.is(truth)
    }
}

/// What one can be told by damaged files: nothing wrong.
fn check(bench: &Bench, truths: &[Told], context: &str) {
    let Some(index) = open(&bench.folder()) else { return };
    let told = Told::by(&index);
    if truths.iter().any(|truth| told.is(truth)) {
        return;
    }
    assert!(index.state().is_damaged(), "{context}: {told:#?}");
    let right = |truth: &Told| told.messages.iter().all(|told| truth.messages.iter().any(|truth| told.is_part_of(truth)));
    assert!(truths.iter().any(|truth| truth.head == told.head && right(truth)), "{context}: {told:#?}");
}

fn example() -> (Bench, Vec<Told>) {
    let (bench, mut index) = Bench::with(5);
    let mut locked = index.lock().unwrap();
    let at = locked.cache(2, b"an entry").unwrap();
    locked.append(&[seen(&[1]), Op::Learnt(vec![Learnt { uid: 2, cache: Some(at), ..Learnt::default() }])]).unwrap();
    locked.append(&[Op::Expunge { uids: vec![Span::one(4)], doomed: true }]).unwrap();
    locked.snapshot().unwrap();
    drop(locked);
    let mut truths = vec![Told::by(&index)];
    for ops in [vec![seen(&[2])], vec![Op::Append(vec![arrival(6)])]] {
        index.lock().unwrap().append(&ops).unwrap();
        truths.push(Told::by(&index));
    }
    (bench, truths)
}

#[test]
fn every_octet_may_be_wrong() {
    let (bench, truths) = example();
    assert_eq!(Told::by(&bench.open()), truths[2]);
    for name in [INDEX, JOURNAL, CACHE] {
        let path = bench.folder().join(name);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            for bits in [1, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= bits;
                fs::write(&path, bad).unwrap();
                check(&bench, &truths, &format!("{name} octet {at}"));
            }
        }
        fs::write(&path, good).unwrap();
    }
}

#[test]
fn files_may_be_cut_or_filled_with_zeros_anywhere() {
    let (bench, truths) = example();
    for name in [INDEX, JOURNAL, CACHE] {
        let path = bench.folder().join(name);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            fs::write(&path, &good[..at]).unwrap();
            check(&bench, &truths, &format!("{name} cut at {at}"));
            fs::write(&path, [&good[..at], &vec![0; good.len() - at]].concat()).unwrap();
            check(&bench, &truths, &format!("{name} zeros from {at}"));
        }
        fs::write(&path, good).unwrap();
    }
}

#[test]
fn what_is_of_no_use_says_why_and_is_made_anew() {
    let (bench, _) = example();
    let path = bench.folder().join(INDEX);
    let good = fs::read(&path).unwrap();
    let with = |at: usize, octet: u8| {
        let mut bad = good.clone();
        bad[at] = octet;
        bad
    };
    let cases = [
        (with(0, b'x'), "the index is no index"),
        (with(8, 99), "the index is of another version"),
        (with(12, 1), "the index is of another kind of machine"),
        (with(100, good[100] ^ 4), "the index is damaged"),
        (good[..good.len() - 1].to_vec(), "the index has another length than it should"),
        (vec![], "the index is too short"),
    ];
    for (bad, expected) in cases {
        fs::write(&path, bad).unwrap();
        match Index::open(&bench.folder(), &super::tests::disk()).unwrap() {
            Found::Useless(why) => assert_eq!(why, expected),
            found => panic!("{expected}: {found:?}"),
        }
    }
    let made = Index::create(&bench.folder(), &super::tests::disk(), &super::tests::state(2)).unwrap();
    assert_eq!((made.state().len(), bench.open().state().len()), (2, 2));
}

#[test]
fn a_damaged_snapshot_is_replaced_and_nothing_is_written_on_it() {
    let (bench, mut index) = Bench::with(400);
    let path = bench.folder().join(INDEX);
    let mut bad = fs::read(&path).unwrap();
    bad[512 + 104 * 200 + 40] ^= 1;
    fs::write(&path, bad).unwrap();
    // This one maps the very same file.
    assert!(index.state().message(201).is_none());
    assert!(index.state().nth(200).is_none());
    assert!(index.state().is_damaged());
    assert_eq!(index.state().messages().count(), 399);
    let mut locked = index.lock().unwrap();
    assert_eq!(locked.append(&[seen(&[1])]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(locked.snapshot().unwrap_err().kind(), io::ErrorKind::InvalidData);
    locked.replace(&super::tests::state(400)).unwrap();
    locked.append(&[seen(&[201])]).unwrap();
    drop(locked);
    assert_eq!(index.state().messages().count(), 400);
}

#[test]
fn a_snapshot_truncated_under_us_is_damaged_and_no_more() {
    let (bench, mut index) = Bench::with(2000);
    fs::OpenOptions::new().write(true).open(bench.folder().join(INDEX)).unwrap().set_len(8192).unwrap();
    let whole = index.state().messages().count();
    assert!((1..2000).contains(&whole), "{whole}");
    assert!(index.state().is_damaged());
    assert!(open(&bench.folder()).is_none());
    assert!(index.lock().unwrap().append(&[seen(&[1])]).is_err());
}

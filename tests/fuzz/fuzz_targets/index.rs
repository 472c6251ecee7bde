//! Snapshots: whatever stands in one, and even if all checksums are right, it can be read, changed and written again.
#![no_main]

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use vmail::store::Flags;
use vmail::store::disk::Disk;
use vmail::store::index::{Arrival, Found, Index, Live, Marks, Op, Record, Span, State, Traits, put_right_sums};

/// One that waits for nothing: no power is cut here.
struct Hasty;

impl Disk for Hasty {
    fn sync(&self, _: &File) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|changes: &[u8]| {
    let disk: Arc<dyn Disk> = Arc::new(Hasty);
    let folder = std::env::temp_dir().join(format!("vmail-fuzz-index-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    drop(Index::create(&folder, &disk, &example()).expect("the folder can be written"));
    let path = folder.join("vmail.index");
    let mut octets = fs::read(&path).expect("just made");
    // Two octets where, one octet what.
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % octets.len();
        octets[at] = change[2];
    }
    put_right_sums(&mut octets);
    fs::write(&path, octets).expect("just made");
    if let Ok(Found::Index(mut index)) = Index::open(&folder, &disk) {
        read(index.state());
        let all = vec![Span { first: 1, last: u32::MAX }];
        let half = vec![Span { first: 70, last: 180 }];
        if let Ok(mut locked) = index.lock() {
            let marks = Marks { uids: all, add: Flags::SEEN, ..Marks::default() };
            let _ = locked.append(&[Op::Flags(marks), Op::Shift { from: 7, by: -3 }, Op::Expunge { uids: half, doomed: true }]);
            read(locked.state());
            let _ = locked.snapshot();
            read(locked.state());
        }
    }
    let _ = fs::remove_dir_all(&folder);
});

fn example() -> State {
    let arrival = |uid| {
        let record = Record { uid, ..Record::default() };
        let keywords = if uid % 2 == 0 { vec!["$Junk".into()] } else { vec![] };
        Arrival { live: Live::new(record, b"name", b"uidl"), keywords }
    };
    State::found(1, 201, [0; 16], (1..201).map(arrival).collect()).expect("it is right")
}

fn read(state: &State) {
    let mut count = 0;
    for entry in state.messages() {
        count += entry.name().len() + entry.uidl_text().len() + entry.keywords().count() + state.position(entry.uid).unwrap_or(0);
    }
    for at in [0, 100, 300] {
        count += state.nth(at).map_or(0, |entry| entry.name().len()) + state.before(at as u32);
    }
    count += state.changed_since(5).count() + state.having(Traits::DIRTY).count() + state.lacking(Traits::SIZED).count();
    std::hint::black_box((count, state.vanished_since(state.head().modseq), state.doomed().len(), state.keywords().names().len()));
}

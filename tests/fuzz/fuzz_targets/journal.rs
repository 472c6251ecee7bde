//! Batches of the journal: what can be read is written the same, and what it does to a mailbox leaves one that hangs together.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmail::store::index::{Arrival, Live, Op, Record, State};

fuzz_target!(|batch: &[u8]| {
    let Some(ops) = Op::read(batch) else { return };
    let again = Op::write(&ops);
    // Once more, for a record may say what nobody wrote: where its name is.
    assert_eq!(Op::read(&again).map(|ops| Op::write(&ops)), Some(again));
    let arrival = |uid| Arrival { live: Live::new(Record { uid, ..Record::default() }, b"name", b""), keywords: vec!["$Junk".into()] };
    let before = State::found(1, 200, [0; 16], (1..200).map(arrival).collect()).expect("it is right");
    let Ok(after) = before.after(ops) else { return };
    let uids: Vec<u32> = after.messages().map(|entry| entry.uid).collect();
    assert!(uids.is_sorted_by(|a, b| a < b) && uids.last().is_none_or(|last| *last < after.head().uidnext));
    assert_eq!((uids.len(), uids.len() as u64), (after.len(), after.head().totals.messages));
    for (at, uid) in uids.iter().enumerate() {
        assert_eq!((after.position(*uid), after.nth(at).map(|entry| entry.uid)), (Some(at), Some(*uid)));
    }
});

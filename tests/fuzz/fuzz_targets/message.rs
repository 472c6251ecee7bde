//! Messages: however one is cut, the same is found in it, its parts lie within each other, and the binary form gives back what was found.
//! The same octets as a binary form are refused or read, never more.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmail::message::{EntryRef, Kind, Scanned, Scanner};

fuzz_target!(|data: &[u8]| {
    if let Some(entry) = EntryRef::decode(data) {
        entry.to_entry();
    }
    // The first octets say where the rest, the message, is cut.
    let (cuts, message) = data.split_at(data.len().min(4));
    let found = scan(&[message]);
    let mut pieces = Vec::new();
    let mut rest = message;
    for cut in cuts.iter().cycle().take(message.len()) {
        let (piece, after) = rest.split_at(usize::from(*cut).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    assert_eq!(scan(&pieces), found);
    let encoded = found.entry.encode();
    assert_eq!(EntryRef::decode(&encoded).and_then(|entry| entry.to_entry()).as_ref(), Some(&found.entry));
    assert_eq!(found.len, message.len() as u64);
    for part in &found.entry.parts {
        let Some(outer) = part.parent.map(|parent| &found.entry.parts[usize::from(parent)]) else { continue };
        assert!(outer.kind != Kind::Leaf && outer.body <= part.header && part.body + part.len <= outer.body + outer.len, "{part:?}");
    }
    assert!(found.entry.preview.chars().count() <= 200);
});

fn scan(pieces: &[&[u8]]) -> Scanned {
    let mut scanner = Scanner::new();
    pieces.iter().for_each(|piece| scanner.feed(piece));
    scanner.finish()
}

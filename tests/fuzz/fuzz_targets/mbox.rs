//! Spool files: whatever stands in one, it is the same messages however it is read, in order, one after the other, inside the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmail::store::mbox::scan::{LEAST, scan};

fuzz_target!(|file: &[u8]| {
    let found = scan(file, usize::MAX / 2);
    let mut end = 0;
    for message in &found {
        assert!(message.offset >= end && message.end() <= file.len() as u64, "{found:?}");
        end = message.end();
    }
    // Longer than one read, so that the pieces end at other places.
    let mut long = file.to_vec();
    while !file.is_empty() && long.len() < 3 * LEAST {
        long.extend_from_slice(file);
    }
    assert_eq!(scan(&long, LEAST), scan(&long, usize::MAX / 2));
});

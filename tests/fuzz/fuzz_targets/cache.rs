//! Cache files: wherever one is read, there is an entry of that message or nothing.
#![no_main]

use std::fs;
use std::io::Write;

use libfuzzer_sys::fuzz_target;
use vmail::store::disk::Machine;
use vmail::store::index::{Cache, Record};

fuzz_target!(|octets: &[u8]| {
    let path = std::env::temp_dir().join(format!("vmail-fuzz-{}.cache", std::process::id()));
    let cache = Cache::create(&Machine, &path, 1, 2).expect("the folder can be written");
    let start = fs::metadata(&path).expect("just made").len();
    fs::File::options().append(true).open(&path).and_then(|mut file| file.write_all(octets)).expect("just made");
    let at = cache.append(&Machine, &[(7, octets.to_vec())]).expect("it is not too large")[0];
    assert_eq!(cache.read(&Record { uid: 7, cache: at, ..Record::default() }).as_deref(), Some(octets));
    for place in 0..at {
        let found = cache.read(&Record { uid: 7, cache: place, ..Record::default() });
        assert!(found.is_none_or(|entry| place >= start && place + entry.len() as u64 <= at));
    }
    assert!(Cache::open(&path, 1, 3).is_none() && Cache::open(&path, 1, 2).is_some());
    let _ = fs::remove_file(&path);
});

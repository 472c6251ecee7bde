//! Configuration and account files: a text is read or refused with its place, and what was read says the same when it is written.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use vmail::config::{DomainRecord, Machine};
use vmail::vdomain::{Passwd, Shadow};

fuzz_target!(|octets: &[u8]| {
    let file = Path::new("file");
    Passwd::parse(octets, file);
    Shadow::parse(octets, file);
    let Ok(text) = std::str::from_utf8(octets) else { return };
    match Machine::parse(text, file) {
        Ok(machine) => assert_eq!(Machine::parse(&machine.to_toml(), file).ok(), Some(machine)),
        Err(fault) => assert!(fault.to_string().starts_with("file"), "{fault}"),
    }
    if let Err(fault) = DomainRecord::parse(text, file) {
        assert!(fault.to_string().starts_with("file"), "{fault}");
    }
});

//! POP3 lines: no line panics, verbs are known in any case, and numbers are what they look like.
#![no_main]

use std::mem::discriminant;

use libfuzzer_sys::fuzz_target;
use vmail::pop3::command::{Command, parse};

fuzz_target!(|line: &[u8]| {
    let end = line.iter().position(|octet| *octet == b' ').unwrap_or(line.len());
    let mut folded = line.to_vec();
    folded[..end].make_ascii_lowercase();
    match (parse(line), parse(&folded)) {
        (Ok(one), Ok(other)) => assert_eq!(discriminant(&one), discriminant(&other)),
        (Err(one), Err(other)) => assert_eq!(one, other),
        (one, other) => panic!("{one:?}, but in lower case {other:?}"),
    }
    if let Ok(Command::Retr(number) | Command::Dele(number)) = parse(line) {
        assert_eq!(std::str::from_utf8(&line[end + 1..]).ok().and_then(|text| text.parse().ok()), Some(number.0));
    }
});

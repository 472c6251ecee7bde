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
        // Blanks around it are forgiven; a number beyond all numbers is the highest.
        let digits = std::str::from_utf8(&line[end + 1..]).unwrap().trim_matches([' ', '\t']);
        assert!(!digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit()));
        assert_eq!(digits.parse().unwrap_or(u64::MAX), number.0);
    }
});

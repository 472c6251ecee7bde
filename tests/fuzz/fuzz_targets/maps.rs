//! Tables of addresses: what was read is found again, remarks name lines that are there, and every question has an answer. A NUL separates
//! the table from the questions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmail::maps::{self, Class, Genericstable, Kind, Tables, Virtmaps, Virtusertable};
use vmail::vdomain::aliases;

fuzz_target!(|octets: &[u8]| {
    let cut = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
    let (table, questions) = octets.split_at(cut);
    let text = maps::text(table);
    let (virtmaps, remarks) = Virtmaps::parse(&text);
    assert!(virtmaps.entries().len() + remarks.wrong() <= text.lines().count());
    for entry in virtmaps.entries() {
        assert_eq!(virtmaps.find(&entry.key).map(|found| found.line), Some(entry.line), "{}", entry.key);
    }
    let tables = || Tables {
        host: "mail.example.net".into(),
        local: Class::parse(&text).0,
        generic: Class::parse(&text).0,
        virtusers: Virtusertable::parse(&text).0,
        generics: Genericstable::parse(&text).0,
        aliases: aliases::parse(table).0,
        ..Tables::default()
    };
    for kind in [Kind::Virtmaps, Kind::Virtusertable, Kind::Genericstable, Kind::Domains, Kind::RelayDomains, Kind::Aliases] {
        let lines = text.split('\n').count();
        assert!(kind.check(&text, tables()).iter().all(|remark| (1..=lines).contains(&remark.line)));
    }
    let tables = tables();
    for question in String::from_utf8_lossy(questions).split('\n') {
        let answer = tables.answer(question.trim_start_matches('\0')).unwrap_or_default();
        assert!(answer.is_empty() || answer.ends_with('\n'), "{question:?}: {answer:?}");
    }
});

//! The lists beside a Maildir: whatever stands in one, what was read of it says the same when it is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmail::store::maildir::keywords::{self, Letters};
use vmail::store::maildir::subscriptions::Subscriptions;
use vmail::store::maildir::{courier, uidlist};
use vmail::store::name::disk::{Encoding, Layout, Naming};

fuzz_target!(|file: &[u8]| {
    uids(file);
    let letters = Letters::parse(file);
    assert_eq!(Letters::parse(&letters.write()), letters);
    changes(file);
    subscriptions(file);
    courier::Sizes::parse(file).for_each(|found| assert!(found.uidl().bytes().all(|octet| octet.is_ascii_graphic())));
    courier::KeywordList::parse(file).messages().for_each(|(_, names)| names.for_each(|name| assert!(keywords::is_keyword(name))));
    courier::keywords(file).iter().for_each(|name| assert!(keywords::is_keyword(name)));
    courier::newest(file.split(|&octet| octet == b'\n'));
});

fn uids(file: &[u8]) {
    let Ok((header, mut records)) = uidlist::read(file) else { return };
    let found: Vec<_> = records.by_ref().collect();
    assert!(found.is_sorted_by(|one, other| one.uid < other.uid) && records.good() <= file.len());
    let mut written = Vec::new();
    header.write(&mut written);
    found.iter().for_each(|record| record.write(&mut written).unwrap());
    let (again, mut copies) = uidlist::read(&written).unwrap();
    assert_eq!(
        (again.uidvalidity, again.next_uid, again.guid, again.other),
        (header.uidvalidity, header.next_uid, header.guid, header.other)
    );
    for record in &found {
        let copy = copies.next().unwrap();
        assert_eq!((copy.uid, copy.base), (record.uid, record.base));
        assert!(copy.fields().eq(record.fields()));
    }
    assert!(copies.next().is_none() && !copies.is_damaged());
    assert_eq!(copies.good(), written.len());
}

fn changes(file: &[u8]) {
    for change in keywords::read(file) {
        let mut line = Vec::new();
        keywords::write(&mut line, &change.base, change.keywords()).unwrap();
        let again = keywords::read(&line).next().unwrap();
        assert!(again.base == change.base && again.keywords().eq(change.keywords()));
    }
}

fn subscriptions(file: &[u8]) {
    for layout in [Layout::Maildir, Layout::Mbox] {
        let naming = Naming { layout, encoding: if file.len() % 2 == 0 { Encoding::Utf7 } else { Encoding::Utf8 } };
        for read in [Subscriptions::parse(file, naming), Subscriptions::parse_courier(file, naming)] {
            assert_eq!(Subscriptions::parse(&read.write(), naming), read);
        }
    }
}

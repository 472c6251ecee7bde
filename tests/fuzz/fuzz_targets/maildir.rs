//! Names of folders and files: none is lost, and what we would write is read as what it was.
#![no_main]

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use libfuzzer_sys::fuzz_target;
use vmail::store::FolderName;
use vmail::store::maildir::name::{Birth, FileName, Form, Marks, by_arrival, promised};
use vmail::store::name::disk::{Encoding, Layout, Naming};
use vmail::store::name::utf7;

fuzz_target!(|octets: &[u8]| {
    files(octets);
    if let Some(text) = utf7::decode(octets) {
        assert_eq!(utf7::encode(&text).as_bytes(), octets);
    }
    if let Ok(text) = std::str::from_utf8(octets) {
        assert_eq!(utf7::decode(utf7::encode(text).as_bytes()).as_deref(), Some(text));
    }
    for encoding in [Encoding::Utf7, Encoding::Utf8] {
        for layout in [Layout::Maildir, Layout::Mbox] {
            folders(octets, Naming { layout, encoding });
        }
    }
});

fn files(octets: &[u8]) {
    let name = FileName::parse(OsStr::from_bytes(octets));
    let changed = name.with(Marks { passed: !name.marks().passed, ..name.marks() });
    let changed = FileName::parse(&changed);
    assert_eq!(changed.base(), name.base());
    assert_ne!(changed.marks(), name.marks());
    let back = changed.with(name.marks());
    assert_eq!(FileName::parse(&back).marks(), name.marks());
    match name.form() {
        Form::Canonical => assert_eq!(back.as_bytes(), octets),
        Form::Bare => assert_eq!(name.base(), octets),
        Form::Odd => {}
    }
    let (one, other) = octets.split_at(octets.len() / 2);
    assert_eq!(by_arrival(one, other), by_arrival(other, one).reverse());
    // A promise is only what stands in a name of ours.
    if let Some(uidl) = promised(octets) {
        let host = std::str::from_utf8(octets).unwrap_or("");
        let birth = Birth { seconds: 1, micros: 2, pid: 3, nth: 4, promised: Some(uidl), host };
        assert_eq!(promised(birth.base(5, None).as_bytes()), Some(uidl));
    }
}

fn folders(octets: &[u8], naming: Naming) {
    if let Some(name) = std::str::from_utf8(octets).ok().and_then(|text| FolderName::parse(text, '/').ok()) {
        assert_eq!(FolderName::parse(&name.display('/').to_string(), '/').as_ref(), Ok(&name));
        assert!(name.parent().is_none_or(|above| name.starts_with(&above) && above.child(name.last()) == Ok(name.clone())));
        if let Some(path) = naming.path(&name).ok().filter(|path| !path.is_empty()) {
            assert_eq!(naming.name(path.as_bytes()), Some(name));
        }
    }
    let paths: BTreeSet<OsString> =
        octets.split(|&octet| octet == b'\n').filter(|path| path.len() < 256).map(|path| OsStr::from_bytes(path).to_owned()).collect();
    let folders = paths.iter().filter(|path| is_folder(path.as_bytes(), naming.layout)).count();
    let listing = naming.listing(paths);
    assert_eq!(listing.len(), folders);
    assert!(!listing.contains_key(&FolderName::inbox()));
}

fn is_folder(path: &[u8], layout: Layout) -> bool {
    match layout {
        Layout::Maildir => {
            path.starts_with(b".") && !path.starts_with(b".nfs") && ![&b"."[..], b"..", b"..DOVECOT-TRASHED"].contains(&path)
        }
        Layout::Mbox => {
            let mut parts = path.split(|&octet| octet == b'/');
            let hidden = parts.clone().any(|part| part.starts_with(b"."));
            let first = parts.next().unwrap_or_default();
            let kept_beside = first == b"vmail-special" || first == b"dovecot-uidvalidity" || first.starts_with(b"dovecot-uidvalidity.");
            !path.is_empty() && !path.ends_with(b".lock") && !kept_beside && !hidden
        }
    }
}

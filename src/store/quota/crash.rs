//! A death at every write: each deed is done or not done, and what is said again is right.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::layout::TABLES_AT;
use super::tests::{check, of, quota, user};
use super::*;

/// A disk that stops after some writes. Half of a slot may still be written then; a page in memory is written whole or not at all.
struct Plug {
    left: Arc<AtomicUsize>,
    half: bool,
}

impl Disk for Plug {
    fn write(&self, file: &File, octets: &[u8], at: u64) -> io::Result<()> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match left {
            Ok(_) => Machine.write(file, octets, at),
            Err(_) => {
                if self.half && at >= TABLES_AT {
                    Machine.write(file, &octets[..octets.len() / 2], at)?;
                }
                Err(io::Error::other("the process died"))
            }
        }
    }
}

const LIMITS: Allowance =
    Allowance { inbox: None, storage: Some(1 << 30), messages: None, domain_storage: Some(1 << 40), domain_messages: None };

/// What the deeds begin with.
fn begin(quota: &Quota) {
    // Just before the table grows.
    (0..22).for_each(|number| quota.set(&user(&format!("u{number}")), "INBOX", of(10, 1)).unwrap());
    quota.set(&user("u0"), "Sent", of(10, 1)).unwrap();
    quota.set(&user("joe"), "INBOX", of(100, 10)).unwrap();
    quota.set(&user("joe"), "old", of(50, 5)).unwrap();
}

/// A deed, and the total of joe that it leads to.
type Deed = (&'static str, fn(&Quota) -> Result<(), Trouble>, Usage);

const DEEDS: [Deed; 7] = [
    ("set", |quota| quota.set(&user("joe"), "INBOX", of(90, 9)), Usage { octets: 140, messages: 14 }),
    ("grow", |quota| quota.set(&user("joe"), "one more", of(1, 1)), Usage { octets: 151, messages: 16 }),
    (
        "deliver",
        |quota| quota.reserve(&user("joe"), "INBOX", of(7, 1), &LIMITS)?.unwrap().commit(of(107, 11)),
        Usage { octets: 157, messages: 16 },
    ),
    ("rename", |quota| quota.rename_folder(&user("joe"), "old", "new"), Usage { octets: 150, messages: 15 }),
    ("rename over", |quota| quota.rename_folder(&user("joe"), "old", "INBOX"), Usage { octets: 50, messages: 5 }),
    ("forget", |quota| quota.forget_user(&user("joe")), Usage { octets: 0, messages: 0 }),
    ("recount", |quota| quota.recompute([Ok((&user("joe"), "INBOX".to_owned(), of(3, 3)))]), Usage { octets: 3, messages: 3 }),
];

#[test]
fn a_death_at_any_write_leaves_a_deed_done_or_not_done() {
    for ((name, deed, after), half) in DEEDS.into_iter().flat_map(|deed| [(deed, false), (deed, true)]) {
        let mut stops = 0;
        loop {
            let folder = tempfile::tempdir().unwrap();
            begin(&quota(folder.path()));
            let left = Arc::new(AtomicUsize::new(usize::MAX));
            let dying = Quota::on(folder.path(), &"va.test".parse().unwrap(), Box::new(Plug { left: Arc::clone(&left), half }));
            let before = dying.usage(&user("joe")).unwrap();
            left.store(stops, Ordering::Relaxed);
            let outcome = deed(&dying);
            // A dead process says nothing more, not even that it gives back what it had reserved.
            drop(dying);
            let again = quota(folder.path());
            check(&again);
            let now = again.usage(&user("joe")).unwrap();
            // A recount says what it knows folder by folder.
            let is_between = name == "recount" && [3, 53].contains(&now.octets);
            assert!(now == after || (outcome.is_err() && (now == before || is_between)), "{name}, stopped at {stops}: {now:?}");
            again.set(&user("joe"), "INBOX", of(1, 1)).unwrap();
            assert_eq!(again.folder_usage(&user("joe"), "INBOX").unwrap(), of(1, 1));
            check(&again);
            if outcome.is_ok() {
                assert!(stops > 0, "{name}");
                break;
            }
            stops += 1;
        }
    }
}

#[test]
fn a_death_at_any_write_of_the_first_deed_leaves_a_counter_that_works() {
    for stops in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let plug = Plug { left: Arc::new(AtomicUsize::new(stops)), half: true };
        let dying = Quota::on(folder.path(), &"va.test".parse().unwrap(), Box::new(plug));
        let is_done = dying.set(&user("joe"), "INBOX", of(5, 1)).is_ok();
        let again = quota(folder.path());
        check(&again);
        assert!(!is_done || again.usage(&user("joe")).unwrap() == of(5, 1));
        again.set(&user("joe"), "INBOX", of(5, 1)).unwrap();
        assert_eq!(again.domain_usage().unwrap(), of(5, 1));
        assert!(!folder.path().join(".va.test.damaged").exists(), "{stops}");
    }
}

//! What is promised of quotas, against a simple model, and by many who hurry.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::layout::{Header, Held, Slot, TABLES_AT};
use super::*;

pub(super) fn quota(folder: &Path) -> Quota {
    Quota::open(folder, &"va.test".parse().unwrap())
}

pub(super) fn user(name: &str) -> User {
    name.parse().unwrap()
}

pub(super) fn of(octets: u64, messages: u64) -> Usage {
    Usage { octets, messages }
}

/// The totals are what the folders add up to, and every slot is found where it is looked for.
pub(super) fn check(quota: &Quota) {
    let checked = quota.locked(|page| {
        let mut octets = vec![0; page.header.capacity as usize * Slot::LEN];
        page.file.read_exact_at(&mut octets, page.header.table)?;
        let slots: Vec<Slot> = octets.chunks_exact(Slot::LEN).map(|octets| Slot::read(octets.try_into().unwrap()).unwrap()).collect();
        let (mut totals, mut all): (HashMap<u64, Usage>, Usage) = Default::default();
        for slot in slots.iter().filter(|slot| !slot.is_free()) {
            assert_eq!(page.usage(slot.user, slot.folder)?, slot.usage);
            if !slot.is_total() {
                *totals.entry(slot.user).or_default() = totals.get(&slot.user).copied().unwrap_or_default().and(slot.usage);
                all = all.and(slot.usage);
            }
        }
        totals.iter().for_each(|(user, total)| assert_eq!(page.usage(*user, 0).unwrap(), *total));
        assert_eq!(page.header.total, all);
        assert_eq!(page.header.used, slots.iter().filter(|slot| !slot.is_free()).count() as u64);
        Ok(())
    });
    checked.unwrap();
}

fn messages(limit: u64) -> Allowance {
    Allowance { domain_messages: Some(limit), ..Allowance::default() }
}

#[test]
fn a_limit_may_be_reached_but_not_exceeded() {
    let folder = tempfile::tempdir().unwrap();
    let (quota, joe, ann) = (quota(folder.path()), user("joe"), user("ann"));
    let allowance = Allowance { inbox: Some(100), storage: Some(200), messages: Some(9), domain_storage: Some(250), domain_messages: None };
    let reserve = |user: &User, folder: &str, octets| quota.reserve(user, folder, of(octets, 1), &allowance).unwrap();
    assert_eq!(reserve(&joe, "INBOX", 101).err(), Some(Over { scope: Scope::Inbox, resource: Resource::Storage, used: 0, limit: 100 }));
    let first = reserve(&joe, "inbox", 60).unwrap();
    assert_eq!(reserve(&joe, "INBOX", 41).err().map(|over| (over.scope, over.used)), Some((Scope::Inbox, 60)));
    first.commit(of(60, 1)).unwrap();
    reserve(&joe, "INBOX", 40).unwrap().commit(of(100, 2)).unwrap();
    assert!(reserve(&joe, "INBOX", 1).is_err());
    reserve(&joe, "Sent", 100).unwrap().commit(of(100, 1)).unwrap();
    let over = reserve(&joe, "Sent", 1).err().unwrap();
    assert_eq!(over, Over { scope: Scope::User, resource: Resource::Storage, used: 200, limit: 200 });
    assert_eq!(over.to_string(), "over quota: the user has 200 of 200 octets");
    let held = reserve(&ann, "INBOX", 50).unwrap();
    assert_eq!(reserve(&ann, "INBOX", 1).err().map(|over| (over.scope, over.used)), Some((Scope::Domain, 250)));
    drop(held);
    reserve(&ann, "INBOX", 50).unwrap().commit(of(50, 1)).unwrap();
    assert_eq!((quota.usage(&joe).unwrap(), quota.domain_usage().unwrap()), (of(200, 3), of(250, 4)));
    check(&quota);
}

#[test]
fn messages_are_limited_as_octets_are_and_what_brings_none_is_never_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (quota, joe) = (quota(folder.path()), user("joe"));
    let allowance = Allowance { messages: Some(1), storage: Some(10), ..Allowance::default() };
    quota.set(&joe, "INBOX", of(30, 3)).unwrap();
    let over = quota.reserve(&joe, "a", of(0, 1), &allowance).unwrap().err().unwrap();
    assert_eq!(over, Over { scope: Scope::User, resource: Resource::Messages, used: 3, limit: 1 });
    drop(quota.reserve(&joe, "a", of(0, 0), &allowance).unwrap().unwrap());
    // Lowered limits refuse what comes, not what goes.
    quota.set(&joe, "INBOX", of(20, 2)).unwrap();
    quota.set(&joe, "INBOX", of(0, 0)).unwrap();
    drop(quota.reserve(&joe, "a", of(10, 1), &allowance).unwrap().unwrap());
}

#[test]
fn kibibytes_are_rounded_up() {
    assert_eq!([0, 1, 1024, 1025].map(|octets| of(octets, 0).kibibytes()), [0, 1, 1, 2]);
}

#[test]
fn who_is_not_limited_leaves_no_trace_until_mail_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let quota = quota(folder.path());
    let free = quota.reserve(&user("joe"), "INBOX", of(u64::MAX, 1), &Allowance::default()).unwrap().unwrap();
    quota.forget_user(&user("joe")).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    free.commit(of(5, 1)).unwrap();
    assert_eq!(quota.usage(&user("joe")).unwrap(), of(5, 1));
}

#[test]
fn sixty_four_threads_never_exceed_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (shared, stored, start) = (quota(folder.path()), AtomicU64::new(0), Barrier::new(64));
    std::thread::scope(|scope| {
        for number in 0..64 {
            let (shared, stored, start) = (&shared, &stored, &start);
            // Half of them as if in processes of their own.
            let quota = if number % 2 == 0 { shared.clone() } else { quota(folder.path()) };
            scope.spawn(move || {
                start.wait();
                let joe = user(&format!("u{number}"));
                for count in 1..=50 {
                    let Ok(room) = quota.reserve(&joe, "INBOX", of(10, 1), &messages(1000)).unwrap() else { break };
                    assert!(shared.domain_usage().unwrap().messages < 1000);
                    room.commit(of(count * 10, count)).unwrap();
                    stored.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(stored.into_inner(), 1000);
    assert_eq!(shared.domain_usage().unwrap(), of(10_000, 1000));
    check(&shared);
}

/// Runs the test `name` in a process of its own, where [`place`] tells that it is meant.
fn process(name: &str, folder: &Path, seed: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("store::quota::tests::{name}"), "--nocapture"]);
    command.env("QUOTA_FOLDER", folder).env("QUOTA_SEED", seed.to_string()).stdout(Stdio::null()).spawn().unwrap()
}

/// Where a process that a test has started is to work, and its number.
fn place() -> Option<(PathBuf, u64)> {
    Some((std::env::var_os("QUOTA_FOLDER")?.into(), std::env::var("QUOTA_SEED").ok()?.parse().ok()?))
}

#[test]
fn child_that_stores_until_the_domain_is_full() {
    let Some((folder, number)) = place() else { return };
    let (quota, joe) = (quota(&folder), user(&format!("u{number}")));
    for count in 1.. {
        let Ok(room) = quota.reserve(&joe, "INBOX", of(10, 1), &messages(500)).unwrap() else { return };
        room.commit(of(count * 10, count)).unwrap();
    }
}

#[test]
fn several_processes_never_exceed_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<Child> = (0..4).map(|number| process("child_that_stores_until_the_domain_is_full", folder.path(), number)).collect();
    children.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
    let quota = quota(folder.path());
    assert_eq!(quota.domain_usage().unwrap(), of(5000, 500));
    check(&quota);
}

#[test]
fn child_that_holds_a_reservation() {
    let Some((folder, _)) = place() else { return };
    let quota = quota(&folder);
    let _rooms: Vec<_> = (0..200).map(|_| quota.reserve(&user("joe"), "INBOX", of(1, 1), &messages(200)).unwrap().unwrap()).collect();
    fs::write(folder.join("ready"), "").unwrap();
    std::thread::sleep(Duration::from_secs(600));
}

fn wait_for(path: &Path) {
    let since = Instant::now();
    while !path.exists() {
        assert!(since.elapsed() < Duration::from_secs(60), "{} does not come", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_a_killed_process_had_reserved_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = process("child_that_holds_a_reservation", folder.path(), 0);
    wait_for(&folder.path().join("ready"));
    let quota = quota(folder.path());
    let over = quota.reserve(&user("ann"), "INBOX", of(1, 1), &messages(200)).unwrap().err().unwrap();
    assert_eq!(over.used, 200);
    child.kill().unwrap();
    child.wait().unwrap();
    let rooms: Vec<_> = (0..200).map(|_| quota.reserve(&user("ann"), "INBOX", of(1, 1), &messages(200)).unwrap().unwrap()).collect();
    assert!(quota.reserve(&user("ann"), "INBOX", of(1, 1), &messages(200)).unwrap().is_err());
    drop(rooms);
    drop(quota.reserve(&user("ann"), "INBOX", of(1, 1), &messages(200)).unwrap().unwrap());
    assert_eq!(quota.locked(|page| Ok((page.held()?, page.header.high))).unwrap(), (vec![], 0));
}

#[test]
fn child_that_changes_figures_for_ever() {
    let Some((folder, seed)) = place() else { return };
    let (quota, mut dice) = (quota(&folder), seed);
    fs::write(folder.join("ready"), "").unwrap();
    loop {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (joe, folder) = (user(&format!("u{}", dice >> 40 & 31)), format!("f{}", dice >> 50 & 7));
        match dice >> 60 {
            0 => quota.rename_folder(&joe, &folder, "other").unwrap(),
            1 => quota.forget_user(&joe).unwrap(),
            _ => quota.set(&joe, &folder, of(dice >> 33 & 0xffff, dice >> 36 & 15)).unwrap(),
        }
    }
}

#[test]
fn a_killed_process_leaves_figures_that_add_up() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..12 {
        let _ = fs::remove_file(folder.path().join("ready"));
        let mut child = process("child_that_changes_figures_for_ever", folder.path(), seed);
        wait_for(&folder.path().join("ready"));
        std::thread::sleep(Duration::from_micros(3000 + seed * 777));
        child.kill().unwrap();
        child.wait().unwrap();
        check(&quota(folder.path()));
    }
}

#[test]
fn a_counter_that_is_moved_removed_or_replaced_is_followed_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (quota, joe) = (quota(folder.path()), user("joe"));
    let path = folder.path().join("va.test");
    quota.set(&joe, "INBOX", of(1, 1)).unwrap();
    fs::rename(&path, folder.path().join("vb.test")).unwrap();
    let room = quota.reserve(&joe, "INBOX", of(1, 1), &messages(1)).unwrap().unwrap();
    assert_eq!(quota.usage(&joe).unwrap(), of(0, 0));
    fs::remove_file(&path).unwrap();
    drop(room);
    assert!(!quota.is_complete().unwrap());
    let other = Quota::open(folder.path(), &"vb.test".parse().unwrap());
    assert_eq!(other.usage(&joe).unwrap(), of(1, 1));
}

#[test]
fn a_recount_replaces_everything_but_what_is_newer() {
    let folder = tempfile::tempdir().unwrap();
    let (quota, joe, ann) = (quota(folder.path()), user("joe"), user("ann"));
    for (user, folder) in [(&joe, "INBOX"), (&joe, "gone"), (&joe, "emptied"), (&ann, "INBOX")] {
        quota.set(user, folder, of(7, 7)).unwrap();
    }
    assert!(!quota.is_complete().unwrap());
    let counted = [(&joe, "INBOX", of(5, 2)), (&joe, "emptied", of(7, 7)), (&ann, "new", of(3, 1)), (&ann, "INBOX", of(9, 9))];
    let lazily = counted.into_iter().map(|(user, folder, usage)| {
        if folder == "new" {
            // Between the look at a folder and the word about it, others go on.
            quota.set(&ann, "INBOX", of(8, 8)).unwrap();
            quota.set(&joe, "arrived", of(1, 1)).unwrap();
        } else if folder == "emptied" {
            quota.set(&joe, "emptied", of(0, 0)).unwrap();
            // A table that grows meanwhile.
            (0..100).for_each(|number| quota.set(&user_of(number), "x", of(0, 0)).unwrap());
        }
        Ok((user, folder.to_owned(), usage))
    });
    quota.recompute(lazily).unwrap();
    assert_eq!((quota.usage(&joe).unwrap(), quota.usage(&ann).unwrap()), (of(6, 3), of(11, 9)));
    assert!(quota.is_complete().unwrap());
    check(&quota);
    assert!(quota.recompute([Err(Trouble::Gone("x".into()))]).is_err());
    assert_eq!(quota.domain_usage().unwrap(), of(17, 12));
}

fn user_of(number: usize) -> User {
    user(&format!("user{number}"))
}

/// The counter as after a start of the machine: with what `change` makes of its octets, and of another time.
fn restarted(folder: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join("va.test");
    let mut octets = fs::read(&path).unwrap();
    let mut header = Header::read(octets[..Header::LEN].try_into().unwrap()).unwrap();
    header.boot = [9; 16];
    octets[..Header::LEN].copy_from_slice(&header.write());
    change(&mut octets);
    fs::write(&path, octets).unwrap();
}

#[test]
fn a_start_of_the_machine_ends_reservations_and_adds_up_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (quota, joe) = (quota(folder.path()), user("joe"));
    quota.recompute([Ok((&joe, "INBOX".to_owned(), of(10, 1)))]).unwrap();
    let room = quota.reserve(&joe, "INBOX", of(5, 5), &messages(6)).unwrap().unwrap();
    restarted(folder.path(), |_| {});
    drop(quota.reserve(&joe, "INBOX", of(5, 5), &messages(6)).unwrap().unwrap());
    assert!(quota.is_complete().unwrap());
    drop(room);
    // A slot that had not reached the disk: what is known of it is missing, and said to be.
    restarted(folder.path(), |octets| octets[TABLES_AT as usize..].fill(0));
    assert_eq!((quota.domain_usage().unwrap(), quota.is_complete().unwrap()), (of(0, 0), false));
    quota.set(&joe, "INBOX", of(10, 1)).unwrap();
    assert_eq!(quota.domain_usage().unwrap(), of(10, 1));
    check(&quota);
}

#[test]
fn foreign_files_are_set_aside_and_damage_is_never_taken_for_figures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("va.test");
    for foreign in [b"hello".to_vec(), vec![0; 1 << 20], b"vmquota\x02".repeat(1000), vec![255; 300_000]] {
        fs::write(&path, &foreign).unwrap();
        let quota = quota(folder.path());
        quota.set(&user("joe"), "INBOX", of(1, 1)).unwrap();
        assert_eq!((quota.domain_usage().unwrap(), quota.is_complete().unwrap()), (of(1, 1), false));
        assert_eq!(fs::read(folder.path().join(".va.test.damaged")).unwrap(), foreign);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn damaged_octets_and_cut_files_never_panic_and_lead_back_to_right_figures(
        wounds in prop::collection::vec((0usize..TABLES_AT as usize + 64 * Slot::LEN, any::<u8>(), 1usize..100), 1..6),
        cut in prop::option::of(0u64..TABLES_AT + 64 * Slot::LEN as u64),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (quota, joe) = (quota(folder.path()), user("joe"));
        quota.recompute([Ok((&joe, "INBOX".to_owned(), of(10, 1)))]).unwrap();
        let path = folder.path().join("va.test");
        let file = fs::File::options().write(true).open(&path).unwrap();
        wounds.iter().for_each(|(at, octet, len)| file.write_all_at(&vec![*octet; *len], *at as u64).unwrap());
        cut.into_iter().for_each(|cut| file.set_len(cut).unwrap());
        for name in ["INBOX", "a", "b"] {
            let room = quota.reserve(&joe, name, of(1, 1), &messages(1 << 40)).unwrap();
            if let Ok(room) = room {
                room.commit(of(3, 1)).unwrap();
            }
            quota.set(&joe, name, of(3, 1)).unwrap();
        }
        prop_assert_eq!(quota.usage(&joe).unwrap(), of(9, 3));
        quota.recompute([Ok((&joe, "INBOX".to_owned(), of(10, 1)))]).unwrap();
        prop_assert_eq!(quota.domain_usage().unwrap(), of(10, 1));
        check(&quota);
    }
}

#[derive(Debug, Clone)]
enum Deed {
    Set(u8, u8, u16, u8),
    Reserve(u8, u8, u16, u8),
    Commit(u8),
    Drop(u8),
    RenameFolder(u8, u8, u8),
    RenameUser(u8),
    Forget(u8),
    Recount,
    Reopen,
}

fn deed() -> impl Strategy<Value = Deed> {
    let (user, folder) = (0u8..6, 0u8..20);
    prop_oneof![
        8 => (user.clone(), folder.clone(), 0u16..2000, 0u8..20).prop_map(|(u, f, o, m)| Deed::Set(u, f, o, m)),
        6 => (user.clone(), folder.clone(), 0u16..2000, 0u8..20).prop_map(|(u, f, o, m)| Deed::Reserve(u, f, o, m)),
        4 => any::<u8>().prop_map(Deed::Commit),
        2 => any::<u8>().prop_map(Deed::Drop),
        2 => (user.clone(), folder.clone(), folder).prop_map(|(u, f, g)| Deed::RenameFolder(u, f, g)),
        1 => user.clone().prop_map(Deed::RenameUser),
        1 => user.prop_map(Deed::Forget),
        1 => Just(Deed::Recount),
        1 => Just(Deed::Reopen),
    ]
}

type Model = BTreeMap<(u8, u8), Usage>;

fn sum<'a>(usages: impl Iterator<Item = &'a Usage>) -> Usage {
    usages.fold(Usage::default(), |sum, usage| sum.and(*usage))
}

fn folder_of(number: u8) -> String {
    if number == 0 { "INBOX".to_owned() } else { format!("folder {number}") }
}

const LIMITS: Allowance =
    Allowance { inbox: Some(3000), storage: Some(9000), messages: Some(100), domain_storage: Some(30_000), domain_messages: Some(300) };

/// What the model would answer.
fn refuses(model: &Model, open: &[(u8, u8, Usage, Reservation)], user: u8, folder: u8, more: Usage) -> Option<(Scope, Resource)> {
    let used = |is_it: &dyn Fn(u8, u8) -> bool| {
        let there = model.iter().filter(|((u, f), _)| is_it(*u, *f)).map(|(_, usage)| usage);
        sum(there.chain(open.iter().filter(|(u, f, ..)| is_it(*u, *f)).map(|(_, _, usage, _)| usage)))
    };
    let checks = [
        (Scope::Inbox, used(&|u, f| (u, f) == (user, 0)), LIMITS.inbox.filter(|_| folder == 0), None),
        (Scope::User, used(&|u, _| u == user), LIMITS.storage, LIMITS.messages),
        (Scope::Domain, used(&|_, _| true), LIMITS.domain_storage, LIMITS.domain_messages),
    ];
    checks.into_iter().find_map(|(scope, used, storage, messages)| {
        let over = |used, more: u64, limit: Option<u64>| more > 0 && limit.is_some_and(|limit| used + more > limit);
        let storage = over(used.octets, more.octets, storage).then_some((scope, Resource::Storage));
        storage.or_else(|| over(used.messages, more.messages, messages).then_some((scope, Resource::Messages)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn figures_are_those_of_a_simple_model(deeds in prop::collection::vec(deed(), 1..120)) {
        let place = tempfile::tempdir().unwrap();
        let mut quota = quota(place.path());
        let (mut model, mut open): (Model, Vec<(u8, u8, Usage, Reservation)>) = Default::default();
        for deed in deeds {
            match deed {
                Deed::Set(u, f, octets, messages) => {
                    let now = of(octets.into(), messages.into());
                    quota.set(&user_of(u.into()), &folder_of(f), now).unwrap();
                    model.insert((u, f), now);
                }
                Deed::Reserve(u, f, octets, messages) => {
                    let more = of(octets.into(), messages.into());
                    let answer = quota.reserve(&user_of(u.into()), &folder_of(f), more, &LIMITS).unwrap();
                    let expected = refuses(&model, &open, u, f, more);
                    prop_assert_eq!(answer.as_ref().err().map(|over| (over.scope, over.resource)), expected);
                    open.extend(answer.ok().map(|room| (u, f, more, room)));
                }
                Deed::Commit(which) if !open.is_empty() => {
                    let (u, f, more, room) = open.swap_remove(usize::from(which) % open.len());
                    let now = model.get(&(u, f)).copied().unwrap_or_default().and(more);
                    room.commit(now).unwrap();
                    model.insert((u, f), now);
                }
                Deed::Drop(which) if !open.is_empty() => drop(open.swap_remove(usize::from(which) % open.len())),
                Deed::Commit(_) | Deed::Drop(_) => {}
                Deed::RenameFolder(u, old, new) => {
                    quota.rename_folder(&user_of(u.into()), &folder_of(old), &folder_of(new)).unwrap();
                    let moved = model.remove(&(u, old)).unwrap_or_default();
                    model.insert((u, new), moved);
                }
                Deed::RenameUser(u) if !open.iter().any(|(other, ..)| *other == u) => {
                    quota.rename_user(&user_of(u.into()), &user("new")).unwrap();
                    let renamed = sum(model.iter().filter(|((other, _), _)| *other == u).map(|(_, usage)| usage));
                    prop_assert_eq!((quota.usage(&user("new")).unwrap(), quota.usage(&user_of(u.into())).unwrap()), (renamed, of(0, 0)));
                    quota.rename_user(&user("new"), &user_of(u.into())).unwrap();
                }
                Deed::RenameUser(_) => {}
                Deed::Forget(u) => {
                    quota.forget_user(&user_of(u.into())).unwrap();
                    model.retain(|(other, _), _| *other != u);
                }
                Deed::Recount => {
                    let users: Vec<User> = (0..6).map(user_of).collect();
                    let counted = model.iter().map(|((u, f), usage)| Ok((&users[usize::from(*u)], folder_of(*f), *usage)));
                    quota.recompute(counted).unwrap();
                }
                Deed::Reopen => quota = self::quota(place.path()),
            }
            prop_assert_eq!(quota.domain_usage().unwrap(), sum(model.values()));
        }
        for (u, f) in model.keys() {
            prop_assert_eq!(quota.folder_usage(&user_of((*u).into()), &folder_of(*f)).unwrap(), model[&(*u, *f)]);
            let of_user = sum(model.iter().filter(|((other, _), _)| other == u).map(|(_, usage)| usage));
            prop_assert_eq!(quota.usage(&user_of((*u).into())).unwrap(), of_user);
        }
        drop(open);
        prop_assert_eq!(quota.locked(|page| page.held()).unwrap(), Vec::<(usize, Held)>::new());
        check(&quota);
    }
}

fn used_processor() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// Prints what a delivery costs; run it with `--release --ignored --nocapture`.
#[test]
#[ignore = "takes seconds, and tells times"]
fn cost_does_not_grow_with_the_number_of_users() {
    let folder = tempfile::tempdir().unwrap();
    let (quota, allowance) = (quota(folder.path()), Allowance { inbox: Some(1 << 40), storage: Some(1 << 40), ..messages(1 << 40) });
    let mut known = 0;
    for users in [10, 1000, 100_000] {
        let since = Instant::now();
        for number in known..users {
            ["INBOX", "Sent", "Trash"].iter().for_each(|folder| quota.set(&user_of(number), folder, of(1, 1)).unwrap());
        }
        let (filled, count) = (since.elapsed(), 20_000);
        known = users;
        let since = used_processor();
        for number in 0..count {
            let joe = user_of(number * 7919 % users);
            quota.reserve(&joe, "INBOX", of(10, 1), &allowance).unwrap().unwrap().commit(of(number as u64, 1)).unwrap();
        }
        let each = (used_processor() - since) / count as u32;
        let len = fs::metadata(folder.path().join("va.test")).unwrap().len();
        println!("{users} users: {each:?} for a reservation and its commit; filled in {filled:?}, {len} octets");
    }
    let since = Instant::now();
    quota.forget_user(&user_of(5)).unwrap();
    println!("forgetting a user: {:?}", since.elapsed());
}

//! Messages that we append, what other programs see of them, and what is left when the index is lost.

use std::fs;
use std::io::Write;

use super::scan;
use super::tests::{F, message};
use crate::config::Spool;
use crate::store::bench::{Bench, Seen, expunge, folder, incoming, mark, seen, uidls};
use crate::store::{Copied, Flags, Folder, FolderName, Home, How, Incoming, Trouble, Uids};

fn spool(bench: &Bench) -> String {
    String::from_utf8_lossy(&fs::read(bench.spool()).unwrap()).into_owned()
}

async fn inbox(bench: &Bench) -> Vec<Seen> {
    seen(&mut bench.open().await).await
}

/// Whether sizes are what is sent, and nothing changes when the index is lost.
async fn endures(bench: &mut Bench) {
    let names: Vec<FolderName> =
        bench.home().list().await.unwrap().iter().filter(|listed| listed.exists).map(|listed| listed.name.clone()).collect();
    let mut before = Vec::new();
    for name in &names {
        let mut folder = bench.home().open(name).await.unwrap();
        let head = *folder.state().head();
        let all = seen(&mut folder).await;
        before.push(((head.uidvalidity, head.uidnext, head.mailbox), uidls(&folder), all));
    }
    bench.forget();
    for (name, (numbers, ids, all)) in std::iter::zip(&names, before) {
        let mut folder = bench.home().open(name).await.unwrap();
        let head = *folder.state().head();
        assert_eq!((head.uidvalidity, head.uidnext, head.mailbox), numbers, "{name:?}\n{}", spool(bench));
        assert_eq!(uidls(&folder), ids, "{name:?}");
        assert_eq!(seen(&mut folder).await, all, "{name:?}\n{}", spool(bench));
    }
}

fn by_another(bench: &Bench, text: &str) {
    fs::OpenOptions::new().append(true).create(true).open(bench.spool()).unwrap().write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn what_is_appended_is_there_with_its_uid_and_for_every_program() {
    let mut bench = Bench::new(Spool::Mbox);
    let messages = [
        incoming("Subject: a\n\none\n"),
        Incoming { flags: Flags::SEEN, keywords: vec!["$Junk".into(), "later".into()], ..incoming("Subject: b\r\n\r\ntwo") },
    ];
    let appended = bench.append(&messages).await.unwrap();
    assert_eq!(appended.uids, [1, 2]);
    let all = inbox(&bench).await;
    assert_eq!(all[0], (1, "Subject: a\n\none".into(), Flags::NONE, vec![], 19));
    assert_eq!(all[1], (2, "Subject: b\n\ntwo".into(), Flags::SEEN, vec!["$Junk".into(), "later".into()], 19));
    let head = *bench.open().await.state().head();
    assert_eq!(head.uidvalidity, appended.uidvalidity);
    let text = spool(&bench);
    assert!(text.starts_with("From ann@example.org Sun Sep  9 01:46:56 2001\nSubject: a\nX-IMAPbase: "), "{text}");
    assert!(text.contains("X-UID: 2         \nStatus: R \n") && text.ends_with("\n\ntwo\n\n"), "{text}");
    endures(&mut bench).await;
    assert_eq!(bench.append(&[incoming("Subject: c\n\n")]).await.unwrap().uids, [3]);
    endures(&mut bench).await;
}

#[tokio::test]
async fn what_others_left_at_the_end_does_not_matter() {
    for end in ["", "\n", "\n\n", "\r\n", "\r\n\r\n", "\n\n\n", "half a li"] {
        let mut bench = Bench::with(format!("{F}Subject: a\n\none{end}"));
        inbox(&bench).await;
        assert_eq!(bench.append(&[incoming("Subject: b\n\ntwo\n")]).await.unwrap().uids, [2], "{end:?}");
        let all = inbox(&bench).await;
        assert_eq!(all.len(), 2, "{end:?} {}", spool(&bench));
        assert_eq!(all[1].1, "Subject: b\n\ntwo");
        endures(&mut bench).await;
    }
    let mut bench = Bench::with(format!("{F}Subject: only a header\n"));
    inbox(&bench).await;
    bench.append(&[incoming("Subject: b\n\ntwo\n")]).await.unwrap();
    endures(&mut bench).await;
}

#[tokio::test]
async fn sizes_are_exact_and_no_text_becomes_a_message_or_a_note() {
    let texts = [
        "",
        "\n",
        "x",
        "Subject: x",
        "Subject: x\n",
        "Subject: x\n\n",
        "Subject: x\n\nbody\n\n\n",
        "\nno header\n",
        "Status: RO\nX-UID: 99\nX-IMAPbase: 1 1000\n  folded\nX-Keywords: evil\nSubject: x\n\nStatus: text\n",
        "Subject: x\n\nFrom here on\nFrom joe Sun Nov 22 16:08:34 2026\n\nFrom joe Sun Nov 22 16:08:34 2026\nmore",
        "From joe Sun Nov 22 16:08:34 2026\nSubject: x\n\nbody\n",
        " folded from the start\n\nbody\n",
        "Subject: x\n\n.\n..\n\rodd\r\n",
    ];
    let mut bench = Bench::new(Spool::Mbox);
    for text in texts {
        bench.append(&[incoming(text)]).await.unwrap();
    }
    let all = inbox(&bench).await;
    assert_eq!(all.len(), texts.len(), "{}", spool(&bench));
    assert!(all.iter().all(|message| message.2 == Flags::NONE && message.3.is_empty()));
    assert_eq!(all[8].1, "Subject: x\n\nStatus: text");
    assert_eq!(all[9].1, "Subject: x\n\nFrom here on\n>From joe Sun Nov 22 16:08:34 2026\n\n>From joe Sun Nov 22 16:08:34 2026\nmore");
    let found = scan::scan(spool(&bench).as_bytes(), usize::MAX / 2);
    for (found, seen) in std::iter::zip(&found, &all) {
        assert_eq!(found.size.octets(), seen.4, "{:?}", seen.1);
    }
    endures(&mut bench).await;
}

#[tokio::test]
async fn appends_and_deliveries_of_others_take_turns() {
    let mut bench = Bench::new(Spool::Mbox);
    for round in 0..4 {
        by_another(&bench, &message(&format!("theirs {round}")));
        assert_eq!(bench.open().await.state().len(), 2 * round + 1);
        bench.append(&[incoming(&format!("Subject: ours {round}\n\n"))]).await.unwrap();
        endures(&mut bench).await;
    }
    let mut inbox = bench.open().await;
    inbox.apply(&expunge(&[2])).await.unwrap();
    endures(&mut bench).await;
    bench.append(&[incoming("Subject: x\n\n")]).await.unwrap();
    by_another(&bench, &message("y"));
    bench.append(&[incoming("Subject: z\n\n")]).await.unwrap();
    endures(&mut bench).await;
    assert!(spool(&bench).contains("X-UID: 9 "));
}

#[tokio::test]
async fn only_the_end_is_read_when_others_append() {
    let bench = Bench::with((0..40).map(|number| message(&format!("m{number}"))).collect::<String>());
    let scanned = |folder: &crate::store::AnyFolder| super::summary::Summary::of(folder.state()).scanned;
    let first = scanned(&bench.open().await);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    by_another(&bench, &message("new"));
    let open = bench.open().await;
    assert_eq!((open.state().len(), scanned(&open)), (41, first));
    // In the middle, and then at the end: only the samples tell.
    let text = spool(&bench).replacen("Subject: m0\n", "Subject: M0\n", 1);
    fs::write(bench.spool(), text + &message("newer")).unwrap();
    let open = bench.open().await;
    assert_eq!(open.state().len(), 42);
    assert!(scanned(&open) > first);
}

#[tokio::test]
async fn flags_and_keywords_come_and_go_and_stay_in_the_file() {
    let mut bench = Bench::new(Spool::Mbox);
    let names: Vec<String> = (0..60).map(|number| format!("a-rather-long-keyword-{number}")).collect();
    let many: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.append(&[incoming("Subject: a\n\n"), incoming("Subject: b\n\n"), incoming("Subject: c\n\n")]).await.unwrap();
    by_another(&bench, &message("theirs"));
    let all = Flags::ALL.without(Flags::OLD);
    for change in [
        mark(&[1, 2], How::Add, all, &["one", "two"]),
        mark(&[2], How::Remove, Flags::SEEN.with(Flags::DRAFT), &["ONE"]),
        mark(&[1, 2, 3, 4], How::Replace, Flags::FLAGGED, &["three"]),
        mark(&[3], How::Add, Flags::NONE, &many),
        mark(&[1], How::Replace, Flags::NONE, &[]),
        mark(&[4], How::Add, Flags::ANSWERED, &[]),
        mark(&[3], How::Remove, Flags::NONE, &many),
    ] {
        let mut inbox = bench.open().await;
        inbox.apply(&change).await.unwrap();
        let now = seen(&mut inbox).await;
        for (_, _, flags, words, _) in now.iter().filter(|message| change.flags[0].uids.contains(message.0)) {
            let FlagChange { how, flags: wanted, keywords, .. } = &change.flags[0];
            match how {
                How::Add => assert!(flags.contains(*wanted) && keywords.iter().all(|word| words.contains(word))),
                How::Remove => assert!(
                    flags.both(*wanted) == Flags::NONE
                        && keywords.iter().all(|word| !words.iter().any(|one| one.eq_ignore_ascii_case(word)))
                ),
                How::Replace => assert_eq!((*flags, words.len()), (*wanted, keywords.len())),
            }
        }
        endures(&mut bench).await;
    }
    assert_eq!(inbox(&bench).await.iter().map(|message| message.1.len()).sum::<usize>(), 3 * 10 + 31);
}

use crate::store::FlagChange;

#[tokio::test]
async fn what_goes_takes_no_number_with_it() {
    for gone in [&[1][..], &[2], &[4], &[3, 4], &[1, 2, 3, 4], &[2, 3]] {
        for ours in [true, false] {
            let mut bench = Bench::new(Spool::Mbox);
            for name in ["a", "b", "a", "c"] {
                match ours {
                    true => drop(bench.append(&[incoming(&format!("Subject: {name}\n\n"))]).await.unwrap()),
                    false => by_another(&bench, &message(name)),
                }
            }
            let mut open = bench.open().await;
            open.apply(&expunge(gone)).await.unwrap();
            endures(&mut bench).await;
            assert_eq!(bench.open().await.state().head().uidnext, 5, "{gone:?} {ours}");
            assert_eq!(bench.append(&[incoming("Subject: d\n\n")]).await.unwrap().uids, [5]);
            by_another(&bench, &message("e"));
            endures(&mut bench).await;
            assert_eq!(bench.open().await.state().head().uidnext, 7);
        }
    }
}

#[tokio::test]
async fn others_may_remove_and_renumber_and_the_rest_is_remembered() {
    let mut bench = Bench::with(["a", "b", "b", "c"].map(message).concat());
    inbox(&bench).await;
    // No record tells of the first.
    fs::write(bench.spool(), ["b", "b", "c"].map(message).concat()).unwrap();
    assert_eq!(inbox(&bench).await.iter().map(|message| message.0).collect::<Vec<_>>(), [2, 3, 4]);
    endures(&mut bench).await;
    by_another(&bench, &message("d"));
    bench.append(&[incoming("Subject: e\n\n")]).await.unwrap();
    endures(&mut bench).await;
    // Another program begins to count anew: POP3 clients go by what they knew.
    let ids = bench.uidls().await;
    let numbered = spool(&bench).replacen("Subject", "X-IMAPbase: 77 5\nX-UID: 1\nSubject", 1);
    fs::write(bench.spool(), numbered).unwrap();
    assert_eq!(bench.open().await.state().head().uidvalidity, 77);
    assert_eq!(bench.uidls().await, ids);
    endures(&mut bench).await;
    // All of it is gone.
    fs::remove_file(bench.spool()).unwrap();
    let next = bench.open().await.state().head().uidnext;
    endures(&mut bench).await;
    by_another(&bench, &message("f"));
    assert_eq!(inbox(&bench).await[0].0, next);
    endures(&mut bench).await;
}

#[tokio::test]
async fn an_empty_mailbox_keeps_its_name() {
    let mut bench = Bench::new(Spool::Mbox);
    endures(&mut bench).await;
    bench.append(&[incoming("Subject: a\n\n")]).await.unwrap();
    endures(&mut bench).await;
}

#[tokio::test]
async fn folders_are_mboxes_and_keep_their_name_when_they_are_renamed() {
    let mut bench = Bench::new(Spool::Mbox);
    let home = bench.home();
    let id = home.create(&folder("Lists/Rust"), None).await.unwrap();
    home.append(&folder("Lists/Rust"), &[incoming("Subject: a\n\n"), incoming("Subject: b\n\n")]).await.unwrap();
    endures(&mut bench).await;
    let home = bench.home();
    home.rename(&folder("Lists/Rust"), &folder("Old")).await.unwrap();
    assert_eq!(home.status(&[folder("Old")]).await[0].as_ref().unwrap().id, id);
    endures(&mut bench).await;
    assert_eq!(bench.home().status(&[folder("Old")]).await[0].as_ref().unwrap().id, id);
    fs::OpenOptions::new().append(true).open(bench.root().join("home/joe/Old")).unwrap().write_all(message("theirs").as_bytes()).unwrap();
    bench.folder("Old").await;
    bench.home().rename(&folder("Old"), &folder("Older")).await.unwrap();
    endures(&mut bench).await;
    let again = bench.home().create(&folder("Lists/Rust"), None).await.unwrap();
    assert_ne!(again, id);
    bench.home().delete(&folder("Lists/Rust")).await.unwrap();
    assert_ne!(bench.home().create(&folder("Lists/Rust"), None).await.unwrap(), again);
    endures(&mut bench).await;
}

#[tokio::test]
async fn messages_are_copied_and_moved_with_what_they_are() {
    let mut bench = Bench::new(Spool::Mbox);
    bench.home().create(&folder("Kept"), None).await.unwrap();
    let marked = Incoming { flags: Flags::FLAGGED, keywords: vec!["$Work".into()], ..incoming("Subject: b\n\ntwo\n") };
    bench.append(&[incoming("Subject: a\n\none\n"), marked, incoming("Subject: c\n\n")]).await.unwrap();
    let mut open = bench.open().await;
    let Copied { uids, .. } = open.copy(&[1, 2].into_iter().collect(), &folder("Kept")).await.unwrap();
    assert_eq!(uids, [(1, 1), (2, 2)]);
    let Copied { uids, .. } = open.relocate(&[2, 3].into_iter().collect(), &folder("Kept")).await.unwrap();
    assert_eq!(uids, [(2, 3), (3, 4)]);
    assert_eq!(inbox(&bench).await.len(), 1);
    let mut kept = bench.folder("Kept").await;
    let all = seen(&mut kept).await;
    assert_eq!((all[1].2, all[1].3.clone()), (Flags::FLAGGED, vec!["$Work".to_owned()]));
    assert_eq!(all[1].1, all[2].1);
    assert_eq!(kept.state().message(2).unwrap().received, 1_000_000_016);
    endures(&mut bench).await;
}

#[tokio::test]
async fn explicit_unique_ids_stay() {
    let mut bench = Bench::new(Spool::Mbox);
    let named = |id: &str| Incoming { uidl: Some(id.to_owned()), ..incoming("Subject: a\n\n") };
    bench.append(&[named("<1>"), incoming("Subject: b\n\n"), named("x y")]).await.unwrap();
    endures(&mut bench).await;
    by_another(&bench, &message("theirs"));
    endures(&mut bench).await;
    bench.append(&[named("<2>")]).await.unwrap();
    endures(&mut bench).await;
    let mut open = bench.open().await;
    open.apply(&expunge(&[1])).await.unwrap();
    endures(&mut bench).await;
    assert_eq!(bench.uidls().await[1], "x-y");
}

#[tokio::test]
async fn a_spool_that_cannot_be_written_is_read() {
    let bench = Bench::with(message("a") + &message("b"));
    fs::set_permissions(bench.spool(), std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
    assert_eq!(inbox(&bench).await.len(), 2);
    if !rustix::process::geteuid().is_root() {
        assert!(matches!(bench.append(&[incoming("x")]).await, Err(Trouble::Io { .. })));
    }
}

#[tokio::test]
async fn many_append_at_the_same_time() {
    let bench = std::sync::Arc::new(Bench::new(Spool::Mbox));
    let tasks = (0..12).map(|writer| {
        let bench = bench.clone();
        tokio::spawn(async move {
            for number in 0..8 {
                bench.append(&[incoming(&format!("Subject: {writer}-{number}\n\n"))]).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let all = inbox(&bench).await;
    let different: std::collections::HashSet<_> = all.iter().map(|message| &message.1).collect();
    assert_eq!((all.len(), different.len(), all.last().unwrap().0), (96, 96, 96));
    assert_eq!(bench.open().await.read(1).await.map(drop).ok(), Some(()));
    assert_eq!(Uids::all().len(), u64::from(u32::MAX));
}

#[tokio::test]
#[ignore = "a measurement"]
async fn speed_of_appending_opening_and_flagging() {
    for count in [1_000, 10_000, 100_000] {
        let bench = Bench::with((0..count).map(|number| message(&format!("m{number}"))).collect::<String>());
        bench.settle();
        inbox_len(&bench).await;
        let timed = |what: &str, began: std::time::Instant, rounds: u32| {
            println!("{count} messages: {what} in {:.0} us", began.elapsed().as_secs_f64() * 1e6 / f64::from(rounds))
        };
        let began = std::time::Instant::now();
        for number in 0..50 {
            bench.append(&[incoming(&format!("Subject: {number}\n\n{}", "some words\n".repeat(900)))]).await.unwrap();
        }
        timed("appended 10 kB", began, 50);
        let began = std::time::Instant::now();
        for _ in 0..50 {
            by_another(&bench, &message("theirs"));
            inbox_len(&bench).await;
        }
        timed("theirs seen", began, 50);
        let mut open = bench.open().await;
        open.apply(&mark(&[count as u32 / 2], How::Add, Flags::SEEN, &[])).await.unwrap();
        let began = std::time::Instant::now();
        for round in 0..20 {
            let how = if round % 2 == 0 { How::Remove } else { How::Add };
            open.apply(&mark(&[count as u32 / 2], how, Flags::SEEN, &[])).await.unwrap();
        }
        timed("flagged", began, 20);
    }
}

async fn inbox_len(bench: &Bench) -> usize {
    bench.open().await.state().len()
}

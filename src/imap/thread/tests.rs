//! THREAD from its text to its answer, over mail in memory, and over graphs of references that nobody would write.

use proptest::prelude::*;

use super::gather::Message;
use super::*;
use crate::imap::search::tests::{PLAIN, Site};
use crate::message::kin::Name;

async fn answer(site: &mut Site, command: &str, asking: Asking<'_>) -> Result<String, Refused> {
    let mut out = Vec::new();
    let thread = Thread::read(Args::new(command.as_bytes(), false), &asking, &site.view)?;
    thread.run(&asking, &mut site.folder, &site.view, &mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

/// A message of minute `minute`, and what it refers to.
fn letter(minute: u32, name: &str, references: &str, subject: &str) -> String {
    let references = references.split_whitespace().map(|name| format!("<{name}@x>")).collect::<Vec<_>>().join("\r\n\t");
    format!(
        "Date: Fri, 21 Nov 1997 09:{minute:02}:00 +0000\r\nMessage-ID: <{name}@x>\r\nReferences: {references}\r\nSubject: {subject}\r\n\r\n"
    )
}

async fn threaded(letters: &[String]) -> String {
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    let mut site = Site::new(&letters).await;
    let answer = answer(&mut site, " REFERENCES UTF-8 ALL", PLAIN).await.unwrap();
    answer.trim_end().strip_prefix("* THREAD").unwrap().trim_start().to_owned()
}

#[tokio::test]
async fn references_make_threads() {
    let cases: [(&[String], &str); 11] = [
        (&[letter(1, "a", "", "x"), letter(2, "b", "a", "Re: x"), letter(3, "c", "a b", "Re: x")], "(1 2 3)"),
        (&[letter(3, "c", "a b", "Re: x"), letter(2, "b", "a", "Re: x"), letter(1, "a", "", "x")], "(3 2 1)"),
        (&[letter(1, "a", "", "x"), letter(3, "b", "a", "y"), letter(2, "c", "a", "z")], "(1 (3)(2))"),
        // Missing ones: between, above one, above several.
        (&[letter(1, "a", "", "x"), letter(2, "c", "a b", "Re: x")], "(1 2)"),
        (&[letter(1, "b", "a", "x")], "(1)"),
        (&[letter(2, "b", "a", "x"), letter(1, "c", "a", "y")], "((2)(1))"),
        (&[letter(2, "b", "a m", "x"), letter(1, "c", "a m n", "y"), letter(3, "d", "a", "z")], "((2)(1)(3))"),
        // A message says itself whom it answers, whatever others say of it.
        (&[letter(1, "a", "", "x"), letter(3, "c", "a b", "z"), letter(2, "b", "", "y")], "(1)(3 2)"),
        // Loops.
        (&[letter(1, "a", "b", "x"), letter(2, "b", "a", "y")], "(2 1)"),
        (&[letter(1, "a", "a", "x")], "(1)"),
        // Two of one name: the first has it.
        (&[letter(1, "a", "", "x"), letter(2, "a", "", "y"), letter(3, "b", "a", "z")], "(1 3)(2)"),
    ];
    for (letters, expected) in cases {
        assert_eq!(threaded(letters).await, expected, "{letters:#?}");
    }
}

#[tokio::test]
async fn subjects_join_threads() {
    let cases: [(&[String], &str); 7] = [
        (&[letter(1, "a", "", "Lunch"), letter(2, "b", "", "Re: lunch")], "(1 2)"),
        (&[letter(2, "a", "", "Lunch"), letter(1, "b", "", "Re: lunch")], "(1 2)"),
        (&[letter(1, "a", "", "Lunch"), letter(2, "b", "", "LUNCH")], "((1)(2))"),
        (&[letter(1, "a", "", "Re: Lunch"), letter(2, "b", "", "Fwd: LUNCH")], "((1)(2))"),
        (&[letter(1, "a", "", ""), letter(2, "b", "", "Re:")], "(1)(2)"),
        (&[letter(1, "a", "m", "x"), letter(2, "b", "m", "y"), letter(3, "c", "", "Re: X")], "((1)(2)(3))"),
        (
            &[
                letter(4, "a", "m", "x"),
                letter(5, "b", "m", "y"),
                letter(2, "c", "n", "x"),
                letter(3, "d", "n", "z"),
                letter(1, "e", "", "q"),
            ],
            "(5)((3)(4)(1)(2))",
        ),
    ];
    for (letters, expected) in cases {
        assert_eq!(threaded(letters).await, expected, "{letters:#?}");
    }
}

#[tokio::test]
async fn in_reply_to_counts_where_references_do_not() {
    let first = letter(1, "a", "", "x");
    let second = "Date: Fri, 21 Nov 1997 10:00:00 +0000\nIn-Reply-To: Your message <a@x> <b@x>\nReferences: none\nSubject: y\n\n";
    assert_eq!(threaded(&[first, second.to_owned()]).await, "(1 2)");
}

#[tokio::test]
async fn ordered_subject_has_no_grandchildren() {
    let letters = [
        letter(5, "a", "", "b"),
        letter(1, "b", "a", "Re: B"),
        letter(3, "c", "", "Fwd: b"),
        letter(2, "d", "", "c"),
        letter(0, "e", "", ""),
    ];
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    let mut site = Site::new(&letters).await;
    assert_eq!(answer(&mut site, " ORDEREDSUBJECT US-ASCII ALL", PLAIN).await.unwrap(), "* THREAD (5)(2 (3)(1))(4)\r\n");
    let uid = Asking { is_uid: true, ..PLAIN };
    assert_eq!(answer(&mut site, " orderedsubject utf-8 3:4", uid).await.unwrap(), "* THREAD (4)(3)\r\n");
    assert_eq!(answer(&mut site, " REFERENCES utf-8 DRAFT", uid).await.unwrap(), "* THREAD\r\n");
    for command in ["", " REFS UTF-8 ALL", " REFERENCES ALL", " REFERENCES UTF-8"] {
        assert!(answer(&mut site, command, PLAIN).await.is_err(), "{command}");
    }
}

fn message(id: u32, name: Option<Name>, subject: Option<Name>) -> Message {
    Message { id, date: i64::from(id * 7 % 11), subject, is_reply: id.is_multiple_of(3), name }
}

/// The messages of threads, in the order in which they are told.
fn told(threads: &Threads) -> Vec<u32> {
    let mut out = Vec::new();
    threads.write(&mut out);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches('(').count(), text.matches(')').count());
    assert!(!text.contains("()"), "{text}");
    text.split(|character: char| !character.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

proptest! {
    #[test]
    fn each_message_is_told_once(
        letters in proptest::collection::vec(
            (proptest::option::of(0u128..30), proptest::collection::vec(0u128..40, 0..8), proptest::option::of(0u128..6)),
            0..60,
        ),
    ) {
        let mut messages = Messages::default();
        for (id, (name, references, subject)) in (1..).zip(letters) {
            messages.push(message(id, name, subject), &references);
        }
        for threads in [references::threads(&messages), subjects::threads(&messages.all)] {
            let mut all = told(&threads);
            all.sort_unstable();
            prop_assert_eq!(all, (1..=messages.all.len() as u32).collect::<Vec<_>>());
        }
    }
}

/// What is built to take long, or to be deep: none of it does harm.
#[test]
fn hostile_threads_are_told_in_time() {
    const MANY: u32 = 100_000;
    let name = |id: u32| Some(Name::from(id));
    let build = |references: &dyn Fn(u32) -> Vec<Name>| -> Messages {
        let mut messages = Messages::default();
        (1..=MANY).for_each(|id| messages.push(message(id, name(id), Some(Name::from(id % 5))), &references(id)));
        messages
    };
    let shapes: [&dyn Fn(u32) -> Vec<Name>; 6] = [
        // One chain, from either end.
        &|id| vec![Name::from(id - 1)],
        &|id| vec![Name::from(id + 1)],
        // A loop of all.
        &|id| vec![Name::from(id % MANY + 1)],
        // Many that hang themselves below the deepest, and have somebody below them already.
        &|id| if id < MANY / 2 { vec![Name::from(id - 1)] } else { vec![Name::from(MANY / 2 - 1), Name::from(id + 1)] },
        // All answer one that is missing.
        &|_| vec![Name::from(MANY * 2)],
        // Chains of missing ones.
        &|id| (0..5).map(|nth| Name::from(MANY + id * 5 + nth)).collect(),
    ];
    for references in shapes {
        let messages = build(references);
        let mut all = told(&references::threads(&messages));
        all.sort_unstable();
        assert_eq!(all.len(), messages.all.len());
        assert!(all.iter().zip(1..).all(|(id, nth)| *id == nth));
    }
}

//! Scans of mailboxes as programs have left them.

use super::*;
use proptest::prelude::*;

fn texts(file: &str) -> Vec<&str> {
    let found = scan(file.as_bytes(), LEAST);
    found.iter().map(|one| &file[(one.offset + u64::from(one.from_len)) as usize..one.end() as usize]).collect()
}

const F: &str = "From joe@va.test Sun Nov 22 16:08:34 2026\n";

#[test]
fn separators_stand_only_after_blank_lines() {
    assert_eq!(
        texts(&format!("{F}A: 1\n\none\n{F}still one\n\n{F}A: 2\n\ntwo\n")),
        [&format!("A: 1\n\none\n{F}still one\n"), "A: 2\n\ntwo\n"]
    );
}

#[test]
fn sentences_that_begin_with_from_are_text() {
    assert_eq!(texts(&format!("{F}A: 1\n\n\nFrom what I know\n\nFrom \n")), ["A: 1\n\n\nFrom what I know\n\nFrom \n"]);
}

#[test]
fn the_blank_line_between_messages_belongs_to_neither() {
    assert_eq!(
        texts(&format!("{F}A: 1\n\none\n\n\n{F}A: 2\n\n{F}A: 3\n\n\n{F}\n{F}\n\n")),
        ["A: 1\n\none\n\n", "A: 2\n\n", "A: 3\n\n", "\n", "\n"]
    );
}

#[test]
fn crlf_files_are_mailboxes_too() {
    let from = F.replace('\n', "\r\n");
    assert_eq!(texts(&format!("{from}A: 1\r\n\r\none\r\n\r\n{from}A: 2\r\n\r\n")), ["A: 1\r\n\r\none\r\n", "A: 2\r\n\r\n"]);
    assert!(scan(format!("{from}A: 1\r\n\r\none\r\n\r\n").as_bytes(), LEAST)[0].exact);
    assert!(!scan(format!("{from}Status: R\r\nA: 1\r\n\r\none\r\n\r\n").as_bytes(), LEAST)[0].exact);
}

#[test]
fn nothing_is_lost_of_files_that_begin_otherwise() {
    assert_eq!(texts(&format!("junk\n\n{F}A: 1\n")), ["junk\n\n", "A: 1\n"]);
    assert_eq!(texts(&format!("\n\r\n{F}A: 1\n")), ["A: 1\n"]);
    assert_eq!(texts("\0\0\0"), ["\0\0\0"]);
    assert_eq!(texts("\n\nFrom"), ["From"]);
    assert_eq!(texts(""), Vec::<&str>::new());
    assert_eq!(texts("\n\n"), Vec::<&str>::new());
}

#[test]
fn half_written_tails_are_messages() {
    assert_eq!(texts(&format!("{F}A: 1\n\none\n\n{}", F.trim_end())), ["A: 1\n\none\n", ""]);
    assert_eq!(texts(&format!("{F}A: 1\n\none\n\n{F}A: 2")), ["A: 1\n\none\n", "A: 2"]);
    assert_eq!(texts(&format!("{F}A: 1\n\none\n\nFrom joe")), ["A: 1\n\none\n\nFrom joe"]);
}

#[test]
fn the_pseudo_message_and_records_are_understood() {
    let file = format!(
        "{F}Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 12 34\nStatus: RO\n\nx\n\n{F}X-UID: 7\nStatus: RO\nX-Status: AF\n\ny\n"
    );
    let found = scan(file.as_bytes(), LEAST);
    assert!(found[0].pseudo && found[0].base == Some((12, 34)));
    assert_eq!((found[1].uid, found[1].pseudo), (Some(7), false));
    assert_eq!(found[1].flags, Flags::SEEN.with(Flags::OLD).with(Flags::ANSWERED).with(Flags::FLAGGED));
    assert_eq!(found[1].size.octets(), 5);
}

#[test]
fn numbers_too_large_for_records_are_no_records() {
    let found = scan(format!("{F}X-UID: 99999999999\nX-IMAPbase: 0 4\n\n").as_bytes(), LEAST);
    assert_eq!((found[0].uid, found[0].base), (None, None));
}

/// What goes to the client, the slow way.
fn on_the_wire(text: &[u8]) -> Vec<u8> {
    let mut shown = text.to_vec();
    let (_, len) = crate::store::mbox::head::show(&mut Walk::default(), &mut shown, true);
    let mut wire = Vec::new();
    for line in shown[..len].split_inclusive(|&octet| octet == b'\n') {
        wire.extend(line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line)));
        wire.extend(b"\r\n");
    }
    wire
}

pub fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        5 => Just(F.as_bytes().to_vec()),
        5 => Just(b"\n".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        1 => Just(b"From ".to_vec()),
        1 => Just(b".".to_vec()),
        2 => Just(b"Status: RO\n".to_vec()),
        1 => Just(b"X-UID: 3".to_vec()),
        1 => Just(b"X-IMAPbase: 1 2\r\n".to_vec()),
        1 => Just(b" folded\n".to_vec()),
        2 => Just(b"Subject: x\n".to_vec()),
        1 => Just(F.replace('\n', "\r\n").into_bytes()),
        2 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => (0usize..3000).prop_map(|len| vec![b'x'; len]),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn sizes_equal_what_is_sent_and_messages_never_overlap(file in pieces()) {
        let mut end = 0;
        for one in scan(&file, LEAST) {
            prop_assert!(one.offset >= end);
            prop_assert!(file[end as usize..one.offset as usize].iter().all(|octet| matches!(octet, b'\r' | b'\n')));
            end = one.end();
            let text = &file[(one.offset + u64::from(one.from_len)) as usize..end as usize];
            let wire = on_the_wire(text);
            prop_assert_eq!(one.size.popped(), wire.len() as u64);
            prop_assert_eq!(one.size.is_ended(), one.size.octets() == wire.len() as u64);
            prop_assert!(!one.exact || text == wire);
        }
        prop_assert!(file[end as usize..].iter().all(|octet| matches!(octet, b'\r' | b'\n')));
    }

    #[test]
    fn chunks_make_no_difference(file in pieces(), chunk in LEAST..3 * LEAST) {
        prop_assert_eq!(scan(&file, file.len()), scan(&file, chunk));
    }

    #[test]
    fn a_mailbox_that_grows_keeps_its_messages(file in pieces(), more in pieces()) {
        prop_assume!(!file.ends_with(b"\r"));
        let before = scan(&file, LEAST);
        let grown = [&file[..], b"\n\n", F.as_bytes(), &more[..]].concat();
        for (one, then) in before.iter().zip(scan(&grown, LEAST)) {
            prop_assert_eq!(one.offset, then.offset);
            prop_assert_eq!(one.fingerprint, then.fingerprint);
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let line = "Some ordinary words of mail that go on for about seventy octets a line.\n";
    for (name, body) in [("20 kB messages", 20_000), ("2 kB messages", 2_000)] {
        for end in ["\n", "\r\n"] {
            let header = format!("{F}{}\n", "Received: from a.example by b.example with ESMTP id 12345; Sun, 22 Nov 2026\n".repeat(12));
            let message = format!("{header}{}\n", line.repeat(body / line.len())).replace('\n', end);
            let file = message.repeat(200_000_000 / message.len());
            let start = std::time::Instant::now();
            let count = scan(file.as_bytes(), 128 * 1024).len();
            let rate = file.len() as f64 / start.elapsed().as_secs_f64() / 1e9;
            println!("{name}, {end:?}: {count} messages, {rate:.2} GB/s");
        }
    }
}

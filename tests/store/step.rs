//! What may happen to the mail of an account.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use vmail::store::{Flags, How};

use super::kind::Kind;

/// A deed of one of two writers, or of nobody in particular. Folders are numbers of [`FOLDERS`].
#[derive(Debug, Clone)]
pub enum Step {
    Append {
        who: usize,
        to: usize,
        letters: Vec<Letter>,
    },
    Mark {
        who: usize,
        on: usize,
        marks: Vec<Mark>,
        expunge: Picked,
    },
    Copy {
        who: usize,
        from: usize,
        picked: Picked,
        to: usize,
    },
    Relocate {
        who: usize,
        from: usize,
        picked: Picked,
        to: usize,
    },
    Replace {
        who: usize,
        from: usize,
        pick: usize,
        with: Letter,
        to: usize,
    },
    Create {
        who: usize,
        name: usize,
    },
    Delete {
        who: usize,
        name: usize,
    },
    Rename {
        who: usize,
        from: usize,
        to: usize,
    },
    Subscribe {
        who: usize,
        name: usize,
        on: bool,
    },
    Refresh {
        who: usize,
        on: usize,
    },
    Settle {
        who: usize,
        on: usize,
    },
    /// The process ends, and another begins.
    Restart {
        who: usize,
    },
    LoseIndex,
    Foreign {
        on: usize,
        deed: Foreign,
    },
}

/// What other programs do to a spool.
#[derive(Debug, Clone)]
pub enum Foreign {
    Deliver(Letter),
    Mark {
        pick: usize,
        flags: Flags,
    },
    Remove {
        pick: usize,
    },
    /// The list of UIDs goes.
    Forget,
}

/// A message to come.
#[derive(Clone)]
pub struct Letter {
    pub text: Vec<u8>,
    pub flags: Flags,
    pub words: Vec<&'static str>,
    pub received: Option<u32>,
    pub uidl: bool,
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = &self.text[..self.text.len().min(200)];
        write!(out, "({} {:?} {:?} {:?} {})", text.escape_ascii(), self.flags, self.words, self.received, self.uidl)
    }
}

/// A change of flags.
#[derive(Debug, Clone)]
pub struct Mark {
    pub picked: Picked,
    pub how: How,
    pub flags: Flags,
    pub words: Vec<&'static str>,
    /// Only what has not changed since this message did.
    pub since: Option<usize>,
}

/// Which messages, one bit each.
#[derive(Debug, Clone, Copy)]
pub struct Picked(pub u16);

/// The names that folders may have.
pub const FOLDERS: [&str; 6] = ["INBOX", "Lists", "Lists/Rust", "Entwürfe & Co", "Old", "Old/Lists"];

/// More than there are letters for in the names of a Maildir.
const WORDS: [&str; 36] = [
    "$Junk",
    "$Forwarded",
    "k0",
    "K0",
    "k1",
    "k2",
    "k3",
    "k4",
    "k5",
    "k6",
    "k7",
    "k8",
    "k9",
    "l0",
    "l1",
    "l2",
    "l3",
    "l4",
    "l5",
    "l6",
    "l7",
    "l8",
    "l9",
    "m0",
    "m1",
    "m2",
    "m3",
    "m4",
    "m5",
    "m6",
    "m7",
    "m8",
    "m9",
    "n0",
    "n1",
    "n2",
];

/// One after the other.
#[derive(Clone)]
pub struct Steps(pub Vec<Step>);

impl std::fmt::Debug for Steps {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|step| write!(out, "\n{step:?}"))
    }
}

/// Some steps.
pub fn steps(kind: Kind) -> impl Strategy<Value = Steps> {
    let who = || 0..2usize;
    // Most of it happens in two folders.
    let folder = || prop_oneof![4 => Just(0usize), 3 => Just(1), 1 => 2..FOLDERS.len()];
    let name = || 0..FOLDERS.len();
    let step = prop_oneof![
        6 => (who(), folder(), vec(letter(), 1..4)).prop_map(|(who, to, letters)| Step::Append { who, to, letters }),
        8 => (who(), folder(), vec(mark(), 0..3), expunged())
            .prop_map(|(who, on, marks, expunge)| Step::Mark { who, on, marks, expunge }),
        2 => (who(), folder(), picked(), folder()).prop_map(|(who, from, picked, to)| Step::Copy { who, from, picked, to }),
        2 => (who(), folder(), picked(), folder()).prop_map(|(who, from, picked, to)| Step::Relocate { who, from, picked, to }),
        1 => (who(), folder(), 0..8usize, letter(), folder())
            .prop_map(|(who, from, pick, with, to)| Step::Replace { who, from, pick, with, to }),
        3 => (who(), name()).prop_map(|(who, name)| Step::Create { who, name }),
        1 => (who(), name()).prop_map(|(who, name)| Step::Delete { who, name }),
        1 => (who(), name(), name()).prop_map(|(who, from, to)| Step::Rename { who, from, to }),
        1 => (who(), name(), any::<bool>()).prop_map(|(who, name, on)| Step::Subscribe { who, name, on }),
        1 => (who(), folder()).prop_map(|(who, on)| Step::Refresh { who, on }),
        1 => (who(), folder()).prop_map(|(who, on)| Step::Settle { who, on }),
        1 => who().prop_map(|who| Step::Restart { who }),
        1 => Just(Step::LoseIndex),
        4 => (folder(), foreign_deed()).prop_map(|(on, deed)| Step::Foreign { on, deed }),
    ];
    let fits = move |step: &Step| kind.is_on_disk() || !matches!(step, Step::LoseIndex | Step::Foreign { .. });
    vec(step, 1..40).prop_map(move |mut steps| {
        steps.retain(fits);
        Steps(steps)
    })
}

fn foreign_deed() -> impl Strategy<Value = Foreign> {
    prop_oneof![
        3 => letter().prop_map(Foreign::Deliver),
        3 => (0..8usize, flags()).prop_map(|(pick, flags)| Foreign::Mark { pick, flags }),
        2 => (0..8usize).prop_map(|pick| Foreign::Remove { pick }),
        1 => Just(Foreign::Forget),
    ]
}

fn mark() -> impl Strategy<Value = Mark> {
    let how = select(&[How::Add, How::Remove, How::Replace][..]);
    (picked(), how, flags(), words(), option::weighted(0.3, 0..8usize)).prop_map(|(picked, how, flags, words, since)| Mark {
        picked,
        how,
        flags,
        words,
        since,
    })
}

fn picked() -> impl Strategy<Value = Picked> {
    any::<u16>().prop_map(Picked)
}

fn expunged() -> impl Strategy<Value = Picked> {
    prop_oneof![2 => Just(Picked(0)), 1 => (0..16u16, 0..16u16).prop_map(|(one, other)| Picked(1 << one | 1 << other))]
}

fn flags() -> impl Strategy<Value = Flags> {
    (0..32u8).prop_map(Flags::from_bits)
}

fn words() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![3 => Just(Vec::new()), 3 => vec(select(&WORDS[..]), 1..3), 1 => vec(select(&WORDS[..]), 10..30)]
}

fn letter() -> impl Strategy<Value = Letter> {
    let flags = prop_oneof![Just(Flags::NONE), flags()];
    let words = prop_oneof![2 => Just(Vec::new()), 1 => words()];
    let received = option::of(1u32..2_000_000_000);
    (text(), flags, words, received, prop::bool::weighted(0.2)).prop_map(|(text, flags, words, received, uidl)| Letter {
        text,
        flags,
        words,
        received,
        uidl,
    })
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let lines: &[&[u8]] =
        &[b"Subject: one", b"", b".", b"From here on", b">From", b"a line", b"\xff\xfe\0 octets", b"a lone \r in it", b"\t"];
    let ends: &[&[u8]] = &[b"\n", b"\n", b"\r\n"];
    let end = select(ends);
    let body = vec((select(lines), end), 0..8)
        .prop_map(|lines| lines.into_iter().fold(Vec::new(), |text, (line, end)| [&text[..], line, end].concat()));
    let large = prop_oneof![40 => Just(0usize), 1 => Just(70_000)];
    (0..1_000_000u32, body, large).prop_map(|(serial, body, large)| {
        [format!("Message-ID: <{serial}@va.test>\nSubject: {serial}\n\n").as_bytes(), &body, &b"much of it\n".repeat(large / 11)].concat()
    })
}

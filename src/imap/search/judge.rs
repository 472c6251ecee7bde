//! A plainer reading of search keys as the judge of what is found: those that imap-codec does not know, and MODSEQ with its answer.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::key::Known;
use super::tests::{PLAIN, Site};
use super::*;
use crate::os::stamp;
use crate::store::{Changes, Flags};

/// What a client asks for.
#[derive(Debug, Clone)]
enum Asked {
    Modseq(u64),
    /// With the name and the type of a metadata item, which make no difference here.
    ModseqOf(&'static str, &'static str, u64),
    Older(u32),
    Younger(u32),
    Seen,
    Body(&'static str),
    Not(Box<Asked>),
    Or(Box<Asked>, Box<Asked>),
    All(Vec<Asked>),
}

impl Asked {
    fn said(&self) -> String {
        match self {
            Asked::Modseq(modseq) => format!("MODSEQ {modseq}"),
            Asked::ModseqOf(name, kind, modseq) => format!("modseq \"{name}\" {kind} {modseq}"),
            Asked::Older(seconds) => format!("OLDER {seconds}"),
            Asked::Younger(seconds) => format!("younger {seconds}"),
            Asked::Seen => "SEEN".to_owned(),
            Asked::Body(word) => format!("BODY {word}"),
            Asked::Not(key) => format!("NOT {}", key.said()),
            Asked::Or(one, other) => format!("OR {} {}", one.said(), other.said()),
            Asked::All(keys) => format!("({})", keys.iter().map(Asked::said).collect::<Vec<_>>().join(" ")),
        }
    }

    /// RFC 5032 §3 and RFC 7162 §3.1.5, with an age in place of a date.
    fn holds(&self, mail: &Mail) -> bool {
        match self {
            Asked::Modseq(modseq) | Asked::ModseqOf(_, _, modseq) => mail.modseq >= *modseq,
            Asked::Older(seconds) => mail.age >= *seconds,
            Asked::Younger(seconds) => mail.age <= *seconds,
            Asked::Seen => mail.is_seen,
            Asked::Body(word) => mail.body == *word,
            Asked::Not(key) => !key.holds(mail),
            Asked::Or(one, other) => one.holds(mail) || other.holds(mail),
            Asked::All(keys) => keys.iter().all(|key| key.holds(mail)),
        }
    }

    fn asks_modseq(&self) -> bool {
        match self {
            Asked::Modseq(_) | Asked::ModseqOf(..) => true,
            Asked::Not(key) => key.asks_modseq(),
            Asked::Or(one, other) => one.asks_modseq() || other.asks_modseq(),
            Asked::All(keys) => keys.iter().any(Asked::asks_modseq),
            _ => false,
        }
    }
}

fn asked(first: u64, last: u64) -> impl Strategy<Value = Asked> {
    // Half an hour from any age: time goes on while this is tested.
    let seconds = || prop_oneof![5 => (0u32..8).prop_map(|hours| hours * 3600 + 1800), 1 => Just(1), 1 => Just(u32::MAX)];
    let modseq = move || prop_oneof![6 => first - 1..=last + 1, 1 => Just(0), 1 => Just(i64::MAX as u64)];
    let (name, kind) = (prop::sample::select(vec!["/flags/\\\\seen", "/flags/$Work"]), prop::sample::select(vec!["all", "PRIV", "shared"]));
    let leaf = prop_oneof![
        modseq().prop_map(Asked::Modseq),
        (name, kind, modseq()).prop_map(|(name, kind, modseq)| Asked::ModseqOf(name, kind, modseq)),
        seconds().prop_map(Asked::Older),
        seconds().prop_map(Asked::Younger),
        Just(Asked::Seen),
        prop::sample::select(WORDS.to_vec()).prop_map(Asked::Body),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|key| Asked::Not(key.into())),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| Asked::Or(one.into(), other.into())),
            prop::collection::vec(inner, 1..4).prop_map(Asked::All),
        ]
    })
}

/// A message, as far as keys ask.
#[derive(Debug)]
struct Mail {
    number: u32,
    /// Seconds since it was received.
    age: u32,
    modseq: u64,
    is_seen: bool,
    body: &'static str,
}

const WORDS: [&str; 3] = ["one", "two", "three"];

/// Messages that are a number of hours old and were changed in another order than they came, and one that is gone.
async fn changed() -> (Site, Vec<Mail>) {
    let (mut site, now) = (Site::new(&[]).await, seconds());
    let mails = [0, 5, 2, 7, 1, 3, 6, 4].map(|hours| (hours * 3600, WORDS[hours as usize % 3]));
    for (age, body) in mails {
        site.append(&format!("Subject: x\n\n{body}\n"), Flags::NONE, &[], now - age).await;
    }
    let mut folder = site.elsewhere().await;
    for uids in [vec![7], vec![2, 5], vec![1]] {
        let mut changes = Changes::default();
        changes.add(uids.into_iter().collect(), Flags::SEEN);
        folder.apply(&changes).await.unwrap();
    }
    folder.apply(&Changes { expunge: [4].into_iter().collect(), ..Changes::default() }).await.unwrap();
    site.told().await;
    let state = site.folder.state().clone();
    let of = |(number, message): (u32, crate::store::Entry<'_>)| {
        let (age, body) = mails[message.uid as usize - 1];
        Mail { number, age, modseq: message.modseq, is_seen: message.flags().contains(Flags::SEEN), body }
    };
    let mails = (1..).zip(state.messages()).map(of).collect();
    (site, mails)
}

fn seconds() -> u32 {
    (stamp::now() / 1_000_000_000) as u32
}

#[test]
fn what_is_found_is_what_a_plain_reading_finds() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut site, mails) = runtime.block_on(changed());
    let (first, last) = (mails.iter().map(|mail| mail.modseq).min().unwrap(), mails.iter().map(|mail| mail.modseq).max().unwrap());
    assert!(last - first >= 3 && !mails.is_sorted_by_key(|mail| mail.modseq) && !mails.is_sorted_by_key(|mail| mail.age));
    let site = std::cell::RefCell::new(&mut site);
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) });
    let outcome = runner.run(&asked(first, last), |asked| {
        let found: Vec<&Mail> = mails.iter().filter(|mail| asked.holds(mail)).collect();
        let mut expected = found.iter().fold("* SEARCH".to_owned(), |said, mail| said + " " + &mail.number.to_string());
        // RFC 7162 §3.1.5: the highest of what was found.
        if let Some(modseq) = found.iter().map(|mail| mail.modseq).max().filter(|_| asked.asks_modseq()) {
            expected += &format!(" (MODSEQ {modseq})");
        }
        let said = runtime.block_on(site.borrow_mut().answer(&format!(" {}", asked.said()), PLAIN)).unwrap();
        prop_assert_eq!(said.trim_end(), expected, "{}", asked.said());
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[tokio::test]
async fn an_interval_has_both_its_ends() {
    let mut site = Site::new(&[]).await;
    site.append("Subject: x\n\n", Flags::NONE, &[], 1_000).await;
    site.told().await;
    let state = site.folder.state().clone();
    let message = state.message(1).unwrap();
    // RFC 5032 §3: so many seconds ago is both.
    for (clock, seconds, is_older, is_younger) in
        [(1_060, 59, true, false), (1_060, 60, true, true), (1_060, 61, false, true), (900, 1, false, true)]
    {
        let known = Known { clock, number: 1, message: &message, kept: None, heard: &|_| None };
        let holds = |key: Key| key.holds(&known).unwrap();
        assert_eq!((holds(Key::Older(seconds)), holds(Key::Younger(seconds))), (is_older, is_younger), "{seconds} s at {clock}");
    }
}

//! imap-codec as the judge: every SEARCH, SORT and THREAD that it can say is read here with the same meaning.

use std::collections::BTreeSet;

use arbitrary::{Arbitrary, Unstructured};
use imap_codec::CommandCodec;
use imap_codec::encode::Encoder;
use imap_codec::imap_types::command::{Command, CommandBody};
use imap_codec::imap_types::core::{AString, Charset as Named, Vec1};
use imap_codec::imap_types::datetime::NaiveDate;
use imap_codec::imap_types::extensions::sort::SortCriterion;
use imap_codec::imap_types::extensions::thread::ThreadingAlgorithm;
use imap_codec::imap_types::search::SearchKey;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::key::Days;
use super::sought::Place;
use super::tests::Site;
use super::*;
use crate::imap::frame::Head;
use crate::imap::oracle::{framed, set};
use crate::imap::sort::Sort;
use crate::imap::thread::Thread;
use crate::message::casemap_lines;
use crate::store::Flags;

#[test]
fn what_imap_codec_searches_for_is_understood() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let site = runtime.block_on(Site::new(&["Subject: one\r\n\r\n1\r\n", "Subject: two\r\n\r\n2\r\n", "Subject: three\r\n\r\n3\r\n"]));
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) });
    let outcome = runner.run(&proptest::collection::vec(any::<u8>(), 200..2000), |seed| {
        let mut seed = Unstructured::new(&seed);
        if let Ok(keys) = Vec1::<SearchKey<'_>>::arbitrary(&mut seed) {
            judge(&keys, &mut seed, &site.view);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

fn judge(keys: &Vec1<SearchKey<'_>>, seed: &mut Unstructured<'_>, view: &View) {
    let meant = Meant::of(keys, view);
    let body = CommandBody::Search { charset: None, criteria: keys.clone(), uid: false };
    let text = said(body);
    let read = Search::read(args(&text, "SEARCH"), &ASKING, view);
    agree(meant.as_ref(), read.as_ref().map(|search| &search.criteria), &text);

    if let Ok(sorted_by) = Vec1::<SortCriterion>::arbitrary(seed) {
        let count = sorted_by.as_ref().len();
        let body = CommandBody::Sort { sort_criteria: sorted_by, charset: utf8(), search_criteria: keys.clone(), uid: false };
        let text = said(body);
        let read = Sort::read(args(&text, "SORT"), &ASKING, view);
        assert_eq!(read.is_ok(), meant.is_some(), "{}", String::from_utf8_lossy(&text));
        assert!(read.is_err() || format!("{read:?}").matches("is_reverse").count() == count);
    }
    let body =
        CommandBody::Thread { algorithm: ThreadingAlgorithm::References, charset: utf8(), search_criteria: keys.clone(), uid: false };
    let text = said(body);
    assert_eq!(Thread::read(args(&text, "THREAD"), &ASKING, view).is_ok(), meant.is_some(), "{}", String::from_utf8_lossy(&text));
}

fn agree(meant: Option<&Meant>, read: Result<&Criteria, &Refused>, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    match (meant, read) {
        (None, Err(_)) => {}
        (Some(meant), Ok(read)) => {
            assert_eq!(Whole::of(&read.key), meant.whole, "{text}");
            assert_eq!(read.asks_modseq, meant.asks_modseq, "{text}");
            assert_eq!(read.sought.len(), meant.sought.len(), "{text}");
            for (read, (place, folded)) in read.sought.iter().zip(&meant.sought) {
                assert!(read.place == *place && read.len() == folded.len() && read.is_in(folded), "{text}");
            }
        }
        (meant, read) => panic!("{text}: meant {meant:?}, read {read:?}"),
    }
}

/// What a session would have of the command.
fn said(body: CommandBody<'_>) -> Vec<u8> {
    let said = CommandCodec::default().encode(&Command::new("a", body).unwrap()).dump();
    framed(&said).unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(&said))).0
}

fn args<'t>(text: &'t [u8], name: &str) -> Args<'t> {
    let head = Head::of(text).unwrap();
    assert_eq!(head.name, name);
    Args::new(head.args, false)
}

fn utf8() -> Named<'static> {
    Named::try_from("UTF-8").unwrap()
}

/// A search as imap-codec means it.
#[derive(Debug)]
struct Meant {
    whole: Whole,
    /// The texts, in the order in which they stand there, folded.
    sought: Vec<(Place, Vec<u8>)>,
    asks_modseq: bool,
}

impl Meant {
    /// `None` for what no server can understand: text that is not of the charset, and numbers that are too large.
    fn of(keys: &Vec1<SearchKey<'_>>, view: &View) -> Option<Meant> {
        let mut meant = Meant { whole: Whole::All(BTreeSet::new()), sought: Vec::new(), asks_modseq: false };
        let all = keys.as_ref().iter().map(|key| meant.key(key, view)).collect::<Option<Vec<Key>>>()?;
        meant.whole = Whole::of(&Key::All(all));
        Some(meant)
    }

    fn key(&mut self, key: &SearchKey<'_>, view: &View) -> Option<Key> {
        let not = |flags| Key::Not(Box::new(Key::Flags(flags)));
        let day = |date: &NaiveDate| *date.as_ref();
        Some(match key {
            SearchKey::And(keys) => Key::All(keys.as_ref().iter().map(|key| self.key(key, view)).collect::<Option<Vec<Key>>>()?),
            SearchKey::Or(one, other) => Key::Any(vec![self.key(one, view)?, self.key(other, view)?]),
            SearchKey::Not(key) => Key::Not(Box::new(self.key(key, view)?)),
            SearchKey::SequenceSet(numbers) => Key::Numbers(set(numbers).numbers(view.exists()).unwrap()),
            SearchKey::Uid(uids) => Key::Uids(view.resolve(&set(uids), true).unwrap()),
            SearchKey::All | SearchKey::Old => Key::EVERY,
            SearchKey::New | SearchKey::Recent => Key::NONE,
            SearchKey::Answered => Key::Flags(Flags::ANSWERED),
            SearchKey::Deleted => Key::Flags(Flags::DELETED),
            SearchKey::Draft => Key::Flags(Flags::DRAFT),
            SearchKey::Flagged => Key::Flags(Flags::FLAGGED),
            SearchKey::Seen => Key::Flags(Flags::SEEN),
            SearchKey::Unanswered => not(Flags::ANSWERED),
            SearchKey::Undeleted => not(Flags::DELETED),
            SearchKey::Undraft => not(Flags::DRAFT),
            SearchKey::Unflagged => not(Flags::FLAGGED),
            SearchKey::Unseen => not(Flags::SEEN),
            SearchKey::Keyword(word) => Key::Keyword(word.inner().to_owned()),
            SearchKey::Unkeyword(word) => Key::Not(Box::new(Key::Keyword(word.inner().to_owned()))),
            SearchKey::Bcc(text) => self.sought(Place::Field("BCC".to_owned()), text)?,
            SearchKey::Cc(text) => self.sought(Place::Field("CC".to_owned()), text)?,
            SearchKey::From(text) => self.sought(Place::Field("FROM".to_owned()), text)?,
            SearchKey::Subject(text) => self.sought(Place::Field("SUBJECT".to_owned()), text)?,
            SearchKey::To(text) => self.sought(Place::Field("TO".to_owned()), text)?,
            SearchKey::Body(text) => self.sought(Place::Body, text)?,
            SearchKey::Text(text) => self.sought(Place::Text, text)?,
            SearchKey::Header(name, text) => {
                let name = str::from_utf8(name.as_ref()).unwrap_or_default().to_owned();
                self.sought(Place::Field(name), text)?
            }
            SearchKey::Before(date) => Key::Received(Days::before(day(date))),
            SearchKey::On(date) => Key::Received(Days::on(day(date))),
            SearchKey::Since(date) => Key::Received(Days::since(day(date))),
            SearchKey::SentBefore(date) => Key::Sent(Days::before(day(date))),
            SearchKey::SentOn(date) => Key::Sent(Days::on(day(date))),
            SearchKey::SentSince(date) => Key::Sent(Days::since(day(date))),
            SearchKey::Larger(size) => Key::Larger((*size).into()),
            SearchKey::Smaller(size) => Key::Smaller((*size).into()),
            // RFC 7162 §7: 63 bits.
            SearchKey::ModSequence { modseq, .. } if i64::try_from(*modseq).is_err() => return None,
            SearchKey::ModSequence { modseq, .. } => {
                self.asks_modseq = true;
                Key::Modseq(*modseq)
            }
        })
    }

    fn sought(&mut self, place: Place, text: &AString<'_>) -> Option<Key> {
        let mut folded = Vec::new();
        casemap_lines(&Charset::USUAL.text(text.as_ref()).ok()?, &mut folded);
        self.sought.push((place, folded));
        Some(Key::Sought(self.sought.len() - 1))
    }
}

/// A key without regard to the order and the nesting of what makes no difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Whole {
    All(BTreeSet<Whole>),
    Any(BTreeSet<Whole>),
    Not(Box<Whole>),
    One(String),
}

impl Whole {
    fn of(key: &Key) -> Whole {
        match key {
            Key::All(keys) => {
                let inner = keys.iter().map(Whole::of).flat_map(|key| match key {
                    Whole::All(keys) => keys,
                    key => BTreeSet::from([key]),
                });
                Whole::single(inner.collect()).unwrap_or_else(Whole::All)
            }
            Key::Any(keys) => {
                let inner = keys.iter().map(Whole::of).flat_map(|key| match key {
                    Whole::Any(keys) => keys,
                    key => BTreeSet::from([key]),
                });
                Whole::single(inner.collect()).unwrap_or_else(Whole::Any)
            }
            Key::Not(key) => Whole::Not(Box::new(Whole::of(key))),
            key => Whole::One(format!("{key:?}")),
        }
    }

    /// The only one of these, or all of them again.
    fn single(mut keys: BTreeSet<Whole>) -> Result<Whole, BTreeSet<Whole>> {
        match keys.len() {
            1 => Ok(keys.pop_first().expect("there is one")),
            _ => Err(keys),
        }
    }
}

const ASKING: Asking<'_> = Asking { tag: "a", is_uid: false, is_rev2: false, is_utf8: false };

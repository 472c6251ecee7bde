//! Sessions, deliveries and foreign programs in any order, against a model that is a list of messages.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Write;

use proptest::prelude::*;

use super::tests::{F, change};
use crate::config::Spool;
use crate::store::bench::{Bench, incoming, text};
use crate::store::index::Record;
use crate::store::{AnyFolder, Flags, Folder, Incoming, Uidl};

#[derive(Debug, Clone)]
enum Step {
    /// Another program appends a message; one in a few is equal to an earlier one.
    Deliver { kind: u8, lines: usize },
    /// We append some messages.
    Append { kinds: Vec<(u8, usize)>, named: bool },
    /// A session: what it expunges and marks, and whether mail comes in the middle of it.
    Session { expunge: Vec<bool>, seen: Vec<bool>, meanwhile: bool },
    /// Another program drops messages and writes its own notes, in place or beside.
    Rewrite { drop: Vec<bool>, replace: bool, notes: bool },
    /// The disposable index is lost.
    Forget,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = || proptest::collection::vec(proptest::bool::weighted(0.3), 12);
    let step = prop_oneof![
        4 => (0u8..6, 0usize..12).prop_map(|(kind, lines)| Step::Deliver { kind, lines }),
        4 => (proptest::collection::vec((0u8..6, 0usize..12), 1..4), any::<bool>()).prop_map(|(kinds, named)| Step::Append { kinds, named }),
        4 => (some(), some(), any::<bool>()).prop_map(|(expunge, seen, meanwhile)| Step::Session { expunge, seen, meanwhile }),
        2 => (some(), any::<bool>(), any::<bool>()).prop_map(|(drop, replace, notes)| Step::Rewrite { drop, replace, notes }),
        1 => Just(Step::Forget),
    ];
    proptest::collection::vec(step, 1..25)
}

/// What must be in the mailbox, in this order; with the UIDL each had when it was seen first.
#[derive(Default)]
struct Model {
    texts: Vec<(String, Option<Uidl>)>,
    used: HashSet<Uidl>,
    serial: usize,
}

impl Model {
    fn text(&mut self, kind: u8, lines: usize) -> String {
        self.serial += 1;
        let name = if kind == 0 { "twin".to_owned() } else { format!("mail {}", self.serial) };
        let body = [String::new(), "\nFrom here on\n".into(), ".\n..\n".into(), "\n\n".into(), "\0\u{e9}\n".into(), "\rx\r\n".into()];
        format!("Subject: {name}\n\n{}{}end\n", "line\n".repeat(lines), if kind == 0 { "" } else { &body[usize::from(kind)] })
    }

    /// Compares with what a session sees, and learns the numbers.
    async fn check(&mut self, bench: &Bench) {
        let mut folder = bench.open().await;
        let raw = || String::from_utf8_lossy(&fs::read(bench.spool()).unwrap_or_default()).into_owned();
        let records = records(&folder);
        assert_eq!(records.len(), self.texts.len(), "{}", raw());
        let uids: Vec<_> = records.iter().map(|message| message.uid).collect();
        assert!(uids.is_sorted_by(|a, b| a < b));
        let mut there: HashMap<Uidl, String> = HashMap::new();
        for record in &records {
            let text = String::from_utf8(text(&mut folder, record.uid).await.unwrap()).unwrap();
            let wire = text.len() + text.matches('\n').count() - text.matches("\r\n").count();
            assert_eq!(wire as u64, record.size.octets(), "{text:?}");
            assert!(there.insert(record.uidl(), text).is_none(), "UIDLs are unique");
        }
        for (at, (text, uidl)) in self.texts.iter_mut().enumerate() {
            let now = records[at].uidl();
            assert_eq!(&there[&now], text);
            assert!(uidl.is_none_or(|uidl| uidl == now), "{uidl:?} became {now:?}\n{}", raw());
            assert!(uidl.is_some() || self.used.insert(now), "{now:?} was another's");
            *uidl = Some(now);
        }
    }
}

fn records(folder: &AnyFolder) -> Vec<Record> {
    folder.state().messages().map(|message| message.record).collect()
}

fn deliver(bench: &Bench, text: &str) {
    let mut spool = File::options().append(true).create(true).open(bench.spool()).unwrap();
    spool.write_all(format!("{F}{text}\n").as_bytes()).unwrap();
}

async fn play(steps: Vec<Step>) {
    let (mut bench, mut model) = (Bench::in_memory(Spool::Mbox), Model::default());
    for step in steps {
        match step {
            Step::Deliver { kind, lines } => {
                let text = model.text(kind, lines);
                deliver(&bench, &text);
                model.texts.push((text, None));
            }
            Step::Append { kinds, named } => {
                let mut messages = Vec::new();
                for (kind, lines) in kinds {
                    // Line ends are LF where we store.
                    let text = model.text(kind, lines).replace("\r\n", "\n");
                    let keywords = if named { vec!["$Work".to_owned()] } else { Vec::new() };
                    messages.push(Incoming { keywords, ..incoming(&text) });
                    model.texts.push((text, None));
                }
                bench.append(&messages).await.unwrap();
            }
            Step::Session { expunge, seen, meanwhile } => {
                let mut folder = bench.open().await;
                let picked = |picks: &[bool]| (0..folder.state().len()).filter(|at| picks.get(*at) == Some(&true)).collect::<Vec<_>>();
                let (expunge, seen) = (picked(&expunge), picked(&seen));
                if meanwhile {
                    let text = model.text(1, 3);
                    deliver(&bench, &text);
                    model.texts.push((text, None));
                }
                let before = records(&folder);
                change(&mut folder, &expunge, &seen).await.unwrap();
                for message in records(&bench.open().await) {
                    let at = before.iter().position(|before| before.uid == message.uid);
                    let marked = at.is_some_and(|at| seen.contains(&at) || before[at].flags().contains(Flags::SEEN));
                    assert_eq!(message.flags().contains(Flags::SEEN), marked);
                }
                let mut at = 0..;
                model.texts.retain(|_| !expunge.contains(&at.next().unwrap()));
            }
            Step::Rewrite { drop, replace, notes } => {
                model.check(&bench).await;
                let mut at = 0..;
                // Which of two equal messages another program dropped, nobody can tell.
                model.texts.retain(|(text, _)| drop.get(at.next().unwrap()) != Some(&true) || text.contains("twin"));
                let note = if notes { "Status: O\nContent-Length: 3\n" } else { "" };
                let file: String = model.texts.iter().map(|(text, _)| format!("{F}{note}{text}\n")).collect();
                let path = if replace { bench.spool().with_extension("new") } else { bench.spool() };
                fs::write(&path, file).unwrap();
                if replace {
                    fs::rename(path, bench.spool()).unwrap();
                }
            }
            Step::Forget => {
                bench.forget();
            }
        }
        model.check(&bench).await;
    }
    let left: Vec<_> = fs::read_dir(bench.spool().parent().unwrap()).unwrap().collect();
    assert!(left.len() <= 1, "no locks stay: {left:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn messages_and_their_numbers_are_never_lost_nor_doubled(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(play(steps));
    }
}

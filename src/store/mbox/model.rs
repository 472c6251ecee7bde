//! Sessions, deliveries and foreign programs in any order, against a model that is a list of messages.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Write;

use proptest::prelude::*;

use super::tests::{Bench, F, change, text};
use crate::store::{Flags, Folder, Uidl};

#[derive(Debug, Clone)]
enum Step {
    /// Another program appends a message; one in a few is equal to an earlier one.
    Deliver { kind: u8, lines: usize },
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
    /// The index was lost while the numbers were nowhere else.
    forgot: bool,
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
        assert_eq!(folder.messages().len(), self.texts.len(), "{}", raw());
        let uids: Vec<_> = folder.messages().iter().map(|message| message.uid).collect();
        assert!(uids.is_sorted_by(|a, b| a < b));
        let mut there: HashMap<Uidl, String> = HashMap::new();
        for at in 0..uids.len() {
            let text = String::from_utf8(text(&mut folder, at).await.unwrap()).unwrap();
            assert!(there.insert(folder.messages()[at].uidl(), text).is_none(), "UIDLs are unique");
        }
        for (at, (text, uidl)) in self.texts.iter_mut().enumerate() {
            let now = folder.messages()[at].uidl();
            assert_eq!(&there[&now], text);
            if !self.forgot {
                assert!(uidl.is_none_or(|uidl| uidl == now), "{uidl:?} became {now:?}\n{}", raw());
                assert!(uidl.is_some() || self.used.insert(now), "{now:?} was another's");
            }
            *uidl = Some(now);
        }
        if std::mem::take(&mut self.forgot) {
            self.used = there.into_keys().collect();
        }
    }
}

fn deliver(bench: &Bench, text: &str) {
    let mut spool = File::options().append(true).create(true).open(bench.spool()).unwrap();
    spool.write_all(format!("{F}{text}\n").as_bytes()).unwrap();
}

async fn play(steps: Vec<Step>) {
    let (bench, mut model) = (Bench::new(), Model::default());
    for step in steps {
        match step {
            Step::Deliver { kind, lines } => {
                let text = model.text(kind, lines);
                deliver(&bench, &text);
                model.texts.push((text, None));
            }
            Step::Session { expunge, seen, meanwhile } => {
                let mut folder = bench.open().await;
                let picked = |picks: &[bool]| (0..folder.messages().len()).filter(|at| picks.get(*at) == Some(&true)).collect::<Vec<_>>();
                let (expunge, seen) = (picked(&expunge), picked(&seen));
                if meanwhile {
                    let text = model.text(1, 3);
                    deliver(&bench, &text);
                    model.texts.push((text, None));
                }
                change(&mut folder, &expunge, &seen).await.unwrap();
                for (at, message) in bench.open().await.messages().iter().enumerate() {
                    let before = folder.messages().iter().position(|before| before.uid == message.uid);
                    let marked =
                        before.is_some_and(|before| seen.contains(&before) || folder.messages()[before].flags.contains(Flags::SEEN));
                    assert_eq!(message.flags.contains(Flags::SEEN), marked, "{at}");
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
                let _ = fs::remove_file(bench.index());
                model.forgot = true;
            }
        }
        model.check(&bench).await;
    }
    let left: Vec<_> = fs::read_dir(bench.spool().parent().unwrap()).unwrap().collect();
    assert!(left.len() <= 1, "no locks stay: {left:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn messages_and_their_numbers_are_never_lost_nor_doubled(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(play(steps));
    }
}

//! Any ops in any order, against a model that is a list of messages; with others who follow, and snapshots at any time.

use proptest::prelude::*;

use super::tests::{Bench, arrival, disk, keywords};
use super::*;
use crate::store::message::{Flags, Size, Traits};

#[derive(Debug, Clone)]
enum Step {
    Append(u32),
    Flags { spans: Vec<Span>, remove: u8, add: u8, clear: bool, words: u32 },
    Expunge { spans: Vec<Span>, doomed: bool },
    Flush(Vec<Span>),
    Bury,
    Learn { spans: Vec<Span>, size: u64 },
    Shift { from: u32, by: i64 },
    Snapshot,
    Reopen,
    Follow,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let span = (1u32..700, 0u32..60).prop_map(|(first, more)| Span { first, last: first + more });
    let spans = || proptest::collection::vec(span.clone(), 1..4);
    let step = prop_oneof![
        3 => (0u32..200).prop_map(Step::Append),
        4 => (spans(), 0u8..64, 0u8..64, any::<bool>(), 0u32..3)
            .prop_map(|(spans, remove, add, clear, words)| Step::Flags { spans, remove, add, clear, words }),
        3 => (spans(), any::<bool>()).prop_map(|(spans, doomed)| Step::Expunge { spans, doomed }),
        2 => spans().prop_map(Step::Flush),
        1 => Just(Step::Bury),
        2 => (spans(), 1u64..99).prop_map(|(spans, size)| Step::Learn { spans, size }),
        2 => (1u32..700, -50i64..50).prop_map(|(from, by)| Step::Shift { from, by }),
        2 => Just(Step::Snapshot),
        1 => Just(Step::Reopen),
        2 => Just(Step::Follow),
    ];
    proptest::collection::vec(step, 1..30)
}

/// A message as the model has it: record, name, UIDL, keywords.
#[derive(Debug, Clone, PartialEq)]
struct Plain {
    record: Record,
    name: Vec<u8>,
    uidl: Vec<u8>,
    words: Vec<String>,
}

impl Plain {
    fn of(arrival: &Arrival, modseq: u64) -> Plain {
        let words = arrival.keywords.iter().map(|word| word.to_string()).collect();
        let record = Record { modseq, ..arrival.live.record };
        Plain { record, name: arrival.live.name().to_vec(), uidl: arrival.live.uidl_text().to_vec(), words }
    }

    fn seen(entry: &Entry<'_>) -> Plain {
        let mut words: Vec<String> = entry.keywords().map(|word| word.to_string()).collect();
        words.sort_unstable();
        Plain { record: entry.record, name: entry.name().to_vec(), uidl: entry.uidl_text().to_vec(), words }
    }

    /// Without what depends on where it is stored.
    fn core(mut self) -> Plain {
        (self.record.name, self.record.keywords) = (0, 0);
        let bare = bytemuck::bytes_of_mut(&mut self.record);
        let len = bare.len();
        bare[len - 4..].fill(0);
        self
    }
}

#[derive(Debug, Clone, Default)]
struct Model {
    messages: Vec<Plain>,
    doomed: Vec<u32>,
    gone: Vec<(u64, u32)>,
    next: u32,
    modseq: u64,
    begin: u64,
}

fn among(spans: &[Span], uid: u32) -> bool {
    spans.iter().any(|span| (span.first..=span.last).contains(&uid))
}

impl Model {
    fn ops(&mut self, step: &Step) -> Vec<Op> {
        let modseq = self.modseq + 1;
        match step {
            Step::Append(count) => {
                let arrivals: Vec<Arrival> = (0..*count).map(|at| arrival(self.next + at)).collect();
                self.next += count;
                self.messages.extend(arrivals.iter().map(|arrival| Plain::of(arrival, modseq)));
                self.modseq += u64::from(*count > 0);
                vec![Op::Append(arrivals)]
            }
            Step::Flags { spans, remove, add, clear, words } => {
                let (remove, add) = (Flags::from_bits(*remove), Flags::from_bits(*add));
                let any = self.mark(spans, remove, add, *clear, *words, modseq);
                self.modseq += u64::from(any);
                let add_keywords = keywords(*words);
                let marks = Marks { uids: spans.clone(), remove, add, clear: *clear, add_keywords, dirty: true, ..Marks::default() };
                vec![Op::Flags(marks)]
            }
            Step::Expunge { spans, doomed } => {
                let gone: Vec<u32> = self.messages.iter().map(|plain| plain.record.uid).filter(|uid| among(spans, *uid)).collect();
                self.messages.retain(|plain| !among(spans, plain.record.uid));
                self.modseq += u64::from(!gone.is_empty());
                self.gone.extend(gone.iter().map(|uid| (modseq, *uid)));
                self.doomed.extend(gone.iter().filter(|_| *doomed));
                vec![Op::Expunge { uids: spans.clone(), doomed: *doomed }]
            }
            Step::Flush(spans) => vec![Op::Flushed(self.flush(spans))],
            Step::Bury => {
                let uids: Vec<Span> = self.doomed.drain(..).map(Span::one).collect();
                vec![Op::Buried(uids)]
            }
            Step::Learn { spans, size } => vec![Op::Learnt(self.learn(spans, *size))],
            Step::Shift { from, by } => {
                for plain in self.messages.iter_mut().filter(|plain| plain.record.uid >= *from) {
                    plain.record.place = plain.record.place.wrapping_add_signed(*by);
                }
                vec![Op::Shift { from: *from, by: *by }]
            }
            Step::Snapshot | Step::Reopen | Step::Follow => vec![],
        }
    }

    fn mark(&mut self, spans: &[Span], remove: Flags, add: Flags, clear: bool, words: u32, modseq: u64) -> bool {
        let mut any = false;
        for plain in self.messages.iter_mut().filter(|plain| among(spans, plain.record.uid)) {
            let before = plain.clone();
            plain.record.set_flags(Flags::from_bits(plain.record.flags().bits() & !remove.bits() | add.bits()));
            let mut all = if clear { vec![] } else { plain.words.clone() };
            all.extend(keywords(words).iter().map(|word| word.to_string()));
            all.sort_unstable();
            all.dedup();
            plain.words = all;
            if *plain != before {
                plain.record.modseq = modseq;
                plain.record.set_traits(Traits::DIRTY, true);
                any = true;
            }
        }
        any
    }

    fn flush(&mut self, spans: &[Span]) -> Vec<Flushed> {
        let touched = self.messages.iter_mut().filter(|plain| among(spans, plain.record.uid));
        touched
            .map(|plain| {
                let uid = plain.record.uid;
                plain.record.letters = uid;
                plain.record.set_traits(Traits::DIRTY, false);
                plain.record.set_traits(Traits::FRESH, false);
                let name = uid.is_multiple_of(2).then(|| format!("name {uid}").into_bytes());
                if let Some(name) = &name {
                    plain.name.clone_from(name);
                    plain.record.name_len = name.len() as u16;
                }
                let name = name.map(Arc::from);
                Flushed { uid, modseq: plain.record.modseq, letters: uid, fresh: false, verbatim: false, name }
            })
            .collect()
    }

    fn learn(&mut self, spans: &[Span], size: u64) -> Vec<Learnt> {
        let touched = self.messages.iter_mut().filter(|plain| among(spans, plain.record.uid));
        touched
            .map(|plain| {
                let size = Size::new(size, !size.is_multiple_of(3));
                plain.record.size = size;
                plain.record.set_traits(Traits::SIZED, true);
                Learnt { uid: plain.record.uid, size: Some(size), ..Learnt::default() }
            })
            .collect()
    }

    fn check(&self, state: &State) {
        let all: Vec<Plain> = state.messages().map(|entry| Plain::seen(&entry).core()).collect();
        let core: Vec<Plain> = self.messages.iter().map(|plain| plain.clone().core()).collect();
        assert_eq!(all, core);
        assert_eq!((state.len(), state.head().uidnext, state.head().modseq), (all.len(), self.next, self.modseq));
        assert_eq!(state.head().totals, self.totals());
        assert_eq!(state.doomed().iter().map(|live| live.record.uid).collect::<Vec<_>>(), self.doomed);
        for modseq in [self.begin, (self.begin + self.modseq) / 2, self.modseq] {
            let changed = core.iter().map(|plain| &plain.record).filter(|record| record.modseq > modseq).map(|record| record.uid);
            assert!(state.changed_since(modseq).map(|entry| entry.uid).eq(changed));
            let vanished = state.vanished_since(modseq).unwrap();
            assert!(self.gone.iter().filter(|(at, _)| *at > modseq).all(|(_, uid)| among(&vanished, *uid)));
            assert!(core.iter().all(|plain| !among(&vanished, plain.record.uid)));
        }
        let having = |traits| core.iter().map(|plain| &plain.record).filter(move |record| record.has(traits)).map(|record| record.uid);
        for traits in [Traits::DIRTY, Traits::FRESH, Traits::SIZED] {
            assert!(state.having(traits).map(|entry| entry.uid).eq(having(traits)));
            assert_eq!(state.lacking(traits).count(), core.len() - having(traits).count());
        }
        for (plain, at) in std::iter::zip(&core, 0..).step_by(7) {
            let uid = plain.record.uid;
            assert_eq!((state.position(uid), state.nth(at).map(|entry| entry.uid), state.before(uid)), (Some(at), Some(uid), at));
        }
        assert!(state.nth(all.len()).is_none() && state.message(self.next).is_none());
        assert!(!state.is_damaged());
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.messages.iter().for_each(|plain| totals.add(&plain.record));
        totals
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_index_is_a_list_of_messages(steps in steps()) {
        let bench = Bench::new();
        let state = State::found(1, 1, [0; 16], vec![]).unwrap();
        let begin = state.head().modseq;
        let mut model = Model { next: 1, modseq: begin, begin, ..Model::default() };
        let mut index = Index::create(&bench.folder(), &disk(), &state).unwrap();
        let mut other = bench.open();
        let mut kept: Vec<(State, Model)> = vec![];
        for step in steps {
            let ops = model.ops(&step);
            match step {
                Step::Snapshot => index.lock().unwrap().snapshot().unwrap(),
                Step::Reopen => index = bench.open(),
                Step::Follow => {
                    other.follow().unwrap();
                    model.check(other.state());
                    std::mem::swap(&mut index, &mut other);
                }
                _ => index.lock().unwrap().append(&ops).unwrap(),
            }
            model.check(index.state());
            kept.push((index.state().clone(), model.clone()));
        }
        // What was a state then is one still.
        kept.iter().for_each(|(state, model)| model.check(state));
        model.check(bench.open().state());
    }
}

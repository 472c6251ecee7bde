//! Pulling the plug: at every deed of a change and of its recovery, with and without what the disk had not been told to keep.

use std::fs::{self, File};
use std::io::Write;
use std::sync::Arc;

use super::tests::{F, message, uid};
use crate::config::{Fsync, Spool};
use crate::store::bench::{Bench, Seen, expunge, folder, incoming, mark, seen};
use crate::store::plug::{Cut, Plug};
use crate::store::{AnyFolder, AnyHome, Changes, Flags, Folder, FolderName, Home, How, Incoming, Trouble};

/// What is to be done to which mailbox, and what others append after each crash.
struct Case {
    mailbox: String,
    deed: Deed,
    appended: String,
    fsync: Fsync,
}

#[derive(Debug, Clone)]
enum Deed {
    /// By position.
    Change {
        expunge: Vec<usize>,
        seen: Vec<usize>,
    },
    Name {
        positions: Vec<usize>,
        how: How,
        words: Vec<&'static str>,
    },
    Append(Vec<String>),
    /// Into another mbox.
    Move(Vec<usize>),
}

const NEVER: Cut = Cut { after: usize::MAX, torn: 0, chance: 0 };

fn on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// A home on a disk of its own, and the disk.
fn home(bench: &Bench, cut: Cut, fsync: Fsync) -> (AnyHome, Arc<Plug>) {
    let plug = Plug::beside(bench.root(), cut);
    (bench.on(plug.clone(), fsync), plug)
}

async fn open(home: &AnyHome) -> Result<AnyFolder, Trouble> {
    home.open(&FolderName::inbox()).await
}

/// What a session sees; a blank line that others put before what they append is that much more text of the message before.
fn view_of(bench: &Bench, name: &FolderName) -> Vec<Seen> {
    let (home, _plug) = home(bench, NEVER, Fsync::Optimized);
    on(async { seen(&mut home.open(name).await.expect("recovery works")).await })
        .into_iter()
        .map(|(uid, text, flags, words, _)| (uid, text, flags, words, 0))
        .collect()
}

fn view(bench: &Bench) -> Vec<Seen> {
    view_of(bench, &FolderName::inbox())
}

fn append(bench: &Bench, text: &str) {
    File::options().append(true).create(true).open(bench.spool()).unwrap().write_all(text.as_bytes()).unwrap();
}

fn texts(all: &[Seen]) -> Vec<(u32, &str)> {
    all.iter().map(|(uid, text, ..)| (*uid, text.as_str())).collect()
}

impl Deed {
    async fn happen(&self, home: &AnyHome) -> Result<(), Trouble> {
        let mut inbox = open(home).await?;
        let uids = |positions: &[usize]| positions.iter().map(|at| uid(&inbox, *at)).collect::<Vec<_>>();
        match self {
            Deed::Change { expunge: gone, seen } => {
                let flags = if seen.is_empty() { Changes::default() } else { mark(&uids(seen), How::Add, Flags::SEEN, &[]) };
                let changes = Changes { expunge: expunge(&uids(gone)).expunge, ..flags };
                inbox.apply(&changes).await.map(drop)
            }
            Deed::Name { positions, how, words } => {
                let changes = mark(&uids(positions), *how, Flags::FLAGGED, words);
                inbox.apply(&changes).await.map(drop)
            }
            Deed::Append(texts) => {
                let messages: Vec<Incoming> = texts.iter().map(|text| incoming(text)).collect();
                home.append(&FolderName::inbox(), &messages).await.map(drop)
            }
            Deed::Move(positions) => {
                let uids = uids(positions).into_iter().collect();
                inbox.relocate(&uids, &folder("Kept")).await.map(drop)
            }
        }
    }
}

impl Case {
    fn bench(&self) -> Bench {
        let bench = Bench::in_memory(Spool::Mbox);
        fs::write(bench.spool(), &self.mailbox).unwrap();
        if matches!(self.deed, Deed::Move(_)) {
            fs::write(bench.root().join("home/joe/Kept"), message("kept")).unwrap();
            view_of(&bench, &folder("Kept"));
        }
        view(&bench);
        bench
    }

    /// What must be there before and after, without a crash.
    fn truth(&self) -> (Vec<Seen>, Vec<Seen>) {
        let bench = self.bench();
        let before = view(&bench);
        let (home, _plug) = home(&bench, NEVER, self.fsync);
        on(self.deed.happen(&home)).unwrap();
        (before, view(&bench))
    }

    /// Whether the deed was done before the plug was pulled, and the recovery.
    fn crash(&self, first: Cut, second: Option<Cut>, truth: &(Vec<Seen>, Vec<Seen>)) -> (bool, bool) {
        let bench = self.bench();
        let (home, plug) = home(&bench, first, self.fsync);
        let done = on(self.deed.happen(&home)).is_ok();
        // What was acknowledged stays, whatever the disk loses then.
        plug.pull();
        drop((home, plug));
        append(&bench, &self.appended);
        let mut news = usize::from(!self.appended.is_empty());
        let recovered = second.is_none_or(|cut| {
            let (home, plug) = self::home(&bench, cut, self.fsync);
            let recovered = on(open(&home)).is_ok() && !plug.is_pulled();
            append(&bench, &self.appended);
            news *= 2;
            recovered
        });
        let context = || format!("{first:?} {second:?} {:?}\n{:?}", self.deed, String::from_utf8_lossy(&fs::read(bench.spool()).unwrap()));
        let mut now = view(&bench);
        for (_, text, ..) in now.split_off(now.len().saturating_sub(news)) {
            assert!(F.len() + text.len() <= self.appended.len() && self.appended.contains(&text), "{text:?} {}", context());
        }
        match (&self.deed, done) {
            (Deed::Move(_), _) => self.judge_move(&bench, &now, done, truth, &context),
            (_, true) => assert_eq!(now, truth.1, "{}", context()),
            (_, false) => assert!(texts(&now) == texts(&truth.0) || texts(&now) == texts(&truth.1), "{}", context()),
        }
        assert_eq!(view(&bench).len(), now.len() + news);
        (done, recovered)
    }

    /// Each message is in one of the two; in both only if nobody was told of the move.
    fn judge_move(&self, bench: &Bench, now: &[Seen], done: bool, truth: &(Vec<Seen>, Vec<Seen>), context: &dyn Fn() -> String) {
        let kept = view_of(bench, &folder("Kept"));
        let is_kept = |text: &str| kept.iter().filter(|(_, kept, ..)| kept == text).count();
        for (uid, text, ..) in &truth.0 {
            let is_here = now.iter().any(|message| message.0 == *uid && message.1 == *text);
            assert!(is_here || is_kept(text) == 1, "{text:?} is lost {}", context());
            assert!(is_kept(text) <= 1, "{text:?} is there twice {}", context());
        }
        if done {
            assert_eq!(now, truth.1, "{}", context());
        }
    }

    /// Every place for a first crash, and every place for a second during the recovery.
    fn everywhere(&self, torn: usize, chance: u64, twice: bool) {
        let truth = self.truth();
        for after in 0.. {
            let first = Cut { after, torn, chance };
            if self.crash(first, None, &truth).0 {
                break;
            }
            let second = |after| Some(Cut { after, torn, chance: chance.wrapping_mul(3) });
            (0..).take_while(|_| twice).find(|after| self.crash(first, second(*after), &truth).1);
        }
    }
}

fn mail(name: &str, lines: usize) -> String {
    format!("{F}Subject: {name}\n\n{}\n", format!("line of {name}\n").repeat(lines))
}

fn mailboxes() -> [String; 2] {
    [
        [mail("a", 3), mail("b", 1), mail("c", 9), mail("d", 30)].concat(),
        // Already numbered, so that little moves.
        [mail("a", 3).replace("Subject", "X-IMAPbase: 0000000009 0000000004\nX-UID: 1         \nStatus: O \nSubject")]
            .into_iter()
            .chain((2..5).map(|uid| mail(&format!("m{uid}"), 4 * uid).replace("Subject", &format!("X-UID: {uid}\nStatus: O \nSubject"))))
            .collect(),
    ]
}

fn cases() -> Vec<Case> {
    let change = |expunge: &[usize], seen: &[usize]| Deed::Change { expunge: expunge.to_vec(), seen: seen.to_vec() };
    let deeds = [
        change(&[0], &[]),
        change(&[1], &[2]),
        change(&[0, 2], &[1, 3]),
        change(&[3], &[]),
        change(&[2, 3], &[0]),
        change(&[0, 1, 2, 3], &[]),
        change(&[], &[0, 1, 2, 3]),
        change(&[], &[3]),
        Deed::Name { positions: vec![0, 2], how: How::Add, words: vec!["$Work", "later"] },
        Deed::Append(vec!["Subject: x\n\n".into()]),
        Deed::Append(vec!["Subject: one\n\n1\n".into(), format!("Subject: two\n\n{}", "2\n".repeat(300)), "Subject: three\n\n".into()]),
    ];
    let appended = [String::new(), message("new"), mail("much", 60), "\n".to_owned() + &message("new")];
    let mut all = Vec::new();
    for mailbox in mailboxes() {
        for deed in &deeds {
            for appended in &appended {
                all.push(Case { mailbox: mailbox.clone(), deed: deed.clone(), appended: appended.clone(), fsync: Fsync::Optimized });
            }
        }
    }
    // With keywords in place already.
    let named = mailboxes()[1].replace("Status: O \n", &format!("Status: O \nX-Status:     \nX-Keywords: {:<40}\n", "one two"));
    for (how, words) in [(How::Add, vec!["three"]), (How::Remove, vec!["two"]), (How::Replace, vec!["four", "five"])] {
        let deed = Deed::Name { positions: vec![0, 1, 3], how, words };
        all.push(Case { mailbox: named.clone(), deed, appended: message("new"), fsync: Fsync::Optimized });
    }
    all
}

#[test]
fn a_killed_update_is_done_or_not_done() {
    for (case, nth) in std::iter::zip(cases(), 0..) {
        for torn in [0, 3, 8] {
            case.everywhere(torn, 0, torn == 3 && nth % 12 == 0);
        }
    }
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    for (mut case, seed) in std::iter::zip(cases(), 1..) {
        // Else the end of mail that nobody was told of may be left.
        case.fsync = Fsync::Always;
        for chance in 0..2 {
            case.everywhere(5, seed * 7919 + chance, chance == 0 && seed % 12 == 0);
        }
    }
}

#[test]
fn a_move_into_another_mbox_loses_nothing_and_doubles_nothing_that_was_acknowledged() {
    for mailbox in mailboxes() {
        for positions in [vec![0], vec![1, 3], vec![0, 1, 2, 3]] {
            let case = Case { mailbox: mailbox.clone(), deed: Deed::Move(positions), appended: message("new"), fsync: Fsync::Always };
            for chance in [0, 77, 78] {
                case.everywhere(3, chance, false);
            }
        }
    }
}

/// Where new mail is not journalled for a power cut, its torn end may be left, and nothing worse.
#[test]
fn a_power_cut_with_shared_syncs_leaves_at_most_a_torn_end_of_what_nobody_was_told_of() {
    for (case, seed) in std::iter::zip(cases(), 1..) {
        let (true, Deed::Append(_)) = (case.appended.is_empty(), &case.deed) else { continue };
        let truth = case.truth();
        for chance in 0..12 {
            for after in 0.. {
                let bench = case.bench();
                let (home, plug) = home(&bench, Cut { after, torn: 5, chance: seed * 7919 + chance + 1 }, case.fsync);
                let done = on(case.deed.happen(&home)).is_ok();
                plug.pull();
                drop((home, plug));
                let now = view(&bench);
                assert_eq!(texts(&now[..4]), texts(&truth.0));
                if done {
                    assert_eq!(now, truth.1);
                    break;
                }
            }
        }
    }
}

#[test]
fn all_that_was_interrupted_can_be_finished_at_once() {
    let case = Case { mailbox: mailboxes()[0].clone(), deed: Deed::Move(vec![0, 2]), appended: String::new(), fsync: Fsync::Always };
    let truth = case.truth();
    for after in 0.. {
        let bench = case.bench();
        let (home, plug) = home(&bench, Cut { after, torn: 3, chance: 0 }, case.fsync);
        let done = on(case.deed.happen(&home)).is_ok();
        drop((home, plug));
        bench.store.finish(&bench.account()).unwrap();
        let left =
            fs::read_dir(bench.root().join("redo/va.test")).map_or(0, |journals| journals.filter(|journal| !is_beside(journal)).count());
        assert_eq!(left, 0, "after {after}");
        case.judge_move(&bench, &view(&bench), done, &truth, &|| format!("after {after}"));
        if done {
            break;
        }
    }
}

/// A journal that was never whole has another name.
fn is_beside(journal: &std::io::Result<fs::DirEntry>) -> bool {
    journal.as_ref().unwrap().file_name().as_encoded_bytes().starts_with(b".")
}

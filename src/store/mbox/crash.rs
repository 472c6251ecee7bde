//! Pulling the plug: at every deed of an update and of its recovery, with and without what the disk had not been told to keep.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::tests::{Bench, F, change, message, text};
use crate::os::Actor;
use crate::store::disk::{Disk, Machine};
use crate::store::{Account, AnyFolder, Flags, Folder, Home, Store};

/// A disk that stops after some deeds.
struct Plug(Arc<Mutex<State>>);

struct State {
    left: usize,
    /// How much of the last write still happens, in eighths.
    torn: usize,
    /// Also what was not synced is lost, at random; unless the number is 0.
    chance: u64,
    dead: bool,
    files: HashMap<u64, Unsynced>,
    names: Vec<Undo>,
}

/// A file as the disk surely has it, and what was done since.
struct Unsynced {
    file: File,
    synced: Vec<u8>,
    since: Vec<Deed>,
}

enum Deed {
    Write(u64, Vec<u8>),
    Len(u64),
}

/// What brings a name back: the path, and what it stood for.
type Undo = Vec<(PathBuf, Option<Vec<u8>>)>;

impl State {
    /// Counts a deed; `false` when it is the one at which the plug is pulled.
    fn lives(&mut self) -> io::Result<bool> {
        if self.dead {
            return Err(io::Error::other("no power"));
        }
        self.dead = self.left == 0;
        self.left = self.left.saturating_sub(1);
        Ok(!self.dead)
    }

    fn file(&mut self, file: &File) -> &mut Unsynced {
        let clone = || Unsynced { file: file.try_clone().unwrap(), synced: content(file), since: Vec::new() };
        self.files.entry(file.metadata().unwrap().ino()).or_insert_with(clone)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.chance >> 33) % sides
    }

    fn pull(&mut self) -> io::Error {
        if self.chance != 0 {
            self.lose();
        }
        io::Error::other("the plug was pulled")
    }

    fn lose(&mut self) {
        let lost = self.roll(self.names.len() as u64 + 1) as usize;
        for undo in self.names.split_off(self.names.len() - lost).into_iter().rev() {
            for (path, content) in undo {
                match content {
                    Some(content) => fs::write(path, content).unwrap(),
                    None => drop(fs::remove_file(path)),
                }
            }
        }
        for unsynced in std::mem::take(&mut self.files).into_values() {
            let mut now = unsynced.synced;
            for deed in unsynced.since {
                match deed {
                    _ if self.roll(2) == 0 => {}
                    Deed::Len(len) => now.resize(len as usize, 0),
                    Deed::Write(at, octets) => {
                        let end = at as usize + octets.len();
                        if now.len() < end {
                            now.resize(end, 0);
                        }
                        now[at as usize..end].copy_from_slice(&octets);
                    }
                }
            }
            unsynced.file.set_len(0).unwrap();
            unsynced.file.write_all_at(&now, 0).unwrap();
        }
    }
}

fn content(file: &File) -> Vec<u8> {
    let mut all = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut all, 0).unwrap();
    all
}

impl Plug {
    fn deed<T>(&self, note: impl FnOnce(&mut State), deed: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock().unwrap();
        if !state.lives()? {
            return Err(state.pull());
        }
        note(&mut state);
        deed()
    }
}

impl Disk for Plug {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.deed(|_| {}, || Machine.create(path))
    }

    fn write(&self, file: &File, octets: &[u8], at: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let lives = state.lives()?;
        let octets = if lives { octets } else { &octets[..octets.len() * state.torn / 8] };
        state.file(file).since.push(Deed::Write(at, octets.to_vec()));
        file.write_all_at(octets, at)?;
        if lives { Ok(()) } else { Err(state.pull()) }
    }

    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        self.deed(|state| state.file(file).since.push(Deed::Len(len)), || file.set_len(len))
    }

    fn reserve(&self, _: &File, _: u64, _: u64) -> io::Result<()> {
        self.deed(|_| {}, || Ok(()))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.deed(|state| drop(state.files.remove(&file.metadata().unwrap().ino())), || Ok(()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let undo = vec![(from.to_owned(), fs::read(from).ok()), (to.to_owned(), fs::read(to).ok())];
        self.deed(|state| state.names.push(undo), || fs::rename(from, to))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let undo = vec![(path.to_owned(), fs::read(path).ok())];
        self.deed(|state| state.names.push(undo), || fs::remove_file(path))
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.deed(|state| state.names.clear(), || Ok(()))
    }
}

/// What is to be done to which mailbox, and what others append after each crash.
struct Case {
    mailbox: String,
    expunge: Vec<usize>,
    seen: Vec<usize>,
    appended: String,
}

/// When the plug is pulled, and how badly.
#[derive(Debug, Clone, Copy)]
struct Cut {
    after: usize,
    torn: usize,
    chance: u64,
}

/// A session's view: UIDs, texts, flags.
type Seen = Vec<(u32, Vec<u8>, Flags)>;

fn on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn open(bench: &Bench, cut: Option<Cut>) -> Option<AnyFolder> {
    let disk: Box<dyn Disk> = match cut {
        None => Box::new(Machine),
        Some(Cut { after, torn, chance }) => {
            let state = State { left: after, torn, chance, dead: false, files: HashMap::new(), names: Vec::new() };
            Box::new(Plug(Arc::new(Mutex::new(state))))
        }
    };
    let store = Store::on(Bench::places(bench.spool().parent().unwrap().parent().unwrap()), disk);
    let account = Account { owner: "joe@va.test".parse().unwrap(), actor: Actor::Service, spool: bench.spool() };
    on(store.home(account).inbox()).ok()
}

fn view(bench: &Bench) -> Seen {
    let mut folder = open(bench, None).expect("recovery works");
    let texts: Vec<_> = (0..folder.messages().len()).map(|at| on(text(&mut folder, at)).unwrap()).collect();
    // A blank line that others put before what they append is that much more text of the message before.
    let core = |text: Vec<u8>| text.trim_ascii_end().to_vec();
    std::iter::zip(folder.messages(), texts).map(|(message, text)| (message.uid, core(text), message.flags)).collect()
}

fn append(bench: &Bench, text: &str) {
    File::options().append(true).open(bench.spool()).unwrap().write_all(text.as_bytes()).unwrap();
}

impl Case {
    fn update(&self, bench: &Bench, cut: Option<Cut>) -> bool {
        let Some(mut folder) = open(bench, cut) else { return false };
        on(change(&mut folder, &self.expunge, &self.seen)).is_ok()
    }

    /// What must be there before and after, without a crash.
    fn truth(&self) -> (Seen, Seen) {
        let bench = Bench::with(&self.mailbox);
        let before = view(&bench);
        assert!(self.update(&bench, None));
        (before, view(&bench))
    }

    /// Whether the update was done before the plug was pulled.
    fn crash(&self, first: Cut, second: Option<Cut>, truth: &(Seen, Seen)) -> (bool, bool) {
        let bench = Bench::with(&self.mailbox);
        let done = self.update(&bench, Some(first));
        append(&bench, &self.appended);
        let recovered = second.is_none_or(|cut| open(&bench, Some(cut)).is_some());
        let mut more = 1;
        if second.is_some() {
            append(&bench, &self.appended);
            more = 2;
        }
        if self.appended.is_empty() {
            more = 0;
        }
        let mut now = view(&bench);
        let news = now.split_off(now.len().saturating_sub(more));
        let context = || format!("{first:?} {second:?} {:?} {:?}", self.expunge, self.seen);
        for (_, text, _) in &news {
            assert!(
                F.len() + text.len() <= self.appended.len() && self.appended.contains(std::str::from_utf8(text).unwrap()),
                "{}",
                context()
            );
        }
        let texts = |seen: &Seen| seen.iter().map(|(uid, text, _)| (*uid, text.clone())).collect::<Vec<_>>();
        let (old, new) = (texts(&truth.0), texts(&truth.1));
        if done {
            assert_eq!(now, truth.1, "{}", context());
        } else {
            assert!(
                texts(&now) == old || texts(&now) == new,
                "{}\n{:?}",
                context(),
                String::from_utf8_lossy(&fs::read(bench.spool()).unwrap())
            );
        }
        assert_eq!(view(&bench).len(), now.len() + news.len());
        (done, recovered)
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

fn cases() -> Vec<Case> {
    let mailboxes = [
        [mail("a", 3), mail("b", 1), mail("c", 9), mail("d", 30)].concat(),
        // Already numbered, so that little moves.
        [mail("a", 3).replace("Subject", "X-IMAPbase: 0000000009 0000000004\nX-UID: 1         \nStatus: O \nSubject")]
            .into_iter()
            .chain((2..5).map(|uid| mail(&format!("m{uid}"), 4 * uid).replace("Subject", &format!("X-UID: {uid}\nStatus: O \nSubject"))))
            .collect(),
    ];
    let changes: [(&[usize], &[usize]); 8] = [
        (&[0], &[]),
        (&[1], &[2]),
        (&[0, 2], &[1, 3]),
        (&[3], &[]),
        (&[2, 3], &[0]),
        (&[0, 1, 2, 3], &[]),
        (&[], &[0, 1, 2, 3]),
        (&[], &[3]),
    ];
    let appended = [String::new(), message("new"), mail("much", 60), "\n".to_owned() + &message("new")];
    let all = mailboxes.iter().flat_map(|mailbox| changes.iter().map(move |change| (mailbox, change)));
    all.flat_map(|(mailbox, (expunge, seen))| {
        appended.iter().map(|appended| Case {
            mailbox: mailbox.clone(),
            expunge: expunge.to_vec(),
            seen: seen.to_vec(),
            appended: appended.clone(),
        })
    })
    .collect()
}

#[test]
fn a_killed_update_is_done_or_not_done() {
    for (case, nth) in std::iter::zip(cases(), 0..) {
        for torn in [0, 3, 8] {
            case.everywhere(torn, 0, torn == 3 && nth % 5 == 0);
        }
    }
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    for (case, seed) in std::iter::zip(cases(), 1..) {
        for chance in 0..2 {
            case.everywhere(5, seed * 7919 + chance, chance == 0 && seed % 5 == 0);
        }
    }
}

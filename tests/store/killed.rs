//! `kill -9` in the middle of everything: two processes append, flag, move and expunge until they are killed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vmail::config::{Fsync, Spool};
use vmail::os::Actor;
use vmail::store::{
    Account, AnyFolder, AnyHome, Changes, FlagChange, Flags, Folder, FolderName, Home, How, Incoming, Letter, Places, Store, Uids,
};

use super::play::text;

#[test]
fn processes_that_are_killed_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    on(async { home(folder.path()).create(&lists(), None).await.unwrap() });
    let mut known = Known::default();
    for round in 0..20 {
        let workers = [0, 1].map(|nth| work(folder.path(), &format!("r{round}p{nth}")));
        std::thread::sleep(Duration::from_millis(40 + round * 97 % 260));
        workers.into_iter().for_each(|worker| known.hear(kill(worker)));
        known.check(folder.path());
    }
    assert!(known.heard > 200, "they have done something: {}", known.heard);
}

/// What the child processes do: see [`work`].
#[test]
fn a_worker_that_is_to_be_killed() {
    let Some(folder) = std::env::var_os("VMAIL_WORK_IN") else { return };
    let name = std::env::var("VMAIL_WORKER").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
    runtime.block_on(async {
        let home = home(Path::new(&folder));
        let places = Places::inside(Path::new(&folder), Fsync::Never);
        for task in 0..3 {
            let (home, places, name) = (home.clone(), places.clone(), format!("{name}t{task}"));
            tokio::spawn(async move { toil(home, places, name).await });
        }
        // Nobody toils for ever, should the parent be gone.
        tokio::time::sleep(Duration::from_secs(20)).await;
    });
}

async fn toil(home: AnyHome, places: Places, name: String) {
    let folders = [FolderName::inbox(), lists()];
    let mut open = [home.open(&folders[0]).await.unwrap(), home.open(&folders[1]).await.unwrap()];
    let mut dice = name.bytes().fold(7u64, |dice, octet| dice.wrapping_mul(31).wrapping_add(octet.into()));
    let mut roll = move |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let mut own: Vec<(usize, u32, String)> = Vec::new();
    for serial in 0.. {
        let at = roll(own.len().max(1) as u64) as usize;
        match (roll(8), own.get(at).cloned()) {
            (0, Some((place, uid, token))) => {
                say(&format!("expunging {token}"));
                let gone = Changes { expunge: [uid].into_iter().collect(), ..Changes::default() };
                open[place].apply(&gone).await.unwrap();
                own.remove(at);
                say(&format!("expunged {token}"));
            }
            (1, Some((place, uid, token))) => {
                say(&format!("moving {token}"));
                let copied = open[place].relocate(&[uid].into_iter().collect(), &folders[1 - place]).await.unwrap();
                let uid = copied.uids[0].1;
                own[at] = (1 - place, uid, token.clone());
                say(&format!("at {token} {} {uid}", 1 - place));
            }
            (2, Some((place, uid, token))) => {
                say(&format!("flagging {token}"));
                open[place].apply(&flagged(uid)).await.unwrap();
                say(&format!("flagged {token}"));
            }
            (3, _) => open[roll(2) as usize].settle().await.unwrap(),
            _ => {
                let (token, place) = (format!("{name}m{serial}"), roll(2) as usize);
                let letter = Letter::of(letter(&token).as_bytes(), &places).unwrap();
                let appended = home.append(&folders[place], &[Incoming::new(letter)]).await.unwrap();
                own.push((place, appended.uids[0], token.clone()));
                say(&format!("at {token} {place} {}", appended.uids[0]));
            }
        }
    }
}

fn flagged(uid: u32) -> Changes {
    let uids: Uids = [uid].into_iter().collect();
    let change = FlagChange { uids, how: How::Add, flags: Flags::FLAGGED, keywords: vec!["$Seen-by-me".into()], unchanged_since: None };
    Changes { flags: vec![change], expunge: Uids::NONE }
}

/// One write(2): all of it reaches the parent, or nothing.
fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn letter(token: &str) -> String {
    format!("Subject: {token}\n\n{}end of {token}\n", "line\n".repeat(token.len() * 13))
}

fn lists() -> FolderName {
    FolderName::parse("Lists", '/').unwrap()
}

fn home(folder: &Path) -> AnyHome {
    let (spool, home) = (folder.join("joe"), folder.join("home"));
    let account = Account::plain("joe@va.test".parse().unwrap(), Actor::Service, spool, home, Spool::Maildir);
    Store::new(Places::inside(folder, Fsync::Never)).home(account)
}

fn on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn work(folder: &Path, name: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "store::killed::a_worker_that_is_to_be_killed", "--nocapture"]);
    command.env("VMAIL_WORK_IN", folder).env("VMAIL_WORKER", name);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What it said before it died.
fn kill(mut worker: Child) -> Vec<String> {
    worker.kill().unwrap();
    let said = BufReader::new(worker.stderr.take().unwrap()).lines().collect::<Result<_, _>>().unwrap();
    worker.wait().unwrap();
    said
}

/// What was acknowledged, by token.
#[derive(Default)]
struct Known {
    mails: BTreeMap<String, Mail>,
    /// Who had a UID once, by folder and UID.
    uids: BTreeMap<(usize, u32), String>,
    next: [u32; 2],
    heard: usize,
}

#[derive(Default, Debug)]
struct Mail {
    /// Folder and UID; `None` while it moves.
    at: Option<(usize, u32)>,
    is_flagged: bool,
    /// It may be gone; it is gone.
    is_going: bool,
    is_gone: bool,
}

impl Known {
    fn hear(&mut self, said: Vec<String>) {
        for line in said {
            let words: Vec<&str> = line.split(' ').collect();
            let &[what, token, ..] = &words[..] else { panic!("{line}") };
            let mail = self.mails.entry(token.to_owned()).or_default();
            match what {
                "expunging" => mail.is_going = true,
                "expunged" => mail.is_gone = true,
                "moving" => mail.at = None,
                "flagging" => {}
                "flagged" => mail.is_flagged = true,
                "at" => mail.at = Some((words[2].parse().unwrap(), words[3].parse().unwrap())),
                _ => panic!("a worker says: {line}"),
            }
            self.heard += 1;
        }
    }

    /// A process that begins now finds all that was acknowledged, once.
    fn check(&mut self, folder: &Path) {
        let mut found: BTreeMap<String, (usize, u32, bool)> = BTreeMap::new();
        on(async {
            let home = home(folder);
            for (place, name) in [FolderName::inbox(), lists()].iter().enumerate() {
                let mut open = home.open(name).await.unwrap();
                assert!(open.state().head().uidnext >= self.next[place]);
                self.next[place] = open.state().head().uidnext;
                for (uid, token, is_flagged) in see(&mut open).await {
                    assert_eq!(*self.uids.entry((place, uid)).or_insert(token.clone()), token, "UID {uid} was another's");
                    assert!(found.insert(token.clone(), (place, uid, is_flagged)).is_none(), "{token} is doubled");
                }
            }
        });
        for (token, mail) in &mut self.mails {
            match (found.remove(token), mail.is_going, mail.is_gone) {
                (Some(_), _, true) => panic!("{token} has come back"),
                (None, true, _) => mail.is_gone = true,
                (None, false, _) => panic!("{token} is lost: {mail:?}"),
                (Some((place, uid, is_flagged)), ..) => {
                    assert_eq!(*mail.at.get_or_insert((place, uid)), (place, uid), "{token}");
                    assert!(is_flagged || !mail.is_flagged, "{token} was flagged");
                    mail.is_flagged = is_flagged;
                    mail.is_going = false;
                }
            }
        }
        // Those whose append was not acknowledged any more are there from now on.
        let unheard = found
            .into_iter()
            .map(|(token, (place, uid, is_flagged))| (token, Mail { at: Some((place, uid)), is_flagged, ..Mail::default() }));
        self.mails.extend(unheard);
    }
}

async fn see(folder: &mut AnyFolder) -> Vec<(u32, String, bool)> {
    let mut all = Vec::new();
    let state = folder.state().clone();
    for entry in state.messages() {
        let text = String::from_utf8(text(folder.read(entry.uid).await.unwrap()).await).unwrap();
        let token = text.lines().next().unwrap().strip_prefix("Subject: ").unwrap().to_owned();
        assert_eq!(text, letter(&token));
        let keywords = entry.keywords().count();
        assert_eq!(keywords == 1, entry.flags().contains(Flags::FLAGGED), "half a change of flags");
        all.push((entry.uid, token, keywords == 1));
    }
    all
}

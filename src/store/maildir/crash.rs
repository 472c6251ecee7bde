//! Pulling the plug at every deed of every operation: nothing acknowledged is lost, nothing is doubled, nothing half is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::config::{Fsync, Spool};
use crate::os::Actor;
use crate::store::plug::{Cut, Plug};
use crate::store::{
    Account, AnyFolder, AnyHome, Changes, FlagChange, Flags, Folder, FolderName, Home, How, Incoming, Letter, Places, Reader, Store,
    Trouble, Uids,
};

struct Bench {
    folder: TempDir,
}

/// What a client sees of all folders.
#[derive(Debug, Clone, PartialEq, Default)]
struct View(BTreeMap<FolderName, Seen>);

#[derive(Debug, Clone, PartialEq)]
struct Seen {
    identity: ([u8; 16], u32),
    uidnext: u32,
    /// By UID: the token of its text, flags, keywords, date.
    mails: BTreeMap<u32, Mail>,
}

type Mail = (String, Flags, BTreeSet<String>, u32);
type Deed = for<'a> fn(&'a AnyHome) -> Pin<Box<dyn Future<Output = Result<(), Trouble>> + 'a>>;

/// What is done until the plug is pulled.
struct Case {
    called: &'static str,
    prepare: fn(&Bench),
    deed: Deed,
    /// The index alone has what was acknowledged, until the folder settles.
    is_lazy: bool,
}

/// A message that is neither there before nor after.
const PASSING: &str = "passing";

/// A cut that never comes.
const NEVER: Cut = Cut { after: usize::MAX, torn: 8, chance: 0 };

fn on<T>(work: impl Future<Output = T>) -> T {
    thread_local!(static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    RUNTIME.with(|runtime| runtime.block_on(work))
}

fn name(text: &str) -> FolderName {
    FolderName::parse(text, '/').unwrap()
}

/// A message that can be told from all others, and from half of itself.
fn text(token: &str) -> String {
    format!("Subject: {token}\n\n{}end of {token}\n", format!("line of {token}\n").repeat(token.len() * 7 % 40))
}

impl Bench {
    fn new(prepare: fn(&Bench)) -> Bench {
        let bench = Bench { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.root()).unwrap();
        prepare(&bench);
        bench.view();
        bench
    }

    /// One like it.
    fn again(&self) -> Bench {
        let bench = Bench { folder: tempfile::tempdir().unwrap() };
        let copied = Command::new("cp").arg("-a").args([self.root(), bench.root()]).status().unwrap();
        assert!(copied.success());
        bench
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn home(&self, cut: Cut) -> (AnyHome, Arc<Plug>) {
        let plug = Plug::beside(&self.root(), cut);
        let store = Store::on(Places::inside(&self.root().join("var"), Fsync::Always), plug.clone());
        let (spool, home) = (self.root().join("joe"), self.root().join("home"));
        (store.home(Account::plain("joe@va.test".parse().unwrap(), Actor::Service, spool, home, Spool::Maildir)), plug)
    }

    fn letter(&self, token: &str) -> Incoming {
        incoming(token, &Places::inside(&self.root().join("var"), Fsync::Never))
    }

    /// What a process sees that begins now; what other programs see, too, when it has settled.
    fn view(&self) -> View {
        self.view_by(NEVER).expect("recovery works")
    }

    fn view_by(&self, cut: Cut) -> Result<View, Trouble> {
        on(async {
            let (home, _) = self.home(cut);
            let mut view = View::default();
            for line in home.list().await?.iter().filter(|line| line.exists) {
                let mut folder = home.open(&line.name).await?;
                folder.settle().await?;
                folder.refresh().await?;
                view.0.insert(line.name.clone(), see(&mut folder).await?);
            }
            Ok(view)
        })
    }

    fn lose_index(&self) {
        fs::remove_dir_all(self.root().join("var/index")).unwrap();
    }
}

fn incoming(token: &str, places: &Places) -> Incoming {
    Incoming { received: Some(1_000_000_000 + token.len() as u32), ..Incoming::new(Letter::of(text(token).as_bytes(), places).unwrap()) }
}

async fn see(folder: &mut AnyFolder) -> Result<Seen, Trouble> {
    let state = folder.state().clone();
    let mut mails = BTreeMap::new();
    for entry in state.messages() {
        let text = read(folder.read(entry.uid).await?).await?;
        let token = text.lines().next().and_then(|line| line.strip_prefix("Subject: ")).unwrap_or("?").to_owned();
        assert_eq!(text, self::text(&token), "half a message");
        let words = entry.keywords().map(|word| word.to_string()).collect();
        mails.insert(entry.uid, (token, entry.flags().without(Flags::OLD), words, entry.received));
    }
    let head = state.head();
    Ok(Seen { identity: (head.mailbox, head.uidvalidity), uidnext: head.uidnext, mails })
}

async fn read(mut reader: Reader) -> Result<String, Trouble> {
    let (mut text, mut piece) = (Vec::new(), vec![0; Reader::LEAST]);
    loop {
        match reader.fill(&mut piece).await? {
            0 => return Ok(String::from_utf8(text).unwrap()),
            some => text.extend_from_slice(&piece[..some]),
        }
    }
}

impl View {
    /// How often each message is there, and where.
    fn tokens(&self) -> BTreeMap<&str, Vec<&FolderName>> {
        let mut tokens: BTreeMap<&str, Vec<&FolderName>> = BTreeMap::new();
        let mails = self.0.iter().flat_map(|(name, seen)| seen.mails.values().map(move |mail| (name, mail)));
        mails.for_each(|(name, mail)| tokens.entry(&mail.0).or_default().push(name));
        tokens
    }

    /// Whether what happened between `before` and `after` may have been interrupted here.
    fn is_between(&self, before: &View, after: &View) -> Result<(), String> {
        let (old, new, now) = (before.tokens(), after.tokens(), self.tokens());
        for (token, places) in &now {
            let most = old.get(token).map_or(0, Vec::len).max(new.get(token).map_or(0, Vec::len));
            if places.len() > most && *token != PASSING {
                return Err(format!("{token} is doubled: {places:?}"));
            }
        }
        if let Some(lost) = old.keys().find(|token| new.contains_key(*token) && !now.contains_key(*token)) {
            return Err(format!("{lost} is lost"));
        }
        for (name, seen) in &self.0 {
            seen.is_between(before.0.get(name), after.0.get(name)).map_err(|why| format!("{name:?}: {why}"))?;
        }
        match before.0.keys().find(|name| after.0.contains_key(*name) && !self.0.contains_key(*name)) {
            Some(name) => Err(format!("{name:?} is lost")),
            None => Ok(()),
        }
    }
}

impl Seen {
    fn is_between(&self, before: Option<&Seen>, after: Option<&Seen>) -> Result<(), String> {
        let Some(either) = before.or(after) else { return Err("a folder out of nowhere".into()) };
        // An INBOX that never had mail is nowhere but in the index.
        let has_none = before.is_none_or(|before| before.uidnext == 1);
        if self.identity != either.identity && !has_none {
            return Err("another mailbox".into());
        }
        let Some(before) = before else { return Ok(()) };
        if self.uidnext < before.uidnext {
            return Err(format!("UIDNEXT {} was {}", self.uidnext, before.uidnext));
        }
        for (uid, mail) in &before.mails {
            let later = after.and_then(|after| after.mails.get(uid));
            match self.mails.get(uid) {
                // A folder that goes, goes whole.
                None if after.is_none() => return Err(format!("{uid} is missing in what is left")),
                None if later.is_some() => return Err(format!("{uid} is lost")),
                Some(now) if now != mail && Some(now) != later => return Err(format!("{uid} is {now:?}")),
                _ => {}
            }
        }
        let known = |mail: &Mail| mail.0 == PASSING || after.is_some_and(|after| after.mails.values().any(|known| known == mail));
        match self.mails.iter().find(|(uid, mail)| !before.mails.contains_key(uid) && (**uid < before.uidnext || !known(mail))) {
            Some(odd) => Err(format!("{odd:?} is new")),
            None => Ok(()),
        }
    }
}

impl Case {
    /// Whether the deed came to its end before the plug was pulled.
    fn crash(&self, model: &Bench, first: Cut, second: Option<Cut>, truth: &(View, View)) -> (bool, bool) {
        let bench = model.again();
        let context = || format!("{}: {first:?} {second:?}", self.called);
        let (home, plug) = bench.home(first);
        let outcome = on((self.deed)(&home));
        let done = outcome.is_ok();
        drop(home);
        plug.assert_nothing_since();
        plug.pull();
        let recovered = second.is_none_or(|cut| bench.view_by(cut).is_ok());
        let now = bench.view();
        let check = |now: &View| match done {
            true if same(now, &truth.1) => Ok(()),
            true => Err(format!("it was acknowledged: {now:?}\nexpected {:?}", truth.1)),
            false => now.is_between(&truth.0, &truth.1),
        };
        check(&now).unwrap_or_else(|why| panic!("{}: {outcome:?}: {why}\n{now:?}", context()));
        assert!(bench.view() == now, "{}: not the same twice", context());
        bench.lose_index();
        let again = bench.view();
        let is_made = bench.root().join("joe").exists();
        assert!(if is_made { again == now } else { same(&again, &now) }, "{}: the index was lost: {again:?}\nbefore {now:?}", context());
        self.go_on(&bench, &now, &context());
        (done, recovered)
    }

    /// The same, but the index is lost with the power: what the journal alone had is lost with it, and nothing else.
    fn crash_without_index(&self, model: &Bench, cut: Cut, truth: &(View, View)) {
        let bench = model.again();
        let (home, plug) = bench.home(cut);
        let outcome = on((self.deed)(&home));
        drop(home);
        plug.pull();
        let _ = fs::remove_dir_all(bench.root().join("var/index"));
        let now = bench.view();
        let fits = match outcome.is_ok() && !self.is_lazy {
            true => {
                if same(&now, &truth.1) {
                    Ok(())
                } else {
                    Err("it was acknowledged".to_owned())
                }
            }
            false => now.is_between(&truth.0, &truth.1),
        };
        fits.unwrap_or_else(|why| panic!("{}, no index: {cut:?}: {outcome:?}: {why}\n{now:?}", self.called));
    }

    /// Life goes on: no UID is used twice.
    fn go_on(&self, bench: &Bench, now: &View, context: &str) {
        let (home, _) = bench.home(NEVER);
        for (name, seen) in &now.0 {
            let appended = on(home.append(name, &[bench.letter("later")])).unwrap();
            assert_eq!(appended.uids, [seen.uidnext], "{context}");
        }
        let usage = on(home.usage()).unwrap();
        let mails = now.0.values().map(|seen| seen.mails.len() + 1).sum::<usize>();
        assert_eq!(usage.messages, mails as u64, "{context}");
    }

    /// At every place; twice: also at every place of the recovery.
    fn everywhere(&self, torn: usize, chance: u64, twice: bool) {
        let model = Bench::new(self.prepare);
        let truth = self.truth(&model);
        for after in 0.. {
            let first = Cut { after, torn, chance: chance.wrapping_mul(after as u64 + 1) };
            if chance != 0 {
                self.crash_without_index(&model, first, &truth);
            }
            if self.crash(&model, first, None, &truth).0 {
                break;
            }
            let second = |after| Some(Cut { after, torn, chance: chance.wrapping_mul(3) });
            (0..).take_while(|_| twice).find(|after| self.crash(&model, first, second(*after), &truth).1);
        }
    }

    fn truth(&self, model: &Bench) -> (View, View) {
        let bench = model.again();
        let before = bench.view();
        on((self.deed)(&bench.home(NEVER).0)).unwrap();
        (before, bench.view())
    }
}

/// Whether both have the same, but for what is random.
fn same(one: &View, other: &View) -> bool {
    let core = |view: &View| -> Vec<_> { view.0.iter().map(|(name, seen)| (name.clone(), seen.uidnext, seen.mails.clone())).collect() };
    core(one) == core(other)
}

/// INBOX with four messages, some flagged; a folder with two and one below it.
fn furnish(bench: &Bench) {
    on(async {
        let home = bench.home(NEVER).0;
        let inbox = FolderName::inbox();
        home.append(&inbox, &["one", "two", "three", "four"].map(|token| bench.letter(token))).await.unwrap();
        for folder in ["Lists", "Lists/Rust"] {
            home.create(&name(folder), None).await.unwrap();
        }
        home.append(&name("Lists"), &["five", "six"].map(|token| bench.letter(token))).await.unwrap();
        let mut folder = home.open(&inbox).await.unwrap();
        folder.apply(&marked(&[2, 3], How::Add, Flags::SEEN, &["$Work"])).await.unwrap();
        folder.settle().await.unwrap();
    });
}

fn nothing(_: &Bench) {}

/// A list of UIDs that is due to be written anew.
fn with_a_long_list(bench: &Bench) {
    furnish(bench);
    let list = bench.root().join("joe/dovecot-uidlist");
    let lines: String = (100..1300).map(|uid| format!("{uid} :1500000000.gone_{uid}.elsewhere\n")).collect();
    fs::write(&list, fs::read_to_string(&list).unwrap() + &lines).unwrap();
    bench.lose_index();
}

fn marked(uids: &[u32], how: How, flags: Flags, words: &[&str]) -> Changes {
    let keywords = words.iter().map(|word| word.to_string()).collect();
    let change = FlagChange { uids: uids.iter().copied().collect(), how, flags, keywords, unchanged_since: None };
    Changes { flags: vec![change], expunge: Uids::NONE }
}

fn expunged(uids: &[u32]) -> Changes {
    Changes { flags: Vec::new(), expunge: uids.iter().copied().collect() }
}

async fn inbox(home: &AnyHome) -> Result<AnyFolder, Trouble> {
    home.open(&FolderName::inbox()).await
}

fn letters(tokens: &[&str]) -> Vec<Incoming> {
    let places = Places::inside(&std::env::temp_dir(), Fsync::Never);
    tokens.iter().map(|token| incoming(token, &places)).collect()
}

macro_rules! case {
    ($called:literal, $prepare:expr, $lazy:expr, |$home:ident| $deed:block) => {
        Case { called: $called, prepare: $prepare, is_lazy: $lazy, deed: |$home| Box::pin(async move { $deed }) }
    };
}

fn cases() -> Vec<Case> {
    vec![
        case!("first message", nothing, false, |home| { home.append(&FolderName::inbox(), &letters(&["first"])).await.map(drop) }),
        case!("append one", furnish, false, |home| { home.append(&FolderName::inbox(), &letters(&["new"])).await.map(drop) }),
        case!("append many", furnish, false, |home| {
            let mut many = letters(&["new", "newer", "newest"]);
            many[1].flags = Flags::SEEN;
            many[2].keywords = vec!["$Later".into()];
            home.append(&FolderName::inbox(), &many).await.map(drop)
        }),
        case!("flags", furnish, true, |home| {
            inbox(home).await?.apply(&marked(&[1, 2, 4], How::Replace, Flags::FLAGGED, &["$Later"])).await.map(drop)
        }),
        case!("flags and settle", furnish, false, |home| {
            let mut folder = inbox(home).await?;
            folder.apply(&marked(&[1, 2, 4], How::Replace, Flags::FLAGGED, &["$Later"])).await?;
            folder.settle().await
        }),
        case!("expunge", furnish, true, |home| { inbox(home).await?.apply(&expunged(&[2, 4])).await.map(drop) }),
        case!("expunge and settle", furnish, false, |home| {
            let mut folder = inbox(home).await?;
            folder.apply(&expunged(&[2, 4])).await?;
            folder.settle().await
        }),
        case!("append and expunge", furnish, false, |home| {
            let mut folder = inbox(home).await?;
            home.append(&FolderName::inbox(), &letters(&[PASSING])).await?;
            folder.apply(&expunged(&[5])).await?;
            folder.settle().await
        }),
        case!("copy", furnish, false, |home| { inbox(home).await?.copy(&Uids::all(), &name("Lists")).await.map(drop) }),
        case!("relocate", furnish, false, |home| {
            inbox(home).await?.relocate(&[1, 3, 4].into_iter().collect(), &name("Lists")).await.map(drop)
        }),
        case!("replace", furnish, true, |home| {
            inbox(home).await?.replace(2, &letters(&["new"])[0], &FolderName::inbox()).await.map(drop)
        }),
        case!("create", furnish, false, |home| { home.create(&name("New"), None).await.map(drop) }),
        case!("delete", furnish, false, |home| { home.delete(&name("Lists")).await }),
        case!("rename", furnish, false, |home| { home.rename(&name("Lists/Rust"), &name("Old")).await }),
        case!("rename INBOX", furnish, false, |home| { home.rename(&FolderName::inbox(), &name("Old")).await }),
        case!("shorten the list", with_a_long_list, true, |home| {
            let mut folder = inbox(home).await?;
            folder.apply(&expunged(&[2])).await?;
            folder.settle().await
        }),
    ]
}

#[test]
fn a_killed_process_loses_and_doubles_nothing() {
    for (case, nth) in std::iter::zip(cases(), 0..) {
        case.everywhere(nth * 3 % 9, 0, nth % 5 == 2);
    }
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    for (case, seed) in std::iter::zip(cases(), 1u64..) {
        for chance in 1..3 {
            case.everywhere(5, seed * 7919 + chance * 104_729, false);
        }
    }
}

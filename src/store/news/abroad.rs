//! Changes by other processes: heard of by inotify(7), or looked for each second where that does not reach.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use super::Bell;
use crate::os::Actor;
use crate::os::stamp::{self, Stamp};
use crate::os::watch::{self, Event, Folders, ReadFlags, WatchFlags, Watcher};

/// Where others leave traces when they change a mailbox: any file of a folder, like `new` of a Maildir, or one of this name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub folder: Arc<Path>,
    pub name: Option<OsString>,
    /// Who may look there.
    pub actor: Actor,
}

/// All places that matter to somebody.
#[derive(Default)]
pub(super) struct Abroad {
    places: Arc<Mutex<Places>>,
    /// Started with the first place; `None` where the kernel has none for us.
    watcher: OnceLock<Option<Watcher>>,
}

#[derive(Default)]
struct Places {
    all: HashMap<Arc<Place>, Watched>,
    /// The places by the kernel's number of their folder, and the name that they are about.
    heard: HashMap<(i32, Option<OsString>), Few<Arc<Place>>>,
    /// How many places each of these folders has.
    counts: HashMap<i32, usize>,
    folders: Option<Arc<Folders>>,
    /// A thread looks each second.
    is_polling: bool,
}

struct Watched {
    how: How,
    bells: Few<Arc<Bell>>,
}

/// One, as nearly always, or more: then they take memory of their own.
enum Few<T> {
    One(T),
    More(Vec<T>),
}

impl<T> Few<T> {
    fn all(&self) -> &[T] {
        match self {
            Few::One(one) => std::slice::from_ref(one),
            Few::More(more) => more,
        }
    }

    fn push(&mut self, next: T) {
        *self = match std::mem::replace(self, Few::More(Vec::new())) {
            Few::One(one) => Few::More(vec![one, next]),
            Few::More(mut more) if !more.is_empty() => {
                more.push(next);
                Few::More(more)
            }
            Few::More(_) => Few::One(next),
        };
    }

    /// Whether any is left of those for which `stays` holds.
    fn retain(&mut self, stays: impl Fn(&T) -> bool) -> bool {
        match self {
            Few::One(one) if !stays(one) => *self = Few::More(Vec::new()),
            Few::One(_) => {}
            Few::More(more) => more.retain(stays),
        }
        !self.all().is_empty()
    }
}

enum How {
    /// By the kernel, under this number.
    Heard(i32),
    /// By what was seen at the last look, and how often it was looked at.
    Polled(Box<(Look, u32)>),
}

impl How {
    fn polled(place: &Place) -> How {
        How::Polled(Box::new((place.look(), 0)))
    }
}

/// What changes when something does.
#[derive(Clone, Copy)]
struct Look {
    /// `None` where nothing is.
    stamp: Option<Stamp>,
    /// It changed so lately that the next change may not show.
    is_fresh: bool,
}

impl Abroad {
    /// Rings `bell` when something changes at `place`.
    pub fn add(&self, place: Place, bell: &Arc<Bell>) {
        self.watcher.get_or_init(|| start(&self.places));
        let place = Arc::new(place);
        let mut places = lock(&self.places);
        if let Some((known, _)) = places.all.get_key_value(&place) {
            let known = Arc::clone(known);
            let watched = places.all.get_mut(&known).expect("it was just found");
            if !watched.bells.all().iter().any(|other| Arc::ptr_eq(other, bell)) {
                watched.bells.push(Arc::clone(bell));
                lock(&bell.places).push(known);
            }
            return;
        }
        lock(&bell.places).push(Arc::clone(&place));
        let how = places.hear(&place).unwrap_or_else(|| How::polled(&place));
        if matches!(how, How::Polled(_)) {
            poll(&self.places, &mut places);
        }
        places.all.insert(place, Watched { how, bells: Few::One(Arc::clone(bell)) });
    }

    /// Rings `bell` no more.
    pub fn leave(&self, bell: &Arc<Bell>) {
        let of_bell = std::mem::take(&mut *lock(&bell.places));
        let mut places = lock(&self.places);
        for place in of_bell {
            let Some(watched) = places.all.get_mut(&place) else { continue };
            if !watched.bells.retain(|other| !Arc::ptr_eq(other, bell))
                && let Some(Watched { how: How::Heard(watch), .. }) = places.all.remove(&place)
            {
                places.ignore(watch, &place);
            }
        }
    }
}

/// Starts the thread that hears of changes.
fn start(places: &Arc<Mutex<Places>>) -> Option<Watcher> {
    let (shared, mut rung) = (Arc::downgrade(places), Rung::default());
    let started = Watcher::start(move |_, event| match event {
        Event::Change { watch, name, what } => {
            let Some(places) = shared.upgrade() else { return };
            let mut held = lock(&places);
            if held.note(watch, name, what, &mut rung) == Loss::OfFolder {
                poll(&places, &mut held);
            }
        }
        Event::Pause => {
            if rung.ring() {
                // Who delivers one message often delivers more: those who wait look once for all of them.
                std::thread::sleep(TOGETHER);
            }
        }
    });
    let started = started.inspect_err(|error| tracing::warn!(%error, "others' changes of mailboxes are looked for each second")).ok()?;
    lock(places).folders = Some(Arc::clone(started.folders()));
    Some(started)
}

/// The bells that are to be rung, each once.
#[derive(Default)]
struct Rung(HashMap<usize, Arc<Bell>>);

impl Rung {
    fn add<'a>(&mut self, bells: impl IntoIterator<Item = &'a Arc<Bell>>) {
        self.0.extend(bells.into_iter().map(|bell| (Arc::as_ptr(bell).addr(), Arc::clone(bell))));
    }

    /// Tells whether there was any.
    fn ring(&mut self) -> bool {
        let was_any = !self.0.is_empty();
        self.0.drain().for_each(|(_, bell)| bell.ring());
        was_any
    }
}

/// Whether the kernel tells of a folder no more.
#[derive(PartialEq, Eq)]
enum Loss {
    None,
    OfFolder,
}

impl Places {
    /// Asks the kernel to tell of changes at `place`; `None` where it can't.
    fn hear(&mut self, place: &Arc<Place>) -> Option<How> {
        let folders = Arc::clone(self.folders.as_ref()?);
        let watch = place.actor.run(|| match watch::is_local(&place.folder) {
            true => folders.add(&place.folder, CHANGES),
            false => Err(io::ErrorKind::Unsupported.into()),
        });
        let watch = watch.ok()?;
        self.heard.entry((watch, place.name.clone())).or_insert_with(|| Few::More(Vec::new())).push(Arc::clone(place));
        *self.counts.entry(watch).or_default() += 1;
        Some(How::Heard(watch))
    }

    fn ignore(&mut self, watch: i32, place: &Arc<Place>) {
        let key = (watch, place.name.clone());
        if self.heard.get_mut(&key).is_some_and(|same| !same.retain(|other| other != place)) {
            self.heard.remove(&key);
        }
        let Some(count) = self.counts.get_mut(&watch) else { return };
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&watch);
            self.folders.iter().for_each(|folders| folders.remove(watch));
        }
    }

    /// Finds whom an event concerns.
    fn note(&mut self, watch: i32, name: Option<&OsStr>, what: ReadFlags, rung: &mut Rung) -> Loss {
        if what.contains(ReadFlags::QUEUE_OVERFLOW) {
            rung.add(self.all.values().flat_map(|watched| watched.bells.all()));
            return Loss::None;
        }
        if !self.counts.contains_key(&watch) {
            return Loss::None;
        }
        if what.intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF) {
            self.lose(watch, rung);
            return Loss::OfFolder;
        }
        let of_folder = self.heard.get(&(watch, None));
        let of_file = name.and_then(|name| self.heard.get(&(watch, Some(name.to_owned()))));
        let places = of_folder.into_iter().chain(of_file).flat_map(Few::all);
        rung.add(places.filter_map(|place| self.all.get(place)).flat_map(|watched| watched.bells.all()));
        Loss::None
    }

    /// The folder is not where it was: its places are looked at until there is one again.
    fn lose(&mut self, watch: i32, rung: &mut Rung) {
        self.counts.remove(&watch);
        self.heard.retain(|(other, _), _| *other != watch);
        for (place, watched) in self.all.iter_mut().filter(|(_, watched)| matches!(watched.how, How::Heard(other) if other == watch)) {
            watched.how = How::polled(place);
            rung.add(watched.bells.all());
        }
        self.folders.iter().for_each(|folders| folders.remove(watch));
    }

    fn polled(&self) -> Vec<Arc<Place>> {
        self.all.iter().filter(|(_, watched)| matches!(watched.how, How::Polled(_))).map(|(place, _)| Arc::clone(place)).collect()
    }

    /// Rings where something has changed, and asks the kernel again where there may be something to watch by now.
    fn compare(&mut self, place: &Arc<Place>, now: Look) {
        let Some(Watched { how: How::Polled(polled), .. }) = self.all.get_mut(place) else { return };
        let (last, looks) = &mut **polled;
        let is_news = last.is_fresh || last.stamp != now.stamp;
        (*last, *looks) = (now, looks.wrapping_add(1));
        let is_due = is_news || looks.is_multiple_of(AGAIN);
        let heard = if is_due { self.hear(place) } else { None };
        let Some(watched) = self.all.get_mut(place) else { return };
        if is_news || heard.is_some() {
            watched.bells.all().iter().for_each(|bell| bell.ring());
        }
        if let Some(heard) = heard {
            watched.how = heard;
        }
    }
}

impl Place {
    fn look(&self) -> Look {
        let began = stamp::now();
        let path = self.name.as_ref().map(|name| self.folder.join(name));
        let stamp = self.actor.run(|| Stamp::at(path.as_deref().unwrap_or(&self.folder))).ok();
        Look { stamp, is_fresh: stamp.is_some_and(|stamp| !stamp.settled(began)) }
    }
}

/// Sees to it that a thread looks at what the kernel does not tell of, until nothing of the kind is left.
fn poll(places: &Arc<Mutex<Places>>, held: &mut Places) {
    if std::mem::replace(&mut held.is_polling, true) {
        return;
    }
    let shared = Arc::downgrade(places);
    let started = std::thread::Builder::new().name("poll".into()).spawn(move || {
        loop {
            std::thread::sleep(EACH);
            if !look(&shared) {
                return;
            }
        }
    });
    if let Err(error) = started {
        held.is_polling = false;
        tracing::warn!(%error, "others' changes of some mailboxes are not seen");
    }
}

fn look(shared: &Weak<Mutex<Places>>) -> bool {
    let Some(places) = shared.upgrade() else { return false };
    let polled = {
        let mut held = lock(&places);
        let polled = held.polled();
        held.is_polling = !polled.is_empty();
        polled
    };
    // Without the lock: a file system may be slow to answer.
    for place in &polled {
        let now = place.look();
        lock(&places).compare(place, now);
    }
    !polled.is_empty()
}

/// What is held is whole at every moment.
fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

const CHANGES: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::DONT_FOLLOW);
/// How long events are gathered after some were told.
const TOGETHER: Duration = Duration::from_millis(10);
/// How often stamps are compared.
const EACH: Duration = Duration::from_secs(1);
/// How many looks pass before the kernel is asked once more.
const AGAIN: u32 = 60;

#[cfg(test)]
impl Abroad {
    /// How many places the kernel tells of, and how many are looked at.
    pub fn count(&self) -> (usize, usize) {
        let places = lock(&self.places);
        let heard = places.heard.values().flat_map(Few::all).count();
        assert_eq!(heard, places.counts.values().sum::<usize>());
        (heard, places.polled().len())
    }

    /// As where the kernel has no more watchers for us.
    pub fn be_deaf(&self) {
        assert!(self.watcher.set(None).is_ok());
    }

    /// As when more has happened than the kernel could note.
    pub fn overflow(&self) {
        let mut rung = Rung::default();
        lock(&self.places).note(-1, None, ReadFlags::QUEUE_OVERFLOW, &mut rung);
        assert!(rung.ring());
    }
}

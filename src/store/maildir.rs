//! Mailboxes as folders with a file for each message, and the lists that Dovecot and Courier keep beside them.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use rustix::io::Errno;

use super::index::{Entry, Record, State};
use super::message::Traits;
use super::name::disk::Layout;
use super::news::Place;
use super::spool::{Care, Hold, Spool, Staged as AnyStaged};
use super::{Account, Incoming, Reader, Shared, Trouble, dotlocked, sync};
use crate::os::Dir;
use crate::os::lock::{Reusable, Taken};
use crate::os::stamp::Stamp;

mod adopt;
mod build;
pub mod courier;
mod deliver;
mod examine;
mod files;
mod import;
pub mod keywords;
mod ledger;
mod marks;
pub mod name;
mod notes;
mod odd;
mod restore;
mod scan;
mod settle;
pub mod subscriptions;
pub mod uidlist;

pub use adopt::Way;
pub use build::make_parts;
pub use deliver::Staged;
pub use examine::examine;
pub use restore::Restoring;

/// One Maildir: INBOX or a folder of a Maildir++.
pub struct Maildir {
    shared: Arc<Shared>,
    account: Arc<Account>,
    /// The folder that has `cur`, `new` and `tmp`.
    path: Arc<Path>,
    /// The same, open, as long as somebody reads a message in it: the next one is found faster.
    top: Mutex<Weak<Dir>>,
    /// INBOX comes into being with its first message.
    is_inbox: bool,
    /// That of the list of UIDs, once it was wanted.
    lock: OnceLock<Box<Reusable>>,
    news: sync::Shared,
    current: sync::Shared,
}

/// A Maildir that nobody else gives UIDs in.
struct Held<'a> {
    maildir: &'a Maildir,
    top: Dir,
    _lock: dotlocked::Locked<'a, Taken<'a>>,
}

impl Maildir {
    pub(super) fn new(shared: Arc<Shared>, account: Arc<Account>, path: PathBuf, is_inbox: bool) -> Maildir {
        let (lock, news, current) = (OnceLock::new(), sync::Shared::default(), sync::Shared::default());
        Maildir { shared, account, path: path.into(), top: Mutex::default(), is_inbox, lock, news, current }
    }

    /// Does `deed` with the owner's rights.
    fn act<T>(&self, doing: &'static str, deed: impl FnOnce() -> io::Result<T>) -> Result<T, Trouble> {
        self.account.actor.run(deed).map_err(|error| self.trouble(doing, error))
    }

    fn trouble(&self, doing: &'static str, error: io::Error) -> Trouble {
        match Errno::from_io_error(&error) {
            Some(Errno::NOTDIR | Errno::LOOP) => {
                Trouble::NotMailbox { path: self.path.to_path_buf(), what: "is not a Maildir: a folder of it is a link or a file" }
            }
            _ => Trouble::io(doing, &self.path)(error),
        }
    }

    fn held(&self) -> Result<Held<'_>, Trouble> {
        let list = self.path.join(UIDLIST);
        let lock = self.lock.get_or_init(|| Box::new(Reusable::new(&list, &self.path.join(TMP), self.account.actor)));
        let lock = dotlocked::lock_again(&self.shared, &list, lock).map_err(|trouble| match trouble {
            Trouble::Io { source, .. } => self.trouble("locking", source),
            trouble => trouble,
        })?;
        Ok(Held { maildir: self, top: self.act("opening", || self.top())?, _lock: lock })
    }

    fn top(&self) -> io::Result<Dir> {
        Dir::open(&self.path)
    }

    /// The folder `name` of a Maildir that is open; somebody may have removed it since it was made.
    fn part(&self, top: &Dir, name: &str) -> io::Result<Dir> {
        match top.beneath(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_parts(&*self.shared.disk, top)?;
                top.beneath(name)
            }
            part => part,
        }
    }

    /// The stamps of `new`, `cur` and the list of UIDs; none for what is not there. They are the same only if the folders and the file
    /// are the same, so it does not matter which way leads there, and the Maildir need not be opened.
    fn stamps(&self) -> Result<[Stamp; 3], Trouble> {
        self.act("looking at", || stamps(|name| Stamp::unfollowed(&self.path.join(name))))
    }

    fn stamps_in(&self, top: &Dir) -> Result<[Stamp; 3], Trouble> {
        self.act("looking at", || stamps(|name| top.stat(name).map(|stat| Stamp::from(&stat))))
    }

    fn open(&self, message: &Entry<'_>) -> io::Result<Reader> {
        let (top, (folder, name)) = (Arc::new(self.top()?), place(message, message.name()));
        let file = top.beneath(folder)?.read(&name)?;
        Ok(Reader::of_whole_file(file, message.len, &self.path, top))
    }

    /// As [`Maildir::open`], if that takes no waiting. What is no longer in the folder that somebody reads in is not found, and then
    /// looked for anew.
    fn open_at_once(&self, message: &Entry<'_>) -> io::Result<Reader> {
        let (top, (folder, name)) = (self.shared_top()?, place(message, message.name()));
        let file = top.read_cached(folder, &name)?;
        Ok(Reader::of_whole_file(file, message.len, &self.path, top))
    }

    fn shared_top(&self) -> io::Result<Arc<Dir>> {
        let mut shared = self.top.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(top) = shared.upgrade() {
            return Ok(top);
        }
        let top = Arc::new(self.top()?);
        *shared = Arc::downgrade(&top);
        Ok(top)
    }
}

impl Spool for Maildir {
    fn is_untouched(&self, state: &State, care: Care) -> Result<bool, Trouble> {
        Ok(is_same(self.stamps()?, state, care))
    }

    fn is_untouched_below(&self, home: &Dir, state: &State) -> bool {
        let folder = if self.is_inbox { Path::new("") } else { self.path.file_name().map_or(Path::new(""), Path::new) };
        stamps(|name| home.stamp_below(&folder.join(name))).is_ok_and(|stamps| is_same(stamps, state, Care::Full))
    }

    fn hold(&self, make: bool) -> Result<Option<Box<dyn Hold + '_>>, Trouble> {
        match self.held() {
            Err(trouble) if is_missing(&trouble) => match self.prepare(make && self.is_inbox)? {
                true => Ok(Some(Box::new(self.held()?))),
                false => Ok(None),
            },
            held => Ok(Some(Box::new(held?))),
        }
    }

    fn absent(&self, known: Option<&State>) -> Result<State, Trouble> {
        match self.is_inbox {
            true => self.no_mail_yet(known),
            false => Err(Trouble::NoFolder),
        }
    }

    fn stage(&self, messages: &[Incoming]) -> Result<AnyStaged, Trouble> {
        let staged = match self.stage_in_tmp(messages) {
            Err(trouble) if is_missing(&trouble) => match self.prepare(self.is_inbox)? {
                true => self.stage_in_tmp(messages),
                false => Err(Trouble::NoFolder),
            },
            staged => staged,
        };
        staged.map(AnyStaged::Maildir)
    }

    fn harden(&self) -> Result<(), Trouble> {
        if self.is_unsafe() {
            return Ok(());
        }
        self.harden_folder(NEW, &self.news)?;
        self.harden_folder(CUR, &self.current)
    }

    fn read(&self, _: &State, message: &Entry<'_>, at_once: bool) -> Result<Option<Reader>, Trouble> {
        match self.account.actor.run(|| if at_once { self.open_at_once(message) } else { self.open(message) }) {
            Ok(reader) => Ok(Some(reader)),
            Err(_) if at_once => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.trouble("opening a message of", error)),
        }
    }

    fn layout(&self) -> Layout {
        Layout::Maildir
    }

    fn is_lazy(&self) -> bool {
        true
    }

    fn watched(&self) -> Vec<Place> {
        [NEW, CUR].map(|part| Place { folder: self.path.join(part).into(), name: None, actor: self.account.actor }).into()
    }

    fn as_maildir(&self) -> Option<&Maildir> {
        Some(self)
    }
}

/// What `stamp` says of `new`, `cur` and the list of UIDs.
fn stamps(stamp: impl Fn(&str) -> io::Result<Stamp>) -> io::Result<[Stamp; 3]> {
    let stamp = |name: &str| match stamp(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Stamp::default()),
        stamp => stamp,
    };
    Ok([stamp(NEW)?, stamp(CUR)?, stamp(UIDLIST)?])
}

/// Whether what has these stamps is what `state` was read from.
fn is_same([new, current, list]: [Stamp; 3], state: &State, care: Care) -> bool {
    let [known_new, known_current] = state.head().stamps;
    let settled = known_current.settled && (known_new.settled || care == Care::Quick);
    // Without either folder there is perhaps no Maildir at all.
    let is_there = (new, current) != <(Stamp, Stamp)>::default();
    settled && is_there && (new, current) == (known_new.stamp, known_current.stamp) && notes::Notes::of(state).list == list
}

fn is_missing(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// In which of the two folders the file of a message is, and its name.
fn place(record: &Record, text: &[u8]) -> (&'static str, OsString) {
    let folder = if record.has(Traits::FRESH) { NEW } else { CUR };
    let name = OsStr::from_bytes(text);
    let whole = record.has(Traits::FRESH) || record.has(Traits::VERBATIM);
    let name = if whole { name.to_owned() } else { OsString::from_vec([text, marks::info(record.letters).as_bytes()].concat()) };
    (folder, name)
}

#[cfg(test)]
mod crash;

const CUR: &str = "cur";
const NEW: &str = "new";
const TMP: &str = "tmp";
const UIDLIST: &str = "dovecot-uidlist";

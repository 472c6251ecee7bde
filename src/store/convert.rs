//! A home from mbox to Maildir or back: everything written beside, then swapped in one step, so that a crash leaves the old or the new.
//!
//! INBOX decides what a home is, so the swap of its file and folder is the step. The mboxes of folders are in the user's home, where
//! nobody looks for them while INBOX is a Maildir: a marker in the home names them, by which the next conversion removes what is of no
//! use, half written or outlived. All folders are held from the first octet that is read to the swap, so nothing can come or change that
//! is not in the new form; mail by programs that know no locks is found in the old form, and left for the caller to import.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, RenameFlags};

use super::folders::{self, lists};
use super::index::{Entry, State};
use super::local::LocalHome;
use super::mailbox::{Mailbox, Open};
use super::maildir::subscriptions::Subscriptions;
use super::name::disk::Layout;
use super::{Draft, Facts, FolderName, Letter, Reader, Trouble, Uids, maildir, mbox};
use crate::config;
use crate::os::{Actor, Dir};

mod marker;
mod remains;

use marker::Marker;

/// How a conversion ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Converted {
    /// The home is what was wanted already.
    Already,
    /// There is no mail yet: what the domain's record says holds.
    Nothing,
    /// Nothing is done yet: mail that came into the old form at the last moment, in an earlier conversion, is at the path, to be
    /// imported and removed.
    Late(PathBuf),
    /// So many messages have moved; late mail as for [`Converted::Late`], if there is any.
    Done { messages: u64, late: Option<PathBuf> },
}

/// Makes the home a `to`. POP3 ids stay in form `uidl`. `told` hears of each message. The caller has the account's claim.
pub fn convert(home: &LocalHome, to: config::Spool, uidl: config::Uidl, told: &mut dyn FnMut(u64, u64)) -> Result<Converted, Trouble> {
    let wanted = match to {
        config::Spool::Maildir => Layout::Maildir,
        config::Spool::Mbox => Layout::Mbox,
    };
    if let Some(late) = remains::clear(home)? {
        return Ok(Converted::Late(late));
    }
    if home.account().spool.symlink_metadata().is_err() && folders::found(home.account(), home.layout())?.is_empty() {
        return Ok(Converted::Nothing);
    }
    if home.layout() == wanted {
        return Ok(Converted::Already);
    }
    let done = swap_all(home, wanted, uidl, told);
    let late = remains::clear(home);
    Ok(Converted::Done { messages: done?, late: late? })
}

fn swap_all(home: &LocalHome, wanted: Layout, uidl: config::Uidl, told: &mut dyn FnMut(u64, u64)) -> Result<u64, Trouble> {
    let names: Vec<FolderName> = folders::list(home)?.iter().filter(|line| line.exists).map(|line| line.name.clone()).collect();
    let mailboxes: Vec<Arc<Mailbox>> = names.iter().map(|name| home.mailbox(name)).collect::<Result<_, _>>()?;
    mailboxes.iter().try_for_each(prepare)?;
    let mut frozen = Vec::new();
    for mailbox in &mailboxes {
        frozen.push(mailbox.freeze()?.ok_or(Trouble::NoFolder)?);
    }
    let total = frozen.iter().map(|(_, state)| state.len() as u64).sum();
    let mut done = 0;
    let new = New::begin(home, wanted, &names)?;
    for (mailbox, (_, state)) in std::iter::zip(&mailboxes, &frozen) {
        new.folder(mailbox, state, uidl, &mut || {
            done += 1;
            told(done, total);
        })?;
    }
    new.lists()?;
    // Before the swap: whoever finds the new form must not find what was known of the old.
    mailboxes.iter().for_each(|mailbox| mailbox.forget());
    new.swap()?;
    drop(frozen);
    Open::forget(home.shared(), &home.index(&FolderName::inbox()));
    home.changed();
    Ok(done)
}

/// What needs locks of its own is done before all folders are held.
fn prepare(mailbox: &Arc<Mailbox>) -> Result<(), Trouble> {
    let state = mailbox.look()?;
    if state.messages().any(|message| message.received == 0) {
        mailbox.learn(state.head().uidvalidity, &Uids::all(), Facts::Content)?;
    }
    mailbox.settle()
}

/// The new form, being written.
struct New<'a> {
    home: &'a LocalHome,
    layout: Layout,
    /// What will be INBOX.
    beside: PathBuf,
}

impl<'a> New<'a> {
    fn begin(home: &'a LocalHome, layout: Layout, names: &[FolderName]) -> Result<New<'a>, Trouble> {
        let account = home.account();
        let new = New { home, layout, beside: beside(&account.spool) };
        let mboxes: Vec<PathBuf> =
            names.iter().filter(|name| !name.is_inbox()).map(|name| new.mbox_path(name)).collect::<Result<_, _>>()?;
        if let Some(taken) = mboxes.iter().find(|path| layout == Layout::Mbox && account.home.join(path).symlink_metadata().is_ok()) {
            return Err(Trouble::NotMailbox { path: account.home.join(taken), what: "is in the way" });
        }
        // Where the mboxes of folders are now, they say so themselves.
        let old = rustix::fs::stat(&account.spool).map_or(0, |stat| stat.st_size.cast_unsigned());
        Marker { to: layout, size: old, mboxes }.write(account)?;
        match layout {
            Layout::Maildir => make_folder(&new.beside, account.actor)?,
            Layout::Mbox => drop(make_file(&new.beside, account.actor)?),
        }
        Ok(new)
    }

    /// Relative to the user's home.
    fn mbox_path(&self, name: &FolderName) -> Result<PathBuf, Trouble> {
        let account = self.home.account();
        let path = folders::path(account, Layout::Mbox, name)?;
        Ok(path.strip_prefix(&account.home).unwrap_or(&path).to_owned())
    }

    fn folder(&self, from: &Mailbox, state: &State, uidl: config::Uidl, done: &mut dyn FnMut()) -> Result<(), Trouble> {
        match self.layout {
            Layout::Maildir => self.maildir(from, state, uidl, done),
            Layout::Mbox => self.mbox(from, state, done),
        }
    }

    fn maildir(&self, from: &Mailbox, state: &State, uidl: config::Uidl, done: &mut dyn FnMut()) -> Result<(), Trouble> {
        let account = self.home.account();
        let below = account.naming(Layout::Maildir).path(&from.name).map_err(Trouble::BadName)?;
        let path = self.beside.join(&below);
        if !below.is_empty() {
            make_folder(&path, account.actor)?;
        }
        let disk = &*self.home.shared().disk;
        let io = |error| Trouble::io("writing", &path)(error);
        let mut restoring = account.actor.run(|| maildir::Restoring::begin(disk, &path, state, !below.is_empty())).map_err(io)?;
        for entry in state.messages() {
            let mut reader = reader(from, state, &entry)?;
            let id = explicit(&entry, state, uidl);
            let mut fault = None;
            let added = account.actor.run(|| {
                restoring
                    .add(&entry, &id, |file| copy(&mut reader, file).map_err(|trouble| io::Error::other(fault.insert(trouble).to_string())))
            });
            match fault {
                Some(trouble) => return Err(trouble),
                None => added.map_err(io)?,
            }
            done();
        }
        account.actor.run(|| restoring.finish()).map_err(io)
    }

    fn mbox(&self, from: &Mailbox, state: &State, done: &mut dyn FnMut()) -> Result<(), Trouble> {
        let (shared, account) = (self.home.shared(), self.home.account());
        let path = match from.name.is_inbox() {
            true => self.beside.clone(),
            false => account.home.join(self.mbox_path(&from.name)?),
        };
        let open = || -> io::Result<std::fs::File> {
            if !from.name.is_inbox() {
                folders::make_mbox(self.home, &path)?;
            }
            Dir::open(path.parent().unwrap_or(Path::new("/")))?.write(path.file_name().unwrap_or_default())
        };
        let file = account.actor.run(open).map_err(Trouble::io("making", &path))?;
        let mut restoring = mbox::Restoring::begin(shared, account, &from.name, file, state);
        for entry in state.messages() {
            restoring.add(&entry, &letter(from, reader(from, state, &entry)?)?)?;
            done();
        }
        restoring.finish()
    }

    /// Subscriptions, what folders are for, and which UIDVALIDITYs have been.
    fn lists(&self) -> Result<(), Trouble> {
        let (home, account) = (self.home, self.home.account());
        let mut subscriptions = Subscriptions::new(account.naming(self.layout));
        lists::subscriptions(home)?.iter().for_each(|name| _ = subscriptions.add(name));
        let (into, out_of, file) = match self.layout {
            Layout::Maildir => (&self.beside, &account.home, "subscriptions"),
            Layout::Mbox => (&account.home, &account.spool, ".subscriptions"),
        };
        let specials = lists::written(&lists::specials(home)?);
        let write = |dir: &Dir, name: &str, text: &[u8]| -> io::Result<()> {
            let _ = rustix::fs::unlinkat(dir, name, rustix::fs::AtFlags::empty());
            dir.create(name)?.write_all(text)
        };
        let written = account.actor.run(|| {
            let (dir, old) = (Dir::open(into)?, Dir::open(out_of)?);
            write(&dir, file, &subscriptions.write())?;
            write(&dir, lists::SPECIALS, &specials)?;
            match old.content(super::identity::NAME, 64) {
                Ok(text) => write(&dir, super::identity::NAME, &text),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            }
        });
        written.map_err(Trouble::io("writing lists in", into))
    }

    /// The new form takes the place of the old one, which is then where the new one was.
    fn swap(&self) -> Result<(), Trouble> {
        let account = self.home.account();
        for folder in [&account.home, &self.beside] {
            let path = if folder.is_dir() { folder } else { folder.parent().unwrap_or(folder) };
            // One call for thousands of files.
            let sync = || Ok(rustix::fs::syncfs(Dir::open(path)?)?);
            account.actor.run(sync).map_err(Trouble::io("syncing", path))?;
        }
        let exchange = || Ok(rustix::fs::renameat_with(CWD, &self.beside, CWD, &account.spool, RenameFlags::EXCHANGE)?);
        by_whoever_may(account.actor, exchange).map_err(Trouble::io("swapping", &account.spool))?;
        self.home.shared().disk.sync_folder(&account.spool).map_err(Trouble::io("syncing", &account.spool))
    }
}

/// Where INBOX is written, and then what it was: no name of a user has a `%`.
fn beside(spool: &Path) -> PathBuf {
    let mut name = spool.file_name().unwrap_or_default().to_owned();
    name.push("%converting");
    spool.with_file_name(name)
}

/// What POP3 must be told, where it does not follow from UIDVALIDITY and UID.
fn explicit(entry: &Entry<'_>, state: &State, form: config::Uidl) -> String {
    let id = entry.uidl();
    match form {
        _ if !entry.uidl_text().is_empty() => String::from_utf8_lossy(entry.uidl_text()).into_owned(),
        config::Uidl::Uw if (id.uidvalidity, id.uid) != (state.head().uidvalidity, entry.uid) => {
            format!("{:08x}{:08x}", id.uidvalidity, id.uid)
        }
        config::Uidl::Uid if id.uid != entry.uid => id.uid.to_string(),
        _ => String::new(),
    }
}

fn reader(from: &Mailbox, state: &State, entry: &Entry<'_>) -> Result<Reader, Trouble> {
    from.spool.read(state, entry, false)?.ok_or_else(|| Trouble::Changed(from.account.spool.clone()))
}

fn copy(reader: &mut Reader, into: &mut dyn Write) -> Result<u64, Trouble> {
    let (mut piece, mut all) = (vec![0; 64 * 1024], 0);
    loop {
        match reader.fill_here(&mut piece)? {
            0 => return Ok(all),
            some => {
                into.write_all(&piece[..some]).map_err(Trouble::io("writing", Path::new("a message")))?;
                all += some as u64;
            }
        }
    }
}

fn letter(from: &Mailbox, mut reader: Reader) -> Result<Letter, Trouble> {
    let (mut draft, mut piece) = (Draft::new(&from.shared.places), vec![0; 64 * 1024]);
    loop {
        match reader.fill_here(&mut piece)? {
            0 => return draft.finish(),
            some => draft.push(&piece[..some])?,
        }
    }
}

/// With the rights of the owner, or of root where the folder is the administrator's and we have them.
fn by_whoever_may<T>(actor: Actor, mut deed: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match actor.run(&mut deed) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && rustix::process::geteuid().is_root() => {
            Actor::User { uid: 0, gid: 0 }.run(deed)
        }
        outcome => outcome,
    }
}

fn make_folder(path: &Path, actor: Actor) -> Result<(), Trouble> {
    let made = by_whoever_may(actor, || {
        rustix::fs::mkdir(path, rustix::fs::Mode::from_raw_mode(0o700))?;
        give(path, actor)
    });
    made.map_err(Trouble::io("making", path))
}

fn make_file(path: &Path, actor: Actor) -> Result<std::fs::File, Trouble> {
    let made = by_whoever_may(actor, || {
        let dir = Dir::open(path.parent().unwrap_or(Path::new("/")))?;
        let file = dir.create(path.file_name().unwrap_or_default())?;
        give(path, actor).map(|()| file)
    });
    made.map_err(Trouble::io("making", path))
}

/// What root has made for the owner becomes the owner's.
fn give(path: &Path, actor: Actor) -> io::Result<()> {
    let Actor::User { uid, gid } = actor else { return Ok(()) };
    let stat = rustix::fs::lstat(path)?;
    if stat.st_uid == uid { Ok(()) } else { std::os::unix::fs::lchown(path, Some(uid), Some(gid)) }
}

//! The homes that are files of this machine: Maildir or mbox, whichever is there.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::index::{Moment, State};
use super::mailbox::{Mailbox, Open, Recent};
use super::maildir::Maildir;
use super::mbox::Mbox;
use super::name::FolderName;
use super::name::disk::Layout;
use super::quota::Usage;
use super::reader::blocking;
use super::settler::Settler;
use super::spool::Spool;
use super::{
    Account, Appended, Applied, Changes, Contents, Copied, Facts, Features, Folder, Gists, Home, Incoming, Listed, MailboxId, Reader,
    Shared, Status, Trouble, Uids, Watcher, folders,
};
use crate::config::{self, SpecialUse};
use crate::os::Dir;

/// One account's mail on this machine. Clones share it.
#[derive(Clone)]
pub struct LocalHome {
    shared: Arc<Shared>,
    account: Arc<Account>,
    recent: Recent,
}

impl LocalHome {
    pub(super) fn new(shared: Arc<Shared>, recent: Recent, account: Account) -> LocalHome {
        LocalHome { shared, account: Arc::new(account), recent }
    }

    /// What the spool is; what it is to be, while there is none.
    pub(super) fn layout(&self) -> Layout {
        match (self.account.spool.symlink_metadata(), self.account.format) {
            (Ok(there), _) if there.is_dir() => Layout::Maildir,
            // Nobody follows a link: who opens it will say so.
            (Ok(there), config::Spool::Maildir) if there.is_symlink() => Layout::Maildir,
            (Err(_), config::Spool::Maildir) => Layout::Maildir,
            _ => Layout::Mbox,
        }
    }

    /// Where the index of folder `name` is: that of INBOX holds those of all others.
    pub(super) fn index(&self, name: &FolderName) -> PathBuf {
        let (owner, mut path) = (&self.account.owner, self.shared.places.index.clone());
        path.reserve(LONG_INDEX);
        path.push(owner.domain().as_str());
        path.push(owner.user().as_str());
        if !name.is_inbox() {
            path.push(folders::index_name(name));
        }
        path
    }

    /// The mailbox of folder `name`, if its name can be one. Looks at nothing but the kind of the spool.
    pub(super) fn mailbox(&self, name: &FolderName) -> Result<Arc<Mailbox>, Trouble> {
        self.mailbox_in(self.layout(), name)
    }

    /// The same, if the kind of the spool is known.
    fn mailbox_in(&self, layout: Layout, name: &FolderName) -> Result<Arc<Mailbox>, Trouble> {
        let index = self.index(name);
        let mailbox = match Open::find(&self.shared, &self.account, &index, layout) {
            Some(mailbox) => mailbox,
            None => {
                let path = folders::path(&self.account, layout, name)?;
                Open::mailbox(&self.shared, &self.account, name, index, layout, || self.spool(layout, name, path))
            }
        };
        self.recent.used(&mailbox);
        Ok(mailbox)
    }

    fn spool(&self, layout: Layout, name: &FolderName, path: PathBuf) -> Box<dyn Spool> {
        let (shared, account) = (Arc::clone(&self.shared), Arc::clone(&self.account));
        match layout {
            Layout::Maildir => Box::new(Maildir::new(shared, account, path, name.is_inbox())),
            Layout::Mbox => Box::new(Mbox::new(shared, account, path, name.clone())),
        }
    }

    /// Runs `deed` on a thread that may wait.
    async fn on_thread<T: Send + 'static>(&self, deed: impl FnOnce(&LocalHome) -> T + Send + 'static) -> T {
        let home = self.clone();
        blocking(move || deed(&home)).await
    }

    /// Folders have come, gone or been renamed.
    pub(super) fn changed(&self) {
        self.shared.news.tell(&self.account.owner, "");
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn account(&self) -> &Arc<Account> {
        &self.account
    }
}

impl Home for LocalHome {
    type Folder = LocalFolder;

    fn features(&self) -> Features {
        let inferiors = self.layout() == Layout::Maildir;
        Features { inferiors, separator: self.account.separator, lasting: true }
    }

    async fn list(&self) -> Result<Arc<[Listed]>, Trouble> {
        match self.shared.lists.current(&self.account) {
            Some(listed) => Ok(listed),
            None => self.on_thread(folders::list).await,
        }
    }

    async fn create(&self, name: &FolderName, special: Option<SpecialUse>) -> Result<MailboxId, Trouble> {
        let name = name.clone();
        self.on_thread(move |home| folders::create(home, &name, special)).await
    }

    async fn delete(&self, name: &FolderName) -> Result<(), Trouble> {
        let name = name.clone();
        self.on_thread(move |home| folders::delete(home, &name)).await
    }

    async fn rename(&self, from: &FolderName, to: &FolderName) -> Result<(), Trouble> {
        let (from, to) = (from.clone(), to.clone());
        self.on_thread(move |home| folders::rename(home, &from, &to)).await
    }

    async fn subscribe(&self, name: &FolderName, subscribed: bool) -> Result<(), Trouble> {
        let name = name.clone();
        self.on_thread(move |home| folders::subscribe(home, &name, subscribed)).await
    }

    async fn open(&self, name: &FolderName) -> Result<LocalFolder, Trouble> {
        let (mailbox, state) = match self.known_maildir(name) {
            Some(known) => known,
            None => {
                let mailbox = self.mailbox(name)?;
                let state = mailbox.now().await?;
                (mailbox, state)
            }
        };
        mailbox.is_seen.store(true, Ordering::Relaxed);
        state.rest();
        if mailbox.is_owing() {
            // There are new messages, or a process has died before it could write to the spool what it had acknowledged.
            Settler::settle_within(&mailbox, super::mailbox::SOON);
        }
        Ok(LocalFolder { home: self.clone(), watcher: None, mailbox, state })
    }

    async fn append(&self, to: &FolderName, messages: &[Incoming]) -> Result<Appended, Trouble> {
        let (mailbox, messages) = (self.mailbox(to)?, messages.to_vec());
        mailbox.on_thread(move |mailbox| mailbox.append(&messages)).await
    }

    async fn expects(&self, name: &FolderName) -> Result<(), Trouble> {
        if name.is_inbox() {
            // It comes into being with its first message.
            return Ok(());
        }
        let name = name.clone();
        self.on_thread(move |home| folders::existing(home, &name).map(drop)).await
    }

    async fn status(&self, names: &[FolderName]) -> Vec<Result<Status, Trouble>> {
        if let [name] = names
            && let Some((_, state)) = self.known_maildir(name)
        {
            return vec![Ok(Status::of(&state))];
        }
        let (layout, mut all) = (self.layout(), Vec::with_capacity(names.len()));
        for names in names.chunks(AT_ONCE) {
            let mut seen = self.seen_at_once(names).unwrap_or_default().into_iter();
            for name in names {
                all.push(match seen.next().flatten() {
                    Some(status) => Ok(status),
                    None => self.status_of(layout, name).await,
                });
            }
            if names.len() == AT_ONCE {
                // Others want the thread, too.
                tokio::task::yield_now().await;
            }
        }
        all
    }

    fn watch(&self) -> Watcher {
        self.shared.news.home(&self.account.owner, folders::watched(self))
    }

    async fn usage(&self) -> Result<Usage, Trouble> {
        self.on_thread(|home| home.shared.quota(home.account.owner.domain()).usage(home.account.owner.user())).await
    }
}

impl LocalHome {
    /// The status of those of `names` that are open and have not changed, told from within the folders of all: no path is walked from
    /// its beginning for each, and the owner's rights are taken once. `None` where that is not worth while, or can't be done.
    fn seen_at_once(&self, names: &[FolderName]) -> Option<Vec<Option<Status>>> {
        if names.len() < MANY {
            return None;
        }
        let indexes = Dir::open(&self.index(&FolderName::inbox())).ok()?;
        let followed = |name: &FolderName| {
            let mailbox = Open::find(&self.shared, &self.account, &self.index(name), Layout::Maildir)?;
            self.recent.used(&mailbox);
            let state = mailbox.followed(&indexes)?;
            Some((mailbox, state))
        };
        let followed: Vec<_> = names.iter().map(followed).collect();
        let seen = self.account.actor.run(|| {
            let home = Dir::open(&self.account.spool)?;
            let seen = |known: &Option<(Arc<Mailbox>, State)>| {
                let (mailbox, state) = known.as_ref()?;
                mailbox.spool.is_untouched_below(&home, state).then(|| Status::of(state))
            };
            Ok(followed.iter().map(seen).collect())
        });
        seen.ok()
    }

    /// The mailbox of folder `name` if it is in use and its files, which tell the kind of the spool, are those of a Maildir as it was.
    fn known_maildir(&self, name: &FolderName) -> Option<(Arc<Mailbox>, State)> {
        let mailbox = Open::find(&self.shared, &self.account, &self.index(name), Layout::Maildir)?;
        let state = mailbox.glance()?;
        self.recent.used(&mailbox);
        Some((mailbox, state))
    }

    async fn status_of(&self, layout: Layout, name: &FolderName) -> Result<Status, Trouble> {
        Ok(Status::of(&self.mailbox_in(layout, name)?.now().await?))
    }
}

/// A mailbox of a [`LocalHome`], in use by one session.
pub struct LocalFolder {
    home: LocalHome,
    mailbox: Arc<Mailbox>,
    state: State,
    watcher: Option<Watcher>,
}

impl LocalFolder {
    /// Runs `deed` on a thread that may wait, with the UIDVALIDITY under which UIDs were told.
    async fn on_thread<T: Send + 'static>(&self, deed: impl FnOnce(&Arc<Mailbox>, u32) -> T + Send + 'static) -> T {
        let told = self.state.head().uidvalidity;
        self.mailbox.on_thread(move |mailbox| deed(mailbox, told)).await
    }
}

impl Folder for LocalFolder {
    fn state(&self) -> &State {
        &self.state
    }

    async fn refresh(&mut self) -> Result<(), Trouble> {
        self.state = self.mailbox.now().await?;
        Ok(())
    }

    async fn changed(&mut self) {
        match &mut self.watcher {
            Some(watcher) => {
                self.state.rest();
                watcher.changed().await;
            }
            // What has happened before is no news to the watcher, but may be to the caller.
            None => self.watcher = Some(self.mailbox.watch()),
        }
    }

    async fn learn(&mut self, uids: &Uids, facts: Facts) -> Result<(), Trouble> {
        let uids = uids.clone();
        self.state = self.on_thread(move |mailbox, told| mailbox.learn(told, &uids, facts)).await?;
        Ok(())
    }

    async fn cached(&mut self, uids: &Uids) -> Result<Contents, Trouble> {
        if let Some(contents) = self.mailbox.cached_at_once(self.state.head().uidvalidity, uids) {
            return Ok(contents);
        }
        let uids = uids.clone();
        self.on_thread(move |mailbox, told| mailbox.cached(told, &uids)).await
    }

    fn gists(&self) -> Option<(Moment, Arc<Gists>)> {
        self.home.shared.gists.find(self.mailbox.key())
    }

    fn keep_gists(&mut self, moment: Moment, gists: Arc<Gists>) {
        self.home.shared.gists.keep(self.mailbox.key(), moment, gists);
    }

    async fn read(&mut self, uid: u32) -> Result<Reader, Trouble> {
        match self.mailbox.read_at_once(self.state.head().uidvalidity, uid) {
            Some(reader) => Ok(reader),
            None => self.on_thread(move |mailbox, told| mailbox.read(told, uid)).await,
        }
    }

    async fn digest(&mut self, uid: u32) -> Result<[u8; 16], Trouble> {
        self.on_thread(move |mailbox, told| mailbox.read(told, uid)?.md5()).await
    }

    async fn apply(&mut self, changes: &Changes) -> Result<Applied, Trouble> {
        if changes.is_empty() {
            return Ok(Applied::default());
        }
        let changes = changes.clone();
        let (state, applied) = self.on_thread(move |mailbox, told| mailbox.apply(told, &changes)).await?;
        self.state = state;
        Ok(applied)
    }

    async fn copy(&mut self, uids: &Uids, to: &FolderName) -> Result<Copied, Trouble> {
        let (to, uids) = (self.home.mailbox(to)?, uids.clone());
        self.on_thread(move |mailbox, told| mailbox.copy(told, &uids, &to)).await
    }

    async fn relocate(&mut self, uids: &Uids, to: &FolderName) -> Result<Copied, Trouble> {
        let (to, uids) = (self.home.mailbox(to)?, uids.clone());
        let copied = self.on_thread(move |mailbox, told| mailbox.relocate(told, &uids, &to)).await?;
        self.refresh().await?;
        Ok(copied)
    }

    async fn replace(&mut self, uid: u32, with: &Incoming, to: &FolderName) -> Result<Appended, Trouble> {
        let (to, with) = (self.home.mailbox(to)?, with.clone());
        let appended = self.on_thread(move |mailbox, told| mailbox.replace(told, uid, &with, &to)).await?;
        self.refresh().await?;
        Ok(appended)
    }

    async fn settle(&mut self) -> Result<(), Trouble> {
        match self.mailbox.is_owing() || self.mailbox.is_untidy() {
            true => self.mailbox.on_thread(|mailbox| mailbox.settle()).await,
            false => Ok(()),
        }
    }
}

/// So many mailboxes are looked at before others get the thread; they are held meanwhile.
const AT_ONCE: usize = 256;
/// From so many on it is worth while to open the folders that they are in.
const MANY: usize = 4;
/// Octets of most paths of indexes, below the folder of all.
const LONG_INDEX: usize = 100;

//! The closed set of homes.

use std::sync::Arc;

use super::index::Moment;
use super::quota::Usage;
use super::{
    Appended, Applied, Changes, Contents, Copied, Facts, Features, Folder, FolderName, Gists, Home, Incoming, Listed, LocalFolder,
    LocalHome, MailboxId, MemoryFolder, MemoryHome, Reader, State, Status, Trouble, Uids, Watcher,
};
use crate::config::SpecialUse;

/// A home of any kind.
#[derive(Clone)]
pub enum AnyHome {
    Local(LocalHome),
    Memory(MemoryHome),
}

/// A folder of any kind.
pub enum AnyFolder {
    Local(LocalFolder),
    Memory(MemoryFolder),
}

/// The same for every kind.
macro_rules! each {
    ($any:ident, $self:expr, $one:ident => $deed:expr) => {
        match $self {
            $any::Local($one) => $deed,
            $any::Memory($one) => $deed,
        }
    };
}

impl Home for AnyHome {
    type Folder = AnyFolder;

    fn features(&self) -> Features {
        each!(AnyHome, self, home => home.features())
    }

    async fn list(&self) -> Result<Arc<[Listed]>, Trouble> {
        each!(AnyHome, self, home => home.list().await)
    }

    async fn create(&self, name: &FolderName, special: Option<SpecialUse>) -> Result<MailboxId, Trouble> {
        each!(AnyHome, self, home => home.create(name, special).await)
    }

    async fn delete(&self, name: &FolderName) -> Result<(), Trouble> {
        each!(AnyHome, self, home => home.delete(name).await)
    }

    async fn rename(&self, from: &FolderName, to: &FolderName) -> Result<(), Trouble> {
        each!(AnyHome, self, home => home.rename(from, to).await)
    }

    async fn subscribe(&self, name: &FolderName, subscribed: bool) -> Result<(), Trouble> {
        each!(AnyHome, self, home => home.subscribe(name, subscribed).await)
    }

    async fn open(&self, name: &FolderName) -> Result<AnyFolder, Trouble> {
        match self {
            AnyHome::Local(home) => home.open(name).await.map(AnyFolder::Local),
            AnyHome::Memory(home) => home.open(name).await.map(AnyFolder::Memory),
        }
    }

    async fn append(&self, to: &FolderName, messages: &[Incoming]) -> Result<Appended, Trouble> {
        each!(AnyHome, self, home => home.append(to, messages).await)
    }

    async fn expects(&self, name: &FolderName) -> Result<(), Trouble> {
        each!(AnyHome, self, home => home.expects(name).await)
    }

    async fn status(&self, names: &[FolderName]) -> Vec<Result<Status, Trouble>> {
        each!(AnyHome, self, home => home.status(names).await)
    }

    fn watch(&self) -> Watcher {
        each!(AnyHome, self, home => home.watch())
    }

    async fn usage(&self) -> Result<Usage, Trouble> {
        each!(AnyHome, self, home => home.usage().await)
    }
}

impl Folder for AnyFolder {
    fn state(&self) -> &State {
        each!(AnyFolder, self, folder => folder.state())
    }

    async fn refresh(&mut self) -> Result<(), Trouble> {
        each!(AnyFolder, self, folder => folder.refresh().await)
    }

    async fn changed(&mut self) {
        each!(AnyFolder, self, folder => folder.changed().await)
    }

    async fn learn(&mut self, uids: &Uids, facts: Facts) -> Result<(), Trouble> {
        each!(AnyFolder, self, folder => folder.learn(uids, facts).await)
    }

    async fn cached(&mut self, uids: &Uids) -> Result<Contents, Trouble> {
        each!(AnyFolder, self, folder => folder.cached(uids).await)
    }

    fn gists(&self) -> Option<(Moment, Arc<Gists>)> {
        each!(AnyFolder, self, folder => folder.gists())
    }

    fn keep_gists(&mut self, moment: Moment, gists: Arc<Gists>) {
        each!(AnyFolder, self, folder => folder.keep_gists(moment, gists))
    }

    async fn read(&mut self, uid: u32) -> Result<Reader, Trouble> {
        each!(AnyFolder, self, folder => folder.read(uid).await)
    }

    async fn digest(&mut self, uid: u32) -> Result<[u8; 16], Trouble> {
        each!(AnyFolder, self, folder => folder.digest(uid).await)
    }

    async fn apply(&mut self, changes: &Changes) -> Result<Applied, Trouble> {
        each!(AnyFolder, self, folder => folder.apply(changes).await)
    }

    async fn copy(&mut self, uids: &Uids, to: &FolderName) -> Result<Copied, Trouble> {
        each!(AnyFolder, self, folder => folder.copy(uids, to).await)
    }

    async fn relocate(&mut self, uids: &Uids, to: &FolderName) -> Result<Copied, Trouble> {
        each!(AnyFolder, self, folder => folder.relocate(uids, to).await)
    }

    async fn replace(&mut self, uid: u32, with: &Incoming, to: &FolderName) -> Result<Appended, Trouble> {
        each!(AnyFolder, self, folder => folder.replace(uid, with, to).await)
    }

    async fn settle(&mut self) -> Result<(), Trouble> {
        each!(AnyFolder, self, folder => folder.settle().await)
    }
}

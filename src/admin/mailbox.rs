//! `vmail mailbox ...`: the folders of one account.

use std::sync::Arc;

use anyhow::{Context, ensure};

use super::Mailroom;
use crate::address::Owner;
use crate::config::SpecialUse;
use crate::store::{Account, AnyHome, FolderName, Home, Listed, Namespace, Oddity, Status};
use crate::vdomain::VirtualDomain;

mod convert;
mod export;
mod import;
mod letter;
mod source;
mod target;

pub use import::Import;
pub use source::Source;
pub use target::{Format, Target};

/// The mailboxes of one account. Folders are named as its clients name them.
pub struct Mailboxes<'a> {
    room: &'a Mailroom,
    account: Account,
    domain: Arc<VirtualDomain>,
    home: AnyHome,
    namespace: Namespace,
}

/// A folder, and what is in it.
pub struct Line {
    pub name: String,
    pub listed: Listed,
    /// Unset where there is no mailbox of this name.
    pub status: Option<Status>,
}

/// Tells of a long work how much of it is done, and how much there is, if that is known.
pub type Told<'a> = &'a mut dyn FnMut(u64, Option<u64>);

impl<'a> Mailboxes<'a> {
    pub(super) fn new(room: &'a Mailroom, account: Account, domain: Arc<VirtualDomain>) -> Mailboxes<'a> {
        let (home, namespace) = (room.store().home(account.clone()), Namespace::of(&account));
        Mailboxes { room, account, domain, home, namespace }
    }

    /// The folder that clients call `name`.
    ///
    /// # Errors
    /// None can be called so.
    pub fn folder(&self, name: &str) -> anyhow::Result<FolderName> {
        self.namespace.folder(name).with_context(|| format!("{name:?}"))
    }

    /// All folders.
    pub fn list(&self) -> anyhow::Result<Vec<Line>> {
        let listed = self.room.wait(self.home.list())?.with_context(|| self.whose())?;
        let names: Vec<FolderName> = listed.iter().filter(|line| line.exists).map(|line| line.name.clone()).collect();
        let mut status = self.room.wait(self.home.status(&names))?.into_iter();
        let mut line = |listed: Listed| {
            let status = if listed.exists { status.next().transpose() } else { Ok(None) };
            let name = self.namespace.shown(&listed.name).to_string();
            status.with_context(|| name.clone()).map(|status| Line { name, listed, status })
        };
        listed.iter().cloned().map(&mut line).collect()
    }

    /// The folders that are mailboxes.
    pub fn names(&self) -> anyhow::Result<Vec<FolderName>> {
        let listed = self.room.wait(self.home.list())?.with_context(|| self.whose())?;
        Ok(listed.iter().filter(|line| line.exists).map(|line| line.name.clone()).collect())
    }

    /// Makes a folder, subscribed if that is wanted.
    pub fn create(&self, name: &FolderName, special: Option<SpecialUse>, subscribed: bool) -> anyhow::Result<()> {
        self.room.wait(self.home.create(name, special))?.with_context(|| self.called(name))?;
        if subscribed {
            self.room.wait(self.home.subscribe(name, true))?.with_context(|| self.called(name))?;
        }
        Ok(())
    }

    /// Removes a folder with its mail, and its subscription.
    pub fn delete(&self, name: &FolderName) -> anyhow::Result<()> {
        self.room.wait(self.home.delete(name))?.with_context(|| self.called(name))?;
        self.room.wait(self.home.subscribe(name, false))?.with_context(|| self.called(name))
    }

    /// Gives a folder and those below it another name; subscriptions follow.
    pub fn rename(&self, from: &FolderName, to: &FolderName) -> anyhow::Result<()> {
        let listed = self.room.wait(self.home.list())?.with_context(|| self.whose())?;
        self.room.wait(self.home.rename(from, to))?.with_context(|| self.called(from))?;
        for line in listed.iter().filter(|line| line.subscribed && !from.is_inbox() && line.name.starts_with(from)) {
            let new = line.name.renamed(from, to).with_context(|| self.called(to))?;
            self.room.wait(self.home.subscribe(&line.name, false))?.with_context(|| self.called(&line.name))?;
            self.room.wait(self.home.subscribe(&new, true))?.with_context(|| self.called(&new))?;
        }
        Ok(())
    }

    /// What is wrong with a folder.
    pub fn check(&self, name: &FolderName) -> anyhow::Result<Vec<Oddity>> {
        let uid = self.room.uid(&self.account);
        self.room.act(|| self.room.store().examine(&self.account, name, uid))?.with_context(|| self.called(name))
    }

    /// Makes the index of a folder anew; who uses it goes on with the new one.
    pub fn rebuild(&self, name: &FolderName) -> anyhow::Result<()> {
        ensure!(self.names()?.contains(name), "{}: there is no such folder", self.called(name));
        self.room.act(|| self.room.store().rebuild(&self.account, name))?.with_context(|| self.called(name))
    }

    /// `folder` as its owner's clients call it, for messages.
    pub fn called(&self, name: &FolderName) -> String {
        format!("{} of {}", self.namespace.shown(name), self.account.owner)
    }

    /// What clients call `folder`.
    pub fn shown(&self, folder: &FolderName) -> String {
        self.namespace.shown(folder).to_string()
    }

    /// Whose they are.
    pub fn owner(&self) -> &Owner {
        &self.account.owner
    }

    fn whose(&self) -> String {
        format!("the mail of {}", self.account.owner)
    }
}

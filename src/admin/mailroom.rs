//! The mail of one tree, as an operator's tools reach it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

use super::{Mailboxes, claims, service};
use crate::address::{Domain, Owner};
use crate::config::{Machine, Root};
use crate::os::Actor;
use crate::store::{self, Store};
use crate::vdomain::{Directory, Names, VirtualDomain};

/// All mail of one tree. Files of the operator's own are read and written with his rights, those of the store with the service's.
pub struct Mailroom {
    directory: Directory,
    store: Store,
    service: Actor,
    service_uid: u32,
    runtime: Runtime,
}

impl Mailroom {
    /// Reads the configuration and opens the store. Locks nothing: mail comes and goes meanwhile.
    ///
    /// # Errors
    /// `vmail.toml` is wrong, or the store's folders can't be made.
    pub fn open(root: &Root) -> anyhow::Result<Mailroom> {
        let machine = Arc::new(Machine::load(root)?);
        service::make_folders(root, &machine)?;
        let own = rustix::process::geteuid().as_raw();
        Ok(Mailroom {
            directory: Directory::load(root, Arc::clone(&machine), None),
            store: service::store(root, &machine)?,
            service: service::actor(&machine),
            service_uid: service::user(&machine).map_or(own, |(uid, _)| uid),
            runtime: Builder::new_current_thread().enable_all().build()?,
        })
    }

    /// The mailboxes of `owner`; the domain may be named by an alias.
    pub fn account(&self, owner: &Owner) -> anyhow::Result<Mailboxes<'_>> {
        let domain = self.domain(owner.domain())?;
        let account = claims::account(&domain, &Owner::new(domain.name.clone(), owner.user().clone()))?;
        Ok(Mailboxes::new(self, account, domain))
    }

    /// The domain of that name or alias.
    pub fn domain(&self, name: &Domain) -> anyhow::Result<Arc<VirtualDomain>> {
        self.directory.by_name(name).with_context(|| format!("{name}: no such domain"))
    }

    /// Everybody of a domain who has a line in passwd.
    pub(super) fn accounts(&self, domain: &VirtualDomain) -> anyhow::Result<Vec<store::Account>> {
        let passwd =
            domain.realm.users.passwd().with_context(|| format!("{}: can't be read", domain.realm.users.passwd_path().display()))?;
        let mut all: Vec<_> = passwd.iter().map(|(user, known)| store::Account::of(domain, user, known)).collect();
        all.sort_by(|one, other| one.owner.user().as_str().cmp(other.owner.user().as_str()));
        Ok(all)
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// To whom the files of `account` should belong.
    pub(super) fn uid(&self, account: &store::Account) -> u32 {
        match account.actor {
            Actor::User { uid, .. } => uid,
            Actor::Service => self.service_uid,
        }
    }

    /// Waits for `deed` of the store, done with the service's rights: threads that it starts inherit them (credentials(7)).
    pub(super) fn wait<T>(&self, deed: impl Future<Output = T>) -> anyhow::Result<T> {
        Ok(self.service.run(|| Ok(self.runtime.block_on(deed)))?)
    }

    /// What becomes true when somebody types Ctrl-C, from now on noticed at the next [`Mailroom::wait`].
    pub(super) fn interrupted(&self) -> Arc<AtomicBool> {
        let stopped = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stopped);
        self.runtime.spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                flag.store(true, Ordering::Relaxed);
            }
        });
        stopped
    }

    /// Does `deed` of the store, which blocks, with the service's rights.
    pub(super) fn act<T>(&self, deed: impl FnOnce() -> T) -> anyhow::Result<T> {
        Ok(self.service.run(|| Ok(deed()))?)
    }
}

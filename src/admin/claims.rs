//! Having maildrops to oneself while they are moved or removed.

use anyhow::{Context, bail};

use super::Admin;
use crate::address::{Owner, User};
use crate::os::Actor;
use crate::os::place::{Place, make_folders};
use crate::store::{self, Claim, Places, Store, Trouble};
use crate::vdomain::VirtualDomain;

impl Admin {
    /// Makes sure that nobody is logged in, nor gets in while the claims are kept, and that no update of a maildrop is half done:
    /// its journal would not find the maildrop under another name.
    pub(super) fn claim<'a>(&self, domain: &VirtualDomain, users: impl IntoIterator<Item = &'a User>) -> anyhow::Result<Vec<Claim>> {
        let store = self.store()?;
        // What is made here, lock files and journals, must be the service's.
        let service = self.service().map_or(Actor::Service, |(uid, gid)| Actor::User { uid, gid });
        let take = |user: &User| {
            let owner = Owner::new(domain.name.clone(), user.clone());
            let claim = match service.run(|| Ok(store.claim(&owner)))? {
                Err(Trouble::Busy(_)) => bail!("{owner} is logged in; try again"),
                claim => claim.with_context(|| format!("{owner}: can't be kept from logging in"))?,
            };
            if super::folders::is_there(&self.root.redo().join(domain.name.as_str()).join(user.as_str())) {
                let account = account(domain, &owner)?;
                service.run(|| Ok(store.finish(&account)))?.with_context(|| format!("{owner}: an interrupted update can't be finished"))?;
            }
            Ok(claim)
        };
        users.into_iter().map(take).collect()
    }

    fn store(&self) -> anyhow::Result<Store> {
        let run = self.root.run();
        let made = make_folders(run.parent().unwrap_or(self.root.path())).and_then(|()| {
            let (place, is_new) = Place::folder(&run, &self.known())?;
            match self.service() {
                Some((uid, gid)) if is_new => place.give(uid, gid).and_then(|()| place.set_mode(0o755)),
                _ if is_new => place.set_mode(0o755),
                _ => Ok(()),
            }
        });
        made.with_context(|| format!("{}: can't be made", run.display()))?;
        Ok(Store::new(Places::below(&self.root, &self.machine)))
    }
}

fn account(domain: &VirtualDomain, owner: &Owner) -> anyhow::Result<store::Account> {
    let passwd = domain.realm.users.passwd().with_context(|| format!("{}: can't be read", domain.realm.users.passwd_path().display()))?;
    let known = passwd.get(owner.user()).with_context(|| format!("{owner}: no such user"))?;
    Ok(store::Account::of(domain, owner.user(), known))
}

//! Having maildrops to oneself while they are moved or removed.

use anyhow::{Context, bail};

use super::{Admin, service};
use crate::address::{Owner, User};
use crate::store::{self, Claim, Trouble};
use crate::vdomain::VirtualDomain;

impl Admin {
    /// Makes sure that nobody is logged in, nor gets in while the claims are kept, and that no update of a maildrop is half done:
    /// its journal would not find the maildrop under another name.
    pub(super) fn claim<'a>(&self, domain: &VirtualDomain, users: impl IntoIterator<Item = &'a User>) -> anyhow::Result<Vec<Claim>> {
        let store = service::store(&self.root, &self.machine)?;
        // What is made here, lock files and journals, must be the service's.
        let service = service::actor(&self.machine);
        let take = |user: &User| {
            let owner = Owner::new(domain.name.clone(), user.clone());
            let claim = match service.run(|| Ok(store.claim(&owner)))? {
                Err(Trouble::Busy(_)) => bail!("{owner} is logged in; try again"),
                claim => claim.with_context(|| format!("{owner}: can't be kept from logging in"))?,
            };
            // It looks for journals of folders, too.
            if super::folders::is_there(&self.root.redo().join(domain.name.as_str())) {
                let account = account(domain, &owner)?;
                service.run(|| Ok(store.finish(&account)))?.with_context(|| format!("{owner}: an interrupted update can't be finished"))?;
            }
            Ok(claim)
        };
        users.into_iter().map(take).collect()
    }
}

/// The mail of `owner`, a user of `domain`.
pub(super) fn account(domain: &VirtualDomain, owner: &Owner) -> anyhow::Result<store::Account> {
    let passwd = domain.realm.users.passwd().with_context(|| format!("{}: can't be read", domain.realm.users.passwd_path().display()))?;
    let known = passwd.get(owner.user()).with_context(|| format!("{owner}: no such user"))?;
    Ok(store::Account::of(domain, owner.user(), known))
}

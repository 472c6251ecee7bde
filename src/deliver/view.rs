//! What one domain's files say at the moment of a plan.

use std::sync::Arc;

use super::ask::Name;
use super::{Leaf, Mailbox};
use crate::address::User;
use crate::config::Fault;
use crate::vdomain::aliases::Target;
use crate::vdomain::{AliasesNow, Passwd, VirtualDomain};

/// What one domain's files say at the moment of a plan.
pub struct View {
    pub aliases: AliasesNow,
    pub passwd: Arc<Passwd>,
}

impl View {
    /// Looks at the files of `domain`.
    ///
    /// # Errors
    /// One that must be there cannot be read: nobody can tell then who gets mail.
    pub fn of(domain: &VirtualDomain) -> Result<View, Fault> {
        let users = &domain.realm.users;
        let passwd = users.passwd().map_err(|error| Fault::unreadable(users.passwd_path(), &error))?;
        Ok(View { aliases: domain.realm.aliases.current()?, passwd })
    }

    /// The mailbox of the user of that very name.
    pub fn user(&self, domain: &Arc<VirtualDomain>, local: &str, detail: Option<&str>) -> Option<Leaf> {
        let user: User = local.parse().ok()?;
        let account = self.passwd.get(&user)?.clone();
        Some(Leaf::Mailbox(Mailbox { domain: domain.clone(), user, account, detail: detail.map(str::to_owned) }))
    }

    /// The mailbox of the user `name`, or of what stands before its `+`.
    pub fn mailbox(&self, name: &Name) -> Option<Leaf> {
        let plain = self.user(&name.domain, name.local(), None);
        plain.or_else(|| name.plus().and_then(|(base, detail)| self.user(&name.domain, base, Some(detail))))
    }

    /// Who hears of bounces of mail to the list `name`, lower case: the one address that `owner-NAME` leads to, or `owner-NAME` itself
    /// (behaviour.md §18 trap 68).
    pub fn list_owner(&self, domain: &VirtualDomain, name: &str) -> Option<String> {
        if name.starts_with("owner-") {
            return None;
        }
        let owner = format!("owner-{name}");
        let (_, alias) = self.aliases.get(&owner)?;
        Some(match &alias.targets[..] {
            [Target::Address(address)] => address.clone(),
            [Target::Name(one) | Target::User(one)] => format!("{one}@{}", domain.name),
            _ => format!("{owner}@{}", domain.name),
        })
    }
}

//! Whose mail it is, where it is, and how much of it there may be.

use std::path::PathBuf;

use super::name::FolderName;
use super::name::disk::{Encoding, Layout, Naming};
use super::quota::{Reservation, Usage};
use super::{Shared, Trouble};
use crate::address::{Owner, User};
use crate::config::{Allowance, Spool};
use crate::os::Actor;
use crate::vdomain::{self, VirtualDomain};

/// One account's mail: where it is and who acts on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    pub owner: Owner,
    pub actor: Actor,
    /// INBOX: `ROOT/var/spool/vmail/DOMAIN/USER`. An mbox if it is a file, a Maildir if it is a folder; it need not exist.
    pub spool: PathBuf,
    /// Where folders are beside an mbox.
    pub home: PathBuf,
    /// What a spool that does not exist becomes.
    pub format: Spool,
    /// How folders are called on disk.
    pub encoding: Encoding,
    /// What stands between the parts of a folder's name, as clients see it.
    pub separator: char,
    /// What all names but INBOX begin with, as clients see them.
    pub prefix: String,
    pub allowance: Allowance,
}

impl Account {
    /// The mail of `user`, whose line in passwd is `known`.
    pub fn of(domain: &VirtualDomain, user: &User, known: &vdomain::Account) -> Account {
        let (record, folders) = (&domain.record, &domain.record.folders);
        Account {
            owner: Owner::new(domain.name.clone(), user.clone()),
            actor: domain.actor(known),
            spool: domain.maildrop(user),
            home: domain.home(known),
            format: record.spool,
            encoding: if folders.utf8 { Encoding::Utf8 } else { Encoding::Utf7 },
            separator: folders.separator.letter(),
            prefix: folders.prefix.clone(),
            allowance: record.quota.allowance(user),
        }
    }

    /// An account with one mbox and no limits, for tests and tools that look at a single spool.
    pub fn plain(owner: Owner, actor: Actor, spool: PathBuf, home: PathBuf, format: Spool) -> Account {
        let (encoding, separator) = (Encoding::Utf7, '/');
        Account { owner, actor, spool, home, format, encoding, separator, prefix: String::new(), allowance: Allowance::default() }
    }

    /// How names become file names.
    pub(super) fn naming(&self, layout: Layout) -> Naming {
        Naming { layout, encoding: self.encoding }
    }

    /// Keeps room for mail on its way to folder `name`; dropping it gives the room back.
    ///
    /// # Errors
    /// [`Trouble::OverQuota`].
    pub(super) fn reserve(&self, shared: &Shared, name: &FolderName, octets: u64, messages: u64) -> Result<Reservation, Trouble> {
        let quota = shared.quota(self.owner.domain());
        quota.reserve(self.owner.user(), &folder(name), Usage { octets, messages }, &self.allowance)?.map_err(Trouble::OverQuota)
    }

    /// Folder `name` has so much now.
    pub(super) fn count(&self, shared: &Shared, name: &FolderName, octets: u64, messages: u64) {
        let counted = shared.quota(self.owner.domain()).set(self.owner.user(), &folder(name), Usage { octets, messages });
        if let Err(trouble) = counted {
            // The next change of the folder says it again.
            tracing::warn!(user = %self.owner, error = %trouble, doing = "counting mail");
        }
    }
}

/// As the quota knows it.
fn folder(name: &FolderName) -> String {
    name.display('/').to_string()
}

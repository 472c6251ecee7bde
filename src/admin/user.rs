//! `vmail user ...`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use super::folders::{is_there, move_if_there, remove_if_there};
use super::lines::Lines;
use super::{Admin, service};
use crate::address::{Owner, User};
use crate::store::Trouble;
use crate::store::quota::Quota;
use crate::vdomain::VirtualDomain;
use crate::vdomain::password::{self, Secret};

/// A user to be.
#[derive(Debug)]
pub struct NewUser {
    /// Who.
    pub owner: Owner,
    /// The full name; no colon, no line end.
    pub full_name: String,
    /// The password.
    pub secret: Secret,
}

/// What becomes of the mail of what is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remains {
    /// It stays where it is.
    Kept,
    /// It is removed, for good.
    Purged,
}

impl Admin {
    /// Adds a user: uid, passwd, shadow, home and maildrop. Returns the uid.
    pub fn add_user(&self, new: &NewUser) -> anyhow::Result<u32> {
        let owner = &new.owner;
        let domain = self.domain(owner)?;
        ensure!(!new.full_name.contains([':', '\n', '\r']), "{:?}: a full name has no colon and no line end", new.full_name);
        let (mut passwd, mut shadow) = (self.passwd(owner)?, self.shadow(owner)?);
        ensure!(passwd.fields(owner.user().as_str()).is_none(), "{owner}: is already there");
        let uid = self.free_uid()?;
        let home = self.root.home(owner);
        let home_text = Path::new("/").join(home.strip_prefix(self.root.path()).unwrap_or(&home));
        let hash = hash(domain, &new.secret)?;
        // A domain of a linuxconf tree may lack some; written below, they would be root's alone.
        self.make_user_files(owner.domain())?;
        self.make_account_folders(owner, &home, &domain.record, uid, uid)?;
        let name = owner.user().to_string();
        // shadow first: a user without a line there is refused, so that there is no moment with an account half made.
        shadow.put(&name, &shadow_line(&name, hash));
        self.write(&self.root.shadow(owner.domain()), &shadow.text(), 0o600)?;
        let ids = uid.to_string();
        let home_text = home_text.to_string_lossy().into_owned();
        passwd.put(&name, &[name.clone(), "x".into(), ids.clone(), ids, new.full_name.clone(), home_text, "/usr/sbin/nologin".into()]);
        self.write(&self.root.passwd(owner.domain()), &passwd.text(), 0o644)?;
        Ok(uid)
    }

    /// Sets a password. A disabled user stays disabled.
    pub fn set_password(&self, owner: &Owner, secret: &Secret) -> anyhow::Result<()> {
        let domain = self.domain(owner)?;
        self.must_exist(owner)?;
        let hash = hash(domain, secret)?;
        self.edit_hash(owner, |old| if old.starts_with('!') { format!("!{hash}") } else { hash })
    }

    /// Refuses or admits a user's logins; the password stays. As usermod -L does: a `!` before the hash.
    pub fn enable_user(&self, owner: &Owner, enabled: bool) -> anyhow::Result<()> {
        self.must_exist(owner)?;
        self.edit_hash(owner, |old| match (old.strip_prefix('!'), enabled) {
            (Some(hash), true) => hash.to_owned(),
            (None, false) => format!("!{old}"),
            (Some(_), false) | (None, true) => old.to_owned(),
        })
    }

    /// Gives a user another name in the same domain; mail and home go with it.
    pub fn rename_user(&self, owner: &Owner, new: &User) -> anyhow::Result<()> {
        let to = Owner::new(owner.domain().clone(), new.clone());
        self.must_exist(owner)?;
        let domain = self.domain(owner)?;
        let _claims = self.claim(domain, [owner.user()])?;
        let (mut passwd, mut shadow) = (self.passwd(owner)?, self.shadow(owner)?);
        ensure!(passwd.fields(new.as_str()).is_none(), "{to}: is already there");
        let moves: Vec<_> = std::iter::zip(self.places_of(owner), self.places_of(&to)).collect();
        if let Some((_, taken)) = moves.iter().find(|(from, to)| is_there(from) && is_there(to)) {
            bail!("{}: is in the way", taken.display());
        }
        moves.iter().try_for_each(|(from, to)| move_if_there(from, to))?;
        self.quota(domain, |counter| counter.rename_user(owner.user(), new))?;
        let (old, name) = (owner.user().as_str(), new.to_string());
        for (lines, path, mode) in
            [(&mut shadow, self.root.shadow(owner.domain()), 0o600), (&mut passwd, self.root.passwd(owner.domain()), 0o644)]
        {
            if let Some(mut fields) = lines.fields(old) {
                fields[0] = name.clone();
                let ending = format!("/{}/home/{old}", owner.domain());
                if let Some(home) = fields.get_mut(5).filter(|home| home.ends_with(&ending)) {
                    *home = home.replace(&ending, &format!("/{}/home/{name}", owner.domain()));
                }
                lines.put(old, &fields);
            }
            self.write(&path, &lines.text(), mode)?;
        }
        Ok(())
    }

    /// Removes a user; the mail stays where it is unless it is to be purged.
    pub fn remove_user(&self, owner: &Owner, remains: Remains) -> anyhow::Result<()> {
        self.must_exist(owner)?;
        let domain = self.domain(owner)?;
        let _claims = self.claim(domain, [owner.user()])?;
        let (mut passwd, mut shadow) = (self.passwd(owner)?, self.shadow(owner)?);
        let uid = passwd.fields(owner.user().as_str()).and_then(|fields| fields.get(2)?.parse().ok());
        // The uid is never given to anybody else: the mail that stays belongs to it.
        self.remember_uids()?;
        passwd.remove(owner.user().as_str());
        shadow.remove(owner.user().as_str());
        self.write(&self.root.passwd(owner.domain()), &passwd.text(), 0o644)?;
        self.write(&self.root.shadow(owner.domain()), &shadow.text(), 0o600)?;
        // The next account of that name has mail of its own, or takes over what is kept: that is counted when it is seen.
        self.quota(domain, |counter| counter.forget_user(owner.user()))?;
        remove_if_there(&self.root.index().join(owner.domain().as_str()).join(owner.user().as_str()))?;
        match remains {
            Remains::Purged => self.places_of(owner).iter().try_for_each(|place| remove_if_there(place)),
            Remains::Kept => uid.map_or(Ok(()), |uid| self.keep(owner, domain.record.owner, uid)),
        }
    }

    /// Changes what the counter of a domain knows, which is the service's.
    fn quota(&self, domain: &VirtualDomain, deed: impl FnOnce(&Quota) -> Result<(), Trouble>) -> anyhow::Result<()> {
        let store = service::store(&self.root, &self.machine)?;
        let changed = service::actor(&self.machine).run(|| Ok(deed(&store.quota(&domain.name))))?;
        changed.with_context(|| format!("the quota of {}", domain.name))
    }

    /// What an account has beside its lines: maildrop, home, index, journal.
    fn places_of(&self, owner: &Owner) -> [PathBuf; 4] {
        let (domain, user) = (owner.domain().as_str(), owner.user().as_str());
        let root = &self.root;
        [root.spool(owner.domain()).join(user), root.home(owner), root.index().join(domain).join(user), root.redo().join(domain).join(user)]
    }

    fn domain(&self, owner: &Owner) -> anyhow::Result<&VirtualDomain> {
        let name = owner.domain();
        self.directory
            .get(name)
            .map(|domain| &**domain)
            .with_context(|| format!("{name}: no such domain; `vmail domain add {name}` makes it"))
    }

    pub(super) fn must_exist(&self, owner: &Owner) -> anyhow::Result<()> {
        self.domain(owner)?;
        ensure!(self.passwd(owner)?.fields(owner.user().as_str()).is_some(), "{owner}: no such user");
        Ok(())
    }

    fn passwd(&self, owner: &Owner) -> anyhow::Result<Lines> {
        read(&self.root.passwd(owner.domain()))
    }

    fn shadow(&self, owner: &Owner) -> anyhow::Result<Lines> {
        read(&self.root.shadow(owner.domain()))
    }

    fn edit_hash(&self, owner: &Owner, edit: impl FnOnce(&str) -> String) -> anyhow::Result<()> {
        let name = owner.user().as_str();
        let mut shadow = self.shadow(owner)?;
        let mut fields = shadow.fields(name).unwrap_or_else(|| shadow_line(name, "!".into()));
        fields.resize_with(fields.len().max(3), String::new);
        fields[1] = edit(&fields[1]);
        fields[2] = today();
        shadow.put(name, &fields);
        self.write(&self.root.shadow(owner.domain()), &shadow.text(), 0o600)
    }

    /// A uid that nobody has or had here, from `uid_from` on, unique over all domains (design.md §4).
    fn free_uid(&self) -> anyhow::Result<u32> {
        let next = self.next_uid()?;
        let is_taken = |uid: u32| {
            // nobody, and what 16-bit programs take for an error.
            matches!(uid, 65_534 | 65_535 | u32::MAX) || nix::unistd::User::from_uid(uid.into()).ok().flatten().is_some()
        };
        let uid = (next..u32::MAX).find(|&uid| !is_taken(uid)).context("no uid is free")?;
        self.write(&self.root.etc().join(NEXT_UID), &format!("{}\n", uid + 1), 0o644)?;
        Ok(uid)
    }

    pub(super) fn remember_uids(&self) -> anyhow::Result<()> {
        self.write(&self.root.etc().join(NEXT_UID), &format!("{}\n", self.next_uid()?), 0o644)
    }

    fn next_uid(&self) -> anyhow::Result<u32> {
        let noted = std::fs::read_to_string(self.root.etc().join(NEXT_UID)).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        let mut next = self.machine.uid_from.max(noted);
        for domain in self.directory.domains() {
            let passwd = match domain.realm.users.passwd() {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                read => read.with_context(|| format!("{}: can't be read", domain.realm.users.passwd_path().display()))?,
            };
            next = passwd.iter().map(|(_, account)| account.uid.saturating_add(1)).fold(next, u32::max);
        }
        Ok(next)
    }
}

fn read(path: &Path) -> anyhow::Result<Lines> {
    match std::fs::read(path) {
        Ok(octets) => {
            let text = String::from_utf8(octets).ok().with_context(|| format!("{}: is not UTF-8 text; mend it by hand", path.display()))?;
            Ok(Lines::of(&text))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Lines::of("")),
        Err(error) => Err(error).with_context(|| format!("{}: can't be read", path.display())),
    }
}

fn hash(domain: &VirtualDomain, secret: &Secret) -> anyhow::Result<String> {
    ensure!(!secret.octets().is_empty(), "an empty password opens to nobody");
    password::hash(domain.record.scheme, secret).context("the password can't be hashed")
}

fn shadow_line(name: &str, hash: String) -> Vec<String> {
    let mut fields = vec![name.to_owned(), hash, today()];
    fields.extend(["0", "99999", "7", "", "", ""].map(String::from));
    fields
}

fn today() -> String {
    (chrono::Utc::now().timestamp() / 86_400).to_string()
}

/// The first uid that was never given away.
const NEXT_UID: &str = "uid.next";

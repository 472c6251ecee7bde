//! `vmail domain ...`.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use toml_edit::{DocumentMut, value};

use super::folders::{is_there, move_if_there, remove_if_there};
use super::{Admin, Remains};
use crate::address::{Domain, Owner};
use crate::config::{DomainRecord, Owned};
use crate::store::Claim;
use crate::vdomain::{Names, VirtualDomain};

/// A domain to be.
#[derive(Debug, Clone)]
pub struct NewDomain {
    /// Its name.
    pub name: Domain,
    /// The addresses that are its own.
    pub ip: Vec<IpAddr>,
    /// Its other names.
    pub alias: Vec<Domain>,
    /// Who owns its accounts' files.
    pub owner: Owned,
}

/// A change to a domain's record.
#[derive(Debug, Clone)]
pub enum DomainChange {
    /// `enabled`.
    Enabled(bool),
    /// One more name.
    AddAlias(Domain),
    /// One name less.
    RemoveAlias(Domain),
}

impl Admin {
    /// Defines a domain: its record, its files, its folders.
    pub fn add_domain(&self, new: &NewDomain) -> anyhow::Result<()> {
        ensure!(self.directory.get(&new.name).is_none(), "{}: is already there", new.name);
        new.alias.iter().chain([&new.name]).try_for_each(|name| self.must_be_free(name))?;
        for address in &new.ip {
            if let Some(other) = self.directory.by_address(address.to_canonical()) {
                bail!("{address}: belongs to {}", other.name);
            }
        }
        self.make_domain_folders(&new.name, new.owner)?;
        // The record before passwd.DOMAIN, which alone would make a domain with defaults of linuxconf's (owner = "user").
        self.write(&self.root.record(&new.name), &record(new), 0o644)?;
        self.make_user_files(&new.name)
    }

    pub(super) fn make_user_files(&self, domain: &Domain) -> anyhow::Result<()> {
        for (path, mode) in [(self.root.passwd(domain), 0o644), (self.root.aliases(domain), 0o644), (self.root.shadow(domain), 0o640)] {
            if path.exists() {
                continue;
            }
            // The hashes are for the service and for nobody else.
            self.write(&path, "", if mode == 0o640 { 0o600 } else { mode })?;
            if let (0o640, Some((_, gid))) = (mode, self.service()) {
                std::os::unix::fs::chown(&path, None, Some(gid)).with_context(|| format!("{}: can't change its group", path.display()))?;
                let readable = std::os::unix::fs::PermissionsExt::from_mode(mode);
                std::fs::set_permissions(&path, readable).with_context(|| format!("{}: can't change its mode", path.display()))?;
            }
        }
        Ok(())
    }

    /// Changes the record, keeping its comments.
    pub fn change_domain(&self, name: &Domain, change: &DomainChange) -> anyhow::Result<()> {
        let known = self.directory.get(name).with_context(|| format!("{name}: no such domain"))?;
        self.edit_record(name, |document| {
            match change {
                DomainChange::Enabled(enabled) => document["enabled"] = value(*enabled),
                DomainChange::AddAlias(alias) => {
                    self.must_be_free(alias)?;
                    set_aliases(document, known.record.alias.iter().chain([alias]));
                }
                DomainChange::RemoveAlias(alias) => {
                    ensure!(known.record.alias.contains(alias), "{alias}: is no alias of {name}");
                    set_aliases(document, known.record.alias.iter().filter(|other| *other != alias));
                }
            }
            Ok(())
        })
    }

    /// Changes the record of a domain, keeping its comments.
    pub(super) fn edit_record(&self, name: &Domain, edit: impl FnOnce(&mut DocumentMut) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let path = self.root.record(name);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("{}: can't be read", path.display()))?,
        };
        // What does not parse is not edited: the mistake would be buried.
        DomainRecord::parse(&text, &path)?;
        let mut document: DocumentMut = text.parse().with_context(|| format!("{}: does not parse", path.display()))?;
        edit(&mut document)?;
        let edited = document.to_string();
        DomainRecord::parse(&edited, &path)?;
        self.write(&path, &edited, 0o644)
    }

    /// Gives a domain another name; the old one is forgotten, unless it is made an alias. What was interrupted can be repeated.
    pub fn rename_domain(&self, old: &Domain, new: &Domain) -> anyhow::Result<()> {
        let known = self.directory.get(old).with_context(|| format!("{old}: no such domain"))?;
        let moves: Vec<_> = std::iter::zip(self.places(old), self.places(new)).collect();
        // A domain of that name is either in the way by what it has, or what an interrupted renaming has made.
        if self.directory.get(new).is_none() || !moves.iter().any(|(from, to)| !is_there(from) && is_there(to)) {
            self.must_be_free(new)?;
        }
        if let Some((_, taken)) = moves.iter().find(|(from, to)| is_there(from) && is_there(to)) {
            bail!("{}: is in the way", taken.display());
        }
        let _claims = self.claim_all(known)?;
        self.rename_homes(old, new)?;
        moves.iter().try_for_each(|(from, to)| move_if_there(from, to))
    }

    /// Claims the maildrops of all users of a domain.
    fn claim_all(&self, domain: &VirtualDomain) -> anyhow::Result<Vec<Claim>> {
        match domain.realm.users.passwd() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => {
                let passwd = read.with_context(|| format!("{}: can't be read", domain.realm.users.passwd_path().display()))?;
                self.claim(domain, passwd.iter().map(|(user, _)| user))
            }
        }
    }

    /// passwd.DOMAIN names the homes with the domain's name in them.
    fn rename_homes(&self, old: &Domain, new: &Domain) -> anyhow::Result<()> {
        let path = self.root.passwd(old);
        let Ok(text) = std::fs::read_to_string(&path) else { return Ok(()) };
        let renamed = text.replace(&format!("/vhome/{old}/"), &format!("/vhome/{new}/"));
        if renamed == text { Ok(()) } else { self.write(&path, &renamed, 0o644) }
    }

    /// Forgets a domain; its mail stays where it is unless it is to be purged. What was interrupted can be repeated.
    pub fn remove_domain(&self, name: &Domain, remains: Remains) -> anyhow::Result<()> {
        let known = self.directory.get(name).with_context(|| format!("{name}: no such domain"))?;
        let _claims = self.claim_all(known)?;
        // The uids are never given to anybody else: the mail that stays belongs to them.
        self.remember_uids()?;
        // The hashes first: nobody is let in any more while the rest goes.
        [self.root.shadow(name), self.root.aliases(name)].iter().try_for_each(|path| remove_if_there(path))?;
        [self.root.index(), self.root.quota()].iter().try_for_each(|folder| remove_if_there(&folder.join(name.as_str())))?;
        match remains {
            Remains::Kept => self.keep_all(known)?,
            Remains::Purged => {
                let vhome = self.root.path().join("vhome").join(name.as_str());
                [self.root.spool(name), vhome, self.root.redo().join(name.as_str())].iter().try_for_each(|path| remove_if_there(path))?;
            }
        }
        // The record last: passwd.DOMAIN alone would be a domain with defaults of linuxconf's (owner = "user").
        [self.root.passwd(name), self.root.record(name)].iter().try_for_each(|path| remove_if_there(path))
    }

    fn keep_all(&self, domain: &VirtualDomain) -> anyhow::Result<()> {
        // Without passwd.DOMAIN there is nobody whose mail it could be.
        let Ok(passwd) = domain.realm.users.passwd() else { return Ok(()) };
        passwd
            .iter()
            .try_for_each(|(user, account)| self.keep(&Owner::new(domain.name.clone(), user.clone()), domain.record.owner, account.uid))
    }

    fn must_be_free(&self, name: &Domain) -> anyhow::Result<()> {
        match self.directory.by_name(name) {
            Some(other) => bail!("{name}: belongs to {}", other.name),
            None => Ok(()),
        }
    }

    /// Everything that has the domain's name, in the order of moving: nobody is let in without shadow.DOMAIN, and where there is a
    /// record it is there before passwd.DOMAIN, which alone would make a domain with other defaults.
    pub(super) fn places(&self, name: &Domain) -> Vec<PathBuf> {
        let root = &self.root;
        let vhome = root.path().join("vhome").join(name.as_str());
        let [index, redo, quota] = [root.index(), root.redo(), root.quota()].map(|folder| folder.join(name.as_str()));
        vec![root.shadow(name), root.spool(name), vhome, index, redo, quota, root.aliases(name), root.record(name), root.passwd(name)]
    }
}

fn set_aliases<'a>(document: &mut DocumentMut, names: impl Iterator<Item = &'a Domain>) {
    document["alias"] = value(names.map(Domain::as_str).collect::<toml_edit::Array>());
}

fn record(new: &NewDomain) -> String {
    let mut document = DocumentMut::new();
    document["ip"] = value(new.ip.iter().map(|address| address.to_canonical().to_string()).collect::<toml_edit::Array>());
    document["alias"] = value(new.alias.iter().map(Domain::as_str).collect::<toml_edit::Array>());
    document["owner"] = value(match new.owner {
        Owned::Vmail => "vmail",
        Owned::User => "user",
    });
    format!("# {}\n{document}", new.name)
}

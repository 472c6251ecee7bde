//! `vmail quota ...`: what may be there, what is there, and counting it anew.

use anyhow::{Context, ensure};
use toml_edit::{DocumentMut, Item, Table, value};

use super::{Admin, Mailroom};
use crate::address::{Domain, Owner, User};
use crate::config::Allowance;
use crate::store::quota::Usage;
use crate::store::{FolderName, Home, Trouble};

/// Limits to be, as an operator types them: a number, `500M`, `unlimited`, or `default`; what is unset stays.
#[derive(Debug, Clone, Default)]
pub struct QuotaChange {
    pub inbox: Option<String>,
    pub storage: Option<String>,
    pub messages: Option<String>,
    /// Of a domain only.
    pub domain_storage: Option<String>,
    pub domain_messages: Option<String>,
}

/// What one account has, and what it may have.
#[derive(Debug, Clone)]
pub struct QuotaLine {
    pub owner: Owner,
    pub inbox: Usage,
    pub all: Usage,
    pub allowance: Allowance,
}

impl Admin {
    /// Sets limits of one user.
    pub fn set_user_quota(&self, owner: &Owner, change: &QuotaChange) -> anyhow::Result<()> {
        self.must_exist(owner)?;
        self.edit_record(owner.domain(), |document| {
            let users = table(table(document.as_table_mut(), "quota")?, "user")?;
            users.set_implicit(true);
            let own = table(users, owner.user().as_str())?;
            set(own, "inbox", change.inbox.as_deref(), Of::User)?;
            set(own, "storage", change.storage.as_deref(), Of::User)?;
            set(own, "messages", change.messages.as_deref(), Of::User)?;
            if own.is_empty() {
                users.remove(owner.user().as_str());
            }
            tidy(document);
            Ok(())
        })
    }

    /// Sets limits of a domain: of all its users together, and of each user who has none of his own.
    pub fn set_domain_quota(&self, name: &Domain, change: &QuotaChange) -> anyhow::Result<()> {
        ensure!(self.directory.get(name).is_some(), "{name}: no such domain");
        self.edit_record(name, |document| {
            let quota = table(document.as_table_mut(), "quota")?;
            for (key, text) in [
                ("inbox", &change.inbox),
                ("storage", &change.storage),
                ("messages", &change.messages),
                ("domain_storage", &change.domain_storage),
                ("domain_messages", &change.domain_messages),
            ] {
                set(quota, key, text.as_deref(), Of::Domain)?;
            }
            tidy(document);
            Ok(())
        })
    }
}

impl Mailroom {
    /// What the users of a domain have, or only `user`.
    pub fn quota(&self, name: &Domain, user: Option<&User>) -> anyhow::Result<Vec<QuotaLine>> {
        let domain = self.domain(name)?;
        let counter = self.store().quota(&domain.name);
        let accounts = self.accounts(&domain)?;
        let wanted = accounts.into_iter().filter(|account| user.is_none_or(|user| user == account.owner.user()));
        let line = |account: crate::store::Account| {
            let user = account.owner.user();
            let (inbox, all) = self.act(|| anyhow::Ok((counter.folder_usage(user, "INBOX")?, counter.usage(user)?)))??;
            Ok(QuotaLine { inbox, all, allowance: account.allowance, owner: account.owner })
        };
        let lines: Vec<QuotaLine> = wanted.map(line).collect::<anyhow::Result<_>>()?;
        ensure!(user.is_none() || !lines.is_empty(), "{}@{name}: no such user", user.map_or("", User::as_str));
        Ok(lines)
    }

    /// What all users of a domain have together, and whether all of it has been counted.
    pub fn domain_quota(&self, name: &Domain) -> anyhow::Result<(Usage, bool)> {
        let counter = self.store().quota(&self.domain(name)?.name);
        self.act(|| Ok((counter.domain_usage()?, counter.is_complete()?)))?
    }

    /// Counts the mail in every folder of every user of a domain. `told` hears of each user. Who gets mail meanwhile is counted right.
    pub fn recompute(&self, name: &Domain, told: &mut dyn FnMut(u64, Option<u64>)) -> anyhow::Result<Usage> {
        let domain = self.domain(name)?;
        let counter = self.store().quota(&domain.name);
        let accounts = self.accounts(&domain)?;
        let (total, mut done) = (accounts.len() as u64, 0);
        let mut fault = None;
        let counted = accounts.iter().flat_map(|account| {
            done += 1;
            told(done, Some(total));
            let user = account.owner.user();
            match self.count(account) {
                Ok(folders) => folders.into_iter().map(|(name, usage)| Ok((user, name, usage))).collect(),
                Err(error) => {
                    fault = Some(error);
                    // Any will do: it ends the counting, and everything stays as it was.
                    vec![Err(Trouble::NoFolder)]
                }
            }
        });
        let outcome = self.act(|| counter.recompute(counted))?;
        match fault {
            Some(error) => Err(error),
            None => Ok(self.act(|| outcome.and_then(|()| counter.domain_usage()))??),
        }
    }

    fn count(&self, account: &crate::store::Account) -> anyhow::Result<Vec<(String, Usage)>> {
        let home = self.store().home(account.clone());
        let about = || format!("the mail of {}", account.owner);
        let listed = self.wait(home.list())?.with_context(about)?;
        let names: Vec<FolderName> = listed.iter().filter(|line| line.exists).map(|line| line.name.clone()).collect();
        let mut all = Vec::new();
        for (name, status) in std::iter::zip(&names, self.wait(home.status(&names))?) {
            let status = status.with_context(about)?;
            all.push((name.display('/').to_string(), Usage { octets: status.octets, messages: status.messages.into() }));
        }
        Ok(all)
    }
}

/// Whose limits a record's section has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    User,
    Domain,
}

/// Sets or removes a key; what it says is judged when the whole record is parsed.
fn set(section: &mut Table, key: &str, text: Option<&str>, of: Of) -> anyhow::Result<()> {
    match (text, of) {
        (None, _) => {}
        (Some("default"), _) => _ = section.remove(key),
        // For all users there is no other way to say it.
        (Some("unlimited" | "0"), Of::Domain) => section[key] = value(0),
        (Some("0" | ""), Of::User) => anyhow::bail!("0 is not a limit: say \"unlimited\" or \"default\""),
        (Some(text), _) => match text.parse::<i64>() {
            Ok(number) => section[key] = value(number),
            Err(_) => section[key] = value(text),
        },
    }
    Ok(())
}

fn table<'a>(section: &'a mut Table, key: &str) -> anyhow::Result<&'a mut Table> {
    section
        .entry(key)
        .or_insert_with(|| Item::Table(Table::new()))
        .as_table_mut()
        .with_context(|| format!("[{key}] is no section of its own"))
}

/// Sections that say nothing go.
fn tidy(document: &mut DocumentMut) {
    if let Some(quota) = document.get_mut("quota").and_then(Item::as_table_mut) {
        if quota.get("user").and_then(Item::as_table).is_some_and(Table::is_empty) {
            quota.remove("user");
        }
        if quota.is_empty() {
            document.remove("quota");
        }
    }
}

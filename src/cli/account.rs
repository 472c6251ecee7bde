//! `vmail domain` and `vmail user`: what is typed and what is printed; the deeds are in the room `admin`.

use std::io::BufRead;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::vmail::{DomainCommand, Password, UserCommand};
use crate::address::Owner;
use crate::admin::{Admin, DomainChange, NewDomain, NewUser, Remains};
use crate::config::{Machine, Owned, Root};
use crate::vdomain::password::{self, Secret};
use crate::vdomain::{Directory, Names, Standing, VirtualDomain};

/// `vmail domain ...`.
pub(super) fn domain(root: Root, command: DomainCommand) -> anyhow::Result<()> {
    match command {
        DomainCommand::List(form) => list_domains(&read(&root)?, form.json),
        DomainCommand::Show { domain } => {
            let directory = read(&root)?;
            let known = directory.by_name(&domain).with_context(|| format!("{domain}: no such domain"))?;
            println!("# {}: {}", known.name, standing(&known));
            print!("{}", toml::to_string_pretty(&known.record)?);
        }
        DomainCommand::Add { domain, ip, alias, owner } => {
            Admin::lock(root)?.add_domain(&NewDomain { name: domain, ip, alias, owner: owner.into() })?;
            if Owned::from(owner) == Owned::User {
                println!("{HINT}");
            }
        }
        DomainCommand::Alias { domain, alias, remove } => {
            let change = if remove { DomainChange::RemoveAlias(alias) } else { DomainChange::AddAlias(alias) };
            Admin::lock(root)?.change_domain(&domain, &change)?;
        }
        DomainCommand::Disable { domain } => Admin::lock(root)?.change_domain(&domain, &DomainChange::Enabled(false))?,
        DomainCommand::Enable { domain } => Admin::lock(root)?.change_domain(&domain, &DomainChange::Enabled(true))?,
        DomainCommand::Rename { domain, new } => Admin::lock(root)?.rename_domain(&domain, &new)?,
        DomainCommand::Remove { domain, purge } => Admin::lock(root)?.remove_domain(&domain, remains(purge))?,
    }
    Ok(())
}

/// `vmail user ...`.
pub(super) fn user(root: Root, command: UserCommand) -> anyhow::Result<()> {
    match command {
        UserCommand::List { domain, form } => list_users(&read(&root)?, domain.as_ref(), form.json)?,
        UserCommand::Show { user } => show_user(&read(&root)?, &user)?,
        UserCommand::Add { user, name, password } => {
            let secret = ask(&user, &password)?;
            let uid = Admin::lock(root)?.add_user(&NewUser { owner: user.clone(), full_name: name, secret })?;
            println!("{user}: uid {uid}");
        }
        UserCommand::Passwd { user, password } => {
            let secret = ask(&user, &password)?;
            Admin::lock(root)?.set_password(&user, &secret)?;
        }
        UserCommand::Disable { user } => Admin::lock(root)?.enable_user(&user, false)?,
        UserCommand::Enable { user } => Admin::lock(root)?.enable_user(&user, true)?,
        UserCommand::Quota { user, limits } => super::mailbox::user_quota(root, user, limits)?,
        UserCommand::Rename { user, new } => Admin::lock(root)?.rename_user(&user, &new)?,
        UserCommand::Remove { user, purge } => Admin::lock(root)?.remove_user(&user, remains(purge))?,
    }
    Ok(())
}

/// A service that has given up root's rights does not get them back.
const HINT: &str = "restart a running vmail serve: it can act as other users only if it knew at its start that it must";

fn read(root: &Root) -> anyhow::Result<Directory> {
    Ok(Directory::load(root, Arc::new(Machine::load(root)?), None))
}

fn remains(purge: bool) -> Remains {
    if purge { Remains::Purged } else { Remains::Kept }
}

/// The password, typed twice, or the first line of standard input.
fn ask(owner: &Owner, password: &Password) -> anyhow::Result<Secret> {
    let typed = if password.password_stdin {
        let mut line = Zeroizing::new(String::new());
        std::io::stdin().lock().read_line(&mut line).context("standard input")?;
        Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned())
    } else {
        let once =
            Zeroizing::new(rpassword::prompt_password(format!("Password of {owner}: ")).context("--password-stdin reads it from a pipe")?);
        let again = Zeroizing::new(rpassword::prompt_password("Once more: ")?);
        ensure!(once == again, "the two are not the same");
        once
    };
    ensure!(!typed.is_empty(), "an empty password opens to nobody");
    match Secret::new(typed.as_bytes().to_vec()) {
        Some(secret) => Ok(secret),
        None => bail!("the password is longer than {} octets", Secret::LIMIT),
    }
}

fn list_domains(directory: &Directory, as_json: bool) {
    let rows = directory.domains().map(|domain| {
        let ip: Vec<String> = domain.record.ip.iter().map(ToString::to_string).collect();
        let users = domain.realm.users.passwd().map_or(0, |passwd| passwd.len());
        json!({ "domain": domain.name, "ip": ip, "alias": domain.record.alias, "users": users, "standing": standing(domain) })
    });
    print(rows.collect(), as_json, &["domain", "ip", "alias", "users", "standing"]);
}

fn standing(domain: &VirtualDomain) -> String {
    match &domain.standing {
        Standing::Served => "served".into(),
        Standing::Disabled => "disabled".into(),
        Standing::Broken(fault) => format!("broken: {fault}"),
    }
}

fn list_users(directory: &Directory, only: Option<&crate::address::Domain>, as_json: bool) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    if let Some(only) = only {
        ensure!(directory.get(only).is_some(), "{only}: no such domain");
    }
    for domain in directory.domains().filter(|domain| only.is_none_or(|only| *only == domain.name)) {
        let mut of_domain: Vec<Value> = match domain.realm.users.passwd() {
            Ok(passwd) => passwd.iter().map(|(user, _)| row(domain, &Owner::new(domain.name.clone(), user.clone()))).collect(),
            Err(_) => Vec::new(),
        };
        of_domain.sort_by_key(|row| row["user"].to_string());
        rows.extend(of_domain);
    }
    print(rows, as_json, &["user", "uid", "name", "login"]);
    Ok(())
}

fn row(domain: &VirtualDomain, owner: &Owner) -> Value {
    let users = &domain.realm.users;
    let passwd = users.passwd().ok();
    let account = passwd.as_ref().and_then(|passwd| passwd.get(owner.user()));
    let login = match users.shadow().map(|shadow| shadow.get(owner.user()).cloned()) {
        Err(error) => format!("unknown: {error}"),
        Ok(None) => "refused: no line in shadow".into(),
        Ok(Some(line)) if line.hash.starts_with('!') => "disabled".into(),
        Ok(Some(line)) if !password::is_usable(&line.hash) => "refused: no usable hash".into(),
        Ok(Some(_)) => "enabled".into(),
    };
    json!({
        "user": owner.to_string(),
        "uid": account.map(|account| account.uid),
        "gid": account.map(|account| account.gid),
        "name": account.map(|account| &*account.gecos),
        "home": account.map(|account| account.home.display().to_string()),
        "maildrop": domain.maildrop(owner.user()).display().to_string(),
        "login": login,
    })
}

fn show_user(directory: &Directory, owner: &Owner) -> anyhow::Result<()> {
    let domain = directory.by_name(owner.domain()).with_context(|| format!("{}: no such domain", owner.domain()))?;
    let is_there = domain.realm.users.passwd().is_ok_and(|passwd| passwd.get(owner.user()).is_some());
    ensure!(is_there, "{owner}: no such user");
    let owner = Owner::new(domain.name.clone(), owner.user().clone());
    println!("{}", serde_json::to_string_pretty(&row(&domain, &owner))?);
    Ok(())
}

/// A column for each key, or JSON.
pub(super) fn print(rows: Vec<Value>, as_json: bool, keys: &[&str]) {
    if as_json {
        return println!("{}", Value::Array(rows));
    }
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let cells: Vec<Vec<String>> = rows.iter().map(|row| keys.iter().map(|key| text(&row[*key])).collect()).collect();
    let widths: Vec<usize> = (0..keys.len()).map(|at| cells.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    for row in cells {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("{}", line.join("  ").trim_end());
    }
}

//! `vmail config` and `vmail tls`: setting a machine up.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use crate::config::{Fault, Machine, Root};
use crate::maps::{self, Database, Remarks, Sources, Virtmaps, Virtusertable, Weight};
use crate::os::{atomic, trust};
use crate::tls;
use crate::vdomain::aliases::{self, Target};
use crate::vdomain::{Directory, VirtualDomain};

/// `vmail config check`: all files that administrators keep; exit 78 where one is wrong.
pub(super) fn check(root: &Root) -> anyhow::Result<ExitCode> {
    let machine = Arc::new(Machine::load(root)?);
    super::trust_service(&machine);
    let directory = Directory::load(root, machine.clone(), None);
    let mut faults = directory.faults.clone();
    faults.extend(of_people(root, &machine));
    directory.domains().for_each(|domain| faults.extend(of_domain(root, domain)));
    faults.extend(of_virtmaps(&root.virtmaps()));
    faults.extend(of_maps(root, &machine));
    faults.iter().for_each(|fault| println!("{fault}"));
    let count = directory.domains().count();
    let plaintext = machine.plaintext.map_or("always until there is a certificate for the address, then tls-first".into(), |set| {
        serde_json::to_value(set).map_or(String::new(), |text| text.as_str().unwrap_or_default().to_owned())
    });
    println!("{count} domains, {} faults; passwords without TLS: {plaintext}", faults.len());
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(78) })
}

/// Who is to run programs has to be there, and who is to connect to sockets.
fn of_people(root: &Root, machine: &Machine) -> Vec<Fault> {
    let user = machine.delivery.program_user.as_ref().filter(|user| matches!(nix::unistd::User::from_name(user), Ok(None)));
    let user = user.map(|user| format!("delivery.program_user = {user:?}: there is no such user"));
    let groups = [("lmtp.group", &machine.lmtp.group), ("mta.group", &machine.mta.group)].into_iter().filter_map(|(key, group)| {
        let group = group.as_ref().filter(|group| matches!(nix::unistd::Group::from_name(group), Ok(None)))?;
        Some(format!("{key} = {group:?}: there is no such group"))
    });
    user.into_iter().chain(groups).map(|what| Fault::of_file(&root.machine(), what)).collect()
}

/// The address maps that delivery goes by: they have to be there, and what they say has to hold.
fn of_maps(root: &Root, machine: &Machine) -> Vec<Fault> {
    let mut faults = Sources::of(root, &machine.delivery).faults();
    if let Some(table) = machine.delivery.virtmaps.as_ref().map(|path| root.named(path)) {
        if table != root.virtmaps() {
            faults.extend(of_virtmaps(&table));
        }
        if Database::is_behind(&table) {
            faults.push(Fault::of_file(
                &table,
                format!("is newer than what delivery goes by; `vnewvirtmaps {}` compiles it", table.display()),
            ));
        }
    }
    if let Some(table) = machine.delivery.virtusertable.as_ref().map(|path| root.named(path))
        && let Ok(octets) = maps::read(&table)
    {
        faults.extend(wrong_lines(&table, &Virtusertable::parse(&maps::text(&octets)).1));
    }
    faults
}

fn of_domain(root: &Root, domain: &VirtualDomain) -> Vec<Fault> {
    let users = &domain.realm.users;
    let mut faults = Vec::new();
    match users.passwd() {
        Ok(passwd) => faults.extend(passwd.faults.clone()),
        Err(error) => faults.push(Fault::unreadable(users.passwd_path(), &error)),
    }
    match users.shadow() {
        Ok(shadow) => faults.extend(shadow.faults.clone()),
        Err(error) => faults.push(Fault::unreadable(users.shadow_path(), &error)),
    }
    domain.realm.aliases.paths().for_each(|path| faults.extend(of_aliases(path, path == root.aliases(&domain.name))));
    faults
}

/// Lines that do not hold; what is only odd is vnewvirtmaps' to tell.
fn of_virtmaps(path: &Path) -> Vec<Fault> {
    let octets = match maps::read(path) {
        Ok(octets) => octets,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => return vec![Fault::unreadable(path, &error)],
    };
    let text = maps::text(&octets);
    wrong_lines(path, &Virtmaps::parse(&text).1)
}

fn wrong_lines(path: &Path, remarks: &Remarks) -> Vec<Fault> {
    let wrong = remarks.iter().filter(|remark| remark.weight == Weight::Wrong);
    wrong.map(|remark| Fault::of_line(path, remark.line, remark.to_string())).collect()
}

fn of_aliases(path: &Path, may_be_missing: bool) -> Vec<Fault> {
    match std::fs::read(path) {
        Ok(text) => {
            let (read, flaws) = aliases::parse(&text);
            let needs_trust = read.iter().any(|(_, alias)| alias.targets.iter().any(Target::needs_trust));
            let fault = (needs_trust && !trust::is_ours(path)).then(|| Fault::of_file(path, UNTRUSTED));
            flaws.iter().map(|flaw| flaw.fault(path)).chain(fault).collect()
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_be_missing => Vec::new(),
        Err(error) => vec![Fault::unreadable(path, &error)],
    }
}

/// `vmail tls self-signed`: a certificate and key below `/etc/vmail/tls`, and what to write into vmail.toml.
pub(super) fn self_signed(root: &Root, names: Vec<String>) -> anyhow::Result<()> {
    let machine = Arc::new(Machine::load(root)?);
    let names = if names.is_empty() { default_names(root, machine) } else { names };
    let (addresses, names): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.parse::<std::net::IpAddr>().is_ok());
    let addresses: Vec<_> = addresses.iter().filter_map(|address| address.parse().ok()).collect();
    let issued = tls::self_signed(&names, &addresses).context("the certificate can't be made")?;
    let folder = root.etc().join("tls");
    std::fs::create_dir_all(&folder).with_context(|| format!("{}: can't be made", folder.display()))?;
    for (file, text, mode) in [("self-signed.pem", issued.certificate.as_str(), 0o644), ("self-signed.key", issued.key.as_str(), 0o600)] {
        let path = folder.join(file);
        atomic::replace(&path, text.as_bytes(), mode).with_context(|| format!("{}: can't be written", path.display()))?;
    }
    println!("# for {}\n# put this into {}, then: systemctl reload vmail", names.join(", "), root.machine().display());
    println!("[tls]\ncertificate = \"tls/self-signed.pem\"\nkey = \"tls/self-signed.key\"");
    Ok(())
}

fn default_names(root: &Root, machine: Arc<Machine>) -> Vec<String> {
    let directory = Directory::load(root, machine, None);
    let hosts = directory.domains().flat_map(|domain| [domain.name.to_string(), format!("mail.{}", domain.name)]);
    std::iter::once(directory.host.clone()).chain(hosts).collect()
}

const UNTRUSTED: &str =
    "others than root and the service can write this file or a folder above it: its programs, files and lists do not count";

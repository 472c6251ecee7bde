//! checkvdomain: what an administrator would look at by hand (behaviour.md §2.12, §5), and how to mend what is wrong.

use std::fmt;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::address::{Domain, User};
use crate::config::Proto;
use crate::os;
use crate::vdomain::{Directory, Names, Standing, VirtualDomain};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is as it should be.
    pub is_good: bool,
    /// What was found.
    pub what: String,
    /// How to mend it.
    pub mend: Option<String>,
}

impl Finding {
    fn good(what: impl Into<String>) -> Finding {
        Finding { is_good: true, what: what.into(), mend: None }
    }

    fn bad(what: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding { is_good: false, what: what.into(), mend: Some(mend.into()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", if self.is_good { "ok   " } else { "WRONG" }, self.what)?;
        match &self.mend {
            Some(mend) => write!(out, "\n      -> {mend}"),
            None => Ok(()),
        }
    }
}

/// A port where a domain greets its users.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    /// In which protocol.
    pub proto: Proto,
    /// Its number.
    pub port: u16,
    /// Whether somebody must be there; else it is looked at only if somebody is.
    pub must_open: bool,
}

/// Looks at one domain from outside, as its users meet it: names, addresses, connections, greetings.
pub fn domain(directory: &Directory, name: &Domain, doors: &[Door]) -> Vec<Finding> {
    let Some(known) = directory.by_name(name) else {
        return vec![Finding::bad(format!("{name} is not defined here"), format!("vmail domain add {name}"))];
    };
    let mut findings = vec![standing(&known)];
    findings.extend(users(&known));
    findings.extend(maildrops(&known));
    let addresses = addresses(&known, name, &mut findings);
    for address in addresses {
        findings.extend(names_of(&known, directory, address));
        findings.extend(doors.iter().filter_map(|door| greeting(&known, address, *door)));
    }
    findings
}

fn standing(known: &VirtualDomain) -> Finding {
    match &known.standing {
        Standing::Served => Finding::good(format!("{} is defined and enabled", known.name)),
        Standing::Disabled => {
            Finding::bad(format!("{} is disabled: its users are refused", known.name), format!("vmail domain enable {}", known.name))
        }
        Standing::Broken(fault) => Finding::bad(fault.to_string(), "mend that line; nobody of the domain is served before"),
    }
}

fn users(known: &VirtualDomain) -> Vec<Finding> {
    let users = &known.realm.users;
    let passwd = match users.passwd() {
        Ok(passwd) => passwd,
        Err(error) => {
            let what = format!("{}: {error}", users.passwd_path().display());
            return vec![Finding::bad(what, format!("vmail user add NAME@{} makes it", known.name))];
        }
    };
    let shadow = match users.shadow() {
        Ok(shadow) => shadow,
        Err(error) => {
            let what = format!("{}: {error}", users.shadow_path().display());
            return vec![Finding::bad(what, "restore the file, or set passwords with vmail user passwd; run this as root")];
        }
    };
    let mut findings = vec![Finding::good(format!("{} users", passwd.len()))];
    let faults = passwd.faults.iter().chain(&shadow.faults);
    findings.extend(faults.map(|fault| Finding::bad(fault.to_string(), "mend that line; its user is refused")));
    let without = passwd.iter().filter(|(user, _)| shadow.get(user).is_none());
    findings.extend(without.map(|(user, _)| {
        let who = format!("{user}@{}", known.name);
        Finding::bad(format!("{who} has no line in {}", users.shadow_path().display()), format!("vmail user passwd {who}"))
    }));
    findings
}

/// A maildrop is an mbox or a Maildir; one that is not there comes into being with the first message.
fn maildrops(known: &VirtualDomain) -> Vec<Finding> {
    let Ok(passwd) = known.realm.users.passwd() else { return Vec::new() };
    let strange = |(user, _): (&User, _)| {
        let path = known.maildrop(user);
        let meta = path.symlink_metadata().ok().filter(|meta| !meta.is_file() && !meta.is_dir())?;
        let what = if meta.is_symlink() { "a link" } else { "no file and no folder" };
        Some(Finding::bad(format!("{} is {what}: {user} gets no mail", path.display()), "move it away, or the mail to where it is"))
    };
    passwd.iter().filter_map(strange).collect()
}

/// The addresses of the record, and those that the names usual for mail hosts lead to (behaviour.md trap 70).
fn addresses(known: &VirtualDomain, name: &Domain, findings: &mut Vec<Finding>) -> Vec<IpAddr> {
    let mut addresses = known.record.ip.clone();
    let mut is_named = false;
    for host in HOSTS.map(|host| format!("{host}.{name}")) {
        let found: Vec<IpAddr> = (host.as_str(), 0).to_socket_addrs().map(|found| found.map(|it| it.ip()).collect()).unwrap_or_default();
        if found.is_empty() {
            continue;
        }
        is_named = true;
        findings.push(Finding::good(format!("{host} is {}", found.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", "))));
        addresses.extend(found);
    }
    if !is_named {
        let hosts = HOSTS.map(|host| format!("{host}.{name}")).join(", ");
        let what = format!("no mail host of {name} has an address: tried {hosts}");
        findings.push(Finding::bad(what, format!("put an A or AAAA record for mail.{name} into the zone")));
    }
    addresses.sort();
    addresses.dedup();
    addresses
}

fn names_of(known: &VirtualDomain, directory: &Directory, address: IpAddr) -> Vec<Finding> {
    let is_listed = known.record.ip.contains(&address);
    let names = os::names::of_address(address).unwrap_or_default();
    let Some(name) = names.first() else {
        let what = format!("{address} has no name");
        // The table decides without it; only who dials by looks at the reverse zone misses something.
        let listed = Finding::good(format!("{what}; the domain's record lists it, so none is needed"));
        let mend = format!("add {address} to ip = [...] in domains/{}.toml, or a PTR record or a line in /etc/hosts", known.name);
        return vec![if is_listed { listed } else { Finding::bad(what, mend) }];
    };
    let mut findings = Vec::new();
    for name in &names {
        let Ok(host) = name.parse::<Domain>() else { continue };
        if host == known.name {
            findings.push(Finding::bad(
                format!("the name of {address} is the domain {host} itself"),
                format!("let it be a host of the domain, like mail.{host}: sendmail takes such names for its own"),
            ));
        } else if host.parent().and_then(|parent| directory.by_name(&parent)).is_some_and(|of| of.name == known.name) {
            findings.push(Finding::good(format!("{address} is {name}")));
        }
    }
    match (findings.is_empty(), is_listed) {
        (true, true) => findings.push(Finding::good(format!("{address} is {name}; the domain's record lists the address"))),
        (true, false) => findings.push(Finding::bad(
            format!("{address} is {name}, which is no host of {}", known.name),
            format!("let its PTR record name mail.{}, or add it to ip = [...] in the record", known.name),
        )),
        (false, _) => {}
    }
    findings
}

/// What a telnet to the address would show.
fn greeting(known: &VirtualDomain, address: IpAddr, door: Door) -> Option<Finding> {
    let place = SocketAddr::new(address, door.port);
    let heard = match hear(place, door.proto) {
        Ok(heard) => heard,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused && !door.must_open => return None,
        Err(error) => {
            let mend = "start vmail serve (or inetd), and see that the address is up and that no firewall is in between";
            return Some(Finding::bad(format!("{place}: {error}"), mend));
        }
    };
    let wanted = format!("Virtual {} ", known.name);
    Some(match heard.contains(&wanted) {
        true => Finding::good(format!("{place} greets with {heard:?}")),
        false => Finding::bad(
            format!("{place} greets with {heard:?}, which does not say {wanted:?}"),
            format!("vmail explain --local {address} tells why; add the address to ip = [...] in domains/{}.toml", known.name),
        ),
    })
}

/// The first line, and a farewell.
fn hear(place: SocketAddr, proto: Proto) -> std::io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&place, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let mut heard = Vec::new();
    let mut piece = [0; 512];
    while !heard.contains(&b'\n') && heard.len() < 2048 {
        match connection.read(&mut piece)? {
            0 => break,
            count => heard.extend_from_slice(&piece[..count]),
        }
    }
    // Best effort: politeness to a server that we have nothing more to ask.
    let _ = connection.write_all(match proto {
        Proto::Pop3 | Proto::Lmtp => b"QUIT\r\n",
        Proto::Imap => b"a LOGOUT\r\n",
    });
    let line = heard.split(|&octet| octet == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).trim_end().to_owned())
}

const HOSTS: [&str; 4] = ["mail", "mailhost", "pop", "imap"];
const PATIENCE: Duration = Duration::from_secs(5);

//! The server's state: what sessions share, and how it is replaced when the configuration changes.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::certificates::Door;
use super::limits::Limits;
use crate::config::{AddressKind, Fault, Machine, MainUsers, Native, Owned, Root};
use crate::house::House;
use crate::login::{Gate, LoginDelay};
use crate::maps::Sources;
use crate::os::privilege::{self, Needs};
use crate::store::{Places, Store};
use crate::vdomain::{Compiled, Directory, Names, Resolver, VirtualDomain};

/// How we were started, where that makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `vmail serve`: all domains are read at once, and kept.
    Daemon,
    /// One connection of inetd's: only what it needs is read, and the main domain's users are the system's unless configured.
    Inetd,
}

/// Everything that connections need.
pub struct Server {
    /// Where everything is.
    pub root: Root,
    /// The connections there are.
    pub limits: Arc<Limits>,
    /// The connections of LMTP, which are counted apart: they are the machine's own mail server's.
    pub lmtp: Arc<Limits>,
    /// Those of its questions.
    pub mta: Arc<Limits>,
    now: ArcSwap<Now>,
    mode: Mode,
}

/// The configuration as it is now; a connection keeps the one it began with.
pub struct Now {
    /// What sessions see.
    pub house: House,
    /// Names of dialled addresses.
    pub resolver: Resolver,
    /// Certificates.
    pub door: Arc<Door>,
    /// Which programs serve the main domain.
    pub native: Native,
}

impl Server {
    /// Reads the configuration. Under inetd the native daemon of the command line is the one, and `local` the dialled address.
    ///
    /// # Errors
    /// `vmail.toml` is wrong. Wrong domain records stop their domains only, and are logged.
    pub fn load(root: Root, mode: Mode, native: Native, local: Option<IpAddr>) -> Result<Server, Fault> {
        let machine = Arc::new(Machine::load(&root)?);
        let now = Now::read(&root, machine, mode, native, local, None)?;
        Ok(Server { root, limits: Arc::default(), lmtp: Arc::default(), mta: Arc::default(), now: ArcSwap::from_pointee(now), mode })
    }

    /// How many connections there are.
    pub fn open(&self) -> usize {
        self.limits.open() + self.lmtp.open() + self.mta.open()
    }

    /// The configuration as it is now.
    pub fn now(&self) -> Arc<Now> {
        self.now.load_full()
    }

    /// Reads the configuration again. Where it is wrong, the old one stays.
    pub fn reload(&self) -> Result<(), Fault> {
        let began = Instant::now();
        let old = self.now();
        let machine = Arc::new(Machine::load(&self.root)?);
        let new = Now::read(&self.root, machine, self.mode, Native::default(), None, Some(&old))?;
        self.now.store(Arc::new(new));
        tracing::info!(event = "reloaded", ms = began.elapsed().as_millis() as u64);
        self.complain_of_missing_rights();
        Ok(())
    }

    /// Gives up root's rights, but for those that some domain or native daemon needs. Before any thread is started.
    pub fn become_service(&self) -> io::Result<()> {
        let now = self.now();
        let Some(user) = nix::unistd::User::from_name(&now.house.machine.user)? else {
            if rustix::process::geteuid().is_root() {
                tracing::warn!(event = "no-user", user = now.house.machine.user, "there is no such user: the service stays root");
            }
            return Ok(());
        };
        let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
        if rustix::process::geteuid().is_root() {
            Places::below(&self.root, &now.house.machine).own(uid, gid)?;
        }
        privilege::become_service(uid, gid, self.needs(uid, gid))?;
        if self.mode == Mode::Daemon {
            self.complain_of_missing_rights();
        }
        Ok(())
    }

    fn needs(&self, uid: u32, gid: u32) -> Needs {
        let now = self.now();
        let is_system = now.house.main == MainUsers::System;
        if self.mode == Mode::Inetd {
            // The process lives for one connection; to look at all domains for what that needs would take longer.
            return Needs { other_users: true, root_files: true };
        }
        let domains = now.house.names.all();
        let has_owners = domains.iter().any(|domain| domain.record.owner == Owned::User);
        let machine = &now.house.machine;
        let has_program_user = machine.delivery.program_user.as_ref().is_some_and(|user| *user != machine.user);
        let has_root_files = domains.iter().any(|domain| {
            let users = &domain.realm.users;
            let record = self.root.record(&domain.name);
            [users.passwd_path(), users.shadow_path(), &record].iter().any(|path| !privilege::may_read(path, uid, gid))
        });
        let has_root_maps = now.house.maps.paths().any(|path| !privilege::may_read(&path, uid, gid));
        let has_root_keys = now.door.key_files().any(|path| !privilege::may_read(path, uid, gid));
        let has_root_settings = !privilege::may_read(&self.root.machine(), uid, gid);
        Needs {
            other_users: is_system || has_owners || has_program_user || !now.native.is_empty(),
            root_files: is_system || has_root_files || has_root_maps || has_root_keys || has_root_settings,
        }
    }

    /// Says so when some domain needs rights that the process does not have, or no longer has.
    fn complain_of_missing_rights(&self) {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        if uid != 0 && !privilege::has(self.needs(uid, gid)) {
            tracing::error!(
                event = "rights",
                "some domain, key or native daemon needs rights that this process has not: start it as root, or restart it if it was"
            );
        }
    }
}

impl Now {
    fn read(
        root: &Root,
        machine: Arc<Machine>,
        mode: Mode,
        native: Native,
        local: Option<IpAddr>,
        old: Option<&Now>,
    ) -> Result<Now, Fault> {
        let native = if native.is_empty() { machine.native.clone() } else { native };
        let main = machine.main.users.unwrap_or(match mode {
            Mode::Daemon => MainUsers::None,
            Mode::Inetd => MainUsers::System,
        });
        let (names, main_domain): (Arc<dyn Names>, _) = match mode {
            Mode::Daemon => {
                let directory = Arc::new(Directory::load(root, machine.clone(), old.map(|old| &*old.house.names)));
                directory.faults.iter().for_each(|fault| tracing::error!(event = "domain-fault", error = %fault));
                let main = directory.main.clone();
                (directory, main)
            }
            Mode::Inetd => {
                let table = Arc::new(Compiled::open(root, machine.clone()));
                let main = table.main();
                (table, main)
            }
        };
        let served = (main == MainUsers::System).then_some(main_domain);
        let gate = match old.filter(|old| old.house.machine.login == machine.login && old.house.main == main) {
            // Keeps what it has learned.
            Some(old) => old.house.gate.clone(),
            None => Arc::new(Gate::new(&machine, served).map_err(|error| Fault::of_file(&root.machine(), error.to_string()))?),
        };
        let holders = match mode {
            Mode::Daemon => names.all(),
            Mode::Inetd => holders(&*names, local),
        };
        let door = Arc::new(Door::of(root, &machine, holders.iter().map(|domain| &**domain)));
        if mode == Mode::Daemon {
            door.certificates();
        }
        let house = House {
            host: machine.host(),
            names,
            gate,
            maps: maps(root, &machine, old),
            // The store knows its sessions: it goes on as long as it can.
            store: old
                .filter(|old| old.house.machine.mbox == machine.mbox)
                .map_or_else(|| Store::new(Places::below(root, &machine)), |old| old.house.store.clone()),
            login_delay: LoginDelay::below(root.index()),
            tls: door.clone(),
            main,
            machine: machine.clone(),
        };
        Ok(Now { resolver: Resolver::new(&machine), house, door, native })
    }
}

/// The address maps, kept with what has been read of them where they are the same.
fn maps(root: &Root, machine: &Machine, old: Option<&Now>) -> Arc<Sources> {
    let named = |machine: &Machine| (machine.delivery.virtmaps.clone(), machine.delivery.virtusertable.clone());
    match old.filter(|old| named(&old.house.machine) == named(machine)) {
        Some(old) => old.house.maps.clone(),
        None => Arc::new(Sources::of(root, &machine.delivery)),
    }
}

/// Whose certificates a single connection to `local` may need: its domain's, or on an address of many domains, everybody's.
fn holders(names: &dyn Names, local: Option<IpAddr>) -> Vec<Arc<VirtualDomain>> {
    match local.and_then(|local| names.by_address(local)) {
        Some(domain) => vec![domain],
        None if local.is_some_and(|local| names.declared(local) == Some(AddressKind::Shared)) => names.all(),
        None => Vec::new(),
    }
}

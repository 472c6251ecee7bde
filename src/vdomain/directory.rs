//! All domains of the machine, as their records say at one moment.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::identify::Names;
use super::{Account, AliasFiles, Users};
use crate::address::{Domain, User};
use crate::config::{AddressKind, DomainRecord, Fault, Machine, Owned, Root, Spool};
use crate::os::{Actor, privilege};

/// The domains, immutable: a reload makes a new one.
#[derive(Debug)]
pub struct Directory {
    /// The settings of the machine.
    pub machine: Arc<Machine>,
    /// The machine's own name.
    pub host: String,
    /// The main domain's users, where they are the system's.
    pub main: Arc<VirtualDomain>,
    /// What is wrong; the domains concerned stand still, the others are served.
    pub faults: Vec<Fault>,
    domains: BTreeMap<Domain, Arc<VirtualDomain>>,
    aliases: HashMap<Domain, Arc<VirtualDomain>>,
    addresses: HashMap<IpAddr, Arc<VirtualDomain>>,
}

/// A domain: its record, and its users.
#[derive(Debug)]
pub struct VirtualDomain {
    /// The primary name.
    pub name: Domain,
    /// What the administrator says of it.
    pub record: DomainRecord,
    /// Whether it is served.
    pub standing: Standing,
    /// Where its maildrops are, and who its users are.
    pub realm: Realm,
}

/// Whether a domain is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Served,
    /// `enabled = false`.
    Disabled,
    /// Its record does not parse.
    Broken(Fault),
}

/// The accounts of a domain and the folder of their maildrops.
#[derive(Debug)]
pub struct Realm {
    /// The users.
    pub users: Users,
    /// The aliases.
    pub aliases: AliasFiles,
    /// The folder of the maildrops.
    pub spool: PathBuf,
    /// Below it is everything, the homes that passwd names too.
    pub root: PathBuf,
}

impl VirtualDomain {
    /// Who acts on the files of `account`.
    pub fn actor(&self, account: &Account) -> Actor {
        match self.record.owner {
            Owned::Vmail => Actor::Service,
            Owned::User => Actor::User { uid: account.uid, gid: account.gid },
        }
    }

    /// The home of `account`.
    pub fn home(&self, account: &Account) -> PathBuf {
        self.realm.root.join(account.home.strip_prefix("/").unwrap_or(&account.home))
    }

    /// The file `NAME.auto` that answers mail for `name` (behaviour.md §4.8); it need not exist.
    pub fn auto_reply(&self, name: &User) -> PathBuf {
        Root::new(&self.realm.root).files(&self.name).join(format!("{name}.auto"))
    }

    /// The file `USER.vacation` that an administrator has put in place for `user` (behaviour.md §4.9); it need not exist.
    pub fn vacation(&self, user: &User) -> PathBuf {
        Root::new(&self.realm.root).files(&self.name).join(format!("{user}.vacation"))
    }

    /// The record's file; it need not exist.
    pub fn record_path(&self) -> PathBuf {
        Root::new(&self.realm.root).record(&self.name)
    }

    /// The maildrop of `user`.
    pub fn maildrop(&self, user: &User) -> PathBuf {
        self.realm.spool.join(user.as_str())
    }
}

impl Directory {
    /// Reads all records below `root`. A record that does not parse stops its own domain only; the addresses and names that it had in
    /// the directory `before` stay its own, so that its connections do not become the main domain's.
    pub fn load(root: &Root, machine: Arc<Machine>, before: Option<&dyn Names>) -> Directory {
        let mut directory = Directory::empty(root, machine);
        match defined(root) {
            Ok(names) => names.into_iter().for_each(|name| directory.add(VirtualDomain::load(root, name, before))),
            Err(error) => directory.faults.push(Fault::unreadable(&root.etc(), &error)),
        }
        directory
    }

    fn empty(root: &Root, machine: Arc<Machine>) -> Directory {
        let host = machine.host();
        Directory {
            main: Arc::new(VirtualDomain::main(root, &host)),
            host,
            machine,
            faults: Vec::new(),
            domains: BTreeMap::new(),
            aliases: HashMap::new(),
            addresses: HashMap::new(),
        }
    }

    /// Adds a domain. What it claims and another already has stays the other's.
    fn add(&mut self, domain: VirtualDomain) {
        if let Standing::Broken(fault) = &domain.standing {
            self.faults.push(fault.clone());
        }
        let domain = Arc::new(domain);
        let mut taken = Vec::new();
        for alias in &domain.record.alias {
            match self.aliases.get(alias) {
                Some(other) => taken.push(format!("alias {alias} is taken by {}", other.name)),
                None => drop(self.aliases.insert(alias.clone(), domain.clone())),
            }
        }
        for address in &domain.record.ip {
            match self.addresses.get(address) {
                Some(other) if other.name != domain.name => taken.push(format!("address {address} is taken by {}", other.name)),
                _ => drop(self.addresses.insert(*address, domain.clone())),
            }
            if self.machine.address.contains_key(address) {
                taken.push(format!("address {address} is declared otherwise in vmail.toml; this record decides"));
            }
        }
        let record = PathBuf::from(format!("domains/{}.toml", domain.name));
        self.faults.extend(taken.into_iter().map(|what| Fault::of_file(&record, what)));
        self.domains.insert(domain.name.clone(), domain);
    }

    /// The domain whose primary name this is.
    pub fn get(&self, name: &Domain) -> Option<&Arc<VirtualDomain>> {
        self.domains.get(name)
    }

    /// All domains, by name.
    pub fn domains(&self) -> impl Iterator<Item = &Arc<VirtualDomain>> {
        self.domains.values()
    }

    /// The addresses that belong to domains.
    pub fn addresses(&self) -> impl Iterator<Item = (&IpAddr, &Arc<VirtualDomain>)> {
        self.addresses.iter()
    }

    /// A directory from texts, for tests of what stands on it.
    #[doc(hidden)]
    pub fn for_tests(machine: &str, records: &[(&str, &str)]) -> Directory {
        let machine = Arc::new(Machine::parse(machine, Path::new("vmail.toml")).expect("a test's text is right"));
        let root = Root::new("/nonexistent");
        let mut directory = Directory::empty(&root, machine);
        for (name, text) in records {
            let name: Domain = name.parse().expect("a test's name is right");
            let record = DomainRecord::parse(text, Path::new("record.toml")).expect("a test's record is right");
            directory.add(VirtualDomain::of(&root, name, record, None));
        }
        directory
    }
}

impl Names for Directory {
    fn by_name(&self, name: &Domain) -> Option<Arc<VirtualDomain>> {
        // The primary name of one domain beats another's alias.
        self.domains.get(name).or_else(|| self.aliases.get(name)).cloned()
    }

    fn by_address(&self, address: IpAddr) -> Option<Arc<VirtualDomain>> {
        self.addresses.get(&address).cloned()
    }

    fn declared(&self, address: IpAddr) -> Option<AddressKind> {
        self.machine.address.get(&address).copied()
    }

    fn host(&self) -> &str {
        &self.host
    }

    fn is_host(&self, name: &str) -> bool {
        self.host.eq_ignore_ascii_case(name)
    }

    fn all(&self) -> Vec<Arc<VirtualDomain>> {
        self.domains().cloned().collect()
    }
}

impl VirtualDomain {
    /// Reads the record of `name`; a domain that only has `passwd.DOMAIN` is one of a linuxconf tree, with every default.
    pub fn load(root: &Root, name: Domain, before: Option<&dyn Names>) -> VirtualDomain {
        let file = root.record(&name);
        let (salvaged, fault) = match privilege::read_to_string(&file) {
            Ok(text) => match DomainRecord::parse(&text, &file) {
                Ok(record) => return VirtualDomain::of(root, name, record, None),
                Err(fault) => (DomainRecord::salvage(&text), fault),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return VirtualDomain::of(root, name, DomainRecord { spool: Spool::Mbox, ..DomainRecord::default() }, None);
            }
            Err(error) => (DomainRecord::default(), Fault::unreadable(&file, &error)),
        };
        let known = before.and_then(|before| before.by_name(&name)).filter(|known| known.name == name);
        let kept = match known {
            Some(known) => DomainRecord {
                ip: union(salvaged.ip, &known.record.ip),
                alias: union(salvaged.alias, &known.record.alias),
                ..DomainRecord::default()
            },
            None => salvaged,
        };
        VirtualDomain::of(root, name, kept, Some(fault))
    }

    fn of(root: &Root, name: Domain, record: DomainRecord, broken: Option<Fault>) -> VirtualDomain {
        let standing = match broken {
            Some(fault) => Standing::Broken(fault),
            None if record.enabled => Standing::Served,
            None => Standing::Disabled,
        };
        let realm = Realm {
            users: Users::of(root.passwd(&name), root.shadow(&name)),
            aliases: AliasFiles::of(root.aliases(&name), record.delivery.alias_files.iter().map(|path| root.named(path))),
            spool: root.spool(&name),
            root: root.path().into(),
        };
        VirtualDomain { name, record, standing, realm }
    }

    /// The main domain with the system's users (behaviour.md §2.3: a drop-in replacement without any virtual domain).
    pub(super) fn main(root: &Root, host: &str) -> VirtualDomain {
        let name = host.parse().or_else(|_| format!("{host}.localdomain").parse());
        VirtualDomain {
            name: name.unwrap_or_else(|_| "main.localdomain".parse().expect("a name of two labels")),
            record: DomainRecord { owner: Owned::User, spool: Spool::Mbox, ..DomainRecord::default() },
            standing: Standing::Served,
            realm: Realm {
                users: Users::of(root.system_passwd(), root.system_shadow()),
                aliases: AliasFiles::default(),
                spool: root.system_mail(),
                root: root.path().into(),
            },
        }
    }
}

fn union<T: Clone + PartialEq>(mut some: Vec<T>, more: &[T]) -> Vec<T> {
    let further: Vec<T> = more.iter().filter(|one| !some.contains(one)).cloned().collect();
    some.extend(further);
    some
}

/// The names of all domains that have a record or a passwd file.
pub(super) fn defined(root: &Root) -> io::Result<Vec<Domain>> {
    let mut names = Vec::new();
    names.extend(names_in(&root.domains(), |file| file.strip_suffix(".toml"))?);
    names.extend(names_in(&root.etc(), |file| file.strip_prefix("passwd."))?);
    names.sort();
    names.dedup();
    Ok(names)
}

fn names_in(folder: &Path, name: fn(&str) -> Option<&str>) -> io::Result<Vec<Domain>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let file = entry?.file_name();
        // Editors' leftovers (`foo.com.toml~`, `passwd.foo.com-`) are no names of domains, and so no domains.
        names.extend(OsStr::to_str(&file).and_then(name).and_then(|name| name.parse().ok()));
    }
    Ok(names)
}

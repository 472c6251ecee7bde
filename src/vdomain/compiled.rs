//! The compiled table of domains: what a child of inetd needs to find one domain among thousands without reading thousands of files.
//!
//! A cdb file in the index folder, disposable. It says which domain an address or a name belongs to, and in which state it found
//! the records; a table whose state is not the present one is passed over and made anew.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::directory::{Directory, VirtualDomain, defined};
use super::identify::Names;
use crate::address::Domain;
use crate::config::{AddressKind, Machine, Root};
use crate::os::stamp::Stamp;

/// The domains, looked up in the table where it can be trusted, and in the records themselves where it can't.
pub struct Compiled {
    root: Root,
    machine: Arc<Machine>,
    host: String,
    table: Option<cdb2::CDB>,
    /// Whether all records are in the state that the table was made from; found out only when a look-up finds nothing.
    is_current: OnceLock<bool>,
    /// All records, read when the table is of no use.
    whole: OnceLock<Directory>,
}

impl Compiled {
    /// Opens the table below `root`. None, or one that is out of date, means that the records are read.
    pub fn open(root: &Root, machine: Arc<Machine>) -> Compiled {
        let table = cdb2::CDB::open(path(root)).ok().filter(|table| get(table, FOLDERS) == Some(folders(root)));
        let host = machine.host();
        Compiled { root: root.clone(), host, machine, table, is_current: OnceLock::new(), whole: OnceLock::new() }
    }

    /// Writes the table of `directory`; it replaces the old one at once.
    ///
    /// # Errors
    /// The index folder cannot be written; everything works without, only slower.
    fn write(root: &Root, directory: &Directory, states: &States) -> io::Result<()> {
        let path = path(root);
        fs::create_dir_all(root.index())?;
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let _ = fs::remove_file(&beside);
        let written = fill(directory, states, &beside).and_then(|()| fs::rename(&beside, &path));
        if written.is_err() {
            // Best effort: what matters is the first error.
            let _ = fs::remove_file(&beside);
        }
        written
    }

    /// The main domain, with the system's users.
    pub fn main(&self) -> Arc<VirtualDomain> {
        Arc::new(VirtualDomain::main(&self.root, &self.host))
    }

    /// All records, read once.
    pub fn whole(&self) -> &Directory {
        self.whole.get_or_init(|| {
            // The states from before the records are read: what changes meanwhile makes the table out of date, not wrong.
            let states = States::of(&self.root);
            let directory = Directory::load(&self.root, self.machine.clone(), None);
            if let Err(error) = Compiled::write(&self.root, &directory, &states) {
                tracing::debug!(event = "no-table", error = %error, doing = "writing the compiled table of domains");
            }
            directory
        })
    }

    /// What the table says under `key`: a domain, if its record is still what it was.
    fn look_up(&self, key: &[u8]) -> Found {
        let Some(table) = self.table.as_ref().filter(|_| self.whole.get().is_none()) else { return Found::Unsure };
        match get(table, key) {
            Some(name) => match text(name).and_then(|name| name.parse::<Domain>().ok()) {
                Some(name) if self.has_record_of(table, &name) => Found::Domain(Arc::new(VirtualDomain::load(&self.root, name, None))),
                _ => Found::Unsure,
            },
            None if self.is_current(table) => Found::Nothing,
            None => Found::Unsure,
        }
    }

    fn has_record_of(&self, table: &cdb2::CDB, name: &Domain) -> bool {
        get(table, &key(RECORD, name.as_str())) == Some(state(&self.root.record(name)))
    }

    /// A record edited in place changes no folder: before the table is believed that it knows nothing, each record is looked at.
    fn is_current(&self, table: &cdb2::CDB) -> bool {
        *self.is_current.get_or_init(|| {
            let names = get(table, NAMES).and_then(text).unwrap_or_default();
            names.lines().all(|name| name.parse().is_ok_and(|name| self.has_record_of(table, &name)))
        })
    }
}

enum Found {
    Domain(Arc<VirtualDomain>),
    Nothing,
    Unsure,
}

impl Names for Compiled {
    fn by_name(&self, name: &Domain) -> Option<Arc<VirtualDomain>> {
        match self.look_up(&key(NAME, name.as_str())) {
            Found::Domain(domain) => Some(domain),
            Found::Nothing => None,
            Found::Unsure => self.whole().by_name(name),
        }
    }

    fn by_address(&self, address: IpAddr) -> Option<Arc<VirtualDomain>> {
        match self.look_up(&key(ADDRESS, &address.to_string())) {
            Found::Domain(domain) => Some(domain),
            Found::Nothing => None,
            Found::Unsure => self.whole().by_address(address),
        }
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
        self.whole().all()
    }
}

fn fill(directory: &Directory, states: &States, beside: &Path) -> io::Result<()> {
    // The folder is the service's, and this may be root: nothing that lies there already is written to.
    let mut table = cdb2::CDBMake::new(File::options().read(true).write(true).create_new(true).open(beside)?)?;
    table.add(FOLDERS, &states.folders)?;
    let mut names = String::new();
    for domain in directory.domains() {
        let name = domain.name.as_str();
        table.add(&key(RECORD, name), states.records.get(&domain.name).map_or(&[][..], Vec::as_slice))?;
        for name_of_it in std::iter::once(&domain.name).chain(&domain.record.alias) {
            // Where two domains claim a name, the directory has decided.
            if directory.by_name(name_of_it).is_some_and(|owner| owner.name == domain.name) {
                table.add(&key(NAME, name_of_it.as_str()), name.as_bytes())?;
            }
        }
        names.push_str(name);
        names.push('\n');
    }
    for (address, domain) in directory.addresses() {
        table.add(&key(ADDRESS, &address.to_string()), domain.name.as_str().as_bytes())?;
    }
    table.add(NAMES, names.as_bytes())?;
    table.finish()
}

/// The states of everything that a table depends on.
struct States {
    folders: Vec<u8>,
    records: HashMap<Domain, Vec<u8>>,
}

impl States {
    fn of(root: &Root) -> States {
        let folders = folders(root);
        let names = defined(root).unwrap_or_default();
        let records = names.into_iter().map(|name| (name.clone(), state(&root.record(&name)))).collect();
        States { folders, records }
    }
}

fn path(root: &Root) -> PathBuf {
    root.index().join("domains.cdb")
}

/// The states of the two folders in which domains appear and disappear.
fn folders(root: &Root) -> Vec<u8> {
    [state(&root.etc()), state(&root.domains())].concat()
}

/// The state of a file, or of its absence.
fn state(path: &Path) -> Vec<u8> {
    match Stamp::at(path) {
        Ok(stamp) => format!("{VERSION} {stamp:?}").into_bytes(),
        Err(_) => b"absent".to_vec(),
    }
}

fn key(kind: u8, name: &str) -> Vec<u8> {
    [&[kind], name.as_bytes()].concat()
}

fn get(table: &cdb2::CDB, key: &[u8]) -> Option<Vec<u8>> {
    table.get(key)?.ok()
}

fn text(octets: Vec<u8>) -> Option<String> {
    String::from_utf8(octets).ok()
}

const VERSION: &str = "1";
const FOLDERS: &[u8] = b"folders";
const NAMES: &[u8] = b"names";
const ADDRESS: u8 = b'@';
const NAME: u8 = b'=';
const RECORD: u8 = b':';

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        fs::create_dir_all(root.domains()).unwrap();
        fs::write(root.domains().join("va.test.toml"), "ip = [\"192.0.2.2\"]\nalias = [\"va.net\"]\n").unwrap();
        fs::write(root.etc().join("passwd.old.test"), "").unwrap();
        (folder, root)
    }

    fn open(root: &Root) -> Compiled {
        Compiled::open(root, Arc::new(Machine::default()))
    }

    fn name_of(domain: Option<Arc<VirtualDomain>>) -> Option<String> {
        domain.map(|domain| domain.name.to_string())
    }

    #[test]
    fn the_table_answers_as_the_records_do() {
        let (_folder, root) = tree();
        open(&root).whole();
        let table = open(&root);
        assert!(table.table.is_some());
        assert_eq!(name_of(table.by_address("192.0.2.2".parse().unwrap())).as_deref(), Some("va.test"));
        assert_eq!(name_of(table.by_name(&"va.net".parse().unwrap())).as_deref(), Some("va.test"));
        assert_eq!(name_of(table.by_name(&"old.test".parse().unwrap())).as_deref(), Some("old.test"));
        assert_eq!(name_of(table.by_address("192.0.2.3".parse().unwrap())), None);
        assert!(table.whole.get().is_none(), "no record but those asked for was read");
    }

    #[test]
    fn a_record_edited_in_place_is_noticed_whichever_way_it_is_asked_for() {
        let (_folder, root) = tree();
        open(&root).whole();
        fs::write(root.domains().join("va.test.toml"), "ip = [\"192.0.2.3\"]\n").unwrap();
        assert_eq!(name_of(open(&root).by_address("192.0.2.3".parse().unwrap())).as_deref(), Some("va.test"));
        open(&root).whole();
        fs::write(root.domains().join("va.test.toml"), "ip = [\"192.0.2.4\"]\n").unwrap();
        assert_eq!(name_of(open(&root).by_address("192.0.2.3".parse().unwrap())), None);
    }

    #[test]
    fn a_new_domain_and_a_damaged_table_are_noticed() {
        let (_folder, root) = tree();
        open(&root).whole();
        fs::write(root.etc().join("passwd.new.test"), "").unwrap();
        assert_eq!(name_of(open(&root).by_name(&"new.test".parse().unwrap())).as_deref(), Some("new.test"));
        fs::write(path(&root), [0u8; 5000]).unwrap();
        assert_eq!(name_of(open(&root).by_name(&"va.test".parse().unwrap())).as_deref(), Some("va.test"));
    }
}

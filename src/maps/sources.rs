//! The tables that delivery goes by: asked for an address before its domain's own names.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::route::focus;
use super::virtusertable::{Told, Value, fault};
use super::{Database, Virtusertable, text};
use crate::address::Address;
use crate::config::{Delivery, Fault, Root};
use crate::os::cached::Cached;
use crate::os::stamp::Stamp;

/// The tables that `vmail.toml` names for delivery, each as it is now.
#[derive(Debug, Default)]
pub struct Sources {
    virtmaps: Option<Compiled>,
    virtusers: Option<Text>,
}

/// What a table says of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The table.
    pub file: Arc<Path>,
    /// Its line, counted from 1; `None` where that is not known.
    pub line: Option<usize>,
    /// The key that matched.
    pub key: String,
    /// What stands there, with its arguments filled in.
    pub value: String,
    /// What that means.
    pub means: Means,
}

/// What a value means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// A name of the machine itself: after the map the domain is gone (behaviour.md §7.3).
    Local(String),
    /// Another address.
    Address {
        /// The address.
        to: String,
        /// Whether the tables are to be asked again (behaviour.md §8.3): not where virtmaps has said it (§7.3).
        again: bool,
    },
    /// The sender is told this.
    Error(Told),
    /// Nobody can go by it: what is wrong, and how to mend it.
    Wrong(String),
}

impl Sources {
    /// The tables that `delivery` names. Nothing is read yet.
    pub fn of(root: &Root, delivery: &Delivery) -> Sources {
        Sources {
            virtmaps: delivery.virtmaps.as_ref().map(|path| Compiled::new(root.named(path))),
            virtusers: delivery.virtusertable.as_ref().map(|path| Text::new(root.named(path))),
        }
    }

    /// What the first table says that has a line for `address`: virtmaps, then virtusertable. One stat(2) each, and few reads, where nothing
    /// has changed.
    ///
    /// # Errors
    /// A table cannot be read: nobody can tell then whose the address is.
    pub fn find(&self, address: &Address) -> Result<Option<Said>, Fault> {
        if self.virtmaps.is_none() && self.virtusers.is_none() {
            return Ok(None);
        }
        let address = address.to_string();
        if let Some(virtmaps) = &self.virtmaps
            && let Some(said) = virtmaps.find(&address)?
        {
            return Ok(Some(said));
        }
        self.virtusers.as_ref().map_or(Ok(None), |virtusers| virtusers.find(&address))
    }

    /// Why one of them, or both, cannot be read.
    pub fn faults(&self) -> Vec<Fault> {
        let virtmaps = self.virtmaps.as_ref().and_then(|virtmaps| virtmaps.find(ANY).err());
        virtmaps.into_iter().chain(self.virtusers.as_ref().and_then(|virtusers| virtusers.find(ANY).err())).collect()
    }

    /// The files that are read.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        let compiled = self.virtmaps.iter().map(|virtmaps| Database::place(&virtmaps.table));
        compiled.chain(self.virtusers.iter().map(|virtusers| virtusers.path.to_path_buf()))
    }
}

/// virtmaps, as vnewvirtmaps has compiled it: a mistake in the text harms nobody before it is compiled, and then not either.
#[derive(Debug)]
struct Compiled {
    table: Arc<Path>,
    held: Mutex<Option<(Stamp, Arc<Database>)>>,
    complaint: Complaint,
}

impl Compiled {
    fn new(table: PathBuf) -> Compiled {
        Compiled { table: table.into(), held: Mutex::new(None), complaint: Complaint::default() }
    }

    fn find(&self, address: &str) -> Result<Option<Said>, Fault> {
        let found = self.current().and_then(|database| database.recipient(address)).map_err(|error| {
            let what = format!("cannot be read: {error}; `vnewvirtmaps {}` makes it anew", self.table.display());
            Fault::of_file(&Database::place(&self.table), what)
        });
        let hit = self.complaint.told(found)?;
        Ok(hit.map(|hit| Said {
            file: self.table.clone(),
            line: hit.line,
            means: Means::of(&hit.recipient, false),
            key: hit.key,
            value: hit.recipient,
        }))
    }

    /// The table as it is now. The old file's number is nobody else's while it is open.
    fn current(&self) -> io::Result<Arc<Database>> {
        // What is held is replaced whole, so a panic elsewhere cannot have left it half done.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::at(&Database::place(&self.table)).inspect_err(|_| *held = None)?;
        if let Some((known, database)) = &*held
            && *known == stamp
        {
            return Ok(database.clone());
        }
        let database = Arc::new(Database::open(&self.table)?);
        *held = Some((stamp, database.clone()));
        Ok(database)
    }
}

/// virtusertable, as its text is.
#[derive(Debug)]
struct Text {
    path: Arc<Path>,
    table: Cached<Virtusertable>,
    complaint: Complaint,
}

impl Text {
    fn new(path: PathBuf) -> Text {
        Text { table: Cached::new(path.clone(), read), path: path.into(), complaint: Complaint::default() }
    }

    fn find(&self, address: &str) -> Result<Option<Said>, Fault> {
        let table = self.table.current().map_err(|error| {
            Fault::of_file(&self.path, format!("cannot be read: {error}; put it there, or take delivery.virtusertable out of vmail.toml"))
        });
        let table = self.complaint.told(table)?;
        let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        Ok(table.search(local, domain).found.map(|(entry, value)| {
            let (value, means) = match value {
                Value::Address(to) => (to.clone(), Means::of(&to, true)),
                Value::Error(refusal) => (entry.value.clone(), Means::Error(refusal.told())),
            };
            Said { file: self.path.clone(), line: Some(entry.line), key: entry.key.clone(), value, means }
        }))
    }
}

/// Says what is wrong each time that the file is read anew; a file that is wrong in every line fills no log.
fn read(octets: &[u8], file: &Path) -> Virtusertable {
    let (table, remarks) = Virtusertable::parse(&text(octets));
    let wrong = remarks.iter().filter(|remark| remark.weight == super::Weight::Wrong);
    for remark in wrong.take(20) {
        tracing::warn!(event = "map-fault", error = %Fault::of_line(file, remark.line, remark.to_string()));
    }
    table
}

impl Means {
    fn of(value: &str, again: bool) -> Means {
        if let Some((what, mend)) = fault(value) {
            return Means::Wrong(format!("{what}; {mend}"));
        }
        match focus(value) {
            Ok((local, None)) => Means::Local(local),
            Ok((local, Some(host))) => Means::Address { to: format!("{local}@{host}"), again },
            Err(why) => Means::Wrong(format!("{why}: {}; write a local name, or user@domain", super::shown(value))),
        }
    }
}

/// Tells the log of a fault once, until all is well again: each address that is asked for would tell it anew.
#[derive(Debug, Default)]
struct Complaint {
    is_told: AtomicBool,
}

impl Complaint {
    fn told<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        match &outcome {
            Ok(_) => self.is_told.store(false, Ordering::Relaxed),
            Err(fault) if !self.is_told.swap(true, Ordering::Relaxed) => tracing::error!(event = "map-fault", error = %fault),
            Err(_) => {}
        }
        outcome
    }
}

/// An address that makes them read.
const ANY: &str = "any@example.org";

#[cfg(test)]
mod tests {
    use super::super::Virtmaps;
    use super::*;
    use std::fs;

    /// A tree with a virtmaps that is compiled, and a virtusertable.
    fn sources(virtmaps: &str, virtusers: &str) -> (tempfile::TempDir, Sources) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        fs::create_dir_all(root.etc()).unwrap();
        Virtmaps::parse(virtmaps).0.compile(&root.virtmaps()).unwrap();
        fs::write(root.etc().join("users"), virtusers).unwrap();
        let delivery = Delivery { virtmaps: Some("virtmaps".into()), virtusertable: Some("users".into()), ..Delivery::default() };
        (folder, Sources::of(&root, &delivery))
    }

    fn told(sources: &Sources, address: &str) -> String {
        match sources.find(&address.parse().unwrap()) {
            Ok(Some(said)) => format!("{}:{} {}", said.file.file_name().unwrap().display(), said.line.unwrap(), said.value),
            Ok(None) => "nothing".into(),
            Err(fault) => fault.what,
        }
    }

    #[test]
    fn virtmaps_comes_before_virtusertable() {
        let (_folder, sources) = sources("# x\nbob@abc.com carol\nabc.com eve\n", "bob@abc.com no\n@b.org %1@c.org\njoe@b.org joe\n");
        assert_eq!(told(&sources, "BOB@abc.com"), "virtmaps:2 carol");
        assert_eq!(told(&sources, "any@abc.com"), "virtmaps:3 eve");
        assert_eq!(told(&sources, "Joe+x@b.org"), "users:3 joe");
        assert_eq!(told(&sources, "ann@b.org"), "users:2 ann@c.org");
        assert_eq!(told(&sources, "ann@c.org"), "nothing");
        let again = |address: &str| sources.find(&address.parse().unwrap()).unwrap().unwrap().means;
        assert_eq!(again("bob@abc.com"), Means::Local("carol".into()));
        assert_eq!(again("ann@b.org"), Means::Address { to: "ann@c.org".into(), again: true });
    }

    #[test]
    fn what_changes_holds_and_what_is_missing_is_told() {
        let (folder, sources) = sources("bob@abc.com carol\n", "joe@b.org joe\n");
        let root = Root::new(folder.path());
        assert_eq!(told(&sources, "bob@abc.com"), "virtmaps:1 carol");
        fs::write(root.virtmaps(), "only the compiled form counts").unwrap();
        assert_eq!(told(&sources, "bob@abc.com"), "virtmaps:1 carol");
        Virtmaps::parse("bob@abc.com david\n").0.compile(&root.virtmaps()).unwrap();
        assert_eq!(told(&sources, "bob@abc.com"), "virtmaps:1 david");
        fs::write(root.etc().join("users"), "\njoe@b.org eve\n").unwrap();
        assert_eq!(told(&sources, "joe@b.org"), "users:2 eve");
        fs::remove_file(root.etc().join("users")).unwrap();
        assert!(told(&sources, "joe@b.org").contains("take delivery.virtusertable out of vmail.toml"));
        assert_eq!(told(&sources, "bob@abc.com"), "virtmaps:1 david");
        fs::write(Database::place(&root.virtmaps()), "short").unwrap();
        assert!(told(&sources, "bob@abc.com").contains("vnewvirtmaps"));
    }

    #[test]
    fn what_nobody_can_go_by_says_how_to_mend_it() {
        let (_folder, sources) =
            sources("", "a@b.org |/bin/cat\nb@b.org x@y.org, z@y.org\nc@b.org c@d@e\nd@b.org error:nouser 550 No\ne@b.org <F@G.org>\n");
        let means = |address: &str| sources.find(&address.parse().unwrap()).unwrap().unwrap().means;
        for (address, what) in [("a", "Cannot mail directly to programs"), ("b", "more than one recipient"), ("c", "Invalid route address")]
        {
            assert!(matches!(means(&format!("{address}@b.org")), Means::Wrong(said) if said.starts_with(what)), "{address}");
        }
        assert_eq!(means("d@b.org"), Means::Error(Told { code: 550, status: "5.0.0".into(), text: "No".into() }));
        assert_eq!(means("e@b.org"), Means::Address { to: "F@g.org".into(), again: true });
    }

    #[test]
    fn lines_of_a_large_table_know_their_numbers() {
        let text: String = (0..5000).map(|number| format!("u{number}@abc.com x{number}\n\n")).collect();
        let (_folder, sources) = sources(&text, "");
        for number in [0, 1, 511, 512, 513, 2500, 4999] {
            assert_eq!(told(&sources, &format!("u{number}@abc.com")), format!("virtmaps:{} x{number}", 1 + 2 * number));
        }
    }
}

//! A tree of files with domains, users and mail in a folder of its own, and connections to it through pipes in memory.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use vmail::address::Owner;
use vmail::config::{Native, Root};
use vmail::house::{Call, Report};
use vmail::imap;
use vmail::os::crypt::crypt;
use vmail::pop3;
use vmail::serve::{Mode, Server};
use vmail::tls::Authority;
use vmail::vdomain::Answer;
use vmail::wire::{Plain, Wire};

/// A tree, removed at the end.
pub struct House {
    folder: TempDir,
    root: Root,
}

impl House {
    /// A tree with this `vmail.toml`, in which failed logins do not wait.
    pub fn new(machine: &str) -> House {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        fs::create_dir_all(root.domains()).unwrap();
        let house = House { folder, root };
        house.configure(machine);
        house
    }

    /// Where it is.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Replaces `vmail.toml`. What is not said there is as tests want it.
    pub fn configure(&self, machine: &str) {
        let mut wanted: toml::Table = machine.parse().unwrap();
        let usual = [("host", "host.test".into()), ("user", own_name())];
        usual.into_iter().for_each(|(key, value)| _ = wanted.entry(key).or_insert(toml::Value::String(value)));
        let login = wanted.entry("login").or_insert_with(|| toml::Table::new().into());
        login.as_table_mut().unwrap().entry("failure_delay").or_insert(0.into());
        fs::write(self.root.machine(), toml::to_string(&wanted).unwrap()).unwrap();
    }

    /// Defines a domain by the text of its record.
    pub fn domain(&self, name: &str, record: &str) {
        let domain = name.parse().unwrap();
        fs::write(self.root.record(&domain), record).unwrap();
        fs::create_dir_all(self.root.spool(&domain)).unwrap();
        self.write(self.root.passwd(&domain), "");
        self.write(self.root.shadow(&domain), "");
    }

    /// Adds a user with a hash that is quickly verified.
    pub fn user(&self, owner: &str, password: &str) {
        self.user_with(owner, &format!("{}:::::::", quick_hash(password)));
    }

    /// Adds a user with these fields of shadow(5) behind the name.
    pub fn user_with(&self, owner: &str, fields: &str) {
        let owner: Owner = owner.parse().unwrap();
        let (user, domain) = (owner.user(), owner.domain());
        let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
        fs::create_dir_all(self.root.home(&owner)).unwrap();
        // As the files of the machine name it, not as it is seen from outside of the tree.
        let home = format!("/vhome/{domain}/home/{user}");
        self.append(self.root.passwd(domain), &format!("{user}:x:{uid}:{gid}::{home}:/bin/false\n"));
        self.append(self.root.shadow(domain), &format!("{user}:{fields}\n"));
    }

    /// Appends a message to somebody's maildrop, as a delivery agent does.
    pub fn deliver(&self, owner: &str, message: &[u8]) {
        let mut stored = b"From ann@example.org Sun Sep  9 01:46:40 2001\n".to_vec();
        stored.extend_from_slice(message);
        stored.extend_from_slice(if message.ends_with(b"\n") { b"\n" } else { b"\n\n" });
        fs::File::options().create(true).append(true).open(self.maildrop(owner)).unwrap().write_all(&stored).unwrap();
    }

    /// The text of somebody's maildrop.
    pub fn stored(&self, owner: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.maildrop(owner)).unwrap_or_default()).into_owned()
    }

    /// Writes a certificate for `names` that an authority of its own vouches for, and returns the authority's certificate as PEM.
    pub fn certificate(&self, names: &[&str]) -> String {
        let authority = Authority::new("a test").unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let issued = authority.issue(&names, &[]).unwrap();
        fs::create_dir_all(self.root.etc().join("tls")).unwrap();
        self.write(self.root.etc().join("tls/cert.pem"), &issued.certificate);
        self.write(self.root.etc().join("tls/key.pem"), &issued.key);
        authority.certificate()
    }

    /// The server's state, as `vmail serve` or an inetd program reads it.
    pub fn open(&self, mode: Mode) -> Arc<Server> {
        Arc::new(Server::load(self.root.clone(), mode, Native::default(), None).unwrap())
    }

    fn maildrop(&self, owner: &str) -> std::path::PathBuf {
        let owner: Owner = owner.parse().unwrap();
        self.root.spool(owner.domain()).join(owner.user().as_str())
    }

    fn write(&self, path: std::path::PathBuf, text: &str) {
        fs::write(path, text).unwrap();
    }

    fn append(&self, path: std::path::PathBuf, text: &str) {
        fs::File::options().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// A path below the tree for sockets and the like.
    pub fn beside(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

/// A connection as it comes in.
#[derive(Debug, Clone)]
pub struct Dial {
    pub local: IpAddr,
    pub peer: IpAddr,
    pub sni: Option<String>,
    pub names: Answer,
    pub may_start_tls: bool,
}

impl Dial {
    /// To `local`, from elsewhere.
    pub fn to(local: &str) -> Dial {
        let (local, peer) = (local.parse().unwrap(), "198.51.100.9".parse().unwrap());
        Dial { local, peer, sni: None, names: Answer::Off, may_start_tls: true }
    }

    /// Begins a session of POP3. The pipe holds `at_once` octets in each direction.
    pub fn connect(self, server: &Arc<Server>, at_once: usize) -> (DuplexStream, JoinHandle<Report<pop3::Done>>) {
        let (ours, theirs) = tokio::io::duplex(at_once);
        let now = server.now();
        let session = tokio::spawn(async move {
            let (_stopper, stop) = watch::channel(false);
            let wire = Box::new(Wire::new(Plain::Pipe(theirs), now.house.machine.pop3.idle.0, stop));
            pop3::serve(wire, self.call(), &now.house).await
        });
        (ours, session)
    }

    /// The same of IMAP.
    pub fn connect_imap(self, server: &Arc<Server>, at_once: usize) -> (DuplexStream, JoinHandle<Report<imap::Done>>) {
        let (ours, theirs) = tokio::io::duplex(at_once);
        let now = server.now();
        let session = tokio::spawn(async move {
            let (_stopper, stop) = watch::channel(false);
            let wire = Box::new(Wire::new(Plain::Pipe(theirs), now.house.machine.imap.idle.0, stop));
            imap::serve(wire, self.call(), &now.house).await
        });
        (ours, session)
    }

    fn call(self) -> Box<Call> {
        let Dial { local, peer, sni, names, may_start_tls } = self;
        Box::new(Call { local, peer, sni, names, may_start_tls })
    }
}

/// A hash whose verification costs a millisecond.
pub fn quick_hash(password: &str) -> String {
    crypt(password.as_bytes(), "$6$rounds=1000$saltofatest").unwrap().to_string()
}

fn own_name() -> String {
    nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name
}

//! `vmail demo`: a complete server in a folder of its own, with two domains, mail, and certificates.

use std::fs;
use std::net::{IpAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::json;

use crate::address::{Domain, Owner};
use crate::admin::{Admin, Format, Import, Mailroom, NewDomain, NewUser, Source};
use crate::config::{Machine, Native, Owned, Proto, Root, TlsMode};
use crate::os::atomic;
use crate::serve::{self, Started};
use crate::tls::Authority;
use crate::vdomain::password::Secret;

/// Start a complete server with sample domains and mail on 127.0.0.1 to 127.0.0.4
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Folder for it, kept at the end; a demo that is there already goes on (default: a temporary one)
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Print one line of JSON when ready, instead of the table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let folder = Folder::of(options)?;
    let root = Root::new(&folder.path);
    if !root.machine().exists() {
        build(&root)?;
    }
    let machine = Machine::load(&root)?;
    super::start_log("vmail", &root, &machine)?;
    let native = machine.native.clone();
    serve::run(root.clone(), |started| match options.json {
        true => println!("{}", as_json(&root, started)),
        false => print(&root, started, &native),
    })
}

/// The demo's folder; a temporary one goes with it.
struct Folder {
    path: PathBuf,
    is_temporary: bool,
}

impl Folder {
    fn of(options: &Options) -> anyhow::Result<Folder> {
        let Some(dir) = &options.dir else { return Folder::temporary() };
        let (path, is_temporary) = (std::path::absolute(dir)?, false);
        fs::create_dir_all(&path).with_context(|| format!("{}: can't be made", path.display()))?;
        let owner = fs::metadata(&path)?.uid();
        ensure!(owner == rustix::process::geteuid().as_raw(), "{}: belongs to somebody else", path.display());
        let is_empty = fs::read_dir(&path)?.next().is_none();
        let is_demo = Root::new(&path).machine().exists();
        ensure!(is_empty || is_demo, "{}: is neither empty nor a demo", path.display());
        Ok(Folder { path, is_temporary })
    }

    /// A folder that nobody can have made before, open to nobody else.
    fn temporary() -> anyhow::Result<Folder> {
        let mut name = [0; 8];
        getrandom::fill(&mut name)?;
        let path = std::env::temp_dir().join(format!("vmail-demo.{:016x}", u64::from_ne_bytes(name)));
        fs::DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("{}: can't be made", path.display()))?;
        Ok(Folder { path, is_temporary: true })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_temporary {
            // Best effort: it lies in a folder that the system empties.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn build(root: &Root) -> anyhow::Result<()> {
    let authority = Authority::new("vmail demo")?;
    let names: Vec<String> = DOMAINS.iter().flat_map(|domain| [domain.name.to_owned(), format!("mail.{}", domain.name)]).collect();
    let issued = authority.issue(&[&["localhost".to_owned(), HOST.to_owned()], &names[..]].concat(), &addresses())?;
    let folder = root.etc().join("tls");
    fs::create_dir_all(&folder)?;
    atomic::replace(&folder.join("ca.pem"), authority.certificate().as_bytes(), 0o644)?;
    atomic::replace(&folder.join("demo.pem"), issued.certificate.as_bytes(), 0o644)?;
    atomic::replace(&folder.join("demo.key"), issued.key.as_bytes(), 0o600)?;
    atomic::replace(&root.machine(), machine()?.as_bytes(), 0o644)?;
    for domain in DOMAINS {
        fill(root, domain)?;
    }
    Ok(())
}

fn fill(root: &Root, demo: &Demo) -> anyhow::Result<()> {
    let name: Domain = demo.name.parse()?;
    Admin::lock(root.clone())?.add_domain(&NewDomain {
        name: name.clone(),
        ip: vec![demo.address.parse()?],
        alias: Vec::new(),
        owner: Owned::Vmail,
    })?;
    // What is there decides: joe's mail stays one file, as the historical system had it.
    let maildrop = root.spool(&name).join(MBOX_USER);
    fs::write(&maildrop, demo.mail).with_context(|| format!("{}: can't be written", maildrop.display()))?;
    for (user, full_name) in [(MBOX_USER, "Joe Who"), (MAILDIR_USER, "Ann Other")] {
        let secret = Secret::new(demo.password.as_bytes().to_vec()).context("the demo's passwords are short")?;
        let new = NewUser { owner: format!("{user}@{name}").parse()?, full_name: full_name.into(), secret };
        Admin::lock(root.clone())?.add_user(&new)?;
    }
    if demo.name == SALES {
        let aliases = root.aliases(&name);
        fs::write(&aliases, format!("sales: {MBOX_USER}, {MAILDIR_USER}\n"))
            .with_context(|| format!("{}: can't be written", aliases.display()))?;
    }
    deliver(root, &format!("{MAILDIR_USER}@{name}").parse()?, demo.more)
}

/// Puts the messages of an mbox into the maildrop of `owner`.
fn deliver(root: &Root, owner: &Owner, mail: &[u8]) -> anyhow::Result<()> {
    let path = root.path().join("mail");
    fs::write(&path, mail).with_context(|| format!("{}: can't be written", path.display()))?;
    let source = Source { path: path.clone(), format: Some(Format::Mbox) };
    Mailroom::open(root)?.account(owner)?.import(&source, &Import::default(), &mut |_, _| ())?;
    fs::remove_file(&path).with_context(|| format!("{}: can't be removed", path.display()))
}

/// The demo's vmail.toml: high ports, and whoever has started it as the service user.
fn machine() -> anyhow::Result<String> {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid())?.map_or_else(|| "nobody".to_owned(), |user| user.name);
    let all = serde_json::to_string(&addresses())?;
    let mut listeners = String::new();
    for (proto, tls, usual) in LISTENERS {
        let all = if proto == "lmtp" { format!("{MAIN:?}") } else { all.clone() };
        listeners += &format!("[[listen]]\nproto = \"{proto}\"\naddress = {all}\nport = {}\ntls = \"{tls}\"\n\n", free_port(usual)?);
    }
    let native = toml::to_string(&native())?;
    Ok(format!(
        "# A demo. The user that started it is the service user.\nhost = \"{HOST}\"\nuser = \"{user}\"\n\n\
         {listeners}[address]\n\"{MAIN}\" = \"main\"\n\"{SHARED}\" = \"shared\"\n\n\
         [tls]\ncertificate = \"tls/demo.pem\"\nkey = \"tls/demo.key\"\n\n[native]\n{native}"
    ))
}

/// Native daemons that serve the main domain, if we are root and some are installed.
fn native() -> Native {
    let is_root = rustix::process::geteuid().is_root();
    let installed = |known: &[&[&str]]| {
        let words = known.iter().find(|words| Path::new(words[0]).exists()).filter(|_| is_root);
        words.into_iter().flat_map(|words| words.iter().map(|&word| word.to_owned())).collect()
    };
    Native {
        pop3: installed(&[&["/usr/sbin/ipop3d"], &["/usr/sbin/popa3d"], &["/usr/sbin/pop3d", "--inetd"]]),
        imap: installed(&[&["/usr/sbin/imapd"], &["/usr/sbin/imap4d", "--inetd"]]),
    }
}

/// A port that is free on all the demo's addresses: the usual one, or any.
fn free_port(usual: u16) -> anyhow::Result<u16> {
    let is_free = |port: u16| addresses().iter().all(|&address| TcpListener::bind((address, port)).is_ok());
    let any = || TcpListener::bind(("127.0.0.1", 0)).and_then(|probe| probe.local_addr()).ok().map(|address| address.port());
    let candidates = std::iter::once(usual).chain(std::iter::from_fn(any).take(20));
    candidates.into_iter().find(|&port| is_free(port)).context("no port is free on 127.0.0.1 to 127.0.0.4")
}

fn addresses() -> Vec<IpAddr> {
    let all = [MAIN, DOMAINS[0].address, DOMAINS[1].address, SHARED];
    all.iter().map(|address| address.parse().expect("an address")).collect()
}

fn as_json(root: &Root, started: &Started) -> serde_json::Value {
    let listeners: Vec<_> = started
        .places
        .iter()
        .map(|place| json!({ "proto": place.proto, "tls": place.tls, "address": place.address.ip(), "port": place.address.port() }))
        .collect();
    let account = |demo: &Demo, login: String, address: &str, spool: &str| json!({ "domain": demo.name, "login": login, "address": address, "password": demo.password, "spool": spool });
    let logins = || DOMAINS.iter().flat_map(|demo| USERS.iter().map(move |(user, spool)| (demo, *user, *spool)));
    let own = logins().map(|(demo, user, spool)| account(demo, user.to_owned(), demo.address, spool));
    let shared = logins().map(|(demo, user, spool)| account(demo, format!("{user}@{}", demo.name), SHARED, spool));
    let accounts: Vec<_> = own.chain(shared).collect();
    let lmtp = root.run().join("lmtp");
    json!({ "lmtp": lmtp, "root": root.path(), "listeners": listeners, "accounts": accounts, "ca": root.etc().join("tls/ca.pem") })
}

fn print(root: &Root, started: &Started, native: &Native) {
    let port = |proto: Proto, tls: TlsMode| {
        let place = started.places.iter().find(|place| (place.proto, place.tls) == (proto, tls));
        place.map_or(0, |place| place.address.port())
    };
    let (pop3, pop3s) = (port(Proto::Pop3, TlsMode::Starttls), port(Proto::Pop3, TlsMode::Implicit));
    let (imap, imaps) = (port(Proto::Imap, TlsMode::Starttls), port(Proto::Imap, TlsMode::Implicit));
    let programs: Vec<&str> = [&native.pop3, &native.imap].into_iter().filter_map(|words| words.first()).map(String::as_str).collect();
    let main = match programs.as_slice() {
        [] => "main domain, refused: run as root with a native POP3 or IMAP daemon installed".to_owned(),
        programs => format!("main domain, handed to {}", programs.join(" and ")),
    };
    println!(
        "vmail {} serves the demo in {} (POP3 port {pop3}, with TLS {pop3s}; IMAP port {imap}, with TLS {imaps})\n",
        crate::VERSION,
        root.path().display()
    );
    println!("  {:<11} {:<8} {:<12} {:<12} mail in", "address", "domain", "login", "password");
    println!("  {MAIN:<11} {main}");
    for (demo, (user, spool)) in DOMAINS.iter().flat_map(|demo| USERS.iter().map(move |user| (demo, user))) {
        println!("  {:<11} {:<8} {user:<12} {:<12} {spool}", demo.address, demo.name, demo.password);
    }
    for (demo, (user, spool)) in DOMAINS.iter().flat_map(|demo| USERS.iter().map(move |user| (demo, user))) {
        println!("  {SHARED:<11} shared   {:<12} {:<12} {spool}", format!("{user}@{}", demo.name), demo.password);
    }
    let demo = &DOMAINS[0];
    println!("\nTry:");
    println!("  telnet {} {pop3}", demo.address);
    println!("  curl --user {MBOX_USER}:{} pop3://{}:{pop3}/", demo.password, demo.address);
    let (as_user, ca) = (format!("--user {MBOX_USER}@{}:{}", demo.name, demo.password), root.etc().join("tls/ca.pem"));
    println!("  curl {as_user} --cacert {} pop3s://{SHARED}:{pop3s}/1", ca.display());
    println!("  curl --user {MBOX_USER}:{} imap://{}:{imap}/", demo.password, demo.address);
    println!("  curl {as_user} --cacert {} 'imaps://{SHARED}:{imaps}/INBOX;MAILINDEX=1'", ca.display());
    println!("  vmail --root {} mailbox list {MAILDIR_USER}@{}", root.path().display(), demo.name);
    println!("  vmail --root {} explain --local {SHARED} --login {MBOX_USER}@{}", root.path().display(), DOMAINS[1].name);
    let lmtp = port(Proto::Lmtp, TlsMode::None);
    println!("  swaks --protocol LMTP --server {MAIN}:{lmtp} --from you@example.org --to sales@{SALES}");
    println!("  swaks --protocol LMTP --socket {}/lmtp --to {MAILDIR_USER}@{SALES}", root.run().display());
    println!("\nCtrl-C ends it.");
}

/// A domain of the demo.
struct Demo {
    name: &'static str,
    address: &'static str,
    password: &'static str,
    /// Of joe.
    mail: &'static [u8],
    /// Of ann.
    more: &'static [u8],
}

const DOMAINS: &[Demo] = &[
    Demo {
        name: "va.test",
        address: "127.0.0.2",
        password: "apple-of-va",
        mail: include_bytes!("demo/va.mbox"),
        more: include_bytes!("demo/va-ann.mbox"),
    },
    Demo {
        name: "vb.test",
        address: "127.0.0.3",
        password: "bread-of-vb",
        mail: include_bytes!("demo/vb.mbox"),
        more: include_bytes!("demo/vb-ann.mbox"),
    },
];
/// The protocols, when TLS begins, and ports that are likely to be free.
const LISTENERS: [(&str, &str, u16); 5] = [
    ("pop3", "starttls", 11_110),
    ("pop3", "implicit", 11_995),
    ("imap", "starttls", 11_143),
    ("imap", "implicit", 11_993),
    ("lmtp", "none", 11_024),
];
/// The domain with an alias of both its users.
const SALES: &str = "va.test";
const MAIN: &str = "127.0.0.1";
const SHARED: &str = "127.0.0.4";
const HOST: &str = "demo.vmail.test";
const MBOX_USER: &str = "joe";
const MAILDIR_USER: &str = "ann";
const USERS: &[(&str, &str)] = &[(MBOX_USER, "mbox"), (MAILDIR_USER, "maildir")];

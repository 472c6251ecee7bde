//! Two domains with a joe in each, 200 messages to take there, and what a client made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::certificate::Certificate;
use crate::harness::machine::Machine;
use crate::harness::program::{Program, succeed};
use crate::harness::site::Site;
use crate::interop::corpus::{Mail, assert_same, corpus};

/// How a client reaches the server. The names are those that scripts are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Plain,
    StartTls,
    Tls,
}

/// `joe@va.test` at [`VA`] and `joe@vb.test` at [`VB`], each with a password of his own and no mail.
pub struct Office {
    pub mails: Vec<Mail>,
    _server: Program,
}

impl Office {
    pub fn open(machine: &Machine) -> Office {
        machine.install_vmail().addresses(&["192.0.2.7", "192.0.2.8"]);
        machine.line("/etc/hosts", &format!("192.0.2.7 {VA}")).line("/etc/hosts", &format!("192.0.2.8 {VB}"));
        let made = Certificate::make(Path::new("/etc/vmail/tls"), &[VA, VB]);
        fs::copy(&made.authority, CA).unwrap();
        Site.configure(&format!(
            "plaintext = \"always\"\n[tls]\ncertificate = {:?}\nkey = {:?}\n\
             [[listen]]\nproto = \"imap\"\naddress = \"0.0.0.0\"\n[[listen]]\nproto = \"imap\"\naddress = \"0.0.0.0\"\ntls = \"implicit\"\n\
             [[listen]]\nproto = \"pop3\"\naddress = \"0.0.0.0\"\n",
            made.certificate, made.key
        ));
        Site.domain("va.test", &["192.0.2.7"]).user("joe@va.test", FIRST);
        Site.domain("vb.test", &["192.0.2.8"]).user("joe@vb.test", SECOND);
        let mut server = Site.serve();
        server.says(" ready ");
        let office = Office { mails: corpus("va", 200), _server: server };
        office.lay_out(machine);
        office
    }

    /// What scripts append: `/tmp/mail/001`, ..., and in `/tmp/mail.flags` a line for each, its flags behind its name.
    fn lay_out(&self, machine: &Machine) {
        machine.sh("mkdir -p /tmp/mail /tmp/got");
        let mut list = String::new();
        for (at, mail) in (1..).zip(&self.mails) {
            fs::write(format!("/tmp/mail/{at:03}"), mail.text()).unwrap();
            list += &format!("{at:03} {}\n", flags(at).join(" "));
        }
        machine.file("/tmp/mail.flags", list);
    }

    /// Delivers all of it into a folder of `joe@va.test`'s Maildir, as programs do that know nothing of us: flags are in the files' names.
    pub fn deliver(&self, folder: &str) -> &Office {
        write_maildir(&Path::new(SPOOL).join(folder), &self.mails, Mail::stored);
        succeed(Command::new("chown").args(["-R", "vmail:vmail", SPOOL]));
        self
    }

    /// What came back is what was sent, and it has the flags that it was sent with.
    pub fn assert_back(&self, client: &str, taken: &[Taken], octets: impl Fn(&Mail) -> Vec<u8>) {
        self.assert_back_with(client, taken, octets, |at| flags(at).iter().map(|flag| (*flag).to_owned()).collect());
    }

    /// As [`Office::assert_back`], with other flags: those of the message with this number, from 1.
    pub fn assert_back_with(
        &self,
        client: &str,
        taken: &[Taken],
        octets: impl Fn(&Mail) -> Vec<u8>,
        flags: impl Fn(usize) -> BTreeSet<String>,
    ) {
        assert_same(client, taken.iter().map(|taken| taken.octets.clone()).collect(), &self.mails, octets);
        let found: BTreeMap<String, &BTreeSet<String>> = taken.iter().map(|taken| (taken.number(), &taken.flags)).collect();
        for (at, mail) in (1..).zip(&self.mails) {
            assert_eq!(*found[&mail.number], flags(at), "{client}: flags of {}", mail.number);
        }
    }

    /// What is in a mailbox of `joe` at `host`, whose name is as IMAP4rev1 sends it, as the plainest client sees it.
    pub fn look(&self, host: &str, mailbox: &str) -> Vec<Taken> {
        let password = if host == VA { FIRST } else { SECOND };
        python("look.py", &[host, password, mailbox])
    }
}

/// A message that a client has.
pub struct Taken {
    pub octets: Vec<u8>,
    /// Without `\Recent`.
    pub flags: BTreeSet<String>,
}

impl Taken {
    fn number(&self) -> String {
        let text = String::from_utf8_lossy(&self.octets);
        let number = text.lines().find_map(|line| line.strip_prefix("X-Number: "));
        number.unwrap_or_else(|| panic!("no X-Number in {text:.300}")).to_owned()
    }
}

/// Runs a script that saves messages in `/tmp/got`, and their names there and their flags in [`LIST`].
pub fn python(script: &str, arguments: &[&str]) -> Vec<Taken> {
    taken_by(&mut interpreted(script, arguments))
}

/// The script as a command, with what `tests/run` has put into `target/python`.
pub fn interpreted(script: &str, arguments: &[&str]) -> Command {
    let mut python = Command::new("/usr/bin/python3");
    python.env("PYTHONPATH", in_target("python")).env("PYTHONDONTWRITEBYTECODE", "1").arg(path_of(script)).args(arguments);
    python
}

/// As [`python`], for Node.
pub fn node(script: &str, arguments: &[&str]) -> Vec<Taken> {
    let mut node = Command::new("node");
    taken_by(node.env("NODE_PATH", in_target("node/node_modules")).arg(path_of(script)).args(arguments))
}

fn taken_by(command: &mut Command) -> Vec<Taken> {
    let _ = fs::remove_dir_all("/tmp/got");
    fs::create_dir("/tmp/got").unwrap();
    let _ = fs::remove_file(LIST);
    succeed(command);
    fs::read_to_string(LIST).unwrap().lines().map(taken).collect()
}

fn taken(line: &str) -> Taken {
    let mut words = line.split_whitespace();
    let octets = fs::read(Path::new("/tmp/got").join(words.next().unwrap())).unwrap();
    Taken { octets, flags: words.filter(|flag| *flag != "\\Recent").map(str::to_owned).collect() }
}

/// What `tests/run` has put into `target`.
pub fn in_target(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(name)
}

pub fn path_of(script: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/imap_clients").join(script)
}

/// The messages as a Maildir, with as many of their flags as file names tell.
pub fn write_maildir(folder: &Path, mails: &[Mail], octets: impl Fn(&Mail) -> Vec<u8>) {
    ["cur", "new", "tmp"].iter().for_each(|part| fs::create_dir_all(folder.join(part)).unwrap());
    for (at, mail) in (1..).zip(mails) {
        let name = format!("{}.M{at}P1.client", 1_700_000_000 + at);
        fs::write(folder.join("cur").join(format!("{name}:2,{}", letters(at))), octets(mail)).unwrap();
    }
}

/// The messages of a Maildir, with the flags of their names.
pub fn read_maildir(folder: &Path) -> Vec<Taken> {
    let files = ["cur", "new"].iter().flat_map(|part| fs::read_dir(folder.join(part)).unwrap());
    files.map(|entry| of_maildir(&entry.unwrap().path())).collect()
}

fn of_maildir(path: &Path) -> Taken {
    let name = path.file_name().unwrap().to_string_lossy();
    let letters = name.split_once(":2,").map_or("", |(_, letters)| letters);
    let flag = |letter: char| LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, flag)| (*flag).to_owned());
    Taken { octets: fs::read(path).unwrap(), flags: letters.chars().filter_map(flag).collect() }
}

fn letters(at: usize) -> String {
    LETTERS.iter().filter(|(_, flag)| flags(at).contains(flag)).map(|(letter, _)| *letter).collect()
}

/// What a message has on its way there.
pub fn flags(at: usize) -> &'static [&'static str] {
    FLAGS[at % FLAGS.len()]
}

/// Those of its flags that every client and every Maildir knows.
pub fn plain_flags(at: usize) -> BTreeSet<String> {
    flags(at).iter().filter(|flag| flag.starts_with('\\')).map(|flag| (*flag).to_owned()).collect()
}

const LIST: &str = "/tmp/got.flags";
/// `text` with the first `old` in it replaced.
pub fn replaced(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    match text.windows(old.len()).position(|window| window == old) {
        Some(at) => [&text[..at], new, &text[at + old.len()..]].concat(),
        None => text.to_vec(),
    }
}

pub const VA: &str = "imap.va.test";
pub const VB: &str = "imap.vb.test";
pub const FIRST: &str = "first";
pub const SECOND: &str = "second";
pub const CA: &str = "/etc/ssl/test-authority.pem";
pub const SPOOL: &str = "/var/spool/vmail/va.test/joe";

const FLAGS: [&[&str]; 9] = [
    &[],
    &["\\Seen"],
    &["\\Flagged"],
    &["\\Answered", "\\Seen"],
    &["\\Draft"],
    &["$Forwarded", "\\Seen"],
    &["\\Answered", "\\Flagged", "\\Seen"],
    &["$Junk", "work"],
    &[],
];
const LETTERS: [(char, &str); 4] = [('D', "\\Draft"), ('F', "\\Flagged"), ('R', "\\Answered"), ('S', "\\Seen")];

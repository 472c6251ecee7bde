//! Mail programs that people use, each fetching every message octet for octet: plain, with STLS and with TLS from the start.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::corpus::{Mail, assert_same, corpus, crlf, mbox};
use crate::harness::certificate::Certificate;
use crate::harness::machine::Machine;
use crate::harness::need;
use crate::harness::program::{Program, succeed, succeed_with};
use crate::harness::site::Site;

#[test]
fn curl_fetches_every_message_exactly() {
    need!(root);
    Machine::run(|machine| {
        let office = Office::open(machine);
        for (way, port) in [(Way::Plain, "pop3"), (Way::Stls, "pop3"), (Way::Tls, "pop3s")] {
            office.fetch("curl", way, Mail::wire, |host, password| {
                let mut curl = Command::new("curl");
                curl.args(["-sS", "--fail", "--cacert", CA, "--user", &format!("joe:{password}"), "-o", "/tmp/got/#1"]);
                if way == Way::Stls {
                    curl.arg("--ssl-reqd");
                }
                let last = if host.contains("va") { VA } else { VB };
                succeed(curl.arg(format!("{port}://{host}/[1-{last}]")));
            });
        }
    });
}

#[test]
fn poplib_fetches_every_message_exactly() {
    need!(root);
    Machine::run(|machine| {
        let office = Office::open(machine);
        for way in [Way::Plain, Way::Stls, Way::Tls] {
            office.fetch("poplib", way, Mail::wire, |host, password| {
                let mut python = Command::new("/usr/bin/python3");
                succeed_with(python.args(["-", host, password, &format!("{way:?}"), CA]), POPLIB.as_bytes());
            });
        }
    });
}

// It keeps messages in files with LF, and takes off its own Return-Path.
#[test]
fn fetchmail_fetches_every_message_exactly() {
    need!(root, "fetchmail");
    Machine::run(|machine| {
        let office = Office::open(machine);
        for way in [Way::Plain, Way::Stls, Way::Tls] {
            let tls = match way {
                Way::Plain => "sslproto \"\"".to_owned(),
                Way::Stls => format!("sslproto \"auto\" sslcertck sslcertfile {CA}"),
                Way::Tls => format!("ssl sslcertck sslcertfile {CA}"),
            };
            office.fetch("fetchmail", way, Mail::unix, |host, password| {
                machine.file("/tmp/deliver", "#!/bin/sh\nexec cat > $(mktemp /tmp/got/XXXXXXXX)\n").sh("chmod 755 /tmp/deliver");
                machine.file(
                    "/tmp/fetchmailrc",
                    format!(
                        "set no bouncemail\nset invisible\npoll {host} protocol pop3 user joe password \"{password}\" {tls}\n\
                         fetchall keep no rewrite pass8bits mda /tmp/deliver\n"
                    ),
                );
                machine.sh("chmod 600 /tmp/fetchmailrc; HOME=/tmp FETCHMAILHOME=/tmp fetchmail -f /tmp/fetchmailrc");
            });
        }
    });
}

// It keeps messages in files with LF.
#[test]
fn mpop_fetches_every_message_exactly() {
    need!(root, "mpop");
    Machine::run(|machine| {
        let office = Office::open(machine);
        for way in [Way::Plain, Way::Stls, Way::Tls] {
            let tls = match way {
                Way::Plain => "tls off".to_owned(),
                Way::Stls => format!("tls on\ntls_starttls on\ntls_trust_file {CA}"),
                Way::Tls => format!("tls on\ntls_starttls off\ntls_trust_file {CA}"),
            };
            office.fetch("mpop", way, Mail::unix, |host, password| {
                machine.sh("mkdir -p /tmp/got/new /tmp/got/cur /tmp/got/tmp");
                machine.file(
                    "/tmp/mpoprc",
                    format!(
                        "account default\nhost {host}\nuser joe\npassword {password}\nauth user\n{tls}\ndelivery maildir /tmp/got\n\
                         received_header off\nkeep on\nonly_new off\nuidls_file /tmp/uidls\n"
                    ),
                );
                machine.sh("chmod 600 /tmp/mpoprc; HOME=/tmp mpop -C /tmp/mpoprc -q");
            });
        }
    });
}

// It keeps messages in files with LF, puts a Return-Path before them and a blank into empty headers, and knows no STLS.
#[test]
fn getmail_fetches_every_message_exactly() {
    need!(root, "getmail6");
    Machine::run(|machine| {
        let office = Office::open(machine);
        for (way, retriever) in [(Way::Plain, "SimplePOP3Retriever"), (Way::Tls, "SimplePOP3SSLRetriever")] {
            let tls = if way == Way::Tls { format!("ca_certs = {CA}\n") } else { String::new() };
            let expected = |mail: &Mail| {
                let text = [b"Return-Path: <unknown>\n", &mail.unix()[..]].concat();
                let empty = text.windows(9).position(|window| window == b"X-Empty:\n");
                empty.map_or(text.clone(), |at| [&text[..at + 8], b" ", &text[at + 8..]].concat())
            };
            office.fetch("getmail", way, expected, |host, password| {
                machine.file("/tmp/deliver", PATIENT).sh("chmod 755 /tmp/deliver");
                machine.file(
                    "/tmp/getmail/getmailrc",
                    format!(
                        "[retriever]\ntype = {retriever}\nserver = {host}\nusername = joe\npassword = {password}\n{tls}\
                         [destination]\ntype = MDA_external\npath = /tmp/deliver\n\
                         [options]\nread_all = true\ndelivered_to = false\nreceived = false\nverbose = 0\n"
                    ),
                );
                // It delivers nothing as root.
                machine.sh("chown -R mail /tmp/got /tmp/getmail");
                machine.sh("HOME=/tmp setpriv --reuid=8 --regid=8 --clear-groups getmail --getmaildir=/tmp/getmail");
            });
        }
    });
}

/// getmail 6.18 waits for ever for a child that ends before it begins to wait.
const PATIENT: &str = r#"#!/bin/sh
cat > "$(mktemp /tmp/got/XXXXXXXX)"
tries=0
until grep -q futex /proc/$PPID/wchan || [ $tries = 50 ]; do tries=$((tries + 1)); sleep 0.01; done
"#;

/// How a client reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    Stls,
    Tls,
}

/// Two domains, and a joe in each: with other mail, another password, and one in a spool with CRLF line ends.
struct Office {
    va: Vec<Mail>,
    vb: Vec<Mail>,
    _server: Program,
}

impl Office {
    fn open(machine: &Machine) -> Office {
        machine.install_vmail().addresses(&["192.0.2.7", "192.0.2.8"]);
        machine.line("/etc/hosts", "192.0.2.7 pop.va.test").line("/etc/hosts", "192.0.2.8 pop.vb.test");
        let made = Certificate::make(Path::new("/etc/vmail/tls"), &["pop.va.test", "pop.vb.test"]);
        fs::copy(&made.authority, CA).unwrap();
        let (va, vb) = (corpus("va", VA), corpus("vb", VB));
        let site = Site;
        site.configure(&format!(
            "plaintext = \"always\"\n[tls]\ncertificate = {:?}\nkey = {:?}\n\
             [[listen]]\nproto = \"pop3\"\naddress = \"0.0.0.0\"\n[[listen]]\nproto = \"pop3\"\naddress = \"0.0.0.0\"\ntls = \"implicit\"\n",
            made.certificate, made.key
        ));
        site.domain("va.test", &["192.0.2.7"]).user("joe@va.test", "first").mail("joe@va.test", mbox(&va));
        site.domain("vb.test", &["192.0.2.8"]).user("joe@vb.test", "second").mail("joe@vb.test", crlf(&mbox(&vb)));
        let server = site.serve();
        let (pop, greeting) = crate::harness::pop::Pop::dial("192.0.2.7:110");
        assert!(greeting.contains("Virtual va.test POP3 Server"), "{greeting}");
        drop(pop);
        Office { va, vb, _server: server }
    }

    /// Lets a client fetch both joes' mail into /tmp/got, and compares.
    fn fetch(&self, client: &str, way: Way, expected: impl Fn(&Mail) -> Vec<u8>, fetch: impl Fn(&str, &str)) {
        for (host, password, mails) in [("pop.va.test", "first", &self.va), ("pop.vb.test", "second", &self.vb)] {
            let _ = fs::remove_dir_all("/tmp/got");
            fs::create_dir("/tmp/got").unwrap();
            fetch(host, password);
            assert_same(&format!("{client}, {way:?}, {host}"), files(Path::new("/tmp/got")), mails, &expected);
        }
    }
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![fs::read(path).unwrap()] }).collect()
}

const VA: usize = 200;
const VB: usize = 32;
const CA: &str = "/etc/ssl/test-authority.pem";

// poplib's own limit of 2,048 octets a line is above the longest here.
const POPLIB: &str = r#"
import poplib, ssl, sys
host, password, way, ca = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
box = poplib.POP3_SSL(host, context=context, timeout=20) if way == 'Tls' else poplib.POP3(host, timeout=20)
if way == 'Stls':
    box.stls(context)
box.user('joe')
box.pass_(password)
count, size = box.stat()
sizes = 0
for line in box.list()[1]:
    number, octets = map(int, line.split())
    lines = box.retr(number)[1]
    text = b''.join(line + b'\r\n' for line in lines)
    assert len(text) == octets, (number, len(text), octets)
    sizes += octets
    open('/tmp/got/%d' % number, 'wb').write(text)
assert sizes == size
ids = [line.split()[1] for line in box.uidl()[1]]
assert len(set(ids)) == count
box.quit()
"#;

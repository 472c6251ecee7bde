//! Programs that fetch mail and deliver it: fetchmail and getmail; and curl, which takes it there, too.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::office::{CA, FIRST, Office, SECOND, Taken, VA, VB, Way, plain_flags, replaced};
use crate::harness::machine::Machine;
use crate::harness::need;
use crate::harness::program::succeed;
use crate::interop::corpus::{Mail, unix};

#[test]
fn curl_takes_every_message_there_and_back() {
    need!(root);
    Machine::run(|machine| {
        let office = Office::open(machine);
        for (way, scheme, host, password) in
            [(Way::Plain, "imap", VA, FIRST), (Way::StartTls, "imap", VB, SECOND), (Way::Tls, "imaps", VA, FIRST)]
        {
            let ask = |arguments: &[&str]| {
                let mut curl = Command::new("curl");
                curl.args(["-sS", "--fail", "--cacert", CA, "--user", &format!("joe:{password}")]);
                if way == Way::StartTls {
                    curl.arg("--ssl-reqd");
                }
                succeed(curl.args(arguments))
            };
            let (server, name) = (format!("{scheme}://{host}"), format!("Kopien von {way:?}"));
            let folder = format!("{server}/{}", name.replace(' ', "%20"));
            ask(&[&server, "-X", &format!("CREATE \"{name}\"")]);
            ask(&["-T", "/tmp/mail/[001-200]", &folder]);
            machine.sh("rm -rf /tmp/got; mkdir /tmp/got");
            ask(&["-o", "/tmp/got/#1", &format!("{folder};UID=[1-200]")]);
            office.assert_back_with(&format!("curl, {way:?}"), &files(), Mail::text, |_| ["\\Seen".to_owned()].into());

            assert!(ask(&[&server]).contains(&format!("\"{name}\"")));
            let text = ask(&[&format!("{folder};MAILINDEX=17;SECTION=HEADER.FIELDS%20(SUBJECT)")]);
            assert_eq!(text.trim_end(), "Subject: message 17");
            assert!(ask(&[&format!("{folder}?SUBJECT%20%22message%2017%22")]).starts_with("* SEARCH 17"));
            ask(&[&folder, "-X", "STORE 1:199 +FLAGS.SILENT (\\Deleted)"]);
            let expunged = ask(&[&folder, "-X", "EXPUNGE"]);
            assert_eq!(expunged.matches("EXPUNGE").count(), 199);
            assert!(ask(&[&server, "-X", &format!("EXAMINE \"{name}\"")]).contains("* 1 EXISTS"));
        }
    });
}

// It keeps messages in files with LF, and their last line has an end.
#[test]
fn fetchmail_fetches_every_message_over_imap_exactly() {
    need!(root, "fetchmail");
    Machine::run(|machine| {
        let office = Office::open(machine);
        office.deliver("").deliver(".Listen");
        for (way, folder) in [(Way::Plain, "INBOX"), (Way::StartTls, "Listen"), (Way::Tls, "INBOX")] {
            let tls = match way {
                Way::Plain => "sslproto \"\"".to_owned(),
                Way::StartTls => format!("sslproto \"auto\" sslcertck sslcertfile {CA}"),
                Way::Tls => format!("ssl sslcertck sslcertfile {CA}"),
            };
            machine.sh("rm -rf /tmp/got; mkdir /tmp/got");
            machine.file("/tmp/deliver", "#!/bin/sh\nexec cat > $(mktemp /tmp/got/XXXXXXXX)\n").sh("chmod 755 /tmp/deliver");
            machine.file(
                "/tmp/fetchmailrc",
                format!(
                    "set no bouncemail\nset invisible\npoll {VA} protocol imap user joe password \"{FIRST}\" {tls}\n\
                     folder \"{folder}\" fetchall keep no rewrite pass8bits mda /tmp/deliver\n"
                ),
            );
            machine.sh("chmod 600 /tmp/fetchmailrc; HOME=/tmp FETCHMAILHOME=/tmp fetchmail -f /tmp/fetchmailrc");
            let ended = |mail: &Mail| with_end(unix(&mail.text()));
            office.assert_back_with(&format!("fetchmail, {way:?}"), &files(), ended, |_| ["\\Seen".to_owned()].into());
        }
        // It marks what it has fetched.
        let marked = |at| plain_flags(at).into_iter().chain(["\\Seen".to_owned()]).collect();
        office.assert_back_with("after fetchmail", &office.look(VA, "Listen"), Mail::text, marked);
        machine
            .sh("sed -i 's/fetchall keep/fetchall no keep/' /tmp/fetchmailrc; HOME=/tmp FETCHMAILHOME=/tmp fetchmail -f /tmp/fetchmailrc");
        assert_eq!(office.look(VA, "INBOX").len(), 0, "fetched and expunged");
    });
}

// It keeps messages in files with LF, puts a Return-Path before their header and the folder behind it, and a blank into empty headers.
#[test]
fn getmail_fetches_every_message_over_imap_exactly() {
    need!(root, "getmail6");
    Machine::run(|machine| {
        let office = Office::open(machine);
        office.deliver(".Listen").deliver(".Listen.alt");
        for (retriever, folder) in [("SimpleIMAPRetriever", "Listen"), ("SimpleIMAPSSLRetriever", "Listen/alt")] {
            let tls = if retriever.contains("SSL") { format!("ca_certs = {CA}\n") } else { String::new() };
            machine.sh("rm -rf /tmp/got; mkdir /tmp/got");
            machine.file("/tmp/deliver", PATIENT).sh("chmod 755 /tmp/deliver");
            machine.file(
                "/tmp/getmail/getmailrc",
                format!(
                    "[retriever]\ntype = {retriever}\nserver = {VA}\nusername = joe\npassword = {FIRST}\nmailboxes = (\"{folder}\",)\n{tls}\
                     [destination]\ntype = MDA_external\npath = /tmp/deliver\n\
                     [options]\nread_all = true\ndelivered_to = false\nreceived = false\nverbose = 0\n"
                ),
            );
            // It delivers nothing as root.
            machine.sh("chown -R mail /tmp/got /tmp/getmail");
            machine.sh("HOME=/tmp setpriv --reuid=8 --regid=8 --clear-groups getmail --getmaildir=/tmp/getmail");
            let expected = |mail: &Mail| {
                let text = [b"Return-Path: <unknown>\n", &*unix(&mail.text())].concat();
                let text = replaced(&text, b"X-Empty:\n", b"X-Empty: \n");
                replaced(&text, b"\n\n", format!("\nX-getmail-retrieved-from-mailbox: {folder}\n\n").as_bytes())
            };
            office.assert_back_with(retriever, &files(), expected, |_| ["\\Seen".to_owned()].into());
        }
    });
}

/// getmail 6.18 waits for ever for a child that ends before it begins to wait.
const PATIENT: &str = r#"#!/bin/sh
cat > "$(mktemp /tmp/got/XXXXXXXX)"
tries=0
until grep -q futex /proc/$PPID/wchan || [ $tries = 50 ]; do tries=$((tries + 1)); sleep 0.01; done
"#;

/// What lies in `/tmp/got`. Fetching marks messages as seen, and tells no flags.
fn files() -> Vec<Taken> {
    let entries = fs::read_dir(Path::new("/tmp/got")).unwrap();
    entries.map(|entry| Taken { octets: fs::read(entry.unwrap().path()).unwrap(), flags: ["\\Seen".to_owned()].into() }).collect()
}

fn with_end(mut text: Vec<u8>) -> Vec<u8> {
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text
}

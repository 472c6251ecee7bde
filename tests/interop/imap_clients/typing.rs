//! A person at a terminal: mutt.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::office::{FIRST, Office, Taken, VA, Way, plain_flags, read_maildir, write_maildir};
use crate::harness::machine::Machine;
use crate::harness::need;
use crate::harness::program::Program;
use crate::interop::corpus::unix;

// It leaves notes in headers.
#[test]
fn mutt_takes_every_message_there_and_back() {
    need!(root, "mutt");
    Machine::run(|machine| {
        let office = Office::open(machine);
        write_maildir(Path::new("/tmp/local"), &office.mails, |mail| unix(&mail.stored()));
        for way in [Way::Plain, Way::StartTls, Way::Tls] {
            let (client, there, back) = (format!("mutt, {way:?}"), format!("Größe-{way:?}"), format!("/tmp/back-{way:?}"));
            mutt(machine, way, "/tmp/local", &[&format!("{ALL}<tag-prefix><copy-message><kill-line>={there}<enter>{NONE}<quit>")]);
            let at_server = format!("Gr&APYA3w-e-{way:?}");
            let there_now = all_bare(office.look(VA, &at_server));
            office.assert_back_with(&client, &there_now, |mail| bare(&mail.text()), without_draft);

            let keys = [
                &*format!("{ALL}<tag-prefix><copy-message><kill-line>{back}<enter>{NONE}"),
                "<tag-pattern>~s 'message 17$'<enter><tag-prefix><set-flag>!<untag-pattern>~A<enter>",
                "<tag-pattern>~s 'message 4.$'<enter><tag-prefix><save-message><kill-line>=Woanders<enter><untag-pattern>~A<enter>",
                "<delete-pattern>~s 'message 5.$'<enter><sync-mailbox>",
                "<change-folder><kill-line>=Woanders<enter><search>~s 'message 44'<enter><display-message><exit>",
                &*format!("<change-folder><kill-line>={there}<enter>"),
                "<tag-pattern>~s 'message 18$'<enter><tag-prefix><set-flag>!<untag-pattern>~A<enter><sync-mailbox><quit>",
            ];
            mutt(machine, way, &format!("={there}"), &keys);
            let kept = all_bare(read_maildir(back.as_ref()));
            office.assert_back_with(&client, &kept, |mail| bare(&unix(&mail.text())), without_draft);
            assert_eq!(office.look(VA, "Woanders").len(), 10, "{client}: messages 40 to 49");
            let left = office.look(VA, &at_server);
            assert_eq!(left.len(), 180, "{client}: without 40 to 59");
            assert!(left[16].flags.contains("\\Flagged") && left[17].flags.contains("\\Flagged"), "{client}: 17 and 18");
            machine.sh(&format!("curl -sS --user joe:{FIRST} imap://{VA} -X 'DELETE Woanders'"));
        }
    });
}

fn mutt(machine: &Machine, way: Way, mailbox: &str, keys: &[&str]) {
    let (scheme, tls) = match way {
        Way::Plain => ("imap", "ssl_starttls=no ssl_force_tls=no"),
        Way::StartTls => ("imap", "ssl_starttls=yes ssl_force_tls=yes"),
        Way::Tls => ("imaps", "ssl_force_tls=yes"),
    };
    let of_this = format!("set folder={scheme}://joe@{VA}/ imap_pass={FIRST} {tls}\npush \"{}\"\n", keys.concat());
    machine.file("/tmp/muttrc", format!("{OPTIONS}{of_this}"));
    let mut script = Command::new("script");
    script.args(["-qefc", &format!("mutt -n -F /tmp/muttrc -f {mailbox}"), "/dev/null"]);
    // The end of its input would reach mutt as a key.
    let (mut mutt, _keyboard) = Program::start_talking(script.envs([("TERM", "xterm"), ("HOME", "/tmp"), ("LC_ALL", "C.UTF-8")]));
    assert!(mutt.end(60).success(), "{}", mutt.log());
}

/// What mutt keeps of a message, and what it was made of, without the headers in which it writes down what it knows.
fn bare(text: &[u8]) -> Vec<u8> {
    let mut in_header = true;
    let kept = text.split_inclusive(|octet| *octet == b'\n').filter(|line| {
        in_header &= !matches!(*line, b"\n" | b"\r\n");
        !in_header || !NOTES.iter().any(|name| line.starts_with(name.as_bytes()))
    });
    kept.collect::<Vec<&[u8]>>().concat()
}

fn all_bare(taken: Vec<Taken>) -> Vec<Taken> {
    taken.into_iter().map(|taken| Taken { octets: bare(&taken.octets), ..taken }).collect()
}

/// It does not know drafts by a flag.
fn without_draft(at: usize) -> BTreeSet<String> {
    plain_flags(at).into_iter().filter(|flag| flag != "\\Draft").collect()
}

const NOTES: [&str; 4] = ["Status: ", "X-Status: ", "Content-Length: ", "Lines: "];
const ALL: &str = "<tag-pattern>~A<enter>";
const NONE: &str = "<untag-pattern>~A<enter>";
const OPTIONS: &str = "
set mbox_type=Maildir move=no confirmappend=no confirmcreate=no delete=yes quit=yes beep=no sort=mailbox-order charset=utf-8
set wait_key=no mark_old=no resolve=no tmpdir=/tmp imap_check_subscribed=no header_cache=/tmp/hcache/ imap_condstore=yes imap_qresync=yes
set sleep_time=0 imap_idle=yes imap_peek=yes ssl_ca_certificates_file=/etc/ssl/test-authority.pem certificate_file=/tmp/accepted ssl_verify_host=yes
";

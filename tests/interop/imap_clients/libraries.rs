//! Libraries that programs are made of: Python's imaplib, IMAPClient and imap-tools, and Node's imapflow.

use super::office::{CA, FIRST, Office, SECOND, Taken, VA, VB, Way, in_target, interpreted, node, python};
use crate::harness::machine::Machine;
use crate::harness::program::succeed;
use crate::harness::{need, skip};
use crate::interop::corpus::Mail;

#[test]
fn imaplib_takes_every_message_there_and_back() {
    need!(root);
    there_and_back("imaplib", &[Way::Plain, Way::StartTls], |arguments| python("imaplib_there_and_back.py", arguments));
}

#[test]
fn imapclient_takes_every_message_there_and_back() {
    need!(root);
    if !in_target("python/imapclient").exists() {
        skip!("needs PyPI's IMAPClient in target/python");
    }
    there_and_back("IMAPClient", &[Way::StartTls, Way::Tls], |arguments| python("imapclient_there_and_back.py", arguments));
}

#[test]
fn imap_tools_take_every_message_there_and_back() {
    need!(root);
    if !in_target("python/imap_tools").exists() {
        skip!("needs PyPI's imap-tools in target/python");
    }
    there_and_back("imap-tools", &[Way::Plain, Way::Tls], |arguments| python("imap_tools_there_and_back.py", arguments));
}

#[test]
fn imapflow_takes_every_message_there_and_back() {
    need!(root);
    if !in_target("node/node_modules/imapflow").exists() {
        skip!("needs npm's imapflow in target/node");
    }
    there_and_back("imapflow", &[Way::StartTls, Way::Tls], |arguments| node("imapflow_there_and_back.js", arguments));
}

/// Each way in a domain of its own.
fn there_and_back(client: &str, ways: &[Way; 2], run: impl Fn(&[&str]) -> Vec<Taken> + Sync) {
    Machine::run(|machine| {
        let office = Office::open(machine);
        for (way, (host, password)) in ways.iter().zip([(VA, FIRST), (VB, SECOND)]) {
            let taken = run(&[host, password, &format!("{way:?}"), CA]);
            office.assert_back(&format!("{client}, {way:?}"), &taken, Mail::text);
        }
    });
}

#[test]
fn several_clients_in_one_mailbox_learn_what_the_others_do() {
    need!(root);
    if !in_target("python/imapclient").exists() {
        skip!("needs PyPI's IMAPClient in target/python");
    }
    Machine::run(|machine| {
        let _office = Office::open(machine);
        succeed(&mut interpreted("several_at_once.py", &[VA, FIRST]));
    });
}

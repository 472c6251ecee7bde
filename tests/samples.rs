//! The shipped samples: they parse, every setting of the configuration is in them and no other, each with a line about it, and their
//! values are the defaults.

use std::collections::BTreeSet;
use std::path::Path;

use vmail::config::{Count, DomainRecord, Limit, LogTarget, Machine, MainUsers, Pair, Plaintext, UserQuota};

const MACHINE: &str = include_str!("../contrib/vmail.toml.sample");
const RECORD: &str = include_str!("../contrib/domain.toml.sample");

/// A `#` without a blank behind it hides a setting; without the `#`, it is set.
fn with_all_set(sample: &str) -> String {
    let is_hidden = |line: &str| line.starts_with('#') && !matches!(line.as_bytes().get(1), None | Some(b' '));
    sample.lines().map(|line| if is_hidden(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

/// The names of all settings, `section.key`.
fn keys(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    gather("", &text.parse::<toml::Table>().unwrap().into(), &mut found);
    found
}

fn gather(path: &str, value: &toml::Value, found: &mut BTreeSet<String>) {
    match value {
        // Its keys are addresses.
        toml::Value::Table(_) if path == ".address" => _ = found.insert(path.to_owned()),
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| gather(&format!("{path}.{key}"), value, found)),
        toml::Value::Array(list) if list.iter().any(toml::Value::is_table) => list.iter().for_each(|value| gather(path, value, found)),
        _ => _ = found.insert(path.to_owned()),
    }
}

fn pair() -> Option<Pair> {
    Some(Pair { certificate: "c".into(), key: "k".into() })
}

/// Settings of the machine, none unset.
fn whole_machine() -> Machine {
    let mut machine = Machine { host: Some("h".into()), plaintext: Some(Plaintext::Local), tls: pair(), ..Machine::default() };
    machine.log.to = Some(LogTarget::Stderr);
    machine.main.users = Some(MainUsers::None);
    machine.lmtp.group = Some("postfix".into());
    machine.mta.group = Some("postfix".into());
    machine.delivery.relay = Some("127.0.0.1:25".into());
    machine.delivery.program_user = Some("nobody".into());
    machine.delivery.virtmaps = Some("virtmaps".into());
    machine.delivery.virtusertable = Some("/etc/mail/virtusertable".into());
    machine.listen = machine.listeners(false);
    machine.listen[0].port = Some(110);
    machine.address.insert("192.0.2.1".parse().unwrap(), vmail::config::AddressKind::Main);
    machine
}

fn whole_record() -> DomainRecord {
    let mut record = DomainRecord { plaintext: Some(Plaintext::Local), tls: pair(), ..DomainRecord::default() };
    let joe = UserQuota { inbox: Limit::Unlimited, storage: Limit::Unlimited, messages: Limit::Of(Count(1)) };
    record.quota.user.insert("joe".parse().unwrap(), joe);
    record.delivery.filter = Some("/usr/local/bin/filter".parse().unwrap());
    record
}

#[test]
fn the_samples_are_the_defaults() {
    assert_eq!(Machine::parse(MACHINE, Path::new("vmail.toml.sample")).unwrap(), Machine::default());
    assert_eq!(DomainRecord::parse(RECORD, Path::new("domain.toml.sample")).unwrap(), DomainRecord::default());
}

#[test]
fn the_examples_in_them_are_right_and_name_every_setting() {
    let (machine, record) = (with_all_set(MACHINE), with_all_set(RECORD));
    Machine::parse(&machine, Path::new("vmail.toml.sample")).unwrap();
    DomainRecord::parse(&record, Path::new("domain.toml.sample")).unwrap();
    assert_eq!(keys(&machine), keys(&whole_machine().to_toml()));
    assert_eq!(keys(&record), keys(&toml::to_string(&whole_record()).unwrap()));
}

#[test]
fn every_setting_has_a_line_about_it() {
    for sample in [MACHINE, RECORD] {
        let shown = with_all_set(sample);
        let lines: Vec<&str> = shown.lines().collect();
        for pair in lines.windows(2) {
            let is_setting = !pair[1].starts_with('#') && pair[1].contains('=');
            assert!(!is_setting || pair[0].starts_with("# "), "{:?} has no line about it", pair[1]);
        }
    }
}

#[test]
fn the_sample_of_virtmaps_has_nothing_to_remark_on() {
    let (table, remarks) = vmail::maps::Virtmaps::parse(include_str!("../contrib/virtmaps.sample"));
    assert_eq!((table.entries().len(), remarks.iter().next()), (6, None));
}

#[test]
fn service_files_for_xinetd_and_systemd_are_shipped() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["xinetd", "contrib/systemd"] {
        assert!(std::fs::read_dir(top.join(folder)).is_ok_and(|mut files| files.next().is_some()), "{folder} is empty");
    }
}

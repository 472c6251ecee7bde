//! Whatever is configured and whoever calls: the server does what `identify` decides, which is what `vmail explain` prints; and the
//! compiled table of the inetd programs decides as the directory does.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vmail::config::{Machine, MainUsers, Retrieval};
use vmail::house::Report;
use vmail::pop3::Done;
use vmail::serve::{self, Server};
use vmail::vdomain::{Answer, Compiled, Decision, Directory, Evidence, Login, Refusal, Standing, Whose, Why, identify};

use crate::house::{Dial, House};

/// A domain record.
#[derive(Debug, Clone)]
struct Record {
    name: &'static str,
    ip: Vec<&'static str>,
    alias: Vec<&'static str>,
    strict: bool,
    /// `enabled`, `retrieval`, or a mistake.
    more: &'static str,
}

/// A tree and a connection.
#[derive(Debug, Clone)]
struct Case {
    records: Vec<Record>,
    declared: Vec<(&'static str, &'static str)>,
    has_system_users: bool,
    local: &'static str,
    sni: Option<&'static str>,
    names: Option<Vec<&'static str>>,
    login: String,
}

const DOMAINS: [&str; 5] = ["foo.test", "va.foo.test", "vb.foo.test", "bar.test", "host.test"];
const NAMES: [&str; 12] = [
    "foo.test",
    "va.foo.test",
    "mail.va.foo.test",
    "VB.Foo.Test.",
    "bar.test",
    "mail.bar.test",
    "al.test",
    "mail.al.test",
    "host.test",
    "nowhere.test",
    "localhost",
    "a..b",
];
const ADDRESSES: [&str; 5] = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "::ffff:192.0.2.2"];

fn cases() -> impl Strategy<Value = Case> {
    let record = (
        select(&DOMAINS[..]),
        vec(select(&ADDRESSES[..]), 0..2),
        vec(select(&["al.test", "bar.test", "x.va.foo.test"][..]), 0..2),
        any::<bool>(),
        select(&["", "", "", "", "enabled = false\n", "retrieval = \"locked\"\n", "mistake = 1\n"][..]),
    );
    let record = record.prop_map(|(name, ip, alias, strict, more)| Record { name, ip, alias, strict, more });
    let declared = vec((select(&ADDRESSES[..4]), select(&["domain", "shared", "main"][..])), 0..3);
    let user = select(&["joe", "Joe ", "ann"][..]);
    let domain = prop_oneof![Just(None), select(&NAMES[..]).prop_map(Some)];
    let login = (user, domain, select(&["@", "%"][..])).prop_map(|(user, domain, separator)| match domain {
        Some(domain) => format!("{}{separator}{domain}", user.trim_end()),
        None => user.to_owned(),
    });
    let names = prop_oneof![Just(None), vec(select(&NAMES[..]), 0..3).prop_map(Some)];
    let sni = prop_oneof![Just(None), select(&NAMES[..]).prop_map(Some)];
    (vec(record, 0..4), declared, any::<bool>(), select(&ADDRESSES[..]), sni, names, login).prop_map(
        |(mut records, mut declared, has_system_users, local, sni, names, login)| {
            records.sort_by_key(|record| record.name);
            records.dedup_by_key(|record| record.name);
            declared.sort();
            declared.dedup_by_key(|(address, _)| *address);
            Case { records, declared, has_system_users, local, sni, names, login }
        },
    )
}

impl Case {
    fn build(&self) -> House {
        let declared: String = self.declared.iter().map(|(address, kind)| format!("\"{address}\" = \"{kind}\"\n")).collect();
        let users = if self.has_system_users { "system" } else { "none" };
        let house = House::new(&format!("[main]\nusers = \"{users}\"\n[login]\ntries = 100\n[address]\n{declared}"));
        for Record { name, ip, alias, strict, more } in &self.records {
            house.domain(name, &format!("ip = {ip:?}\nalias = {alias:?}\nstrict_ip = {strict}\n{more}"));
            house.user(&format!("joe@{name}"), &password(name));
        }
        house
    }

    fn names(&self) -> Answer {
        match &self.names {
            None => Answer::Unanswered,
            Some(names) => Answer::Names(names.iter().map(|&name| name.to_owned()).collect()),
        }
    }
}

/// Each domain's joe has another, so that a login tells whose it was.
fn password(domain: &str) -> String {
    format!("secret of {domain}")
}

fn machine(house: &House) -> Arc<Machine> {
    Arc::new(Machine::load(house.root()).unwrap())
}

/// What was heard, and how the session ended.
async fn session(server: &Arc<Server>, case: &Case, password: &str) -> (String, Report<Done>) {
    let mut dial = Dial::to(case.local);
    dial.sni = case.sni.map(str::to_owned);
    dial.names = case.names();
    let (mut pipe, task) = dial.connect(server, 1 << 16);
    // The greeting may be a refusal, which nobody waits behind.
    let _ = pipe.write_all(format!("USER {}\r\nPASS {password}\r\nQUIT\r\n", case.login).as_bytes()).await;
    let mut heard = String::new();
    pipe.read_to_string(&mut heard).await.unwrap();
    // Who is refused is waited for until he is gone.
    drop(pipe);
    (heard, task.await.unwrap())
}

fn greeting(connection: &Decision, case: &Case) -> String {
    let refused = |code: &str| format!("-ERR [SYS/{code}]");
    match &connection.whose {
        Whose::Refused(_) => refused("PERM"),
        Whose::Main if !case.has_system_users => refused("PERM"),
        Whose::Domain(domain) if matches!(domain.standing, Standing::Broken(_)) => refused("TEMP"),
        Whose::Domain(domain) => format!("+OK Virtual {} POP3 Server (Version ", domain.name),
        Whose::Main | Whose::Shared => "+OK host.test POP3 Server (Version ".to_owned(),
    }
}

/// How the answer to PASS begins, when the password is that of the domain that was decided for.
fn answer(login: &Decision, case: &Case) -> &'static str {
    match &login.whose {
        Whose::Refused(Refusal::NoDomain) => "-ERR [AUTH] this address serves many domains",
        Whose::Refused(_) | Whose::Shared => "-ERR [AUTH] invalid",
        // This house has no /etc/passwd.
        Whose::Main if case.has_system_users => "-ERR [SYS/TEMP]",
        Whose::Main => "-ERR [AUTH] invalid",
        Whose::Domain(domain) if matches!(domain.standing, Standing::Broken(_)) => "-ERR [SYS/TEMP]",
        Whose::Domain(_) if !case.login.to_lowercase().starts_with("joe") => "-ERR [AUTH] invalid",
        Whose::Domain(domain) if domain.standing == Standing::Disabled || domain.record.retrieval == Retrieval::Locked => "-ERR [SYS/PERM]",
        Whose::Domain(_) => "+OK 0 messages ready for joe",
    }
}

fn check(case: &Case, runtime: &tokio::runtime::Runtime) -> Result<(), TestCaseError> {
    let house = case.build();
    let directory = Directory::load(house.root(), machine(&house), None);
    // The first opening makes the table, the second reads it.
    Compiled::open(house.root(), machine(&house)).whole();
    let table = Compiled::open(house.root(), machine(&house));

    let login = Login::parse(&case.login, "@%").unwrap();
    let names = case.names();
    let caller = Evidence { local: case.local.parse().unwrap(), names: names.evidence(), sni: case.sni, login: None };
    let login_evidence = Evidence { login: Some(&login), ..caller };
    let (connection, person) = (identify(&directory, &caller), identify(&directory, &login_evidence));
    for (evidence, decision) in [(caller, &connection), (login_evidence, &person)] {
        let compiled = identify(&table, &evidence);
        prop_assert_eq!(&compiled.whose, &decision.whose);
        prop_assert_eq!(compiled.why, decision.why);
        prop_assert_eq!(&compiled.steps, &decision.steps);
    }

    let password = match &person.whose {
        Whose::Domain(domain) => password(domain.name.as_str()),
        _ => "any".to_owned(),
    };
    for mode in [serve::Mode::Daemon, serve::Mode::Inetd] {
        let server = house.open(mode);
        prop_assert_eq!(server.now().house.main == MainUsers::System, case.has_system_users);
        let (heard, report) = runtime.block_on(session(&server, case, &password));
        let lines: Vec<&str> = heard.lines().collect();
        prop_assert!(lines[0].starts_with(&greeting(&connection, case)), "{:?}: {}", connection, heard);
        if lines[0].starts_with("-ERR") {
            prop_assert_eq!(lines.len(), 1);
            continue;
        }
        let expected = answer(&person, case);
        prop_assert!(lines[2].starts_with(expected), "{:?}: expected {}: {}", person, expected, heard);
        if let (Whose::Domain(domain), true) = (&person.whose, expected.starts_with("+OK")) {
            prop_assert_eq!(report.domain.as_deref(), Some(domain.name.as_str()));
            prop_assert_eq!(report.why, person.why);
        }
    }
    Ok(())
}

#[test]
fn the_server_takes_the_decision_that_explain_prints() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 96, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() };
    proptest!(config, |(case in cases())| check(&case, &runtime)?);
}

#[test]
fn explain_prints_the_decision_with_its_reason() {
    let house = House::new("[address]\n\"192.0.2.4\" = \"shared\"\n[reverse]\nlookup = \"off\"\n");
    house.domain("va.test", "ip = [\"192.0.2.2\"]\nalias = [\"va.net\"]\n");
    let explain = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_vmail"));
        let output = command.arg("--root").arg(house.root().path()).args(["explain", "--json"]).args(words).output().unwrap();
        (output.status.success(), serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap())
    };
    for (words, is_served, whose, domain, why) in [
        (&["--local", "192.0.2.2"][..], true, "domain", Some("va.test"), Why::IpTable),
        (&["--local", "192.0.2.4"], true, "shared", None, Why::Declared),
        (&["--local", "192.0.2.4", "--sni", "mail.va.net", "--login", "joe"], true, "domain", Some("va.test"), Why::Sni),
        (&["--local", "192.0.2.4", "--login", "joe"], false, "refused", None, Why::Declared),
        (&["--local", "192.0.2.2", "--login", "joe@nowhere.test"], false, "refused", None, Why::Login),
        (&["--local", "192.0.2.9"], true, "main", None, Why::Default),
    ] {
        let (succeeded, said) = explain(words);
        assert_eq!(succeeded, is_served, "{words:?}");
        assert_eq!((said["whose"].as_str(), said["domain"].as_str()), (Some(whose), domain), "{words:?}");
        assert_eq!(said["why"], why.to_string(), "{words:?}");
    }
}

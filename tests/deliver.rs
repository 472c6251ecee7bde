//! Who gets the mail, as `vmail explain --rcpt` tells it.

mod traps;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::harness::program::run;
use crate::house::House;

fn explain(house: &House, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vmail")).arg("--root").arg(house.root().path()).arg("explain").args(words).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn explain_tells_who_gets_the_mail_and_where_that_is_written() {
    let house = House::new("");
    house.domain("va.test", "alias = [\"va.net\"]\n[delivery]\nfallback = \"|/bin/x %u %f\"\n");
    house.user("joe@va.test", "joe");
    let aliases = house.root().aliases(&"va.test".parse().unwrap());
    fs::write(&aliases, "# staff\nsales: joe, ann@x.org\ngone: :include:rel\n").unwrap();
    let told = explain(&house, &["--rcpt", "Sales@va.net"]);
    let record = house.root().record(&"va.test".parse().unwrap());
    let at = format!("({}:2, sales)", aliases.display());
    let expected = [
        "Sales@va.net: another name of the domain".to_owned(),
        format!("  Sales@va.test ({}, alias): alias", record.display()),
        format!("    joe@va.test {at}: mailbox joe@va.test"),
        format!("    ann@x.org {at}: forward to ann@x.org"),
        "=> delivered\n".to_owned(),
    ];
    assert!(told.status.success());
    assert_eq!(said(&told), expected.join("\n"));
    let told = explain(&house, &["--json", "--rcpt", "eve@va.test", "--from", "a@x.org"]);
    let json: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((json["verdict"].as_str(), json["steps"][1]["found"].as_str()), (Some("delivered"), Some("program")));
    assert!(json["steps"][1]["text"].as_str().unwrap().contains("a@x.org"));
}

#[test]
fn users_of_two_domains_never_share_a_uid() {
    let house = House::new("");
    let vmail = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmail"));
        let added = run(command.arg("--root").arg(house.root().path()).args(words), b"secret word\n", 30);
        assert!(added.status.success(), "{words:?}: {added:?}");
    };
    let mut uids = BTreeSet::new();
    for domain in ["va.test", "vb.test"] {
        vmail(&["domain", "add", domain]);
        for user in ["joe", "ann"] {
            vmail(&["user", "add", &format!("{user}@{domain}"), "--password-stdin"]);
        }
        let passwd = fs::read_to_string(house.root().passwd(&domain.parse().unwrap())).unwrap();
        uids.extend(passwd.lines().map(|line| line.split(':').nth(2).unwrap().to_owned()));
    }
    assert_eq!(uids.into_iter().collect::<Vec<_>>(), ["60000", "60001", "60002", "60003"]);
}

#[test]
fn config_check_tells_what_delivery_would_stumble_over() {
    let house = House::new(
        "lmtp.group = \"nobodies\"\n[delivery]\nprogram_user = \"nobody-here\"\nvirtmaps = \"virtmaps\"\nvirtusertable = \"users\"\n",
    );
    house.domain("va.test", "");
    fs::write(house.root().etc().join("users"), "joe@va.test ann@va.test\neve@va.test |/bin/cat\n").unwrap();
    let aliases = house.root().aliases(&"va.test".parse().unwrap());
    fs::write(&aliases, "run: \"|/bin/x y\"\n").unwrap();
    fs::set_permissions(&aliases, fs::Permissions::from_mode(0o666)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmail"));
    let told = run(command.arg("--root").arg(house.root().path()).args(["config", "check"]), b"", 20);
    let said = said(&told);
    assert_eq!(told.status.code(), Some(78));
    for fault in [
        "vmail.toml: delivery.program_user = \"nobody-here\": there is no such user",
        "vmail.toml: lmtp.group = \"nobodies\": there is no such group",
        "aliases.va.test: others than root and the service",
        "virtmaps.cdb: cannot be read",
        "users:2: Cannot mail directly to programs",
    ] {
        assert!(said.contains(fault), "{said}");
    }
    fs::set_permissions(&aliases, fs::Permissions::from_mode(0o644)).unwrap();
    let told = run(&mut command, b"", 20);
    assert!(!String::from_utf8_lossy(&told.stdout).contains("aliases.va.test"));
}

#[test]
fn explain_fails_where_nobody_gets_the_mail() {
    let house = House::new("");
    house.domain("va.test", "");
    fs::write(house.root().aliases(&"va.test".parse().unwrap()), "gone: :include:rel\n").unwrap();
    for (rcpt, why) in
        [("eve@va.test", "refused: there is no such user"), ("joe@vb.test", "refused: this domain"), ("gone@va.test", "later: ")]
    {
        let told = explain(&house, &["--rcpt", rcpt]);
        assert!(!told.status.success() && said(&told).contains(&format!("=> {why}")), "{rcpt}: {told:?}");
    }
    assert!(!explain(&house, &["--rcpt", "joe@va.test", "--local", "192.0.2.2"]).status.success(), "one question at a time");
    assert!(!explain(&house, &["--json"]).status.success());
}

//! `vmail mailbox` and `vmail quota` as an operator runs them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use vmail::serve::Mode;

use super::harness::skip;
use super::house::{Dial, House};

/// What `vmail` says, run below `house`.
fn run(house: &House, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vmail")).arg("--root").arg(house.root().path()).args(arguments).output().unwrap()
}

fn vmail(house: &House, arguments: &[&str]) -> String {
    let output = run(house, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(house: &House, arguments: &[&str]) -> Vec<Value> {
    serde_json::from_str(&vmail(house, &[arguments, &["--json"]].concat())).unwrap()
}

fn refusal(house: &House, arguments: &[&str]) -> String {
    let output = run(house, arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A domain with joe, whose maildrop is yet to come into being.
fn house(record: &str) -> House {
    let house = House::new("");
    house.domain("va.test", &format!("ip = [\"127.0.0.2\"]\nowner = \"vmail\"\n{record}"));
    house.user("joe@va.test", "secret");
    house
}

fn mbox(house: &House) -> String {
    let path = house.beside("some.mbox");
    let message = |nth: u32, notes: &str, body: &str| {
        format!("From ann@x.test Sun Sep  9 01:46:4{nth} 2001\nSubject: {nth}\nFrom: ann@x.test\n{notes}\n{body}\n\n")
    };
    let text = [
        message(0, "Status: RO\n", "one"),
        message(1, "X-Status: AF\nX-Keywords: $Work Later\n", "a line\n>From ann@x.test Sun Sep  9 01:46:40 2001\nFrom here on"),
        message(2, "", "three"),
    ];
    fs::write(&path, text.concat()).unwrap();
    path.display().to_string()
}

/// All of an account that a client could know, by folder: numbers, and an export of every message with flags and dates.
fn everything(house: &House, nth: u32) -> (Vec<Value>, BTreeMap<String, (String, u64)>) {
    let mut folders = json(house, &["mailbox", "status", "joe@va.test"]);
    for folder in &mut folders {
        let folder = folder.as_object_mut().unwrap();
        // Counted in octets of the store; and a new index has a new history.
        ["octets", "modseq"].iter().for_each(|key| _ = folder.remove(*key));
    }
    folders.extend(json(house, &["mailbox", "list", "joe@va.test"]).into_iter().map(|mut line| {
        line.as_object_mut().unwrap().remove("octets");
        line
    }));
    let target = house.beside(&format!("export.{nth}"));
    vmail(house, &["mailbox", "export", "joe@va.test", target.to_str().unwrap(), "--format", "eml"]);
    let mut files = BTreeMap::new();
    gather(&target, &target, &mut files);
    (folders, files)
}

fn gather(top: &Path, folder: &Path, files: &mut BTreeMap<String, (String, u64)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            gather(top, &entry.path(), files);
            continue;
        }
        let time = entry.metadata().unwrap().modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let name = entry.path().strip_prefix(top).unwrap().display().to_string();
        let text = fs::read_to_string(entry.path()).unwrap();
        let found = match entry.file_name() == "flags.txt" {
            true => (unaged(&text), 0),
            false => (text.trim_end().to_owned(), time),
        };
        files.insert(name, found);
    }
}

/// A line that would separate messages has a `>` before it as soon as it has been in an mbox, for good: nothing else of a text changes.
fn unquoted<T>((folders, mut files): (T, BTreeMap<String, (String, u64)>)) -> (T, BTreeMap<String, (String, u64)>) {
    files.values_mut().for_each(|(text, _)| *text = text.replace("\n>From ann", "\nFrom ann"));
    (folders, files)
}

/// Whether somebody has listed a message before is no flag of a client's, and differs by form.
fn unaged(flags: &str) -> String {
    let text = flags.replace(" \\Old", "");
    text.lines().filter(|line| line.contains(' ')).collect::<Vec<_>>().join("\n")
}

async fn uidl(house: &House) -> Vec<String> {
    let (wire, session) = Dial::to("127.0.0.2").connect(&house.open(Mode::Daemon), 64 * 1024);
    let (read, mut write) = tokio::io::split(wire);
    write.write_all(b"USER joe\r\nPASS secret\r\nUIDL\r\nQUIT\r\n").await.unwrap();
    let (mut lines, mut all) = (BufReader::new(read).lines(), Vec::new());
    while let Ok(Some(line)) = lines.next_line().await {
        all.push(line);
    }
    session.await.unwrap();
    let begin = all.iter().position(|line| line.starts_with("1 ")).unwrap_or_else(|| panic!("{all:?}"));
    all[begin..].iter().take_while(|line| *line != ".").cloned().collect()
}

#[test]
fn folders_are_named_as_clients_name_them() {
    let house = house("[folders]\nseparator = \".\"\nprefix = \"INBOX.\"\n");
    vmail(&house, &["mailbox", "create", "joe@va.test", "INBOX.Lists.Rust", "--subscribe"]);
    assert!(house.root().spool(&"va.test".parse().unwrap()).join("joe/.Lists.Rust/cur").is_dir());
    assert!(refusal(&house, &["mailbox", "create", "joe@va.test", "Sent"]).contains("folders' names begin with INBOX."));
    vmail(&house, &["mailbox", "rename", "joe@va.test", "INBOX.Lists.Rust", "INBOX.Rust"]);
    let lines = json(&house, &["mailbox", "list", "joe@va.test"]);
    let names: Vec<_> = lines.iter().map(|line| (line["folder"].as_str().unwrap(), line["subscribed"].as_bool().unwrap())).collect();
    assert_eq!(names, [("INBOX", false), ("INBOX.Rust", true)]);
    vmail(&house, &["mailbox", "delete", "joe@va.test", "INBOX.Rust"]);
    assert_eq!(json(&house, &["mailbox", "list", "joe@va.test"]).len(), 1);
}

#[test]
fn what_is_exported_comes_back_whatever_the_form() {
    for (form, spool) in
        [("mbox", "maildir"), ("maildir", "maildir"), ("eml", "maildir"), ("mbox", "mbox"), ("maildir", "mbox"), ("eml", "mbox")]
    {
        let house = house(&format!("spool = \"{spool}\"\n"));
        vmail(&house, &["mailbox", "import", "joe@va.test", &mbox(&house)]);
        vmail(&house, &["mailbox", "import", "joe@va.test", &mbox(&house), "--folder", "Lists/Rust"]);
        let (_, before) = everything(&house, 1);
        assert_eq!(before.len(), 8, "{before:?}");
        assert!(before["INBOX/flags.txt"].0.contains("2.eml") && before["INBOX/flags.txt"].0.contains("$Work Later"), "{before:?}");
        assert_eq!(before["INBOX/1.eml"].1, 1_000_000_000);
        let target = house.beside("out").display().to_string();
        vmail(&house, &["mailbox", "export", "joe@va.test", &target, "--format", form]);
        assert!(refusal(&house, &["mailbox", "export", "joe@va.test", &target, "--format", form]).contains("exists") || form == "maildir");
        house.user("eve@va.test", "secret");
        assert_eq!(vmail(&house, &["mailbox", "import", "eve@va.test", &target]), "6 messages\n");
        let again = house.beside("again");
        vmail(&house, &["mailbox", "export", "eve@va.test", again.to_str().unwrap(), "--format", "eml"]);
        let mut after = BTreeMap::new();
        gather(&again, &again, &mut after);
        assert_eq!(after, before, "{form} {spool}");
    }
}

#[test]
fn limits_hold_for_imports_unless_they_are_not_to() {
    let house = house("");
    vmail(&house, &["user", "quota", "joe@va.test", "--messages", "2"]);
    let said = refusal(&house, &["mailbox", "import", "joe@va.test", &mbox(&house)]);
    assert!(said.contains("stopped after 0 messages") && said.contains("over quota"), "{said}");
    assert_eq!(vmail(&house, &["mailbox", "import", "joe@va.test", &mbox(&house), "--over-quota"]), "3 messages\n");
    let rows = json(&house, &["quota", "show", "joe@va.test"]);
    assert_eq!((&rows[0]["messages"], &rows[0]["messages_limit"]), (&3.into(), &2.into()));
    vmail(&house, &["quota", "set", "joe@va.test", "--messages", "default", "--storage", "1G"]);
    let record = fs::read_to_string(house.root().record(&"va.test".parse().unwrap())).unwrap();
    assert!(record.contains("storage = \"1G\"") && !record.contains("messages"), "{record}");
    assert!(refusal(&house, &["quota", "set", "joe@va.test", "--storage", "much"]).contains("number of KiB"));
    assert_eq!(fs::read_to_string(house.root().record(&"va.test".parse().unwrap())).unwrap(), record);
    vmail(&house, &["quota", "set", "va.test", "--inbox", "2000", "--domain-messages", "9"]);
    let skipped = vmail(&house, &["mailbox", "import", "joe@va.test", &mbox(&house), "--skip", "2"]);
    assert_eq!(skipped, "1 messages\n");
    assert!(vmail(&house, &["quota", "recompute", "va.test"]).starts_with("va.test: 4 messages"));
}

#[test]
fn what_is_wrong_is_found_and_made_anew() {
    let house = house("");
    vmail(&house, &["mailbox", "import", "joe@va.test", &mbox(&house)]);
    assert!(json(&house, &["mailbox", "check", "joe@va.test"]).is_empty());
    let before = everything(&house, 1);
    let folder = house.root().index().join("va.test/joe");
    fs::write(folder.join("vmail.index"), "garbage").unwrap();
    let cur = house.root().spool(&"va.test".parse().unwrap()).join("joe/cur");
    fs::write(cur.join("strange:2,S,S=7"), "Subject: x\n\n").unwrap();
    fs::write(cur.join("1.x,S=99:2,S"), "Subject: x\n\n").unwrap();
    let output = run(&house, &["mailbox", "check", "joe@va.test", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let odd: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let whats: Vec<&str> = odd.iter().map(|odd| odd["what"].as_str().unwrap()).collect();
    assert!(whats.iter().any(|what| what.contains("the index is of no use")), "{whats:?}");
    assert!(whats.iter().any(|what| what.contains("its name says something else")), "{whats:?}");
    fs::remove_file(cur.join("strange:2,S,S=7")).unwrap();
    fs::remove_file(cur.join("1.x,S=99:2,S")).unwrap();
    vmail(&house, &["mailbox", "rebuild", "joe@va.test"]);
    let after = everything(&house, 2);
    assert_eq!(after.1, before.1);
    assert_eq!((&after.0[0]["uidvalidity"], &after.0[0]["id"]), (&before.0[0]["uidvalidity"], &before.0[0]["id"]));
}

#[tokio::test]
async fn a_converted_account_is_the_same_to_all_its_clients() {
    for spool in ["mbox", "maildir"] {
        let other = if spool == "mbox" { "maildir" } else { "mbox" };
        let house = house(&format!("spool = \"{spool}\"\n"));
        assert_eq!(vmail(&house, &["mailbox", "convert", other, "joe@va.test"]), "nothing to do\n");
        vmail(&house, &["mailbox", "import", "joe@va.test", &mbox(&house), &mbox(&house)]);
        vmail(&house, &["mailbox", "import", "joe@va.test", &mbox(&house), "--folder", "Lists/Rust"]);
        vmail(&house, &["mailbox", "create", "joe@va.test", "Gesendet", "--special", "sent", "--subscribe"]);
        assert_eq!(vmail(&house, &["mailbox", "convert", spool, "joe@va.test"]), "nothing to do\n");
        let (ids, before) = (uidl(&house).await, everything(&house, 1));
        assert_eq!(ids.len(), 6);
        for (nth, form) in [(2, other), (3, spool), (4, other)] {
            assert_eq!(vmail(&house, &["mailbox", "convert", form, "joe@va.test"]), "9 messages\n");
            assert!(json(&house, &["mailbox", "check", "joe@va.test"]).is_empty());
            assert_eq!(uidl(&house).await, ids, "{spool} as {form}");
            let after = everything(&house, nth);
            assert_eq!(unquoted(after), unquoted(before.clone()), "{spool} as {form}");
            let maildrop = house.root().spool(&"va.test".parse().unwrap());
            assert_eq!(fs::read_dir(maildrop).unwrap().count(), 1, "nothing is left beside");
        }
    }
}

#[test]
fn nothing_is_converted_under_a_session() {
    let house = house("");
    vmail(&house, &["mailbox", "import", "joe@va.test", &mbox(&house)]);
    let root = house.root();
    let machine = vmail::config::Machine::load(root).unwrap();
    let store = vmail::store::Store::new(vmail::store::Places::below(root, &machine));
    let session = store.claim(&"joe@va.test".parse().unwrap()).unwrap();
    assert!(refusal(&house, &["mailbox", "convert", "mbox", "joe@va.test"]).contains("joe@va.test is logged in; try again"));
    drop(session);
    vmail(&house, &["mailbox", "convert", "mbox", "joe@va.test"]);
}

#[test]
fn what_an_interrupted_conversion_left_is_cleared_away_and_late_mail_is_kept() {
    let house = house("");
    vmail(&house, &["mailbox", "import", "joe@va.test", &mbox(&house)]);
    vmail(&house, &["mailbox", "create", "joe@va.test", "Sent"]);
    let spool = house.root().spool(&"va.test".parse().unwrap());
    let home = house.root().home(&"joe@va.test".parse().unwrap());
    let before = everything(&house, 1);
    // Before the swap: half of the new form.
    fs::write(home.join(".vmail-converting"), "mbox 0\0Sent\0").unwrap();
    fs::write(home.join("Sent"), "From half").unwrap();
    fs::write(spool.join("joe%converting"), "From half").unwrap();
    assert_eq!(vmail(&house, &["mailbox", "convert", "mbox", "joe@va.test"]), "3 messages\n");
    assert_eq!(unquoted(everything(&house, 2)), unquoted(before.clone()));
    // After the swap: the old form, and what somebody appended to it without a lock.
    let old = fs::read_to_string(spool.join("joe")).unwrap();
    assert_eq!(vmail(&house, &["mailbox", "convert", "maildir", "joe@va.test"]), "3 messages\n");
    fs::write(home.join(".vmail-converting"), format!("maildir {}\0Sent\0", old.len())).unwrap();
    fs::write(home.join("Sent"), "").unwrap();
    let late = "From ann@x.test Sun Sep  9 01:46:40 2001\nSubject: late\n\nlate\n\n";
    fs::write(spool.join("joe%converting"), format!("{old}{late}")).unwrap();
    assert_eq!(vmail(&house, &["mailbox", "convert", "maildir", "joe@va.test"]), "nothing to do\n");
    let (_, after) = everything(&house, 3);
    assert_eq!(after["INBOX/4.eml"].0, "Subject: late\n\nlate");
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 1);
    assert!(!home.join("Sent").exists() && !home.join(".vmail-converting").exists());
}

#[test]
fn a_conversion_that_is_killed_at_any_step_has_happened_or_has_not() {
    if Command::new("strace").arg("--version").output().is_err() {
        skip!("there is no strace");
    }
    let house = house("");
    vmail(&house, &["mailbox", "import", "joe@va.test", &mbox(&house)]);
    vmail(&house, &["mailbox", "import", "joe@va.test", &mbox(&house), "--folder", "Lists"]);
    let (before, spool) = (unquoted(everything(&house, 0)), house.root().spool(&"va.test".parse().unwrap()));
    let (mut nth, mut forms) = (0, vec!["mbox", "maildir"]);
    for step in 1.. {
        forms.retain(|form| {
            nth += 1;
            let is_done = !is_killed(&house, &["mailbox", "convert", form, "joe@va.test"], step);
            assert_eq!(unquoted(everything(&house, nth)), before, "killed before step {step} to {form}");
            let said = vmail(&house, &["mailbox", "convert", form, "joe@va.test"]);
            assert!(
                ["nothing to do\n", "6 messages\n"].contains(&&*said) && (!is_done || said.starts_with("nothing")),
                "step {step}: {said}"
            );
            assert_eq!(fs::read_dir(&spool).unwrap().count(), 1, "step {step} to {form}: something is left beside");
            assert_eq!(spool.join("joe").is_dir(), *form == "maildir");
            !is_done
        });
        // Where one direction has come to its end, the way back is not what is looked at.
        if let [form] = forms[..] {
            vmail(&house, &["mailbox", "convert", if form == "mbox" { "maildir" } else { "mbox" }, "joe@va.test"]);
        }
        if forms.is_empty() {
            break;
        }
    }
    assert_eq!(unquoted(everything(&house, nth + 1)), before);
    assert!(nth > 40, "{nth}");
}

/// Whether `vmail` was killed when it was about to take step `nth` of those that change something on the disk.
fn is_killed(house: &House, arguments: &[&str], nth: usize) -> bool {
    const STEPS: &str =
        "mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,write,pwrite64,ftruncate,fsync,fdatasync,syncfs";
    let (trace, inject) = (format!("trace={STEPS}"), format!("inject={STEPS}:signal=KILL:when={nth}"));
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject]);
    !command.arg(env!("CARGO_BIN_EXE_vmail")).arg("--root").arg(house.root().path()).args(arguments).output().unwrap().status.success()
}

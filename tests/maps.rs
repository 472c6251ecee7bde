//! `vnewvirtmaps` and `vmail maps` as an operator runs them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use vmail::maps::Database;

use super::house::House;

/// What an operator has: domains of the machine, and virtmaps.
struct Desk {
    house: House,
}

impl Desk {
    fn new(virtmaps: &str) -> Desk {
        let house = House::new("");
        house.domain("abc.com", "alias = [\"abc.org\"]\n");
        let desk = Desk { house };
        desk.write(virtmaps);
        desk
    }

    fn table(&self) -> PathBuf {
        self.house.root().virtmaps()
    }

    fn write(&self, virtmaps: &str) {
        fs::write(self.table(), virtmaps).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let program = crate::harness::built("vnewvirtmaps");
        Command::new(program).args(arguments).env("VMAIL_ROOT", self.house.root().path()).output().unwrap()
    }

    /// Exit code and what was said, without the folder's name.
    fn says(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), said.replace(&format!("{}/", self.house.root().path().display()), ""))
    }

    fn recipient(&self, address: &str) -> Option<String> {
        Some(Database::open(&self.table()).ok()?.recipient(address).unwrap()?.recipient)
    }
}

#[test]
fn virtmaps_without_faults_are_compiled() {
    let desk = Desk::new("bob@abc.com bob@aol.com\nabc.com carol\nx@abc.org x\nx@host.test x\n");
    assert_eq!(desk.says(&[]), (0, "etc/vmail/virtmaps: 4 lines, 3 domains\n".to_owned()));
    assert_eq!(desk.recipient("BOB@abc.com").as_deref(), Some("bob@aol.com"));
    assert_eq!(desk.recipient("eve@abc.com").as_deref(), Some("carol"));
    assert_eq!(desk.recipient("eve@abc.org"), None);
    desk.write("");
    assert_eq!(desk.says(&[]).0, 0);
    assert_eq!(desk.recipient("bob@abc.com"), None, "what is removed from the text is gone");
}

#[test]
fn a_bad_line_leaves_the_working_database_as_it_is() {
    let desk = Desk::new("bob@abc.com bob\n");
    assert_eq!(desk.says(&[]).0, 0);
    let before = fs::read(Database::place(&desk.table())).unwrap();
    desk.write("bob@abc.com carol\n\nabc.com |/bin/cat\njoe@abc.com a, b\n");
    let said = "etc/vmail/virtmaps:3: programs and files are no recipients here: |/bin/cat; name an alias here, and write into the alias \
                file what it stands for\netc/vmail/virtmaps:4: more than one recipient: a, b; name an alias here, and write into the alias \
                file what it stands for\netc/vmail/virtmaps: 2 lines do not hold: nothing was written\n";
    assert_eq!(desk.says(&[]), (65, said.to_owned()));
    assert_eq!(fs::read(Database::place(&desk.table())).unwrap(), before);
    assert_eq!(desk.recipient("bob@abc.com").as_deref(), Some("bob"));
}

#[test]
fn config_check_reads_virtmaps_too() {
    let desk = Desk::new("bob@abc.com: bob\njoe@abc.com a, b\n");
    let check = || Command::new(env!("CARGO_BIN_EXE_vmail")).arg("--root").arg(desk.house.root().path()).args(["config", "check"]).output();
    let output = check().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(said.contains("virtmaps:2: more than one recipient: a, b; name an alias") && !said.contains("virtmaps:1"), "{said}");
    desk.write("bob@abc.com: bob\n");
    assert_eq!(check().unwrap().status.code(), Some(0));
}

#[test]
fn what_is_odd_is_told_and_compiled() {
    let desk = Desk::new("# one\r\nbob@abc.com: bob\r\nBOB@abc.com eve\r\njoe@xyz.com joe\r\nann@xyz.com joe\r\n");
    let (code, said) = desk.says(&[]);
    assert_eq!(code, 0, "{said}");
    for line in [
        "etc/vmail/virtmaps:1: warning: the line ends with CR LF",
        "etc/vmail/virtmaps:2: warning: a colon after bob@abc.com",
        "etc/vmail/virtmaps:3: warning: BOB@abc.com is in line 2, too, which holds",
        "etc/vmail/virtmaps:4: warning: xyz.com is no domain of this machine",
    ] {
        assert!(said.contains(line), "{line} in\n{said}");
    }
    assert_eq!(said.lines().count(), 5, "{said}");
    let names = desk.house.root().mail().join("local-host-names");
    fs::create_dir_all(names.parent().unwrap()).unwrap();
    fs::write(names, "XYZ.com\n").unwrap();
    assert_eq!(desk.says(&[]).1.lines().count(), 4);
}

#[test]
fn what_cannot_be_read_or_written_is_told_by_its_exit_code() {
    let desk = Desk::new("bob@abc.com bob\n");
    assert_eq!(desk.says(&["/nonexistent/virtmaps"]).0, 66);
    assert_eq!(desk.says(&["--no-such-option"]).0, 64);
    assert_eq!(desk.says(&["--export", "postfix", "--compile"]).0, 64, "a tool needs a file");
    assert_eq!(desk.says(&["--export", "postfix", "--to", "/nonexistent/virtual"]).0, 73);
    let (code, said) = desk.says(&["--help"]);
    assert!(code == 0 && said.contains("Exit codes: 0 written"), "{said}");
    fs::create_dir(Database::place(&desk.table())).unwrap();
    let (code, said) = desk.says(&[]);
    assert!(code == 73 && said.contains("etc/vmail/virtmaps.cdb: cannot be written"), "{said}");
}

#[test]
fn other_servers_get_the_table_in_their_words() {
    let desk = Desk::new("bob@abc.com bob@aol.com\nabc.com half%price\n");
    assert_eq!(desk.says(&["--export", "sendmail"]), (0, "bob@abc.com\tbob@aol.com\n@abc.com\thalf%%price\n".to_owned()));
    assert_eq!(desk.says(&["--export", "postfix"]), (0, "bob@abc.com\tbob@aol.com\n@abc.com\thalf%price\n".to_owned()));
    let to = desk.house.beside("exim").display().to_string();
    assert_eq!(desk.says(&["--export", "exim", "--to", &to]), (0, String::new()));
    assert_eq!(fs::read_to_string(&to).unwrap(), "bob@abc.com: bob@aol.com\n*@abc.com: half%price\n");
    assert!(!Database::place(&desk.table()).exists(), "an export is only an export");
}

/// `vmail maps` on sendmail's tables in `etc/mail`.
fn vmail_maps(house: &House, arguments: &[&str], questions: &str) -> Output {
    use std::io::Write;
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmail"));
    command.arg("--root").arg(house.root().path()).arg("maps").args(arguments).stdin(std::process::Stdio::piped());
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(questions.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn with_mail(files: &[(&str, &str)]) -> House {
    let house = House::new("host = \"mail.example.net\"\n");
    fs::create_dir_all(house.root().mail()).unwrap();
    files.iter().for_each(|(name, text)| fs::write(house.root().mail().join(name), text).unwrap());
    house
}

#[test]
fn a_table_is_checked_beside_the_others_of_its_folder() {
    let house = with_mail(&[("local-host-names", "b.org\n"), ("virtusertable", "joe@b.org joe\n@b.org a@b.org\n@c.org |x\n")]);
    let path = house.root().mail().join("virtusertable");
    let output = vmail_maps(&house, &["check", path.to_str().unwrap()], "");
    let told = String::from_utf8(output.stderr).unwrap().replace(&format!("{}:", path.display()), "");
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "2: @b.org leads on and on; write who is meant in the end",
            "3: Cannot mail directly to programs: |x; name a local alias here, and write into the alias file what it stands for",
            "3: warning: no mail comes for c.org: it is not in local-host-names; add it there, or remove its lines",
        ]
    );
    assert_eq!(output.status.code(), Some(65));
    let other = vmail_maps(&house, &["check", path.to_str().unwrap(), "--as", "local-host-names"], "");
    assert_eq!(other.status.code(), Some(65));
    let strange = vmail_maps(&house, &["check", "/etc/passwd"], "");
    assert!(String::from_utf8(strange.stderr).unwrap().contains("--as"));
}

#[test]
fn addresses_are_tried_out_as_in_sendmails_test_mode() {
    let house = with_mail(&[("local-host-names", "b.org\n"), ("virtusertable", "joe@b.org list\n"), ("aliases", "list: x@y.org\n")]);
    let output = vmail_maps(&house, &["test"], "3,0 joe@b.org\n/bv joe@b.org\n/quit\nnever read\n");
    let expected = "ADDRESS TEST MODE (? for help)\nEnter <ruleset> <address>\n>   joe@b.org: b.org is local\n  \
                    virtusertable:1: joe@b.org is list\n  list: a local name\nparse            returns: $# local $: list\n> \
                    x@y.org... deliverable: mailer esmtp, host y.org., user x@y.org\n> ";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    assert!(output.status.success());
}

#[test]
fn virtmaps_go_before_virtusertable_and_their_compiled_form_is_what_counts() {
    let house = with_mail(&[("local-host-names", "b.org\n"), ("virtusertable", "joe@b.org wrong\n")]);
    fs::write(house.root().virtmaps(), "joe@b.org right\n").unwrap();
    let ask = || {
        let output = vmail_maps(&house, &["test"], "3,0 joe@b.org\n");
        let said = String::from_utf8(output.stdout).unwrap().lines().find(|line| line.starts_with("parse")).unwrap().to_owned();
        (said, String::from_utf8(output.stderr).unwrap().contains("vnewvirtmaps makes it anew"))
    };
    assert_eq!(ask(), ("parse            returns: $# local $: wrong".to_owned(), true));
    let program = crate::harness::built("vnewvirtmaps");
    assert!(Command::new(program).env("VMAIL_ROOT", house.root().path()).output().unwrap().status.success());
    assert_eq!(ask(), ("parse            returns: $# local $: right".to_owned(), false));
}

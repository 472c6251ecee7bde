//! `vmail domain` and `vmail user` as an operator runs them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::house::House;

/// What `vmail` prints, run below `house` under this umask.
fn vmail(house: &House, umask: &str, arguments: &str) -> String {
    let script = format!("umask {umask}; exec \"$0\" --root \"$1\" {arguments}");
    let output = Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_vmail")]).arg(house.root().path()).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn no_umask_shuts_the_service_out() {
    let house = House::new("");
    fs::remove_dir(house.root().domains()).unwrap();
    vmail(&house, "077", "domain add va.test");
    let mode = |path: &str| fs::metadata(house.root().path().join(path)).unwrap().permissions().mode() & 0o7777;
    let folders = ["etc/vmail/domains", "var", "var/spool", "var/spool/vmail", "var/spool/vmail/va.test", "vhome/va.test/home"];
    folders.iter().for_each(|folder| assert_eq!(mode(folder), 0o755, "{folder}"));
    let files = ["etc/vmail/domains/va.test.toml", "etc/vmail/passwd.va.test", "etc/vmail/aliases.va.test"];
    files.iter().for_each(|file| assert_eq!(mode(file), 0o644, "{file}"));
}

#[test]
fn whoever_lets_users_own_their_files_is_told_to_restart_the_server() {
    let house = House::new("");
    assert_eq!(vmail(&house, "022", "domain add va.test"), "");
    let told = vmail(&house, "022", "domain add vb.test --owner user");
    assert!(told.starts_with("restart a running vmail serve: ") && told.lines().count() == 1, "{told}");
}

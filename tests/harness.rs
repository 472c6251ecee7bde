//! What tests with real programs share: programs that end with the test, a POP3 client that never waits for ever, a machine of the
//! test's own.
//!
//! Every test here depends on what is installed. What is missing is said, and is a failure where `CI=true`: `tests/run` installs it all.

pub mod certificate;
pub mod imap;
pub mod lmtp;
pub mod machine;
pub mod ours;
pub mod pop;
pub mod program;
pub mod site;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Leaves the test, saying why; where `CI=true` a test must not be left.
macro_rules! skip {
    ($($why:tt)*) => {{
        $crate::harness::say_skipped(&format!($($why)*));
        return;
    }};
}
pub(crate) use skip;

/// Leaves the test unless it is root's, and these Debian packages are there.
macro_rules! need {
    (root $(, $package:literal)*) => {
        if !rustix::process::geteuid().is_root() {
            $crate::harness::skip!("needs root, for mounts and networks of its own");
        }
        $(if !$crate::harness::has_package($package) {
            $crate::harness::skip!("needs Debian's package {}", $package);
        })*
    };
}
pub(crate) use need;

/// What [`skip!`] says: past libtest, which would show it only when the test fails.
pub fn say_skipped(why: &str) {
    use std::io::Write;
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "would be skipped: {why}");
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}

/// Whether a Debian package is installed, or lies in `target/debian` for [`machine::Machine::install`].
pub fn has_package(name: &str) -> bool {
    let list = |suffix: &str| Path::new("/var/lib/dpkg/info").join(format!("{name}{suffix}")).exists();
    list(".list") || list(":amd64.list") || list(":arm64.list") || package_file(name).is_some()
}

/// The `.deb` that `tests/run` has fetched, for packages that exclude each other or would start a service.
pub fn package_file(name: &str) -> Option<PathBuf> {
    let folder = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian")).ok()?;
    let begins = format!("{name}_");
    folder.flatten().map(|entry| entry.path()).find(|path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&begins)))
}

/// One of the programs that this package builds.
pub fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_vmail")).with_file_name(name)
}

/// Asks `found` until it has something. Panics with `what` after `seconds`.
pub fn until<T>(what: &str, seconds: u64, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {seconds} s in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

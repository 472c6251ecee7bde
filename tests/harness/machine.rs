//! A machine of the test's own: this one's files, written to in memory only, and a network with nothing but the loopback device.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use rustix::thread::UnshareFlags;

use super::program::succeed;

/// The machine that the calling thread is on. All that a test there writes, mounts, or gives addresses to is gone with its thread;
/// programs that it starts are there too.
pub struct Machine {
    _only_made_by_run: (),
}

impl Machine {
    /// Does `test` on a new machine.
    pub fn run(test: impl FnOnce(&Machine) + Send) {
        let folder = tempfile::tempdir().unwrap();
        let outcome = thread::scope(|scope| {
            let name = thread::current().name().unwrap_or("test").to_owned();
            let body = || {
                enter(folder.path());
                test(&Machine { _only_made_by_run: () });
            };
            thread::Builder::new().name(name).spawn_scoped(scope, body).unwrap().join()
        });
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }

    /// Gives it addresses.
    pub fn addresses(&self, addresses: &[&str]) -> &Machine {
        for address in addresses {
            let width = if address.contains(':') { "128 nodad" } else { "32" };
            self.sh(&format!("ip address add {address}/{width} dev lo"));
        }
        self
    }

    /// Writes a file, and the folders that lead to it.
    pub fn file(&self, path: &str, text: impl AsRef<[u8]>) -> &Machine {
        fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Adds a line to a file.
    pub fn line(&self, path: &str, line: &str) -> &Machine {
        writeln!(fs::File::options().append(true).create(true).open(path).unwrap(), "{line}").unwrap();
        self
    }

    /// Adds a user of the machine itself.
    pub fn user(&self, name: &str, uid: u32, password: &str) -> &Machine {
        let hash = succeed(Command::new("openssl").args(["passwd", "-6", password]));
        self.line("/etc/passwd", &format!("{name}:x:{uid}:{uid}::/home/{name}:/bin/sh"));
        self.line("/etc/group", &format!("{name}:x:{uid}:"));
        self.line("/etc/shadow", &format!("{name}:{}:19000:0:99999:7:::", hash.trim()))
    }

    /// Puts the files of a Debian package that `tests/run` has fetched where they belong. Nothing of it is configured or started.
    pub fn install(&self, package: &str) -> &Machine {
        let file = super::package_file(package).unwrap_or_else(|| panic!("tests/run fetches {package}"));
        self.sh(&format!("dpkg-deb --fsys-tarfile '{}' | tar -x -C / --keep-directory-symlink", file.display()))
    }

    /// Puts vmail's programs where a package would.
    pub fn install_vmail(&self) -> &Machine {
        for (program, folder) in [
            ("vmail", "/usr/bin"),
            ("vpop3d", "/usr/sbin"),
            ("vimapd", "/usr/sbin"),
            ("checkvdomain", "/usr/sbin"),
            ("vnewvirtmaps", "/usr/sbin"),
            ("vdeliver", "/usr/sbin"),
        ] {
            let place = Path::new(folder).join(program);
            let _ = fs::remove_file(&place);
            std::os::unix::fs::symlink(super::built(program), place).unwrap();
        }
        self.line("/etc/passwd", "vmail:x:4100:4100::/var/spool/vmail:/usr/sbin/nologin").line("/etc/group", "vmail:x:4100:")
    }

    /// Runs a script, which must succeed.
    pub fn sh(&self, script: &str) -> &Machine {
        succeed(Command::new("/bin/sh").args(["-ec", script]).env("PATH", PATH));
        self
    }

    /// Runs a script, which must succeed; gives what it printed.
    pub fn asks(&self, script: &str) -> String {
        succeed(Command::new("/bin/sh").args(["-ec", script]).env("PATH", PATH))
    }
}

/// Does `test` on this machine, on a thread that has mounts of its own: what is mounted there is gone with it.
pub fn with_own_mounts(test: impl FnOnce() + Send) {
    let body = || {
        // SAFETY: file descriptors stay shared; only mounts become the thread's own.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.expect("root may make namespaces");
        succeed(Command::new("mount").args(["--make-rprivate", "/"]).env("PATH", PATH));
        test();
    };
    let outcome = thread::scope(|scope| scope.spawn(body).join());
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// Leaves the mounts, the network and the root folder that this thread shares with others.
fn enter(folder: &Path) {
    let own = UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWUTS;
    // SAFETY: file descriptors stay shared; only mounts, network, host name, and the thread's root folder become its own.
    unsafe { rustix::thread::unshare_unsafe(own) }.expect("root may make namespaces");
    let mut shell = Command::new("/bin/sh").args(["-es"]).stdin(Stdio::piped()).env("PATH", PATH).spawn().unwrap();
    let text = SCRIPT
        .replace("FOLDER", &folder.display().to_string())
        .replace("REPOSITORY", env!("CARGO_MANIFEST_DIR"))
        .replace("PROGRAMS", &super::built("").display().to_string());
    shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success(), "the machine could not be made");
    rustix::process::chroot(folder.join("root")).unwrap();
    rustix::process::chdir("/").unwrap();
    fs::set_permissions("/tmp", fs::Permissions::from_mode(0o1777)).unwrap();
}

/// /dev is its own, so that /dev/log can be made there; the repository and the programs may lie on other file systems than the root.
const SCRIPT: &str = r#"
mount --make-rprivate /
mount -t tmpfs vmail-test 'FOLDER'
cd 'FOLDER'
mkdir upper work root
mount -t overlay vmail-test -o lowerdir=/,upperdir='FOLDER/upper',workdir='FOLDER/work' root
# Before the repository, which may lie there.
mount -t tmpfs tmp root/tmp
mkdir -p 'root/REPOSITORY' 'root/PROGRAMS'
for folder in proc sys 'REPOSITORY' 'PROGRAMS'; do mount --rbind "/$folder" "root/$folder"; done
mount -t tmpfs -o mode=755 dev root/dev
for device in null zero full random urandom tty; do touch "root/dev/$device"; mount --bind "/dev/$device" "root/dev/$device"; done
mkdir root/dev/pts root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 pts root/dev/pts
ln -s pts/ptmx root/dev/ptmx
ln -s /proc/self/fd root/dev/fd
mount -t tmpfs -o mode=755 run root/run
rm -rf root/etc/vmail root/var/spool/vmail root/vhome root/var/lib/vmail
echo '127.0.0.1 localhost' > root/etc/hosts
# No name server: a question for one fails at once.
echo 'nameserver 127.0.0.1' > root/etc/resolv.conf
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n' > root/etc/nsswitch.conf
echo mail.example.net > /proc/sys/kernel/hostname
ip link set lo up
"#;

/// Tests may be started with a poorer one.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

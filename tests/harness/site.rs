//! A configured server: what an administrator does with `vmail domain` and `vmail user`, and the server itself.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::pop::Pop;
use super::program::{Program, succeed, succeed_with};

/// The server of a [`super::machine::Machine`].
pub struct Site;

impl Site {
    /// `vmail.toml`.
    pub fn configure(&self, text: &str) -> &Site {
        fs::create_dir_all("/etc/vmail").unwrap();
        fs::write("/etc/vmail/vmail.toml", text).unwrap();
        self
    }

    /// A `vmail` command.
    pub fn vmail(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/usr/bin/vmail");
        command.args(arguments);
        command
    }

    /// `vmail domain add`.
    pub fn domain(&self, name: &str, addresses: &[&str]) -> &Site {
        let mut arguments = vec!["domain", "add", name];
        arguments.extend(addresses.iter().flat_map(|address| ["--ip", address]));
        succeed(&mut self.vmail(&arguments));
        self
    }

    /// `vmail user add`.
    pub fn user(&self, address: &str, password: &str) -> &Site {
        succeed_with(&mut self.vmail(&["user", "add", address, "--password-stdin"]), format!("{password}\n").as_bytes());
        self
    }

    /// The lines of UIDL that a user gets from our server, started for this alone.
    pub fn uidls(&self, to: &str, user: &str, password: &str) -> Vec<String> {
        let _server = self.serve();
        let mut pop = Pop::login(to, user, password);
        let ids = String::from_utf8(pop.ask("UIDL")).unwrap();
        pop.quit();
        ids.lines().map(str::to_owned).collect()
    }

    /// The spool file of `user@domain`.
    pub fn spool(&self, address: &str) -> PathBuf {
        let (user, domain) = address.split_once('@').unwrap();
        Path::new("/var/spool/vmail").join(domain).join(user)
    }

    /// Fills the spool file of `user@domain`, for its owner.
    pub fn mail(&self, address: &str, mbox: impl AsRef<[u8]>) -> &Site {
        let spool = self.spool(address);
        fs::create_dir_all(spool.parent().unwrap()).unwrap();
        if spool.is_dir() {
            // The new account's Maildir.
            fs::remove_dir_all(&spool).unwrap();
        }
        let is_new = !spool.exists();
        fs::write(&spool, mbox).unwrap();
        if is_new {
            let folder = fs::metadata(spool.parent().unwrap()).unwrap();
            let _ = chown(&spool, Some(folder.uid()), Some(folder.gid()));
            fs::set_permissions(&spool, fs::Permissions::from_mode(0o600)).unwrap();
        }
        self
    }

    /// Starts `vmail serve`.
    pub fn serve(&self) -> Program {
        Program::start(&mut self.vmail(&["serve"]))
    }
}

/// A small message, as it stands in an mbox.
pub fn letter(subject: &str) -> String {
    format!("From ann@example.org Sun Nov 22 16:06:33 2026\nFrom: ann@example.org\nSubject: {subject}\n\nHello from {subject}.\n\n")
}

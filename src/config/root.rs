//! Where everything lies: the standard folders, all below one root.

use std::path::{Path, PathBuf};

use crate::address::{Domain, Owner};

/// The environment variable that moves the folders of the programs that have no `--root`.
pub const ROOT_VARIABLE: &str = "VMAIL_ROOT";

/// The folder below which all others lie: `/`, unless `--root` says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Root {
    /// All folders below `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Root {
        Root(folder.into())
    }

    /// The root itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file that the configuration names: absolute paths count from the real root, relative ones from `/etc/vmail`.
    pub fn named(&self, path: &Path) -> PathBuf {
        self.etc().join(path)
    }

    /// `/etc/vmail`.
    pub fn etc(&self) -> PathBuf {
        self.0.join("etc/vmail")
    }

    /// `/etc/vmail/vmail.toml`.
    pub fn machine(&self) -> PathBuf {
        self.etc().join("vmail.toml")
    }

    /// `/etc/vmail/domains`, where the domain records are.
    pub fn domains(&self) -> PathBuf {
        self.etc().join("domains")
    }

    /// `/etc/vmail/domains/DOMAIN.toml`.
    pub fn record(&self, domain: &Domain) -> PathBuf {
        self.domains().join(format!("{domain}.toml"))
    }

    /// `/etc/vmail/passwd.DOMAIN` (behaviour.md §3.1).
    pub fn passwd(&self, domain: &Domain) -> PathBuf {
        self.etc().join(format!("passwd.{domain}"))
    }

    /// `/etc/vmail/shadow.DOMAIN` (behaviour.md §3.2).
    pub fn shadow(&self, domain: &Domain) -> PathBuf {
        self.etc().join(format!("shadow.{domain}"))
    }

    /// `/etc/vmail/aliases.DOMAIN` (behaviour.md §3.3).
    pub fn aliases(&self, domain: &Domain) -> PathBuf {
        self.etc().join(format!("aliases.{domain}"))
    }

    /// `/etc/vmail/virtmaps` (behaviour.md §7.1).
    pub fn virtmaps(&self) -> PathBuf {
        self.etc().join("virtmaps")
    }

    /// `/etc/mail`: sendmail's tables.
    pub fn mail(&self) -> PathBuf {
        self.0.join("etc/mail")
    }

    /// `/var/spool/vmail/DOMAIN`, where the maildrops are.
    pub fn spool(&self, domain: &Domain) -> PathBuf {
        self.0.join("var/spool/vmail").join(domain.as_str())
    }

    /// `/var/spool/vmail/files/DOMAIN`, where administrators put auto-responders and vacation texts (behaviour.md §4.8, §4.9).
    pub fn files(&self, domain: &Domain) -> PathBuf {
        self.0.join("var/spool/vmail/files").join(domain.as_str())
    }

    /// `/vhome/DOMAIN/home/USER`.
    pub fn home(&self, owner: &Owner) -> PathBuf {
        self.0.join("vhome").join(owner.domain().as_str()).join("home").join(owner.user().as_str())
    }

    /// `/etc/passwd`: the users of the main domain.
    pub fn system_passwd(&self) -> PathBuf {
        self.0.join("etc/passwd")
    }

    /// `/etc/shadow`.
    pub fn system_shadow(&self) -> PathBuf {
        self.0.join("etc/shadow")
    }

    /// `/var/mail`, where the main domain's maildrops are.
    pub fn system_mail(&self) -> PathBuf {
        self.0.join("var/mail")
    }

    /// `/var/lib/vmail/index`: everything of ours that can be deleted at any time.
    pub fn index(&self) -> PathBuf {
        self.0.join("var/lib/vmail/index")
    }

    /// `/var/lib/vmail/redo`: journals of updates under way, normally empty.
    pub fn redo(&self) -> PathBuf {
        self.0.join("var/lib/vmail/redo")
    }

    /// `/var/lib/vmail/quota`: how much mail each domain's users have.
    pub fn quota(&self) -> PathBuf {
        self.0.join("var/lib/vmail/quota")
    }

    /// `/var/lib/vmail/staging`: large messages while they are received, without names.
    pub fn staging(&self) -> PathBuf {
        self.0.join("var/lib/vmail/staging")
    }

    /// `/run/vmail`: locks and sockets.
    pub fn run(&self) -> PathBuf {
        self.0.join("run/vmail")
    }

    /// `/dev/log`: the syslog daemon's socket.
    pub fn dev_log(&self) -> PathBuf {
        self.0.join("dev/log")
    }
}

impl Default for Root {
    fn default() -> Root {
        Root::new("/")
    }
}

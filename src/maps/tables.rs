//! All tables of one machine: what sendmail has in `/etc/mail`, and virtmaps.

use std::io;
use std::path::{Path, PathBuf};

use super::{Class, Database, Genericstable, Virtusertable, read, text};
use crate::address::User;
use crate::config::Root;
use crate::vdomain::Passwd;
use crate::vdomain::aliases::{self, Aliases};

/// The tables; one whose file is missing is empty.
#[derive(Default)]
pub struct Tables {
    /// The machine's own name, `$j`.
    pub host: String,
    /// Whose mail is local: class w.
    pub local: Class,
    /// Whose mail is taken and passed on: class R.
    pub relay: Class,
    /// Whose senders genericstable is for: class G.
    pub generic: Class,
    /// virtusertable.
    pub virtusers: Virtusertable,
    /// genericstable.
    pub generics: Genericstable,
    /// aliases(5).
    pub aliases: Aliases,
    /// The compiled virtmaps, looked at before virtusertable.
    pub virtmaps: Option<Database>,
    /// The users of the machine itself.
    pub users: Passwd,
}

impl Tables {
    /// Reads the tables of `folder`, normally `/etc/mail`, of a machine with the name `host`; aliases may be in the folder above.
    ///
    /// # Errors
    /// A file that is there can't be read; the path is told with it.
    pub fn load(root: &Root, folder: &Path, host: &str) -> Result<Tables, (PathBuf, io::Error)> {
        let class = |name: &str| Ok(Class::parse(&text(&optional(&folder.join(name))?)).0);
        let mut local = class("local-host-names")?;
        [host, "localhost"].iter().for_each(|name| local.add(name));
        let aliases = [folder.join("aliases"), folder.join("../aliases")];
        let aliases = aliases.iter().find(|path| path.exists()).map_or(Ok(Vec::new()), |path| optional(path))?;
        let passwd = root.system_passwd();
        Ok(Tables {
            host: host.to_owned(),
            local,
            relay: class("relay-domains")?,
            generic: class("generics-domains")?,
            virtusers: Virtusertable::parse(&text(&optional(&folder.join("virtusertable"))?)).0,
            generics: Genericstable::parse(&text(&optional(&folder.join("genericstable"))?)).0,
            aliases: aliases::parse(&aliases).0,
            virtmaps: Database::open(&root.virtmaps()).ok(),
            users: Passwd::parse(&optional(&passwd)?, &passwd),
        })
    }

    /// Whether the machine itself has this user.
    pub(super) fn has_user(&self, name: &str) -> bool {
        name.parse::<User>().is_ok_and(|user| self.users.get(&user).is_some())
    }
}

fn optional(path: &Path) -> Result<Vec<u8>, (PathBuf, io::Error)> {
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|error| (path.to_owned(), error)),
    }
}

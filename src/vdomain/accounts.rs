//! `passwd.DOMAIN` and `shadow.DOMAIN`: who a domain's users are (behaviour.md §3.1, §3.2).

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::password;
use crate::address::User;
use crate::config::Fault;
use crate::os::cached::Cached;

/// The users of one domain: both files, read when first asked for and again whenever they change.
#[derive(Debug)]
pub struct Users {
    passwd: Cached<Passwd>,
    shadow: Cached<Shadow>,
}

impl Users {
    /// The users that stand in these files.
    pub fn of(passwd: PathBuf, shadow: PathBuf) -> Users {
        Users {
            passwd: Cached::new(passwd, |text, file| Passwd::parse(text, file).told()),
            shadow: Cached::new(shadow, |text, file| Shadow::parse(text, file).told()),
        }
    }

    /// `passwd.DOMAIN` as it is now. May read the file: one stat(2) when nothing has changed.
    ///
    /// # Errors
    /// The file is missing or unreadable.
    pub fn passwd(&self) -> io::Result<Arc<Passwd>> {
        self.passwd.current()
    }

    /// `shadow.DOMAIN` as it is now.
    ///
    /// # Errors
    /// The file is missing or unreadable.
    pub fn shadow(&self) -> io::Result<Arc<Shadow>> {
        self.shadow.current()
    }

    /// The path of `passwd.DOMAIN`.
    pub fn passwd_path(&self) -> &Path {
        self.passwd.path()
    }

    /// The path of `shadow.DOMAIN`.
    pub fn shadow_path(&self) -> &Path {
        self.shadow.path()
    }
}

/// One line of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// User id: who acts on the account's files where the domain says `owner = "user"`.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// The full name (and whatever else administrators keep there).
    pub gecos: Box<str>,
    /// The home folder.
    pub home: PathBuf,
}

impl Account {
    /// The full name: what stands in gecos before the first comma, where offices and telephones follow.
    pub fn full_name(&self) -> &str {
        self.gecos.split(',').next().unwrap_or_default().trim()
    }
}

/// A full name as a local part.
fn dotted(full_name: &str) -> String {
    full_name.split_whitespace().collect::<Vec<_>>().join(".").to_lowercase()
}

/// The text of `passwd.DOMAIN`, understood.
#[derive(Debug, Default)]
pub struct Passwd {
    users: HashMap<User, Account>,
    /// By [`dotted`] full name; made when first asked for. `None`: several have that name.
    full_names: OnceLock<HashMap<String, Option<User>>>,
    /// Lines that could not be understood; the others hold.
    pub faults: Vec<Fault>,
}

/// Who has a full name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// Nobody.
    Nobody,
    /// This user alone.
    One(&'a User),
    /// More than one: nobody can tell who is meant (behaviour.md §19).
    Several,
}

impl Passwd {
    /// Parses `name:x:uid:gid:gecos:home:shell` lines. Bad lines are faults and spoil no other; of two lines for a name the first
    /// holds, as for getpwnam(3).
    pub fn parse(text: &[u8], file: &Path) -> Passwd {
        let mut passwd = Passwd::default();
        for (line, fields) in lines(text) {
            match account(&fields) {
                Ok((user, account)) => {
                    passwd.users.entry(user).or_insert(account);
                }
                Err(what) => passwd.faults.push(Fault::of_line(file, line, what)),
            }
        }
        passwd
    }

    fn told(self) -> Passwd {
        tell(&self.faults);
        self
    }

    /// The account of `user`.
    pub fn get(&self, user: &User) -> Option<&Account> {
        self.users.get(user)
    }

    /// Whose full name this is, blanks written as dots: "joe who" is `joe.who`, in any case (behaviour.md §4.4).
    pub fn by_full_name(&self, dotted_name: &str) -> Named<'_> {
        let names = self.full_names.get_or_init(|| self.index_of_full_names());
        match names.get(&dotted_name.to_lowercase()) {
            Some(Some(user)) => Named::One(user),
            Some(None) => Named::Several,
            None => Named::Nobody,
        }
    }

    fn index_of_full_names(&self) -> HashMap<String, Option<User>> {
        let mut names = HashMap::with_capacity(self.users.len());
        for (user, account) in self.users.iter().filter(|(_, account)| !account.full_name().is_empty()) {
            names.entry(dotted(account.full_name())).and_modify(|one| *one = None).or_insert_with(|| Some(user.clone()));
        }
        names
    }

    /// All users, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&User, &Account)> {
        self.users.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

fn account(fields: &[&str]) -> Result<(User, Account), String> {
    let &[name, _, uid, gid, gecos, home, _] = fields else {
        return Err(format!("has {} fields, expected name:x:uid:gid:full name:home:shell", fields.len()));
    };
    let number = |what: &str, text: &str| text.parse::<u32>().map_err(|_| format!("the {what} {text:?} is no number"));
    if home.is_empty() {
        return Err("no home directory".into());
    }
    let user = name.parse().map_err(|error: crate::address::Malformed| error.to_string())?;
    Ok((user, Account { uid: number("uid", uid)?, gid: number("gid", gid)?, gecos: gecos.into(), home: home.into() }))
}

/// One line of shadow(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowLine {
    /// The hash, or what stands in its place.
    pub hash: Arc<str>,
    /// The first day, counted from 1970-01-01, on which the account is refused.
    pub ends: Option<i64>,
}

/// The text of `shadow.DOMAIN`, understood.
#[derive(Debug, Default)]
pub struct Shadow {
    users: HashMap<User, ShadowLine>,
    /// Hashes to measure unknown users by, so that they take as long as known ones.
    decoys: Vec<Arc<str>>,
    /// Lines that could not be understood.
    pub faults: Vec<Fault>,
}

impl Shadow {
    /// Parses `name:hash:lastchg:min:max:warn:inactive:expire:flag` lines; trailing fields may be missing.
    pub fn parse(text: &[u8], file: &Path) -> Shadow {
        let mut shadow = Shadow::default();
        for (line, fields) in lines(text) {
            match shadow_line(&fields) {
                Ok((user, entry)) => {
                    if shadow.decoys.len() < DECOYS && password::is_usable(&entry.hash) {
                        shadow.decoys.push(entry.hash.clone());
                    }
                    shadow.users.entry(user).or_insert(entry);
                }
                Err(what) => shadow.faults.push(Fault::of_line(file, line, what)),
            }
        }
        shadow
    }

    fn told(self) -> Shadow {
        tell(&self.faults);
        self
    }

    /// The line of `user`.
    pub fn get(&self, user: &User) -> Option<&ShadowLine> {
        self.users.get(user)
    }

    /// A hash of this domain to verify against when `user` has none, always the same one for the same name.
    pub fn decoy(&self, user: &User) -> Option<Arc<str>> {
        let sum: usize = user.as_str().bytes().fold(0, |sum, octet| sum.wrapping_mul(31).wrapping_add(octet.into()));
        self.decoys.get(sum.checked_rem(self.decoys.len())?).cloned()
    }

    /// All users, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&User, &ShadowLine)> {
        self.users.iter()
    }
}

fn shadow_line(fields: &[&str]) -> Result<(User, ShadowLine), String> {
    let (&name, &hash) = match fields {
        [name, hash, ..] => (name, hash),
        _ => return Err("has no hash, expected name:hash:lastchg:min:max:warn:inactive:expire:flag".into()),
    };
    let user = name.parse().map_err(|error: crate::address::Malformed| error.to_string())?;
    let day = |at: usize| -> Result<Option<i64>, String> {
        match fields.get(at).copied().unwrap_or("") {
            "" | "-1" => Ok(None),
            text => text.parse().map(Some).map_err(|_| format!("field {} {text:?} is no number of days", at + 1)),
        }
    };
    let (changed, max, inactive, expire) = (day(2)?, day(4)?, day(6)?, day(7)?);
    // shadow(5): a password older than `max` may be changed for `inactive` days, then nobody gets in.
    let aged = changed
        .zip(max)
        .zip(inactive)
        .map(|((changed, max), inactive)| changed.saturating_add(max).saturating_add(inactive).saturating_add(1));
    let ends = [expire, aged].into_iter().flatten().min();
    Ok((user, ShadowLine { hash: hash.into(), ends }))
}

/// Says what is wrong, each time that the file is read anew; a file that is wrong in every line fills no log.
fn tell(faults: &[Fault]) {
    faults.iter().take(20).for_each(|fault| tracing::warn!(event = "account-fault", error = %fault));
}

/// The fields of each line that holds any, with its number. passwd(5) knows no comments, yet people write them.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, Vec<&str>)> {
    text.split(|&octet| octet == b'\n').enumerate().filter_map(|(at, line)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_nothing = line.is_empty() || line.starts_with(b"#") || line.iter().all(u8::is_ascii_whitespace);
        // A line that is no UTF-8 becomes one without fields, which is a fault.
        (!is_nothing).then(|| (at + 1, std::str::from_utf8(line).map_or_else(|_| Vec::new(), |line| line.split(':').collect())))
    })
}

/// So many hashes give a fair sample of a domain's methods.
const DECOYS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "$1$G449S6Ya$HmDO0mSL6YlkHofkbpVUh.";
    const DES: &str = "aJCRwu0xsnKos";

    fn user(name: &str) -> User {
        name.parse().unwrap()
    }

    #[test]
    fn bad_lines_are_faults_and_spoil_no_other() {
        let text = b"joe:x:60000:60000:Joe Who:/vhome/va.test/home/joe:/bin/false\n\nbad\nann:x:no:1::/h:\n../x:x:1:1::/h:\nbob:x:1:1:::\r\n\xff:x\nJANE:x:60001:60001::/h:\r\n";
        let passwd = Passwd::parse(text, Path::new("passwd.va.test"));
        assert_eq!(passwd.get(&user("joe")).unwrap().uid, 60000);
        assert_eq!(passwd.get(&user("jane")).unwrap().gid, 60001);
        let faults: Vec<String> = passwd.faults.iter().map(Fault::to_string).collect();
        assert_eq!(faults.len(), 5, "{faults:?}");
        assert!(faults[0].starts_with("passwd.va.test:3: has 1 fields"));
        assert_eq!(faults[3], "passwd.va.test:6: no home directory");
    }

    #[test]
    fn a_full_name_is_of_one_user_or_of_nobody() {
        let text =
            "joe:x:1:1:Joe Who,Room 1:/h:\nann:x:1:1:Ann  de la Rue:/h:\nbob:x:1:1:Bob:/h:\nbob2:x:1:1:BOB,:/h:\ncy:x:1:1:,Room 2:/h:\n";
        let passwd = Passwd::parse(text.as_bytes(), Path::new("passwd"));
        let is = |name: &str| match passwd.by_full_name(name) {
            Named::One(user) => user.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(
            ["Joe.Who", "ann.de.la.rue", "bob", "room.2", "", "joe"].map(is),
            ["joe", "ann", "Several", "Nobody", "Nobody", "Nobody"]
        );
    }

    #[test]
    fn the_end_of_an_account_is_the_earlier_of_expiry_and_age() {
        let text = b"a:$6$x:10:0:20:7:5:100:\nb:h\nc:h:10:0:20:7:5::\nd:h:::::::\ne\n";
        let shadow = Shadow::parse(text, Path::new("shadow"));
        assert_eq!(shadow.get(&user("a")).unwrap().ends, Some(36));
        assert_eq!(shadow.get(&user("b")).unwrap().ends, None);
        assert_eq!(shadow.get(&user("c")).unwrap().ends, Some(36));
        assert_eq!(shadow.get(&user("d")).unwrap().ends, None);
        assert_eq!(shadow.faults.len(), 1);
    }

    #[test]
    fn a_decoy_is_a_hash_of_the_domain_and_stays_the_same() {
        let shadow = Shadow::parse(format!("a:{MD5}\nb:!locked\nc:*\nd:NOLOGIN\ne:{DES}\n").as_bytes(), Path::new("shadow"));
        let decoy = shadow.decoy(&user("nobody")).unwrap();
        assert!([MD5, DES].contains(&&*decoy));
        assert_eq!(shadow.decoy(&user("nobody")), Some(decoy));
        assert_eq!(Shadow::default().decoy(&user("nobody")), None);
    }
}

//! What a conversion leaves in the home, by which the next one knows what is of no use.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::os::Dir;
use crate::store::name::disk::Layout;
use crate::store::{Account, Trouble};

/// A conversion that is going on, or was interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    pub to: Layout,
    /// Octets of INBOX before, where that was an mbox.
    pub size: u64,
    /// The mboxes of folders, relative to the home.
    pub mboxes: Vec<PathBuf>,
}

impl Marker {
    /// Written before anything else is.
    pub fn write(&self, account: &Account) -> Result<(), Trouble> {
        let written = account.actor.run(|| {
            let home = Dir::open(&account.home)?;
            let _ = rustix::fs::unlinkat(&home, NAME, rustix::fs::AtFlags::empty());
            let mut file = home.create(NAME)?;
            file.write_all(&self.encode())?;
            file.sync_all()?;
            home.sync()
        });
        written.map_err(Trouble::io("writing into", &account.home))
    }

    /// What an earlier conversion left.
    pub fn read(account: &Account) -> Result<Option<Marker>, Trouble> {
        match account.actor.run(|| Dir::open(&account.home)?.content(NAME, LARGEST)) {
            Ok(text) => Ok(Marker::decode(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Trouble::io("reading in", &account.home)(error)),
        }
    }

    /// The conversion is over.
    pub fn remove(account: &Account) -> Result<(), Trouble> {
        let removed = account.actor.run(|| {
            let home = Dir::open(&account.home)?;
            rustix::fs::unlinkat(&home, NAME, rustix::fs::AtFlags::empty())?;
            home.sync()
        });
        removed.map_err(Trouble::io("removing in", &account.home))
    }

    fn encode(&self) -> Vec<u8> {
        let to = if self.to == Layout::Maildir { "maildir" } else { "mbox" };
        let mut text = format!("{to} {}\0", self.size).into_bytes();
        for path in &self.mboxes {
            text.extend_from_slice(path.as_os_str().as_bytes());
            text.push(0);
        }
        text
    }

    /// The user can write there: no path leads out of the home.
    fn decode(text: &[u8]) -> Option<Marker> {
        let mut fields = text.strip_suffix(b"\0")?.split(|&octet| octet == 0);
        let (to, size) = std::str::from_utf8(fields.next()?).ok()?.split_once(' ')?;
        let to = match to {
            "maildir" => Layout::Maildir,
            "mbox" => Layout::Mbox,
            _ => return None,
        };
        let path = |octets: &[u8]| PathBuf::from(OsString::from_vec(octets.to_vec()));
        let mboxes: Vec<PathBuf> = fields.map(path).collect();
        let inside = |path: &PathBuf| path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        mboxes.iter().all(inside).then_some(())?;
        Some(Marker { to, size: size.parse().ok()?, mboxes })
    }
}

const NAME: &str = ".vmail-converting";
const LARGEST: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_comes_back_and_leads_nowhere_else() {
        let marker = Marker { to: Layout::Mbox, size: 7, mboxes: vec!["Sent".into(), "Lists/Rust\n".into()] };
        assert_eq!(Marker::decode(&marker.encode()), Some(marker.clone()));
        for bad in ["../x", "/etc/passwd", "a/../../b"] {
            assert_eq!(Marker::decode(&Marker { mboxes: vec![bad.into()], ..marker.clone() }.encode()), None, "{bad}");
        }
        assert_eq!(Marker::decode(b""), None);
    }
}

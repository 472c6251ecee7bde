//! Names of folders on disk: as folders of a Maildir, or as mbox files below a home.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::{BadName, FolderName, LONGEST_PART, check, utf7};

/// How names become file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Naming {
    pub layout: Layout,
    pub encoding: Encoding,
}

/// Where a folder is below its home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Maildir++: all folders side by side in INBOX's Maildir, as `.Lists.Rust`.
    Maildir,
    /// A file for each folder, as `Lists/Rust`.
    Mbox,
}

/// How letters beyond ASCII are written in file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// [Modified UTF-7](utf7), the default of Dovecot 2.3 and what Courier had before version 5.
    Utf7,
    /// As they are: Courier since version 5.
    Utf8,
}

impl Naming {
    /// Where the folder is, relative to the home; empty for INBOX, which is the Maildir itself or the spool.
    ///
    /// # Errors
    /// The layout has no room for the name: a dot in a part of a Maildir folder's name, a tilde at the very beginning, a hidden
    /// file or a lock. Dovecot refuses these too.
    pub fn path(self, name: &FolderName) -> Result<String, BadName> {
        if name.is_inbox() {
            return Ok(String::new());
        }
        let mut path = String::new();
        // Dovecot takes a tilde for somebody's home.
        let is_reserved = |first: &str| first.starts_with('~') || self.layout == Layout::Mbox && is_list(first.as_bytes());
        if name.parts().next().is_some_and(is_reserved) {
            return Err(BadName::Reserved);
        }
        for part in name.parts() {
            self.allow(part)?;
            match self.layout {
                Layout::Maildir => path.push('.'),
                Layout::Mbox if path.is_empty() => {}
                Layout::Mbox => path.push('/'),
            }
            path.push_str(&self.encoding.encode(part));
        }
        match self.layout {
            // What NFS leaves of open files that were removed.
            Layout::Maildir if path.starts_with(".nfs") => Err(BadName::Reserved),
            Layout::Maildir if path.len() > LONGEST_PART => Err(BadName::TooLong),
            _ => Ok(path),
        }
    }

    /// The name of the folder at `path`; `None` if we would not write it so, see [`Naming::listing`].
    pub fn name(self, path: &[u8]) -> Option<FolderName> {
        let parts: Option<Vec<String>> = self.split(path)?.map(|part| self.encoding.decode(part)).collect();
        let name = FolderName::of(parts?.iter().map(String::as_str)).ok()?;
        (self.path(&name).ok()?.as_bytes() == path).then_some(name)
    }

    /// The folders at `paths`, by name; INBOX is not among them. None is lost: what does not decode is listed as its octets say,
    /// with U+FFFD for those that no name can have and `~2`, `~3` behind names that are taken. So a client's name is at
    /// [`Naming::path`], or where this list says. Left out are other files of a Maildir and paths that are too long to name.
    pub fn listing(self, paths: impl IntoIterator<Item = OsString>) -> BTreeMap<FolderName, OsString> {
        let mut odd = Vec::new();
        let mut listing = BTreeMap::new();
        for path in paths {
            match self.name(path.as_bytes()) {
                Some(name) => _ = listing.insert(name, path),
                None => odd.push(path),
            }
        }
        odd.sort_unstable();
        odd.dedup();
        let mut taken = HashMap::new();
        for path in odd {
            if let Some(name) = self.verbatim(&path) {
                let name = free(name, &listing, &mut taken);
                listing.insert(name, path);
            }
        }
        listing
    }

    fn allow(self, part: &str) -> Result<(), BadName> {
        match self.layout {
            // The dot is what Maildir++ has between parts.
            Layout::Maildir if part.contains('.') => Err(BadName::Letter('.')),
            Layout::Mbox if part.starts_with('.') || part.ends_with(".lock") => Err(BadName::Reserved),
            _ => Ok(()),
        }
    }

    /// The parts of a path that may be a folder's.
    fn split(self, path: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
        let (separator, rest) = match self.layout {
            Layout::Maildir => (b'.', path.strip_prefix(b".").filter(|rest| !NO_FOLDERS.contains(rest) && !rest.starts_with(b"nfs"))?),
            Layout::Mbox if path.is_empty() || path.ends_with(b".lock") || is_list(path) => return None,
            Layout::Mbox if path.starts_with(b".") || memchr::memmem::find(path, b"/.").is_some() => return None,
            Layout::Mbox => (b'/', path),
        };
        Some(rest.splitn(super::DEEPEST, move |&octet| octet == separator))
    }

    fn verbatim(self, path: &OsStr) -> Option<FolderName> {
        verbatim(self.split(path.as_bytes())?)
    }
}

impl Encoding {
    /// `part` as it stands in file names.
    pub(in crate::store) fn encode(self, part: &str) -> Cow<'_, str> {
        match self {
            Encoding::Utf7 => utf7::encode(part).into(),
            Encoding::Utf8 => part.into(),
        }
    }

    pub(in crate::store) fn decode(self, part: &[u8]) -> Option<String> {
        match self {
            Encoding::Utf7 => utf7::decode(part),
            Encoding::Utf8 => String::from_utf8(part.to_vec()).ok(),
        }
    }
}

/// Whether it is, or would be below, a file that we or Dovecot keep in the home beside the mboxes.
fn is_list(path: &[u8]) -> bool {
    let first = path.split(|&octet| octet == b'/').next().unwrap_or(path);
    first == b"vmail-special" || first == b"dovecot-uidvalidity" || first.starts_with(b"dovecot-uidvalidity.")
}

/// The name that these parts say as they are, see [`Naming::listing`].
pub(in crate::store) fn verbatim<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Option<FolderName> {
    let parts: Vec<String> = parts.map(|part| tolerable(&String::from_utf8_lossy(part))).collect();
    FolderName::of(parts.iter().map(String::as_str)).ok()
}

/// `part`, changed only as far as it can't be part of a name.
fn tolerable(part: &str) -> String {
    let mut part: String =
        part.chars().map(|letter| if check(letter.encode_utf8(&mut [0; 4])).is_ok() || letter == '.' { letter } else { ODD }).collect();
    if part.is_empty() || part == "." || part == ".." {
        part = ODD.into();
    }
    while check(&part).is_err() {
        part.pop();
    }
    part
}

/// `name`, or the next like it that is not taken. `taken` counts, so that a thousand of a kind don't cost a million looks.
fn free(name: FolderName, listing: &BTreeMap<FolderName, OsString>, taken: &mut HashMap<FolderName, u32>) -> FolderName {
    let nth = taken.entry(name.clone()).or_insert(0);
    loop {
        *nth += 1;
        let candidate = if *nth == 1 { name.clone() } else { numbered(&name, *nth) };
        if !candidate.is_inbox() && !listing.contains_key(&candidate) {
            return candidate;
        }
    }
}

fn numbered(name: &FolderName, nth: u32) -> FolderName {
    let mark = format!("~{nth}");
    let mut last = name.last();
    loop {
        let above = name.parts().take(name.parts().count() - 1);
        let tried = format!("{last}{mark}");
        match FolderName::of(above.chain([tried.as_str()])) {
            Ok(name) => return name,
            Err(_) => last = &last[..last.char_indices().next_back().map_or(0, |(at, _)| at)],
        }
    }
}

const ODD: char = char::REPLACEMENT_CHARACTER;
/// Behind the first dot: this folder, the one above, and what Dovecot is about to delete.
const NO_FOLDERS: [&[u8]; 3] = [b"", b".", b".DOVECOT-TRASHED"];

#[cfg(test)]
mod tests {
    use super::*;

    const MAILDIR: Naming = Naming { layout: Layout::Maildir, encoding: Encoding::Utf7 };
    const MBOX: Naming = Naming { layout: Layout::Mbox, encoding: Encoding::Utf8 };

    fn name(text: &str) -> FolderName {
        FolderName::parse(text, '/').unwrap()
    }

    fn listing(naming: Naming, paths: &[&[u8]]) -> Vec<(String, Vec<u8>)> {
        let listing = naming.listing(paths.iter().map(|path| OsStr::from_bytes(path).to_owned()));
        listing.into_iter().map(|(name, path)| (name.display('/').to_string(), path.as_bytes().to_vec())).collect()
    }

    #[test]
    fn folders_are_where_other_servers_have_them() {
        let utf8 = Naming { encoding: Encoding::Utf8, ..MAILDIR };
        for (naming, text, path) in [
            (MAILDIR, "INBOX", ""),
            (MAILDIR, "Sent", ".Sent"),
            (MAILDIR, "INBOX/a b", ".INBOX.a b"),
            (MAILDIR, "Entwürfe/R&D", ".Entw&APw-rfe.R&-D"),
            (MAILDIR, "a/~peter", ".a.~peter"),
            (utf8, "Entwürfe/R&D", ".Entwürfe.R&D"),
            (MBOX, "INBOX", ""),
            (MBOX, "Lists/rust-lang.org", "Lists/rust-lang.org"),
        ] {
            assert_eq!(naming.path(&name(text)).as_deref(), Ok(path));
            if !path.is_empty() {
                assert_eq!(naming.name(path.as_bytes()), Some(name(text)));
            }
        }
    }

    #[test]
    fn what_a_layout_has_no_room_for_is_refused() {
        assert_eq!(MAILDIR.path(&name("rust-lang.org")), Err(BadName::Letter('.')));
        assert_eq!(MAILDIR.path(&name("nfs0001")), Err(BadName::Reserved));
        assert_eq!(MAILDIR.path(&name(&["a".repeat(100).as_str(); 3].join("/"))), Err(BadName::TooLong));
        assert_eq!(MAILDIR.path(&name("~peter/mail")), Err(BadName::Reserved));
        assert_eq!(MBOX.path(&name("Mail/.forward")), Err(BadName::Reserved));
        assert_eq!(MBOX.path(&name("a.lock")), Err(BadName::Reserved));
        assert_eq!(MBOX.path(&name("vmail-special")), Err(BadName::Reserved));
        assert_eq!(MBOX.path(&name("dovecot-uidvalidity.4f2a/b")), Err(BadName::Reserved));
        assert_eq!(MBOX.path(&name("Old/vmail-special")).as_deref(), Ok("Old/vmail-special"));
    }

    #[test]
    fn folders_with_odd_names_are_listed_too() {
        let found =
            listing(MAILDIR, &[b".R&D", b".R&-D", b".", b"..", b"cur", b"..DOVECOT-TRASHED", b".a..b", b".\xff", b".\xfe", b".\nx"]);
        let wanted: [(&str, &[u8]); 6] = [
            ("R&D", b".R&-D"),
            ("R&D~2", b".R&D"),
            ("a/\u{fffd}/b", b".a..b"),
            ("\u{fffd}", b".\xfe"),
            ("\u{fffd}x", b".\nx"),
            ("\u{fffd}~2", b".\xff"),
        ];
        assert_eq!(found, wanted.map(|(name, path)| (name.to_owned(), path.to_vec())));
    }

    #[test]
    fn a_folder_that_looks_like_inbox_is_not_inbox() {
        let found = listing(MAILDIR, &[b".INBOX", b".inbox.a", b".INBOX.a"]);
        let wanted: [(&str, &[u8]); 3] = [("INBOX/a", b".INBOX.a"), ("INBOX/a~2", b".inbox.a"), ("INBOX~2", b".INBOX")];
        assert_eq!(found, wanted.map(|(name, path)| (name.to_owned(), path.to_vec())));
    }

    #[test]
    fn no_number_of_parts_or_octets_loses_a_folder() {
        let (deep, wide) = ([b".".as_slice(), b"a".as_slice()].concat().repeat(120), [b".".to_vec(), vec![0xff; 254]].concat());
        let umlauts = format!(".{}", "ä".repeat(127));
        assert_eq!(listing(MAILDIR, &[&deep, &wide, umlauts.as_bytes()]).len(), 3);
    }

    #[test]
    fn hidden_files_and_locks_are_no_mbox_folders() {
        assert_eq!(listing(MBOX, &[b".forward", b"a/.b", b"a.lock", b"a"]), [("a".to_owned(), b"a".to_vec())]);
    }
}

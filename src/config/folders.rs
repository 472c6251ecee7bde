//! `[folders]` of a domain record: how mail folders are named and which a user has from the start.

use serde::{Deserialize, Serialize};

/// The `[folders]` section of a domain record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FoldersRecord {
    /// What stands between a folder and one below it, as IMAP clients see it (RFC 9051 §5.1.1): `/` or `.`.
    pub separator: Separator,
    /// What the names of all folders but INBOX begin with: like `INBOX.` for users who come from Courier; it ends with the separator.
    pub prefix: String,
    /// Whether Maildir folders have their names in UTF-8 on disk, rather than in modified UTF-7 (RFC 3501 §5.1.3).
    pub utf8: bool,
    /// The folders that are made and subscribed at a user's first login (RFC 6154).
    pub create: Vec<SpecialUse>,
}

impl FoldersRecord {
    /// The longest prefix, in octets.
    const PREFIX: usize = 64;

    /// What is wrong, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        let (prefix, separator) = (&self.prefix, self.separator.letter());
        let is_odd = |octet: u8| !octet.is_ascii_graphic() || b"%*\"\\&".contains(&octet);
        let has_hole = prefix.split_inclusive(separator).any(|part| part.len() < 2);
        if prefix.len() > FoldersRecord::PREFIX || prefix.bytes().any(is_odd) || has_hole {
            return Err(format!("folders.prefix = {prefix:?}: expected names of letters and digits, like \"INBOX.\""));
        }
        if !prefix.is_empty() && !prefix.ends_with(separator) {
            return Err(format!("folders.prefix = {prefix:?}: must end with folders.separator, {separator:?}"));
        }
        Ok(())
    }
}

/// What stands between a folder and one below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Separator {
    /// As most servers have it.
    #[default]
    #[serde(rename = "/")]
    Slash,
    /// As Courier has it, and Dovecot with Maildir.
    #[serde(rename = ".")]
    Dot,
}

impl Separator {
    /// The letter.
    pub fn letter(self) -> char {
        match self {
            Separator::Slash => '/',
            Separator::Dot => '.',
        }
    }
}

/// A folder with a task of its own; its name is that of the attribute (RFC 6154 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SpecialUse {
    /// Messages being written.
    Drafts,
    /// Messages sent.
    Sent,
    /// Messages that are to go.
    Trash,
    /// Messages nobody wanted.
    Junk,
    /// Messages kept out of the way.
    Archive,
}

impl SpecialUse {
    /// All there are.
    pub const ALL: [SpecialUse; 5] = [SpecialUse::Drafts, SpecialUse::Sent, SpecialUse::Trash, SpecialUse::Junk, SpecialUse::Archive];

    /// The folder's name, without prefix.
    pub fn name(self) -> &'static str {
        match self {
            SpecialUse::Drafts => "Drafts",
            SpecialUse::Sent => "Sent",
            SpecialUse::Trash => "Trash",
            SpecialUse::Junk => "Junk",
            SpecialUse::Archive => "Archive",
        }
    }
}

/// The format of maildrops that do not exist yet; what is there decides for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spool {
    /// A folder, one file a message.
    #[default]
    Maildir,
    /// One file, as the historical system had it.
    Mbox,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<FoldersRecord, String> {
        let record: FoldersRecord = toml::from_str(text).map_err(|error| error.to_string())?;
        record.check().map(|()| record)
    }

    #[test]
    fn a_prefix_ends_with_the_separator() {
        assert_eq!(check("separator = \".\"\nprefix = \"INBOX.\"").unwrap().prefix, "INBOX.");
        for wrong in
            ["prefix = \"INBOX.\"", "prefix = \"a//\"", "prefix = \"/\"", "prefix = \"a b/\"", "prefix = \"a*/\"", "separator = \"|\""]
        {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn special_folders_are_called_as_their_attributes() {
        let made = check("create = [\"Drafts\", \"Sent\", \"Trash\", \"Junk\", \"Archive\"]").unwrap().create;
        let names: Vec<&str> = made.iter().map(|special| special.name()).collect();
        assert_eq!(names, ["Drafts", "Sent", "Trash", "Junk", "Archive"]);
        assert!(check("create = [\"INBOX\"]").is_err());
    }
}

//! What clients call folders: behind a prefix, with a separator between the parts (RFC 2342, RFC 9051 §5.1).

use std::borrow::Cow;
use std::fmt;

use super::Account;
use super::name::{BadName, FolderName};

/// How the clients of one account name its folders. INBOX is INBOX; the names of all others begin with the prefix: for users who come
/// from Courier that is `INBOX.`, and their `INBOX.Sent` is the folder `Sent`, `.Sent` in the Maildir.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    prefix: String,
    separator: char,
}

impl Namespace {
    /// The namespace with this prefix, which is empty or ends with the separator.
    pub fn new(prefix: &str, separator: char) -> Namespace {
        Namespace { prefix: prefix.to_owned(), separator }
    }

    /// That of `account`, as `[folders]` of its domain says.
    pub fn of(account: &Account) -> Namespace {
        Namespace::new(&account.prefix, account.separator)
    }

    /// What the names of all folders but INBOX begin with; may be empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What stands between the parts of a name.
    pub fn separator(&self) -> char {
        self.separator
    }

    /// The folder that a client means.
    ///
    /// # Errors
    /// The name lies outside of the namespace, or no folder can be called so.
    pub fn folder(&self, name: &str) -> Result<FolderName, BadName> {
        if name.eq_ignore_ascii_case(INBOX) {
            return Ok(FolderName::inbox());
        }
        let folder = FolderName::parse(self.without_prefix(name).ok_or_else(|| BadName::Outside(self.prefix.clone()))?, self.separator)?;
        // INBOX has one name: `INBOX.INBOX` is not another.
        if folder.is_inbox() { Err(BadName::Reserved) } else { Ok(folder) }
    }

    /// What clients call `folder`.
    pub fn shown<'a>(&'a self, folder: &'a FolderName) -> impl fmt::Display + 'a {
        let prefix = if folder.is_inbox() { "" } else { &self.prefix };
        fmt::from_fn(move |out| write!(out, "{prefix}{}", folder.display(self.separator)))
    }

    /// As [`Namespace::shown`], without a copy where that is what the name is.
    pub fn text<'a>(&self, folder: &'a FolderName) -> Cow<'a, str> {
        match self.prefix.is_empty() || folder.is_inbox() {
            true => folder.text(self.separator),
            false => Cow::Owned(self.shown(folder).to_string()),
        }
    }

    /// As a first part of the prefix, too, INBOX is the same in any case.
    fn without_prefix<'a>(&self, name: &'a str) -> Option<&'a str> {
        let (begins, rest) = name.split_at_checked(self.prefix.len())?;
        let of_inbox = self.prefix.get(..INBOX.len()).is_some_and(|first| first.eq_ignore_ascii_case(INBOX))
            && self.prefix[INBOX.len()..].starts_with(self.separator);
        let split = if of_inbox { INBOX.len() } else { 0 };
        let (inbox, further) = (begins.get(..split)?, begins.get(split..)?);
        (inbox.eq_ignore_ascii_case(&self.prefix[..split]) && further == &self.prefix[split..]).then_some(rest)
    }
}

const INBOX: &str = "INBOX";

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(text: &str) -> FolderName {
        FolderName::parse(text, '/').unwrap()
    }

    #[test]
    fn without_a_prefix_names_are_what_they_are() {
        let plain = Namespace::new("", '/');
        for name in ["INBOX", "Sent", "Lists/Rust", "INBOX/below"] {
            assert_eq!(plain.folder(name), Ok(folder(name)));
            assert_eq!(plain.shown(&folder(name)).to_string(), name);
            assert_eq!(plain.text(&folder(name)), name);
        }
        assert_eq!(plain.folder("inbox"), Ok(FolderName::inbox()));
        assert_eq!(plain.folder(""), Err(BadName::Empty));
    }

    #[test]
    fn what_courier_called_inbox_sent_is_the_folder_sent() {
        let courier = Namespace::new("INBOX.", '.');
        for (name, meant) in [("INBOX", "INBOX"), ("INBOX.Sent", "Sent"), ("INBOX.Lists.Rust", "Lists/Rust"), ("INBOX.INBOX.a", "INBOX/a")]
        {
            assert_eq!(courier.folder(name), Ok(folder(meant)), "{name}");
            assert_eq!(courier.shown(&folder(meant)).to_string(), name);
            assert_eq!(courier.text(&folder(meant)), name);
        }
        assert_eq!(courier.folder("inBox.Sent"), Ok(folder("Sent")));
        assert_eq!(courier.folder("InBoX"), Ok(FolderName::inbox()));
    }

    #[test]
    fn what_lies_outside_is_no_folder() {
        let courier = Namespace::new("INBOX.", '.');
        for name in ["Sent", "INBO", "INBOXSent", "INBOX/Sent", "Mail.INBOX.Sent"] {
            assert_eq!(courier.folder(name), Err(BadName::Outside("INBOX.".into())), "{name}");
        }
        assert_eq!(courier.folder("INBOX."), Err(BadName::Empty));
        assert_eq!(courier.folder("INBOX.inbox"), Err(BadName::Reserved));
        let mail = Namespace::new("Mail/", '/');
        assert_eq!(mail.folder("mail/Sent"), Err(BadName::Outside("Mail/".into())));
        assert_eq!(mail.folder("Mail/Sent"), Ok(folder("Sent")));
        assert_eq!(mail.folder("Mäil/Sent"), Err(BadName::Outside("Mail/".into())));
        assert_eq!(mail.folder("INBOX/a"), Err(BadName::Outside("Mail/".into())));
    }

    #[test]
    fn a_longer_prefix_is_inbox_in_any_case_too() {
        let deep = Namespace::new("INBOX/Mail/", '/');
        assert_eq!(deep.folder("Inbox/Mail/Sent"), Ok(folder("Sent")));
        assert_eq!(deep.folder("INBOX/mail/Sent"), Err(BadName::Outside("INBOX/Mail/".into())));
    }
}

//! Why a home could not do it.

use std::io;
use std::path::{Path, PathBuf};

use super::name::BadName;
use super::quota::Over;

/// Why a home could not do it. None of these means that mail is lost.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Another program or session has the mailbox, and kept it for as long as we cared to wait.
    #[error("{}: in use by another program", .0.display())]
    Busy(PathBuf),
    /// No room to make the change safely; it was not made.
    #[error("{}: no space for the update", .0.display())]
    Full(PathBuf),
    /// Another program has removed the message.
    #[error("{}: the message is no longer there", .0.display())]
    Gone(PathBuf),
    /// Another program rewrote the mailbox while a message was being read: what was read is not that message.
    #[error("{}: changed while being read", .0.display())]
    Changed(PathBuf),
    /// What is there is not a mailbox.
    #[error("{}: {what}", .path.display())]
    NotMailbox { path: PathBuf, what: &'static str },
    /// There is no such folder.
    #[error("there is no such folder")]
    NoFolder,
    /// There is such a folder already.
    #[error("there is a folder of that name")]
    Exists,
    /// No folder can be called so, or be treated so.
    #[error("{0}")]
    BadName(BadName),
    /// A limit stands against more mail.
    #[error("{0}")]
    OverQuota(Over),
    /// The system refused.
    #[error("{doing} {}: {source}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl Trouble {
    /// The same, for another who waited for the same.
    pub(super) fn again(&self) -> Trouble {
        match self {
            Trouble::Busy(path) => Trouble::Busy(path.clone()),
            Trouble::Full(path) => Trouble::Full(path.clone()),
            Trouble::Gone(path) => Trouble::Gone(path.clone()),
            Trouble::Changed(path) => Trouble::Changed(path.clone()),
            Trouble::NotMailbox { path, what } => Trouble::NotMailbox { path: path.clone(), what },
            Trouble::NoFolder => Trouble::NoFolder,
            Trouble::Exists => Trouble::Exists,
            Trouble::BadName(name) => Trouble::BadName(name.clone()),
            Trouble::OverQuota(over) => Trouble::OverQuota(*over),
            Trouble::Io { doing, path, source } => {
                let source =
                    source.raw_os_error().map_or_else(|| io::Error::new(source.kind(), source.to_string()), io::Error::from_raw_os_error);
                Trouble::Io { doing, path: path.clone(), source }
            }
        }
    }

    /// For `map_err`: what the system said while `doing` something with `path`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Trouble {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Trouble::Full(path.into()),
            _ => Trouble::Io { doing, path: path.into(), source },
        }
    }
}

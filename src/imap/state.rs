//! What a session knows: who has logged in, what is enabled, which mailbox is selected.

use std::sync::Arc;

use super::fetch::Bookmark;
use super::view::View;
use crate::config::Allowance;
use crate::store::{AnyFolder, AnyHome, FolderName, Namespace};
use crate::vdomain::VirtualDomain;

/// Somebody who has logged in: the authenticated state, and with a mailbox the selected state (RFC 9051 §3).
pub(super) struct User {
    /// The domain, as it was at login.
    pub domain: Arc<VirtualDomain>,
    pub home: AnyHome,
    pub namespace: Namespace,
    pub allowance: Allowance,
    pub selected: Option<Selected>,
}

/// The selected mailbox.
pub(super) struct Selected {
    pub name: FolderName,
    pub folder: AnyFolder,
    pub view: View,
    /// EXAMINE.
    pub is_read_only: bool,
    /// How many keywords of the mailbox the client has been told of.
    pub keywords: usize,
    /// How far the client has read a large message.
    pub bookmark: Bookmark,
}

/// What ENABLE, or the use of an extension, has switched on (RFC 5161).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Enabled {
    pub condstore: bool,
    pub qresync: bool,
    pub utf8: bool,
    pub rev2: bool,
}

impl Enabled {
    /// Whether names of mailboxes are UTF-8 (RFC 9755 §3, RFC 9051 §5.1).
    pub fn has_utf8_names(self) -> bool {
        self.utf8 || self.rev2
    }
}

//! An mbox written as a whole, with the UIDs that its messages have elsewhere.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use super::append::{self, Part, Tail};
use super::ledger::Ledger;
use super::notes::{Head, Notes};
use super::redo::Octets;
use super::{Mbox, from};
use crate::store::index::{Entry, State};
use crate::store::{Account, FolderName, Letter, Shared, Trouble, Uidl};

/// An mbox being written where nobody looks yet; nothing is synced.
pub struct Restoring<'a> {
    /// Not at this file: what it will be called.
    mbox: Mbox,
    file: io::BufWriter<File>,
    state: &'a State,
    ledger: Ledger,
    is_first: bool,
}

impl<'a> Restoring<'a> {
    /// Begins in `file`, which is empty and will be folder `name` of `account`. It will be what `state` is.
    pub(in crate::store) fn begin(
        shared: &Arc<Shared>,
        account: &Arc<Account>,
        name: &FolderName,
        file: File,
        state: &'a State,
    ) -> Restoring<'a> {
        let mbox = Mbox::new(Arc::clone(shared), Arc::clone(account), account.spool.clone(), name.clone());
        let file = io::BufWriter::with_capacity(256 * 1024, file);
        let mut ledger = Ledger::plain(state.head());
        // All messages will have records; there may be none.
        ledger.next = state.head().uidnext;
        Restoring { mbox, file, state, ledger, is_first: true }
    }

    /// Adds the message `entry` with its text. By ascending UID.
    pub fn add(&mut self, entry: &Entry<'_>, letter: &Letter) -> Result<(), Trouble> {
        let letter = append::ready(letter, &self.mbox)?;
        let head = self.state.head();
        let base = std::mem::take(&mut self.is_first).then(|| (head.uidvalidity, head.uidnext - 1, Vec::new()));
        let notes = Notes { uid: Some(entry.uid), flags: entry.flags(), keywords: entry.keywords().cloned().collect(), base, pad: 0 };
        let (from, notes) = (from::line(None, entry.received), Head::plain().lines(&notes));
        let parts = vec![Part { from, notes, header: letter.measured().header.unwrap_or(0), letter: &letter }];
        let file = &mut self.file;
        let written = Tail { prefix: b"", parts }.each(&mut |octets| file.write_all(octets));
        written.map_err(Trouble::io("writing", &self.mbox.path))?;
        if entry.uidl() != (Uidl { uidvalidity: head.uidvalidity, uid: entry.uid }) || !entry.uidl_text().is_empty() {
            self.ledger.note_uidl(entry.uid, entry.uidl(), entry.uidl_text());
        }
        Ok(())
    }

    /// All messages are there: writes what the file can't have.
    pub fn finish(mut self) -> Result<(), Trouble> {
        self.file.flush().map_err(Trouble::io("writing", &self.mbox.path))?;
        self.ledger.write(&self.mbox);
        Ok(())
    }
}

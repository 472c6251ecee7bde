//! `vmail mailbox convert`: all mail of an account in the other form.

use std::path::Path;

use anyhow::{Context, bail};

use super::{Import, Mailboxes, Source, Told};
use crate::config::Spool;
use crate::store::{Converted, Trouble};

impl Mailboxes<'_> {
    /// Makes the account's mail an mbox or a Maildir; UIDs, flags, dates, unique ids and subscriptions stay. Returns how many messages
    /// there are; `None` when nothing was to be done.
    ///
    /// # Errors
    /// A POP3 session is open, or something is in the way: the mail is then what it was.
    pub fn convert(&self, to: Spool, told: Told<'_>) -> anyhow::Result<Option<u64>> {
        let (store, owner) = (self.room.store(), &self.account.owner);
        let _claim = match self.room.act(|| store.claim(owner))? {
            Err(Trouble::Busy(_)) => bail!("{owner} is logged in; try again"),
            claim => claim.with_context(|| format!("{owner}: can't be kept from logging in"))?,
        };
        let uidl = self.domain.record.uidl;
        let convert = |told: Told<'_>| {
            let mut each = |done, total| told(done, Some(total));
            self.room.act(|| store.convert(&self.account, to, uidl, &mut each))?.with_context(|| self.whose())
        };
        let mut converted = convert(told)?;
        if let Converted::Late(path) = &converted {
            self.take_late(path)?;
            converted = convert(told)?;
        }
        let Converted::Done { messages, late } = converted else { return Ok(None) };
        late.iter().try_for_each(|path| self.take_late(path))?;
        // What is counted in the new form.
        self.list()?;
        Ok(Some(messages))
    }

    /// Appends mail that came into the old form at the last moment.
    fn take_late(&self, path: &Path) -> anyhow::Result<()> {
        let (source, import) = (Source { path: path.into(), format: None }, Import { over_quota: true, ..Import::default() });
        self.import(&source, &import, &mut |_, _| ())?;
        let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        removed.with_context(|| format!("{}: its mail is in; it can't be removed", path.display()))
    }
}

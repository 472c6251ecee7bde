//! Mail into the store: message by message, in small batches, so that memory does not grow with what there is.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use anyhow::{Context, bail};

use super::letter::{Tags, Taken};
use super::source::Letters;
use super::{Mailboxes, Source, Told};
use crate::config::Allowance;
use crate::store::name::BadName;
use crate::store::{Account, AnyHome, FolderName, Home, Incoming, Letter, Trouble};

/// How mail is imported.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// Below which folder it goes; unset: INBOX, and what has a folder's name into the folder of that name.
    pub into: Option<FolderName>,
    /// So many messages of the source are left out: they are in already.
    pub skip: u64,
    /// Whether limits do not matter.
    pub over_quota: bool,
}

impl Mailboxes<'_> {
    /// Appends all messages of `source`, with flags, keywords and dates. Folders that are missing are made and subscribed. Returns how
    /// many messages came in.
    ///
    /// # Errors
    /// Says where it stopped: what was appended before stays.
    pub fn import(&self, source: &Source, import: &Import, told: Told<'_>) -> anyhow::Result<u64> {
        let mut letters = source.open(self.account.encoding)?;
        let home = match import.over_quota {
            true => self.room.store().home(Account { allowance: Allowance::default(), ..self.account.clone() }),
            false => self.home.clone(),
        };
        let known = self.names()?.into_iter().collect();
        let mut importing = Importing { mailboxes: self, home, import, known, batch: Vec::new(), octets: 0, to: None, seen: 0, done: 0 };
        let outcome = importing.all(&mut *letters, told);
        let (done, goes_on) = (importing.done, import.skip + importing.done);
        outcome.with_context(|| {
            format!("{}: stopped after {done} messages, which stay; `--skip {goes_on}` goes on there", source.path.display())
        })?;
        Ok(done)
    }
}

/// An import at work.
struct Importing<'a> {
    mailboxes: &'a Mailboxes<'a>,
    home: AnyHome,
    import: &'a Import,
    known: HashSet<FolderName>,
    /// What goes to `to` next.
    batch: Vec<Incoming>,
    octets: u64,
    to: Option<FolderName>,
    /// Messages that the source has given.
    seen: u64,
    /// Messages that are in.
    done: u64,
}

impl Importing<'_> {
    fn all(&mut self, letters: &mut dyn Letters, told: Told<'_>) -> anyhow::Result<()> {
        let stopped = self.mailboxes.room.interrupted();
        while let Some((taken, letter)) = self.next(letters)? {
            self.seen += 1;
            if self.seen <= self.import.skip {
                continue;
            }
            let to = self.target(taken.folder.as_ref())?;
            if self.to.as_ref().is_some_and(|now| *now != to) || self.batch.len() >= MESSAGES || self.octets >= OCTETS {
                self.flush()?;
                let (done, total) = letters.progress();
                told(done, Some(total));
            }
            self.octets += letter.len();
            self.batch.push(incoming(letter, taken.tags));
            self.to = Some(to);
            if stopped.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
        }
        self.flush()?;
        let (_, total) = letters.progress();
        told(total, Some(total));
        Ok(())
    }

    fn next(&self, letters: &mut dyn Letters) -> anyhow::Result<Option<(Taken, Letter)>> {
        let room = self.mailboxes.room;
        let mut draft = room.store().draft();
        // What is too large for memory goes to the service's folder.
        let taken = letters.next(&mut |piece| Ok(room.act(|| draft.push(piece))??))?;
        taken.map(|taken| Ok((taken, room.act(|| draft.finish())??))).transpose()
    }

    fn target(&self, folder: Option<&FolderName>) -> anyhow::Result<FolderName> {
        let joined = match (&self.import.into, folder) {
            (None, None) => Ok(FolderName::inbox()),
            (None, Some(folder)) => Ok(folder.clone()),
            (Some(into), None) => Ok(into.clone()),
            (Some(into), Some(folder)) => FolderName::of(into.parts().chain(folder.parts())),
        };
        Ok(joined.map_err(|bad: BadName| Trouble::BadName(bad))?)
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let Some(to) = self.to.take().filter(|_| !self.batch.is_empty()) else { return Ok(()) };
        let room = self.mailboxes.room;
        if self.known.insert(to.clone()) {
            match room.wait(self.home.create(&to, None))? {
                Ok(_) | Err(Trouble::Exists) => room.wait(self.home.subscribe(&to, true))?.with_context(|| self.mailboxes.called(&to))?,
                Err(trouble) => return Err(trouble).with_context(|| self.mailboxes.called(&to)),
            }
        }
        let batch = std::mem::take(&mut self.batch);
        self.octets = 0;
        room.wait(self.home.append(&to, &batch))?.with_context(|| self.mailboxes.called(&to))?;
        self.done += batch.len() as u64;
        Ok(())
    }
}

fn incoming(letter: Letter, tags: Tags) -> Incoming {
    let Tags { flags, keywords, received, sender } = tags;
    Incoming { flags, keywords, received, sender, ..Incoming::new(letter) }
}

/// What is appended at once.
const MESSAGES: usize = 100;
const OCTETS: u64 = 16 << 20;

//! Copies and moves: as files from Maildir to Maildir, else by reading and appending.

use std::collections::HashMap;
use std::sync::Arc;

use super::Mailbox;
use crate::store::draft::Shelf;
use crate::store::index::{Entry, Op, Span, State};
use crate::store::maildir::Way;
use crate::store::spool::{Batch, Spool};
use crate::store::{Changes, Copied, Draft, Facts, Incoming, Trouble, Uids};

impl Mailbox {
    /// Copies messages to the end of `to`, all that are there or none; durable on return.
    pub fn copy(&self, uidvalidity: u32, uids: &Uids, to: &Mailbox) -> Result<Copied, Trouble> {
        let (there, octets) = self.sizes(uidvalidity, uids)?;
        let _reserved = to.account.reserve(&to.shared, &to.name, octets, there.len())?;
        match (self.spool.as_maildir(), to.spool.as_maildir()) {
            (Some(_), Some(_)) => self.pass_files(uidvalidity, &there, to, Way::Link),
            _ => self.pass_letters(uidvalidity, &there, to),
        }
    }

    /// Moves messages to the end of `to`; durable on return.
    pub fn relocate(self: &Arc<Self>, uidvalidity: u32, uids: &Uids, to: &Mailbox) -> Result<Copied, Trouble> {
        let (there, _) = self.sizes(uidvalidity, uids)?;
        match (self.spool.as_maildir(), to.spool.as_maildir()) {
            (Some(from), Some(_)) => {
                let copied = self.pass_files(uidvalidity, &there, to, Way::Rename)?;
                let gone = Span::gather(copied.uids.iter().map(|(uid, _)| *uid));
                self.write(&mut |state| match self.check(state, uidvalidity) {
                    Ok(()) => Ok(vec![Op::Expunge { uids: gone.clone(), doomed: false }].into()),
                    // Numbered anew in this moment: who did it has missed the files.
                    Err(_) => Ok(Batch::default()),
                })?;
                from.harden()?;
                Ok(copied)
            }
            _ => {
                let copied = self.pass_letters(uidvalidity, &there, to)?;
                let changes = Changes { expunge: copied.uids.iter().map(|(uid, _)| *uid).collect(), ..Changes::default() };
                // An INBOX without files has nothing that could go.
                if !changes.is_empty() {
                    self.apply(uidvalidity, &changes)?;
                }
                Ok(copied)
            }
        }
    }

    /// Which of `uids` are there, and their octets.
    fn sizes(&self, uidvalidity: u32, uids: &Uids) -> Result<(Uids, u64), Trouble> {
        let state = self.look_under(uidvalidity)?;
        let messages = uids.ranges().flat_map(|range| state.range(Span::from(range)));
        Ok(messages.fold((Uids::NONE, 0), |(mut there, octets), message| {
            there.insert(message.uid);
            (there, octets + message.len)
        }))
    }

    fn pass_files(&self, uidvalidity: u32, uids: &Uids, to: &Mailbox, way: Way) -> Result<Copied, Trouble> {
        for _ in 0..ATTEMPTS {
            match self.try_to_pass_files(uidvalidity, uids, to, way) {
                // Another program has renamed a file since we looked.
                Err(Trouble::Changed(_)) => {}
                outcome => return outcome,
            }
        }
        Err(Trouble::Busy(self.index.to_path_buf()))
    }

    fn try_to_pass_files(&self, uidvalidity: u32, uids: &Uids, to: &Mailbox, way: Way) -> Result<Copied, Trouble> {
        let Some(from) = self.spool.as_maildir() else { return Err(self.gone()) };
        let known = self.look_under(uidvalidity)?;
        let entries = self.entries(&known, uids);
        let mut turn = to.hold(true)?.ok_or(Trouble::NoFolder)?;
        let mut copied = Copied { uidvalidity: 0, uids: Vec::new() };
        to.write_held(&mut *turn.hold, &mut |hold, state| {
            let (ops, pairs) = hold.adopt(state, from, &known, uids, way)?;
            copied = Copied { uidvalidity: state.head().uidvalidity, uids: pairs };
            let kept = |(from, to): &(u32, u32)| Some((*to, entries.get(from)?.clone()));
            Ok(Batch { ops, cache: copied.uids.iter().filter_map(kept).collect() })
        })?;
        drop(turn);
        to.spool.harden()?;
        Ok(copied)
    }

    /// What is cached of messages, by UID.
    fn entries(&self, known: &State, uids: &Uids) -> HashMap<u32, Vec<u8>> {
        let messages = uids.ranges().flat_map(|range| known.range(Span::from(range)));
        self.kept().cached_all(messages.map(|message| *message)).iter().map(|(uid, entry)| (uid, entry.to_vec())).collect()
    }

    fn pass_letters(&self, uidvalidity: u32, uids: &Uids, to: &Mailbox) -> Result<Copied, Trouble> {
        let state = self.learn(uidvalidity, uids, Facts::Content)?;
        let (mut shelf, mut letters, mut from) = (Shelf::default(), Vec::new(), Vec::new());
        for message in uids.ranges().flat_map(|range| state.range(Span::from(range))) {
            match self.letter(uidvalidity, &message, &mut shelf) {
                Ok(letter) => {
                    from.push(message.uid);
                    letters.push(letter);
                }
                Err(Trouble::Gone(_)) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        let appended = to.append_reserved(&letters)?;
        Ok(Copied { uidvalidity: appended.uidvalidity, uids: std::iter::zip(from, appended.uids).collect() })
    }

    fn letter(&self, uidvalidity: u32, message: &Entry<'_>, shelf: &mut Shelf) -> Result<Incoming, Trouble> {
        let (mut reader, mut draft) = (self.read(uidvalidity, message.uid)?, Draft::new(&self.shared.places));
        let mut piece = vec![0; 64 * 1024];
        loop {
            match reader.fill_here(&mut piece)? {
                0 => break,
                some => draft.push(&piece[..some])?,
            }
        }
        Ok(Incoming {
            flags: message.flags(),
            keywords: message.keywords().map(|word| word.to_string()).collect(),
            received: Some(message.received),
            ..Incoming::new(shelf.keep(draft.finish()?, &self.shared.places)?)
        })
    }
}

/// Programs that rename files at every moment are not waited for.
const ATTEMPTS: usize = 4;

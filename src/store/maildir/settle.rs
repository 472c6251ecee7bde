//! File names and files follow what the journal has acknowledged.

use std::collections::HashMap;
use std::io;

use super::keywords::Letters;
use super::name::{FileName, Form, Marks};
use super::notes::Notes;
use super::{CUR, Held, Maildir, NEW, Way, marks};
use crate::os::Dir;
use crate::store::index::{Entry, Flushed, Live, Op, Span, State};
use crate::store::message::Traits;
use crate::store::spool::{Adopted, Batch, Extent, Hold, Scanned, Staged};
use crate::store::{Changes, Flags, Incoming, Trouble, Uids};

impl Hold for Held<'_> {
    fn scan(&mut self, known: Option<&State>) -> Result<Scanned, Trouble> {
        self.look_at_files(known)
    }

    fn place(&mut self, state: &State, messages: &[Incoming], staged: Staged) -> Result<Batch, Trouble> {
        match staged {
            Staged::Maildir(staged) => self.deliver(state, messages, staged),
            Staged::Mbox(_) => Err(self.maildir.trouble("delivering into", io::ErrorKind::InvalidInput.into())),
        }
    }

    fn change(&mut self, _: &State, _: &Changes) -> Result<Batch, Trouble> {
        Err(self.maildir.trouble("changing", io::ErrorKind::Unsupported.into()))
    }

    fn adopt(&mut self, state: &State, from: &Maildir, known: &State, uids: &Uids, way: Way) -> Result<Adopted, Trouble> {
        self.take_files(state, from, known, uids, way)
    }

    fn settle(&mut self, state: &State, extent: Extent) -> Result<Batch, Trouble> {
        let mut settling = Settling { letters: self.letters()?, further: None, folders: [self.folder(NEW)?, self.folder(CUR)?] };
        let mut dirty: Vec<Entry<'_>> = state.having(Traits::DIRTY).take(AT_ONCE).collect();
        if extent == Extent::Seen {
            let fresh = state.having(Traits::FRESH).filter(|message| !message.has(Traits::DIRTY));
            dirty.extend(fresh.take(AT_ONCE - dirty.len()));
        }
        self.prepare_letters(&dirty, &mut settling)?;
        let mut flushed = Vec::new();
        let mut touched = [false; 2];
        for message in &dirty {
            flushed.extend(self.rename(message, &settling, &mut touched)?);
        }
        let buried = self.bury(state, &settling, &mut touched)?;
        self.make_last(touched, &settling)?;
        let stamps = self.stamps_after(
            state,
            [(touched[0], true), (touched[1], false)].into_iter().filter(|(touched, _)| *touched).map(|(_, fresh)| fresh),
        )?;
        let mut ops = vec![Op::Flushed(flushed), Op::Buried(buried)];
        let mut notes = Notes::of(state);
        if notes.lines > 2 * state.len() as u64 + SLACK {
            notes = self.shorten(state)?;
        }
        ops.push(Op::Spool { stamps, front: None, notes: Some(notes.octets()) });
        Ok(ops.into())
    }
}

/// The second of the two folders.
const CURRENT: usize = 1;

/// What is needed to give files their names.
struct Settling {
    letters: Letters,
    /// Keywords without letters, when some have changed.
    further: Option<HashMap<Box<[u8]>, Vec<String>>>,
    /// `new` and `cur`.
    folders: [Dir; 2],
}

impl Held<'_> {
    fn folder(&self, name: &str) -> Result<Dir, Trouble> {
        self.act("opening", || self.maildir.part(&self.top, name))
    }

    /// Letters for keywords that have none, and a list for those that get none, both before a file name needs them.
    fn prepare_letters(&self, dirty: &[Entry<'_>], settling: &mut Settling) -> Result<(), Trouble> {
        let mut letters = settling.letters.clone();
        let mut further = self.further_keywords()?;
        let before = further.clone();
        for message in dirty {
            let homeless: Vec<String> =
                message.keywords().filter(|word| letters.assign(word).is_none()).map(|word| word.to_string()).collect();
            let base = FileName::parse(std::os::unix::ffi::OsStrExt::from_bytes(message.name())).base();
            match homeless.is_empty() {
                true => drop(further.remove(base)),
                false => drop(further.insert(base.into(), homeless)),
            }
        }
        if further != before {
            self.write_further(&further)?;
            settling.further = Some(further);
        }
        if letters != settling.letters {
            self.write_letters(&letters)?;
            settling.letters = letters;
        }
        Ok(())
    }

    /// Gives the file of `message` the name that its flags want. `None`: another program was faster. The next scan sees what it did, and
    /// then the file gets ours, too.
    fn rename(&self, message: &Entry<'_>, settling: &Settling, touched: &mut [bool; 2]) -> Result<Option<Flushed>, Trouble> {
        let (_, name) = super::place(message, message.name());
        let parsed = FileName::parse(&name);
        let keywords = message.keywords().filter_map(|word| settling.letters.letter(word)).fold(0, |bits, letter| bits | 1 << letter);
        // A letter that means nothing to us means something to somebody.
        let unknown = (0..26).filter(|letter| settling.letters.name(*letter).is_none()).fold(0, |bits, letter| bits | 1u32 << letter);
        let old = parsed.marks();
        let flags = message.flags().without(Flags::OLD);
        let now = Marks { flags, passed: old.passed, keywords: keywords | (old.keywords & unknown) };
        // What a session has seen or changed is in `cur`.
        let (target, from, to) = (parsed.with(now), usize::from(!message.has(Traits::FRESH)), CURRENT);
        if (from, &name) != (to, &target) {
            let renamed = self.act("renaming in", || {
                let into = (&settling.folders[to], target.as_os_str());
                self.maildir.shared.disk.rename_in((&settling.folders[from], &name), into)
            });
            match renamed {
                Ok(()) => (touched[from], touched[to]) = (true, true),
                // Another program was faster: the next scan sees what it did.
                Err(Trouble::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
                // No room in the name: the index alone has the flags of such a message.
                Err(Trouble::Io { source, .. }) if source.kind() == io::ErrorKind::InvalidFilename => {
                    let (letters, verbatim) = (marks::bits(old), message.has(Traits::VERBATIM));
                    return Ok(Some(Flushed { uid: message.uid, modseq: message.modseq, letters, fresh: from == 0, verbatim, name: None }));
                }
                Err(trouble) => return Err(trouble),
            }
        }
        let made = FileName::parse(&target);
        let verbatim = made.form() != Form::Canonical;
        let text = if verbatim { target.as_encoded_bytes() } else { made.base() };
        let name = (text != message.name()).then(|| text.into());
        Ok(Some(Flushed { uid: message.uid, modseq: message.modseq, letters: marks::bits(now), fresh: false, verbatim, name }))
    }

    /// Removes the files of expunged messages.
    fn bury(&self, state: &State, settling: &Settling, touched: &mut [bool; 2]) -> Result<Vec<Span>, Trouble> {
        let some = &state.doomed()[..state.doomed().len().min(AT_ONCE)];
        if !some.is_empty() {
            // Once the files are gone, the list alone knows that their UIDs are used up.
            self.sync_list()?;
        }
        let mut uids = Vec::new();
        for doomed in some {
            self.unlink(doomed, settling, touched)?;
            uids.push(doomed.record.uid);
        }
        uids.sort_unstable();
        Ok(Span::gather(uids))
    }

    fn unlink(&self, doomed: &Live, settling: &Settling, touched: &mut [bool; 2]) -> Result<(), Trouble> {
        let (folder, name) = super::place(&doomed.record, doomed.name());
        let at = usize::from(folder == CUR);
        let unlink = |dir: &Dir, name: &std::ffi::OsStr| self.act("removing from", || self.maildir.shared.disk.unlink_in(dir, name));
        match unlink(&settling.folders[at], &name) {
            Ok(()) => touched[at] = true,
            Err(Trouble::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.unlink_renamed(doomed, settling, touched)?
            }
            Err(trouble) => return Err(trouble),
        }
        Ok(())
    }

    /// Another program has given the file another name, or it is gone.
    fn unlink_renamed(&self, doomed: &Live, settling: &Settling, touched: &mut [bool; 2]) -> Result<(), Trouble> {
        let base = FileName::parse(std::os::unix::ffi::OsStrExt::from_bytes(doomed.name())).base().to_vec();
        for (at, dir) in settling.folders.iter().enumerate() {
            for name in self.act("listing", || dir.names(|name, _| FileName::parse(name).base() == base))? {
                self.act("removing from", || self.maildir.shared.disk.unlink_in(dir, &name))?;
                touched[at] = true;
            }
        }
        Ok(())
    }

    fn make_last(&self, touched: [bool; 2], settling: &Settling) -> Result<(), Trouble> {
        if self.maildir.is_unsafe() {
            return Ok(());
        }
        let changed = std::iter::zip(&settling.folders, touched).filter(|(_, touched)| *touched);
        changed.map(|(dir, _)| dir).try_for_each(|dir| self.act("syncing a folder of", || self.maildir.shared.disk.sync_dir(dir)))
    }

    /// Writes the lists of UIDs and of keywords anew, without the messages that are gone.
    fn shorten(&self, state: &State) -> Result<Notes, Trouble> {
        let Some(mut lists) = self.lists()? else { return Ok(Notes::of(state)) };
        lists.lines.retain(|_, line| state.message(line.uid).is_some());
        let mut further = self.further_keywords()?;
        let before = further.len();
        further.retain(|base, _| lists.lines.contains_key(base));
        if further.len() < before {
            self.write_further(&further)?;
        }
        lists.header.next_uid = lists.next.max(state.head().uidnext);
        let list = self.write_list(&lists.header, &super::scan::ordered(&lists))?;
        Ok(Notes { list, lines: lists.lines.len() as u64 })
    }
}

/// Files that are handled before others get their turn.
const AT_ONCE: usize = 512;
/// Lines of messages that are gone, which a list may have beside as many as there are messages.
const SLACK: u64 = 1000;

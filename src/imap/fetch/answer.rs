//! The answers to a FETCH: one a message, in their order.

use super::item::{Fact, Items};
use super::pour::Bookmark;
use super::{Fetch, Fetched, Mailbox, facts};
use crate::imap::pace::Pace;
use crate::imap::view::View;
use crate::message::EntryRef;
use crate::store::{AnyFolder, Changes, Contents, Entry, Facts, Flags, Folder, Reader, State, Trouble, Uids};
use crate::wire::{Lost, Wire};

/// Says what `fetch` asks for of `uids`.
pub(super) async fn answer(fetch: &Fetch, uids: &Uids, mailbox: Mailbox<'_>, wire: &mut Wire) -> Result<Fetched, Lost> {
    let Mailbox { folder, view, is_read_only, tells_modseq, bookmark } = mailbox;
    let went = if has_gone(view.told(), folder.state(), uids) { Fetched::Expunged } else { Fetched::Done };
    let marks = fetch.items.mark_as_seen() && !is_read_only;
    let mut answering =
        Answering { items: &fetch.items, folder, bookmark, wire, last: None, marks, tells_modseq, marked: Uids::NONE, went };
    answering.all(view, uids, fetch.changed_since).await?;
    let Answering { folder, marked, went, .. } = answering;
    if !marked.is_empty() {
        view.has_told(folder.state(), &marked);
    }
    Ok(went)
}

/// Whether one of `uids` was told and is there no more.
fn has_gone(told: &State, now: &State, uids: &Uids) -> bool {
    now.vanished_from(told).iter().flat_map(|span| told.range(*span)).any(|message| uids.contains(message.uid))
}

/// A FETCH being answered.
pub(super) struct Answering<'a> {
    pub items: &'a Items,
    pub folder: &'a mut AnyFolder,
    pub bookmark: &'a mut Bookmark,
    pub wire: &'a mut Wire,
    /// The last message that was read: as long as it is there, the next one is found faster.
    pub last: Option<Reader>,
    /// What is read becomes `\Seen`.
    marks: bool,
    tells_modseq: bool,
    /// What has become so.
    marked: Uids,
    went: Fetched,
}

impl Answering<'_> {
    async fn all(&mut self, view: &View, uids: &Uids, changed_since: Option<u64>) -> Result<(), Lost> {
        let now = self.folder.state().clone();
        let is_asked_for = |message: &Entry<'_>| changed_since.is_none_or(|since| message.modseq > since);
        let mut messages = view.walk(&now, uids).filter(|(_, message)| is_asked_for(message));
        if !self.items.need_entry() && !self.items.need_content() {
            for (number, message) in messages {
                facts::begin(self.wire.output(), number, &message, None, self.items.facts.iter().copied());
                self.wire.say(b")\r\n");
                self.wire.flush_if_full().await?;
            }
            return Ok(());
        }
        let (mut pace, mut batch) = (Pace::new(most_together(self.items)), Vec::new());
        loop {
            batch.clear();
            batch.extend(messages.by_ref().take(pace.messages()).map(|(number, message)| (number, message.uid)));
            if batch.is_empty() {
                return Ok(());
            }
            let octets = self.batch(&batch).await?;
            pace.saw(batch.len(), octets);
        }
    }

    /// Answers for messages of these numbers and UIDs. Returns how many octets were held for them.
    async fn batch(&mut self, batch: &[(u32, u32)]) -> Result<usize, Lost> {
        let uids: Uids = batch.iter().map(|(_, uid)| *uid).collect();
        let kept = match self.prepare(&uids).await {
            Ok(kept) => kept,
            Err(trouble) => {
                self.note(trouble);
                return Ok(0);
            }
        };
        let mut entries = kept.walk();
        for (number, uid) in batch {
            let entry = entries.of(*uid).and_then(EntryRef::decode);
            self.message(*number, *uid, entry).await?;
            self.wire.flush_if_full().await?;
        }
        Ok(kept.octets())
    }

    /// Makes sure that what is asked for is known. Returns what is kept of the messages, if that is needed.
    async fn prepare(&mut self, uids: &Uids) -> Result<Contents, Trouble> {
        if self.items.need_content() {
            self.folder.learn(uids, Facts::Content).await?;
        }
        if self.marks {
            self.mark(uids).await;
        }
        match (self.items.need_entry(), self.items.are_lazy()) {
            (false, _) => Ok(Contents::default()),
            (true, false) => self.folder.cached(uids).await,
            (true, true) => self.folder.cached(&self.at_hand(uids)).await,
        }
    }

    /// Messages whose content has been read before.
    fn at_hand(&self, uids: &Uids) -> Uids {
        let state = self.folder.state();
        uids.iter().filter(|uid| state.message(*uid).is_some_and(|message| message.content().is_some())).collect()
    }

    /// RFC 9051 §6.4.5: what is read becomes `\Seen`. It can be read as well where that can't be noted, as on a full disk.
    async fn mark(&mut self, uids: &Uids) {
        let state = self.folder.state();
        let is_new = |uid: &u32| state.message(*uid).is_some_and(|message| !message.flags().contains(Flags::SEEN));
        let unseen: Uids = uids.iter().filter(is_new).collect();
        let mut changes = Changes::default();
        changes.add(unseen.clone(), Flags::SEEN);
        match self.folder.apply(&changes).await {
            Ok(_) => self.marked.extend(unseen.iter()),
            Err(trouble) => tracing::warn!(event = "mailbox", proto = "imap", error = %trouble, doing = "marking messages as seen"),
        }
    }

    /// Answers for one message, if it is still there.
    async fn message(&mut self, number: u32, uid: u32, kept: Option<EntryRef<'_>>) -> Result<(), Lost> {
        let (items, state) = (self.items, self.folder.state().clone());
        let is_known = |message: &Entry<'_>| {
            let has_entry = kept.is_some() || !items.need_entry() || items.are_lazy();
            has_entry && (message.content().is_some() || !items.need_content())
        };
        let Some(message) = state.message(uid).filter(is_known) else {
            self.note_gone();
            return Ok(());
        };
        match kept {
            Some(kept) if !items.texts.is_empty() => self.contents(number, &message, kept).await,
            kept => {
                facts::begin(self.wire.output(), number, &message, kept, items.facts.iter().copied());
                self.wire.say(b")\r\n");
                Ok(())
            }
        }
    }

    /// What is told of a message unasked: its flags, if they have just changed.
    pub(super) fn news_of(&self, uid: u32) -> impl Iterator<Item = Fact> + use<> {
        let is_marked = self.marked.contains(uid);
        let is_news = |fact: Fact, is_told: bool| Some(fact).filter(|fact| is_told && !self.items.facts.contains(fact));
        // RFC 7162 §3.2.4: where MODSEQ is, UID is as well.
        let is_counted = is_marked && self.tells_modseq;
        [is_news(Fact::Uid, is_counted), is_news(Fact::Flags, is_marked), is_news(Fact::ModSeq, is_counted)].into_iter().flatten()
    }

    pub(super) fn note_gone(&mut self) {
        if matches!(self.went, Fetched::Done) {
            self.went = Fetched::Expunged;
        }
    }

    pub(super) fn note_unknown_encoding(&mut self) {
        if !matches!(self.went, Fetched::Failed(_)) {
            self.went = Fetched::UnknownEncoding;
        }
    }

    /// The first trouble counts.
    pub(super) fn note(&mut self, trouble: Trouble) {
        match (trouble, &self.went) {
            (Trouble::Gone(_), _) => self.note_gone(),
            (_, Fetched::Failed(_)) => {}
            (trouble, _) => self.went = Fetched::Failed(trouble),
        }
    }
}

/// Messages that are looked at together at most.
fn most_together(items: &Items) -> usize {
    // Texts are sent one after the other, and what is marked as read before it was sent is not much.
    if items.texts.is_empty() { 1024 } else { 16 }
}

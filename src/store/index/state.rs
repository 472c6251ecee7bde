//! A mailbox as it was at one moment: never changes, and costs next to nothing to keep.

use std::io;
use std::sync::{Arc, LazyLock};

use super::base::Base;
use super::history::History;
use super::keywords::Keywords;
use super::op::{Arrival, Keyword, Op, Seal};
use super::record::{Live, Record, Span};
use super::rope::{Cursor, Fate, Found, Rope, Wanted};
use crate::os::stamp;
use crate::store::message::{Flags, Traits};

/// A mailbox at one moment. Clones share.
#[derive(Debug, Clone)]
pub struct State(pub(super) Arc<Inner>);

#[derive(Debug, Clone)]
pub struct Inner {
    pub head: Head,
    /// That of the last batch that was taken in.
    pub sequence: u64,
    pub keywords: Arc<Keywords>,
    pub rope: Rope,
    /// What mapped runs of the rope refer to.
    pub base: Option<Arc<Base>>,
    pub history: History,
    pub doomed: Arc<Vec<Live>>,
    pub cache: Generation,
}

/// Which cache file records refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Generation {
    pub number: u64,
    /// Entries that were ever put into it; some are of messages that are gone.
    pub entries: u64,
}

/// Which state it is: the same for states in which all is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    epoch: u64,
    sequence: u64,
    modseq: u64,
}

/// What is known of the mailbox as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Another one whenever the files were lost and made anew.
    pub epoch: u64,
    pub uidvalidity: u32,
    /// The UID of the next message to come; never goes down under one UIDVALIDITY.
    pub uidnext: u32,
    /// The highest MODSEQ (RFC 7162).
    pub modseq: u64,
    /// RFC 8474; made by the driver.
    pub mailbox: [u8; 16],
    /// What the state was read from; which is which is up to the driver.
    pub stamps: [Seal; 2],
    /// mbox: how the file begins.
    pub front: Front,
    /// For the driver.
    pub notes: [u8; 64],
    pub totals: Totals,
}

/// The first message of an mbox, which may have UIDVALIDITY and last UID in its header, and may be the pseudo message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Front {
    pub offset: u64,
    pub from_len: u16,
    pub pseudo: bool,
    /// Its header has UIDVALIDITY and last UID: the latter.
    pub last: Option<u32>,
}

/// Sums over all messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    pub messages: u64,
    pub unseen: u64,
    pub deleted: u64,
    /// [`Traits::DIRTY`] ones.
    pub dirty: u64,
    /// [`Traits::FRESH`] ones.
    pub fresh: u64,
    /// [`Traits::SIZED`] ones.
    pub sized: u64,
    /// Ones with an entry in the cache.
    pub cached: u64,
    /// Octets stored.
    pub stored: u64,
    /// Octets on the wire of those whose size is known, as IMAP sends them.
    pub wire: u64,
    /// Those whose size is known and whose last line has no end.
    pub unended: u64,
}

impl Totals {
    /// Octets on the wire of those whose size is known, as POP3 sends them.
    pub fn popped(&self) -> u64 {
        self.wire.saturating_add(self.unended.saturating_mul(2))
    }

    pub(super) fn add(&mut self, record: &Record) {
        self.each(record, u64::wrapping_add);
    }

    pub(super) fn remove(&mut self, record: &Record) {
        self.each(record, u64::wrapping_sub);
    }

    fn each(&mut self, record: &Record, count: fn(u64, u64) -> u64) {
        let one = |sum: &mut u64, yes: bool| *sum = count(*sum, yes.into());
        self.messages = count(self.messages, 1);
        one(&mut self.unseen, !record.flags().contains(Flags::SEEN));
        one(&mut self.deleted, record.flags().contains(Flags::DELETED));
        one(&mut self.dirty, record.has(Traits::DIRTY));
        one(&mut self.fresh, record.has(Traits::FRESH));
        one(&mut self.sized, record.has(Traits::SIZED));
        one(&mut self.cached, record.cache != 0);
        one(&mut self.unended, record.has(Traits::SIZED) && !record.size.is_ended());
        self.stored = count(self.stored, record.len);
        self.wire = count(self.wire, record.octets().unwrap_or(0));
    }
}

impl State {
    /// Gives back what memory the messages take, until somebody asks for them again: most sessions wait most of their time.
    pub fn rest(&self) {
        self.0.base().into_iter().for_each(Base::rest);
    }

    /// A mailbox found in the spool, with an epoch of its own and a MODSEQ above all that there ever were.
    ///
    /// # Errors
    /// UIDs do not ascend up to `uidnext`, or a limit of keywords is exceeded.
    pub fn found(uidvalidity: u32, uidnext: u32, mailbox: [u8; 16], messages: Vec<Arrival>) -> io::Result<State> {
        let mut epoch = [0; 8];
        getrandom::fill(&mut epoch)?;
        // Microseconds: no mailbox changes more often, in the long run.
        let modseq = u64::try_from(stamp::now() / 1000).unwrap_or(0).max(1);
        let head = Head {
            epoch: u64::from_ne_bytes(epoch),
            uidvalidity,
            uidnext: 1,
            modseq: modseq - 1,
            mailbox,
            stamps: [Seal::default(); 2],
            front: Front::default(),
            notes: [0; 64],
            totals: Totals::default(),
        };
        let mut inner = Inner::new(head);
        inner.apply(vec![Op::Append(messages), Op::Next(uidnext)])?;
        inner.head.modseq = modseq;
        inner.history = History::new(modseq);
        (inner.head.uidnext == uidnext).then(|| State(Arc::new(inner))).ok_or(io::ErrorKind::InvalidInput.into())
    }

    /// The same with what [`Op::Spool`] would set.
    #[must_use]
    pub fn with_spool(mut self, stamps: [Seal; 2], front: Front, notes: [u8; 64]) -> State {
        let head = &mut Arc::make_mut(&mut self.0).head;
        (head.stamps, head.front, head.notes) = (stamps, front, notes);
        self
    }

    /// What `ops`, a batch, make of it.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for ops that are not possible, [`io::ErrorKind::InvalidData`] when the snapshot is damaged.
    pub fn after(&self, ops: Vec<Op>) -> io::Result<State> {
        let mut inner = Inner::clone(&self.0);
        inner.apply(ops)?;
        inner.sequence = inner.sequence.saturating_add(1);
        let state = State(Arc::new(inner));
        if state.is_damaged() { Err(io::Error::new(io::ErrorKind::InvalidData, "the snapshot is damaged")) } else { Ok(state) }
    }

    /// This one as the successor of `old`, in the same files.
    pub(super) fn after_all_of(&self, old: &State) -> io::Result<State> {
        let mut inner = Inner::clone(&self.0);
        (inner.head.epoch, inner.sequence, inner.cache) = (old.head().epoch, old.0.sequence, old.0.cache);
        if inner.head.modseq <= old.head().modseq {
            // The clock went back.
            let modseq = old.head().modseq.saturating_add(1);
            (inner.head.modseq, inner.history) = (modseq, History::new(modseq));
            let all = [Span { first: 1, last: u32::MAX }];
            inner.rope.edit(inner.base.as_deref(), &all, &mut |live| {
                live.record.modseq = modseq;
                Fate::Changed
            })?;
        }
        Ok(State(Arc::new(inner)))
    }

    pub fn head(&self) -> &Head {
        &self.0.head
    }

    /// Tells it from all others of this mailbox.
    pub fn moment(&self) -> Moment {
        Moment { epoch: self.0.head.epoch, sequence: self.0.sequence, modseq: self.0.head.modseq }
    }

    pub fn keywords(&self) -> &Keywords {
        &self.0.keywords
    }

    pub fn len(&self) -> usize {
        self.0.rope.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A message by UID.
    pub fn message(&self, uid: u32) -> Option<Entry<'_>> {
        self.range(Span::one(uid)).next()
    }

    /// The message at `position`, which counts from 0.
    pub fn nth(&self, position: usize) -> Option<Entry<'_>> {
        let entry = self.entries(self.0.rope.at(position), u32::MAX, Wanted::All).next()?;
        // What is damaged is skipped, and is not the one after it.
        (!self.is_damaged() || self.position(entry.uid) == Some(position)).then_some(entry)
    }

    /// How many messages have a smaller UID.
    pub fn before(&self, uid: u32) -> usize {
        self.0.rope.position(self.0.rope.seek(self.0.base(), uid))
    }

    /// The position of the message with this UID.
    pub fn position(&self, uid: u32) -> Option<usize> {
        let cursor = self.0.rope.seek(self.0.base(), uid);
        let found = self.0.rope.next(self.0.base(), &mut cursor.clone(), Wanted::All)?;
        (found.record().uid == uid).then(|| self.0.rope.position(cursor))
    }

    /// All messages, by UID.
    pub fn messages(&self) -> Entries<'_> {
        self.entries(Cursor::default(), u32::MAX, Wanted::All)
    }

    /// Those with a UID in `span`.
    pub fn range(&self, span: Span) -> Entries<'_> {
        self.entries(self.0.rope.seek(self.0.base(), span.first), span.last, Wanted::All)
    }

    /// From the first on.
    pub fn ascent(&self) -> Ascent<'_> {
        Ascent { state: self, entries: self.messages(), next: None }
    }

    /// Those whose MODSEQ is higher.
    pub fn changed_since(&self, modseq: u64) -> Entries<'_> {
        self.entries(Cursor::default(), u32::MAX, Wanted::ChangedSince(modseq))
    }

    /// Those of which all of `traits` hold.
    pub fn having(&self, traits: Traits) -> Entries<'_> {
        self.entries(Cursor::default(), u32::MAX, Wanted::Having(traits))
    }

    /// Those of which not all of `traits` hold.
    pub fn lacking(&self, traits: Traits) -> Entries<'_> {
        self.entries(Cursor::default(), u32::MAX, Wanted::Lacking(traits))
    }

    fn entries(&self, cursor: Cursor, last: u32, wanted: Wanted) -> Entries<'_> {
        Entries { inner: &self.0, cursor, last, wanted }
    }

    /// What was expunged since then, in order: UIDs in between that never existed, or went earlier, may be among them.
    /// `None`: that is no longer known.
    pub fn vanished_since(&self, modseq: u64) -> Option<Vec<Span>> {
        self.0.history.since(self.0.base(), modseq)
    }

    /// What `old`, an earlier state of the same mailbox and UIDVALIDITY, has and this one has not; others that went earlier
    /// may be among them.
    pub fn vanished_from(&self, old: &State) -> Vec<Span> {
        let known = if self.head().epoch == old.head().epoch { self.vanished_since(old.head().modseq) } else { None };
        known.unwrap_or_else(|| {
            let mut still = self.messages().map(|entry| entry.uid).peekable();
            Span::gather(old.messages().map(|entry| entry.uid).filter(|uid| {
                while still.next_if(|one| one < uid).is_some() {}
                still.peek() != Some(uid)
            }))
        })
    }

    /// Expunged messages whose file may still be there.
    pub fn doomed(&self) -> &[Live] {
        &self.0.doomed
    }

    /// Some of the snapshot turned out to be unreadable: what it held is left out, and the index must be made anew.
    pub fn is_damaged(&self) -> bool {
        self.0.base().is_some_and(Base::is_damaged)
    }
}

/// Expunged messages for a state to keep; those that have none share that.
pub fn shared(doomed: Vec<Live>) -> Arc<Vec<Live>> {
    static NONE: LazyLock<Arc<Vec<Live>>> = LazyLock::new(Arc::default);
    if doomed.is_empty() { Arc::clone(&NONE) } else { Arc::new(doomed) }
}

impl Inner {
    pub fn new(head: Head) -> Inner {
        let history = History::new(head.modseq);
        let (keywords, rope, doomed) = (Keywords::default().shared(), Rope::default(), shared(Vec::new()));
        Inner { head, sequence: 0, keywords, rope, base: None, history, doomed, cache: Generation::default() }
    }

    pub fn base(&self) -> Option<&Base> {
        self.base.as_deref()
    }

    /// File name and UIDL of a message.
    pub fn text<'a>(&'a self, record: &Record, live: Option<&'a Live>) -> &'a [u8] {
        match live.and_then(|live| live.text.as_deref()) {
            Some(text) => text,
            None => self.base().map_or(&[], |base| base.text(record)),
        }
    }
}

/// A message of a state.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub record: Record,
    live: Option<&'a Live>,
    inner: &'a Inner,
}

impl<'a> Entry<'a> {
    /// The file name; empty if it has none, or if that is damaged.
    pub fn name(&self) -> &'a [u8] {
        self.text().get(..usize::from(self.record.name_len)).unwrap_or_default()
    }

    /// The explicit POP3 UIDL; empty if it has none, or if that is damaged.
    pub fn uidl_text(&self) -> &'a [u8] {
        self.text().get(usize::from(self.record.name_len)..).unwrap_or_default()
    }

    pub(super) fn text(&self) -> &'a [u8] {
        self.inner.text(&self.record, self.live)
    }

    pub fn keywords(&self) -> impl Iterator<Item = &'a Keyword> + use<'a> {
        self.inner.keywords.of(self.record.keywords)
    }
}

impl std::ops::Deref for Entry<'_> {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

/// Messages of a state, by UID.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    inner: &'a Inner,
    cursor: Cursor,
    last: u32,
    wanted: Wanted,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let found = self.inner.rope.next(self.inner.base(), &mut self.cursor, self.wanted)?;
        let (record, live) = match found {
            Found::Mapped(record) => (record, None),
            Found::Own(record, live) => (record, Some(live)),
        };
        (record.uid <= self.last).then_some(Entry { record, live, inner: self.inner })
    }
}

/// Goes through the messages of a state beside a list of UIDs that ascend, too: to find each by itself takes longer than all else.
pub struct Ascent<'a> {
    state: &'a State,
    entries: Entries<'a>,
    /// The one that was found last, or that is next.
    next: Option<Entry<'a>>,
}

impl<'a> Ascent<'a> {
    /// The message with this UID, which is not below what was asked for before.
    pub fn of(&mut self, uid: u32) -> Option<Entry<'a>> {
        for _ in 0..FEW {
            match self.next {
                Some(entry) if entry.uid >= uid => return Some(entry).filter(|entry| entry.uid == uid),
                _ => self.next = Some(self.entries.next()?),
            }
        }
        if self.next.is_none_or(|entry| entry.uid < uid) {
            self.entries = self.state.range(Span { first: uid, last: u32::MAX });
            self.next = Some(self.entries.next()?);
        }
        self.next.filter(|entry| entry.uid == uid)
    }
}

/// Messages that are passed over one by one.
const FEW: usize = 8;

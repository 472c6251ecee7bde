//! What threads are made of: date, base subject and Message-IDs of messages, each in a few octets.

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::imap::gists;
use crate::imap::pace::Pace;
use crate::imap::search::find::Hit;
use crate::message::kin::{self, Kin, MOST_REFERENCES, Name};
use crate::message::{EntryRef, casemap};
use crate::store::{Folder, Gists, Trouble, Uids};

/// Messages that are to be put into threads, ascending.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Messages {
    pub all: Vec<Message>,
    names: Vec<Name>,
    /// Where the references of each message end among the names.
    ends: Vec<usize>,
}

/// A message that is to be put into a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What the client calls it.
    pub id: u32,
    /// When it was sent, in seconds since 1970 (RFC 5256 §2.2).
    pub date: i64,
    /// Its base subject, without regard to case; `None` if that is empty.
    pub subject: Option<Name>,
    pub is_reply: bool,
    /// Its Message-ID, if it has one that is valid.
    pub name: Option<Name>,
}

impl Messages {
    /// Adds one, and the Message-IDs that it refers to, the oldest first.
    pub fn push(&mut self, message: Message, references: &[Name]) {
        self.all.push(message);
        self.names.extend_from_slice(references);
        self.ends.push(self.names.len());
    }

    /// The references of all messages.
    pub fn references(&self) -> &[Name] {
        &self.names
    }

    /// Where those of each message stand there.
    pub fn spans(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.ends.iter().scan(0, |from, end| Some(std::mem::replace(from, *end)..*end))
    }
}

/// What is at hand while messages are looked at one after the other.
struct Gathering {
    seed: u64,
    wants_references: bool,
    is_uid: bool,
    /// References that may still be kept in all.
    left: usize,
    messages: Messages,
}

/// The messages of `hits`, as the client calls them: by UID, or by number.
///
/// # Errors
/// The mailbox can't be read.
pub async fn gather(folder: &mut impl Folder, hits: &[Hit], is_uid: bool, wants_references: bool) -> Result<Messages, Trouble> {
    let mut gathering = Gathering::new(gists::seed(folder), hits.len(), is_uid, wants_references);
    match gists::of(folder, hits.len()).await? {
        Some(gists) => gathering.copy(&gists, hits),
        None => gathering.read(folder, hits).await?,
    }
    Ok(gathering.messages)
}

impl Gathering {
    fn new(seed: u64, hits: usize, is_uid: bool, wants_references: bool) -> Gathering {
        let messages = Messages { all: Vec::with_capacity(hits), ..Messages::default() };
        Gathering { seed, wants_references, is_uid, left: 16 * hits + BASE_REFERENCES, messages }
    }

    /// Of what gists say.
    fn copy(&mut self, gists: &Gists, hits: &[Hit]) {
        self.seed = gists.seed();
        let mut gists = gists.walk();
        for hit in hits {
            let mut message = self.message(hit);
            let Some(gist) = gists.of(hit.uid) else {
                self.messages.push(message, &[]);
                continue;
            };
            message.date = gist.sent().unwrap_or(message.date);
            message.subject = self.subject(gist.subject_base());
            if !self.wants_references {
                self.messages.push(message, &[]);
                continue;
            }
            (message.is_reply, message.name) = (gist.is_reply(), gist.name());
            self.push(message, gist.references());
        }
    }

    /// Of what is kept of each message.
    async fn read(&mut self, folder: &mut impl Folder, hits: &[Hit]) -> Result<(), Trouble> {
        let (mut pace, mut rest) = (Pace::new(BATCH), hits);
        while !rest.is_empty() {
            let batch = pace.cut(&mut rest);
            let uids: Uids = batch.iter().map(|hit| hit.uid).collect();
            let contents = folder.cached(&uids).await?;
            let mut kept = contents.walk();
            for hit in batch {
                self.add(hit, kept.of(hit.uid).and_then(EntryRef::decode));
            }
            pace.saw(batch.len(), contents.octets());
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn add(&mut self, hit: &Hit, kept: Option<EntryRef<'_>>) {
        let mut message = self.message(hit);
        let Some(kept) = kept else { return self.messages.push(message, &[]) };
        message.date = kept.sent().unwrap_or(message.date);
        let mut folded = Vec::new();
        casemap(kept.subject_base(), &mut folded);
        message.subject = self.subject(&folded);
        let kin = if self.wants_references { Kin::of(&kept, self.seed) } else { Kin::default() };
        (message.is_reply, message.name) = (kin.is_reply, kin.name);
        self.push(message, &kin.references);
    }

    /// A message that is gone has nothing in common with others.
    fn message(&self, hit: &Hit) -> Message {
        let id = if self.is_uid { hit.uid } else { hit.number };
        Message { id, date: hit.received.into(), subject: None, is_reply: false, name: None }
    }

    fn subject(&self, folded: &[u8]) -> Option<Name> {
        (!folded.is_empty()).then(|| xxh3_128_with_seed(folded, self.seed))
    }

    /// A stranger decides how many references there are, but not how many are kept.
    fn push(&mut self, message: Message, references: &[Name]) {
        let most = MOST_REFERENCES.min(self.left).max(1);
        self.left = self.left.saturating_sub(references.len().min(most));
        if references.len() <= most {
            return self.messages.push(message, references);
        }
        let mut some = references.to_vec();
        kin::shorten(&mut some, most);
        self.messages.push(message, &some);
    }
}

/// Messages whose content is at hand at once, at most.
const BATCH: usize = 1024;
/// References of all messages, beyond some for each.
const BASE_REFERENCES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::search::tests::Site;

    #[tokio::test]
    async fn gists_say_what_is_kept_of_each_message() {
        let mut site = Site::new(&[
            "Message-ID: <1@x>\nSubject: Gr\u{fc}\u{df}e\nDate: Fri, 21 Nov 1997 09:00:00 +0200\n\nx",
            "Message-ID: <2@x>\nIn-Reply-To: <1@x>\nSubject: Re: =?utf-8?q?gr=C3=BC=C3=9Fe?=\n\nx",
            "References: <1@x> <2@x>\nSubject: [list] re: x (fwd)\nDate: never\n\n",
            "\n",
        ])
        .await;
        let hit = |uid: u32| Hit { number: uid + 10, uid, modseq: 1, received: uid * 1_000 };
        let hits: Vec<Hit> = (1..=5).map(hit).collect();
        let gists = gists::of(&mut site.folder, 4).await.unwrap().unwrap();
        for (is_uid, wants_references) in [(true, true), (false, true), (true, false)] {
            let new = || Gathering::new(gists.seed(), hits.len(), is_uid, wants_references);
            let (mut copied, mut read) = (new(), new());
            copied.copy(&gists, &hits);
            read.read(&mut site.folder, &hits).await.unwrap();
            assert_eq!(copied.messages, read.messages);
        }
    }

    #[test]
    fn references_have_an_end() {
        let mut gathering = Gathering { left: 250, ..Gathering::new(0, 4, true, true) };
        let many: Vec<Name> = (0..100).collect();
        for _ in 0..4 {
            let message = gathering.message(&Hit { number: 1, uid: 1, modseq: 1, received: 0 });
            gathering.push(message, &many);
        }
        assert_eq!(gathering.messages.spans().map(|span| span.len()).collect::<Vec<_>>(), [100, 100, 50, 1]);
        assert_eq!(gathering.messages.references().last(), Some(&99));
    }
}

//! What threads are made of: date, base subject and Message-IDs of messages, each in a few octets.

use xxhash_rust::xxh3::{Xxh3, xxh3_128_with_seed};

use crate::imap::pace::Pace;
use crate::imap::search::find::Hit;
use crate::message::{EntryRef, casemap, fields, subject};
use crate::store::index::Span;
use crate::store::{Folder, Trouble, Uids};

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
    /// The Message-IDs that it refers to, the oldest first.
    pub references: Vec<Name>,
}

/// What stands for a text: equal for equal ones. Nobody outside knows with which seed, and so nobody can write two texts with one name.
pub type Name = u128;

/// What is at hand while messages are looked at one after the other.
struct Gathering {
    seed: u64,
    wants_references: bool,
    /// References that may still be kept in all.
    left: usize,
    folded: Vec<u8>,
}

/// The messages of `hits`, as the client calls them: by UID, or by number.
///
/// # Errors
/// The mailbox can't be read.
pub async fn gather(folder: &mut impl Folder, hits: &[Hit], is_uid: bool, wants_references: bool) -> Result<Vec<Message>, Trouble> {
    let mut seed = [0; 8];
    // Without the system's randomness addresses in memory will do.
    if getrandom::fill(&mut seed).is_err() {
        seed = (hits.as_ptr() as u64).to_le_bytes();
    }
    let left = MOST_REFERENCES + 16 * hits.len();
    let mut gathering = Gathering { seed: u64::from_le_bytes(seed), wants_references, left, folded: Vec::new() };
    let mut all = Vec::with_capacity(hits.len());
    let (mut pace, mut rest) = (Pace::new(BATCH), hits);
    while !rest.is_empty() {
        let batch = pace.cut(&mut rest);
        let uids: Uids = batch.iter().map(|hit| hit.uid).collect();
        let (contents, now) = (folder.cached(&uids).await?, folder.state().clone());
        let mut kept = contents.walk();
        for hit in batch {
            let received = now.range(Span::one(hit.uid)).next().map_or(0, |message| message.received);
            let id = if is_uid { hit.uid } else { hit.number };
            all.push(gathering.message(id, received, kept.of(hit.uid).and_then(EntryRef::decode)));
        }
        pace.saw(batch.len(), contents.octets());
        tokio::task::yield_now().await;
    }
    Ok(all)
}

impl Gathering {
    /// A message that is gone has nothing in common with others.
    fn message(&mut self, id: u32, received: u32, kept: Option<EntryRef<'_>>) -> Message {
        let mut message = Message { id, date: received.into(), subject: None, is_reply: false, name: None, references: Vec::new() };
        let Some(kept) = kept else { return message };
        message.date = kept.sent().unwrap_or(message.date);
        let base = kept.subject_base();
        if !base.is_empty() {
            self.folded.clear();
            casemap(base, &mut self.folded);
            message.subject = Some(xxh3_128_with_seed(&self.folded, self.seed));
        }
        if self.wants_references {
            self.refer(&kept, &mut message);
        }
        message
    }

    fn refer(&mut self, kept: &EntryRef<'_>, message: &mut Message) {
        let last = |name| fields::values(kept.fields(), name).last().unwrap_or_default();
        let subject = last("Subject");
        message.is_reply = subject.trim_ascii() != kept.subject_base().as_bytes() && subject::is_reply(subject);
        message.name = names(last("Message-ID"), self.seed).next();
        message.references = self.limited(names(last("References"), self.seed).collect());
        if message.references.is_empty() {
            message.references.extend(names(last("In-Reply-To"), self.seed).next());
        }
    }

    /// The first, with which the conversation began, and the last ones: what is in between adds little, and a stranger decides how much
    /// that is.
    fn limited(&mut self, mut references: Vec<Name>) -> Vec<Name> {
        let most = MOST_OF_ONE.min(self.left).max(1);
        if references.len() > most {
            let last = references.split_off(references.len() - (most - 1).max(1));
            references.truncate(most - last.len());
            references.shrink_to(most);
            references.extend(last);
        }
        self.left = self.left.saturating_sub(references.len());
        references
    }
}

/// The names of the Message-IDs in a value: what stands between angle brackets with an `@` in it. White space is none of theirs, and
/// quotes around a local part make no difference (RFC 5256 §3, THREAD=REFERENCES step 1).
fn names(value: &[u8], seed: u64) -> impl Iterator<Item = Name> {
    let mut rest = value;
    std::iter::from_fn(move || {
        loop {
            let start = memchr::memchr(b'<', rest)? + 1;
            let end = start + memchr::memchr(b'>', &rest[start..])?;
            // Of `<<a@b>` the inner one is meant.
            let start = memchr::memrchr(b'<', &rest[start..end]).map_or(start, |inner| start + inner + 1);
            let id = &rest[start..end];
            rest = &rest[end + 1..];
            if let Some(name) = name(id, seed) {
                return Some(name);
            }
        }
    })
}

fn name(id: &[u8], seed: u64) -> Option<Name> {
    let at = memchr::memrchr(b'@', id)?;
    let (left, right) = (id[..at].trim_ascii(), id[at + 1..].trim_ascii());
    if left.is_empty() || right.is_empty() {
        return None;
    }
    let mut hash = Xxh3::with_seed(seed);
    let mut is_escaped = false;
    for octet in left {
        let is_escape = *octet == b'\\' && !is_escaped;
        if !is_escape && (is_escaped || *octet != b'"') && !octet.is_ascii_whitespace() {
            hash.update(&[*octet]);
        }
        is_escaped = is_escape;
    }
    hash.update(b"@");
    right.split(u8::is_ascii_whitespace).for_each(|word| hash.update(word));
    Some(hash.digest128())
}

/// Messages whose content is at hand at once, at most.
const BATCH: usize = 1024;
/// References of a message.
const MOST_OF_ONE: usize = 100;
/// References of all messages, beyond some for each.
const MOST_REFERENCES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_equal_where_they_mean_the_same() {
        let all = |value: &str| names(value.as_bytes(), 7).collect::<Vec<_>>();
        assert_eq!(all("<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>"), all("<01KF8JCEOCBS0045PS@xxx.yyy.com>"));
        assert_eq!(all("<a@b>\r\n\t< a@b >junk<a\n @b>"), [all("<a@b>")[0]; 3]);
        assert_ne!(all("<a@b>"), all("<A@b>"));
        assert_eq!(all("<<a@b>"), all("<a@b>"));
        assert_eq!(all("Your message of Monday, <a> <@b> <a@> <> a@b <a@b"), []);
    }

    #[test]
    fn references_have_an_end() {
        let mut gathering = Gathering { seed: 0, wants_references: true, left: 250, folded: Vec::new() };
        let many: Vec<Name> = (0..1_000).collect();
        let kept = gathering.limited(many.clone());
        assert_eq!((kept.len(), kept[0], kept[1], kept[99]), (100, 0, 901, 999));
        assert_eq!(gathering.limited(many.clone()).len(), 100);
        assert_eq!(gathering.limited(many.clone()).len(), 50);
        assert_eq!(gathering.limited(many), [999]);
        assert_eq!(gathering.limited(vec![1, 2]), [2]);
        assert_eq!(gathering.limited(vec![]), []);
    }
}

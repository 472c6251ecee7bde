//! What the index keeps of one message, as it lies in the snapshot.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use xxhash_rust::xxh3::xxh3_64;

use crate::store::message::{Flags, Size, Traits, Uidl};

/// One message. Times in seconds since 1970, lengths in octets.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Pod, Zeroable)]
pub struct Record {
    pub uid: u32,
    #[doc(hidden)]
    pub flags: u8,
    #[doc(hidden)]
    pub traits: u8,
    /// mbox: octets of the From_ line.
    pub from_len: u16,
    /// A set of keywords of [`Keywords`](super::Keywords); 0 is the empty one. The index sets it.
    pub keywords: u32,
    /// Maildir: what the file name says, one bit a letter, meaning up to the driver.
    pub letters: u32,
    /// Of its last change; the index sets it.
    pub modseq: u64,
    /// If [`Traits::SIZED`].
    pub size: Size,
    /// mbox: where its From_ line begins.
    pub place: u64,
    /// Octets stored, without the From_ line.
    pub len: u64,
    /// Of the content, if [`Traits::PRINTED`].
    pub fingerprint: [u64; 2],
    #[doc(hidden)]
    pub uidl: [u32; 2],
    /// The internal date (RFC 9051 §2.3.3).
    pub received: u32,
    /// When it came into this mailbox (RFC 8514).
    pub saved: u32,
    /// Where its entry in `vmail.cache` is; 0 for none.
    pub cache: u64,
    /// Where its name is, in the snapshot's section of names.
    #[doc(hidden)]
    pub name: u64,
    /// Of the file name, and of the explicit POP3 UIDL behind it; the index sets them.
    #[doc(hidden)]
    pub name_len: u16,
    #[doc(hidden)]
    pub uidl_len: u16,
    /// Of all before, in the snapshot.
    #[doc(hidden)]
    pub sum: u32,
}

impl Record {
    /// Another message with the same content was there when this one came: a digest does not tell them apart.
    pub fn is_twin(&self) -> bool {
        self.has(Traits::TWIN)
    }

    /// What tells its content from that of others, if it is known.
    pub fn content(&self) -> Option<[u64; 2]> {
        self.has(Traits::PRINTED).then_some(self.fingerprint)
    }

    /// Its octets on the wire as IMAP sends it, if they are known.
    pub fn octets(&self) -> Option<u64> {
        self.has(Traits::SIZED).then_some(self.size.octets())
    }

    pub fn flags(&self) -> Flags {
        Flags::from_bits(self.flags)
    }

    pub fn set_flags(&mut self, flags: Flags) {
        self.flags = flags.bits();
    }

    pub fn traits(&self) -> Traits {
        Traits(self.traits)
    }

    /// Whether all of `traits` hold.
    pub fn has(&self, traits: Traits) -> bool {
        self.traits().contains(traits)
    }

    pub fn set_traits(&mut self, traits: Traits, on: bool) {
        let mut all = self.traits();
        all.set(traits, on);
        self.traits = all.0;
    }

    /// The identity that POP3 shows, unless the message has an explicit one.
    pub fn uidl(&self) -> Uidl {
        Uidl { uidvalidity: self.uidl[0], uid: self.uidl[1] }
    }

    pub fn set_uidl(&mut self, uidl: Uidl) {
        self.uidl = [uidl.uidvalidity, uidl.uid];
    }

    /// As it is to be stored.
    pub(super) fn sealed(mut self) -> Record {
        self.sum = self.right_sum();
        self
    }

    pub(super) fn is_intact(&self) -> bool {
        self.sum == self.right_sum()
    }

    /// Never 0 for a record of zeros, so that a hole is seen.
    fn right_sum(&self) -> u32 {
        xxh3_64(&bytemuck::bytes_of(self)[..size_of::<Record>() - 4]) as u32
    }
}

/// A message with the octets that are not in its record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Live {
    pub record: Record,
    /// The file name, then an explicit POP3 UIDL; `None` as long as they are where the record says.
    pub(super) text: Option<Arc<[u8]>>,
}

impl Live {
    /// A message with the file name `name`, and an explicit POP3 UIDL unless that is empty. Both at most 65,535 octets.
    pub fn new(record: Record, name: &[u8], uidl: &[u8]) -> Live {
        let mut live = Live { record, text: None };
        live.set_text(name, uidl);
        live
    }

    pub(super) fn set_text(&mut self, name: &[u8], uidl: &[u8]) {
        let (name, uidl) = (&name[..name.len().min(usize::from(u16::MAX))], &uidl[..uidl.len().min(usize::from(u16::MAX))]);
        (self.record.name, self.record.name_len, self.record.uidl_len) = (0, name.len() as u16, uidl.len() as u16);
        self.text = Some([name, uidl].concat().into());
    }

    /// The file name; empty when it was never read from the snapshot.
    pub fn name(&self) -> &[u8] {
        self.text.as_deref().and_then(|text| text.get(..usize::from(self.record.name_len))).unwrap_or_default()
    }

    /// The explicit POP3 UIDL; empty for none.
    pub fn uidl_text(&self) -> &[u8] {
        self.text.as_deref().and_then(|text| text.get(usize::from(self.record.name_len)..)).unwrap_or_default()
    }
}

/// UIDs from `first` to `last`, both included.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Pod, Zeroable)]
pub struct Span {
    pub first: u32,
    pub last: u32,
}

impl Span {
    pub fn one(uid: u32) -> Span {
        Span { first: uid, last: uid }
    }

    /// Spans of `uids`, which ascend.
    pub fn gather(uids: impl IntoIterator<Item = u32>) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for uid in uids {
            match spans.last_mut() {
                Some(span) if span.last.checked_add(1) == Some(uid) => span.last = uid,
                _ => spans.push(Span::one(uid)),
            }
        }
        spans
    }

    /// The same UIDs, in order, each once.
    pub(super) fn in_order(spans: &[Span]) -> Vec<Span> {
        let mut sorted: Vec<Span> = spans.iter().copied().filter(|span| span.first <= span.last).collect();
        sorted.sort_unstable();
        sorted.dedup_by(|next, kept| {
            let touches = next.first <= kept.last.saturating_add(1);
            if touches {
                kept.last = kept.last.max(next.last);
            }
            touches
        });
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_small_and_full() {
        assert_eq!(size_of::<Record>(), 104);
    }

    #[test]
    fn a_hole_is_no_record() {
        assert!(!Record::default().is_intact());
        assert!(Record::default().sealed().is_intact());
    }

    #[test]
    fn spans_are_put_in_order() {
        let span = |first, last| Span { first, last };
        assert_eq!(Span::in_order(&[span(7, 9), span(1, 2), span(3, 3), span(8, 12), span(5, 4)]), [span(1, 3), span(7, 12)]);
        assert_eq!(Span::gather([1, 2, 4]), [span(1, 2), span(4, 4)]);
    }
}

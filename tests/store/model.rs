//! What must be there: a list of messages for each folder, and what was seen of them before.

use std::collections::{BTreeMap, BTreeSet};

use vmail::store::{Flags, FolderName, State, Uidl};

/// All folders.
#[derive(Default)]
pub struct Model {
    pub folders: BTreeMap<FolderName, Mailbox>,
    pub subscribed: BTreeSet<FolderName>,
}

#[derive(Default)]
pub struct Mailbox {
    /// MAILBOXID and UIDVALIDITY, once they were seen.
    pub identity: Option<([u8; 16], u32)>,
    /// What the next UID must be, at least.
    pub next: u32,
    pub modseq: u64,
    pub mails: BTreeMap<u32, Mail>,
    /// What other programs have delivered, and nobody has looked at.
    pub awaited: Vec<Mail>,
    /// States that a client may have seen, while the index was never lost.
    pub past: Vec<State>,
    /// Octets stored: at least those of the texts, for an mbox has more to say.
    pub octets: u64,
    /// The index was lost since anybody looked.
    pub is_lost: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mail {
    /// With line ends LF.
    pub text: Vec<u8>,
    pub flags: Flags,
    /// In lower case.
    pub words: BTreeSet<String>,
    pub received: Option<u32>,
    /// What makes the EMAILID.
    pub print: Option<[u64; 2]>,
    pub uidl: Option<(Uidl, Vec<u8>)>,
    pub modseq: u64,
    /// Somebody has changed it since it was last looked at.
    pub is_changed: bool,
}

impl Mail {
    /// As a copy of it comes into another mailbox.
    pub fn copied(&self) -> Mail {
        Mail { uidl: None, modseq: 0, is_changed: true, ..self.clone() }
    }
}

impl Mailbox {
    /// New messages with these UIDs.
    pub fn add(&mut self, uids: impl IntoIterator<Item = u32>, mails: impl IntoIterator<Item = Mail>) {
        for (uid, mail) in std::iter::zip(uids, mails) {
            assert!(uid >= self.next.max(1), "UID {uid} is not new: {}", self.next);
            self.next = uid + 1;
            self.mails.insert(uid, mail);
        }
    }

    /// The state that somebody saw who looked just now, with the text of each message.
    pub fn check(&mut self, state: &State, texts: &BTreeMap<u32, Vec<u8>>) {
        let head = *state.head();
        assert_eq!(*self.identity.get_or_insert((head.mailbox, head.uidvalidity)), (head.mailbox, head.uidvalidity));
        self.take_awaited(state);
        let uids: Vec<u32> = state.messages().map(|entry| entry.uid).collect();
        assert_eq!(uids, self.mails.keys().copied().collect::<Vec<_>>(), "the UIDs that are there");
        assert!(head.uidnext >= self.next.max(1) && uids.last().is_none_or(|last| *last < head.uidnext));
        assert!(head.modseq >= self.modseq, "{} fell to {}", self.modseq, head.modseq);
        assert!(!self.is_lost || head.modseq > self.modseq, "a lost index: {} after {}", head.modseq, self.modseq);
        for entry in state.messages() {
            let (mail, uid) = (self.mails.get_mut(&entry.uid).unwrap(), entry.uid);
            mail.check(uid, &entry, &texts[&uid]);
            assert!(entry.modseq <= head.modseq && entry.modseq >= mail.modseq, "MODSEQ of {uid}");
            assert!(
                !(mail.is_changed || self.is_lost) || entry.modseq > self.modseq,
                "{uid}: {} is not above {}",
                entry.modseq,
                self.modseq
            );
            (mail.modseq, mail.is_changed) = (entry.modseq, false);
        }
        let ids: BTreeSet<_> = self.mails.values().map(|mail| mail.uidl.clone()).collect();
        assert_eq!(ids.len(), self.mails.len(), "POP3 lists one id twice");
        assert_eq!(head.totals.messages, self.mails.len() as u64);
        self.octets = state.messages().map(|entry| entry.len).sum();
        assert_eq!(head.totals.stored, self.octets);
        assert_eq!(head.totals.unseen, self.mails.values().filter(|mail| !mail.flags.contains(Flags::SEEN)).count() as u64);
        assert_eq!(head.totals.deleted, self.mails.values().filter(|mail| mail.flags.contains(Flags::DELETED)).count() as u64);
        (self.next, self.modseq, self.is_lost) = (head.uidnext, head.modseq, false);
        self.past.iter().for_each(|old| check_news(old, state));
        self.past.push(state.clone());
        if self.past.len() > 6 {
            self.past.remove(1);
        }
    }

    /// Octets of all texts.
    pub fn text(&self) -> u64 {
        self.mails.values().map(|mail| mail.text.len() as u64).sum()
    }

    fn take_awaited(&mut self, state: &State) {
        let awaited = std::mem::take(&mut self.awaited);
        let uids: Vec<u32> = state.messages().map(|entry| entry.uid).filter(|uid| !self.mails.contains_key(uid)).collect();
        assert_eq!(uids.len(), awaited.len(), "of {} deliveries came {uids:?}", awaited.len());
        self.add(uids, awaited);
    }
}

/// What a client that saw `old` is told.
fn check_news(old: &State, now: &State) {
    let since = old.head().modseq;
    let gone: Vec<u32> = old.messages().map(|entry| entry.uid).filter(|uid| now.message(*uid).is_none()).collect();
    let spans = now.vanished_since(since).expect("nothing was lost, and little has happened");
    let told = |uid: u32| spans.iter().any(|span| (span.first..=span.last).contains(&uid));
    assert!(gone.iter().all(|uid| told(*uid)), "{gone:?} are gone, told were {spans:?}");
    assert!(!now.messages().any(|entry| told(entry.uid)), "told to be gone: {spans:?}");
    let changed: BTreeSet<u32> = now.changed_since(since).map(|entry| entry.uid).collect();
    assert_eq!(changed, now.messages().filter(|entry| entry.modseq > since).map(|entry| entry.uid).collect());
    for entry in now.messages() {
        let seen = old.message(entry.uid).map(|seen| (seen.flags(), words(&seen)));
        assert!(seen == Some((entry.flags(), words(&entry))) || changed.contains(&entry.uid), "nobody is told of {}", entry.uid);
    }
}

fn words(entry: &vmail::store::Entry<'_>) -> BTreeSet<String> {
    entry.keywords().map(|word| word.to_lowercase()).collect()
}

impl Mail {
    fn check(&mut self, uid: u32, entry: &vmail::store::Entry<'_>, text: &[u8]) {
        assert_eq!(String::from_utf8_lossy(text), String::from_utf8_lossy(&self.text), "text of {uid}");
        assert_eq!(entry.flags().without(Flags::OLD), self.flags, "flags of {uid}");
        assert_eq!(words(entry), self.words, "keywords of {uid}");
        assert!(entry.len >= self.text.len() as u64, "octets of {uid}");
        assert_eq!(*self.received.get_or_insert(entry.received), entry.received, "date of {uid}");
        assert_eq!(*self.print.get_or_insert(entry.fingerprint), entry.fingerprint, "EMAILID of {uid}");
        let uidl = (entry.uidl(), entry.uidl_text().to_vec());
        assert_eq!(*self.uidl.get_or_insert(uidl.clone()), uidl, "UIDL of {uid}");
        if !self.text.contains(&b'\r') {
            let lines = self.text.iter().filter(|octet| **octet == b'\n').count();
            assert_eq!(entry.size.octets(), (self.text.len() + lines) as u64, "octets of {uid} on the wire");
            assert_eq!(entry.size.is_ended(), self.text.is_empty() || self.text.ends_with(b"\n"), "whether {uid} ends with a line end");
        }
    }
}

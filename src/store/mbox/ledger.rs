//! `vmail-folder`: the little of a mailbox that follows neither from its file nor from an index that may be lost.
//!
//! It is in `HOME/.vmail`, beside the user's mail and with the user's rights, and is written only where something would be lost without
//! it: a line each for MAILBOXID, UIDVALIDITY and UIDNEXT, the UIDs of messages that have no record, and unique ids of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::number::{Memory, Message, Numbered, number};
use super::scan::Found;
use super::summary::Summary;
use super::{Mbox, mailbox_id, uidvalidity};
use crate::os::Dir;
use crate::store::index::{Head, Seal, State};
use crate::store::message::Traits;
use crate::store::{Account, FolderName, Shared, Trouble, Uidl, folders};

/// What is noted of one mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    pub mailbox: [u8; 16],
    pub uidvalidity: u32,
    /// UIDNEXT is at least this.
    pub next: u32,
    /// The UIDs of the file's first messages, in the order of the file, and a checksum of these messages' fingerprints.
    uids: (Vec<RangeInclusive<u32>>, u64),
    /// Unique ids that are not UIDVALIDITY and UID.
    uidls: BTreeMap<u32, (Uidl, String)>,
    /// Messages with an equal one before them that is gone.
    twins: BTreeSet<u32>,
}

impl Ledger {
    /// What a mailbox is called. UIDs go on following from the file: with a higher UIDNEXT, messages without a record would get others.
    pub fn plain(head: &Head) -> Ledger {
        Ledger { mailbox: head.mailbox, uidvalidity: head.uidvalidity, next: 1, ..Ledger::default() }
    }

    /// All that can be noted of a mailbox, without the UIDs.
    fn of(numbered: &Numbered, mailbox: [u8; 16]) -> Ledger {
        let (uidvalidity, next) = (numbered.uidvalidity, numbered.next);
        let mut ledger = Ledger { mailbox, uidvalidity, next, ..Ledger::default() };
        let mut seen = std::collections::HashSet::new();
        for Message { record, uidl, .. } in &numbered.messages {
            if record.uidl() != (Uidl { uidvalidity, uid: record.uid }) || !uidl.is_empty() {
                ledger.note_uidl(record.uid, record.uidl(), uidl);
            }
            if seen.insert(record.fingerprint) && record.is_twin() {
                ledger.twins.insert(record.uid);
            }
        }
        ledger
    }

    /// Notes a unique id of a message.
    pub fn note_uidl(&mut self, uid: u32, id: Uidl, explicit: &[u8]) {
        self.uidls.insert(uid, (id, String::from_utf8_lossy(explicit).into_owned()));
    }

    /// The same with the UIDs.
    fn with_uids(mut self, numbered: &Numbered) -> Ledger {
        let mut in_file: Vec<&Message> = numbered.messages.iter().collect();
        in_file.sort_by_key(|message| message.found);
        let mut sum = Xxh3::new();
        for Message { record, .. } in in_file {
            sum_of(&mut sum, record.fingerprint);
            match self.uids.0.last_mut() {
                Some(range) if range.end().checked_add(1) == Some(record.uid) => *range = *range.start()..=record.uid,
                _ => self.uids.0.push(record.uid..=record.uid),
            }
        }
        self.uids.1 = sum.digest();
        self
    }

    /// The UIDs of the first of these messages, if they are those that were noted.
    pub fn known(&self, shown: &[Found]) -> Vec<u32> {
        let count: u64 = self.uids.0.iter().map(|range| u64::from(range.end() - range.start()) + 1).sum();
        let Some(first) = usize::try_from(count).ok().and_then(|count| shown.get(..count)) else { return Vec::new() };
        let mut sum = Xxh3::new();
        first.iter().for_each(|found| sum_of(&mut sum, super::halves(found.fingerprint)));
        if sum.digest() == self.uids.1 { self.uids.0.iter().cloned().flatten().collect() } else { Vec::new() }
    }

    /// Gives messages back what is noted of each.
    pub fn remind(&self, messages: &mut [Message]) {
        for Message { record, uidl, .. } in messages {
            if let Some((id, explicit)) = self.uidls.get(&record.uid) {
                record.set_uidl(*id);
                *uidl = explicit.as_bytes().into();
            }
            record.set_traits(Traits::TWIN, record.is_twin() || self.twins.contains(&record.uid));
        }
    }

    /// The text of the file.
    fn encode(&self) -> String {
        let mut text = String::from("vmail-folder 1\nmailbox ");
        self.mailbox.iter().for_each(|octet| _ = write!(text, "{octet:02x}"));
        _ = writeln!(text, "\nuidvalidity {}\nuidnext {}", self.uidvalidity, self.next);
        if !self.uids.0.is_empty() {
            _ = write!(text, "uids {:016x}", self.uids.1);
            self.uids.0.iter().for_each(|range| _ = write!(text, " {}-{}", range.start(), range.end()));
            text.push('\n');
        }
        for (uid, (id, explicit)) in &self.uidls {
            _ = writeln!(text, "uidl {uid} {} {} {explicit}", id.uidvalidity, id.uid);
        }
        self.twins.iter().for_each(|uid| _ = writeln!(text, "twin {uid}"));
        text
    }

    /// Reads the text of the file; `None` when it is none of ours. The user can write there.
    fn parse(text: &str) -> Option<Ledger> {
        let mut lines = text.lines();
        let mut ledger = Ledger::default();
        (lines.next()? == "vmail-folder 1").then_some(())?;
        for line in lines {
            let (key, value) = line.split_once(' ')?;
            match key {
                "mailbox" => ledger.mailbox = u128::from_str_radix(value, 16).ok()?.to_be_bytes(),
                "uidvalidity" => ledger.uidvalidity = value.parse().ok().filter(|&value| value > 0)?,
                "uidnext" => ledger.next = value.parse().ok().filter(|value| (1..=LAST).contains(value))?,
                "uids" => ledger.uids = uids(value, ledger.next)?,
                "uidl" => ledger.take_uidl(value)?,
                "twin" => _ = ledger.twins.insert(value.parse().ok()?),
                // Of a later version.
                _ => {}
            }
        }
        (ledger.uidvalidity > 0 && ledger.next > 0).then_some(ledger)
    }

    fn take_uidl(&mut self, value: &str) -> Option<()> {
        let mut fields = value.splitn(4, ' ');
        let mut number = || fields.next()?.parse().ok();
        let (uid, uidvalidity, of_then) = (number()?, number()?, number()?);
        let explicit = fields.next().unwrap_or_default().to_owned();
        self.uidls.insert(uid, (Uidl { uidvalidity, uid: of_then }, explicit));
        Some(())
    }

    /// What is noted of `mbox`.
    pub fn read(mbox: &Mbox) -> Option<Ledger> {
        let read = mbox.account.actor.run(|| Dir::open(&mbox.account.home)?.beneath(FOLDER)?.content(file_name(&mbox.name), LARGEST));
        match read {
            Ok(text) => std::str::from_utf8(&text).ok().and_then(Ledger::parse),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                mbox.shared.warn_once(&mbox.account.home.join(FOLDER), &error, CANT_READ);
                None
            }
        }
    }

    /// Notes it, durably. Where that can't be done, the index alone knows it.
    pub fn write(&self, mbox: &Mbox) {
        self.write_as(&mbox.shared, &mbox.account, &mbox.name);
    }

    fn write_as(&self, shared: &Shared, account: &Account, name: &FolderName) {
        let disk = &shared.disk;
        let written = account.actor.run(|| {
            let home = match Dir::open(&account.home) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                home => home?,
            };
            if disk.make_in(&home, FOLDER.as_ref())? {
                disk.sync_dir(&home)?;
            }
            let (dir, name) = (home.beneath(FOLDER)?, file_name(name));
            let beside = format!("{name}.new");
            let _ = disk.unlink_in(&dir, beside.as_ref());
            let file = disk.create_in(&dir, beside.as_ref())?;
            disk.append(&file, self.encode().as_bytes())?;
            disk.sync(&file)?;
            disk.rename_in((&dir, beside.as_ref()), (&dir, name.as_ref()))?;
            disk.sync_dir(&dir)
        });
        if let Err(error) = written {
            shared.warn_once(&account.home.join(FOLDER), &error, CANT_WRITE);
        }
    }
}

/// Makes sure that the mailbox would be the same without an index.
pub fn keep(mbox: &Mbox, found: &[Found], numbered: &Numbered, mailbox: [u8; 16], known: Option<Ledger>) {
    let follows = |ledger: Option<&Ledger>| {
        let id = ledger.map_or_else(|| mailbox_id(&mbox.account, &mbox.name), |ledger| ledger.mailbox);
        // 0 is no UIDVALIDITY: one for which there is nothing in the file must be noted.
        id == mailbox && is_same(&number(found, Memory::Ledger(ledger, 0)), numbered)
    };
    if follows(known.as_ref()) {
        return;
    }
    let plain = Ledger::of(numbered, mailbox);
    let ledger = if follows(Some(&plain)) { plain } else { plain.with_uids(numbered) };
    if Some(&ledger) != known.as_ref() {
        ledger.write(mbox);
    }
}

/// Whether nothing differs that a client knows. Who is a twin of one that is there follows from the messages.
fn is_same(one: &Numbered, other: &Numbered) -> bool {
    let same = |one: &Message, other: &Message| {
        (one.record.uid, one.record.uidl(), one.found) == (other.record.uid, other.record.uidl(), other.found)
            && one.uidl == other.uidl
            && (one.record.is_twin() || !other.record.is_twin())
    };
    (one.uidvalidity, one.next) == (other.uidvalidity, other.next)
        && one.messages.len() == other.messages.len()
        && std::iter::zip(&one.messages, &other.messages).all(|(one, other)| same(one, other))
}

/// INBOX without a file: empty, and what it was called stays.
pub fn of_nothing(mbox: &Mbox, known: Option<&State>) -> Result<State, Trouble> {
    let ledger = Ledger::read(mbox);
    let (uidvalidity, next, mailbox) = match (known.map(State::head), &ledger) {
        (Some(head), _) => (head.uidvalidity, head.uidnext, head.mailbox),
        (None, Some(ledger)) => (ledger.uidvalidity, ledger.next, ledger.mailbox),
        (None, None) => (uidvalidity(mbox)?, 1, mailbox_id(&mbox.account, &mbox.name)),
    };
    let nothing = Numbered { uidvalidity, next, front: Default::default(), messages: Vec::new() };
    keep(mbox, &[], &nothing, mailbox, ledger);
    let state = State::found(uidvalidity, next, mailbox, Vec::new()).map_err(Trouble::io("listing", &mbox.path))?;
    Ok(state.with_spool([Seal { settled: true, ..Seal::default() }; 2], Default::default(), Summary::default().octets()))
}

/// The folder is gone, or its name is to be a new one's: nothing is known of it any more.
pub fn forget(shared: &Shared, account: &Account, name: &FolderName) {
    let _ = account.actor.run(|| {
        let dir = Dir::open(&account.home)?.beneath(FOLDER)?;
        shared.disk.unlink_in(&dir, file_name(name).as_ref())?;
        shared.disk.sync_dir(&dir)
    });
}

/// The folder is about to get another name, under which it keeps its MAILBOXID. `state` is how it is.
pub fn take_along(shared: &Arc<Shared>, account: &Arc<Account>, state: &State, from: &FolderName, to: &FolderName) {
    let mbox = Mbox::new(Arc::clone(shared), Arc::clone(account), account.home.clone(), from.clone());
    let head = state.head();
    let known = Ledger::read(&mbox);
    known.unwrap_or_else(|| Ledger::plain(head)).write_as(shared, account, to);
}

fn file_name(name: &FolderName) -> String {
    if name.is_inbox() { "INBOX".to_owned() } else { folders::index_name(name) }
}

fn sum_of(sum: &mut Xxh3, fingerprint: [u64; 2]) {
    fingerprint.iter().for_each(|half| sum.update(&half.to_le_bytes()));
}

/// Ranges in any order, of UIDs below `next`, and not more than a file can have messages.
fn uids(value: &str, next: u32) -> Option<(Vec<RangeInclusive<u32>>, u64)> {
    let mut words = value.split(' ');
    let sum = u64::from_str_radix(words.next()?, 16).ok()?;
    let mut count = 0;
    let mut range = |word: &str| {
        let (first, last) = word.split_once('-')?;
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        let is_range = 0 < first && first <= last && last < next;
        count += if is_range { u64::from(last - first) + 1 } else { 0 };
        (is_range && count <= MOST).then_some(first..=last)
    };
    Some((words.map(&mut range).collect::<Option<_>>()?, sum))
}

/// In the home: mailboxes are not looked for in what is hidden.
pub const FOLDER: &str = ".vmail";
const LARGEST: u64 = 16 << 20;
const MOST: u64 = 100_000_000;
/// Whatever a user writes there, there must be UIDs left.
const LAST: u32 = 3_000_000_000;
const CANT_READ: &str = "what is noted of folders can't be read; should the index get lost, UIDs may change";
const CANT_WRITE: &str = "nothing can be noted of folders; should the index get lost, UIDs may change";

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Ledger {
        let uidl = |uid: u32, text: &str| (uid, (Uidl { uidvalidity: 7, uid: uid + 1 }, text.to_owned()));
        Ledger {
            mailbox: *b"0123456789abcdef",
            uidvalidity: 99,
            next: 12,
            uids: (vec![1..=2, 9..=11, 4..=4], 77),
            uidls: [uidl(1, ""), uidl(4, "<odd>")].into(),
            twins: [2, 9].into(),
        }
    }

    #[test]
    fn what_was_noted_comes_back() {
        assert_eq!(Ledger::parse(&example().encode()), Some(example()));
    }

    #[test]
    fn what_a_user_writes_there_is_judged() {
        let text = example().encode();
        for (good, bad) in [
            ("uidnext 12", "uidnext 4294967295"),
            ("uidvalidity 99", "uidvalidity 0"),
            ("9-11", "9-12"),
            ("1-2", "2-1"),
            ("uids", "uids x"),
        ] {
            assert_eq!(Ledger::parse(&text.replace(good, bad)), None, "{bad}");
        }
        for at in 0..text.len() {
            drop(Ledger::parse(&text[..at]));
        }
    }
}

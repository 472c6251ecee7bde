//! The memory home: for tests, and the plainest of all.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::index::{Arrival, Live, Moment, Op, Record, Span, State};
use super::mailbox::twins;
use super::measure::Measured;
use super::message::Traits;
use super::news::News;
use super::quota::Usage;
use super::{
    Appended, Applied, Changes, Contents, Copied, Facts, Features, Folder, FolderName, Gists, Home, Incoming, Letter, Listed, MailboxId,
    Reader, Status, Trouble, Uidl, Uids, Watcher, change, identity,
};
use crate::address::Owner;
use crate::config::SpecialUse;
use crate::os::stamp;

/// Mail in memory. Clones share it.
#[derive(Clone)]
pub struct MemoryHome(Arc<Shared>);

struct Shared {
    owner: Owner,
    mail: Mutex<Mail>,
    news: News,
}

#[derive(Default)]
struct Mail {
    folders: BTreeMap<FolderName, Stored>,
    subscribed: BTreeSet<FolderName>,
    special: BTreeMap<FolderName, SpecialUse>,
    uidvalidity: u32,
}

/// A mailbox: what the index would have, and the letters by UID.
struct Stored {
    state: State,
    letters: HashMap<u32, Letter>,
    gists: Option<(Moment, Arc<Gists>)>,
}

impl MemoryHome {
    /// A home of nobody in particular, with an empty INBOX.
    pub fn new() -> MemoryHome {
        let owner = "memory@memory.test".parse().expect("a name and a domain");
        let shared = Shared { owner, mail: Mutex::new(Mail { uidvalidity: 1_000_000_000, ..Mail::default() }), news: News::default() };
        shared.mail().make(&FolderName::inbox());
        MemoryHome(Arc::new(shared))
    }
}

impl Default for MemoryHome {
    fn default() -> MemoryHome {
        MemoryHome::new()
    }
}

impl Shared {
    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, name: &FolderName) {
        self.news.tell(&self.owner, &name.display('/').to_string());
    }
}

impl Mail {
    fn make(&mut self, name: &FolderName) -> MailboxId {
        let id = identity::mailbox();
        self.uidvalidity += 1;
        let state = State::found(self.uidvalidity, 1, id, Vec::new()).expect("no messages are in order");
        self.folders.insert(name.clone(), Stored { state, letters: HashMap::new(), gists: None });
        MailboxId(id)
    }

    fn folder(&mut self, name: &FolderName) -> Result<&mut Stored, Trouble> {
        self.folders.get_mut(name).ok_or(Trouble::NoFolder)
    }
}

impl Stored {
    fn happen(&mut self, ops: Vec<Op>) -> Result<(), Trouble> {
        self.state = self.state.after(ops).map_err(Trouble::io("updating", "memory".as_ref()))?;
        Ok(())
    }

    fn append(&mut self, messages: &[Incoming]) -> Result<Appended, Trouble> {
        let head = *self.state.head();
        let uids: Vec<u32> = (head.uidnext..).take(messages.len()).collect();
        let arrivals = std::iter::zip(&uids, messages).map(|(uid, message)| arrival(head.uidvalidity, *uid, message)).collect();
        self.happen(vec![Op::Append(arrivals)])?;
        self.letters.extend(std::iter::zip(uids.iter().copied(), messages.iter().map(|message| message.letter.clone())));
        Ok(Appended { uidvalidity: head.uidvalidity, uids })
    }

    fn apply(&mut self, changes: &Changes) -> Result<Applied, Trouble> {
        let mut applied = Applied::default();
        let fitting = change::fitting(changes, &self.state, &mut applied.stale);
        self.happen(change::ops(&fitting, change::Reaching::Now))?;
        fitting.expunge.iter().for_each(|uid| drop(self.letters.remove(&uid)));
        Ok(applied)
    }

    /// The messages `uids` as they would come into another mailbox.
    fn outgoing(&self, uids: &Uids) -> (Vec<u32>, Vec<Incoming>) {
        let messages = uids.ranges().flat_map(|range| self.state.range(Span::from(range)));
        let outgoing = |message: super::Entry<'_>| {
            let incoming = Incoming {
                flags: message.flags(),
                keywords: message.keywords().map(|word| word.to_string()).collect(),
                received: Some(message.received),
                ..Incoming::new(self.letters.get(&message.uid)?.clone())
            };
            Some((message.uid, incoming))
        };
        messages.filter_map(outgoing).unzip()
    }
}

fn arrival(uidvalidity: u32, uid: u32, message: &Incoming) -> Arrival {
    let now = u32::try_from(stamp::now() / 1_000_000_000).unwrap_or(u32::MAX);
    let Measured { size, fingerprint, .. } = *message.letter.measured();
    let (received, saved) = (message.received.unwrap_or(now), message.saved.unwrap_or(now));
    let mut record = Record { uid, size, fingerprint, len: message.letter.len(), received, saved, ..Record::default() };
    record.set_flags(message.flags);
    record.set_traits(Traits::SIZED, true);
    record.set_traits(Traits::PRINTED, true);
    record.set_uidl(Uidl { uidvalidity, uid });
    let live = Live::new(record, b"", message.uidl.as_deref().unwrap_or_default().as_bytes());
    Arrival { live, keywords: message.keywords.iter().map(|word| word.as_str().into()).collect() }
}

impl Home for MemoryHome {
    type Folder = MemoryFolder;

    fn features(&self) -> Features {
        Features { inferiors: true, separator: '/', lasting: false }
    }

    async fn list(&self) -> Result<Arc<[Listed]>, Trouble> {
        let mail = self.0.mail();
        let mut all: BTreeMap<FolderName, bool> = mail.subscribed.iter().map(|name| (name.clone(), false)).collect();
        for name in mail.folders.keys() {
            let mut above = name.parent();
            while let Some(level) = above {
                all.entry(level.clone()).or_insert(false);
                above = level.parent();
            }
            all.insert(name.clone(), true);
        }
        let line = |(name, exists): (FolderName, bool)| Listed {
            subscribed: mail.subscribed.contains(&name),
            special: mail.special.get(&name).copied().or_else(|| super::folders::usual(&name)).filter(|_| exists),
            no_inferiors: false,
            exists,
            name,
        };
        Ok(all.into_iter().map(line).collect())
    }

    async fn create(&self, name: &FolderName, special: Option<SpecialUse>) -> Result<MailboxId, Trouble> {
        let mut mail = self.0.mail();
        if mail.folders.contains_key(name) {
            return Err(Trouble::Exists);
        }
        mail.special.extend(special.map(|special| (name.clone(), special)));
        let id = mail.make(name);
        drop(mail);
        self.0.tell(name);
        Ok(id)
    }

    async fn delete(&self, name: &FolderName) -> Result<(), Trouble> {
        if name.is_inbox() {
            return Err(Trouble::BadName(super::name::BadName::Reserved));
        }
        let mut mail = self.0.mail();
        mail.special.remove(name);
        mail.folders.remove(name).ok_or(Trouble::NoFolder)?;
        drop(mail);
        self.0.tell(name);
        Ok(())
    }

    async fn rename(&self, from: &FolderName, to: &FolderName) -> Result<(), Trouble> {
        let mut mail = self.0.mail();
        if mail.folders.contains_key(to) {
            return Err(Trouble::Exists);
        }
        if from.is_inbox() {
            mail.make(to);
            let inbox = mail.folder(from)?;
            let (uids, outgoing) = inbox.outgoing(&Uids::all());
            inbox.apply(&Changes { expunge: uids.into_iter().collect(), ..Changes::default() })?;
            mail.folder(to)?.append(&outgoing)?;
            drop(mail);
            self.0.tell(from);
            self.0.tell(to);
            return Ok(());
        }
        if to.starts_with(from) {
            return Err(Trouble::BadName(super::name::BadName::Reserved));
        }
        // It may be a mere level of the hierarchy.
        if !mail.folders.keys().any(|name| name.starts_with(from)) {
            return Err(Trouble::NoFolder);
        }
        let renamed = |name: &FolderName| name.renamed(from, to).map_err(Trouble::BadName);
        for name in mail.folders.keys().filter(|name| name.starts_with(from)) {
            let new = renamed(name)?;
            if mail.folders.contains_key(&new) && !new.starts_with(from) {
                return Err(Trouble::Exists);
            }
        }
        let (all, special) = (std::mem::take(&mut mail.folders), std::mem::take(&mut mail.special));
        mail.folders = all.into_iter().map(|(name, folder)| Ok((renamed(&name)?, folder))).collect::<Result<_, Trouble>>()?;
        mail.special = special.into_iter().map(|(name, special)| Ok((renamed(&name)?, special))).collect::<Result<_, Trouble>>()?;
        drop(mail);
        self.0.tell(from);
        self.0.tell(to);
        Ok(())
    }

    async fn subscribe(&self, name: &FolderName, subscribed: bool) -> Result<(), Trouble> {
        let mut mail = self.0.mail();
        if subscribed {
            mail.subscribed.insert(name.clone());
        } else {
            mail.subscribed.remove(name);
        }
        Ok(())
    }

    async fn open(&self, name: &FolderName) -> Result<MemoryFolder, Trouble> {
        let state = self.0.mail().folder(name)?.state.clone();
        Ok(MemoryFolder { home: self.clone(), name: name.clone(), state, watcher: None })
    }

    async fn append(&self, to: &FolderName, messages: &[Incoming]) -> Result<Appended, Trouble> {
        let appended = self.0.mail().folder(to)?.append(messages)?;
        self.0.tell(to);
        Ok(appended)
    }

    async fn expects(&self, name: &FolderName) -> Result<(), Trouble> {
        self.0.mail().folder(name).map(drop)
    }

    async fn status(&self, names: &[FolderName]) -> Vec<Result<Status, Trouble>> {
        let mut mail = self.0.mail();
        names.iter().map(|name| mail.folder(name).map(|folder| Status::of(&folder.state))).collect()
    }

    fn watch(&self) -> Watcher {
        self.0.news.home(&self.0.owner, Vec::new())
    }

    async fn usage(&self) -> Result<Usage, Trouble> {
        let mail = self.0.mail();
        let totals = mail.folders.values().map(|folder| folder.state.head().totals);
        Ok(totals.fold(Usage::default(), |all, one| Usage { octets: all.octets + one.stored, messages: all.messages + one.messages }))
    }
}

/// A memory mailbox in use.
pub struct MemoryFolder {
    home: MemoryHome,
    name: FolderName,
    state: State,
    watcher: Option<Watcher>,
}

impl MemoryFolder {
    /// The mailbox, if it is still the one that was opened.
    fn stored<'a>(&self, mail: &'a mut Mail) -> Result<&'a mut Stored, Trouble> {
        let is_same = |stored: &&mut Stored| stored.state.head().uidvalidity == self.state.head().uidvalidity;
        mail.folders.get_mut(&self.name).filter(is_same).ok_or_else(gone)
    }

    fn letter(&self, uid: u32) -> Result<Letter, Trouble> {
        self.stored(&mut self.home.0.mail())?.letters.get(&uid).cloned().ok_or_else(gone)
    }

    fn deed<T>(&mut self, deed: impl FnOnce(&mut Stored) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let home = self.home.clone();
        let mut mail = home.0.mail();
        let folder = self.stored(&mut mail)?;
        let outcome = deed(folder);
        self.state = folder.state.clone();
        drop(mail);
        home.0.tell(&self.name);
        outcome
    }
}

fn gone() -> Trouble {
    Trouble::Gone("memory".into())
}

impl Folder for MemoryFolder {
    fn state(&self) -> &State {
        &self.state
    }

    async fn refresh(&mut self) -> Result<(), Trouble> {
        self.state = self.home.0.mail().folder(&self.name)?.state.clone();
        Ok(())
    }

    async fn changed(&mut self) {
        match &mut self.watcher {
            Some(watcher) => watcher.changed().await,
            // What has happened before is no news to the watcher, but may be to the caller.
            None => self.watcher = Some(self.home.0.news.mailbox(&self.home.0.owner, &self.name.display('/').to_string(), Vec::new())),
        }
    }

    async fn learn(&mut self, _: &Uids, facts: Facts) -> Result<(), Trouble> {
        match facts {
            // Known from the start.
            Facts::Size | Facts::Content => {
                self.state = self.stored(&mut self.home.0.mail())?.state.clone();
                Ok(())
            }
            Facts::Twins => self.deed(|folder| folder.happen(vec![Op::Learnt(twins(&folder.state))])),
        }
    }

    async fn cached(&mut self, uids: &Uids) -> Result<Contents, Trouble> {
        let mut mail = self.home.0.mail();
        let folder = self.stored(&mut mail)?;
        let messages = uids.ranges().flat_map(|range| folder.state.range(Span::from(range)));
        let mut contents = Contents::default();
        for (uid, letter) in messages.filter_map(|message| Some((message.uid, folder.letters.get(&message.uid)?))) {
            contents.push(uid, &letter.measured().entry.encode());
        }
        Ok(contents)
    }

    fn gists(&self) -> Option<(Moment, Arc<Gists>)> {
        self.stored(&mut self.home.0.mail()).ok()?.gists.clone()
    }

    fn keep_gists(&mut self, moment: Moment, gists: Arc<Gists>) {
        if let Ok(stored) = self.stored(&mut self.home.0.mail()) {
            stored.gists = Some((moment, gists));
        }
    }

    async fn read(&mut self, uid: u32) -> Result<Reader, Trouble> {
        let (letter, mut text) = (self.letter(uid)?, Vec::new());
        letter
            .each(|piece| {
                text.extend_from_slice(piece);
                Ok(())
            })
            .map_err(Trouble::io("reading", "memory".as_ref()))?;
        Ok(Reader::of_memory(text.into()))
    }

    async fn digest(&mut self, uid: u32) -> Result<[u8; 16], Trouble> {
        self.read(uid).await?.md5()
    }

    async fn apply(&mut self, changes: &Changes) -> Result<Applied, Trouble> {
        self.deed(|folder| folder.apply(changes))
    }

    async fn copy(&mut self, uids: &Uids, to: &FolderName) -> Result<Copied, Trouble> {
        let mut mail = self.home.0.mail();
        let (from, outgoing) = self.stored(&mut mail)?.outgoing(uids);
        let appended = mail.folder(to)?.append(&outgoing)?;
        drop(mail);
        self.home.0.tell(to);
        Ok(Copied { uidvalidity: appended.uidvalidity, uids: std::iter::zip(from, appended.uids).collect() })
    }

    async fn relocate(&mut self, uids: &Uids, to: &FolderName) -> Result<Copied, Trouble> {
        let copied = self.copy(uids, to).await?;
        let gone = copied.uids.iter().map(|(uid, _)| *uid).collect();
        self.apply(&Changes { expunge: gone, ..Changes::default() }).await?;
        Ok(copied)
    }

    async fn replace(&mut self, uid: u32, with: &Incoming, to: &FolderName) -> Result<Appended, Trouble> {
        self.letter(uid)?;
        let appended = self.home.append(to, std::slice::from_ref(with)).await?;
        self.apply(&Changes { expunge: [uid].into_iter().collect(), ..Changes::default() }).await?;
        Ok(appended)
    }

    async fn settle(&mut self) -> Result<(), Trouble> {
        Ok(())
    }
}

//! Steps are taken by the homes and by the model, and what both have is compared.

use std::collections::BTreeMap;

use vmail::store::{AnyFolder, AnyHome, Changes, Facts, FlagChange, Flags, Folder, FolderName, Home, How, Incoming, Reader, Trouble, Uids};

use super::foreign;
use super::kind::{Kind, Place};
use super::model::{Mail, Mailbox, Model};
use super::step::{FOLDERS, Letter, Mark, Picked, Step};

/// Two writers at work.
pub struct Play {
    pub place: Place,
    pub model: Model,
    writers: [Writer; 2],
    serial: u32,
}

/// One process, with the folders that it has open.
struct Writer {
    home: AnyHome,
    open: BTreeMap<FolderName, AnyFolder>,
}

pub fn name(number: usize) -> FolderName {
    FolderName::parse(FOLDERS[number], '/').unwrap()
}

impl Play {
    pub async fn new(kind: Kind) -> Play {
        let place = Place::new(kind);
        let writers = [Writer::new(&place), Writer::new(&place)];
        let mut model = Model::default();
        model.folders.insert(FolderName::inbox(), Mailbox::default());
        Play { place, model, writers, serial: 0 }
    }

    pub async fn act(&mut self, step: &Step) {
        match step {
            Step::Append { who, to, letters } => self.append(*who, &name(*to), letters).await,
            Step::Mark { who, on, marks, expunge } => self.mark(*who, &name(*on), marks, *expunge).await,
            Step::Copy { who, from, picked, to } => self.pass(*who, &name(*from), *picked, &name(*to), false).await,
            Step::Relocate { who, from, picked, to } => self.pass(*who, &name(*from), *picked, &name(*to), true).await,
            Step::Replace { who, from, pick, with, to } => self.replace(*who, &name(*from), *pick, with, &name(*to)).await,
            Step::Create { who, name: number } => self.create(*who, &name(*number)).await,
            Step::Delete { who, name: number } => self.delete(*who, &name(*number)).await,
            Step::Rename { who, from, to } => self.rename(*who, &name(*from), &name(*to)).await,
            Step::Subscribe { who, name: number, on } => {
                self.writers[*who].home.subscribe(&name(*number), *on).await.unwrap();
                let subscribed = &mut self.model.subscribed;
                _ = if *on { subscribed.insert(name(*number)) } else { subscribed.remove(&name(*number)) };
            }
            Step::Refresh { who, on } => {
                if let Some(folder) = self.writers[*who].open.get_mut(&name(*on)) {
                    folder.refresh().await.unwrap();
                }
            }
            Step::Settle { who, on } => {
                if let Some(folder) = self.writers[*who].open.get_mut(&name(*on)) {
                    folder.settle().await.unwrap();
                }
            }
            Step::Restart { who } => self.writers[*who] = Writer::new(&self.place),
            Step::LoseIndex => self.lose_index().await,
            Step::Foreign { on, deed } => foreign::act(self, &name(*on), deed).await,
        }
    }

    async fn append(&mut self, who: usize, to: &FolderName, letters: &[Letter]) {
        let (incoming, mails) = self.incoming(letters);
        let outcome = self.writers[who].home.append(to, &incoming).await;
        match self.model.folders.get_mut(to) {
            Some(folder) => folder.add(outcome.unwrap().uids, mails),
            None => self.must_lack(to, outcome),
        }
    }

    async fn mark(&mut self, who: usize, on: &FolderName, marks: &[Mark], expunge: Picked) {
        let Some(mailbox) = self.model.folders.get_mut(on) else { return };
        let mut changes = Changes { expunge: picked(mailbox, expunge), ..Changes::default() };
        let mut stale = Uids::NONE;
        for mark in marks {
            let since = mark.since.map(|nth| mailbox.mails.values().nth(nth).map_or(mailbox.modseq, |mail| mail.modseq));
            let change = FlagChange {
                uids: picked(mailbox, mark.picked),
                how: mark.how,
                flags: mark.flags,
                keywords: mark.words.iter().map(|word| word.to_string()).collect(),
                unchanged_since: since,
            };
            stale.extend(change.uids.iter().filter(|uid| since.is_some_and(|since| mailbox.mails[uid].modseq > since)));
            changes.flags.push(change);
        }
        let before = mailbox.mails.clone();
        for change in &changes.flags {
            for uid in change.uids.iter() {
                let mail = mailbox.mails.get_mut(&uid).unwrap();
                if change.unchanged_since.is_none_or(|since| mail.modseq <= since) {
                    mail.change(change);
                }
            }
        }
        // What is taken back by the next change of the same deed has not changed; a home may see it or not.
        for (uid, mail) in &mut mailbox.mails {
            let old = &before[uid];
            mail.is_changed = old.is_changed || (&old.flags, &old.words) != (&mail.flags, &mail.words);
        }
        mailbox.mails.retain(|uid, _| !changes.expunge.contains(*uid));
        let applied = self.writers[who].folder(on).await.apply(&changes).await.unwrap();
        assert_eq!(applied.stale, stale);
    }

    async fn pass(&mut self, who: usize, from: &FolderName, which: Picked, to: &FolderName, moves: bool) {
        let Some(mailbox) = self.model.folders.get_mut(from) else { return };
        let uids = picked(mailbox, which);
        let folder = self.writers[who].folder(from).await;
        let outcome = if moves { folder.relocate(&uids, to).await } else { folder.copy(&uids, to).await };
        if !self.model.folders.contains_key(to) {
            return self.must_lack(to, outcome);
        }
        let pairs = outcome.unwrap().uids;
        assert_eq!(pairs.iter().map(|(from, _)| *from).collect::<Uids>(), uids);
        let mailbox = self.model.folders.get_mut(from).unwrap();
        let copies: Vec<Mail> = uids.iter().map(|uid| mailbox.mails[&uid].copied()).collect();
        if moves {
            mailbox.mails.retain(|uid, _| !uids.contains(*uid));
        }
        self.model.folders.get_mut(to).unwrap().add(pairs.into_iter().map(|(_, to)| to), copies);
    }

    async fn replace(&mut self, who: usize, from: &FolderName, pick: usize, with: &Letter, to: &FolderName) {
        let Some(mailbox) = self.model.folders.get(from) else { return };
        let Some(uid) = mailbox.mails.keys().nth(pick).copied() else { return };
        let (incoming, mails) = self.incoming(std::slice::from_ref(with));
        let outcome = self.writers[who].folder(from).await.replace(uid, &incoming[0], to).await;
        if !self.model.folders.contains_key(to) {
            return self.must_lack(to, outcome);
        }
        self.model.folders.get_mut(to).unwrap().add(outcome.unwrap().uids, mails);
        self.model.folders.get_mut(from).unwrap().mails.remove(&uid);
    }

    async fn create(&mut self, who: usize, name: &FolderName) {
        let outcome = self.writers[who].home.create(name, None).await;
        if self.is_blocked(name) && !self.model.folders.contains_key(name) {
            return assert!(matches!(outcome, Err(Trouble::BadName(_) | Trouble::Exists)), "{outcome:?}");
        }
        if self.model.folders.contains_key(name) {
            assert!(matches!(outcome, Err(Trouble::Exists)), "{outcome:?}");
            return;
        }
        let id = outcome.unwrap();
        assert!(self.model.folders.values().all(|known| known.identity.is_none_or(|(known, _)| known != id.0)));
        self.model.folders.insert(name.clone(), Mailbox::default());
    }

    /// There is no folder `name`; at most a level of the hierarchy, which is no mailbox.
    fn must_lack<T: std::fmt::Debug>(&self, name: &FolderName, outcome: Result<T, Trouble>) {
        match outcome {
            Err(Trouble::NoFolder) => {}
            Err(Trouble::NotMailbox { .. }) => assert!(self.is_blocked(name)),
            outcome => panic!("{outcome:?}"),
        }
    }

    /// Where a folder with mail can have none below it, one stands above or below `name`.
    fn is_blocked(&self, name: &FolderName) -> bool {
        let in_line = |known: &FolderName| !known.is_inbox() && (known.starts_with(name) || name.starts_with(known));
        !self.place.home().features().inferiors && self.model.folders.keys().any(in_line)
    }

    async fn delete(&mut self, who: usize, name: &FolderName) {
        let outcome = self.writers[who].home.delete(name).await;
        match (name.is_inbox(), self.model.folders.contains_key(name)) {
            (true, _) => assert!(matches!(outcome, Err(Trouble::BadName(_)))),
            (_, false) => self.must_lack(name, outcome),
            _ => {
                outcome.unwrap();
                self.model.folders.remove(name);
                self.close(name).await;
            }
        }
    }

    async fn rename(&mut self, who: usize, from: &FolderName, to: &FolderName) {
        let outcome = self.writers[who].home.rename(from, to).await;
        let moved: Vec<FolderName> = self.model.folders.keys().filter(|name| name.starts_with(from)).cloned().collect();
        let taken = moved.iter().any(|name| self.model.folders.contains_key(&name.renamed(from, to).unwrap()));
        let is_inbox = from.is_inbox();
        match outcome {
            Err(Trouble::NoFolder) => assert!(moved.is_empty()),
            Err(Trouble::Exists) => assert!(taken || self.model.folders.contains_key(to) || from == to || self.is_blocked(to)),
            Err(Trouble::BadName(_)) => assert!(to.starts_with(from) || to.is_inbox() || self.is_blocked(to)),
            Err(trouble) => panic!("{trouble}"),
            Ok(()) if is_inbox => {
                assert!(!self.model.folders.contains_key(to));
                let inbox = self.model.folders.get_mut(from).unwrap();
                let mails = std::mem::take(&mut inbox.mails);
                let mut target = Mailbox::default();
                target.add(1.., mails.values().map(Mail::copied));
                self.model.folders.insert(to.clone(), target);
            }
            Ok(()) => {
                assert!(!taken && !moved.is_empty());
                for old in moved {
                    let mailbox = self.model.folders.remove(&old).unwrap();
                    self.model.folders.insert(old.renamed(from, to).unwrap(), mailbox);
                    self.close(&old).await;
                }
            }
        }
    }

    /// Who has it open finds that it is gone.
    async fn close(&mut self, name: &FolderName) {
        for writer in &mut self.writers {
            if let Some(mut folder) = writer.open.remove(name) {
                let mut changes = Changes::default();
                changes.add(folder.state().messages().map(|entry| entry.uid).collect(), Flags::SEEN);
                let outcome = folder.apply(&changes).await;
                assert!(changes.is_empty() || matches!(outcome, Err(Trouble::Gone(_))), "{outcome:?}");
                assert!(folder.refresh().await.is_err());
            }
        }
    }

    async fn lose_index(&mut self) {
        let home = self.place.home();
        for (name, mailbox) in &mut self.model.folders {
            home.open(name).await.unwrap().settle().await.unwrap();
            mailbox.past.clear();
            mailbox.is_lost = true;
            // An mbox without mail is an empty file, which can't tell what it was.
            if self.place.kind == Kind::Mbox && mailbox.mails.is_empty() {
                *mailbox = Mailbox::default();
            }
        }
        if !self.place.spool().exists() {
            // Nothing but the index tells an INBOX that never had mail from another.
            self.model.folders.insert(FolderName::inbox(), Mailbox::default());
        }
        // Somebody may be writing.
        while std::fs::remove_dir_all(self.place.index()).is_err_and(|error| error.kind() != std::io::ErrorKind::NotFound) {}
    }

    fn incoming(&mut self, letters: &[Letter]) -> (Vec<Incoming>, Vec<Mail>) {
        let one = |letter: &Letter| {
            self.serial += 1;
            let kept = vmail::store::Letter::of(&letter.text, &self.place.places()).unwrap();
            let incoming = Incoming {
                flags: letter.flags,
                keywords: letter.words.iter().map(|word| word.to_string()).collect(),
                received: letter.received,
                uidl: letter.uidl.then(|| format!("id.{}", self.serial)),
                ..Incoming::new(kept)
            };
            (incoming, letter.mail())
        };
        letters.iter().map(one).unzip()
    }

    /// What a fresh process sees is what the model says, and so is what the writers see.
    pub async fn check(&mut self) {
        let home = self.place.home();
        self.check_list(&home).await;
        let mut usage = (0, 0);
        for (name, mailbox) in &mut self.model.folders {
            let mut folder = home.open(name).await.unwrap();
            folder.learn(&Uids::all(), Facts::Content).await.unwrap();
            let uids: Vec<u32> = folder.state().messages().map(|entry| entry.uid).collect();
            let mut texts = BTreeMap::new();
            for uid in uids {
                texts.insert(uid, text(folder.read(uid).await.unwrap()).await);
            }
            mailbox.check(folder.state(), &texts);
            assert_eq!(folder.cached(&Uids::all()).await.unwrap().len(), mailbox.mails.len());
            assert!(self.place.kind == Kind::Mbox || mailbox.octets == mailbox.text());
            usage = (usage.0 + mailbox.octets, usage.1 + mailbox.mails.len() as u64);
            check_status(&home, name, &folder).await;
            for writer in &mut self.writers {
                writer.check(name, &folder).await;
            }
        }
        let known = home.usage().await.unwrap();
        assert_eq!((known.octets, known.messages), usage, "quota");
    }

    async fn check_list(&self, home: &AnyHome) {
        let listed = home.list().await.unwrap();
        for line in listed.iter() {
            assert_eq!(line.exists, self.model.folders.contains_key(&line.name), "{line:?}");
            assert_eq!(line.subscribed, self.model.subscribed.contains(&line.name), "{line:?}");
        }
        let has = |name: &FolderName| listed.iter().any(|line| line.name == *name);
        assert!(self.model.folders.keys().chain(&self.model.subscribed).all(has), "{listed:?}");
        assert!(self.model.folders.keys().filter_map(FolderName::parent).all(|above| has(&above)), "{listed:?}");
    }
}

impl Writer {
    fn new(place: &Place) -> Writer {
        Writer { home: place.home(), open: BTreeMap::new() }
    }

    async fn folder(&mut self, name: &FolderName) -> &mut AnyFolder {
        if !self.open.contains_key(name) {
            self.open.insert(name.clone(), self.home.open(name).await.unwrap());
        }
        self.open.get_mut(name).unwrap()
    }

    /// The folder, if it is open, tells the same as `fresh`, once it was refreshed.
    async fn check(&mut self, name: &FolderName, fresh: &AnyFolder) {
        let Some(folder) = self.open.get_mut(name) else { return };
        folder.refresh().await.unwrap();
        let seen = |folder: &AnyFolder| {
            let head = folder.state().head();
            let messages: Vec<_> = folder.state().messages().map(|entry| (entry.uid, entry.modseq, entry.flags())).collect();
            (head.mailbox, head.uidvalidity, head.uidnext, head.modseq, messages)
        };
        assert_eq!(seen(folder), seen(fresh), "{name:?}");
    }
}

async fn check_status(home: &AnyHome, name: &FolderName, folder: &AnyFolder) {
    let status = home.status(std::slice::from_ref(name)).await.remove(0).unwrap();
    let head = folder.state().head();
    assert_eq!(
        (status.id.0, status.uidvalidity, status.uidnext, status.modseq),
        (head.mailbox, head.uidvalidity, head.uidnext, head.modseq)
    );
    let totals = head.totals;
    assert_eq!((u64::from(status.messages), u64::from(status.unseen)), (totals.messages, totals.unseen));
    // RFC 8438 §3: all sizes are known here.
    assert_eq!((u64::from(status.deleted), status.octets), (totals.deleted, totals.wire));
}

pub async fn text(mut reader: Reader) -> Vec<u8> {
    let (mut text, mut piece) = (Vec::new(), vec![0; Reader::LEAST]);
    loop {
        match reader.fill(&mut piece).await.unwrap() {
            0 => return text,
            some => text.extend_from_slice(&piece[..some]),
        }
    }
}

/// Those of the messages that are there.
fn picked(mailbox: &Mailbox, Picked(bits): Picked) -> Uids {
    mailbox.mails.keys().enumerate().filter(|(at, _)| bits >> (at % 16) & 1 == 1).map(|(_, uid)| *uid).collect()
}

impl Letter {
    /// As it must be there.
    pub fn mail(&self) -> Mail {
        let mut text = Vec::new();
        for line in self.text.split_inclusive(|octet| *octet == b'\n') {
            text.extend_from_slice(line.strip_suffix(b"\r\n").unwrap_or(line));
            text.extend_from_slice(if line.ends_with(b"\r\n") { b"\n" } else { b"" });
        }
        let words = self.words.iter().map(|word| word.to_lowercase()).collect();
        Mail { text, flags: self.flags, words, received: self.received, is_changed: true, ..Mail::default() }
    }
}

impl Mail {
    fn change(&mut self, change: &FlagChange) {
        let before = (self.flags, self.words.clone());
        let words = change.keywords.iter().map(|word| word.to_lowercase());
        self.flags = change.of(self.flags);
        match change.how {
            How::Add => self.words.extend(words),
            How::Remove => words.for_each(|word| _ = self.words.remove(&word)),
            How::Replace => self.words = words.collect(),
        }
        self.is_changed |= before != (self.flags, self.words.clone());
    }
}

//! The mbox home and its one folder.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use super::index::{Front, Index};
use super::look::{self, View};
use super::recognise::find;
use super::update;
use crate::os::stamp::Stamp;
use crate::store::message::Traits;
use crate::store::reader::{Spooled, blocking};
use crate::store::{Account, Changes, Features, Folder, Home, Message, Reader, Shared, Trouble};

/// Mail in one mbox spool.
pub struct MboxHome(Arc<Place>);

/// What a session needs to know of where its mail is.
pub struct Place {
    pub shared: Arc<Shared>,
    pub account: Account,
}

impl MboxHome {
    pub(in crate::store) fn new(shared: Arc<Shared>, account: Account) -> MboxHome {
        MboxHome(Arc::new(Place { shared, account }))
    }

    /// The mailbox, if that takes no waiting.
    pub(super) fn at_once(&self) -> Option<View> {
        look::at_once(&self.0.shared, &self.0.account)
    }
}

impl Home for MboxHome {
    type Folder = MboxFolder;

    fn features(&self) -> Features {
        Features { flags: true }
    }

    async fn inbox(&self) -> Result<MboxFolder, Trouble> {
        let place = Arc::clone(&self.0);
        let view = match self.at_once() {
            Some(view) => view,
            None => {
                let place = Arc::clone(&place);
                blocking(move || look::thoroughly(&place.shared, &place.account)).await?
            }
        };
        Ok(MboxFolder::new(place, view))
    }
}

/// An mbox, as it was when it was opened.
pub struct MboxFolder {
    place: Arc<Place>,
    path: Arc<PathBuf>,
    file: Option<Arc<File>>,
    /// The file as it was when all messages were known to be where they are; none if it might change without a trace.
    stamp: Option<Stamp>,
    uidvalidity: u32,
    next: u32,
    messages: Box<[Message]>,
}

impl MboxFolder {
    fn new(place: Arc<Place>, view: View) -> MboxFolder {
        let View { file, index } = view;
        MboxFolder {
            path: Arc::new(place.account.spool.clone()),
            place,
            file: file.map(Arc::new),
            stamp: index.settled.then_some(index.stamp),
            uidvalidity: index.uidvalidity,
            next: index.next,
            messages: index.messages.into(),
        }
    }

    fn spooled(&self, at: usize) -> Result<Spooled, Trouble> {
        let message = self.messages[at];
        let file = self.file.as_ref().filter(|_| message.offset != NOWHERE).ok_or_else(|| self.gone())?;
        Ok(Spooled { file: Arc::clone(file), path: Arc::clone(&self.path), message, stamp: self.stamp })
    }

    fn gone(&self) -> Trouble {
        Trouble::Gone(self.path.to_path_buf())
    }

    /// Another program rewrote the file: looks where the messages are now.
    async fn find_again(&mut self) -> Result<(), Trouble> {
        let (place, past) = (Arc::clone(&self.place), self.past());
        let view = blocking(move || look::again(&place.shared, &place.account, &past)).await?;
        let places = find(&self.messages, &view.index.messages);
        for (message, place) in std::iter::zip(&mut self.messages, places) {
            // What was announced must hold: a message of another size is another message.
            match place.map(|at| view.index.messages[at]).filter(|now| now.size == message.size) {
                Some(now) => {
                    (message.offset, message.from_len, message.len) = (now.offset, now.from_len, now.len);
                    message.traits.set(Traits::EXACT, now.exact());
                }
                None => message.offset = NOWHERE,
            }
        }
        self.stamp = view.index.settled.then_some(view.index.stamp);
        self.file = view.file.map(Arc::new);
        Ok(())
    }

    /// What we know, for the case that the index is lost meanwhile.
    fn past(&self) -> Index {
        Index {
            stamp: Stamp::default(),
            settled: false,
            uidvalidity: self.uidvalidity,
            next: self.next,
            front: Front::default(),
            messages: self.messages.to_vec(),
        }
    }
}

/// The offset of a message that is gone.
const NOWHERE: u64 = u64::MAX;

impl Folder for MboxFolder {
    fn uidvalidity(&self) -> u32 {
        self.uidvalidity
    }

    fn messages(&self) -> &[Message] {
        &self.messages
    }

    async fn read(&mut self, at: usize) -> Result<Reader, Trouble> {
        let spooled = self.spooled(at)?;
        if spooled.is_still_there().await? {
            return Ok(Reader::of_file(spooled));
        }
        self.find_again().await?;
        Ok(Reader::of_file(self.spooled(at)?))
    }

    async fn digest(&mut self, at: usize) -> Result<[u8; 16], Trouble> {
        let reader = self.read(at).await?;
        blocking(move || reader.md5()).await
    }

    async fn apply(&mut self, changes: &Changes) -> Result<(), Trouble> {
        if changes.is_empty() {
            return Ok(());
        }
        let (place, past, changes) = (Arc::clone(&self.place), self.past(), changes.clone());
        blocking(move || update::apply(&place.shared, &place.account, &past, &changes)).await?;
        // The octets have moved: each message is looked for when it is read.
        self.stamp = None;
        Ok(())
    }
}

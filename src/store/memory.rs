//! The memory home, for tests.

use std::sync::{Arc, Mutex, PoisonError};

use super::mbox::measure;
use super::message::Traits;
use super::{Changes, Features, Folder, Home, Message, Reader, Trouble, Uidl};

/// Mail in memory. Clones share it.
#[derive(Clone)]
pub struct MemoryHome(Arc<Mutex<Vec<Stored>>>);

#[derive(Clone)]
struct Stored {
    message: Message,
    text: Arc<[u8]>,
}

/// A date of its own: 2001-09-09.
const UIDVALIDITY: u32 = 1_000_000_000;

impl MemoryHome {
    /// A home with these messages, each the text without a From_ line.
    pub fn new<T: Into<Vec<u8>>>(messages: impl IntoIterator<Item = T>) -> MemoryHome {
        let texts = messages.into_iter().map(|text| Arc::from(text.into()));
        let mut all: Vec<Stored> = Vec::new();
        for (text, uid) in texts.zip(1..) {
            let text: Arc<[u8]> = text;
            let mut message = measure(&text, Uidl { uidvalidity: UIDVALIDITY, uid });
            message.traits.set(Traits::TWIN, all.iter().any(|other| other.message.fingerprint == message.fingerprint));
            all.push(Stored { message, text });
        }
        MemoryHome(Arc::new(Mutex::new(all)))
    }

    fn stored(&self) -> std::sync::MutexGuard<'_, Vec<Stored>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Home for MemoryHome {
    type Folder = MemoryFolder;

    fn features(&self) -> Features {
        Features { flags: true }
    }

    async fn inbox(&self) -> Result<MemoryFolder, Trouble> {
        let messages = self.stored().iter().map(|stored| stored.message).collect();
        Ok(MemoryFolder { home: self.clone(), messages })
    }
}

/// A memory mailbox, as it was when it was opened.
pub struct MemoryFolder {
    home: MemoryHome,
    messages: Vec<Message>,
}

impl Folder for MemoryFolder {
    fn uidvalidity(&self) -> u32 {
        UIDVALIDITY
    }

    fn messages(&self) -> &[Message] {
        &self.messages
    }

    async fn read(&mut self, at: usize) -> Result<Reader, Trouble> {
        let uid = self.messages[at].uid;
        let stored = self.home.stored().iter().find(|stored| stored.message.uid == uid).map(|stored| Arc::clone(&stored.text));
        stored.map(Reader::of_memory).ok_or_else(|| Trouble::Gone("memory".into()))
    }

    async fn digest(&mut self, at: usize) -> Result<[u8; 16], Trouble> {
        self.read(at).await?.md5()
    }

    async fn apply(&mut self, changes: &Changes) -> Result<(), Trouble> {
        let mut stored = self.home.stored();
        stored.retain(|stored| !changes.expunge.contains(&stored.message.uid));
        for (uid, flags) in &changes.add {
            let message = stored.iter_mut().find(|stored| stored.message.uid == *uid);
            message.into_iter().for_each(|stored| stored.message.flags = stored.message.flags.with(*flags));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Flags;

    #[tokio::test]
    async fn memory_is_a_home_like_any_other() {
        let home = MemoryHome::new(["A: 1\nStatus: R\n\none\n", "A: 2\n\ntwo", "A: 2\n\ntwo\n"]);
        let mut folder = home.inbox().await.unwrap();
        assert_eq!(folder.messages().iter().map(|message| message.size).collect::<Vec<_>>(), [13, 13, 13]);
        assert_eq!(folder.messages().iter().map(Message::twin).collect::<Vec<_>>(), [false, false, true]);
        assert!(folder.messages()[0].flags.contains(Flags::SEEN));
        let mut buffer = [0; Reader::LEAST];
        let mut reader = folder.read(0).await.unwrap();
        assert_eq!(reader.fill(&mut buffer).await.unwrap(), 10);
        assert_eq!(&buffer[..10], b"A: 1\n\none\n");
        assert_eq!(reader.fill(&mut buffer).await.unwrap(), 0);
        let mut changes = Changes::default();
        changes.expunge(2);
        folder.apply(&changes).await.unwrap();
        assert!(matches!(folder.read(1).await, Err(Trouble::Gone(_))));
        assert_eq!(home.inbox().await.unwrap().messages().len(), 2);
    }
}

//! The memory home, for tests.

use super::{Changes, Features, Folder, Home, Message, Reader, Trouble};

/// Mail in memory. Clones share it.
#[derive(Clone)]
pub struct MemoryHome {}

impl MemoryHome {
    /// A home with these messages, each the raw text without a From_ line.
    pub fn new<T: Into<Vec<u8>>>(messages: impl IntoIterator<Item = T>) -> MemoryHome {
        let _ = messages.into_iter().map(Into::into).collect::<Vec<_>>();
        todo!()
    }
}

impl Home for MemoryHome {
    type Folder = MemoryFolder;

    fn features(&self) -> Features {
        Features { flags: true }
    }

    async fn inbox(&self) -> Result<MemoryFolder, Trouble> {
        todo!()
    }
}

/// A memory mailbox, as it was when it was opened.
pub struct MemoryFolder {}

impl Folder for MemoryFolder {
    fn uidvalidity(&self) -> u32 {
        todo!()
    }
    fn messages(&self) -> &[Message] {
        todo!()
    }
    async fn read(&mut self, _at: usize) -> Result<Reader, Trouble> {
        todo!()
    }
    async fn digest(&mut self, _at: usize) -> Result<[u8; 16], Trouble> {
        todo!()
    }
    async fn apply(&mut self, _changes: &Changes) -> Result<(), Trouble> {
        todo!()
    }
}

//! The closed set of homes.

use super::{Changes, Features, Folder, Home, MboxFolder, MboxHome, MemoryFolder, MemoryHome, Message, Reader, Trouble};

/// A home of any kind.
pub enum AnyHome {
    Mbox(MboxHome),
    Memory(MemoryHome),
}

impl Home for AnyHome {
    type Folder = AnyFolder;

    fn features(&self) -> Features {
        match self {
            AnyHome::Mbox(home) => home.features(),
            AnyHome::Memory(home) => home.features(),
        }
    }

    async fn inbox(&self) -> Result<AnyFolder, Trouble> {
        match self {
            AnyHome::Mbox(home) => home.inbox().await.map(AnyFolder::Mbox),
            AnyHome::Memory(home) => home.inbox().await.map(AnyFolder::Memory),
        }
    }
}

/// A folder of any kind.
pub enum AnyFolder {
    Mbox(MboxFolder),
    Memory(MemoryFolder),
}

impl Folder for AnyFolder {
    fn uidvalidity(&self) -> u32 {
        match self {
            AnyFolder::Mbox(folder) => folder.uidvalidity(),
            AnyFolder::Memory(folder) => folder.uidvalidity(),
        }
    }

    fn messages(&self) -> &[Message] {
        match self {
            AnyFolder::Mbox(folder) => folder.messages(),
            AnyFolder::Memory(folder) => folder.messages(),
        }
    }

    async fn read(&mut self, at: usize) -> Result<Reader, Trouble> {
        match self {
            AnyFolder::Mbox(folder) => folder.read(at).await,
            AnyFolder::Memory(folder) => folder.read(at).await,
        }
    }

    async fn digest(&mut self, at: usize) -> Result<[u8; 16], Trouble> {
        match self {
            AnyFolder::Mbox(folder) => folder.digest(at).await,
            AnyFolder::Memory(folder) => folder.digest(at).await,
        }
    }

    async fn apply(&mut self, changes: &Changes) -> Result<(), Trouble> {
        match self {
            AnyFolder::Mbox(folder) => folder.apply(changes).await,
            AnyFolder::Memory(folder) => folder.apply(changes).await,
        }
    }
}

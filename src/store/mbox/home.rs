//! The mbox home.

use crate::store::{Account, Changes, Features, Folder, Home, Message, Reader, Store, Trouble};

/// Mail in one mbox spool.
pub struct MboxHome {
    store: Store,
    account: Account,
}

impl MboxHome {
    pub(in crate::store) fn new(store: Store, account: Account) -> MboxHome {
        MboxHome { store, account }
    }
}

impl Home for MboxHome {
    type Folder = MboxFolder;

    fn features(&self) -> Features {
        Features { flags: true }
    }

    async fn inbox(&self) -> Result<MboxFolder, Trouble> {
        let _ = (&self.store, &self.account);
        todo!()
    }
}

/// An mbox, as it was when it was opened.
pub struct MboxFolder {}

impl Folder for MboxFolder {
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

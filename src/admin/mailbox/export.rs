//! Mail out of the store: message by message, so that memory does not grow with the mailbox.

use anyhow::Context;

use super::letter::Tags;
use super::target::Sink;
use super::{Mailboxes, Target, Told};
use crate::store::{AnyFolder, Entry, Facts, Folder, FolderName, Home, Reader, Trouble, Uids};

impl Mailboxes<'_> {
    /// Writes the messages of `only`, or of all folders, to `target`, where nothing must be yet. Returns how many.
    ///
    /// # Errors
    /// What can't be read or written; what was written before stays.
    pub fn export(&self, only: Option<&FolderName>, target: &Target, told: Told<'_>) -> anyhow::Result<u64> {
        let names = only.map_or_else(|| self.names(), |name| Ok(vec![name.clone()]))?;
        let status = self.room.wait(self.home.status(&names))?;
        let total = status.iter().flatten().map(|status| u64::from(status.messages)).sum();
        let (mut sink, mut done) = (target.open(), 0);
        for name in &names {
            sink.folder(only.is_none().then_some(name)).with_context(|| self.called(name))?;
            let mut folder = self.room.wait(self.home.open(name))?.with_context(|| self.called(name))?;
            self.export_folder(&mut folder, &mut *sink, &mut || {
                done += 1;
                told(done, Some(total));
            })
            .with_context(|| self.called(name))?;
        }
        sink.finish().with_context(|| target.path.display().to_string())?;
        Ok(done)
    }

    fn export_folder(&self, folder: &mut AnyFolder, sink: &mut dyn Sink, done: &mut dyn FnMut()) -> anyhow::Result<()> {
        if folder.state().messages().any(|message| message.received == 0) {
            self.room.wait(folder.learn(&Uids::all(), Facts::Content))??;
        }
        let state = folder.state().clone();
        let mut piece = vec![0; 64 * 1024];
        for message in state.messages() {
            let reader = match self.room.wait(folder.read(message.uid))? {
                // Somebody has expunged it meanwhile.
                Err(Trouble::Gone(_)) => continue,
                reader => reader?,
            };
            sink.begin(message.uid, &tags(&message))?;
            self.copy(reader, sink, &mut piece)?;
            sink.end()?;
            done();
        }
        Ok(())
    }

    fn copy(&self, mut reader: Reader, sink: &mut dyn Sink, piece: &mut [u8]) -> anyhow::Result<()> {
        loop {
            match self.room.wait(reader.fill(piece))?? {
                0 => return Ok(self.room.wait(reader.verify())??),
                some => sink.text(&piece[..some])?,
            }
        }
    }
}

fn tags(message: &Entry<'_>) -> Tags {
    Tags {
        flags: message.flags(),
        keywords: message.keywords().map(|word| word.to_string()).collect(),
        received: Some(message.received).filter(|&received| received > 0),
        sender: None,
    }
}

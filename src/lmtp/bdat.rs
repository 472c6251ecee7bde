//! BDAT (RFC 3030 §2): the message in parts of known size.

use super::command::Chunk;
use super::reply::Reply;
use super::session::Session;
use super::text::Text;
use crate::wire::Lost;

impl Session<'_> {
    /// What can't be taken is heard all the same: commands may stand behind it.
    pub(super) async fn bdat(&mut self, chunk: Chunk) -> Result<(), Lost> {
        self.doing = "receiving a message";
        let (begun, refused) = match self.ready() {
            Ok(transaction) => (transaction.text.take(), None),
            Err(reply) => (Some(Text::unwanted(self.limit())), Some(reply)),
        };
        let mut text = begun.unwrap_or_else(|| self.text());
        self.receive(chunk.size, &mut text).await?;
        match (refused, text.fault()) {
            (Some(reply), _) => self.reply(&reply),
            (None, _) if chunk.is_last => return self.deliver(text).await,
            (None, Some(fault)) => {
                let reply = fault.reply("");
                self.give_up();
                self.reply(&reply);
            }
            (None, None) => self.go_on(chunk, text),
        }
        Ok(())
    }

    async fn receive(&mut self, size: u64, text: &mut Text) -> Result<(), Lost> {
        let mut left = size;
        while left > 0 {
            self.wire.rest().await?;
            let piece = self.wire.unread();
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            text.push(&piece[..count]);
            self.wire.used(count);
            left -= count as u64;
            if text.is_endless() {
                return Err(self.cut_off(text));
            }
        }
        Ok(())
    }

    fn go_on(&mut self, chunk: Chunk, text: Text) {
        if let Some(transaction) = &mut self.transaction {
            transaction.text = Some(text);
        }
        self.reply(&Reply::new(250, "2.0.0", format!("{} octets received", chunk.size)));
    }
}

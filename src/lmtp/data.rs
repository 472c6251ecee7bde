//! DATA (RFC 2033 §4.2): the message up to the line that is a dot.

use super::reply::Reply;
use super::session::Session;
use crate::wire::{Lost, Unstuffer};

impl Session<'_> {
    pub(super) async fn data(&mut self) -> Result<(), Lost> {
        let refused = match self.ready() {
            Ok(transaction) if transaction.text.is_some() => Some(Reply::out_of_turn("the message has begun with BDAT")),
            Ok(_) => None,
            Err(reply) => Some(reply),
        };
        if let Some(reply) = refused {
            self.reply(&reply);
            return Ok(());
        }
        let mut text = self.text();
        self.wire.say(b"354 the message, and a line with a dot alone\r\n");
        self.doing = "receiving a message";
        let mut unstuffer = Unstuffer::default();
        loop {
            self.wire.rest().await?;
            let (used, has_ended) = unstuffer.push(self.wire.unread(), |octets| text.push(octets));
            self.wire.used(used);
            match has_ended {
                true => return self.deliver(text).await,
                false if text.is_endless() => return Err(self.cut_off(&text)),
                false => {}
            }
        }
    }
}

//! DATA (RFC 2033 §4.2): the message up to the line that is a dot.

use super::reply::Reply;
use super::session::Session;
use crate::wire::{Lost, Unstuffer};

impl Session<'_> {
    pub(super) async fn data(&mut self) -> Result<(), Lost> {
        let mut text = match self.ready() {
            Ok(None) => self.text(),
            Ok(Some(_)) => return self.refuse(&Reply::out_of_turn("the message has begun with BDAT")),
            Err(reply) => return self.refuse(&reply),
        };
        self.wire.say(b"354 the message, and a line with a dot alone\r\n");
        self.doing = "receiving a message";
        let mut unstuffer = Unstuffer::default();
        loop {
            self.wire.more().await?;
            let (used, has_ended) = unstuffer.push(self.wire.unread(), |octets| text.push(octets));
            self.wire.used(used);
            match has_ended {
                true => return self.deliver(text).await,
                false if text.is_endless() => return Err(self.cut_off(&text)),
                false => {}
            }
        }
    }

    fn refuse(&mut self, reply: &Reply) -> Result<(), Lost> {
        self.reply(reply);
        Ok(())
    }
}

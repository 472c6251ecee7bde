//! REPLACE and UID REPLACE (RFC 8508): a message takes the place of another, in the same mailbox or another one, as one deed.

use super::append::{self, After, Attributes};
use super::frame::Announced;
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::set::Set;
use super::table::Order;
use crate::store::{Folder, FolderName, Home};

impl Session<'_> {
    pub(super) async fn replace(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        let Some(announced) = order.message else { return Err(Refusal::Bad("message expected")) };
        let (uid, to, attributes) = match self.what_by_what(order, announced).await {
            Ok(asked) => asked,
            Err(refusal) => {
                self.framer.abandon(announced);
                return Err(refusal);
            }
        };
        let letter = self.receive(announced).await?;
        if let After::Another(_, next) = self.after(attributes.is_utf8).await? {
            self.framer.abandon(next);
            return Err(Refusal::Bad("one message takes the place of one"));
        }
        self.doing = "replacing";
        let appended = self.writable()?.folder.replace(uid, &attributes.of(letter), &to).await.map_err(Refusal::of_target)?;
        self.done.appended += 1;
        self.done.expunged += 1;
        // RFC 8508 §4: before the old one goes.
        self.say(&["* OK ", &append::code(&appended), " replacement"]);
        // RFC 8508 §4.5: as after UID EXPUNGE.
        self.after_expunges("REPLACE completed", true).await
    }

    async fn what_by_what(&mut self, mut order: Order<'_>, announced: Announced) -> Result<(u32, FolderName, Attributes), Refusal> {
        let args = &mut order.args;
        args.space()?;
        let set = args.set()?;
        if !matches!(&set, Set::Ranges(ranges) if matches!(ranges[..], [(one, other)] if one == other)) {
            return Err(Refusal::Bad("number of one message expected"));
        }
        args.space()?;
        let to = args.mailbox(&self.user()?.namespace)?;
        args.space()?;
        let attributes = append::attributes(args)?;
        let to = to?;
        let selected = self.writable()?;
        let uids = selected.view.resolve(&set, order.is_uid)?;
        let (_, message) =
            selected.view.walk(selected.folder.state(), &uids).next().ok_or(Refusal::no("[NONEXISTENT] there is no such message"))?;
        let uid = message.uid;
        self.fits(&attributes, announced)?;
        self.user()?.home.expects(&to).await.map_err(Refusal::of_target)?;
        Ok((uid, to, attributes))
    }
}

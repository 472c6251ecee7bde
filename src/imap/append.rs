//! APPEND (RFC 9051 §6.3.12) of one message or many (RFC 3502), in plain, binary (RFC 3516 §4.4) and UTF-8 (RFC 9755 §4) literals. A message
//! goes to the store as it comes: however large it is, no more of it is in memory than a draft keeps there.

use super::args::{Args, Bad};
use super::frame::{Announced, Event};
use super::out::Out;
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::Order;
use crate::store::{Appended, Flags, FolderName, Home, Incoming, Letter, Uids};

/// What stands before a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Attributes {
    flags: Flags,
    keywords: Vec<String>,
    received: Option<u32>,
    /// It stands in `UTF8 (` and `)`.
    pub is_utf8: bool,
}

impl Attributes {
    /// The message with them.
    pub fn of(self, letter: Letter) -> Incoming {
        let Attributes { flags, keywords, received, .. } = self;
        Incoming { flags, keywords, received, ..Incoming::new(letter) }
    }
}

/// What comes behind a message.
pub(super) enum After {
    /// The end of the command.
    End,
    /// Another message, with what stands before it.
    Another(Vec<u8>, Announced),
}

impl Session<'_> {
    pub(super) async fn append(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        let Some(announced) = order.message else { return Err(Refusal::Bad("message expected")) };
        let (to, attributes) = match self.begin(order).await {
            Ok(begun) => begun,
            Err(refusal) => {
                self.framer.abandon(announced);
                return Err(refusal);
            }
        };
        let messages = self.messages(attributes, announced).await?;
        self.doing = "appending";
        let appended = self.user()?.home.append(&to, &messages).await.map_err(Refusal::of_target)?;
        self.done.appended += messages.len() as u64;
        Reply::ok(format!("{} APPEND completed", code(&appended)))
    }

    /// Where to, and how the first message is: known, and found possible, before the message comes.
    async fn begin(&mut self, mut order: Order<'_>) -> Result<(FolderName, Attributes), Refusal> {
        let args = &mut order.args;
        args.space()?;
        let to = args.mailbox(&self.user()?.namespace)?;
        args.space()?;
        let attributes = attributes(args)?;
        let to = to?;
        self.user()?.home.expects(&to).await.map_err(Refusal::of_target)?;
        Ok((to, attributes))
    }

    async fn messages(&mut self, mut attributes: Attributes, mut announced: Announced) -> Result<Vec<Incoming>, Refusal> {
        let (mut messages, mut in_memory) = (Vec::new(), 0);
        loop {
            in_memory += announced.size.min(IN_MEMORY);
            let fits = self.fits(&attributes, announced).and_then(|()| match in_memory > MOST_IN_MEMORY {
                true => Err(Refusal::no("[LIMIT] too many messages at once")),
                false => Ok(()),
            });
            if let Err(refusal) = fits {
                self.framer.abandon(announced);
                return Err(refusal);
            }
            let letter = self.receive(announced).await?;
            let is_utf8 = attributes.is_utf8;
            messages.push(attributes.of(letter));
            match self.after(is_utf8).await? {
                After::End => return Ok(messages),
                After::Another(text, next) => {
                    attributes = match another(&text, self.enabled.has_utf8_names(), is_utf8) {
                        Ok(attributes) => attributes,
                        Err(bad) => {
                            self.framer.abandon(next);
                            return Err(bad.into());
                        }
                    };
                    announced = next;
                }
            }
        }
    }

    /// Whether a message may come.
    pub(super) fn fits(&self, attributes: &Attributes, announced: Announced) -> Result<(), Refusal> {
        if attributes.is_utf8 && !self.enabled.utf8 {
            return Err(Refusal::Bad("ENABLE UTF8=ACCEPT first"));
        }
        if announced.size == 0 {
            // RFC 3502 §6.3.11: how a client gives up.
            return Err(Refusal::no("[CANNOT] an empty message is none"));
        }
        if announced.size > self.append_limit() {
            return Err(Refusal::no(format!("[TOOBIG] messages have at most {} octets", self.append_limit())));
        }
        Ok(())
    }

    /// Takes a message. If it can't be kept, the rest of it is thrown away as it comes.
    pub(super) async fn receive(&mut self, announced: Announced) -> Result<Letter, Refusal> {
        if announced.waits {
            self.say(&["+ OK"]);
        }
        self.doing = "receiving a message";
        let mut draft = self.visit.house.store.draft();
        let mut left = announced.size;
        while left > 0 {
            self.wire.rest().await?;
            let piece = self.wire.unread();
            let piece = &piece[..usize::try_from(left).unwrap_or(usize::MAX).min(piece.len())];
            let (count, kept) = (piece.len(), draft.push(piece));
            self.wire.used(count);
            left -= count as u64;
            if let Err(trouble) = kept {
                self.framer.abandon(Announced { size: left, waits: false, ..announced });
                return Err(trouble.into());
            }
        }
        draft.finish().map_err(|trouble| {
            self.framer.abandon_rest();
            trouble.into()
        })
    }

    /// What comes behind a message.
    pub(super) async fn after(&mut self, is_utf8: bool) -> Result<After, Refusal> {
        loop {
            self.wire.rest().await?;
            let (used, event) = self.framer.feed(self.wire.unread());
            self.wire.used(used);
            match event {
                None => {}
                Some(Event::Message(announced)) => return Ok(After::Another(self.framer.take(), announced)),
                Some(Event::Command) => {
                    let is_end = *self.framer.take() == *(if is_utf8 { &b")"[..] } else { b"" });
                    return if is_end { Ok(After::End) } else { Err(Refusal::Bad("nothing but messages can follow a message")) };
                }
                Some(Event::Refused(_)) => {
                    self.framer.take();
                    return Err(Refusal::Bad("[TOOBIG] command too long"));
                }
                // Only messages have literals here.
                Some(Event::Asking) => return Err(Refusal::Bad("nothing but messages can follow a message")),
            }
        }
    }
}

/// `(\Seen) "17-Jul-1996 02:44:25 -0700" UTF8 (`, each of it or not, up to the announcement.
pub(super) fn attributes(args: &mut Args<'_>) -> Result<Attributes, Bad> {
    let mut attributes = Attributes::default();
    if args.peek() == Some(b'(') {
        (attributes.flags, attributes.keywords) = args.flags()?;
        args.space()?;
    }
    if args.peek() == Some(b'"') {
        // The index keeps 32 bits, unsigned.
        attributes.received = Some(args.date_time()?.clamp(0, u32::MAX.into()) as u32);
        args.space()?;
    }
    if args.is_word("UTF8") {
        args.space()?;
        args.expect(b'(', "message expected")?;
        attributes.is_utf8 = true;
    }
    args.end()?;
    Ok(attributes)
}

/// What stands between two messages.
fn another(text: &[u8], has_utf8_names: bool, was_utf8: bool) -> Result<Attributes, Bad> {
    let mut args = Args::new(text, has_utf8_names);
    if was_utf8 {
        args.expect(b')', "message without an end")?;
    }
    args.space()?;
    attributes(&mut args)
}

/// APPENDUID (RFC 4315 §3).
pub(super) fn code(appended: &Appended) -> String {
    let uids: Uids = appended.uids.iter().copied().collect();
    let mut text = Vec::new();
    Out::new(&mut text).raw("[APPENDUID ").number(appended.uidvalidity).raw(" ").set(&uids).raw("]");
    String::from_utf8_lossy(&text).into_owned()
}

/// Octets of a draft that may be in memory.
const IN_MEMORY: u64 = 1 << 20;
/// Octets of all messages of a command that may be in memory.
const MOST_IN_MEMORY: u64 = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Attributes, Bad> {
        attributes(&mut Args::new(text.as_bytes(), false))
    }

    #[test]
    fn what_stands_before_a_message_is_optional() {
        assert_eq!(read(""), Ok(Attributes::default()));
        let seen = Attributes { flags: Flags::SEEN, ..Attributes::default() };
        assert_eq!(read("(\\Seen) "), Ok(seen.clone()));
        assert_eq!(read("(\\Seen) \"17-Jul-1996 02:44:25 -0700\" "), Ok(Attributes { received: Some(837_596_665), ..seen }));
        assert_eq!(read("UTF8 ("), Ok(Attributes { is_utf8: true, ..Attributes::default() }));
        assert!(read("(\\Seen)").is_err() && read("x ").is_err() && read("\"17-Jul-1996\" ").is_err());
    }

    #[test]
    fn messages_follow_each_other() {
        assert_eq!(another(b" ", false, false), Ok(Attributes::default()));
        assert_eq!(another(b") UTF8 (", false, true), Ok(Attributes { is_utf8: true, ..Attributes::default() }));
        assert!(another(b"", false, false).is_err() && another(b" ", false, true).is_err());
    }
}

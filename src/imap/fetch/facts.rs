//! What is said of a message without opening it.

use super::item::Fact;
use crate::imap::objectid::{EmailId, ThreadId};
use crate::imap::out::Out;
use crate::message::EntryRef;
use crate::store::Entry;

/// `* 23 FETCH (`, and the facts with a space between them. Returns what has to stand before anything else.
pub(super) fn begin(
    out: &mut Vec<u8>,
    number: u32,
    message: &Entry<'_>,
    kept: Option<EntryRef<'_>>,
    facts: impl IntoIterator<Item = Fact>,
) -> &'static str {
    let mut out = Out::new(out);
    out.raw("* ").number(number).raw(" FETCH (");
    let mut before = "";
    for fact in facts {
        say(out.raw(before), fact, message, kept);
        before = " ";
    }
    before
}

/// What is not known is not asked for: whoever calls has made sure of that.
fn say(out: &mut Out<'_>, fact: Fact, message: &Entry<'_>, kept: Option<EntryRef<'_>>) {
    match fact {
        Fact::Uid => out.raw("UID ").number(message.uid),
        Fact::Flags => out.raw("FLAGS ").flags(message.flags(), message.keywords().map(|keyword| &**keyword)),
        Fact::InternalDate => out.raw("INTERNALDATE ").date_time(message.received),
        Fact::ModSeq => out.raw("MODSEQ (").number(message.modseq).raw(")"),
        Fact::SaveDate if message.saved == 0 => out.raw("SAVEDATE NIL"),
        Fact::SaveDate => out.raw("SAVEDATE ").date_time(message.saved),
        Fact::EmailId => out.raw("EMAILID (").shown(EmailId(message.content().unwrap_or_default())).raw(")"),
        Fact::Size | Fact::ThreadId | Fact::Envelope | Fact::Body | Fact::BodyStructure | Fact::Preview { .. } => match kept {
            Some(kept) => say_kept(out, fact, kept),
            // Lazily asked for, and not at hand (RFC 8970 §4.1); all else waits until it is.
            None => out.raw("PREVIEW NIL"),
        },
    };
}

fn say_kept<'o, 'b>(out: &'o mut Out<'b>, fact: Fact, kept: EntryRef<'_>) -> &'o mut Out<'b> {
    match fact {
        // Not the record's: as long as nobody has looked, that one is what a file name says.
        Fact::Size => out.raw("RFC822.SIZE ").number(kept.size()),
        Fact::ThreadId => out.raw("THREADID (").shown(ThreadId(kept.thread())).raw(")"),
        Fact::Envelope => out.raw("ENVELOPE ").raw(kept.envelope()),
        Fact::Body => out.raw("BODY ").raw(kept.body()),
        Fact::BodyStructure => out.raw("BODYSTRUCTURE ").raw(kept.bodystructure()),
        _ => out.raw("PREVIEW ").string(kept.preview().as_bytes()),
    }
}

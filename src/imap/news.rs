//! What a client is told of its mailbox without asking (RFC 9051 §5.2, §7.4, §7.5; RFC 7162 §3).

use super::out::Out;
use super::reply::Refusal;
use super::session::Session;
use super::state::{Enabled, Selected};
use super::table::Telling;
use super::view::News;
use crate::store::index::{Entry, Span};
use crate::store::{Flags, Folder, State, Trouble, Uids};
use crate::wire::Wire;

/// What stands in a FETCH response beside the flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct With {
    pub uid: bool,
    pub modseq: bool,
}

impl Session<'_> {
    /// Tells what has happened in the selected mailbox, if there is one.
    ///
    /// # Errors
    /// [`Refusal::Bye`] when the mailbox is there no more.
    pub(super) async fn tell(&mut self, telling: Telling) -> Result<(), Refusal> {
        let (enabled, wire) = (self.enabled, &mut self.wire);
        let Some(selected) = self.user.as_mut().and_then(|user| user.selected.as_mut()) else { return Ok(()) };
        if telling == Telling::Nothing {
            return Ok(());
        }
        match selected.folder.refresh().await {
            Ok(()) => {}
            Err(Trouble::NoFolder | Trouble::Gone(_)) => return Err(Refusal::Bye(DELETED)),
            Err(trouble) => {
                // The next command asks again.
                tracing::warn!(event = "store", proto = "imap", error = %trouble, doing = "looking for news");
                return Ok(());
            }
        }
        let news = selected.take_news(&mut Out::new(wire.output()), telling == Telling::All, enabled)?;
        // RFC 9051 §7.5.2: with the UID, where the client did not ask.
        let with = With { uid: true, modseq: enabled.condstore };
        selected.say_flags(wire, &news.changed, with).await
    }

    /// After expunges that were not told: whoever counts changes must not think that it knows all up to the highest MODSEQ that it has
    /// seen (RFC 7162 §3.2, §6).
    pub(super) fn say_what_waits(&mut self, telling: Telling) {
        let Some(selected) = self.user.as_ref().and_then(|user| user.selected.as_ref()) else { return };
        if self.enabled.condstore && telling == Telling::NoExpunge && selected.view.holds_back(selected.folder.state()) {
            let modseq = selected.view.told().head().modseq;
            self.out().raw("* OK [HIGHESTMODSEQ ").number(modseq).raw("] expunges wait").end();
        }
    }
}

impl Selected {
    /// Tells what the folder's state has that the client does not know, all but changed flags, which are for the caller.
    ///
    /// # Errors
    /// As for [`Session::tell`].
    pub(super) fn take_news(&mut self, out: &mut Out<'_>, with_expunges: bool, enabled: Enabled) -> Result<News, Refusal> {
        let now = self.folder.state();
        if now.head().uidvalidity != self.view.told().head().uidvalidity {
            return Err(Refusal::Bye(REPLACED));
        }
        let news = self.view.news(now, with_expunges);
        expunged(out, &news.expunged, enabled);
        if let Some(exists) = news.exists {
            out.raw("* ").number(exists).raw(" EXISTS").end();
        }
        if now.keywords().names().len() > self.keywords {
            self.keywords = now.keywords().names().len();
            known_flags(out, now, self.is_read_only);
        }
        Ok(news)
    }

    /// Tells the flags of messages, by UID and number. However many there are, no more than a buffer of it waits for the client.
    pub(super) async fn say_flags(&self, wire: &mut Wire, messages: &[(u32, u32)], with: With) -> Result<(), Refusal> {
        let now = self.folder.state();
        for (uid, number) in messages {
            if let Some(message) = now.message(*uid) {
                flags(&mut Out::new(wire.output()), *number, &message, with);
                wire.flush_if_full().await?;
            }
        }
        Ok(())
    }
}

/// Messages that are gone. From the last to the first, so that no number shifts before it is said.
fn expunged(out: &mut Out<'_>, gone: &[(u32, u32)], enabled: Enabled) {
    if gone.is_empty() {
        return;
    }
    if enabled.qresync {
        let uids: Uids = gone.iter().map(|(uid, _)| *uid).collect();
        out.raw("* VANISHED ").set(&uids).end();
        return;
    }
    gone.iter().rev().for_each(|(_, number)| _ = out.raw("* ").number(*number).raw(" EXPUNGE").end());
}

/// A FETCH response with the flags of a message.
pub(super) fn flags<'a, 'b>(out: &'b mut Out<'a>, number: u32, message: &Entry<'_>, with: With) -> &'b mut Out<'a> {
    out.raw("* ").number(number).raw(" FETCH (");
    if with.uid {
        out.raw("UID ").number(message.uid).raw(" ");
    }
    out.raw("FLAGS ").flags(message.flags(), message.keywords().map(|keyword| &**keyword));
    if with.modseq {
        out.raw(" MODSEQ (").number(message.modseq).raw(")");
    }
    out.raw(")").end()
}

/// FLAGS and PERMANENTFLAGS (RFC 9051 §7.3.5, §7.1).
pub(super) fn known_flags(out: &mut Out<'_>, now: &State, is_read_only: bool) {
    let names = || now.keywords().names().iter().take(MOST_SHOWN).map(|keyword| &**keyword);
    out.raw("* FLAGS ").flags(Flags::ALL, names()).end();
    out.raw("* OK [PERMANENTFLAGS ");
    match is_read_only {
        true => out.raw("()] read only").end(),
        // The backslash and the star: a client may make more, those registered by RFC 5788 and any others.
        false => out.flags(Flags::ALL, names().chain(["\\*"])).raw("] flags that are kept").end(),
    };
}

/// The UIDs of `spans`.
pub(super) fn uids(spans: &[Span]) -> Uids {
    let mut uids = Uids::NONE;
    spans.iter().for_each(|span| uids.insert_range(span.first..=span.last));
    uids
}

/// Clients show no more, and some choke on more.
const MOST_SHOWN: usize = 500;
const DELETED: &str = "[UNAVAILABLE] the selected mailbox was deleted or renamed";
const REPLACED: &str = "[UNAVAILABLE] the selected mailbox was replaced by another one";

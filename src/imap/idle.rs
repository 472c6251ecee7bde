//! IDLE (RFC 2177, RFC 9051 §6.3.13): news as they come.

use super::reply::{Refusal, Reply};
use super::session::Session;
use super::state::User;
use super::table::{Order, Telling};
use crate::store::Folder;
use crate::wire::Line;

/// What ends a wait.
enum Woken {
    /// The client said something: whether it was DONE.
    Said(bool),
    /// Something may have changed.
    Changed,
}

impl Session<'_> {
    /// The wait is no part of the command: it takes as much memory as it needs, and that for hours.
    pub(super) fn idle(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.end()?;
        self.say(&["+ idling"]);
        Ok(Reply::Idling)
    }

    /// Tells the client of news until it has enough of them.
    pub(super) async fn tell_news(&mut self) -> Result<Reply, Refusal> {
        self.doing = "idling";
        loop {
            // Before the wait, which ends where something happens: what is half sent must not be dropped.
            self.wire.flush().await?;
            let woken = {
                let Session { wire, user, .. } = &mut *self;
                tokio::select! {
                    // The client first: what it sent with IDLE does not wait for news.
                    biased;
                    line = wire.line() => Woken::Said(matches!(line?, Line::Whole(line) if line.eq_ignore_ascii_case(b"DONE"))),
                    () = changed(user.as_deref_mut()) => Woken::Changed,
                }
            };
            match woken {
                Woken::Said(true) => return Reply::ok("IDLE completed"),
                Woken::Said(false) => return Err(Refusal::Bad("DONE expected")),
                Woken::Changed => Box::pin(self.tell(Telling::All)).await?,
            }
        }
    }
}

/// Returns when there may be news of the selected mailbox; without one, never.
async fn changed(user: Option<&mut User>) {
    match user.and_then(|user| user.selected.as_mut()) {
        Some(selected) => selected.folder.changed().await,
        None => std::future::pending().await,
    }
}

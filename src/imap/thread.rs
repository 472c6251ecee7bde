//! THREAD and UID THREAD (RFC 5256 §3).

use super::args::{Args, Bad};
use super::reply::{Refusal, Reply};
use super::search::{self, Asking, Criteria, Refused, find, grammar};
use super::session::Session;
use super::table::Order;
use super::view::View;
use crate::store::Folder;
use gather::Messages;
use tree::Threads;

mod forest;
mod gather;
mod references;
mod subjects;
#[cfg(test)]
mod tests;
mod tree;

impl Session<'_> {
    pub(super) async fn thread(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        let asking = self.asking(&order).await?;
        let thread = Thread::read(order.args, &asking, &self.selected()?.view)?;
        if !self.offers(thread.algorithm.capability()) {
            return Err(UNKNOWN.into());
        }
        let has_numbers = thread.searched.has_numbers;
        // RFC 7162 §3.1: whoever uses it has enabled it.
        if thread.searched.asks_modseq {
            self.enable_condstore();
        }
        let wire = &mut self.wire;
        let Some(selected) = self.user.as_mut().and_then(|user| user.selected.as_mut()) else { return Reply::ok("THREAD completed") };
        thread.run(&asking, &mut selected.folder, &selected.view, wire.output()).await?;
        Reply::found("THREAD completed", has_numbers)
    }
}

/// How threads are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    OrderedSubject,
    References,
}

impl Algorithm {
    /// What announces it.
    fn capability(self) -> &'static str {
        match self {
            Algorithm::OrderedSubject => "THREAD=ORDEREDSUBJECT",
            Algorithm::References => "THREAD=REFERENCES",
        }
    }
}

/// A THREAD, understood.
#[derive(Debug)]
pub struct Thread {
    algorithm: Algorithm,
    searched: Criteria,
}

impl Thread {
    /// Reads `algorithm charset searchkey ...`.
    ///
    /// # Errors
    /// All but [`Refused::Trouble`].
    pub fn read(mut args: Args<'_>, asking: &Asking<'_>, view: &View) -> Result<Thread, Refused> {
        args.space()?;
        let algorithm = if args.is_word("REFERENCES") {
            Algorithm::References
        } else if args.is_word("ORDEREDSUBJECT") {
            Algorithm::OrderedSubject
        } else {
            return Err(UNKNOWN.into());
        };
        args.space()?;
        let charset = search::named(&mut args, asking)?;
        args.space()?;
        Ok(Thread { algorithm, searched: grammar::criteria(&mut args, charset, view)? })
    }

    /// Searches, and writes the threads of what was found to `out`.
    ///
    /// # Errors
    /// [`Refused::Trouble`].
    pub async fn run(self, asking: &Asking<'_>, folder: &mut impl Folder, view: &View, out: &mut Vec<u8>) -> Result<(), Refused> {
        let hits = find::find(folder, view, &self.searched).await?;
        let messages = gather::gather(folder, &hits, asking.is_uid, self.algorithm == Algorithm::References).await?;
        let threads = match messages.all.len() > MANY {
            true => tokio::task::spawn_blocking(move || self.threads(&messages)).await.unwrap_or_default(),
            false => self.threads(&messages),
        };
        threads.write(out);
        Ok(())
    }

    fn threads(&self, messages: &Messages) -> Threads {
        match self.algorithm {
            Algorithm::OrderedSubject => subjects::threads(&messages.all),
            Algorithm::References => references::threads(messages),
        }
    }
}

const UNKNOWN: Bad = Bad("there is no such threading algorithm");
/// More messages are not put in order where others wait.
const MANY: usize = 20_000;

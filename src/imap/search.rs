//! SEARCH and UID SEARCH (RFC 9051 §6.4.4, RFC 3501 §6.4.4), and what SORT and THREAD have in common with them.

use super::args::{Args, Bad};
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::{Order, Telling};
use super::view::View;
use crate::store::{Folder, Trouble, Uids};
use charset::Charset;
use key::Key;
use result::{Form, Returns};
use sought::Sought;

pub mod charset;
pub mod find;
pub mod grammar;
#[cfg(test)]
mod judge;
pub mod key;
mod listen;
#[cfg(test)]
mod oracle;
pub mod result;
mod sought;
#[cfg(test)]
pub(super) mod tests;

/// What is searched for.
#[derive(Debug, Clone)]
pub struct Criteria {
    key: Key,
    /// The texts to which [`Key::Sought`] refers.
    sought: Vec<Sought>,
    /// How many keys there are.
    keys: usize,
    /// MODSEQ is among the keys: this is a CONDSTORE enabling command (RFC 7162 §3.1).
    pub asks_modseq: bool,
    /// Sequence numbers are among the keys.
    pub has_numbers: bool,
}

/// Who asks, and how.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    pub tag: &'a str,
    /// `UID` stands before the command.
    pub is_uid: bool,
    /// IMAP4rev2 has been enabled: every answer is ESEARCH.
    pub is_rev2: bool,
    /// UTF8=ACCEPT has been enabled: strings are UTF-8, and nothing else can be said (RFC 9755 §3).
    pub is_utf8: bool,
}

/// Why nothing was searched.
#[derive(Debug)]
pub enum Refused {
    /// Tagged BAD.
    Bad(Bad),
    /// Tagged NO: nobody knows the charset.
    Charset,
    /// Tagged NO: this is more than we do for anybody.
    Limit(&'static str),
    /// Tagged NO: the mailbox can't be read.
    Trouble(Trouble),
}

impl From<Bad> for Refused {
    fn from(bad: Bad) -> Refused {
        Refused::Bad(bad)
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Refused {
        Refused::Trouble(trouble)
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Refusal {
        match refused {
            Refused::Bad(bad) => bad.into(),
            Refused::Charset => Refusal::no(format!("[BADCHARSET ({})] that charset is not known here", charset::SOME)),
            Refused::Limit(what) => Refusal::no(format!("[LIMIT] {what}")),
            Refused::Trouble(trouble) => trouble.into(),
        }
    }
}

impl Session<'_> {
    pub(super) async fn search(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        let asking = self.asking(&order).await?;
        let (args, selected) = (order.args, self.selected()?);
        let search = Search::read(args, &asking, &selected.view).inspect_err(|refused| forget(args, refused, &mut selected.view))?;
        let has_numbers = search.criteria.has_numbers;
        // RFC 7162 §3.1: whoever uses it has enabled it.
        if search.criteria.asks_modseq {
            self.enable_condstore();
        }
        let wire = &mut self.wire;
        let Some(selected) = self.user.as_mut().and_then(|user| user.selected.as_mut()) else { return Reply::ok("SEARCH completed") };
        search.run(&asking, &mut selected.folder, &mut selected.view, wire.output()).await?;
        Reply::found("SEARCH completed", has_numbers)
    }

    /// How a client asks that gave `order`. It is told first what has happened, so that what is new is found.
    pub(super) async fn asking<'t>(&mut self, order: &Order<'t>) -> Result<Asking<'t>, Refusal> {
        // Numbers among the keys are those that it knows now.
        self.tell(Telling::NoExpunge).await?;
        Ok(Asking { tag: order.tag, is_uid: order.is_uid, is_rev2: self.enabled.rev2, is_utf8: self.enabled.utf8 })
    }
}

/// A SEARCH, understood.
#[derive(Debug)]
pub struct Search {
    returns: Option<Returns>,
    pub criteria: Criteria,
}

impl Search {
    /// Reads `[RETURN (...)] [CHARSET name] key ...`.
    ///
    /// # Errors
    /// All but [`Refused::Trouble`].
    pub fn read(mut args: Args<'_>, asking: &Asking<'_>, view: &View) -> Result<Search, Refused> {
        args.space()?;
        let returns = Returns::read(&mut args)?;
        let mut charset = Charset::USUAL;
        if args.is_word("CHARSET") {
            args.space()?;
            charset = named(&mut args, asking)?;
            args.space()?;
        }
        Ok(Search { returns, criteria: grammar::criteria(&mut args, charset, view)? })
    }

    /// Searches, writes the answer to `out`, and saves the result where that is wanted.
    ///
    /// # Errors
    /// [`Refused::Trouble`]; then nothing is saved any more (RFC 5182 §2.1).
    pub async fn run(self, asking: &Asking<'_>, folder: &mut impl Folder, view: &mut View, out: &mut Vec<u8>) -> Result<(), Refused> {
        let saves = self.returns.is_some_and(|returns| returns.save);
        let found = find::find(folder, view, &self.criteria).await;
        if saves {
            let hits = found.as_deref().unwrap_or_default();
            view.save(self.returns.map_or(Uids::NONE, |returns| result::saved(&returns.of(hits))));
        }
        let (hits, form) = (found?, Form { tag: asking.tag, is_uid: asking.is_uid, has_modseq: self.criteria.asks_modseq });
        match self.returns {
            None if !asking.is_rev2 => form.list("SEARCH", &hits, out),
            None => form.extended(Returns { all: true, ..Returns::default() }, &hits, out),
            Some(returns) if returns.tells() => form.extended(returns, &hits, out),
            Some(_) => {}
        }
        Ok(())
    }
}

/// What was to save what it found, and is refused with NO, leaves nothing saved (RFC 5182 §2.1); with BAD it changes nothing.
pub(super) fn forget(mut args: Args<'_>, refused: &Refused, view: &mut View) {
    let saves = args.space().and_then(|()| Returns::read(&mut args)).is_ok_and(|returns| returns.is_some_and(|returns| returns.save));
    if saves && !matches!(refused, Refused::Bad(_)) {
        view.save(Uids::NONE);
    }
}

/// The charset that stands here.
pub(super) fn named(args: &mut Args<'_>, asking: &Asking<'_>) -> Result<Charset, Refused> {
    let name = args.astring()?;
    let charset = Charset::named(&name)?;
    if asking.is_utf8 && charset != Charset::USUAL {
        return Err(Bad("strings are UTF-8 once UTF8=ACCEPT is enabled").into());
    }
    Ok(charset)
}

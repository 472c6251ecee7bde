//! SORT and UID SORT (RFC 5256 §3), with RETURN (RFC 5267 §3, ESORT) and the keys of RFC 5957 (SORT=DISPLAY).

use super::args::Args;
use super::reply::{Refusal, Reply};
use super::search::find::Hit;
use super::search::result::{self, Form, Returns};
use super::search::{self, Asking, Criteria, Refused, find, grammar};
use super::session::Session;
use super::table::Order;
use super::view::View;
use crate::store::{Folder, Uids};
use key::Criterion;

mod key;
mod order;
#[cfg(test)]
mod tests;

impl Session<'_> {
    pub(super) async fn sort(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        let asking = self.asking(&order).await?;
        let (args, selected) = (order.args, self.selected()?);
        let sort = Sort::read(args, &asking, &selected.view).inspect_err(|refused| search::forget(args, refused, &mut selected.view))?;
        let has_numbers = sort.searched.has_numbers;
        // RFC 7162 §3.1: whoever uses it has enabled it.
        if sort.searched.asks_modseq {
            self.enable_condstore();
        }
        let wire = &mut self.wire;
        let Some(selected) = self.user.as_mut().and_then(|user| user.selected.as_mut()) else { return Reply::ok("SORT completed") };
        sort.run(&asking, &mut selected.folder, &mut selected.view, wire.output()).await?;
        Reply::found("SORT completed", has_numbers)
    }
}

/// A SORT, understood.
#[derive(Debug)]
pub struct Sort {
    returns: Option<Returns>,
    criteria: Vec<Criterion>,
    searched: Criteria,
}

impl Sort {
    /// Reads `[RETURN (...)] (key ...) charset searchkey ...`.
    ///
    /// # Errors
    /// All but [`Refused::Trouble`].
    pub fn read(mut args: Args<'_>, asking: &Asking<'_>, view: &View) -> Result<Sort, Refused> {
        args.space()?;
        let returns = Returns::read(&mut args)?;
        let criteria = Criterion::read_all(&mut args)?;
        args.space()?;
        let charset = search::named(&mut args, asking)?;
        args.space()?;
        Ok(Sort { returns, criteria, searched: grammar::criteria(&mut args, charset, view)? })
    }

    /// Searches, sorts, and writes the answer to `out`. Where the result is saved, only MIN and MAX depend on the order.
    ///
    /// # Errors
    /// [`Refused::Trouble`], [`Refused::Limit`]; then nothing is saved any more (RFC 5182 §2.1).
    pub async fn run(self, asking: &Asking<'_>, folder: &mut impl Folder, view: &mut View, out: &mut Vec<u8>) -> Result<(), Refused> {
        let sorted = self.sorted(folder, view).await;
        if let Some(returns) = self.returns.filter(|returns| returns.save) {
            view.save(sorted.as_deref().map_or(Uids::NONE, |hits| result::saved(&returns.of(hits))));
        }
        let (hits, form) = (sorted?, Form { tag: asking.tag, is_uid: asking.is_uid, has_modseq: self.searched.asks_modseq });
        match self.returns {
            None => form.list("SORT", &hits, out),
            Some(returns) if returns.tells() => form.extended(returns, &hits, out),
            Some(_) => {}
        }
        Ok(())
    }

    async fn sorted(&self, folder: &mut impl Folder, view: &View) -> Result<Vec<Hit>, Refused> {
        let hits = find::find(folder, view, &self.searched).await?;
        order::sorted(folder, self.criteria.clone(), hits).await
    }
}

//! LIST and LSUB (RFC 9051 §6.3.9, RFC 3501 §6.3.9), with what to select and what to return (RFC 5258), STATUS (RFC 5819) and special uses
//! (RFC 6154).

mod asked;
mod pattern;

use std::borrow::Cow;
use std::collections::HashSet;

use super::out::Out;
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::status::{self, Item, Manner};
use super::table::Order;
use crate::store::{FolderName, Home, Listed, Namespace, Status};
use asked::{Asked, Selection};
use pattern::Pattern;

/// A name that a client may see.
struct Line<'a> {
    shown: &'a str,
    /// None for a level that is nothing else.
    listed: Option<&'a Listed>,
}

/// All names, and which of them have something below them.
struct Tree<'a> {
    lines: Vec<Line<'a>>,
    separator: char,
    /// Names with a mailbox below them.
    parents: HashSet<&'a str>,
    /// Names with something below them that is selected.
    parents_of_selected: HashSet<&'a str>,
}

impl Session<'_> {
    pub(super) async fn list(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.space()?;
        let mut asked = Asked::parse(&mut order.args)?;
        order.args.end()?;
        if asked.status.contains(&Item::HighestModSeq) {
            self.enable_condstore();
        }
        let user = self.user()?;
        let namespace = user.namespace.clone();
        if asked.is_for_root() {
            let mut separator = [0; 4];
            let separator = namespace.separator().encode_utf8(&mut separator);
            self.out().raw("* LIST (\\NoSelect) ").quoted(separator).raw(" \"\"").end();
            return Reply::ok("LIST completed");
        }
        let listed = user.home.list().await?;
        let shown = shown(&listed, &namespace);
        let tree = Tree::new(&listed, &shown, namespace.separator(), asked.selection);
        let patterns = Pattern::all(&asked.reference, &asked.patterns, namespace.separator());
        let is_meant = |line: &&Line<'_>| patterns.iter().any(|one| one.matches(line.shown)) && tree.is_wanted(line, asked.selection);
        let chosen: Vec<&Line<'_>> = tree.lines.iter().filter(is_meant).collect();
        let statuses = self.statuses(&chosen, &asked.status).await?;
        asked.special = self.offers("SPECIAL-USE");
        for (line, status) in chosen.iter().zip(statuses) {
            self.say_line("LIST", &tree, line, &asked);
            if let (Some((status, storage)), Some(listed)) = (status, line.listed) {
                self.say_status(&listed.name, &status, storage, &namespace, &asked.status);
            }
            self.wire.flush_if_full().await?;
        }
        Reply::ok("LIST completed")
    }

    pub(super) async fn lsub(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        let args = &mut order.args;
        args.space()?;
        let reference = args.mailbox_text()?;
        args.space()?;
        let pattern = args.pattern()?;
        args.end()?;
        let (user, selection) = (self.user()?, Selection { subscribed: true, recursive: true, ..Selection::default() });
        let namespace = user.namespace.clone();
        let listed = user.home.list().await?;
        let shown = shown(&listed, &namespace);
        let tree = Tree::new(&listed, &shown, namespace.separator(), selection);
        let patterns = Pattern::all(&reference, &[pattern], namespace.separator());
        let is_utf8 = self.enabled.has_utf8_names();
        for line in tree.lines.iter().filter(|line| patterns.iter().any(|one| one.matches(line.shown))) {
            let attributes = match (line.is_selected(selection), tree.parents_of_selected.contains(line.shown)) {
                (true, _) => "()",
                // RFC 3501 §6.3.9: with %, what is above a subscribed one that does not match itself.
                (false, true) if patterns.iter().any(Pattern::stays_on_a_level) => "(\\NoSelect)",
                (false, _) => continue,
            };
            let mut separator = [0; 4];
            let separator = tree.separator.encode_utf8(&mut separator);
            Out::new(self.wire.output()).raw("* LSUB ").raw(attributes).raw(" ").quoted(separator).raw(" ").name(line.shown, is_utf8).end();
        }
        Reply::ok("LSUB completed")
    }

    /// The status of each of `lines`, as far as it is asked for and can be told.
    async fn statuses(&mut self, lines: &[&Line<'_>], items: &[Item]) -> Result<Vec<Option<(Status, u64)>>, Refusal> {
        if items.is_empty() {
            return Ok(vec![None; lines.len()]);
        }
        let home = &self.user()?.home;
        let existing = |line: &&Line<'_>| line.listed.filter(|listed| listed.exists).map(|listed| listed.name.clone());
        let names: Vec<FolderName> = lines.iter().filter_map(existing).collect();
        let mut told = home.status(&names).await.into_iter();
        let mut all = Vec::with_capacity(lines.len());
        for line in lines {
            let status = match existing(line) {
                Some(name) => match told.next() {
                    Some(Ok(status)) => Some((status, status::deleted_storage(home, &name, items, &status).await.unwrap_or(0))),
                    _ => None,
                },
                None => None,
            };
            all.push(status);
        }
        Ok(all)
    }

    fn say_status(&mut self, name: &FolderName, status: &Status, storage: u64, namespace: &Namespace, items: &[Item]) {
        let manner = Manner { items, namespace, is_utf8: self.enabled.has_utf8_names(), append_limit: self.append_limit() };
        status::say(&mut self.out(), name, status, storage, manner);
    }

    fn say_line(&mut self, what: &str, tree: &Tree<'_>, line: &Line<'_>, asked: &Asked) {
        let is_utf8 = self.enabled.has_utf8_names();
        let mut separator = [0; 4];
        let separator = tree.separator.encode_utf8(&mut separator);
        let mut out = self.out();
        out.raw("* ").raw(what).raw(" ");
        let mut before = "(";
        for attribute in tree.attributes(line, asked) {
            out.raw(before).raw(attribute);
            before = " ";
        }
        out.raw(") ").quoted(separator).raw(" ").name(line.shown, is_utf8);
        if asked.selection.recursive && tree.parents_of_selected.contains(line.shown) {
            // RFC 5258 §4: which of the selection's options hold below.
            out.raw(" (\"CHILDINFO\" (")
                .raw(asked.selection.names().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" "))
                .raw("))");
        }
        out.end();
    }
}

impl Line<'_> {
    /// Whether it has what the selection asks for; without one, whether it is there at all.
    fn is_selected(&self, selection: Selection) -> bool {
        self.listed.is_some_and(|listed| {
            (!selection.subscribed || listed.subscribed)
                && (!selection.special || listed.special.is_some())
                && (listed.exists || selection.subscribed)
        })
    }
}

/// What clients call the folders.
fn shown<'a>(listed: &'a [Listed], namespace: &Namespace) -> Vec<Cow<'a, str>> {
    listed.iter().map(|listed| namespace.text(&listed.name)).collect()
}

impl<'a> Tree<'a> {
    /// `shown` are the names of those that are `listed`.
    fn new(listed: &'a [Listed], shown: &'a [Cow<'a, str>], separator: char, selection: Selection) -> Tree<'a> {
        let lines = std::iter::zip(listed, shown).map(|(listed, shown)| Line { shown, listed: Some(listed) });
        if !shown.iter().any(|name| name.contains(separator)) {
            return Tree { lines: lines.collect(), separator, parents: HashSet::new(), parents_of_selected: HashSet::new() };
        }
        let (mut all, mut seen) = (Vec::with_capacity(listed.len()), HashSet::new());
        for line in lines {
            // Nobody has made them: levels like that of a prefix.
            let missing = ancestors(line.shown, separator).filter(|level| seen.insert(*level));
            all.extend(missing.map(|level| Line { shown: level, listed: None }));
            seen.insert(line.shown);
            all.push(line);
        }
        let above = |wanted: &dyn Fn(&Line<'_>) -> bool| -> HashSet<&'a str> {
            all.iter().filter(|line| wanted(line)).flat_map(|line| ancestors(line.shown, separator)).collect()
        };
        let parents = above(&|line| line.listed.is_some_and(|listed| listed.exists));
        let parents_of_selected = if selection.recursive { above(&|line| line.is_selected(selection)) } else { HashSet::new() };
        Tree { parents, parents_of_selected, lines: all, separator }
    }

    fn is_wanted(&self, line: &Line<'_>, selection: Selection) -> bool {
        let is_level = selection.is_empty() && self.parents.contains(line.shown);
        line.is_selected(selection) || is_level || selection.recursive && self.parents_of_selected.contains(line.shown)
    }

    fn attributes(&self, line: &Line<'_>, asked: &Asked) -> impl Iterator<Item = &'static str> {
        let listed = line.listed;
        let missing = if asked.is_extended { "\\NonExistent" } else { "\\NoSelect" };
        let below = match self.parents.contains(line.shown) {
            true => "\\HasChildren",
            false if listed.is_some_and(|listed| listed.no_inferiors) => "\\NoInferiors",
            false => "\\HasNoChildren",
        };
        let subscribed = (asked.subscribed || asked.selection.subscribed) && listed.is_some_and(|listed| listed.subscribed);
        let special = listed.and_then(|listed| listed.special).filter(|_| asked.special).map(asked::attribute);
        let exists = listed.is_some_and(|listed| listed.exists);
        [(!exists).then_some(missing), Some(below), subscribed.then_some("\\Subscribed"), special].into_iter().flatten()
    }
}

/// `a` and `a/b` of `a/b/c`.
fn ancestors(name: &str, separator: char) -> impl Iterator<Item = &str> {
    name.match_indices(separator).map(|(at, _)| &name[..at])
}

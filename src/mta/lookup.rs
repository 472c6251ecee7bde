//! The maps that a mail server looks addresses up in, answered from the one plan.

use std::borrow::Cow;

use crate::address::{Address, Domain};
use crate::deliver::{self, Fate, Found, Leaf, Plan, Step, Way};
use crate::maps::Sources;
use crate::vdomain::{Names, Standing};

/// What is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Map {
    /// Whether a domain is one of ours, or another name of one.
    Domains,
    /// Whether anybody gets mail for an address.
    Mailboxes,
    /// Where mail for an address goes that goes only elsewhere.
    ///
    /// Whatever has another leaf is not found here: we expand it when the message is there, so that no member of a list gets it twice,
    /// automatic replies are sent, and bounces go to a list's owner. A mere forward needs none of that, and this way it stays in the mail
    /// server's queue instead of passing through us.
    Aliases,
    /// Who may send mail from an address: those who get its mail, as they log in.
    SenderLogin,
}

impl Map {
    /// By the name in a request, which is that of Postfix's setting.
    pub fn named(name: &str) -> Option<Map> {
        match name {
            "virtual_mailbox_domains" => Some(Map::Domains),
            "virtual_mailbox_maps" => Some(Map::Mailboxes),
            "virtual_alias_maps" => Some(Map::Aliases),
            "sender_login" => Some(Map::SenderLogin),
            _ => None,
        }
    }
}

/// What a look-up found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The value.
    Found(String),
    /// There is none.
    NotFound,
    /// Nobody can tell now.
    Later(Cow<'static, str>),
}

/// Looks `key` up. Keys that are no whole addresses (Postfix tries `@domain` and `user`, too) are never found: the plan knows fallbacks
/// and `user+detail`.
pub fn look_up(map: Map, key: &str, names: &dyn Names, maps: &Sources) -> Answer {
    if map == Map::Domains {
        return key.parse().map_or(Answer::NotFound, |name| domain(&name, names));
    }
    let Ok(address) = key.parse::<Address>() else { return Answer::NotFound };
    let plan = deliver::plan(names, maps, &address, "");
    match map {
        Map::Domains | Map::Mailboxes => mailbox(&address, &plan),
        Map::Aliases => forwards(&plan).map_or(Answer::NotFound, Answer::Found),
        Map::SenderLogin => owners(&plan).map_or(Answer::NotFound, Answer::Found),
    }
}

fn domain(name: &Domain, names: &dyn Names) -> Answer {
    match names.by_name(name) {
        None => Answer::NotFound,
        Some(domain) if matches!(domain.standing, Standing::Broken(_)) => Answer::Later("the domain's record is being mended".into()),
        Some(domain) => Answer::Found(domain.name.to_string()),
    }
}

fn mailbox(address: &Address, plan: &Plan) -> Answer {
    let outcome = plan.outcome();
    match outcome.fate() {
        Fate::Done => Answer::Found(address.to_string()),
        Fate::Never => Answer::NotFound,
        Fate::Later => Answer::Later(outcome.reply().text),
    }
}

/// The addresses elsewhere, if there is nothing else.
fn forwards(plan: &Plan) -> Option<String> {
    let is_plain = |step: &Step| match &step.found {
        Found::Leads(way) => *way != Way::ReplyAlone && step.bounces_to.is_none(),
        Found::Leaf(Leaf::Forward { to }) => step.bounces_to.is_none() && to.parse::<Address>().is_ok(),
        Found::Double => true,
        Found::Leaf(_) | Found::Refused(_) | Found::Waits(_) | Found::TooMuch => false,
    };
    let to: Vec<String> = plan.leaves().take(MOST_FORWARDS + 1).map(|(step, _)| step.subject.clone()).collect();
    let is_told = plan.steps.iter().all(is_plain) && (1..=MOST_FORWARDS).contains(&to.len());
    is_told.then(|| to.join(", ")).filter(|told| told.len() <= LONGEST_VALUE)
}

/// The users who get the mail by name: members of a list in a file do not speak for the list.
fn owners(plan: &Plan) -> Option<String> {
    let is_listed = |at| plan.above(at).any(|step| matches!(step.found, Found::Leads(Way::Include)));
    let owners = plan.steps.iter().enumerate().filter_map(|(at, step)| match &step.found {
        Found::Leaf(Leaf::Mailbox(mailbox)) if !is_listed(at) => Some(mailbox.owner().to_string()),
        _ => None,
    });
    let told = owners.take(MOST_OWNERS).collect::<Vec<_>>().join(", ");
    (!told.is_empty()).then_some(told)
}

/// Postfix's virtual_alias_expansion_limit is 1,000.
const MOST_FORWARDS: usize = 500;
/// Octets; Postfix takes replies of 100,000.
const LONGEST_VALUE: usize = 50_000;
const MOST_OWNERS: usize = 500;

//! The one resolver for people: from an address to those who get its mail (behaviour.md §4.3).

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::ask::{Ask, Name, Task};
use super::view::View;
use super::{Found, Leaf, Place, Plan, Refusal, Step, Verdict, Way, include};
use crate::address::{Address, Domain};
use crate::config::{Fallback, Fault, Tokens};
use crate::maps::{Means, Sources};
use crate::vdomain::aliases::{Alias, Member, Target};
use crate::vdomain::{Named, Names, Standing, VirtualDomain};

/// Who gets mail for the address `to` from the envelope sender `from`, which is empty for a bounce.
///
/// In this order: the domain's other names, mail rejected, the address maps, auto-responder (beside the others), alias files by priority, user, full
/// name, fallback. An address that one of them leads to goes through the same again, a name without a domain through the domain's own names. Reads what has changed of the files of the
/// domains concerned, and the include files; changes nothing. Each domain's files are looked at once, so that a plan is of one moment.
pub fn plan(names: &dyn Names, maps: &Sources, to: &Address, from: &str) -> Plan {
    let mut planner = Planner::new(names, maps, from);
    planner.todo.push(Task { parent: None, place: None, bounces_to: None, ask: Ask::Address(to.clone()) });
    planner.work();
    let leads_nowhere = matches!(planner.plan.verdict(), Verdict::Never(why) if ![Refusal::NotOurs, Refusal::Rejected].contains(why));
    if leads_nowhere && is_role(to.local()) {
        let task = planner.postmaster(0);
        planner.todo.push(task);
        planner.work();
    }
    planner.plan
}

/// Who gets mail for `postmaster` without a domain, which everybody who takes mail takes (RFC 5321 §4.5.1): the machine's.
pub fn plan_for_postmaster(names: &dyn Names, maps: &Sources, from: &str) -> Plan {
    let mut planner = Planner::new(names, maps, from);
    let found = Found::Leads(Way::Postmaster);
    planner.plan.steps.push(Step { subject: "postmaster".to_owned(), parent: None, depth: 0, place: None, bounces_to: None, found });
    let task = planner.postmaster(0);
    planner.todo.push(task);
    planner.work();
    planner.plan
}

struct Planner<'a> {
    names: &'a dyn Names,
    maps: &'a Sources,
    from: &'a str,
    plan: Plan,
    /// What is still to be looked at; the next is the last.
    todo: Vec<Task>,
    views: HashMap<Domain, Rc<View>>,
    seen: HashMap<Key, Before>,
    /// The names by their steps.
    passed: HashMap<usize, Name>,
    /// The leaves so far, as texts.
    leaves: HashSet<String>,
}

/// What is looked at once.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    /// A name of a domain, lower case.
    Name(Domain, String),
    /// An address that a line of a map is for, the local part in lower case.
    Mapped(Domain, String),
    /// A list, whose names are of that domain.
    List(Domain, PathBuf),
}

/// When something was looked at before.
struct Before {
    step: usize,
    /// What stood behind the `+` then.
    detail: Option<String>,
}

/// What a step found, and what it leads to.
type Led = (Found, Vec<Task>);

impl<'a> Planner<'a> {
    fn new(names: &'a dyn Names, maps: &'a Sources, from: &'a str) -> Planner<'a> {
        let plan = Plan { steps: Vec::new() };
        let (views, seen, passed, leaves) = (HashMap::new(), HashMap::new(), HashMap::new(), HashSet::new());
        Planner { names, maps, from, plan, todo: Vec::new(), views, seen, passed, leaves }
    }

    fn work(&mut self) {
        while let Some(Task { parent, place, bounces_to, ask }) = self.todo.pop() {
            let at = self.plan.steps.len();
            let depth = parent.map_or(0, |parent| self.plan.steps[parent].depth + 1);
            // What it finds is not known yet; those that it leads to look at their parents.
            let found = Found::Double;
            self.plan.steps.push(Step { subject: ask.to_string(), parent, depth, place, bounces_to, found });
            let (found, next) = match depth > DEEPEST {
                true => (Found::Waits(format!("{DEEPEST} steps do not lead to an end")), Vec::new()),
                false => self.look(at, ask),
            };
            let too_much = at + self.todo.len() + next.len() >= MOST_STEPS;
            self.plan.steps[at].found = if too_much { Found::TooMuch } else { found };
            if too_much {
                return self.todo.clear();
            }
            self.todo.extend(next.into_iter().rev());
        }
    }

    fn look(&mut self, at: usize, ask: Ask) -> Led {
        match ask {
            Ask::Address(address) => self.address(at, address, true),
            Ask::Mapped(address) => self.address(at, address, false),
            Ask::Name(name) => self.name(at, &name),
            Ask::User(name) => self.user(&name),
            Ask::Leaf(leaf) => (self.leaf(leaf), Vec::new()),
            Ask::List(name, path) => self.list(at, &name, path),
            Ask::Told(_, reply) => refused(Refusal::Told(Arc::new(reply))),
            Ask::Unclear(what) => (Found::Waits(what), Vec::new()),
        }
    }

    fn address(&mut self, at: usize, address: Address, asks_maps: bool) -> Led {
        let Some(domain) = self.names.by_name(address.domain()) else {
            return match at {
                0 => refused(Refusal::NotOurs),
                _ => (self.leaf(Leaf::Forward { to: address.to_string() }), Vec::new()),
            };
        };
        if asks_maps && let Some(led) = self.mapped(at, &address, &domain) {
            return led;
        }
        if domain.name == *address.domain() {
            return self.name(at, &Name::of(domain, address));
        }
        let place = Place::setting(&domain, "alias");
        let task = self.task(at, Some(place), Ask::Name(Name::of(domain, address)));
        (Found::Leads(Way::DomainAlias), vec![task])
    }

    /// What the address maps say of an address of `domain`: as it is written, else under the domain's primary name. One that leads back to
    /// itself is a user on the way around, as for an alias.
    fn mapped(&mut self, at: usize, address: &Address, domain: &VirtualDomain) -> Option<Led> {
        if domain.record.delivery.reject || matches!(domain.standing, Standing::Broken(_)) {
            return None;
        }
        let primary = (domain.name != *address.domain()).then(|| address.clone().at(domain.name.clone()));
        let said = std::iter::once(address).chain(&primary).find_map(|address| self.maps.find(address).transpose())?;
        let said = match said {
            Err(fault) => return Some((Found::Waits(fault.to_string()), Vec::new())),
            // These always have a destination; `@domain error:...` is hardly meant for them.
            Ok(said) if matches!(said.means, Means::Error(_)) && is_role(address.local()) => return None,
            Ok(said) => said,
        };
        let key = Key::Mapped(address.domain().clone(), address.local().to_lowercase());
        match self.seen.get(&key).map(|before| before.step) {
            Some(before) if self.plan.is_above(before, at) => {
                let user = self.user_between(before, at);
                return Some(user.map_or_else(|| refused(Refusal::Loop), |mailbox| (self.leaf(mailbox), Vec::new())));
            }
            Some(_) => return Some((Found::Double, Vec::new())),
            None => _ = self.seen.insert(key, Before { step: at, detail: None }),
        }
        let place = Place { file: said.file.clone(), line: said.line, key: said.key.as_str().into() };
        Some((Found::Leads(Way::Map), vec![self.task(at, Some(place), Ask::said(said, self.names.host()))]))
    }

    fn name(&mut self, at: usize, name: &Name) -> Led {
        let view = match self.view(&name.domain) {
            Ok(view) => view,
            Err(found) => return (found, Vec::new()),
        };
        if let Some(led) = self.seen_before(at, name.local(), name, &view) {
            return led;
        }
        self.see(at, name, name.local(), None);
        self.passed.insert(at, name.clone());
        let reply = name.reply().map(|leaf| self.task(at, None, Ask::Leaf(leaf)));
        let (found, mut next) = match self.somebody(at, name, &view) {
            Some(led) => led,
            None if reply.is_some() => (Found::Leads(Way::ReplyAlone), Vec::new()),
            None => self.fallback(at, name),
        };
        next.splice(..0, reply);
        (found, next)
    }

    /// An alias, a user or a full name: the whole name first, then what stands before a `+`.
    fn somebody(&mut self, at: usize, name: &Name, view: &View) -> Option<Led> {
        if let Some((file, alias)) = view.aliases.get(name.local()) {
            return Some(self.alias(at, name, &name.local().to_lowercase(), (file, alias), view));
        }
        if let Some(mailbox) = view.user(&name.domain, name.local(), None) {
            return Some((self.leaf(mailbox), Vec::new()));
        }
        name.plus().and_then(|(base, detail)| self.plus(at, name, (base, detail), view)).or_else(|| self.full_name(at, name, view))
    }

    /// As sendmail: `joe+x`, which is done, then `joe+*`, then `joe`.
    fn plus(&mut self, at: usize, name: &Name, (base, detail): (&str, &str), view: &View) -> Option<Led> {
        let any = format!("{base}+*");
        let found = view.aliases.get(&any).map(|entry| (any.as_str(), entry));
        let Some((key, entry)) = found.or_else(|| view.aliases.get(base).map(|entry| (base, entry))) else {
            return view.user(&name.domain, base, Some(detail)).map(|mailbox| (self.leaf(mailbox), Vec::new()));
        };
        if key == base {
            if let Some(led) = self.seen_before(at, base, name, view) {
                return Some(led);
            }
            self.see(at, name, base, Some(detail));
        }
        Some(self.alias(at, name, &key.to_lowercase(), entry, view))
    }

    /// The user of that full name, under the login name, which may be an alias.
    fn full_name(&self, at: usize, name: &Name, view: &View) -> Option<Led> {
        if !name.domain.record.delivery.full_names {
            return None;
        }
        let plus = name.plus().map(|(base, detail)| (base, Some(detail)));
        let tries = [Some((name.local(), None)), plus];
        let (named, detail) = tries
            .into_iter()
            .flatten()
            .map(|(full, detail)| (view.passwd.by_full_name(full), detail))
            .find(|(named, _)| *named != Named::Nobody)?;
        let Named::One(user) = named else { return Some(refused(Refusal::Ambiguous)) };
        let login = detail.map_or_else(|| user.to_string(), |detail| format!("{user}+{detail}"));
        let place = Place { file: name.domain.realm.users.passwd_path().into(), line: None, key: user.as_str().into() };
        Some((Found::Leads(Way::FullName), vec![self.task(at, Some(place), name.beside(&login))]))
    }

    fn alias(&self, at: usize, name: &Name, key: &str, (file, alias): (&Path, &Alias), view: &View) -> Led {
        let place = Place { file: file.into(), line: Some(alias.line), key: key.into() };
        let bounces_to = view.list_owner(&name.domain, key);
        let task = |target: &Target| {
            let task = self.task(at, Some(place.clone()), name.target(target));
            Task { bounces_to: bounces_to.clone().or(task.bounces_to), ..task }
        };
        (Found::Leads(Way::Alias), alias.targets.iter().map(task).collect())
    }

    fn list(&mut self, at: usize, name: &Name, path: PathBuf) -> Led {
        match self.seen.entry(Key::List(name.domain.name.clone(), path.clone())) {
            Entry::Occupied(before) if self.plan.is_above(before.get().step, at) => return refused(Refusal::Loop),
            Entry::Occupied(_) => return (Found::Double, Vec::new()),
            Entry::Vacant(unseen) => _ = unseen.insert(Before { step: at, detail: None }),
        }
        match include::read(&path) {
            Err(fault) => (Found::Waits(fault.to_string()), Vec::new()),
            Ok(members) => {
                let file: Arc<Path> = path.into();
                let place = |line| Place { file: file.clone(), line: Some(line), key: ":include:".into() };
                let task = |member: &Member| self.task(at, Some(place(member.line)), name.target(&member.target));
                (Found::Leads(Way::Include), members.iter().map(task).collect())
            }
        }
    }

    /// `\joe`: the user, with no more aliasing.
    fn user(&mut self, name: &Name) -> Led {
        match self.view(&name.domain) {
            Err(found) => (found, Vec::new()),
            Ok(view) => match view.mailbox(name) {
                Some(mailbox) => (self.leaf(mailbox), Vec::new()),
                None => refused(Refusal::Nobody),
            },
        }
    }

    fn fallback(&self, at: usize, name: &Name) -> Led {
        let delivery = &name.domain.record.delivery;
        let ask = match &delivery.fallback {
            Fallback::Refuse if is_role(name.local()) => return (Found::Leads(Way::Postmaster), vec![self.postmaster(at)]),
            Fallback::Refuse => return refused(Refusal::Nobody),
            Fallback::Address(text) => Ask::written(text),
            Fallback::Domain(other) => Ask::address(name.local(), other),
            Fallback::Account(account) => name.beside(account),
            Fallback::Program(command) => {
                let (addressed, primary) = (name.addressed.as_str(), name.domain.name.as_str());
                match command.words(&Tokens { addressed, primary, sender: self.from, user: name.local() }) {
                    Some(words) => name.program(words),
                    None => return refused(Refusal::Option),
                }
            }
        };
        let place = Place::setting(&name.domain, "delivery.fallback");
        (Found::Leads(Way::Fallback), vec![self.task(at, Some(place), ask)])
    }

    /// The machine's postmaster, unless that is where we come from.
    fn postmaster(&self, at: usize) -> Task {
        let text = format!("postmaster@{}", self.names.host());
        let is_here = self.plan.above(at).any(|step| step.subject.eq_ignore_ascii_case(&text));
        let ask = if is_here { Ask::Unclear(format!("{text} has no mailbox")) } else { Ask::written(&text) };
        self.task(at, None, ask)
    }

    /// What there is to say of a name that was looked at before. One that leads back to itself is the user of that name, if there is
    /// one: so works `joe: joe, boss` (behaviour.md §18 trap 29). Else a user on the way around: so works `joe: list` with `list: joe, ann`
    /// for mail to the list, too.
    fn seen_before(&mut self, at: usize, local: &str, name: &Name, view: &View) -> Option<Led> {
        let before = self.seen.get(&Key::Name(name.domain.name.clone(), local.to_lowercase()))?;
        if !self.plan.is_above(before.step, at) {
            return Some((Found::Double, Vec::new()));
        }
        let itself = view.user(&name.domain, local, before.detail.as_deref()).or_else(|| view.mailbox(name));
        Some(match itself.or_else(|| self.user_between(before.step, at)) {
            Some(mailbox) => (self.leaf(mailbox), Vec::new()),
            None => refused(Refusal::Loop),
        })
    }

    /// The last user among the names that led from step `first` to step `last`.
    fn user_between(&self, first: usize, last: usize) -> Option<Leaf> {
        let steps = std::iter::successors(Some(last), |&at| self.plan.steps[at].parent).take_while(|&at| at > first);
        steps.filter_map(|at| self.passed.get(&at)).find_map(|name| self.views.get(&name.domain.name)?.mailbox(name))
    }

    fn see(&mut self, step: usize, name: &Name, local: &str, detail: Option<&str>) {
        let key = Key::Name(name.domain.name.clone(), local.to_lowercase());
        self.seen.insert(key, Before { step, detail: detail.map(str::to_owned) });
    }

    fn leaf(&mut self, leaf: Leaf) -> Found {
        if self.leaves.insert(leaf.to_string()) { Found::Leaf(leaf) } else { Found::Double }
    }

    /// What `ask` is to find, as a consequence of step `at`.
    fn task(&self, at: usize, place: Option<Place>, ask: Ask) -> Task {
        Task { parent: Some(at), place, bounces_to: self.plan.steps[at].bounces_to.clone(), ask }
    }

    /// What a domain's files say, or why nobody gets mail there.
    fn view(&mut self, domain: &VirtualDomain) -> Result<Rc<View>, Found> {
        if let Standing::Broken(fault) = &domain.standing {
            return Err(Found::Waits(fault.to_string()));
        }
        if domain.record.delivery.reject {
            return Err(Found::Refused(Refusal::Rejected));
        }
        if let Some(view) = self.views.get(&domain.name) {
            return Ok(view.clone());
        }
        let view = View::of(domain).map_err(|fault: Fault| Found::Waits(fault.to_string()))?;
        Ok(self.views.entry(domain.name.clone()).or_insert(Rc::new(view)).clone())
    }
}

fn refused(why: Refusal) -> Led {
    (Found::Refused(why), Vec::new())
}

/// Names that have a destination in every domain (RFC 5321 §4.5.1, RFC 2142 §4; behaviour.md §18 trap 51).
fn is_role(local: &str) -> bool {
    ["postmaster", "abuse"].iter().any(|role| role.eq_ignore_ascii_case(local))
}

/// A longer way is a mistake; sendmail gives up sooner.
const DEEPEST: usize = 50;
/// A plan has fewer steps. Larger lists belong to a list manager.
pub(super) const MOST_STEPS: usize = 20_000;

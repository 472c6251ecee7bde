//! One message's errands: the leaves of all its recipients' plans, each once.

use std::collections::{HashMap, HashSet};

use super::again::Again;
use super::mail::path;
use super::{Carried, Fate, Found, Leaf, Mail, Mailbox, Outcome, Plan};
use crate::store::mbox::from;

/// The leaves that one message goes to.
pub struct Round<'a> {
    plans: &'a [Plan],
    pub errands: Vec<Errand<'a>>,
    /// By plan: the errands of its leaves.
    of_plans: Vec<Vec<usize>>,
}

/// A leaf, of one plan or of several.
pub struct Errand<'a> {
    pub leaf: &'a Leaf,
    /// The leaf's text: equal leaves have the same.
    text: String,
    /// The first plan that has it, and where.
    plan: (usize, &'a Plan),
    step: usize,
    /// `None` while it is to be run.
    outcome: Option<Outcome>,
}

impl<'a> Errand<'a> {
    /// The address that was asked for.
    pub fn asked(&self) -> &'a str {
        self.plan.1.steps.first().map_or("", |step| &step.subject)
    }

    /// Who hears of bounces.
    pub fn bounces_to<'m>(&self, mail: &'m Mail) -> &'m str
    where
        'a: 'm,
    {
        // Of a bounce nobody does (RFC 5321 §6.1).
        if mail.sender().is_empty() { "" } else { self.owner().unwrap_or(mail.sender()) }
    }

    /// Which plan it belongs to, and who hears of bounces instead of the sender: equal for those that can go together.
    pub fn way(&self) -> (usize, Option<&'a str>) {
        (self.plan.0, self.owner())
    }

    /// The From_ line and the path of bounces, for those who read an mbox.
    pub fn postmark(&self, mail: &Mail) -> String {
        let sender = self.bounces_to(mail);
        let now = u32::try_from(chrono::Utc::now().timestamp()).unwrap_or(u32::MAX);
        from::line(Some(sender), now) + &path(sender)
    }

    fn owner(&self) -> Option<&'a str> {
        self.plan.1.steps[self.step].bounces_to.as_deref()
    }
}

impl<'a> Round<'a> {
    /// The errands of `plans`. Where nobody can tell who gets the message, nobody gets it.
    pub fn of(plans: &'a [Plan]) -> Round<'a> {
        let mut round = Round { plans, errands: Vec::new(), of_plans: vec![Vec::new(); plans.len()] };
        let mut known = HashMap::new();
        for (number, plan) in plans.iter().enumerate().filter(|(_, plan)| plan.outcome() == Outcome::Done) {
            for (step, found) in plan.steps.iter().enumerate() {
                let Found::Leaf(leaf) = &found.found else { continue };
                let at = *known.entry(leaf.to_string()).or_insert(round.errands.len());
                if at == round.errands.len() {
                    round.errands.push(Errand { leaf, text: leaf.to_string(), plan: (number, plan), step, outcome: None });
                }
                round.of_plans[number].push(at);
            }
        }
        round
    }

    /// The errands that are still to be run.
    pub fn open(&self) -> Vec<usize> {
        (0..self.errands.len()).filter(|&at| self.errands[at].outcome.is_none()).collect()
    }

    /// The mailboxes among them, and who hears of bounces instead of the sender.
    pub fn mailboxes(&self) -> Vec<(usize, &'a Mailbox, Option<&'a str>)> {
        let mailbox = |at: usize| match self.errands[at].leaf {
            Leaf::Mailbox(mailbox) => Some((at, mailbox, self.errands[at].owner())),
            _ => None,
        };
        self.open().into_iter().filter_map(mailbox).collect()
    }

    /// What became of an errand.
    pub fn note(&mut self, at: usize, outcome: Outcome) {
        self.errands[at].outcome = Some(outcome);
    }

    /// What is known from before: those errands are not run again.
    pub fn recall(&mut self, again: &Again) {
        let known = self.errands.iter_mut().filter(|errand| again.has(&errand.text));
        known.for_each(|errand| errand.outcome = Some(Outcome::Done));
    }

    /// Where the message has to come again, notes who has it. What is still to be run is held back where that is impossible: it would be
    /// done again and again.
    pub fn remember(&mut self, again: &mut Again) {
        let is = |errand: &Errand<'_>, fate| errand.outcome.as_ref().is_some_and(|outcome| outcome.fate() == fate);
        let waits = |has: &Vec<usize>| has.iter().any(|&at| is(&self.errands[at], Fate::Later));
        if !self.of_plans.iter().any(waits) && !self.plans.iter().any(|plan| plan.outcome().fate() == Fate::Later) {
            return;
        }
        let done = self.errands.iter().filter(|errand| is(errand, Fate::Done)).map(|errand| errand.text.as_str());
        if again.note(done) {
            return;
        }
        let held: HashSet<usize> = self.of_plans.iter().filter(|has| waits(has)).flatten().copied().collect();
        for at in held {
            self.errands[at].outcome.get_or_insert(Outcome::Broken);
        }
    }

    /// What became of the message.
    pub fn carried(self) -> Carried {
        // Mail is never lost to an error: what nobody could tell of is for later.
        let became = |at: &usize| self.errands[*at].outcome.clone().unwrap_or(Outcome::Broken);
        let of_plan = |(plan, has): (&Plan, &Vec<usize>)| Outcome::of_recipient(plan, has.iter().map(became));
        let outcomes: Vec<_> = self.plans.iter().zip(&self.of_plans).map(of_plan).collect();
        let answers = |errand: &&Errand<'_>| match errand.leaf {
            // When it comes again it is answered.
            Leaf::Reply { .. } => outcomes[errand.plan.0].fate() != Fate::Later,
            Leaf::Mailbox(_) => errand.outcome == Some(Outcome::Done),
            _ => false,
        };
        let answering = self.errands.iter().filter(answers).map(|errand| (errand.plan.0, errand.step)).collect();
        Carried { outcomes, answering }
    }
}

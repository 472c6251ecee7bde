//! Plans are carried out: a message is brought to their leaves.

use std::collections::HashMap;

use chrono::Local;
use tokio::task::JoinSet;

use super::{Fate, Found, Leaf, Mail, Mailbox, Outcome, Plan, Submission, auto_reply, vacation};
use crate::config::Machine;
use crate::store::Store;

/// Brings messages to the leaves of plans. Clones share what they stand on.
#[derive(Clone)]
pub struct Carrier {
    store: Store,
    submission: Submission,
}

/// What became of a message.
#[derive(Debug)]
pub struct Carried {
    /// For each plan, in their order, what its recipient's sender is told.
    pub outcomes: Vec<Outcome>,
    /// By plan and step: whose machines may answer.
    answering: Vec<(usize, usize)>,
}

impl Carrier {
    /// Mail goes into `store`; the rest is as `machine` says.
    pub fn new(store: Store, _machine: &Machine) -> Carrier {
        Carrier { store, submission: Submission::default() }
    }

    /// Where messages are received: [`Store::draft`].
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Brings `mail` to the leaves of `plans`, one plan for each of its recipients; what is [`Outcome::Done`] is durable. A leaf of several
    /// plans gets it once. Call [`Carrier::answer`] when the outcomes have been told.
    ///
    /// Each mailbox gets a file of its own, never a link to another's: what is stored says whose it is (Delivered-To), so no two are the
    /// same octets, and quotas, owners and other programs can take each for its own. They are written at the same time, so that the disk
    /// syncs them together.
    ///
    /// Mailboxes come first. When this future is dropped, deliveries that have begun may yet be done.
    pub async fn carry(&self, plans: &[Plan], mail: &Mail) -> Carried {
        let mut round = Round::of(plans);
        self.fill_mailboxes(&mut round, mail).await;
        self.run_errands(&mut round, mail).await;
        round.carried()
    }

    /// Sends the automatic answers to a message that has been carried: auto-responders and vacation notices. Nothing that happens here
    /// matters to the delivery, and it may take as long as the MTA takes.
    pub async fn answer(&self, plans: &[Plan], mail: &Mail, carried: &Carried) {
        let now = Local::now().fixed_offset();
        for &(plan, step) in &carried.answering {
            let silence = match &plans[plan].steps[step].found {
                Found::Leaf(Leaf::Reply { .. }) => auto_reply(&plans[plan], step, mail, &self.submission, now).await.err(),
                _ => vacation(&plans[plan], step, mail, &self.submission, now).await.err(),
            };
            tracing::debug!(event = "answer", to = %plans[plan].steps[step].subject, silence = ?silence);
        }
    }

    async fn fill_mailboxes(&self, round: &mut Round<'_>, mail: &Mail) {
        let mailboxes = round.open(|leaf| matches!(leaf, Leaf::Mailbox(_)));
        let [one] = mailboxes[..] else { return self.fill_many(round, &mailboxes, mail).await };
        let (mailbox, bounces_to) = round.mailbox(one);
        let outcome = mailbox.deliver(mail, bounces_to, &self.store).await;
        round.errands[one].outcome = Some(outcome);
    }

    async fn fill_many(&self, round: &mut Round<'_>, mailboxes: &[usize], mail: &Mail) {
        let mut running = JoinSet::new();
        let mut waiting = mailboxes.iter().copied();
        loop {
            for at in waiting.by_ref().take(AT_ONCE - running.len()) {
                let (mailbox, bounces_to) = round.mailbox(at);
                let (mailbox, bounces_to) = (mailbox.clone(), bounces_to.map(str::to_owned));
                let (mail, store) = (mail.clone(), self.store.clone());
                running.spawn(async move { (at, mailbox.deliver(&mail, bounces_to.as_deref(), &store).await) });
            }
            match running.join_next().await {
                Some(Ok((at, outcome))) => round.errands[at].outcome = Some(outcome),
                Some(Err(panic)) => tracing::error!(event = "not-delivered", error = %panic),
                None => return,
            }
        }
    }

    async fn run_errands(&self, round: &mut Round<'_>, mail: &Mail) {
        for at in round.open(|_| true) {
            let errand = &round.errands[at];
            let outcome = match errand.leaf {
                Leaf::Reply { .. } => Outcome::Done,
                _ => self.run_errand(errand, mail).await,
            };
            round.errands[at].outcome = Some(outcome);
        }
    }

    async fn run_errand(&self, _errand: &Errand<'_>, _mail: &Mail) -> Outcome {
        Outcome::Broken
    }
}

/// One message's way.
struct Round<'a> {
    plans: &'a [Plan],
    errands: Vec<Errand<'a>>,
    /// By plan: the errands of its leaves.
    of_plans: Vec<Vec<usize>>,
}

/// A leaf, of one plan or of several.
struct Errand<'a> {
    leaf: &'a Leaf,
    /// Where it stands first.
    plan: usize,
    step: usize,
    outcome: Option<Outcome>,
}

impl<'a> Round<'a> {
    fn of(plans: &'a [Plan]) -> Round<'a> {
        let mut round = Round { plans, errands: Vec::new(), of_plans: vec![Vec::new(); plans.len()] };
        let mut known = HashMap::new();
        for (plan, has) in plans.iter().enumerate().filter(|(_, has)| has.outcome() == Outcome::Done) {
            for (step, found) in has.steps.iter().enumerate() {
                let Found::Leaf(leaf) = &found.found else { continue };
                let at = *known.entry(leaf.to_string()).or_insert(round.errands.len());
                if at == round.errands.len() {
                    round.errands.push(Errand { leaf, plan, step, outcome: None });
                }
                round.of_plans[plan].push(at);
            }
        }
        round
    }

    /// The errands of that kind that are still to be run.
    fn open(&self, is_meant: impl Fn(&Leaf) -> bool) -> Vec<usize> {
        (0..self.errands.len()).filter(|&at| self.errands[at].outcome.is_none() && is_meant(self.errands[at].leaf)).collect()
    }

    fn mailbox(&self, at: usize) -> (&'a Mailbox, Option<&'a str>) {
        let Errand { leaf: Leaf::Mailbox(mailbox), plan, step, .. } = self.errands[at] else { unreachable!("it was asked for") };
        (mailbox, self.plans[plan].steps[step].bounces_to.as_deref())
    }

    fn carried(self) -> Carried {
        // Mail is never lost to an error: what nobody could tell of is for later.
        let became = |at: &usize| self.errands[*at].outcome.unwrap_or(Outcome::Broken);
        let outcomes: Vec<_> =
            self.plans.iter().zip(&self.of_plans).map(|(plan, has)| Outcome::of_recipient(plan, has.iter().map(became))).collect();
        let answers = |errand: &&Errand<'_>| match errand.leaf {
            // A message that comes again is answered then.
            Leaf::Reply { .. } => outcomes[errand.plan].fate() != Fate::Later,
            Leaf::Mailbox(_) => errand.outcome == Some(Outcome::Done),
            _ => false,
        };
        let answering = self.errands.iter().filter(answers).map(|errand| (errand.plan, errand.step)).collect();
        Carried { outcomes, answering }
    }
}

/// Mailboxes that are written at a time.
const AT_ONCE: usize = 32;

//! Plans are carried out: a message is brought to their leaves.

use std::sync::Arc;
use std::time::Duration;

use chrono::Local;
use tokio::task::JoinSet;

use super::again::Again;
use super::errand::{Errand, Round};
use super::{Found, Leaf, Mail, Outcome, Plan, Submission, auto_reply, vacation};
use crate::config::{LockKind, Machine};
use crate::store::Store;

/// Brings messages to the leaves of plans. Clones share what they stand on.
#[derive(Clone)]
pub struct Carrier {
    store: Store,
    pub(super) set: Arc<Settings>,
}

/// What the administrator says of mail on its way.
pub(super) struct Settings {
    pub submission: Submission,
    /// As whom programs run; chosen, or the service's user.
    pub program_user: String,
    pub is_user_chosen: bool,
    pub deadline: Duration,
    pub hops: usize,
    /// What a filter may make of a message, in octets.
    pub filtered_limit: u64,
    /// How files that programs of all kinds append to are locked.
    pub locks: Vec<LockKind>,
}

/// What became of a message.
#[derive(Debug)]
pub struct Carried {
    /// For each plan, in their order, what its recipient's sender is told.
    pub outcomes: Vec<Outcome>,
    /// By plan and step: whose machines may answer.
    pub(super) answering: Vec<(usize, usize)>,
}

impl Carrier {
    /// Mail goes into `store`; the rest is as `machine` says.
    pub fn new(store: Store, machine: &Machine) -> Carrier {
        let set = &machine.delivery;
        let settings = Settings {
            submission: Submission::of(machine),
            program_user: set.program_user.as_ref().unwrap_or(&machine.user).clone(),
            is_user_chosen: set.program_user.is_some(),
            deadline: set.deadline.0,
            hops: set.hops,
            // A report of what was found may come on top of the largest message.
            filtered_limit: set.message_limit.octets().saturating_add(1 << 20),
            locks: machine.mbox.locks.clone(),
        };
        Carrier { store, set: Arc::new(settings) }
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
    /// Mailboxes come first. Where the message has to come again, those who have it do not get it then. When this future is dropped, deliveries that have begun may yet be done.
    pub async fn carry(&self, plans: &[Plan], mail: &Mail) -> Carried {
        let mut round = Round::of(plans);
        let mut again = Again::of(mail, &self.store);
        round.recall(&again);
        self.fill_mailboxes(&mut round, mail).await;
        round.remember(&mut again);
        self.forward_all(&mut round, mail).await;
        self.run_errands(&mut round, mail).await;
        round.remember(&mut again);
        round.carried()
    }

    /// Sends the automatic answers to a message that has been carried: auto-responders and vacation notices. Nothing that happens here
    /// matters to the delivery, and it may take as long as the MTA takes.
    pub async fn answer(&self, plans: &[Plan], mail: &Mail, carried: &Carried) {
        let now = Local::now().fixed_offset();
        let by = &self.set.submission;
        for &(plan, step) in &carried.answering {
            let silence = match &plans[plan].steps[step].found {
                Found::Leaf(Leaf::Reply { .. }) => auto_reply(&plans[plan], step, mail, by, now).await.err(),
                _ => vacation(&plans[plan], step, mail, by, now).await.err(),
            };
            tracing::debug!(event = "answer", to = %plans[plan].steps[step].subject, silence = ?silence);
        }
    }

    async fn fill_mailboxes(&self, round: &mut Round<'_>, mail: &Mail) {
        let mut mailboxes = round.mailboxes();
        if let [(at, mailbox, bounces_to)] = mailboxes[..] {
            let outcome = mailbox.deliver(mail, bounces_to, self).await;
            return round.note(at, outcome);
        }
        let mut running = JoinSet::new();
        loop {
            let room = AT_ONCE - running.len();
            for (at, mailbox, bounces_to) in mailboxes.drain(..room.min(mailboxes.len())) {
                let (mailbox, bounces_to) = (mailbox.clone(), bounces_to.map(str::to_owned));
                let (mail, carrier) = (mail.clone(), self.clone());
                running.spawn(async move { (at, mailbox.deliver(&mail, bounces_to.as_deref(), &carrier).await) });
            }
            match running.join_next().await {
                Some(Ok((at, outcome))) => round.note(at, outcome),
                // What is not noted is for later.
                Some(Err(panic)) => tracing::error!(event = "not-delivered", error = %panic),
                None => return,
            }
        }
    }

    async fn run_errands(&self, round: &mut Round<'_>, mail: &Mail) {
        for at in round.open() {
            let outcome = self.run_errand(&round.errands[at], mail).await;
            round.note(at, outcome);
        }
    }

    async fn run_errand(&self, errand: &Errand<'_>, mail: &Mail) -> Outcome {
        match errand.leaf {
            Leaf::Program { .. } if let Some(outcome) = self.is_circling(errand, mail) => outcome,
            Leaf::Program { domain, command } => self.run_program(command, domain, errand, mail).await,
            Leaf::File { path, .. } => self.append_to(path, errand, mail).await,
            Leaf::Reply { .. } => Outcome::Done,
            // They have been there before.
            Leaf::Mailbox(_) | Leaf::Forward { .. } => Outcome::Broken,
        }
    }

    /// Whether mail comes back, or has come too far to be sent on (RFC 5321 §6.3).
    pub(super) fn is_circling(&self, errand: &Errand<'_>, mail: &Mail) -> Option<Outcome> {
        match mail {
            mail if mail.has_come_to(errand.asked()) => Some(Outcome::Circling),
            mail if mail.hops() > self.set.hops => Some(Outcome::TooFar),
            _ => None,
        }
    }
}

/// Mailboxes that are written at a time.
const AT_ONCE: usize = 32;

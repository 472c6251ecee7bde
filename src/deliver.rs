//! Delivery: who gets the mail for an address, and bringing it there.

mod addressed;
mod again;
mod answer;
mod ask;
mod automatic;
mod carry;
mod errand;
mod field;
mod file;
mod filter;
mod forward;
mod include;
mod leaf;
mod mail;
mod mailbox;
mod memory;
mod outcome;
mod picture;
mod plan;
mod planner;
mod program;
mod relay;
mod reply;
mod room;
mod submission;
mod vacation;
mod view;

#[cfg(test)]
mod tests;

pub use answer::{Letterhead, compose};
pub use automatic::{Answer, Silence, answerable};
pub use carry::{Carried, Carrier};
pub use field::Field;
pub use leaf::{Command, Leaf, Mailbox};
pub use mail::Mail;
pub use outcome::{Fate, Outcome, Reply};
pub use plan::{Found, Place, Plan, Refusal, Step, Verdict, Way};
pub use planner::{plan, plan_for_postmaster};
pub use reply::auto_reply;
pub use submission::Submission;
pub use vacation::vacation;

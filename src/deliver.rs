//! Delivery: who gets the mail for an address, and bringing it there.

mod ask;
mod include;
mod leaf;
mod picture;
mod plan;
mod planner;
mod view;

#[cfg(test)]
mod tests;

pub use leaf::{Command, Leaf, Mailbox};
pub use plan::{Found, Place, Plan, Refusal, Step, Verdict, Way};
pub use planner::plan;

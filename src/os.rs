//! The operating system: acting as an owner, files replaced whole, locks, child processes, crypt(3).

pub mod actor;
pub mod atomic;
pub mod lock;

pub use actor::Actor;

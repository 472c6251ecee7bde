//! The operating system: acting as an owner, files replaced whole, files made safely, mapped files, locks, child processes, crypt(3).

pub mod actor;
pub mod atomic;
pub mod cached;
pub mod child;
pub mod crypt;
pub mod dir;
pub mod lock;
pub mod map;
pub mod names;
pub mod place;
pub mod privilege;
pub mod process;
pub mod stamp;
pub mod trust;
pub mod watch;

pub use actor::Actor;
pub use dir::Dir;

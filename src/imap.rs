//! IMAP: RFC 9051 (IMAP4rev2) and RFC 3501 (IMAP4rev1) at once, with the extensions that clients use.
//!
//! Octets become commands in [`frame`], a command is looked up in `table` and done in a file of its own, which reads its arguments with
//! [`args`] and answers through [`out`]. The store names messages by UID; sequence numbers are in [`view`] and nowhere else.

mod append;
pub mod args;
mod capability;
mod compress;
mod copy;
mod create;
mod delete;
mod enable;
mod expunge;
pub mod fetch;
pub mod frame;
mod gists;
mod id;
mod idle;
mod list;
mod login;
mod namespace;
mod news;
mod noop;
mod obey;
pub mod objectid;
#[cfg(test)]
mod oracle;
pub mod out;
mod pace;
mod quota;
mod rename;
mod replace;
mod reply;
pub mod search;
mod select;
mod session;
pub mod set;
pub mod sort;
mod starttls;
mod state;
mod status;
mod store;
mod subscribe;
mod table;
pub mod thread;
mod unauthenticate;
pub mod view;

pub use session::{Done, serve};

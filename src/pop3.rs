//! POP3: RFC 1939, with CAPA (2449), response codes (2449, 3206), AUTH PLAIN (5034), STLS (2595) and UTF8/LANG (6856).
//!
//! A session reads top-down like the RFC: greet, authorise, serve the maildrop, update.

mod authorization;
mod capability;
pub mod command;
mod maildrop;
mod reply;
mod session;
mod transaction;
mod uidl;

pub use session::{Done, serve};

//! What the machine's own mail server asks: look-ups by Postfix's and sendmail's socketmap protocol, whether a recipient's mailbox has
//! room by Postfix's policy protocol, and passwords by Dovecot's authentication protocol.
//!
//! Everything is answered from the one plan and at the one gate: who gets mail is not configured a second time.

pub mod auth;
pub mod lookup;
pub mod netstring;
pub mod policy;
mod session;
mod socketmap;

pub use session::{End, Report, Service, serve};

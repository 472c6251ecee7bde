//! LMTP (RFC 2033): mail from this machine's own mail server, for the users of its domains. SMTP's extensions that it speaks are PIPELINING
//! (RFC 2920), 8BITMIME (6152), SMTPUTF8 (6531), ENHANCEDSTATUSCODES (2034), CHUNKING (3030), SIZE (1870) and STARTTLS (3207).
//!
//! A session reads top-down like the RFC: greet, LHLO, MAIL, RCPT, then DATA or BDAT, and a reply for each recipient.

mod bdat;
pub mod command;
mod data;
mod delivery;
mod id;
mod lhlo;
pub mod mail;
pub mod rcpt;
pub mod reply;
mod session;
mod starttls;
mod text;
mod trace;

pub use session::{Call, Done, End, Ends, House, Report, serve};

//! IMAP: RFC 9051 (IMAP4rev2) and RFC 3501 (IMAP4rev1) at once, with the extensions that clients use.
//!
//! The store names messages by UID; sequence numbers are in [`view`] and nowhere else.

pub mod args;
pub mod fetch;
pub mod frame;
pub mod objectid;
pub mod out;
pub mod set;
pub mod view;

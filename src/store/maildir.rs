//! Mailboxes as folders with a file for each message, and the lists that Dovecot and Courier keep beside them.

pub mod courier;
pub mod keywords;
pub mod name;
pub mod subscriptions;
pub mod uidlist;

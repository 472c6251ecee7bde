//! Mailboxes as folders with a file for each message, and the lists that Dovecot and Courier keep beside them.

pub mod name;

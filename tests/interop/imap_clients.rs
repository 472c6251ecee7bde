//! Mail programs that people use, over IMAP: each takes 200 messages there or back octet for octet, with flags and folders; plain, with
//! STARTTLS and with TLS from the start.

mod fetching;
mod libraries;
mod office;
mod syncing;
mod typing;

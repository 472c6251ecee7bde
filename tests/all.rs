//! All integration tests, one binary.

mod admin;
mod architecture;
mod daemon;
mod deliver;
mod harness;
mod house;
mod identify;
mod imap;
mod interop;
mod lmtp;
mod login;
mod maildrop;
mod maps;
mod mta;
mod restart;
mod rfc;
mod samples;
mod stls;
mod store;
mod tools;
mod transcripts;

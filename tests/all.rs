//! All integration tests, one binary.

mod architecture;
mod daemon;
mod house;
mod identify;
mod login;
mod restart;
mod rfc;
mod samples;
mod stls;
mod transcripts;

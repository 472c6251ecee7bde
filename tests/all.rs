//! All integration tests, one binary.

mod architecture;
mod house;
mod rfc;
mod samples;
mod transcripts;

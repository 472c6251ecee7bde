//! All integration tests, one binary.

mod architecture;
mod rfc;
mod samples;

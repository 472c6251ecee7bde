//! The programs' command lines, and their logs.

pub mod log;

//! The umbrella program.

fn main() {}

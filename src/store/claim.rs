//! POP3 excludes POP3.

/// The right to be the only POP3 session of one account; dropping it gives it back.
#[derive(Debug)]
pub struct Claim {}

//! EMAILID and THREADID (RFC 8474 §5): names of a message's content and of its conversation, the same wherever its copies are.

use std::fmt::{self, Display, Formatter};

/// What [`Record::content`](crate::store::index::Record::content) is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailId(pub [u64; 2]);

/// What [`EntryRef::thread`](crate::message::EntryRef::thread) is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadId(pub u128);

// RFC 8474 §4.1 advises a letter before the digits, so that one kind of id is never taken for another, or for a number.
impl Display for EmailId {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let EmailId([high, low]) = self;
        write!(out, "M{high:016x}{low:016x}")
    }
}

impl Display for ThreadId {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "T{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_a_letter_and_a_fixed_length() {
        assert_eq!(EmailId([1, 0xff]).to_string(), "M000000000000000100000000000000ff");
        assert_eq!(ThreadId(0xabc).to_string(), "T00000000000000000000000000000abc");
    }
}

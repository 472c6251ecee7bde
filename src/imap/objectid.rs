//! EMAILID and THREADID (RFC 8474 §5): names of a message's content and of its conversation, the same wherever its copies are.

use std::fmt::{self, Display, Formatter};

/// What [`Record::content`](crate::store::index::Record::content) is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailId(pub [u64; 2]);

/// What [`EntryRef::thread`](crate::message::EntryRef::thread) is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadId(pub u128);

impl EmailId {
    /// Reads what it is shown as; `None` for what no message is called.
    pub fn read(text: &str) -> Option<EmailId> {
        let number = hex(text, 'M')?;
        Some(EmailId([(number >> 64) as u64, number as u64]))
    }
}

impl ThreadId {
    /// Reads what it is shown as; `None` for what no conversation is called.
    pub fn read(text: &str) -> Option<ThreadId> {
        hex(text, 'T').map(ThreadId)
    }
}

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

/// Ids are compared octet by octet (RFC 8474 §4): capitals are others.
fn hex(text: &str, kind: char) -> Option<u128> {
    let digits = text.strip_prefix(kind)?;
    let is_ours = digits.len() == 32 && digits.bytes().all(|octet| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet));
    if is_ours { u128::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_a_letter_and_a_fixed_length() {
        assert_eq!(EmailId([1, 0xff]).to_string(), "M000000000000000100000000000000ff");
        assert_eq!(ThreadId(0xabc).to_string(), "T00000000000000000000000000000abc");
    }

    #[test]
    fn what_is_shown_is_read() {
        assert_eq!(EmailId::read("Mffffffffffffffff0000000000000001"), Some(EmailId([u64::MAX, 1])));
        assert_eq!(ThreadId::read("T00000000000000000000000000000abc"), Some(ThreadId(0xabc)));
        assert_eq!(EmailId::read("MFFFFFFFFFFFFFFFF0000000000000001"), None);
        assert_eq!(ThreadId::read("T7"), None);
    }
}

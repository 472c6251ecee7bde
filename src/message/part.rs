//! A row of the table of parts.

/// A part of a message: the message itself, what stands between the delimiters of a multipart, or the message inside a message/rfc822.
/// Parts are in depth-first order, so that those inside a part follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Index of the part it stands in; `None` for the message itself.
    pub parent: Option<u16>,
    pub kind: Kind,
    /// As the header says, in lower case: `text/plain`; at most [`Part::LONGEST_MEDIA`] octets.
    pub media: String,
    pub encoding: Encoding,
    /// Where its header begins: stored octets from the first of the message.
    pub header: u64,
    /// Where its body begins, behind the blank line: stored octets from the first of the message.
    pub body: u64,
    /// Stored octets of its body. The line end before a delimiter belongs to the delimiter (RFC 2046 §5.1.1).
    pub len: u64,
    /// Wire octets of its header, with the blank line.
    pub header_size: u64,
    /// Wire octets of its body.
    pub size: u64,
    /// Line ends in its body.
    pub lines: u64,
}

impl Part {
    /// Octets of a media type that is kept; a longer one is cut.
    pub const LONGEST_MEDIA: usize = 128;

    /// Whether it can be in any message.
    pub(super) fn is_in_range(&self) -> bool {
        self.header <= self.body && self.body.checked_add(self.len).is_some()
    }
}

/// What is inside a part.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No other part: text, or data; also what is nested deeper than we look.
    #[default]
    Leaf,
    /// The parts that follow with this one as parent, perhaps none.
    Multipart,
    /// One part: the message that its body is (message/rfc822, message/global).
    Message,
}

/// How its body is encoded (RFC 2045 §6).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `7bit`, `8bit` or `binary`: not at all.
    #[default]
    Identity,
    QuotedPrintable,
    Base64,
    /// Nobody knows how.
    Unknown,
}

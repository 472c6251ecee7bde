//! The header of a message or part: keeping its lines while they are read, and its fields.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::lexer::is_blank;

/// The lines of a header as they are read, each with LF as its end.
#[derive(Debug)]
pub struct Kept {
    lines: Vec<u8>,
    most: usize,
    /// Something did not fit: nothing is added any more.
    full: bool,
    /// Octets of the line being read.
    line: usize,
    /// A CR that is part of a line end if an LF follows.
    cr: bool,
}

impl Kept {
    /// Of the lines that follow, `most` octets will be kept.
    pub fn new(most: usize) -> Kept {
        Kept::within(Vec::with_capacity(most.min(USUAL)), most)
    }

    /// As [`Kept::new`], in memory that is at hand.
    pub fn within(mut lines: Vec<u8>, most: usize) -> Kept {
        lines.clear();
        Kept { lines, most, full: false, line: 0, cr: false }
    }

    /// Adds octets with no line end but perhaps at their end. Returns whether that line is blank, which ends the header.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        let (text, ended) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
        if !text.is_empty() && std::mem::take(&mut self.cr) {
            self.keep(b"\r");
        }
        let (text, cr) = text.strip_suffix(b"\r").map_or((text, self.cr), |text| (text, true));
        self.keep(text);
        self.cr = cr && !ended;
        let blank = ended && self.line == 0;
        if ended && !blank {
            self.keep(b"\n");
            self.line = 0;
        }
        blank
    }

    /// What was kept.
    pub fn into_lines(mut self) -> Vec<u8> {
        if self.cr {
            self.keep(b"\r");
        }
        self.lines
    }

    fn keep(&mut self, text: &[u8]) {
        self.line += text.len();
        if self.full {
            return;
        }
        let fits = text.len().min(self.most - self.lines.len());
        self.lines.extend_from_slice(&text[..fits]);
        self.full = fits < text.len();
    }
}

/// A field that matters to us.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    pub name: Name,
    /// Its lines, from the first octet of its name to the last line's LF, if that has one.
    pub lines: &'a [u8],
    /// What stands behind the colon, folding included.
    pub value: &'a [u8],
}

/// The fields of a header that matter to us, as they stand in it.
#[derive(Debug)]
pub struct Header<'a> {
    fields: Vec<Field<'a>>,
}

impl<'a> Header<'a> {
    /// Reads the lines of a header. What is no field is passed over, with the lines that continue it (RFC 5322 §2.2.3).
    pub fn read(mut lines: &'a [u8]) -> Header<'a> {
        let mut fields = Vec::with_capacity(16);
        while !lines.is_empty() && fields.len() < MOST_FIELDS {
            let (field, rest) = lines.split_at(end_of_field(lines));
            fields.extend(known(field));
            lines = rest;
        }
        Header { fields }
    }

    /// The fields in their order.
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// The values of all fields of a name.
    pub fn all(&self, name: Name) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |field| field.name == name).map(|field| field.value)
    }

    /// The first field of a name.
    pub fn first(&self, name: Name) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The last field of a name: what counts in a message's own fields, where there should be one; a signature covers the last.
    pub fn last(&self, name: Name) -> Option<&'a [u8]> {
        self.all(name).next_back()
    }
}

/// A value in one line: each run of white space, line ends included, is a space, none stands at its ends, and a NUL, which no IMAP
/// string may hold, is U+FFFD.
pub fn squeeze(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    let is_line = !value.iter().any(|octet| matches!(octet, 0 | b'\t' | b'\r' | b'\n')) && memmem::find(value, b"  ").is_none();
    if is_line {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    for word in value.split(|octet| is_blank(*octet)).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(b' ');
        }
        word.iter().for_each(|octet| match octet {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            octet => out.push(*octet),
        });
    }
    Cow::Owned(out)
}

/// Octets of the field at the beginning of `lines`, or of what stands there.
pub(super) fn end_of_field(lines: &[u8]) -> usize {
    let mut at = 0;
    while let Some(end) = memchr(b'\n', &lines[at..]) {
        at += end + 1;
        if !lines[at..].starts_with(b" ") && !lines[at..].starts_with(b"\t") {
            return at;
        }
    }
    lines.len()
}

fn known(lines: &[u8]) -> Option<Field<'_>> {
    let colon = memchr(b':', &lines[..lines.len().min(LONGEST_NAME)])?;
    let name = Name::read(lines[..colon].trim_ascii_end())?;
    Some(Field { name, lines, value: &lines[colon + 1..] })
}

macro_rules! names {
    ($($name:ident $text:literal)*) => {
        /// The name of a field that matters to us.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Name { $($name),* }

        impl Name {
            /// In any case of its letters.
            pub fn read(name: &[u8]) -> Option<Name> {
                let mut lower = [0; LONGEST_NAME];
                let lower = lower.get_mut(..name.len())?;
                lower.copy_from_slice(name);
                lower.make_ascii_lowercase();
                match &*lower {
                    $($text => Some(Name::$name),)*
                    _ => None,
                }
            }
        }
    };
}

names! {
    Bcc b"bcc"
    Cc b"cc"
    ContentDescription b"content-description"
    ContentDisposition b"content-disposition"
    ContentId b"content-id"
    ContentLanguage b"content-language"
    ContentLocation b"content-location"
    ContentMd5 b"content-md5"
    ContentTransferEncoding b"content-transfer-encoding"
    ContentType b"content-type"
    Date b"date"
    DeliveredTo b"delivered-to"
    DispositionNotificationTo b"disposition-notification-to"
    From b"from"
    Importance b"importance"
    InReplyTo b"in-reply-to"
    ListId b"list-id"
    ListPost b"list-post"
    ListUnsubscribe b"list-unsubscribe"
    MessageId b"message-id"
    Newsgroups b"newsgroups"
    Priority b"priority"
    Received b"received"
    References b"references"
    ReplyTo b"reply-to"
    Sender b"sender"
    Subject b"subject"
    To b"to"
    XPriority b"x-priority"
}

/// Octets of a usual header.
const USUAL: usize = 2 << 10;
/// Fields of a header that are looked at.
const MOST_FIELDS: usize = 4_000;
/// Octets of a name, with white space before the colon.
const LONGEST_NAME: usize = 64;

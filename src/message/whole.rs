//! What is taken from the message's own header: fields that clients ask for, its date, its base subject, its conversation.

use memchr::{memchr, memchr_iter};
use xxhash_rust::xxh3::xxh3_128;

use super::header::{Field, Header, Name};
use super::{date, subject};

/// What a message's own header says of the whole.
#[derive(Debug, Default)]
pub struct Whole {
    pub fields: Vec<u8>,
    pub sent: Option<i64>,
    pub subject_base: String,
    pub thread: u128,
}

impl Whole {
    /// Reads the fields; `lines` is the whole header.
    pub fn read(header: &Header<'_>, lines: &[u8]) -> Whole {
        Whole {
            fields: asked_for(header),
            sent: header.last(Name::Date).and_then(date::parse),
            subject_base: subject::base(header.last(Name::Subject).unwrap_or(b"")),
            thread: thread(header, lines),
        }
    }
}

/// The fields that clients ask for, in their order. One that does not fit is left out.
fn asked_for(header: &Header<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut received = false;
    for field in header.fields() {
        // The first tells when and from where the message came to us.
        let wanted = if field.name == Name::Received { !std::mem::replace(&mut received, true) } else { is_asked_for(field.name) };
        if wanted {
            push(&mut out, field);
        }
    }
    out
}

fn is_asked_for(name: Name) -> bool {
    use Name::*;
    !matches!(name, ContentDescription | ContentDisposition | ContentId | ContentLanguage | ContentLocation | ContentMd5)
}

/// Whether all fields of that name are kept, unless the header is too long.
pub fn keeps(name: &[u8]) -> bool {
    Name::read(name).is_some_and(|name| name != Name::Received && is_asked_for(name))
}

/// Octets on the wire of a header that is short enough for [`keeps`]: there can't be more fields in it than are looked at.
pub const SHORT_HEADER: u64 = 12_000;

fn push(out: &mut Vec<u8>, field: &Field<'_>) {
    let mut rest = field.lines.strip_suffix(b"\n").unwrap_or(field.lines);
    let ends = memchr_iter(b'\n', rest).count() + 1;
    if out.len() + rest.len() + ends + 1 > LONGEST_FIELDS {
        return;
    }
    while let Some(end) = memchr(b'\n', rest) {
        out.extend_from_slice(&rest[..end]);
        out.extend_from_slice(b"\r\n");
        rest = &rest[end + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(b"\r\n");
}

/// What the messages of a conversation have in common without asking anybody: the Message-ID that began it, as far as is known.
fn thread(header: &Header<'_>, lines: &[u8]) -> u128 {
    let first = |name| header.last(name).and_then(message_id);
    let own = || header.last(Name::MessageId).map(<[u8]>::trim_ascii).filter(|value| !value.is_empty());
    let id = first(Name::References).or_else(|| first(Name::InReplyTo)).or_else(|| first(Name::MessageId)).or_else(own);
    xxh3_128(id.unwrap_or(lines))
}

/// What stands between the first angle brackets.
fn message_id(value: &[u8]) -> Option<&[u8]> {
    let start = memchr(b'<', value)? + 1;
    let end = start + memchr(b'>', &value[start..])?;
    Some(value[start..end].trim_ascii()).filter(|id| !id.is_empty())
}

const LONGEST_FIELDS: usize = 32 << 10;

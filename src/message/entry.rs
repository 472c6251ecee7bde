//! What a store keeps of a message, and its binary form.

use super::part::{Encoding, Kind, Part};
use super::whole;

/// What an IMAP server says of a message without opening it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// ENVELOPE (RFC 9051 §7.5.2), with its parentheses.
    pub envelope: Vec<u8>,
    /// BODYSTRUCTURE: with extension data.
    pub bodystructure: Vec<u8>,
    /// BODY: without.
    pub body: Vec<u8>,
    /// The beginning of the text (RFC 8970), at most 200 characters; empty if there is none.
    pub preview: String,
    /// Fields of the header that clients ask for, as they are, each line with CRLF.
    pub fields: Vec<u8>,
    /// `Date`, as seconds since 1970 UTC.
    pub sent: Option<i64>,
    /// The base subject (RFC 5256 §2.1), at most 1,000 octets.
    pub subject_base: String,
    /// The same for the messages of a conversation, from this message's content alone.
    pub thread: u128,
    /// At least the message itself.
    pub parts: Vec<Part>,
}

impl Entry {
    /// The binary form.
    pub fn encode(&self) -> Vec<u8> {
        let parts = encode_parts(&self.parts);
        let sections: [&[u8]; SECTIONS] =
            [&self.envelope, &self.bodystructure, &self.body, self.preview.as_bytes(), &self.fields, self.subject_base.as_bytes(), &parts];
        let mut out = Vec::with_capacity(HEAD + sections.iter().map(|section| section.len()).sum::<usize>());
        out.extend([VERSION, u8::from(self.sent.is_some())]);
        out.extend(self.sent.unwrap_or(0).to_le_bytes());
        out.extend(self.thread.to_le_bytes());
        for section in sections {
            let len = u32::try_from(section.len()).expect("the scanner's limits keep each below 32 MiB");
            out.extend(len.to_le_bytes());
        }
        sections.iter().for_each(|section| out.extend(*section));
        out
    }
}

/// An [`Entry`] in its binary form. Each question looks at its own field alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryRef<'a> {
    sent: Option<i64>,
    thread: u128,
    sections: [&'a [u8]; SECTIONS],
}

impl<'a> EntryRef<'a> {
    /// Reads the binary form; `None` if it is not one, or not of this version.
    pub fn decode(data: &'a [u8]) -> Option<EntryRef<'a>> {
        let (head, mut rest) = data.split_at_checked(HEAD)?;
        let (start, lens) = head.split_at(26);
        let sent = match start[..2] {
            [VERSION, 0] => None,
            [VERSION, 1] => Some(i64::from_le_bytes(start[2..10].try_into().ok()?)),
            _ => return None,
        };
        let thread = u128::from_le_bytes(start[10..].try_into().ok()?);
        let mut sections = [&data[..0]; SECTIONS];
        for (section, len) in sections.iter_mut().zip(lens.chunks_exact(4)) {
            let len = u32::from_le_bytes(len.try_into().ok()?);
            (*section, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        }
        rest.is_empty().then_some(EntryRef { sent, thread, sections })
    }

    /// ENVELOPE.
    pub fn envelope(&self) -> &'a [u8] {
        self.sections[0]
    }

    /// BODYSTRUCTURE.
    pub fn bodystructure(&self) -> &'a [u8] {
        self.sections[1]
    }

    /// BODY.
    pub fn body(&self) -> &'a [u8] {
        self.sections[2]
    }

    /// The beginning of the text; empty if it is damaged.
    pub fn preview(&self) -> &'a str {
        str::from_utf8(self.sections[3]).unwrap_or("")
    }

    /// Fields of the header that clients ask for.
    pub fn fields(&self) -> &'a [u8] {
        self.sections[4]
    }

    /// Whether [`EntryRef::fields`] has every field called `name` of a header that [is not too long](EntryRef::has_short_header).
    pub fn keeps(name: &[u8]) -> bool {
        whole::keeps(name)
    }

    /// Whether no field was left out because there were too many, or because it was too long, and a blank line ends the header.
    pub fn has_short_header(&self) -> bool {
        self.numbers().is_some_and(|Numbers { len, header_size, .. }| header_size <= whole::SHORT_HEADER && len > 0)
    }

    /// The base subject; empty if it is damaged.
    pub fn subject_base(&self) -> &'a str {
        str::from_utf8(self.sections[5]).unwrap_or("")
    }

    /// `Date`, as seconds since 1970 UTC.
    pub fn sent(&self) -> Option<i64> {
        self.sent
    }

    /// The same for the messages of a conversation.
    pub fn thread(&self) -> u128 {
        self.thread
    }

    /// Wire octets of the message: RFC822.SIZE; 0 if that is damaged.
    pub fn size(&self) -> u64 {
        self.numbers().map_or(0, |numbers| numbers.header_size.saturating_add(numbers.size))
    }

    /// Of the message itself.
    fn numbers(&self) -> Option<Numbers> {
        let mut rest = self.sections[6];
        pull_front(&mut rest)?;
        pull_numbers(&mut rest)
    }

    /// The message itself, the first of its parts; `None` if it is damaged.
    pub fn message(&self) -> Option<Part> {
        decode_part(&mut { self.sections[6] }).filter(Part::is_in_range)
    }

    /// The table of parts; `None` if it is damaged.
    pub fn parts(&self) -> Option<Vec<Part>> {
        decode_parts(self.sections[6])
    }

    /// All of it; `None` if it is damaged.
    pub fn to_entry(&self) -> Option<Entry> {
        Some(Entry {
            envelope: self.envelope().to_vec(),
            bodystructure: self.bodystructure().to_vec(),
            body: self.body().to_vec(),
            preview: str::from_utf8(self.sections[3]).ok()?.to_owned(),
            fields: self.fields().to_vec(),
            sent: self.sent,
            subject_base: str::from_utf8(self.sections[5]).ok()?.to_owned(),
            thread: self.thread,
            parts: self.parts()?,
        })
    }
}

/// To be raised with every change of what is encoded, or of what the scanner finds: entries of other versions are made anew.
const VERSION: u8 = 1;
const SECTIONS: usize = 7;
/// Octets before the sections: version, whether it has a date, the date, the thread, the lengths of the sections.
const HEAD: usize = 2 + 8 + 16 + 4 * SECTIONS;

fn encode_parts(parts: &[Part]) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 * parts.len());
    for part in parts {
        push(&mut out, part.parent.map_or(0, |parent| u64::from(parent) + 1));
        out.push(part.kind as u8 | (part.encoding as u8) << 2);
        push(&mut out, part.media.len() as u64);
        out.extend(part.media.as_bytes());
        [part.header, part.body, part.len, part.header_size, part.size, part.lines].iter().for_each(|number| push(&mut out, *number));
    }
    out
}

fn decode_parts(mut rest: &[u8]) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let part = decode_part(&mut rest)?;
        // A parent stands before its children.
        let in_order = part.parent.map_or(parts.is_empty(), |parent| usize::from(parent) < parts.len());
        if !in_order || !part.is_in_range() {
            return None;
        }
        parts.push(part);
    }
    (!parts.is_empty()).then_some(parts)
}

fn decode_part(rest: &mut &[u8]) -> Option<Part> {
    let (parent, shape, media) = pull_front(rest)?;
    let Numbers { header, body, len, header_size, size, lines } = pull_numbers(rest)?;
    Some(Part {
        parent: if parent == 0 { None } else { Some(u16::try_from(parent - 1).ok()?) },
        kind: *KINDS.get(usize::from(shape & 3))?,
        media: str::from_utf8(media).ok()?.to_owned(),
        encoding: *ENCODINGS.get(usize::from(shape >> 2))?,
        header,
        body,
        len,
        header_size,
        size,
        lines,
    })
}

/// What stands before a part's numbers: that of its parent and 1, its shape, its media type.
fn pull_front<'a>(rest: &mut &'a [u8]) -> Option<(u64, u8, &'a [u8])> {
    let parent = pull(rest)?;
    let (&shape, after) = rest.split_first()?;
    *rest = after;
    let media_len = usize::try_from(pull(rest)?).ok()?;
    let (media, after) = rest.split_at_checked(media_len)?;
    *rest = after;
    Some((parent, shape, media))
}

/// Where a part is, and its sizes, as [`Part`] has them.
struct Numbers {
    header: u64,
    body: u64,
    len: u64,
    header_size: u64,
    size: u64,
    lines: u64,
}

fn pull_numbers(rest: &mut &[u8]) -> Option<Numbers> {
    Some(Numbers {
        header: pull(rest)?,
        body: pull(rest)?,
        len: pull(rest)?,
        header_size: pull(rest)?,
        size: pull(rest)?,
        lines: pull(rest)?,
    })
}

/// In the order of their numbers.
const KINDS: [Kind; 3] = [Kind::Leaf, Kind::Multipart, Kind::Message];
const ENCODINGS: [Encoding; 4] = [Encoding::Identity, Encoding::QuotedPrintable, Encoding::Base64, Encoding::Unknown];

/// Seven bits an octet, the lowest first, the eighth bit set while more follow.
fn push(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn pull(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&octet, after) = rest.split_first()?;
        *rest = after;
        let bits = u64::from(octet & 0x7f);
        number |= bits << shift;
        if octet < 0x80 {
            return (bits << shift >> shift == bits).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Entry {
        let part = |parent, kind, encoding| Part {
            parent,
            kind,
            media: "text/plain".to_owned(),
            encoding,
            header: 0,
            body: 300,
            len: u64::from(u32::MAX) * 7,
            header_size: 128,
            size: u64::MAX / 2,
            lines: 127,
        };
        Entry {
            envelope: b"(NIL)".to_vec(),
            bodystructure: b"(1 2)".to_vec(),
            body: b"(1)".to_vec(),
            preview: "Grüße".to_owned(),
            fields: b"To: a\r\n".to_vec(),
            sent: Some(-1),
            subject_base: "x".to_owned(),
            thread: u128::MAX - 1,
            parts: vec![part(None, Kind::Multipart, Encoding::Unknown), part(Some(0), Kind::Leaf, Encoding::Base64)],
        }
    }

    #[test]
    fn what_is_encoded_comes_back() {
        let entry = sample();
        assert_eq!(EntryRef::decode(&entry.encode()).unwrap().to_entry(), Some(entry.clone()));
        let undated = Entry { sent: None, ..entry };
        assert_eq!(EntryRef::decode(&undated.encode()).unwrap().to_entry(), Some(undated.clone()));
    }

    #[test]
    fn what_is_cut_or_of_another_version_is_refused() {
        let mut data = sample().encode();
        for cut in 0..data.len() {
            assert_eq!(EntryRef::decode(&data[..cut]), None, "{cut}");
        }
        data[0] += 1;
        assert_eq!(EntryRef::decode(&data), None);
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in 0usize..200, octet: u8) {
            let mut data = sample().encode();
            let at = at % data.len();
            data[at] = octet;
            if let Some(entry) = EntryRef::decode(&data) {
                entry.to_entry();
            }
        }

        #[test]
        fn numbers_come_back(number: u64) {
            let mut out = Vec::new();
            push(&mut out, number);
            prop_assert_eq!(pull(&mut &out[..]), Some(number));
        }
    }
}

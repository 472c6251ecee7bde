//! `dovecot-uidlist`: which UID belongs to which file, in Dovecot's versions 1 and 3.
//!
//! The first line is the header: `3 V<uidvalidity> N<next uid> G<128 bits in hex>` with further fields, each a letter and a value
//! without blanks; in version 1 (which is Courier's `courierimapuiddb` too) `1 <uidvalidity> <next uid>`. Then a line for each
//! message: `<uid> <fields> :<base>`, in version 1 `<uid> <name>`. Nothing is escaped. What Dovecot 2.3 makes of it:
//!
//! - New messages are appended under the lock `dovecot-uidlist.lock`; the header's next UID is not kept up, so the next UID is the
//!   larger of it and the last UID plus one. Other changes write `dovecot-uidlist.tmp` and rename it.
//! - UIDs ascend through the whole file and lie below 4,294,967,295. **At a line that is out of order or malformed it stops, and
//!   gives all messages behind it new UIDs**; so a line can't be taken back by a later one. (Here, reading goes on behind it.)
//! - A last line without LF is not read yet, but the next append joins it: a torn tail must be cut off before anybody appends.
//! - When a base comes twice, the later and higher UID is the message's, and the file is due for a rewrite.
//! - Names that don't exist as files are expunged messages, left out at the next rewrite, which comes when a quarter is such.
//! - Fields of records: `S` and `W` octets of the file and with CRLF, where the name doesn't say so; `P` the POP3 UIDL, `O` its place
//!   in POP3 listings, `G` the message's GUID. Any field with a letter A to Z is kept.

use super::name::number;

/// What the first line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub version: Version,
    /// Never 0.
    pub uidvalidity: u32,
    /// As written there: too low after messages were appended, see [`Records::next_uid`].
    pub next_uid: u32,
    /// The mailbox's own, whatever it is called; Dovecot makes one if it is missing.
    pub guid: Option<u128>,
    /// Fields that we don't know, with a blank between them.
    pub other: Vec<u8>,
}

/// How the lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Before Dovecot 1.1, and Courier's.
    One,
    Three,
}

/// Reads a whole file: its header, and its records one by one.
///
/// # Errors
/// There is no telling what UIDVALIDITY the UIDs had.
pub fn read(file: &[u8]) -> Result<(Header, Records<'_>), Broken> {
    if file.len() > LARGEST {
        return Err(Broken::TooLong);
    }
    let (line, rest) = first_line(file).ok_or(Broken::NoHeader)?;
    let header = Header::parse(line)?;
    let records = header.more(rest, 0);
    Ok((header, Records { good: file.len() - rest.len(), ..records }))
}

impl Header {
    fn parse(line: &[u8]) -> Result<Header, Broken> {
        match line.get(..2) {
            Some(b"1 ") => Header::parse_1(&line[2..]),
            Some(b"3 ") => Header::parse_3(&line[2..]),
            Some([b'0'..=b'9', b' ']) => Err(Broken::Version),
            _ => Err(Broken::NoHeader),
        }
        .and_then(|header| if header.uidvalidity == 0 || header.next_uid == 0 { Err(Broken::NoHeader) } else { Ok(header) })
    }

    fn parse_1(fields: &[u8]) -> Result<Header, Broken> {
        let mut numbers = words(fields).map(number);
        match (numbers.next(), numbers.next()) {
            (Some(Some(uidvalidity)), Some(Some(next_uid))) => {
                Ok(Header { version: Version::One, ..Header::new(uidvalidity, next_uid, None) })
            }
            _ => Err(Broken::NoHeader),
        }
    }

    fn parse_3(fields: &[u8]) -> Result<Header, Broken> {
        let mut header = Header::new(0, 0, None);
        for field in words(fields) {
            match (field[0], &field[1..]) {
                (b'V', value) => header.uidvalidity = number(value).ok_or(Broken::NoHeader)?,
                (b'N', value) => header.next_uid = number(value).ok_or(Broken::NoHeader)?,
                (b'G', value) => header.guid = guid(value),
                _ => push_word(&mut header.other, field),
            }
        }
        Ok(header)
    }

    /// That of a file which we write.
    pub fn new(uidvalidity: u32, next_uid: u32, guid: Option<u128>) -> Header {
        Header { version: Version::Three, uidvalidity, next_uid, guid, other: Vec::new() }
    }

    /// Appends the first line of a file, always of version 3.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("3 V{} N{}", self.uidvalidity, self.next_uid).as_bytes());
        if let Some(guid) = self.guid {
            out.extend_from_slice(format!(" G{guid:032x}").as_bytes());
        }
        if !self.other.is_empty() {
            out.push(b' ');
            out.extend_from_slice(&self.other);
        }
        out.push(b'\n');
    }

    /// The records in `lines` that were appended behind the record `last_uid`.
    pub fn more<'a>(&self, lines: &'a [u8], last_uid: u32) -> Records<'a> {
        let next_uid = self.next_uid.max(last_uid.saturating_add(1));
        Records { version: self.version, rest: lines, last_uid, next_uid, good: 0, damaged: false }
    }
}

/// Reads records one after the other, by ascending UID. Damaged lines are left out.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    version: Version,
    rest: &'a [u8],
    last_uid: u32,
    next_uid: u32,
    good: usize,
    damaged: bool,
}

impl Records<'_> {
    /// The UID of the next new message, as far as was read.
    pub fn next_uid(&self) -> u32 {
        self.next_uid
    }

    /// The last UID that was read.
    pub fn last_uid(&self) -> u32 {
        self.last_uid
    }

    /// Octets up to the end of the last good line before any damage: where appended lines will begin.
    pub fn good(&self) -> usize {
        self.good
    }

    /// Whether lines were left out so far, or the last one has no end: somebody must write the file anew before Dovecot reads it.
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        while let Some((line, rest)) = first_line(self.rest) {
            self.rest = rest;
            match Record::parse(self.version, line).filter(|record| record.uid > self.last_uid) {
                Some(record) => {
                    self.last_uid = record.uid;
                    self.next_uid = self.next_uid.max(record.uid + 1);
                    self.good += if self.damaged { 0 } else { line.len() + 1 };
                    return Some(record);
                }
                None => self.damaged = true,
            }
        }
        self.damaged |= !self.rest.is_empty();
        None
    }
}

/// One message's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    pub uid: u32,
    fields: &'a [u8],
    /// The file's name up to the colon.
    pub base: &'a [u8],
}

impl<'a> Record<'a> {
    /// That of a message with `fields`, see [`push_field`].
    pub fn new(uid: u32, fields: &'a [u8], base: &'a [u8]) -> Record<'a> {
        Record { uid, fields, base }
    }

    fn parse(version: Version, line: &'a [u8]) -> Option<Record<'a>> {
        if line.len() > LONGEST {
            return None;
        }
        let (uid, rest) = line.split_at(memchr::memchr(b' ', line)?);
        let uid = number(uid).filter(|&uid| uid != 0 && uid != u32::MAX)?;
        let rest = rest.trim_ascii_start();
        let (fields, name) = match version {
            Version::One => (&[][..], rest),
            Version::Three if rest.starts_with(b":") => (&[][..], &rest[1..]),
            Version::Three => {
                let end = memchr::memmem::find(rest, b" :")?;
                (&rest[..end], &rest[end + 2..])
            }
        };
        let base = &name[..memchr::memchr(b':', name).unwrap_or(name.len())];
        is_listable(base).then_some(Record { uid, fields, base })
    }

    /// The letters A to Z with their values.
    pub fn fields(self) -> impl Iterator<Item = (u8, &'a [u8])> {
        words(self.fields).filter(|field| field[0].is_ascii_uppercase()).map(|field| (field[0], &field[1..]))
    }

    /// The value of the field `key`, one of [`UIDL`], [`ORDER`], [`SIZE`], [`WIRE_SIZE`], [`GUID`].
    pub fn field(self, key: u8) -> Option<&'a [u8]> {
        self.fields().find(|(letter, _)| *letter == key).map(|(_, value)| value)
    }

    /// The number in the field `key`.
    pub fn number(self, key: u8) -> Option<u64> {
        number(self.field(key)?)
    }

    /// Appends the line, to be added to a file or as part of a new one.
    ///
    /// # Errors
    /// No list can have this name or UID, see [`is_listable`].
    pub fn write(self, out: &mut Vec<u8>) -> Result<(), Unlistable> {
        let whole = out.len();
        out.extend_from_slice(itoa::Buffer::new().format(self.uid).as_bytes());
        for (key, value) in self.fields() {
            out.extend_from_slice(&[b' ', key]);
            out.extend_from_slice(value);
        }
        out.extend_from_slice(b" :");
        out.extend_from_slice(self.base);
        if !is_listable(self.base) || self.uid == 0 || self.uid == u32::MAX || out.len() - whole > LONGEST {
            out.truncate(whole);
            return Err(Unlistable);
        }
        out.push(b'\n');
        Ok(())
    }
}

/// Appends a field to those of a [`Record`]. A value with blanks or control characters can't be said: `false`, nothing is appended.
pub fn push_field(fields: &mut Vec<u8>, key: u8, value: &[u8]) -> bool {
    let fits = key.is_ascii_uppercase() && !value.is_empty() && value.iter().all(|&octet| octet > b' ' && octet != 0x7f);
    if fits {
        push_word(fields, &[&[key], value].concat());
    }
    fits
}

/// Whether a file's base can stand in a list: not empty, and nothing that ends a line, a path or a name.
pub fn is_listable(base: &[u8]) -> bool {
    (1..=255).contains(&base.len()) && !base.iter().any(|octet| matches!(octet, b'\n' | b'\r' | 0 | b'/' | b':'))
}

/// The POP3 UIDL that a message was shown with elsewhere.
pub const UIDL: u8 = b'P';
/// Its place in POP3 listings: messages with lower numbers first, those without one last.
pub const ORDER: u8 = b'O';
/// Octets of the file.
pub const SIZE: u8 = b'S';
/// Octets with line ends CRLF.
pub const WIRE_SIZE: u8 = b'W';
/// The message's GUID; without one it is the base.
pub const GUID: u8 = b'G';

/// Octets that a list may have: two million messages and more.
pub const LARGEST: usize = 256 << 20;
/// Octets that a line may have.
const LONGEST: usize = 4096;

/// Why a list can't be used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("the UID list has no proper first line")]
    NoHeader,
    #[error("the UID list has an unknown version")]
    Version,
    #[error("the UID list is longer than {} MiB", LARGEST >> 20)]
    TooLong,
}

/// A file's name that no list can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a UID list can't have this file name")]
pub struct Unlistable;

/// The first line without its LF, and the rest. `None` at a line that has no end.
fn first_line(lines: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', lines)?;
    Some((&lines[..end], &lines[end + 1..]))
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&octet| octet == b' ').filter(|word| !word.is_empty())
}

fn push_word(words: &mut Vec<u8>, word: &[u8]) {
    if !words.is_empty() {
        words.push(b' ');
    }
    words.extend_from_slice(word);
}

fn guid(hex: &[u8]) -> Option<u128> {
    let plain = hex.len() == 32 && hex.iter().all(u8::is_ascii_hexdigit);
    u128::from_str_radix(std::str::from_utf8(hex).ok().filter(|_| plain)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Dovecot 2.3.19 wrote it, one message saved and one copied from elsewhere.
    const SAMPLE: &[u8] = b"3 V1795375823 N1 G4028dc24cf42036b3c55000083ecc375\n1 :1795375823.M618408P21820.vm,S=37,W=41\n";

    fn uids(file: &[u8]) -> (Vec<u32>, bool) {
        let (_, mut records) = read(file).unwrap();
        let uids = records.by_ref().map(|record| record.uid).collect();
        (uids, records.is_damaged())
    }

    #[test]
    fn a_list_of_dovecot_comes_back_as_it_was() {
        let (header, mut records) = read(SAMPLE).unwrap();
        assert_eq!((header.uidvalidity, header.next_uid), (1_795_375_823, 1));
        assert_eq!(header.guid, Some(0x4028_dc24_cf42_036b_3c55_0000_83ec_c375));
        let mut written = Vec::new();
        header.write(&mut written);
        let record = records.next().unwrap();
        assert_eq!(record.base, b"1795375823.M618408P21820.vm,S=37,W=41");
        record.write(&mut written).unwrap();
        assert_eq!(records.next(), None);
        assert_eq!((records.next_uid(), records.good(), records.is_damaged()), (2, SAMPLE.len(), false));
        assert_eq!(written, SAMPLE);
    }

    #[test]
    fn fields_are_kept_known_or_not() {
        let file = b"3 V1 N9 Xnew P%08Xu%08Xv\n4 Puid:1 W12 Znew O7 bad S :a b\n";
        let (header, mut records) = read(file).unwrap();
        assert_eq!(header.other, b"Xnew P%08Xu%08Xv");
        let record = records.next().unwrap();
        assert_eq!((record.field(UIDL), record.number(WIRE_SIZE), record.number(ORDER)), (Some(&b"uid:1"[..]), Some(12), Some(7)));
        assert_eq!((record.number(SIZE), record.field(GUID)), (None, None));
        let mut written = Vec::new();
        record.write(&mut written).unwrap();
        assert_eq!(written, b"4 Puid:1 W12 Znew O7 S :a b\n");
    }

    #[test]
    fn version_1_is_read_and_version_3_written() {
        let (header, mut records) = read(b"1 77 3\n1 a\n2 b:2,S\n").unwrap();
        assert_eq!(records.by_ref().map(|record| record.base).collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(records.next_uid(), 3);
        let mut written = Vec::new();
        header.write(&mut written);
        assert_eq!(written, b"3 V77 N3\n");
    }

    #[test]
    fn damage_costs_no_good_line() {
        let (_, mut records) = read(b"3 V1 N2\n1 :a\n2 :b").unwrap();
        assert_eq!(records.by_ref().map(|record| record.uid).collect::<Vec<_>>(), [1]);
        assert_eq!((records.good(), records.is_damaged()), (13, true));
        for line in ["", "x", "2", "2 ", "2 b", "2 :", "2 Pa", "0 :b", "4294967295 :b", "1 :b", "-2 :b", "2 :b/c", "2 :\0", "\0\0", "2:b"] {
            let file = format!("3 V1 N2\n1 :a\n{line}\n3 :c\n");
            assert_eq!(uids(file.as_bytes()), (vec![1, 3], true), "{line}");
        }
        let long = format!("3 V1 N2\n1 :a\n2 P{} :b\n3 :c\n", "x".repeat(LONGEST));
        assert_eq!(uids(long.as_bytes()), (vec![1, 3], true));
    }

    #[test]
    fn without_uidvalidity_there_are_no_uids() {
        for file in ["", "\n", "3", "3 V1 N2", "3 V1\n", "3 N1\n", "3 V0 N1\n", "3 V1 N0\n", "3 Vx N1\n", "1 1\n", "V1 N1\n", "\0\0\0\n"] {
            assert_eq!(read(file.as_bytes()).unwrap_err(), Broken::NoHeader, "{file}");
        }
        assert_eq!(read(b"2 1 1\n").unwrap_err(), Broken::Version);
    }

    #[test]
    fn appended_lines_are_read_alone() {
        let (header, mut records) = read(SAMPLE).unwrap();
        records.by_ref().for_each(drop);
        let mut more = header.more(b"2 :b\n1 :late\n", records.last_uid());
        assert_eq!(more.next().map(|record| record.uid), Some(2));
        assert_eq!(more.next(), None);
        assert_eq!((more.next_uid(), more.good(), more.is_damaged()), (3, 5, true));
    }

    #[test]
    fn what_dovecot_would_stumble_over_is_not_written() {
        let long = [b'a'; 256];
        for base in [&b""[..], b"a\nb", b"a\r", b"a:b", b"a/b", b"\0", &long] {
            assert_eq!(Record::new(1, b"", base).write(&mut Vec::new()), Err(Unlistable));
        }
        assert_eq!(Record::new(0, b"", b"a").write(&mut Vec::new()), Err(Unlistable));
        let mut fields = Vec::new();
        assert!(push_field(&mut fields, UIDL, b"UID1-2") && push_field(&mut fields, ORDER, b"1"));
        assert!(!push_field(&mut fields, UIDL, b"a b") && !push_field(&mut fields, UIDL, b"") && !push_field(&mut fields, b'p', b"a"));
        let mut line = Vec::new();
        Record::new(9, &fields, b"a").write(&mut line).unwrap();
        assert_eq!(line, b"9 PUID1-2 O1 :a\n");
    }
}

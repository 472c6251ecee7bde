//! What Courier kept beside a Maildir: UIDs are in `courierimapuiddb`, which [`uidlist::read`](super::uidlist::read) reads; here are
//! POP3's UIDLs and the keywords.

use std::borrow::Cow;
use std::collections::HashMap;

use super::keywords::is_keyword;
use super::name::number;

/// `courierpop3dsizelist`: what POP3 knew of each message, in the order of its listings. The first line of versions 1 to 3 is
/// `/<version> <next number> <uidvalidity>`, the last field missing in version 1; version 0 has none. Then a line for each message:
/// `<name> <size>`, from version 1 on with ` <number>`, from 2 on `:<uidvalidity>` behind it, in 3 `:<is it UTF-8>`.
#[derive(Debug, Clone)]
pub struct Sizes<'a> {
    version: u8,
    lines: &'a [u8],
}

impl<'a> Sizes<'a> {
    /// Reads the first line. A version that is unknown has no messages.
    pub fn parse(file: &'a [u8]) -> Sizes<'a> {
        let file = &file[..file.len().min(LARGEST)];
        match file.strip_prefix(b"/") {
            None => Sizes { version: 0, lines: file },
            Some([version @ b'1'..=b'3', b' ', rest @ ..]) => Sizes { version: version - b'0', lines: behind_line(rest) },
            Some(_) => Sizes { version: 0, lines: b"" },
        }
    }
}

impl<'a> Iterator for Sizes<'a> {
    type Item = Popped<'a>;

    /// Lines that make no sense, and one without end, are passed over.
    fn next(&mut self) -> Option<Popped<'a>> {
        while let Some(end) = memchr::memchr(b'\n', self.lines) {
            let line = &self.lines[..end];
            self.lines = &self.lines[end + 1..];
            if let Some(found) = Popped::parse(self.version, line) {
                return Some(found);
            }
        }
        None
    }
}

/// A message that POP3 listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Popped<'a> {
    /// The file's name up to the colon.
    pub base: &'a [u8],
    /// Octets with line ends CRLF.
    pub size: u64,
    /// 0 in version 0.
    number: u32,
    /// 0 up to version 1.
    uidvalidity: u32,
}

impl<'a> Popped<'a> {
    fn parse(version: u8, line: &'a [u8]) -> Option<Popped<'a>> {
        let (rest, [number_of, uidvalidity]) = match version {
            0 => (line, [0, 0]),
            _ => last_word(line).and_then(|(rest, identity)| Some((rest, identity_of(version, identity)?)))?,
        };
        let (name, size) = last_word(rest)?;
        let name = &name[memchr::memrchr(b'/', name).map_or(0, |slash| slash + 1)..];
        let base = &name[..memchr::memchr(b':', name).unwrap_or(name.len())];
        (!base.is_empty() && line.len() <= LONGEST).then_some(Popped { base, size: number(size)?, number: number_of, uidvalidity })
    }

    /// The UIDL that Courier showed: `UID<number>-<uidvalidity>`, `UID<number>`, or the base with odd octets as `+2B`.
    pub fn uidl(self) -> String {
        match (self.number, self.uidvalidity) {
            (0, _) => self.base.iter().map(|&octet| uidl_octet(octet)).collect(),
            (number, 0) => format!("UID{number}"),
            (number, uidvalidity) => format!("UID{number}-{uidvalidity}"),
        }
    }
}

/// Number and UIDVALIDITY. A file that Courier has just taken over may have lines of the version before.
fn identity_of(version: u8, identity: &[u8]) -> Option<[u32; 2]> {
    let mut fields = identity.split(|&octet| octet == b':').map(number);
    let first = fields.next()??;
    let uidvalidity = if version == 1 { 0 } else { fields.next()?? };
    let rest = fields.count();
    (rest == 0 || (version == 3 && rest == 1)).then_some([first, uidvalidity])
}

fn uidl_octet(octet: u8) -> Cow<'static, str> {
    match octet {
        b'\'' | b'"' | b'+' | ..=0x20 | 0x7f.. => format!("+{octet:02X}").into(),
        _ => char::from(octet).to_string().into(),
    }
}

fn last_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = memchr::memrchr(b' ', text)?;
    Some((&text[..blank], &text[blank + 1..]))
}

fn behind_line(text: &[u8]) -> &[u8] {
    memchr::memchr(b'\n', text).map_or(b"", |end| &text[end + 1..])
}

/// `courierimapkeywords/:list`: keywords, each on a line, up to a blank line; then `BASE:0 2` for each message that has some, by
/// number. What [`newest`] finds overrides it.
#[derive(Debug, Clone)]
pub struct KeywordList<'a> {
    names: Vec<String>,
    lines: &'a [u8],
}

impl<'a> KeywordList<'a> {
    /// Reads the keywords; no more of the file than [`LARGEST`] octets.
    pub fn parse(file: &'a [u8]) -> KeywordList<'a> {
        let mut lines = &file[..file.len().min(LARGEST)];
        let mut names = Vec::new();
        while let Some(end) = memchr::memchr(b'\n', lines) {
            let line = &lines[..end];
            lines = &lines[end + 1..];
            if line.is_empty() || names.len() == MOST {
                break;
            }
            names.push(keyword(line));
        }
        KeywordList { names, lines }
    }

    /// The base names of messages and their keywords.
    pub fn messages(&self) -> impl Iterator<Item = (&'a [u8], impl Iterator<Item = &str>)> {
        let whole = self.lines.split_inclusive(|&octet| octet == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
        whole.filter(|line| line.len() <= LONGEST).filter_map(|line| {
            let colon = memchr::memchr(b':', line).filter(|&colon| colon > 0)?;
            let numbers = line[colon + 1..].split(|&octet| octet == b' ').filter_map(number::<usize>);
            let names = numbers.filter_map(|number| self.names.get(number).map(String::as_str));
            Some((&line[..colon], names.filter(|name| !name.is_empty())))
        })
    }
}

/// Which of the files in `courierimapkeywords/` says what keywords a message has now: `BASE`, else the `.N.BASE` with the highest
/// number. By base names; the rest of the files mean nothing.
pub fn newest<'a>(files: impl Iterator<Item = &'a [u8]>) -> HashMap<&'a [u8], &'a [u8]> {
    let mut newest: HashMap<&[u8], (u64, &[u8])> = HashMap::new();
    for file in files {
        if let Some((base, age)) = update(file) {
            let known = newest.entry(base).or_insert((age, file));
            *known = (*known).max((age, file));
        }
    }
    newest.into_iter().map(|(base, (_, file))| (base, file)).collect()
}

/// The base that a file in `courierimapkeywords/` belongs to, and its age: the higher the later.
fn update(file: &[u8]) -> Option<(&[u8], u64)> {
    let Some(aged) = file.strip_prefix(b".") else {
        return (!file.is_empty() && !file.starts_with(b":")).then_some((file, u64::MAX));
    };
    let (age, base) = aged.split_at(memchr::memchr(b'.', aged)?);
    let age = number(age).filter(|&age| age != 0 && age != u64::MAX)?;
    (base.len() > 1).then_some((&base[1..], age))
}

/// The keywords in a message's own file: one on each line; an empty file takes all away.
pub fn keywords(file: &[u8]) -> Vec<String> {
    let lines = file[..file.len().min(LONGEST)].split(|&octet| octet == b'\n');
    lines.map(keyword).filter(|keyword| !keyword.is_empty()).collect()
}

/// As IMAP can say it: Courier lets clients put in what is no atom. Empty if there is nothing to say.
fn keyword(line: &[u8]) -> String {
    let text: String = line
        .iter()
        .map(|&octet| char::from(octet))
        .map(|letter| if is_keyword(letter.encode_utf8(&mut [0; 4])) { letter } else { '_' })
        .collect();
    if is_keyword(&text) { text } else { String::new() }
}

/// Octets of a file that are read.
pub const LARGEST: usize = 256 << 20;
/// Octets of a line, or of a message's file of keywords.
pub const LONGEST: usize = 64 << 10;
/// Keywords that a mailbox may have had.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::maildir::uidlist::{self, Version};

    fn uidls(file: &[u8]) -> Vec<(String, u64, String)> {
        Sizes::parse(file).map(|found| (String::from_utf8_lossy(found.base).into_owned(), found.size, found.uidl())).collect()
    }

    #[test]
    fn every_version_has_its_uidls() {
        let found = |uidl: &str| vec![("1.a+b".to_owned(), 12, uidl.to_owned())];
        assert_eq!(uidls(b"cur/1.a+b:2,S 12\n"), found("1.a+2Bb"));
        assert_eq!(uidls(b"/1 8\n1.a+b 12 7\n"), found("UID7"));
        assert_eq!(uidls(b"/2 8 99\n1.a+b:2,S 12 7:99\n"), found("UID7-99"));
        assert_eq!(uidls(b"/3 8 99\n1.a+b 12 7:99:1\n"), found("UID7-99"));
        assert_eq!(uidls(b"/3 8 99\n1.a+b 12 7:0\n"), found("UID7"));
        assert_eq!(uidls(b"/3 8 99\n1.a+b 12 0:99:0\n"), found("1.a+2Bb"));
        assert_eq!(uidls(b"/3 8 99\na b 12 7:99:1\n")[0].0, "a b");
    }

    #[test]
    fn lines_without_sense_are_passed_over() {
        assert_eq!(uidls(b"/2 3 4\n\na\na 1\na x 1:2\na 1 x:2\na 1 2\na 1 2:3:4\n:2,S 1 2:3\na 1 2:3").len(), 0);
        assert_eq!(uidls(b"/4 3 4\na 1 2:3\n").len(), 0);
        assert_eq!(uidls(b"/2").len(), 0);
    }

    #[test]
    fn uids_are_in_a_list_like_dovecots() {
        let (header, mut records) = uidlist::read(b"1 539123 8\n3 1.a,S=3\n7 2.b\n").unwrap();
        assert_eq!((header.version, header.uidvalidity), (Version::One, 539_123));
        assert_eq!(records.by_ref().map(|record| (record.uid, record.base)).collect::<Vec<_>>(), [(3, &b"1.a,S=3"[..]), (7, b"2.b")]);
        assert_eq!(records.next_uid(), 8);
    }

    #[test]
    fn what_courier_5_wrote_is_read() {
        let sizes = b"/3 3 1795376475\n1795376472.M186475P27544V0FE00I099E1B1_0.vm,S=37:2,S 41 1:1795376475:0\n";
        let wanted = ("1795376472.M186475P27544V0FE00I099E1B1_0.vm,S=37".to_owned(), 41, "UID1-1795376475".to_owned());
        assert_eq!(uidls(sizes), [wanted]);
        let list = KeywordList::parse(b"Junk\nab\n$Label1\n\n1795376549.M639355P28673V0FE00I099E1C8_0.vm,S=37:2 0 1\n");
        let (base, keywords) = list.messages().next().unwrap();
        assert_eq!(base, b"1795376549.M639355P28673V0FE00I099E1C8_0.vm,S=37");
        assert_eq!(keywords.collect::<Vec<_>>(), ["$Label1", "Junk", "ab"]);
    }

    #[test]
    fn keywords_are_known_by_number() {
        let list = KeywordList::parse(b"$Forwarded\nmy label(1)\n\n1.a:0 1\n2.b:1 5 x\n3.c:\n:0\n4.d\n5.e:0");
        let found: Vec<(&[u8], Vec<&str>)> = list.messages().map(|(base, keywords)| (base, keywords.collect())).collect();
        assert_eq!(found, [(&b"1.a"[..], vec!["$Forwarded", "my_label_1_"]), (b"2.b", vec!["my_label_1_"]), (b"3.c", vec![])]);
        assert_eq!(KeywordList::parse(b"").messages().count(), 0);
    }

    #[test]
    fn the_newest_file_counts() {
        let files = [".", "..", ":list", ".tmp.12.x", ".5.1.a", ".40.1.a", ".39.1.a", "2.b", ".99.2.b", ".7.", ".0.c", ".x"];
        let newest = newest(files.iter().map(|file| file.as_bytes()));
        assert_eq!(newest, HashMap::from([(&b"1.a"[..], &b".40.1.a"[..]), (b"2.b", b"2.b")]));
        assert_eq!(keywords(b"Junk\n\na b\n"), ["Junk", "a_b"]);
        assert!(keywords(b"").is_empty());
    }
}

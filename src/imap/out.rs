//! What the server says, written into the output buffer: nothing is allocated for a number, a flag or a string.

use std::fmt::{Display, Write};

use super::args::{FLAGS, MONTHS};
use crate::store::name::utf7;
use crate::store::{Flags, FolderName, Namespace, Uids};

/// The end of the output buffer. Every writer gives it back, so that a line reads from left to right.
pub struct Out<'a>(&'a mut Vec<u8>);

impl<'a> Out<'a> {
    /// Writes to the end of `buffer`.
    pub fn new(buffer: &'a mut Vec<u8>) -> Out<'a> {
        Out(buffer)
    }

    /// Octets as they are.
    pub fn raw(&mut self, octets: impl AsRef<[u8]>) -> &mut Self {
        self.0.extend_from_slice(octets.as_ref());
        self
    }

    /// A line's end.
    pub fn end(&mut self) -> &mut Self {
        self.raw("\r\n")
    }

    /// A number in decimal.
    pub fn number(&mut self, number: impl Into<u64>) -> &mut Self {
        self.raw(itoa::Buffer::new().format(number.into()))
    }

    /// A value of printable ASCII as it prints itself.
    pub fn shown(&mut self, value: impl Display) -> &mut Self {
        // Writing into a Vec does not fail.
        _ = write!(Text(self.0), "{value}");
        self
    }

    /// A quoted string. `text` has neither NUL nor line ends, and octets beyond ASCII only where the client takes UTF-8.
    pub fn quoted(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        let mut rest = text.as_ref();
        self.0.push(b'"');
        while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
            self.0.extend_from_slice(&rest[..at]);
            self.0.extend_from_slice(&[b'\\', rest[at]]);
            rest = &rest[at + 1..];
        }
        self.0.extend_from_slice(rest);
        self.0.push(b'"');
        self
    }

    /// A literal.
    pub fn literal(&mut self, octets: &[u8]) -> &mut Self {
        self.raw("{").number(octets.len() as u64).raw("}\r\n").raw(octets)
    }

    /// A string: quoted where it can be, else a literal.
    pub fn string(&mut self, octets: &[u8]) -> &mut Self {
        let can_be_quoted = octets.len() <= LONGEST_QUOTED && octets.iter().all(|octet| matches!(octet, b' '..=b'~' | b'\t'));
        if can_be_quoted { self.quoted(octets) } else { self.literal(octets) }
    }

    /// A string, or `NIL`.
    pub fn nstring(&mut self, octets: Option<&[u8]>) -> &mut Self {
        match octets {
            Some(octets) => self.string(octets),
            None => self.raw("NIL"),
        }
    }

    /// The name of a folder as the client sees it: in modified UTF-7, or in UTF-8 where it has enabled that.
    pub fn mailbox(&mut self, folder: &FolderName, namespace: &Namespace, is_utf8: bool) -> &mut Self {
        self.name(&namespace.text(folder), is_utf8)
    }

    /// Text of the kind that names of folders are.
    pub fn name(&mut self, text: &str, is_utf8: bool) -> &mut Self {
        match is_utf8 || text.bytes().all(|octet| matches!(octet, b' '..=b'~') && octet != b'&') {
            true => self.quoted_or_plain(text),
            false => self.quoted_or_plain(&utf7::encode(text)),
        }
    }

    /// Names without anything odd are atoms, as clients have always seen them.
    fn quoted_or_plain(&mut self, text: &str) -> &mut Self {
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.+/&,".contains(&octet);
        let is_atom = !text.is_empty() && text.bytes().all(is_plain) && !text.eq_ignore_ascii_case("NIL");
        if is_atom { self.raw(text) } else { self.quoted(text) }
    }

    /// Flags and keywords in parentheses.
    pub fn flags<'k>(&mut self, flags: Flags, keywords: impl IntoIterator<Item = &'k str>) -> &mut Self {
        let mut before = "(";
        for (name, _) in FLAGS.iter().filter(|(_, flag)| *flag != Flags::NONE && flags.contains(*flag)) {
            self.raw(before).raw("\\").raw(name);
            before = " ";
        }
        for keyword in keywords {
            self.raw(before).raw(keyword);
            before = " ";
        }
        if before == "(" { self.raw("()") } else { self.raw(")") }
    }

    /// A set, ascending, which must not be empty.
    pub fn set(&mut self, set: &Uids) -> &mut Self {
        for (nth, range) in set.ranges().enumerate() {
            self.raw(if nth == 0 { "" } else { "," }).number(*range.start());
            if range.start() != range.end() {
                self.raw(":").number(*range.end());
            }
        }
        self
    }

    /// `"17-Jul-1996 02:44:25 +0000"` (RFC 9051 §9 date-time) from seconds since 1970, in UTC.
    pub fn date_time(&mut self, seconds: u32) -> &mut Self {
        let (days, time) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        let two = |number: u32| [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8];
        // A day of one digit has a space before it.
        let day = if day < 10 { [b' ', b'0' + day as u8] } else { two(day) };
        self.raw("\"").raw(day).raw("-").raw(MONTHS[month as usize - 1]).raw("-").number(year).raw(" ");
        self.raw(two(time / 3600)).raw(":").raw(two(time / 60 % 60)).raw(":").raw(two(time % 60)).raw(" +0000\"")
    }
}

/// Year, month and day of a day that is counted from 1970-01-01: with years that begin in March, leap days come last
/// (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u32) -> (u32, u32, u32) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (year_of_era + era * 400 + u32::from(month <= 2), month, day)
}

struct Text<'a>(&'a mut Vec<u8>);

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Longer strings are literals: some clients read lines into buffers of a fixed size.
const LONGEST_QUOTED: usize = 1_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::args::Args;
    use super::*;

    fn said(say: impl FnOnce(&mut Out<'_>)) -> String {
        let mut buffer = Vec::new();
        say(&mut Out::new(&mut buffer));
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn a_line_reads_from_left_to_right() {
        assert_eq!(said(|out| _ = out.raw("* ").number(23u32).raw(" EXISTS").end()), "* 23 EXISTS\r\n");
    }

    #[test]
    fn strings_are_quoted_where_they_can_be() {
        assert_eq!(said(|out| _ = out.string(b"a \"b\" \\c")), "\"a \\\"b\\\" \\\\c\"");
        assert_eq!(said(|out| _ = out.string(b"a\r\nb")), "{4}\r\na\r\nb");
        assert_eq!(said(|out| _ = out.string("ä".as_bytes())), "{2}\r\nä");
        assert_eq!(said(|out| _ = out.nstring(None).nstring(Some(b""))), "NIL\"\"");
    }

    #[test]
    fn mailboxes_are_shown_as_the_client_reads_them() {
        let (plain, umlaut) = (Namespace::new("", '/'), FolderName::parse("Entwürfe/R&D x", '/').unwrap());
        assert_eq!(said(|out| _ = out.mailbox(&umlaut, &plain, false)), "\"Entw&APw-rfe/R&-D x\"");
        assert_eq!(said(|out| _ = out.mailbox(&umlaut, &plain, true)), "\"Entwürfe/R&D x\"");
        assert_eq!(said(|out| _ = out.mailbox(&FolderName::inbox(), &plain, false)), "INBOX");
        assert_eq!(said(|out| _ = out.name("nil", false).name("", false)), "\"nil\"\"\"");
    }

    #[test]
    fn flags_and_sets() {
        let flags = Flags::SEEN.with(Flags::ANSWERED).with(Flags::OLD);
        assert_eq!(said(|out| _ = out.flags(flags, ["$Junk"]).flags(Flags::NONE, [])), "(\\Answered \\Seen $Junk)()");
        assert_eq!(said(|out| _ = out.set(&[1, 2, 3, 7].into_iter().collect())), "1:3,7");
    }

    proptest! {
        #[test]
        fn moments_are_those_of_the_calendar(seconds: u32) {
            let time = chrono::DateTime::from_timestamp(seconds.into(), 0).unwrap();
            let shown = said(|out| _ = out.date_time(seconds));
            prop_assert_eq!(&shown, &time.format("\"%e-%b-%Y %H:%M:%S +0000\"").to_string());
            prop_assert_eq!(Args::new(shown.as_bytes(), false).date_time(), Ok(i64::from(seconds)));
        }

        #[test]
        fn every_string_and_name_is_read_back(octets in proptest::collection::vec(1u8.., 0..40), name in "[^\\p{C}/]{1,20}", is_utf8: bool) {
            let mut buffer = Vec::new();
            Out::new(&mut buffer).string(&octets).raw(" ").name(&name, is_utf8);
            let mut args = Args::new(&buffer, is_utf8);
            prop_assert_eq!(&*args.string().unwrap(), octets);
            args.space().unwrap();
            prop_assert_eq!(args.mailbox_text().unwrap(), name);
        }
    }
}

//! The arguments of a command, read from left to right (RFC 9051 §9).

use std::borrow::Cow;

use chrono::NaiveDate;

use super::set::{Bound, Set};
use crate::store::name::{BadName, utf7};
use crate::store::{Flags, FolderName, Namespace};

/// What is wrong with a command; the client is told so with a tagged BAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bad(pub &'static str);

/// The rest of one command. Literals stand in it as they were sent, `{5}` CRLF and the octets: whoever framed the command has made sure
/// that they are whole. A reader that fails has taken nothing that matters: the command is over.
#[derive(Debug, Clone, Copy)]
pub struct Args<'a> {
    rest: &'a [u8],
    /// Whether names of mailboxes are UTF-8 rather than modified UTF-7 (RFC 9755 §3, RFC 9051 §5.1).
    is_utf8: bool,
}

impl<'a> Args<'a> {
    /// The arguments in `text`, without the line end.
    pub fn new(text: &'a [u8], is_utf8: bool) -> Args<'a> {
        Args { rest: text, is_utf8 }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// One space.
    pub fn space(&mut self) -> Result<(), Bad> {
        if self.takes(b' ') { Ok(()) } else { Err(Bad("space expected")) }
    }

    /// Nothing more.
    pub fn end(&self) -> Result<(), Bad> {
        if self.rest.is_empty() { Ok(()) } else { Err(Bad("too many arguments, or something that does not belong here")) }
    }

    /// Whether nothing more is there.
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next octet, which stays.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes `octet` if it comes next.
    pub fn takes(&mut self, octet: u8) -> bool {
        let is_next = self.peek() == Some(octet);
        if is_next {
            self.rest = &self.rest[1..];
        }
        is_next
    }

    /// `octet`, which must come next; `otherwise` says what is wrong.
    pub fn expect(&mut self, octet: u8, otherwise: &'static str) -> Result<(), Bad> {
        if self.takes(octet) { Ok(()) } else { Err(Bad(otherwise)) }
    }

    /// Takes `word` if it comes next, in any case of its letters, and is not the beginning of a longer word.
    pub fn is_word(&mut self, word: &str) -> bool {
        let mut ahead = *self;
        let is_next = ahead.word().is_ok_and(|next| next.eq_ignore_ascii_case(word));
        if is_next {
            *self = ahead;
        }
        is_next
    }

    /// A word of the grammar: letters, digits and `-._=+/`. What follows it, like `[` or `<`, is for the caller.
    pub fn word(&mut self) -> Result<&'a str, Bad> {
        let word = self.run(|octet| octet.is_ascii_alphanumeric() || b"-._=+/".contains(&octet));
        if word.is_empty() { Err(Bad("word expected")) } else { Ok(str::from_utf8(word).unwrap_or_default()) }
    }

    /// An atom.
    pub fn atom(&mut self) -> Result<&'a str, Bad> {
        let atom = self.run(is_atom);
        if atom.is_empty() { Err(Bad("atom expected")) } else { Ok(str::from_utf8(atom).unwrap_or_default()) }
    }

    /// The octets from here on that are `wanted`.
    pub fn run(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|octet| !wanted(*octet)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        run
    }

    /// A string, or an atom in its place.
    pub fn astring(&mut self) -> Result<Cow<'a, [u8]>, Bad> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            // RFC 9051 §9 ASTRING-CHAR: here `]` is an atom's, too.
            _ => match self.run(|octet| is_atom(octet) || octet == b']') {
                [] => Err(Bad("string or atom expected")),
                atom => Ok(Cow::Borrowed(atom)),
            },
        }
    }

    /// A quoted string or a literal.
    pub fn string(&mut self) -> Result<Cow<'a, [u8]>, Bad> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal().map(Cow::Borrowed),
            _ => Err(Bad("string expected")),
        }
    }

    /// A string, or `NIL`.
    pub fn nstring(&mut self) -> Result<Option<Cow<'a, [u8]>>, Bad> {
        if self.is_word("NIL") { Ok(None) } else { self.string().map(Some) }
    }

    fn quoted(&mut self) -> Result<Cow<'a, [u8]>, Bad> {
        const OPEN: Bad = Bad("quoted string without an end");
        let text = &self.rest[1..];
        let end = memchr::memchr2(b'"', b'\\', text).ok_or(OPEN)?;
        if text[end] == b'"' {
            self.rest = &text[end + 1..];
            return plain(&text[..end]).map(Cow::Borrowed);
        }
        let (mut out, mut rest) = (Vec::new(), text);
        loop {
            let at = memchr::memchr2(b'"', b'\\', rest).ok_or(OPEN)?;
            out.extend_from_slice(plain(&rest[..at])?);
            let is_end = rest[at] == b'"';
            rest = &rest[at + 1..];
            if is_end {
                self.rest = rest;
                return Ok(Cow::Owned(out));
            }
            match rest.split_first() {
                Some((escaped @ (b'"' | b'\\'), after)) => {
                    out.push(*escaped);
                    rest = after;
                }
                _ => return Err(Bad("only \\\" and \\\\ can be escaped in a quoted string")),
            }
        }
    }

    /// `{5}`, `{5+}` or `{5-}`, CRLF, and the octets.
    fn literal(&mut self) -> Result<&'a [u8], Bad> {
        const BROKEN: Bad = Bad("literal expected");
        self.expect(b'{', BROKEN.0)?;
        let len = usize::try_from(self.number64()?).map_err(|_| BROKEN)?;
        _ = self.takes(b'+') || self.takes(b'-');
        let octets = self.rest.strip_prefix(b"}\r\n").ok_or(BROKEN)?;
        let (literal, rest) = octets.split_at_checked(len).ok_or(BROKEN)?;
        if literal.contains(&0) {
            return Err(Bad("NUL can't be in a literal"));
        }
        self.rest = rest;
        Ok(literal)
    }

    /// A number of 32 bits.
    pub fn number(&mut self) -> Result<u32, Bad> {
        u32::try_from(self.number64()?).map_err(|_| Bad("number too large"))
    }

    /// A number of 63 bits (RFC 9051 §9 number64).
    pub fn number64(&mut self) -> Result<u64, Bad> {
        let digits = str::from_utf8(self.run(|octet| octet.is_ascii_digit())).unwrap_or_default();
        match digits.parse::<i64>() {
            Ok(number) => Ok(number.unsigned_abs()),
            Err(_) if digits.is_empty() => Err(Bad("number expected")),
            Err(_) => Err(Bad("number too large")),
        }
    }

    /// A set of messages: ranges, or `$`.
    pub fn set(&mut self) -> Result<Set, Bad> {
        if self.takes(b'$') {
            return Ok(Set::Saved);
        }
        let mut ranges = Vec::new();
        loop {
            let one = self.bound()?;
            ranges.push((one, if self.takes(b':') { self.bound()? } else { one }));
            if !self.takes(b',') {
                return Ok(Set::Ranges(ranges));
            }
        }
    }

    fn bound(&mut self) -> Result<Bound, Bad> {
        if self.takes(b'*') {
            return Ok(Bound::Last);
        }
        match self.number() {
            Ok(0) => Err(Bad("messages are numbered from 1")),
            Ok(number) => Ok(Bound::Number(number)),
            Err(Bad("number expected")) => Err(Bad("set of message numbers expected")),
            Err(bad) => Err(bad),
        }
    }

    /// The name of a mailbox; the inner error is for a name that no folder can have.
    pub fn mailbox(&mut self, namespace: &Namespace) -> Result<Result<FolderName, BadName>, Bad> {
        let name = self.mailbox_text()?;
        Ok(namespace.folder(&name))
    }

    /// The name of a mailbox, or a pattern of names, as text.
    pub fn mailbox_text(&mut self) -> Result<String, Bad> {
        let octets = self.astring()?;
        self.decoded(&octets)
    }

    /// As [`Args::mailbox_text`], where `%` and `*` can stand without quotes (RFC 9051 §9 list-mailbox).
    pub fn pattern(&mut self) -> Result<String, Bad> {
        let octets = match self.peek() {
            Some(b'"' | b'{') => self.string()?,
            _ => match self.run(|octet| is_atom(octet) || b"]%*".contains(&octet)) {
                [] => return Err(Bad("pattern expected")),
                pattern => Cow::Borrowed(pattern),
            },
        };
        self.decoded(&octets)
    }

    fn decoded(&self, octets: &[u8]) -> Result<String, Bad> {
        match self.is_utf8 {
            true => str::from_utf8(octets).map(str::to_owned).map_err(|_| Bad("names of mailboxes are UTF-8")),
            false => utf7::decode(octets).ok_or(Bad("names of mailboxes are modified UTF-7")),
        }
    }

    /// `1-Feb-1994`, with or without quotes.
    pub fn date(&mut self) -> Result<NaiveDate, Bad> {
        const NO_DATE: Bad = Bad("date expected, like 1-Feb-1994");
        let is_quoted = self.takes(b'"');
        let text = str::from_utf8(self.run(|octet| octet.is_ascii_alphanumeric() || octet == b'-')).unwrap_or_default();
        if is_quoted {
            self.expect(b'"', NO_DATE.0)?;
        }
        day(text).ok_or(NO_DATE)
    }

    /// `" 1-Feb-1994 21:52:25 -0800"`, as seconds since 1970 UTC.
    pub fn date_time(&mut self) -> Result<i64, Bad> {
        const NO_DATE: Bad = Bad("date and time expected, like \"17-Jul-1996 02:44:25 -0700\"");
        let Some(b'"') = self.peek() else { return Err(NO_DATE) };
        let text = self.quoted()?;
        str::from_utf8(&text).ok().and_then(moment).ok_or(NO_DATE)
    }

    /// Flags in parentheses, or without (RFC 9051 §9 store-att-flags): system flags, and keywords as they are written.
    pub fn flags(&mut self) -> Result<(Flags, Vec<String>), Bad> {
        let is_list = self.takes(b'(');
        let (mut flags, mut keywords) = (Flags::NONE, Vec::<String>::new());
        if is_list && self.takes(b')') {
            return Ok((flags, keywords));
        }
        loop {
            match self.takes(b'\\') {
                true => flags = flags.with(system_flag(self.atom()?)?),
                false => keywords.push(keyword(self.atom()?)?),
            }
            if keywords.len() > MOST_KEYWORDS {
                return Err(Bad("too many keywords at once"));
            }
            if !self.takes(b' ') {
                break;
            }
        }
        if is_list {
            self.expect(b')', "flags end with a parenthesis")?;
        }
        Ok((flags, keywords))
    }
}

/// RFC 9051 §9 ATOM-CHAR.
fn is_atom(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"(){%*\"\\]".contains(&octet)
}

/// The text between quotes. Octets beyond ASCII are for the reader to judge.
fn plain(text: &[u8]) -> Result<&[u8], Bad> {
    match text.iter().any(|octet| b"\0\r\n".contains(octet)) {
        true => Err(Bad("a quoted string has neither NUL nor line ends")),
        false => Ok(text),
    }
}

fn system_flag(name: &str) -> Result<Flags, Bad> {
    let known = FLAGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map(|(_, flag)| *flag).ok_or(Bad("there is no such system flag"))
}

fn keyword(name: &str) -> Result<String, Bad> {
    if name.len() > LONGEST_KEYWORD { Err(Bad("keyword too long")) } else { Ok(name.to_owned()) }
}

fn day(text: &str) -> Option<NaiveDate> {
    let mut parts = text.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let is_date = matches!(day.len(), 1 | 2) && year.len() == 4 && parts.next().is_none();
    let month = (1..).zip(MONTHS).find(|(_, name)| name.eq_ignore_ascii_case(month))?.0;
    if is_date { NaiveDate::from_ymd_opt(year.parse().ok()?, month, digits(day)?) } else { None }
}

/// RFC 9051 §9 date-time: a day of one digit has a space before it; we take it without, too.
fn moment(text: &str) -> Option<i64> {
    let mut words = text.trim_start_matches(' ').split(' ');
    let (date, time, zone, None) = (words.next()?, words.next()?, words.next()?, words.next()) else { return None };
    let [hour, minute, second] = numbers(time.split(':'))?;
    let (sign, zone) = match zone.split_at_checked(1)? {
        ("+", zone) => (1, zone),
        ("-", zone) => (-1, zone),
        _ => return None,
    };
    let [hours, minutes] = numbers([zone.get(..2)?, zone.get(2..)?].into_iter())?;
    // A leap second is the first of the next minute.
    let is_time = hour < 24 && minute < 60 && second <= 60 && hours < 24 && minutes < 60;
    let midnight = day(date)?.and_hms_opt(0, 0, 0)?.and_utc().timestamp();
    let (time, zone) = (i64::from(hour * 3600 + minute * 60 + second), i64::from(hours * 3600 + minutes * 60));
    is_time.then_some(midnight + time - sign * zone)
}

/// Numbers of two digits each.
fn numbers<'a, const N: usize>(mut parts: impl Iterator<Item = &'a str>) -> Option<[u32; N]> {
    let mut all = [0; N];
    for number in &mut all {
        *number = parts.next().filter(|part| part.len() == 2).and_then(digits)?;
    }
    parts.next().is_none().then_some(all)
}

fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The names of system flags (RFC 9051 §2.3.2), without the backslash, in the order in which we tell them.
pub(super) const FLAGS: [(&str, Flags); 6] = [
    ("Answered", Flags::ANSWERED),
    ("Flagged", Flags::FLAGGED),
    ("Deleted", Flags::DELETED),
    ("Seen", Flags::SEEN),
    ("Draft", Flags::DRAFT),
    // RFC 3501 §2.3.2: no client can set it. Some send back what another server told them: it is taken and means nothing.
    ("Recent", Flags::NONE),
];

pub(super) const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What the store takes.
const LONGEST_KEYWORD: usize = 255;
/// No client sets more at once.
const MOST_KEYWORDS: usize = 200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn args(text: &str) -> Args<'_> {
        Args::new(text.as_bytes(), false)
    }

    fn text(value: Result<Cow<'_, [u8]>, Bad>) -> String {
        String::from_utf8(value.unwrap().into_owned()).unwrap()
    }

    #[test]
    fn strings_have_three_forms() {
        let mut all = args("at]om \"quo\\\"te\\\\d\" {7}\r\nlit\"al) {3+}\r\nabc NIL \"\"");
        assert_eq!(text(all.astring()), "at]om");
        all.space().unwrap();
        assert_eq!(text(all.astring()), "quo\"te\\d");
        all.space().unwrap();
        assert_eq!(text(all.string()), "lit\"al)");
        all.space().unwrap();
        assert_eq!(text(all.nstring().map(Option::unwrap)), "abc");
        all.space().unwrap();
        assert_eq!(all.nstring(), Ok(None));
        all.space().unwrap();
        assert_eq!(text(all.string()), "");
        all.end().unwrap();
    }

    #[test]
    fn broken_strings_are_refused() {
        for broken in ["\"a", "\"a\\", "\"a\\b\"", "{5}\r\nabc", "{5}", "{x}\r\n", "{1}\r\n\0", "(", "{9999999999999999999}\r\n"] {
            assert!(args(broken).astring().is_err(), "{broken:?}");
        }
        assert!(args("atom").string().is_err());
    }

    #[test]
    fn words_are_known_in_any_case_and_only_whole() {
        let mut all = args("uid BODY.PEEK[HEADER]");
        assert!(!all.is_word("UI"));
        assert!(all.is_word("UID") && all.takes(b' '));
        assert_eq!(all.word(), Ok("BODY.PEEK"));
        assert_eq!(all.rest(), b"[HEADER]");
    }

    #[test]
    fn sets_are_ranges_or_the_saved_result() {
        use Bound::{Last, Number};
        let ranges = vec![(Number(2), Number(2)), (Number(4), Number(7)), (Last, Number(9)), (Last, Last)];
        assert_eq!(args("2,4:7,*:9,* ").set(), Ok(Set::Ranges(ranges)));
        assert_eq!(args("$").set(), Ok(Set::Saved));
        for broken in ["", "0", "1,", "1:", ":1", "4294967296", "a"] {
            assert!(args(broken).set().is_err(), "{broken}");
        }
    }

    #[test]
    fn mailboxes_are_utf7_until_utf8_is_enabled() {
        let plain = Namespace::new("", '/');
        let folder = |text: &str, is_utf8| Args::new(text.as_bytes(), is_utf8).mailbox(&plain);
        let called = |name: &str| Ok(FolderName::parse(name, '/'));
        assert_eq!(folder("Entw&APw-rfe", false), called("Entwürfe"));
        assert_eq!(folder("\"Entwürfe\"", true), called("Entwürfe"));
        assert_eq!(folder("\"R&D\"", true), called("R&D"));
        assert_eq!(folder("iNbOx", false), Ok(Ok(FolderName::inbox())));
        assert!(folder("\"R&D\"", false).is_err());
        assert!(folder("\"a//b\"", false).unwrap().is_err());
    }

    #[test]
    fn patterns_need_no_quotes() {
        let mut all = args("a/%* \"b *\"");
        assert_eq!((all.pattern(), all.space(), all.pattern()), (Ok("a/%*".into()), Ok(()), Ok("b *".into())));
    }

    #[test]
    fn dates_are_days_and_moments() {
        let day = NaiveDate::from_ymd_opt(1994, 2, 1).unwrap();
        assert_eq!(args("1-Feb-1994").date(), Ok(day));
        assert_eq!(args("\"01-feb-1994\"").date(), Ok(day));
        assert!(args("31-Feb-1994").date().is_err() && args("1-Feb-94").date().is_err() && args("+1-Feb-1994").date().is_err());
        assert_eq!(args("\"17-Jul-1996 02:44:25 -0700\"").date_time(), Ok(837_596_665));
        assert_eq!(args("\" 1-Jan-1970 01:00:00 +0100\"").date_time(), Ok(0));
        for broken in ["\"17-Jul-1996\"", "17-Jul-1996 02:44:25 -0700", "\"17-Jul-1996 24:44:25 -0700\"", "\"17-Jul-1996 02:44:25 0700\""] {
            assert!(args(broken).date_time().is_err(), "{broken}");
        }
    }

    #[test]
    fn flags_come_with_and_without_parentheses() {
        let marked = (Flags::SEEN.with(Flags::DELETED), vec!["$Junk".to_owned()]);
        assert_eq!(args("(\\Seen $Junk \\deleted)").flags(), Ok(marked.clone()));
        assert_eq!(args("\\Seen $Junk \\deleted").flags(), Ok(marked));
        assert_eq!(args("()").flags(), Ok((Flags::NONE, Vec::new())));
        assert!(args("(\\Foo)").flags().is_err() && args("(a").flags().is_err() && args("").flags().is_err());
    }

    #[test]
    fn numbers_have_limits() {
        assert_eq!(args("4294967295").number(), Ok(u32::MAX));
        assert_eq!(args("4294967296").number(), Err(Bad("number too large")));
        assert_eq!(args("9223372036854775807").number64(), Ok(i64::MAX as u64));
        assert_eq!(args("9223372036854775808").number64(), Err(Bad("number too large")));
        assert_eq!(args("x").number(), Err(Bad("number expected")));
    }

    proptest! {
        #[test]
        fn nothing_panics(octets in proptest::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"{}\"\\()19*:,$\r\n- "[..])], 0..40)) {
            let all = Args::new(&octets, true);
            let readers: [fn(&mut Args<'_>); 7] = [
                |args| _ = args.astring(), |args| _ = args.set(), |args| _ = args.date(), |args| _ = args.date_time(),
                |args| _ = args.flags(), |args| _ = args.pattern(), |args| _ = args.nstring(),
            ];
            readers.iter().for_each(|read| read(&mut all.clone()));
        }

        #[test]
        fn what_is_quoted_comes_back(text in "[ -~]{0,30}") {
            let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            let mut all = args(&quoted);
            prop_assert_eq!(all.string().unwrap().into_owned(), text.as_bytes());
            prop_assert!(all.is_at_end());
        }
    }
}

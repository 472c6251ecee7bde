//! Names of a Maildir's files: what identifies the message, its sizes, and its flags behind the colon.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::store::{Flags, Uidl};

/// The name of a file in `cur/` or `new/`: `base[,S=n][,W=n][:2,FLAGS]`. Any octets are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileName<'a> {
    whole: &'a [u8],
    /// Where the base ends: the first colon.
    base: usize,
    /// Where the flags' info begins: the last colon.
    info: usize,
}

impl<'a> FileName<'a> {
    /// Takes a name apart.
    pub fn parse(name: &'a OsStr) -> FileName<'a> {
        let whole = name.as_bytes();
        let base = memchr::memchr(b':', whole).unwrap_or(whole.len());
        let info = memchr::memrchr(b':', whole).unwrap_or(whole.len());
        FileName { whole, base, info }
    }

    /// What identifies the message and never changes while the file exists: all before the first colon, sizes included.
    pub fn base(self) -> &'a [u8] {
        &self.whole[..self.base]
    }

    /// The flags and keywords that the name shows.
    pub fn marks(self) -> Marks {
        self.letters().iter().fold(Marks::default(), |marks, &letter| marks.with_letter(letter))
    }

    /// How much of the name [`Marks`] can say.
    pub fn form(self) -> Form {
        let info = &self.whole[self.base..];
        match info.is_empty() {
            true => Form::Bare,
            false if self.marks().info().as_bytes() == info => Form::Canonical,
            false => Form::Odd,
        }
    }

    /// The name with other marks. Letters that we don't know stay, and what stands behind a further comma, as with Dovecot.
    pub fn with(self, marks: Marks) -> OsString {
        let (letters, rest) = (self.letters(), self.behind_letters());
        let unknown = letters.iter().filter(|&&letter| Marks::default().with_letter(letter) == Marks::default());
        let mut letters: Vec<u8> = marks.letters().chain(unknown.copied()).collect();
        letters.sort_unstable();
        letters.dedup();
        OsString::from_vec([&self.whole[..self.info], b":2,", &letters, rest].concat())
    }

    /// Octets of the file, as its name says: `,S=`.
    pub fn size(self) -> Option<u64> {
        size(self.base(), b'S')
    }

    /// Octets of the message with line ends CRLF, as its name says: `,W=`.
    pub fn wire_size(self) -> Option<u64> {
        size(self.base(), b'W')
    }

    /// The letters behind `:2,` and what stands behind these.
    fn version_2(self) -> (&'a [u8], &'a [u8]) {
        let info = self.whole[self.info..].strip_prefix(b":2,").unwrap_or_default();
        info.split_at(memchr::memchr(b',', info).unwrap_or(info.len()))
    }

    fn letters(self) -> &'a [u8] {
        self.version_2().0
    }

    fn behind_letters(self) -> &'a [u8] {
        self.version_2().1
    }
}

/// How far a name's part behind the colon is what we would write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// There is none, as in `new/`.
    Bare,
    /// Just [`Marks::info`]: base and marks give the name again.
    Canonical,
    /// Anything else: unknown, unsorted or doubled letters, another version. The name must be kept.
    Odd,
}

/// What the letters behind the colon say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// `D`, `F`, `R`, `S` and `T`; never [`Flags::OLD`], which the folder shows: `new/` or `cur/`.
    pub flags: Flags,
    /// `P`: the message was resent, forwarded or bounced (maildir(5)).
    pub passed: bool,
    /// The letters `a` to `z` as bits 0 to 25; `dovecot-keywords` says what they mean.
    pub keywords: u32,
}

impl Marks {
    /// The part of a file name for these: `:2,` and the letters in order.
    pub fn info(self) -> String {
        [':', '2', ','].into_iter().chain(self.letters().map(char::from)).collect()
    }

    /// In the order of ASCII.
    fn letters(self) -> impl Iterator<Item = u8> {
        let shown = move |letter| Marks::default().with_letter(letter).is_within(self);
        (b'D'..=b'T').chain(b'a'..=b'z').filter(move |letter| is_known(*letter) && shown(*letter))
    }

    fn is_within(self, other: Marks) -> bool {
        other.flags.contains(self.flags) && (!self.passed || other.passed) && other.keywords & self.keywords == self.keywords
    }

    /// A letter that is unknown changes nothing.
    fn with_letter(mut self, letter: u8) -> Marks {
        match letter {
            b'P' => self.passed = true,
            b'a'..=b'z' => self.keywords |= 1 << (letter - b'a'),
            _ => self.flags = LETTERS.iter().filter(|(known, _)| *known == letter).fold(self.flags, |flags, (_, flag)| flags.with(*flag)),
        }
        self
    }
}

fn is_known(letter: u8) -> bool {
    letter == b'P' || letter.is_ascii_lowercase() || LETTERS.iter().any(|(known, _)| *known == letter)
}

const LETTERS: [(u8, Flags); 5] =
    [(b'D', Flags::DRAFT), (b'F', Flags::FLAGGED), (b'R', Flags::ANSWERED), (b'S', Flags::SEEN), (b'T', Flags::DELETED)];

/// The number behind the first `,K=`, if a comma or the end follows.
fn size(base: &[u8], kind: u8) -> Option<u64> {
    let field = base.split(|&octet| octet == b',').skip(1).find_map(|field| field.strip_prefix(&[kind, b'=']))?;
    number(field)
}

/// A number of digits alone.
pub(super) fn number<N: std::str::FromStr>(digits: &[u8]) -> Option<N> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

/// What makes the name of a new file unique: maildir(5)'s time, process, count and host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth<'a> {
    /// Since 1970.
    pub seconds: u64,
    pub micros: u32,
    pub pid: u32,
    /// Files that this process made before.
    pub nth: u64,
    /// The UID it was promised in the mailbox of that UIDVALIDITY.
    pub promised: Option<Uidl>,
    /// This machine's name, as it is.
    pub host: &'a str,
}

impl Birth<'_> {
    /// The base for a message of `size` octets in the file and `wire` octets with line ends CRLF, where that is known.
    pub fn base(self, size: u64, wire: Option<u64>) -> String {
        let Birth { seconds, micros, pid, nth, .. } = self;
        let promise = self.promised.map_or(String::new(), |uidl| format!("U{:08x}Y{:08x}", uidl.uid, uidl.uidvalidity));
        let wire = wire.map_or(String::new(), |wire| format!(",W={wire}"));
        format!("{seconds}.M{micros}P{pid}Q{nth}{promise}.{},S={size}{wire}", host(self.host))
    }
}

/// maildir(5): `/` and `:` as octal numbers. So the comma, which would begin a size; what else is no letter of a host is left out.
fn host(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_ascii_graphic() && *letter != '\\').take(64);
    let escaped = letters.map(|letter| match letter {
        '/' | ':' | ',' => format!("\\{:03o}", u32::from(letter)),
        _ => letter.into(),
    });
    let host: String = escaped.collect();
    if host.is_empty() { "localhost".into() } else { host }
}

/// The UID that [`Birth::promised`] put into a base, and for which UIDVALIDITY. Only the very form that we write counts, for any
/// program may name files.
pub fn promised(base: &[u8]) -> Option<Uidl> {
    let mut parts = base.splitn(3, |&octet| octet == b'.');
    let (seconds, middle, _host) = (parts.next()?, parts.next()?, parts.next()?);
    let (unique, promise) = middle.split_at_checked(middle.len().checked_sub(18)?)?;
    let unique = unique.strip_prefix(b"M")?;
    let (micros, rest) = unique.split_at(memchr::memchr(b'P', unique)?);
    let (pid, nth) = rest[1..].split_at(memchr::memchr(b'Q', &rest[1..])?);
    if [seconds, micros, pid, &nth[1..]].into_iter().any(|digits| number::<u64>(digits).is_none()) {
        return None;
    }
    let uid = hex(promise[..9].strip_prefix(b"U")?)?;
    let uidvalidity = hex(promise[9..].strip_prefix(b"Y")?)?;
    (uid != 0 && uidvalidity != 0).then_some(Uidl { uidvalidity, uid })
}

fn hex(digits: &[u8]) -> Option<u32> {
    let plain = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| plain)?, 16).ok()
}

/// The order in which unknown files get their UIDs: by the time in the name, then its microseconds, then all of it.
pub fn by_arrival(one: &[u8], other: &[u8]) -> Ordering {
    time(one).cmp(&time(other)).then_with(|| one.cmp(other))
}

fn time(base: &[u8]) -> (u64, u32) {
    let mut parts = base.split(|&octet| octet == b'.');
    let seconds = parts.next().map_or(0, leading);
    let micros = parts.next().and_then(|middle| middle.get(memchr::memchr(b'M', middle)? + 1..)).map_or(0, leading);
    (seconds, u32::try_from(micros).unwrap_or(0))
}

/// The number that `text` begins with; 0 without one.
fn leading(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|octet| octet.is_ascii_digit()).count();
    number(&text[..digits]).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> FileName<'_> {
        FileName::parse(OsStr::new(name))
    }

    #[test]
    fn names_are_taken_apart() {
        let name = parse("1721900000.M1P2.host,S=1234,W=1250:2,FSac");
        assert_eq!(name.base(), b"1721900000.M1P2.host,S=1234,W=1250");
        assert_eq!((name.size(), name.wire_size()), (Some(1234), Some(1250)));
        assert_eq!(name.marks(), Marks { flags: Flags::SEEN.with(Flags::FLAGGED), passed: false, keywords: 0b101 });
        assert_eq!(name.form(), Form::Canonical);
        assert_eq!(parse("1.2.host").form(), Form::Bare);
    }

    #[test]
    fn sizes_stand_behind_commas_of_the_base() {
        for (name, size) in [("a,S=1", Some(1)), ("a,W=2,S=1", Some(1)), ("a,X,S=1,Y:2,", Some(1))] {
            assert_eq!(parse(name).size(), size);
        }
        for name in ["aS=1", "S=1", "a,S=", "a,S=1x", "a,S=-1", "a,S=99999999999999999999", "a:2,S=1", "a:2,,S=1"] {
            assert_eq!(parse(name).size(), None, "{name}");
        }
    }

    #[test]
    fn unknown_letters_and_what_follows_them_stay() {
        let seen = Marks { flags: Flags::SEEN, ..Marks::default() };
        for (name, after) in [
            ("a", "a:2,S"),
            ("a:2,DFPRTaz", "a:2,S"),
            ("a:2,XGT", "a:2,GSX"),
            ("a:2,T,foo", "a:2,S,foo"),
            ("a:1,foo", "a:2,S"),
            ("a:b:2,T", "a:b:2,S"),
        ] {
            assert_eq!(parse(name).with(seen), after, "{name}");
        }
        for odd in ["a:", "a:2", "a:1,S", "a:2,SF", "a:2,SS", "a:2,X", "a:2,S,", "a:b:2,S"] {
            assert_eq!(parse(odd).form(), Form::Odd, "{odd}");
        }
    }

    #[test]
    fn every_set_of_marks_has_its_letters() {
        let all = [Flags::SEEN, Flags::ANSWERED, Flags::FLAGGED, Flags::DELETED, Flags::DRAFT].into_iter().fold(Flags::NONE, Flags::with);
        let marks = Marks { flags: all, passed: true, keywords: (1 << 26) - 1 };
        assert_eq!(marks.info(), ":2,DFPRSTabcdefghijklmnopqrstuvwxyz");
        assert_eq!(parse(&format!("a{}", marks.info())).marks(), marks);
        assert_eq!(Marks::default().info(), ":2,");
    }

    #[test]
    fn a_new_name_says_what_it_was_promised() {
        let promise = Uidl { uidvalidity: 0x66aa_0001, uid: 26 };
        let birth = Birth { seconds: 1_721_900_000, micros: 12, pid: 3, nth: 4, promised: Some(promise), host: "a:b/c,d" };
        let base = birth.base(1234, Some(1250));
        assert_eq!(base, "1721900000.M12P3Q4U0000001aY66aa0001.a\\072b\\057c\\054d,S=1234,W=1250");
        assert_eq!(promised(base.as_bytes()), Some(promise));
        assert_eq!(parse(&base).wire_size(), Some(1250));
        let plain = Birth { promised: None, host: "", ..birth }.base(5, None);
        assert_eq!(plain, "1721900000.M12P3Q4.localhost,S=5");
        assert_eq!(promised(plain.as_bytes()), None);
    }

    #[test]
    fn only_our_own_mark_is_a_promise() {
        for base in [
            "1.M1P2Q3U0000001AY66aa0001.host",
            "1.M1P2Q3U1aY66aa0001.host",
            "1.M1P2Q3U00000000Y66aa0001.host",
            "1.M1P2Q3U0000001aY66aa0001",
            "1.P2Q3U0000001aY66aa0001.host",
            "x.M1P2Q3U0000001aY66aa0001.host",
            "1.M1P2U0000001aY66aa0001.host",
            "1.M1P2Q3U0000001aY66aa0001x.host",
            "1.M1P2Q3.U0000001aY66aa0001.host",
            "",
        ] {
            assert_eq!(promised(base.as_bytes()), None, "{base}");
        }
    }

    #[test]
    fn unknown_files_are_numbered_as_they_came() {
        let mut names = ["10.M5P1.a", "9.M9P1.a", "10.M30P1.a", "cur", "10.V1M4.a"].map(str::as_bytes);
        names.sort_by(|one, other| by_arrival(one, other));
        assert_eq!(names, ["cur", "9.M9P1.a", "10.V1M4.a", "10.M5P1.a", "10.M30P1.a"].map(str::as_bytes));
    }
}

//! Keywords beside a Maildir: what the letters a to z mean, and a list for what the letters have no room for.

use std::borrow::Cow;

/// `dovecot-keywords`: lines like `0 Junk`, the number being the letter's place after `a`. Written under the lock of
/// `dovecot-uidlist`, always whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Letters([Option<Box<[u8]>>; LETTERS]);

impl Letters {
    /// Reads the file. As Dovecot does, it passes over lines that make no sense and over the second letter of a keyword.
    pub fn parse(file: &[u8]) -> Letters {
        let mut letters = Letters::default();
        for line in file.split(|&octet| octet == b'\n').filter(|line| line.len() <= LONGEST_LINE) {
            let Some((number, name)) = memchr::memchr(b' ', line).map(|blank| (&line[..blank], &line[blank + 1..])) else { continue };
            let at = super::name::number::<usize>(number).filter(|&at| at < LETTERS && !name.is_empty());
            if let Some(at) = at.filter(|_| letters.find(name).is_none()) {
                letters.0[at] = Some(name.into());
            }
        }
        letters
    }

    /// The keyword of a letter, 0 for `a`; `None` as well for a name that IMAP could not say.
    pub fn name(&self, letter: usize) -> Option<&str> {
        self.0.get(letter)?.as_deref().and_then(|name| std::str::from_utf8(name).ok()).filter(|name| is_keyword(name))
    }

    /// The letter of a keyword, in whatever case (RFC 9051 §2.3.2).
    pub fn letter(&self, keyword: &str) -> Option<usize> {
        self.find(keyword.as_bytes())
    }

    /// The letter of a keyword, a free one if it had none; then the file must be written before the letter is used. `None` when
    /// all are taken or it is [no keyword](is_keyword).
    pub fn assign(&mut self, keyword: &str) -> Option<usize> {
        if let Some(letter) = self.letter(keyword) {
            return Some(letter);
        }
        let free = self.0.iter().position(Option::is_none).filter(|_| is_keyword(keyword))?;
        self.0[free] = Some(keyword.as_bytes().into());
        Some(free)
    }

    /// The file's text.
    pub fn write(&self) -> Vec<u8> {
        let known = self.0.iter().enumerate().filter_map(|(letter, name)| Some((letter, name.as_deref()?)));
        known.flat_map(|(letter, name)| [letter.to_string().as_bytes(), b" ", name, b"\n"].concat()).collect()
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.0.iter().position(|known| known.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(name)))
    }
}

/// Whether it is an atom, as IMAP's keywords are (RFC 9051 §9), of 255 octets at most.
pub fn is_keyword(text: &str) -> bool {
    let special = |octet| matches!(octet, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']');
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic() && !special(octet))
}

/// Reads `vmail-keywords`, our own: a line for each change of a message's keywords beyond the letters, `BASE KEYWORD KEYWORD...`.
/// A later line of the same base is the one that counts; one without keywords takes all away. Octets of the base that would end a
/// word are written `%20`.
pub fn read(file: &[u8]) -> Changes<'_> {
    Changes { rest: &file[..file.len().min(LARGEST)], damaged: file.len() > LARGEST }
}

/// The lines of `vmail-keywords` from the oldest to the newest. Damaged lines are left out, and all that is beyond [`LARGEST`].
#[derive(Debug, Clone)]
pub struct Changes<'a> {
    rest: &'a [u8],
    damaged: bool,
}

impl Changes<'_> {
    /// Whether something was left out so far, or the last line has no end: a line that is appended must begin with LF, or the file
    /// be written anew.
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }
}

impl<'a> Iterator for Changes<'a> {
    type Item = Change<'a>;

    fn next(&mut self) -> Option<Change<'a>> {
        while let Some(end) = memchr::memchr(b'\n', self.rest) {
            let line = &self.rest[..end];
            self.rest = &self.rest[end + 1..];
            match Change::parse(line) {
                Some(change) => return Some(change),
                None => self.damaged = true,
            }
        }
        self.damaged |= !self.rest.is_empty();
        None
    }
}

/// The keywords beyond the letters that a message has from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'a> {
    pub base: Cow<'a, [u8]>,
    keywords: &'a str,
}

impl<'a> Change<'a> {
    fn parse(line: &'a [u8]) -> Option<Change<'a>> {
        let line = std::str::from_utf8(line).ok().filter(|line| line.len() <= LONGEST_LINE)?;
        let (base, keywords) = line.split_once(' ').unwrap_or((line, ""));
        let fit = keywords.is_empty() || keywords.split(' ').all(is_keyword);
        Some(Change { base: unescaped(base.as_bytes())?, keywords }).filter(|change| fit && !change.base.is_empty())
    }

    /// Them, one by one.
    pub fn keywords(&self) -> impl Iterator<Item = &'a str> {
        self.keywords.split(' ').filter(|keyword| !keyword.is_empty())
    }
}

/// Appends a line of `vmail-keywords`.
///
/// # Errors
/// One of them is [no keyword](is_keyword), or there are more than a line can have, some hundred of the usual length; nothing is
/// appended.
pub fn write<'k>(out: &mut Vec<u8>, base: &[u8], keywords: impl IntoIterator<Item = &'k str>) -> Result<(), TooMany> {
    let whole = out.len();
    base.iter().for_each(|&octet| match is_plain(octet) {
        true => out.push(octet),
        false => out.extend_from_slice(format!("%{octet:02X}").as_bytes()),
    });
    let mut fit = !base.is_empty();
    for keyword in keywords {
        fit &= is_keyword(keyword) && out.len() - whole + keyword.len() < LONGEST_LINE;
        if !fit {
            break;
        }
        out.push(b' ');
        out.extend_from_slice(keyword.as_bytes());
    }
    if !fit || out.len() - whole > LONGEST_LINE {
        out.truncate(whole);
        return Err(TooMany);
    }
    out.push(b'\n');
    Ok(())
}

/// More keywords on one message than we keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message can't have so many keywords")]
pub struct TooMany;

fn is_plain(octet: u8) -> bool {
    octet.is_ascii_graphic() && octet != b'%'
}

/// `None` unless it is what [`write`] would write.
fn unescaped(word: &[u8]) -> Option<Cow<'_, [u8]>> {
    if word.iter().all(|&octet| is_plain(octet)) {
        return Some(word.into());
    }
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, after)) = rest.split_first() {
        rest = match first {
            b'%' => {
                let (digits, after) = after.split_at_checked(2)?;
                let octet = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
                (!is_plain(octet) && format!("{octet:02X}").as_bytes() == digits).then(|| out.push(octet))?;
                after
            }
            _ => {
                is_plain(first).then(|| out.push(first))?;
                after
            }
        };
    }
    Some(out.into())
}

const LETTERS: usize = 26;
/// Octets of a keyword.
const LONGEST: usize = 255;
/// Octets of a line.
const LONGEST_LINE: usize = 64 << 10;
/// Octets that are read of `vmail-keywords`.
pub const LARGEST: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_mean_what_dovecot_says() {
        let file = b"0 $Forwarded\n1 Junk\n25 NonJunk\n";
        let mut letters = Letters::parse(file);
        assert_eq!(
            (letters.name(0), letters.name(2), letters.name(25), letters.name(26)),
            (Some("$Forwarded"), None, Some("NonJunk"), None)
        );
        assert_eq!(letters.write(), file);
        assert_eq!(letters.assign("JUNK"), Some(1));
        assert_eq!(letters.assign("new"), Some(2));
        assert_eq!(letters.assign("no keyword"), None);
        (0..23).for_each(|nth| _ = letters.assign(&format!("k{nth}")));
        assert_eq!(letters.assign("one-more"), None);
    }

    #[test]
    fn nonsense_has_no_letter() {
        let letters = Letters::parse(b"junk\n26 a\n-1 b\nx c\n3 \n0 Junk\n1 junk\n2 a(b\n0 Spam\n\xff\n4 torn");
        assert_eq!(letters.write(), b"0 Spam\n2 a(b\n4 torn\n");
        assert_eq!(letters.name(2), None);
    }

    #[test]
    fn what_has_no_letter_has_a_line() {
        let mut file = Vec::new();
        write(&mut file, b"1.M2.host,S=3", ["$MDNSent", "x"]).unwrap();
        write(&mut file, b"a b%\xff", []).unwrap();
        assert_eq!(file, b"1.M2.host,S=3 $MDNSent x\na%20b%25%FF\n");
        let mut changes = read(&file);
        let first = changes.next().unwrap();
        assert_eq!((&*first.base, first.keywords().collect::<Vec<_>>()), (&b"1.M2.host,S=3"[..], vec!["$MDNSent", "x"]));
        let second = changes.next().unwrap();
        assert_eq!((&*second.base, second.keywords().count()), (&b"a b%\xff"[..], 0));
        assert!(changes.next().is_none() && !changes.is_damaged());
    }

    #[test]
    fn damage_costs_no_good_line() {
        for line in ["", " a", "b  c", "b c ", "b c(", "%2 c", "%41 c", "%2f c", "\0 c"] {
            let file = format!("a x\n{line}\nz y\n");
            let mut changes = read(file.as_bytes());
            assert_eq!(changes.by_ref().map(|change| change.base.into_owned()).collect::<Vec<_>>(), [b"a", b"z"], "{line}");
            assert!(changes.is_damaged());
        }
        let mut torn = read(b"a x\nb y");
        assert_eq!((torn.by_ref().count(), torn.is_damaged()), (1, true));
    }

    #[test]
    fn a_line_has_its_limits() {
        let (mut out, long) = (Vec::new(), "k".repeat(255));
        assert_eq!(write(&mut out, b"a", ["a b"]), Err(TooMany));
        assert_eq!(write(&mut out, b"a", [format!("{long}k").as_str()]), Err(TooMany));
        assert_eq!(write(&mut out, b"a", std::iter::repeat_n(long.as_str(), 300)), Err(TooMany));
        assert_eq!(write(&mut out, b"", ["a"]), Err(TooMany));
        assert!(out.is_empty());
    }
}

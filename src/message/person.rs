//! The first address of a list in an ENVELOPE (RFC 9051 §7.5.2), for whoever sorts by it.

use std::borrow::Cow;

use super::charset::decode_words;

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum List {
    From = 2,
    Sender,
    ReplyTo,
    To,
    Cc,
    Bcc,
}

/// An address as ENVELOPE has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person<'a> {
    pub name: Option<Cow<'a, [u8]>>,
    /// The local part; of a group its name.
    pub mailbox: Option<Cow<'a, [u8]>>,
    /// `None` for a group.
    pub host: Option<Cow<'a, [u8]>>,
}

impl<'a> Person<'a> {
    /// The first of a list; `None` if there is none, or the envelope is damaged.
    pub fn first(envelope: &'a [u8], list: List) -> Option<Person<'a>> {
        let mut rest = envelope.strip_prefix(b"(")?;
        for _ in 0..list as usize {
            skip(&mut rest)?;
            rest = rest.strip_prefix(b" ")?;
        }
        rest = rest.strip_prefix(b"((")?;
        let name = nstring(&mut rest)?;
        rest = rest.strip_prefix(b" ")?;
        nstring(&mut rest)?;
        rest = rest.strip_prefix(b" ")?;
        let mailbox = nstring(&mut rest)?;
        rest = rest.strip_prefix(b" ")?;
        let host = nstring(&mut rest)?;
        Some(Person { name, mailbox, host })
    }

    /// What a list of messages shows of it (RFC 5957 §3): its name, or else the address.
    pub fn display(&self) -> String {
        let part = |part: &Option<Cow<'a, [u8]>>| part.as_deref().map(decode_words).unwrap_or_default();
        match (&self.name, &self.host) {
            (Some(name), _) if !name.is_empty() => decode_words(name),
            (_, Some(_)) => format!("{}@{}", part(&self.mailbox), part(&self.host)),
            (_, None) => part(&self.mailbox),
        }
    }
}

/// A string or NIL.
fn nstring<'a>(rest: &mut &'a [u8]) -> Option<Option<Cow<'a, [u8]>>> {
    match rest.first()? {
        b'"' => quoted(rest).map(Some),
        b'{' => literal(rest).map(Some),
        _ => {
            *rest = rest.strip_prefix(b"NIL")?;
            Some(None)
        }
    }
}

/// A string, NIL, or a list of lists.
fn skip(rest: &mut &[u8]) -> Option<()> {
    let mut depth = 0usize;
    loop {
        match rest.first()? {
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1)?,
            b' ' => {}
            _ => {
                nstring(rest)?;
                if depth == 0 {
                    return Some(());
                }
                continue;
            }
        }
        *rest = &rest[1..];
        if depth == 0 {
            return Some(());
        }
    }
}

fn quoted<'a>(rest: &mut &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let text = &rest[1..];
    let end = memchr::memchr2(b'"', b'\\', text)?;
    if text[end] == b'"' {
        *rest = &text[end + 1..];
        return Some(Cow::Borrowed(&text[..end]));
    }
    let (mut out, mut at) = (text[..end].to_vec(), end);
    loop {
        match *text.get(at)? {
            b'"' => break,
            b'\\' => {
                out.push(*text.get(at + 1)?);
                at += 2;
            }
            octet => {
                out.push(octet);
                at += 1;
            }
        }
    }
    *rest = &text[at + 1..];
    Some(Cow::Owned(out))
}

fn literal<'a>(rest: &mut &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let end = memchr::memchr(b'}', rest)?;
    let len: usize = str::from_utf8(&rest[1..end]).ok()?.parse().ok()?;
    let (octets, after) = rest[end + 1..].strip_prefix(b"\r\n")?.split_at_checked(len)?;
    *rest = after;
    Some(Cow::Borrowed(octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Scanner;

    fn envelope(header: &str) -> Vec<u8> {
        let mut scanner = Scanner::new();
        scanner.feed(header.as_bytes());
        scanner.finish().entry.envelope
    }

    #[test]
    fn the_first_address_is_found_and_shown() {
        let all = envelope(
            "Subject: a \"quoted\" ü\nFrom: \"J. \\\"X\\\" Doe\" <jd@x.example>, b@y\nTo: friends: a@x, b@x;\nCc: =?utf-8?q?J=C3=BC?= <j@z>\n\n",
        );
        let shown = |list| Person::first(&all, list).map(|person| person.display());
        assert_eq!(shown(List::From).unwrap(), "J. \"X\" Doe");
        assert_eq!(shown(List::To).unwrap(), "friends");
        assert_eq!(shown(List::Cc).unwrap(), "Jü");
        assert_eq!(shown(List::Bcc), None);
        let plain = envelope("From: jd@x.example\n\n");
        let person = Person::first(&plain, List::Sender).unwrap();
        assert_eq!((person.display().as_str(), person.mailbox.as_deref()), ("jd@x.example", Some(&b"jd"[..])));
    }

    #[test]
    fn damage_finds_nobody() {
        let all = envelope("From: =?utf-8?q?J=C3=BC?= <j@z>\nSubject: {5}\n\n");
        for cut in 0..all.len() {
            Person::first(&all[..cut], List::From);
            Person::first(&all[..cut], List::Bcc);
        }
        assert_eq!(Person::first(b"(((((((((", List::Bcc), None);
        assert_eq!(Person::first(b"())))", List::Cc), None);
    }
}

//! Lists of addresses (RFC 5322 §3.4, §4.4; RFC 6532) in the form that IMAP sends: encoded words as they are, each address as
//! `(name route mailbox host)`, a group between one with its name alone and one with nothing.
//!
//! What is not well-formed is made the best of, and never hides what stands behind the next comma.

use super::header::squeeze;
use super::lexer::{Lexer, is_blank};
use super::nstring::nstring;

/// Writes the addresses of a value, one behind the other, as many as there is `room` for; a group's ends count as addresses.
pub fn write(out: &mut Vec<u8>, value: &[u8], room: &mut usize) {
    let mut list = List { lexer: Lexer::new(value), phrase: Phrase::default(), in_group: false, out, room };
    while *list.room > usize::from(list.in_group) && list.step() {}
    if list.in_group && *list.room > 0 {
        list.group_end();
    }
}

/// What stands for a local part or a domain that is missing, as in other servers: NIL would mean a group.
const NO_MAILBOX: &[u8] = b"MISSING_MAILBOX";
const NO_HOST: &[u8] = b"MISSING_DOMAIN";

struct List<'a, 'o> {
    lexer: Lexer<'a>,
    phrase: Phrase,
    in_group: bool,
    out: &'o mut Vec<u8>,
    room: &'o mut usize,
}

impl List<'_, '_> {
    /// Reads a word, or what an address ends with. Returns whether there was one.
    fn step(&mut self) -> bool {
        let spaced = self.lexer.space();
        let Some(next) = self.lexer.peek() else {
            self.bare();
            return false;
        };
        match next {
            b',' => self.separator(),
            b';' => self.semicolon(),
            b':' => self.colon(),
            b'<' => self.angle(),
            b'@' => self.address(),
            b'"' => self.quoted(spaced),
            _ => self.phrase.push(self.lexer.until(ends_word), spaced),
        }
        true
    }

    fn separator(&mut self) {
        self.lexer.skip();
        self.bare();
        self.phrase.clear();
        self.lexer.comment.clear();
    }

    /// The end of a group, or a comma as some clients write it.
    fn semicolon(&mut self) {
        self.separator();
        if self.in_group {
            self.group_end();
        }
    }

    fn colon(&mut self) {
        self.lexer.skip();
        if !self.in_group && *self.room < 2 {
            *self.room = 0;
        } else if !self.in_group {
            let name = std::mem::take(&mut self.phrase).text;
            self.put([None, None, Some(&name), None]);
            self.in_group = true;
        }
        self.phrase.clear();
        self.lexer.comment.clear();
    }

    fn group_end(&mut self) {
        self.put([None; 4]);
        self.in_group = false;
    }

    fn quoted(&mut self, spaced: bool) {
        let mut text = Vec::new();
        self.lexer.skip();
        self.lexer.quoted(&mut text);
        self.phrase.push(&text, spaced);
    }

    /// Words that no address follows: a local part alone, as local programs write it.
    fn bare(&mut self) {
        if !self.phrase.text.is_empty() {
            let mailbox = std::mem::take(&mut self.phrase).text;
            let name = std::mem::take(&mut self.lexer.comment);
            self.person(&name, &[], &mailbox, &[]);
        }
    }

    /// An address without angle brackets: the last word is its local part.
    fn address(&mut self) {
        let (name, mailbox) = std::mem::take(&mut self.phrase).split();
        self.lexer.skip();
        let host = domain(&mut self.lexer);
        self.pass_over();
        let name = if name.is_empty() { std::mem::take(&mut self.lexer.comment) } else { name };
        self.person(&name, &[], &mailbox, &host);
    }

    fn angle(&mut self) {
        self.lexer.skip();
        let name = std::mem::take(&mut self.phrase).text;
        let (route, mailbox) = route_and_mailbox(&mut self.lexer);
        let host = if self.lexer.takes(b'@') { domain(&mut self.lexer) } else { Vec::new() };
        self.lexer.until(|octet| matches!(octet, b'>' | b',' | b';'));
        self.lexer.takes(b'>');
        self.pass_over();
        self.person(&name, &route, &mailbox, &host);
    }

    /// What stands between an address and the next separator does not belong there.
    fn pass_over(&mut self) {
        loop {
            self.lexer.space();
            match self.lexer.peek() {
                None | Some(b',' | b';') => return,
                Some(b'"') => {
                    self.lexer.skip();
                    self.lexer.quoted(&mut Vec::new());
                }
                Some(_) => {
                    self.lexer.skip();
                    self.lexer.until(|octet| is_blank(octet) || b",;\"(".contains(&octet));
                }
            }
        }
    }

    fn person(&mut self, name: &[u8], route: &[u8], mailbox: &[u8], host: &[u8]) {
        let name = squeeze(name);
        let some = |text| Some(text).filter(|text: &&[u8]| !text.is_empty());
        let (mailbox, host) = (some(mailbox).unwrap_or(NO_MAILBOX), some(host).unwrap_or(NO_HOST));
        self.put([some(&name), some(route), Some(mailbox), Some(host)]);
    }

    fn put(&mut self, address: [Option<&[u8]>; 4]) {
        *self.room = self.room.saturating_sub(1);
        for (at, text) in address.into_iter().enumerate() {
            self.out.push(if at == 0 { b'(' } else { b' ' });
            nstring(self.out, text.map(squeeze).as_deref());
        }
        self.out.push(b')');
    }
}

/// Words until it is known what they are.
#[derive(Debug, Default)]
struct Phrase {
    text: Vec<u8>,
    /// Where the last word begins; dots join words (RFC 5322 §4.4).
    last: usize,
}

impl Phrase {
    fn push(&mut self, word: &[u8], spaced: bool) {
        if spaced && !self.text.is_empty() {
            self.text.push(b' ');
            self.last = self.text.len();
        }
        self.text.extend_from_slice(word);
    }

    /// What stands before the last word, and that.
    fn split(mut self) -> (Vec<u8>, Vec<u8>) {
        let last = self.text.split_off(self.last);
        (self.text, last)
    }

    fn clear(&mut self) {
        self.text.clear();
        self.last = 0;
    }
}

fn ends_word(octet: u8) -> bool {
    is_blank(octet) || matches!(octet, b',' | b';' | b':' | b'<' | b'@' | b'"' | b'(')
}

/// Behind `<`, until `@` or the end: a source route, if there is one, and a local part, both without white space and comments.
fn route_and_mailbox(lexer: &mut Lexer<'_>) -> (Vec<u8>, Vec<u8>) {
    let mut route = Vec::new();
    lexer.space();
    while lexer.peek() == Some(b'@') {
        let mut hop = Vec::new();
        lexer.skip();
        hop.extend(domain(lexer));
        match lexer.peek() {
            Some(b',' | b':') => {
                route.extend_from_slice(if route.is_empty() { b"@" } else { b",@" });
                route.extend(hop);
            }
            _ => return (hop_alone(route, &hop), Vec::new()),
        }
        let last = lexer.takes(b':');
        if !last {
            lexer.skip();
        }
        lexer.space();
    }
    (route, local_part(lexer))
}

/// `<@example>`: a domain without a local part is not worth more than a route.
fn hop_alone(mut route: Vec<u8>, hop: &[u8]) -> Vec<u8> {
    route.push(b'@');
    route.extend_from_slice(hop);
    route
}

fn local_part(lexer: &mut Lexer<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        lexer.space();
        match lexer.peek() {
            None | Some(b'@' | b'>' | b',' | b';') => return out,
            Some(b'"') => {
                lexer.skip();
                lexer.quoted(&mut out);
            }
            Some(octet) => {
                out.push(octet);
                lexer.skip();
                out.extend_from_slice(lexer.until(|octet| is_blank(octet) || b"@>,;\"(".contains(&octet)));
            }
        }
    }
}

/// A domain or an address literal, without white space and comments.
fn domain(lexer: &mut Lexer<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    lexer.space();
    if lexer.takes(b'[') {
        out.push(b'[');
        out.extend(lexer.until(|octet| b"],>".contains(&octet)).iter().filter(|octet| !is_blank(**octet)));
        out.push(b']');
        lexer.takes(b']');
        lexer.space();
        return out;
    }
    loop {
        out.extend_from_slice(lexer.until(|octet| ends_word(octet) || octet == b'>'));
        let spaced = lexer.space();
        let goes_on = spaced && (out.ends_with(b".") || lexer.peek() == Some(b'.'));
        if !goes_on {
            return out;
        }
    }
}

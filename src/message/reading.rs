//! What a message says, as text, while it is read: for whoever searches it.

use memchr::memchr;

use super::described;
use super::fields::{self, fields};
use super::header::Kept;
use super::part::{Kind, Part};
use super::stream::Stream;

/// A message on its way to be text. It holds at most the header being read (256 KiB of the message's own, 64 KiB of any other).
#[derive(Debug, Default)]
pub struct Reading {
    /// In the order in which they stand.
    regions: Vec<Region>,
    /// The one being read.
    at: usize,
    /// Stored octets before the next.
    here: u64,
    header: Option<Kept>,
    /// Of the last header that ended.
    charset: Option<String>,
    body: Option<Stream>,
    text: String,
    /// Memory for a header.
    lines: Vec<u8>,
}

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    /// A field of the message's own header: its name, and its value as text.
    Field(&'a [u8], &'a str),
    /// A field of a part's header, or of the header of a message inside.
    InnerField(&'a [u8], &'a str),
    /// A piece of a text.
    Text(&'a str),
    /// The text is over: what follows does not continue it.
    End,
}

/// How much of a message is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    Header,
    All,
}

/// A stretch of the message that is text: a header, or the body of a part.
#[derive(Debug, Clone, Copy)]
struct Region {
    from: u64,
    to: u64,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    OwnHeader,
    Header,
    Body { encoding: super::Encoding, is_html: bool },
}

impl Reading {
    /// Now it is in front of the first octet of a message that has these parts.
    pub fn begin(&mut self, parts: &[Part], extent: Extent) {
        let (mut regions, text, lines) = (std::mem::take(&mut self.regions), std::mem::take(&mut self.text), self.memory());
        regions.clear();
        for (at, part) in parts.iter().enumerate() {
            let what = if at == 0 { What::OwnHeader } else { What::Header };
            regions.push(Region { from: part.header, to: part.body.max(part.header), what });
            if extent == Extent::Header {
                break;
            }
            if part.kind == Kind::Leaf && is_text(&part.media) {
                let what = What::Body { encoding: part.encoding, is_html: part.media == "text/html" };
                regions.push(Region { from: part.body, to: part.body.saturating_add(part.len), what });
            }
        }
        *self = Reading { regions, text, lines, ..Reading::default() };
    }

    /// What serves again, unless it has become large.
    fn memory(&mut self) -> Vec<u8> {
        let lines = std::mem::take(&mut self.lines);
        if lines.capacity() <= LONGEST_HEADER { lines } else { Vec::new() }
    }

    /// How many of the octets that follow there are before nothing is text any more.
    pub fn left(&self) -> u64 {
        self.regions.last().map_or(0, |last| last.to.saturating_sub(self.here))
    }

    /// Whether nothing that follows is text.
    pub fn is_done(&self) -> bool {
        self.at >= self.regions.len()
    }

    /// Reads the next octets as they are stored.
    pub fn feed(&mut self, chunk: &[u8], say: &mut dyn FnMut(Said<'_>)) {
        let (from, to) = (self.here, self.here + chunk.len() as u64);
        self.here = to;
        while let Some(region) = self.regions.get(self.at).copied() {
            if region.from >= to && region.to > region.from {
                return;
            }
            // All within `chunk`, whose length is a usize.
            let piece = &chunk[(region.from.clamp(from, to) - from) as usize..(region.to.clamp(from, to) - from) as usize];
            let is_whole = self.header.is_none() && piece.len() as u64 == region.to - region.from;
            if is_whole && region.is_plain_header(piece) {
                // Kept as it is, it would be the same.
                self.at += 1;
                self.say_header(region, piece, say);
                continue;
            }
            self.take(region, piece, say);
            if region.to > to {
                return;
            }
            self.end(region, say);
        }
    }

    /// The message has ended.
    pub fn finish(&mut self, say: &mut dyn FnMut(Said<'_>)) {
        if let Some(region) = self.regions.get(self.at).copied() {
            self.end(region, say);
        }
        self.at = self.regions.len();
    }

    fn take(&mut self, region: Region, piece: &[u8], say: &mut dyn FnMut(Said<'_>)) {
        match region.what {
            What::OwnHeader | What::Header => {
                let most = region.longest();
                let header = self.header.get_or_insert_with(|| Kept::within(std::mem::take(&mut self.lines), most));
                let mut rest = piece;
                while !rest.is_empty() {
                    let (line, after) = rest.split_at(memchr(b'\n', rest).map_or(rest.len(), |end| end + 1));
                    header.push(line);
                    rest = after;
                }
            }
            What::Body { encoding, is_html } => {
                let charset = &self.charset;
                let body = self.body.get_or_insert_with(|| Stream::new(encoding, charset.as_deref(), is_html));
                if let Some(text) = body.as_it_is(piece) {
                    return say(Said::Text(text));
                }
                self.text.clear();
                body.feed(piece, &mut self.text);
                say(Said::Text(&self.text));
            }
        }
    }

    fn end(&mut self, region: Region, say: &mut dyn FnMut(Said<'_>)) {
        self.at += 1;
        if let Some(header) = self.header.take() {
            let lines = header.into_lines();
            self.say_header(region, &lines, say);
            self.lines = lines;
        }
        if let Some(mut body) = self.body.take() {
            self.text.clear();
            body.finish(&mut self.text);
            say(Said::Text(&self.text));
            say(Said::End);
        }
    }

    /// Says the fields in `lines`.
    fn say_header(&mut self, region: Region, lines: &[u8], say: &mut dyn FnMut(Said<'_>)) {
        let is_own = matches!(region.what, What::OwnHeader);
        let mut content = None;
        for (name, value) in fields(lines) {
            if content.is_none() && name.eq_ignore_ascii_case(b"Content-Type") {
                content = Some(value);
            }
            let value = fields::text(value);
            say(if is_own { Said::Field(name, &value) } else { Said::InnerField(name, &value) });
        }
        self.charset = described::charset(content);
    }
}

impl Region {
    /// Octets that are kept, if it is a header.
    fn longest(self) -> usize {
        if matches!(self.what, What::OwnHeader) { LONGEST_TOP_HEADER } else { LONGEST_HEADER }
    }

    /// Whether all of it is kept just as it stands there.
    fn is_plain_header(self, octets: &[u8]) -> bool {
        !matches!(self.what, What::Body { .. }) && octets.len() <= self.longest() && memchr(b'\r', octets).is_none()
    }
}

/// What people can read: not the data of attachments, but what a mail server reports of a message that it could not deliver.
fn is_text(media: &str) -> bool {
    media.starts_with("text/") || media.starts_with("message/")
}

/// Octets that are kept: of the message's header, of each other.
const LONGEST_TOP_HEADER: usize = 256 << 10;
const LONGEST_HEADER: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Scanner;

    fn said(message: &[u8], extent: Extent, len: usize) -> Vec<String> {
        let mut scanner = Scanner::new();
        scanner.feed(message);
        let mut reading = Reading::default();
        reading.begin(&scanner.finish().entry.parts, extent);
        let (mut all, mut text) = (Vec::new(), String::new());
        let mut say = |said: Said<'_>| match said {
            Said::Field(name, value) => all.push(format!("{}: {value}", name.escape_ascii())),
            Said::InnerField(name, value) => all.push(format!("> {}: {value}", name.escape_ascii())),
            Said::Text(piece) => text.push_str(piece),
            Said::End => all.push(std::mem::take(&mut text)),
        };
        for chunk in message.chunks(len) {
            if !reading.is_done() {
                reading.feed(chunk, &mut say);
            }
        }
        reading.finish(&mut say);
        all
    }

    const NESTED: &str = "Subject: =?utf-8?q?=C3=BC?=\nContent-Type: multipart/mixed; boundary=x\n\npreamble\n--x\n\nplain\n--x\n\
        Content-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n<b>=FC</b>\n--x\n\
        Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n--x\nContent-Type: message/rfc822\n\n\
        Subject: inner\n\nbody inside\n--x--\n";

    #[test]
    fn all_that_is_text_is_said_in_any_pieces() {
        let expected = [
            "Subject: ü",
            "Content-Type: multipart/mixed; boundary=x",
            "plain",
            "> Content-Type: text/html; charset=iso-8859-1",
            "> Content-Transfer-Encoding: quoted-printable",
            "ü",
            "> Content-Type: image/png; name=a.png",
            "> Content-Transfer-Encoding: base64",
            "> Content-Type: message/rfc822",
            "> Subject: inner",
            "body inside",
        ];
        for len in [1, 2, 7, 50, 10_000] {
            assert_eq!(said(NESTED.as_bytes(), Extent::All, len), expected, "{len}");
            assert_eq!(said(NESTED.as_bytes(), Extent::Header, len), expected[..2], "{len}");
        }
    }

    #[test]
    fn parts_that_are_not_those_of_the_message_do_no_harm() {
        let part = |header, body, len| Part {
            parent: None,
            kind: Kind::Leaf,
            media: "text/plain".to_owned(),
            encoding: crate::message::Encoding::Base64,
            header,
            body,
            len,
            header_size: 0,
            size: 0,
            lines: 0,
        };
        for parts in [vec![part(5, 2, u64::MAX)], vec![part(0, 900, 5), part(3, 4, 2)], vec![part(900, 900, 0)], vec![]] {
            let mut reading = Reading::default();
            reading.begin(&parts, Extent::All);
            (0..9).for_each(|_| reading.feed(b"some\ntext: x\n", &mut |_| {}));
            reading.finish(&mut |_| {});
            assert!(reading.is_done());
        }
    }
}

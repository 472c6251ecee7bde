//! What a header says of its body (RFC 2045, RFC 2183, RFC 2557, RFC 1864, RFC 3282), in the form that IMAP sends.

use super::header::{Header, Name, squeeze};
use super::lexer::{Lexer, ends_token, is_blank};
use super::nstring::{nstring, string};
use super::params::{self, Param};
use super::part::{Encoding, Kind, Part};

/// A part's description.
#[derive(Debug, Default)]
pub struct Described {
    pub kind: Kind,
    /// Lower case.
    pub media: String,
    pub encoding: Encoding,
    /// Of a text.
    pub charset: Option<String>,
    /// Of a multipart that is looked into.
    pub boundary: Option<Vec<u8>>,
    /// To be saved, not to be shown (RFC 2183 §2.2).
    pub attached: bool,
    /// Of a multipart `subtype`, of another `type subtype params id description encoding`.
    pub front: Vec<u8>,
    /// BODYSTRUCTURE's addition: of a multipart its params, of another its MD5; then disposition, language and location.
    pub extension: Vec<u8>,
}

impl Described {
    /// Reads the fields about the content; `in_digest` says what holds without them, `may_nest` that parts inside it would be read.
    pub fn read(header: &Header<'_>, in_digest: bool, may_nest: bool) -> Described {
        let content = Content::read(header.first(Name::ContentType), in_digest);
        let transfer = transfer_encoding(header.first(Name::ContentTransferEncoding));
        let encoding = known_encoding(&transfer);
        let kind = content.kind(encoding);
        let disposition = header.first(Name::ContentDisposition).and_then(disposition);
        let attached = disposition.as_ref().is_some_and(|(token, _)| token.eq_ignore_ascii_case(b"attachment"));
        let boundary = content.param(b"boundary").map(boundary).filter(|_| kind == Kind::Multipart && may_nest);
        let mut described = Described {
            kind: if may_nest { kind } else { Kind::Leaf },
            media: content.media(),
            encoding,
            charset: content.param(b"charset").map(|charset| String::from_utf8_lossy(charset).into_owned()),
            boundary,
            attached,
            ..Described::default()
        };
        described.front = front(header, &content, described.kind, kind, &transfer);
        described.extension = extension(header, &content, described.kind, disposition);
        described
    }
}

/// The charset that the value of `Content-Type` names.
pub fn charset(value: Option<&[u8]>) -> Option<String> {
    if value.is_none() {
        // RFC 2045 §5.2.
        return Some("us-ascii".to_owned());
    }
    let content = Content::read(value, false);
    content.param(b"charset").map(|charset| String::from_utf8_lossy(charset).into_owned())
}

/// `Content-Type`.
struct Content {
    main: Vec<u8>,
    sub: Vec<u8>,
    params: Vec<Param>,
}

impl Content {
    /// What says nothing, or can't be read, is a plain text (RFC 2045 §5.2).
    fn read(value: Option<&[u8]>, in_digest: bool) -> Content {
        let content = value.and_then(Content::parse).unwrap_or_else(|| match in_digest && value.is_none() {
            true => Content::of(b"message", b"rfc822"),
            false => Content::of(b"text", b"plain"),
        });
        content.with_charset()
    }

    fn of(main: &[u8], sub: &[u8]) -> Content {
        Content { main: main.to_vec(), sub: sub.to_vec(), params: Vec::new() }
    }

    fn parse(value: &[u8]) -> Option<Content> {
        let mut lexer = Lexer::new(value);
        lexer.space();
        let main = lexer.until(ends_token).to_vec();
        lexer.space();
        let slash = lexer.takes(b'/');
        lexer.space();
        let sub = lexer.until(ends_token).to_vec();
        let is_whole = slash && !main.is_empty() && !sub.is_empty();
        is_whole.then(|| Content { main, sub, params: params::read(&mut lexer) })
    }

    /// A text without a charset is in US-ASCII (RFC 2046 §4.1.2), and other servers say so.
    fn with_charset(mut self) -> Content {
        if self.main.eq_ignore_ascii_case(b"text") && self.param(b"charset").is_none() {
            self.params.push(Param { name: b"charset".to_vec(), value: b"us-ascii".to_vec() });
        }
        self
    }

    fn param(&self, name: &[u8]) -> Option<&[u8]> {
        self.params.iter().find(|param| param.name.eq_ignore_ascii_case(name)).map(|param| &param.value[..])
    }

    fn media(&self) -> String {
        let mut media = [&self.main[..], b"/", &self.sub].concat();
        media.truncate(Part::LONGEST_MEDIA);
        String::from_utf8_lossy(&media).to_ascii_lowercase()
    }

    fn kind(&self, encoding: Encoding) -> Kind {
        let is_message = self.main.eq_ignore_ascii_case(b"message");
        if self.main.eq_ignore_ascii_case(b"multipart") {
            Kind::Multipart
        } else if is_message && self.sub.eq_ignore_ascii_case(b"rfc822") {
            // It must not be encoded (RFC 2046 §5.2.1): where it says so, it is believed no more than elsewhere.
            Kind::Message
        } else if is_message && self.sub.eq_ignore_ascii_case(b"global") && encoding == Encoding::Identity {
            // It may be encoded (RFC 6532 §3.7), and is data then.
            Kind::Message
        } else {
            Kind::Leaf
        }
    }
}

/// `said` is what the type means, `kind` what we look at: what is nested too deep is data, because a client expects parts of any other.
fn front(header: &Header<'_>, content: &Content, kind: Kind, said: Kind, transfer: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    if kind == Kind::Multipart {
        string(&mut out, &content.sub);
        return out;
    }
    let is_global = content.main.eq_ignore_ascii_case(b"message") && content.sub.eq_ignore_ascii_case(b"global");
    let hidden = kind != said || is_global && kind == Kind::Leaf;
    let (main, sub): (&[u8], &[u8]) = if hidden { (b"application", b"octet-stream") } else { (&content.main, &content.sub) };
    string(&mut out, main);
    out.push(b' ');
    string(&mut out, sub);
    out.push(b' ');
    params::write(&mut out, &content.params);
    for name in [Name::ContentId, Name::ContentDescription] {
        out.push(b' ');
        nonempty(&mut out, header.first(name));
    }
    out.push(b' ');
    string(&mut out, transfer);
    out
}

fn extension(header: &Header<'_>, content: &Content, kind: Kind, disposition: Option<(Vec<u8>, Vec<Param>)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    match kind {
        Kind::Multipart => params::write(&mut out, &content.params),
        _ => nonempty(&mut out, header.first(Name::ContentMd5)),
    }
    match disposition {
        Some((token, params)) => {
            out.extend_from_slice(b" (");
            string(&mut out, &token);
            out.push(b' ');
            params::write(&mut out, &params);
            out.push(b')');
        }
        None => out.extend_from_slice(b" NIL"),
    }
    out.push(b' ');
    languages(&mut out, header.first(Name::ContentLanguage));
    out.push(b' ');
    nonempty(&mut out, header.first(Name::ContentLocation));
    out
}

/// A field's text, or NIL if there is none.
fn nonempty(out: &mut Vec<u8>, value: Option<&[u8]>) {
    let text = value.map(squeeze).filter(|text| !text.is_empty());
    nstring(out, text.as_deref());
}

fn languages(out: &mut Vec<u8>, value: Option<&[u8]>) {
    let mut lexer = Lexer::new(value.unwrap_or(b""));
    let mut listed = 0;
    loop {
        lexer.space();
        let tag = lexer.until(|octet| ends_token(octet) || is_blank(octet));
        if !tag.is_empty() && listed < MOST_LANGUAGES {
            out.push(if listed == 0 { b'(' } else { b' ' });
            string(out, tag);
            listed += 1;
        }
        lexer.until(|octet| octet == b',');
        if !lexer.takes(b',') {
            break;
        }
    }
    out.extend_from_slice(if listed == 0 { b"NIL" } else { b")" });
}

fn disposition(value: &[u8]) -> Option<(Vec<u8>, Vec<Param>)> {
    let mut lexer = Lexer::new(value);
    lexer.space();
    let token = lexer.until(ends_token).to_vec();
    (!token.is_empty()).then(|| (token, params::read(&mut lexer)))
}

/// The name of the transfer encoding as it is written; some write it as a string.
fn transfer_encoding(value: Option<&[u8]>) -> Vec<u8> {
    let mut lexer = Lexer::new(value.unwrap_or(b""));
    lexer.space();
    lexer.takes(b'"');
    let token = lexer.until(ends_token);
    if token.is_empty() { b"7bit".to_vec() } else { token.to_vec() }
}

fn known_encoding(token: &[u8]) -> Encoding {
    match &token.to_ascii_lowercase()[..] {
        b"7bit" | b"8bit" | b"binary" => Encoding::Identity,
        b"quoted-printable" => Encoding::QuotedPrintable,
        b"base64" => Encoding::Base64,
        _ => Encoding::Unknown,
    }
}

/// As much of a boundary as is compared. White space at its end would be lost on the way (RFC 2046 §5.1.1).
fn boundary(value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii_end();
    value[..value.len().min(super::opened::LONGEST_BOUNDARY)].to_vec()
}

const MOST_LANGUAGES: usize = 16;

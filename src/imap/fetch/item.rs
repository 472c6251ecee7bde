//! What a FETCH asks for, as values (RFC 9051 §6.4.5).

use super::section::{Section, Text};
use crate::imap::out::Out;

/// The items of one FETCH. None is there twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Items {
    /// What can be said without opening the message.
    pub facts: Vec<Fact>,
    /// What has to be read.
    pub texts: Vec<Content>,
}

/// What can be said of a message without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    Uid,
    Flags,
    InternalDate,
    /// `RFC822.SIZE`
    Size,
    /// RFC 7162 §3.1.5.
    ModSeq,
    /// RFC 8514 §4.2.
    SaveDate,
    /// RFC 8474 §5.3.
    EmailId,
    ThreadId,
    Envelope,
    Body,
    BodyStructure,
    /// RFC 8970 §3.1; lazy: only if it is at hand (§4.1).
    Preview {
        is_lazy: bool,
    },
}

/// Octets of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub form: Form,
    pub section: Section,
    /// It does not make the message `\Seen`.
    pub is_peek: bool,
    /// The first octet and how many: more than 0 (RFC 9051 §6.4.5 partial).
    pub partial: Option<(u64, u64)>,
    /// What stands before the octets in the answer, like `BODY[1]<0>`.
    pub label: Vec<u8>,
}

/// In which form octets are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As they are.
    Raw,
    /// Without their transfer encoding (RFC 3516).
    Decoded,
    /// `BINARY.SIZE`: only how many there are.
    DecodedSize,
}

impl Items {
    /// Adds a fact, if it is not there.
    pub fn add(&mut self, fact: Fact) {
        if !self.facts.contains(&fact) {
            self.facts.push(fact);
        }
    }

    /// Adds a fact in front of all others.
    pub fn begin_with(&mut self, fact: Fact) {
        self.facts.retain(|known| *known != fact);
        self.facts.insert(0, fact);
    }

    /// Adds octets, if they are not there. Asked for twice they make the message `\Seen` if one of both does.
    pub fn add_content(&mut self, content: Content) {
        match self.texts.iter_mut().find(|known| known.label == content.label && known.partial == content.partial) {
            Some(known) => known.is_peek &= content.is_peek,
            None => self.texts.push(content),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.facts.len() + self.texts.len()
    }

    /// Whether the answer makes messages `\Seen`.
    pub fn mark_as_seen(&self) -> bool {
        self.texts.iter().any(|content| !content.is_peek)
    }

    /// Whether a message's content has to have been read once.
    pub fn need_content(&self) -> bool {
        self.facts.contains(&Fact::EmailId)
    }

    /// Whether what the store keeps of a message's content is needed.
    pub fn need_entry(&self) -> bool {
        !self.texts.is_empty() || self.facts.iter().any(|fact| fact.is_of_entry())
    }

    /// Whether that is needed only if it is at hand.
    pub fn are_lazy(&self) -> bool {
        self.texts.is_empty() && self.facts.iter().all(|fact| !fact.is_of_entry() || *fact == Fact::Preview { is_lazy: true })
    }
}

impl Fact {
    fn is_of_entry(self) -> bool {
        use Fact::*;
        matches!(self, Size | ThreadId | Envelope | Body | BodyStructure | Preview { .. })
    }
}

impl Content {
    /// `BODY[section]<partial>`, `BODY.PEEK`, `BINARY`, `BINARY.PEEK` or `BINARY.SIZE`.
    pub fn new(form: Form, section: Section, is_peek: bool, partial: Option<(u64, u64)>) -> Content {
        let mut label = Vec::new();
        let mut out = Out::new(&mut label);
        out.raw(match form {
            Form::Raw => "BODY[",
            Form::Decoded => "BINARY[",
            Form::DecodedSize => "BINARY.SIZE[",
        });
        name(&mut out, &section);
        out.raw("]");
        if let Some((origin, _)) = partial {
            out.raw("<").number(origin).raw(">");
        }
        Content { form, section, is_peek, partial, label }
    }

    /// `RFC822`, `RFC822.HEADER` or `RFC822.TEXT`: other names of `text` (RFC 3501 §6.4.5).
    pub fn old(label: &str, text: Text) -> Content {
        let section = Section { path: Vec::new(), text };
        let is_peek = section.text == Text::Header;
        Content { form: Form::Raw, section, is_peek, partial: None, label: label.as_bytes().to_vec() }
    }
}

/// A section as it stands between the brackets.
fn name(out: &mut Out<'_>, section: &Section) {
    let mut before = "";
    for number in &section.path {
        out.raw(before).number(*number);
        before = ".";
    }
    match &section.text {
        Text::All => return,
        Text::Header => out.raw(before).raw("HEADER"),
        Text::Body => out.raw(before).raw("TEXT"),
        Text::Mime => out.raw(before).raw("MIME"),
        Text::Fields(fields) => out.raw(before).raw(if fields.is_not { "HEADER.FIELDS.NOT" } else { "HEADER.FIELDS" }),
    };
    if let Text::Fields(fields) = &section.text {
        let mut before = " (";
        for name in &fields.names {
            out.raw(before);
            field_name(out, name);
            before = " ";
        }
        out.raw(")");
    }
}

/// Names of fields are atoms, nearly always.
fn field_name(out: &mut Out<'_>, name: &[u8]) {
    let is_plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_.".contains(octet);
    let is_atom = !name.is_empty() && name.iter().all(is_plain) && !name.eq_ignore_ascii_case(b"NIL");
    if is_atom {
        out.raw(name)
    } else {
        out.string(name)
    };
}

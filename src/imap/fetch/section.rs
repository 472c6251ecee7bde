//! A section of a message (RFC 9051 §6.4.5.1 and §6.4.5.2) as a range of its octets.

use super::fields::Fields;
use crate::message::{Encoding, Kind, Part};

/// What stands between the brackets of `BODY[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Part numbers, the outermost first; none for the message itself.
    pub path: Vec<u32>,
    pub text: Text,
}

/// What is meant of the message or part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// All of it: of a message with its header, of a part without.
    All,
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS` and `HEADER.FIELDS.NOT`
    Fields(Fields),
    /// `TEXT`
    Body,
    /// `MIME`: the header of a part.
    Mime,
}

/// Where octets of a message are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Stored octets before it.
    pub from: u64,
    /// Stored octets.
    pub len: u64,
    /// Octets on the wire.
    pub size: u64,
}

impl Section {
    /// The message, or what it begins with: it does not take the table of parts to find that.
    pub fn is_of_message(&self) -> bool {
        self.path.is_empty()
    }

    /// Where it is in a message of `parts`, which are at least one; `None` if the message has no such section.
    pub fn place(&self, parts: &[Part]) -> Option<Place> {
        let node = Node::at_the_end_of(&self.path, parts)?;
        match (&self.text, node.role) {
            (Text::All, Role::Message) => Some(Place::of_message(node.part)),
            (Text::All, Role::Part) => Some(Place::of_body(node.part)),
            (Text::All, Role::Nothing) => Some(Place { len: 0, size: 0, ..Place::of_body(node.part) }),
            (Text::Mime, Role::Part) => Some(Place::of_header(node.part)),
            (Text::Mime, _) => None,
            (Text::Header | Text::Fields(_), _) => node.message(parts).map(Place::of_header),
            (Text::Body, _) => node.message(parts).map(Place::of_body),
        }
    }

    /// How what is in that place is encoded. Only data is: a message, and what has parts, is what it is (RFC 2045 §6.4).
    pub fn encoding(&self, parts: &[Part]) -> Encoding {
        match Node::at_the_end_of(&self.path, parts) {
            Some(Node { role: Role::Part, part, .. }) if part.kind == Kind::Leaf => part.encoding,
            _ => Encoding::Identity,
        }
    }
}

impl Place {
    fn of_message(part: &Part) -> Place {
        let len = (part.body - part.header).saturating_add(part.len);
        Place { from: part.header, len, size: part.header_size.saturating_add(part.size) }
    }

    fn of_header(part: &Part) -> Place {
        Place { from: part.header, len: part.body - part.header, size: part.header_size }
    }

    fn of_body(part: &Part) -> Place {
        Place { from: part.body, len: part.len, size: part.size }
    }
}

/// What part numbers lead to.
#[derive(Debug, Clone, Copy)]
struct Node<'p> {
    /// Its place in the table.
    at: usize,
    part: &'p Part,
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The message, or one inside it: a header and a body.
    Message,
    /// What stands in a multipart, or the body of a message that is none.
    Part,
    /// The part of a multipart that has none: BODYSTRUCTURE needs one.
    Nothing,
}

impl<'p> Node<'p> {
    fn new(at: usize, parts: &'p [Part], role: Role) -> Option<Node<'p>> {
        Some(Node { at, part: parts.get(at)?, role })
    }

    fn at_the_end_of(path: &[u32], parts: &'p [Part]) -> Option<Node<'p>> {
        path.iter().try_fold(Node::new(0, parts, Role::Message)?, |node, number| node.inside(*number, parts))
    }

    /// The part of that number.
    fn inside(self, number: u32, parts: &'p [Part]) -> Option<Node<'p>> {
        match (self.part.kind, self.role) {
            (_, Role::Nothing) => None,
            (Kind::Multipart, _) => match self.nth(number, parts) {
                Some(at) => Node::new(at, parts, Role::Part),
                None if number == 1 => Some(Node { role: Role::Nothing, ..self }),
                None => None,
            },
            // Every message has at least one part number.
            (_, Role::Message) if number == 1 => Some(Node { role: Role::Part, ..self }),
            (Kind::Message, Role::Part) => Node::new(self.nth(1, parts)?, parts, Role::Message)?.inside(number, parts),
            _ => None,
        }
    }

    /// The message whose header and body are meant: RFC 9051 §6.4.5.1 knows them of messages alone.
    fn message(self, parts: &'p [Part]) -> Option<&'p Part> {
        match (self.role, self.part.kind) {
            (Role::Message, _) => Some(self.part),
            (Role::Part, Kind::Message) => parts.get(self.nth(1, parts)?),
            _ => None,
        }
    }

    /// Where the part of that number, directly inside this one, is in the table.
    fn nth(self, number: u32, parts: &[Part]) -> Option<usize> {
        let is_inside = |part: &Part| part.parent.map(usize::from) >= Some(self.at);
        let inside = parts.iter().enumerate().skip(self.at + 1).take_while(|(_, part)| is_inside(part));
        let mut own = inside.filter(|(_, part)| part.parent.map(usize::from) == Some(self.at));
        own.nth(usize::try_from(number).ok()?.checked_sub(1)?).map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Scanner;

    fn parts(message: &str) -> Vec<Part> {
        let mut scanner = Scanner::new();
        scanner.feed(message.as_bytes());
        scanner.finish().entry.parts
    }

    /// What is in a section of a message whose line ends are CRLF.
    fn found<'m>(message: &'m str, path: &[u32], text: Text) -> Option<&'m str> {
        let place = Section { path: path.to_vec(), text }.place(&parts(message))?;
        assert_eq!(place.len, place.size);
        let from = place.from as usize;
        Some(&message[from..from + place.len as usize])
    }

    #[test]
    fn a_message_without_mime_has_one_part() {
        let message = "Subject: x\r\n\r\nbody\r\n";
        assert_eq!(found(message, &[], Text::All), Some(message));
        assert_eq!(found(message, &[], Text::Header), Some("Subject: x\r\n\r\n"));
        assert_eq!(found(message, &[], Text::Body), Some("body\r\n"));
        assert_eq!(found(message, &[1], Text::All), Some("body\r\n"));
        assert_eq!(found(message, &[1], Text::Mime), Some("Subject: x\r\n\r\n"));
        for (path, text) in [(&[2][..], Text::All), (&[1, 1], Text::All), (&[1], Text::Header), (&[1], Text::Body), (&[0], Text::All)] {
            assert_eq!(found(message, path, text.clone()), None, "{path:?} {text:?}");
        }
    }

    const NESTED: &str = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\none\r\n--a\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: in\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: 1\r\n\r\ndeep\r\n--b--\r\n\r\n--a\r\n\
        Content-Type: message/rfc822\r\n\r\nSubject: plain\r\n\r\ntext\r\n--a--\r\n";

    #[test]
    fn numbers_lead_into_multiparts_and_messages() {
        assert_eq!(found(NESTED, &[1], Text::All), Some("one"));
        assert_eq!(found(NESTED, &[1], Text::Mime), Some("\r\n"));
        assert_eq!(found(NESTED, &[2], Text::Mime), Some("Content-Type: message/rfc822\r\n\r\n"));
        assert_eq!(found(NESTED, &[2], Text::Header), Some("Subject: in\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"));
        assert_eq!(found(NESTED, &[2, 1], Text::All), Some("deep"));
        assert_eq!(found(NESTED, &[2, 1], Text::Mime), Some("X: 1\r\n\r\n"));
        assert_eq!(found(NESTED, &[3], Text::All), Some("Subject: plain\r\n\r\ntext"));
        assert_eq!(found(NESTED, &[3], Text::Body), Some("text"));
        assert_eq!(found(NESTED, &[3, 1], Text::All), Some("text"));
        assert_eq!(found(NESTED, &[3, 1], Text::Mime), Some("Subject: plain\r\n\r\n"));
        for (path, text) in
            [(&[2, 2][..], Text::All), (&[3, 2], Text::All), (&[4], Text::All), (&[2, 1, 1], Text::All), (&[1], Text::Header)]
        {
            assert_eq!(found(NESTED, path, text.clone()), None, "{path:?} {text:?}");
        }
    }

    #[test]
    fn a_message_that_is_one_inside_has_its_numbers_below_1() {
        let message = "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ntext\r\n";
        assert_eq!(found(message, &[1], Text::All), Some("Subject: in\r\n\r\ntext\r\n"));
        assert_eq!(found(message, &[1], Text::Header), Some("Subject: in\r\n\r\n"));
        assert_eq!(found(message, &[1, 1], Text::All), Some("text\r\n"));
    }

    #[test]
    fn a_multipart_without_parts_has_the_one_that_bodystructure_says() {
        let message = "Content-Type: multipart/mixed; boundary=a\r\n\r\nnothing\r\n";
        assert_eq!(found(message, &[1], Text::All), Some(""));
        assert_eq!(found(message, &[1], Text::Mime), None);
        assert_eq!(found(message, &[2], Text::All), None);
        assert_eq!(found(message, &[1, 1], Text::All), None);
    }

    #[test]
    fn only_data_is_encoded() {
        let message = "Content-Transfer-Encoding: base64\r\n\r\nQQ==\r\n";
        let encoding = |path: &[u32]| Section { path: path.to_vec(), text: Text::All }.encoding(&parts(message));
        assert_eq!((encoding(&[]), encoding(&[1]), encoding(&[2])), (Encoding::Identity, Encoding::Base64, Encoding::Identity));
    }
}

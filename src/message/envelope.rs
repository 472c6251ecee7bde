//! ENVELOPE (RFC 9051 §7.5.2): a message's header in the form that IMAP sends.

use super::addresses;
use super::header::{Header, Name, squeeze};
use super::nstring::nstring;

/// The envelope with its parentheses. Addresses are taken off `left`; those that are too many are left out.
pub fn write(header: &Header<'_>, left: &mut usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.push(b'(');
    text(&mut out, header, Name::Date);
    out.push(b' ');
    text(&mut out, header, Name::Subject);
    people(&mut out, header, left);
    out.push(b' ');
    text(&mut out, header, Name::InReplyTo);
    out.push(b' ');
    text(&mut out, header, Name::MessageId);
    out.push(b')');
    out
}

fn text(out: &mut Vec<u8>, header: &Header<'_>, name: Name) {
    nstring(out, header.last(name).map(squeeze).as_deref());
}

/// The six fields with addresses. Sender and Reply-To that say nothing are as From.
fn people(out: &mut Vec<u8>, header: &Header<'_>, left: &mut usize) {
    let from = list(header, Name::From, left);
    for name in [Name::From, Name::Sender, Name::ReplyTo, Name::To, Name::Cc, Name::Bcc] {
        let own = if name == Name::From { Vec::new() } else { list(header, name, left) };
        let as_from = own.is_empty() && matches!(name, Name::From | Name::Sender | Name::ReplyTo);
        let listed = if as_from { &from } else { &own };
        out.push(b' ');
        match listed.is_empty() {
            true => out.extend_from_slice(b"NIL"),
            false => {
                out.push(b'(');
                out.extend_from_slice(listed);
                out.push(b')');
            }
        }
    }
}

/// The addresses of all fields of a name, one behind the other.
fn list(header: &Header<'_>, name: Name, left: &mut usize) -> Vec<u8> {
    let mut out = Vec::new();
    let most = (*left).min(MOST_ADDRESSES);
    let mut room = most;
    header.all(name).for_each(|value| addresses::write(&mut out, value, &mut room));
    *left -= most - room;
    out
}

/// Addresses of a field.
const MOST_ADDRESSES: usize = 2_000;

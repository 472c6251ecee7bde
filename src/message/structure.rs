//! BODY and BODYSTRUCTURE (RFC 9051 §7.5.2).

use super::nstring::number;
use super::opened::Found;
use super::part::Kind;

/// The structure of a message with its parentheses; `extended` makes it BODYSTRUCTURE, else it is BODY.
pub fn write(parts: &[Found], extended: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(160 * parts.len());
    let mut open: Vec<usize> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        while open.last().copied() != part.parent.map(usize::from) {
            let Some(left) = open.pop() else { break };
            leave(&mut out, &parts[left], extended);
        }
        enter(&mut out, part, parts.get(at + 1).filter(|next| next.parent.map(usize::from) == Some(at)), extended);
        open.push(at);
    }
    while let Some(left) = open.pop() {
        leave(&mut out, &parts[left], extended);
    }
    out
}

/// What stands before the parts inside.
fn enter(out: &mut Vec<u8>, part: &Found, inside: Option<&Found>, extended: bool) {
    out.push(b'(');
    match part.described.kind {
        Kind::Leaf => basic(out, part),
        Kind::Message => {
            basic(out, part);
            out.push(b' ');
            out.extend_from_slice(inside.map_or(b"()", |message| &message.envelope));
            out.push(b' ');
        }
        Kind::Multipart if inside.is_none() => out.extend_from_slice(if extended { NOTHING_EXTENDED } else { NOTHING }),
        Kind::Multipart => {}
    }
}

/// What stands behind them.
fn leave(out: &mut Vec<u8>, part: &Found, extended: bool) {
    match part.described.kind {
        Kind::Multipart => {
            out.push(b' ');
            out.extend_from_slice(&part.described.front);
        }
        Kind::Message => lines(out, part),
        Kind::Leaf if part.described.media.starts_with("text/") => lines(out, part),
        Kind::Leaf => {}
    }
    if extended {
        out.push(b' ');
        out.extend_from_slice(&part.described.extension);
    }
    out.push(b')');
}

fn basic(out: &mut Vec<u8>, part: &Found) {
    out.extend_from_slice(&part.described.front);
    out.push(b' ');
    number(out, part.size());
}

fn lines(out: &mut Vec<u8>, part: &Found) {
    out.push(b' ');
    number(out, part.lines());
}

/// A multipart without parts can't be said: as in other servers it has an empty text.
const NOTHING: &[u8] = br#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0)"#;
const NOTHING_EXTENDED: &[u8] = br#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)"#;

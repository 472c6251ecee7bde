//! Strings and numbers as IMAP sends them (RFC 9051 §4.3, §9).

/// A quoted string where it can be one, else a literal. NULs are to be gone.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    let quotable = text.len() <= LONGEST_QUOTED && text.iter().all(|octet| !matches!(octet, 0 | b'\r' | b'\n' | 0x80..));
    if quotable { quoted(out, text) } else { literal(out, text) }
}

/// A string, or NIL.
pub fn nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// A decimal number.
pub fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for octet in text {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*octet);
    }
    out.push(b'"');
}

fn literal(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'{');
    number(out, text.len() as u64);
    out.extend_from_slice(b"}\r\n");
    out.extend_from_slice(text);
}

/// Octets of a quoted string. Some clients read lines into buffers of fixed size.
const LONGEST_QUOTED: usize = 1_000;

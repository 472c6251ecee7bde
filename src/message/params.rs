//! Parameters of MIME's fields (RFC 2045 §5.1), with continuations joined (RFC 2231).

use std::borrow::Cow;

use super::header::squeeze;
use super::lexer::{Lexer, ends_token, is_blank};
use super::nstring::string;

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// As it is written; `name*` where the value has a charset and is percent-encoded.
    pub name: Vec<u8>,
    pub value: Vec<u8>,
}

/// Reads what stands behind a type: `; name=value` as often as it comes. A missing semicolon is not missed.
pub fn read(lexer: &mut Lexer<'_>) -> Vec<Param> {
    let mut params = Vec::new();
    while params.len() < MOST_PARAMS {
        lexer.space();
        let name = lexer.until(|octet| is_blank(octet) || b";=(\"".contains(&octet)).to_vec();
        lexer.space();
        match lexer.peek() {
            None => break,
            Some(b'=') if !name.is_empty() => {
                lexer.skip();
                let value = value(lexer, &name);
                params.push(Param { name, value });
            }
            // A word that is no parameter; the octet is not part of one either, unless the next name begins with it.
            Some(b';' | b'=' | b'"') => lexer.skip(),
            Some(_) => {}
        }
    }
    params.retain(|param| param.name.is_ascii());
    joined(params)
}

/// `("name" "value" ...)`, or NIL if there are none.
pub fn write(out: &mut Vec<u8>, params: &[Param]) {
    if params.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    for (at, param) in params.iter().enumerate() {
        out.push(if at == 0 { b'(' } else { b' ' });
        string(out, &squeeze(&param.name));
        out.push(b' ');
        string(out, &one_line(&param.value));
    }
    out.push(b')');
}

/// Spaces inside a value are the value's own, as in a file's name.
fn one_line(value: &[u8]) -> Cow<'_, [u8]> {
    match value.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n')) {
        true => squeeze(value),
        false => Cow::Borrowed(value),
    }
}

/// Behind `=`. A file's name without quotes may have spaces in it, as many clients have written it.
fn value(lexer: &mut Lexer<'_>, name: &[u8]) -> Vec<u8> {
    lexer.space();
    let mut out = Vec::new();
    if lexer.takes(b'"') {
        lexer.quoted(&mut out);
        return out;
    }
    let is_file_name = [&b"name"[..], b"filename"].iter().any(|file| name.eq_ignore_ascii_case(file));
    let word = lexer.until(|octet| octet == b';' || !is_file_name && (is_blank(octet) || octet == b'('));
    word.trim_ascii().to_vec()
}

/// Puts the values of `name*0`, `name*1`, ... together, as `name` where the first of them stood. If one of them is percent-encoded
/// (`name*0*`), all are, and the name is `name*`.
///
/// Not RFC 9051 §7.5.2, which would have the value decoded to UTF-8 under that name: `name*` with its charset and percent signs is what
/// RFC 2231 §4 defines, what other servers send and what clients decode.
fn joined(params: Vec<Param>) -> Vec<Param> {
    let mut out: Vec<Param> = Vec::with_capacity(params.len());
    let mut done: Vec<Vec<u8>> = Vec::new();
    for param in &params {
        match segment(&param.name) {
            Some((base, ..)) => {
                let base = base.to_ascii_lowercase();
                if !done.contains(&base) {
                    out.extend(join(&params, &base));
                    done.push(base);
                }
            }
            None => out.push(param.clone()),
        }
    }
    out
}

/// The name, the number and whether it is encoded, of a segment's name such as `name*1*`.
fn segment(name: &[u8]) -> Option<(&[u8], usize, bool)> {
    let (name, encoded) = name.strip_suffix(b"*").map_or((name, false), |name| (name, true));
    let star = name.iter().rposition(|octet| *octet == b'*').filter(|star| *star > 0)?;
    let number = str::from_utf8(&name[star + 1..]).ok()?.parse().ok()?;
    Some((&name[..star], number, encoded))
}

/// The value of the segments from 0 until one is missing; if 0 is, they stay as they are.
fn join(params: &[Param], base: &[u8]) -> Vec<Param> {
    let of_base = || {
        params.iter().filter_map(|param| {
            segment(&param.name)
                .filter(|(name, ..)| name.eq_ignore_ascii_case(base))
                .map(|(name, number, encoded)| (param, name, number, encoded))
        })
    };
    let mut segments = Vec::new();
    while let Some((param, _, _, encoded)) = of_base().find(|(_, _, number, _)| *number == segments.len()) {
        segments.push((&param.value[..], encoded));
    }
    let Some((_, name, ..)) = of_base().next().filter(|_| !segments.is_empty()) else {
        return of_base().map(|(param, ..)| param.clone()).collect();
    };
    let encoded = segments.iter().any(|(_, encoded)| *encoded);
    let mut joined = Param { name: name.to_vec(), value: Vec::new() };
    if encoded {
        joined.name.push(b'*');
    }
    for (value, is_encoded) in segments {
        match encoded && !is_encoded {
            true => percent(&mut joined.value, value),
            false => joined.value.extend_from_slice(value),
        }
    }
    vec![joined]
}

/// A plain segment among encoded ones.
fn percent(out: &mut Vec<u8>, value: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for octet in value {
        match ends_token(*octet) || b"*'%".contains(octet) {
            true => out.extend([b'%', HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]]),
            false => out.push(*octet),
        }
    }
}

const MOST_PARAMS: usize = 64;

//! Just so much of Rust's grammar that comments, texts and lifetimes are not taken for paths.

/// A word of Rust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word<'a> {
    /// A name or a keyword.
    Name(&'a str),
    /// `::`.
    PathMark,
    /// Any other character.
    Mark(char),
}

/// The words of a source; comments, texts, characters and lifetimes are left out.
pub fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => quoted(rest),
            '\'' => character(rest),
            ':' if rest.starts_with("::") => {
                words.push(Word::PathMark);
                2
            }
            'r' | 'b' | 'c' if raw(rest).is_some() => raw(rest).unwrap_or(1),
            _ if is_of_name(first) => {
                let end = rest.find(|letter| !is_of_name(letter)).unwrap_or(rest.len());
                words.push(Word::Name(&rest[..end]));
                end
            }
            _ if first.is_whitespace() => first.len_utf8(),
            _ => {
                words.push(Word::Mark(first));
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    words
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The length of the text that begins here.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, octet) in rest.bytes().enumerate().skip(1) {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a character, or of the apostrophe of a lifetime.
fn character(rest: &str) -> usize {
    let inside: Vec<char> = rest.chars().skip(1).take(2).collect();
    match inside[..] {
        ['\\', escaped] => rest[2 + escaped.len_utf8()..].find('\'').map_or(1, |end| end + 3 + escaped.len_utf8()),
        [letter, '\''] => letter.len_utf8() + 2,
        _ => 1,
    }
}

/// The length of a text with a prefix: raw, of octets or for C.
fn raw(rest: &str) -> Option<usize> {
    let prefix = rest.find(|letter| !"rbc".contains(letter)).filter(|&length| length <= 2)?;
    let hashes = rest[prefix..].bytes().take_while(|&octet| octet == b'#').count();
    let body = rest[prefix + hashes..].strip_prefix('"')?;
    let opening = prefix + hashes + 1;
    match rest[..prefix].contains('r') {
        true => body.find(&format!("\"{}", "#".repeat(hashes))).map(|end| opening + end + 1 + hashes),
        false => Some(opening - 1 + quoted(&rest[opening - 1..])),
    }
}

#[test]
fn only_paths_are_left() {
    let text = "a::b // c::d\n/* e */ \"f\\\"g\" '\\'' 'h' &'i str r#\"j\"k\"# b\"l\" '\\u{7d}' m";
    let names: Vec<_> = words(text).into_iter().filter(|word| matches!(word, Word::Name(_))).collect();
    assert_eq!(names, ["a", "b", "i", "str", "m"].map(Word::Name));
    assert_eq!(words("x::{"), [Word::Name("x"), Word::PathMark, Word::Mark('{')]);
}

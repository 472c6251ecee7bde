//! The text of a piece of HTML, roughly: good enough to be shown in a list of messages, never to be shown as HTML.

use memchr::{memchr, memchr2, memmem};

/// The text without tags, comments, styles and scripts.
pub fn text(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    let mut rest = html;
    while let Some(at) = memchr2(b'<', b'&', rest.as_bytes()) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        rest = if from.starts_with('<') { tag(from, &mut out) } else { entity(from, &mut out) };
    }
    out.push_str(rest);
    out
}

/// Passes over a tag, or what it hides. Returns what follows; nothing, if it does not end.
fn tag<'a>(html: &'a str, out: &mut String) -> &'a str {
    let inside = &html[1..];
    if let Some(comment) = inside.strip_prefix("!--") {
        return behind(comment, "-->");
    }
    if inside.is_empty() {
        return "";
    }
    if !inside.starts_with(|character: char| character.is_ascii_alphabetic() || "/!?".contains(character)) {
        out.push('<');
        return inside;
    }
    let name = inside.trim_start_matches('/');
    let name = &name[..name.bytes().position(|octet| !octet.is_ascii_alphanumeric()).unwrap_or(name.len())];
    let is = |known: &&str| known.eq_ignore_ascii_case(name);
    if !INLINE.iter().any(is) {
        out.push(' ');
    }
    match HIDDEN.iter().find(|known| is(known)) {
        Some(hidden) if !inside.starts_with('/') => behind_element(inside, hidden),
        _ => behind(inside, ">"),
    }
}

fn behind<'a>(html: &'a str, end: &str) -> &'a str {
    memmem::find(html.as_bytes(), end.as_bytes()).map_or("", |at| &html[at + end.len()..])
}

/// What follows `</name`.
fn behind_element<'a>(html: &'a str, name: &str) -> &'a str {
    let ends = memmem::find_iter(html.as_bytes(), b"</");
    let ends_element = |at: &usize| html.get(at + 2..at + 2 + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
    ends.into_iter().find(ends_element).map_or("", |at| behind(&html[at..], ">"))
}

/// Writes the character that an entity stands for. Returns what follows.
fn entity<'a>(html: &'a str, out: &mut String) -> &'a str {
    let window = &html.as_bytes()[..html.len().min(LONGEST_ENTITY)];
    let found = memchr(b';', window).and_then(|end| Some((character(html.get(1..end)?)?, end)));
    match found {
        Some((character, end)) => {
            out.push(character);
            &html[end + 1..]
        }
        None => {
            out.push('&');
            &html[1..]
        }
    }
}

fn character(name: &str) -> Option<char> {
    match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => char::from_u32(u32::from_str_radix(hex, 16).ok()?),
            None => char::from_u32(number.parse().ok()?),
        },
        None => NAMED.iter().find(|(known, _)| *known == name).map(|(_, character)| *character),
    }
}

/// Elements that end no word.
const INLINE: [&str; 13] = ["a", "b", "big", "em", "font", "i", "small", "span", "strong", "sub", "sup", "u", "wbr"];
/// Elements whose content is not shown.
const HIDDEN: [&str; 4] = ["head", "script", "style", "title"];
const LONGEST_ENTITY: usize = 12;
const NAMED: [(&str, char); 42] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("shy", '\u{ad}'),
    ("zwnj", '\u{200b}'),
    ("copy", '©'),
    ("reg", '®'),
    ("trade", '™'),
    ("euro", '€'),
    ("pound", '£'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("hellip", '…'),
    ("bull", '•'),
    ("middot", '·'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("laquo", '«'),
    ("raquo", '»'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("Auml", 'Ä'),
    ("Ouml", 'Ö'),
    ("Uuml", 'Ü'),
    ("szlig", 'ß'),
    ("agrave", 'à'),
    ("aacute", 'á'),
    ("ccedil", 'ç'),
    ("egrave", 'è'),
    ("eacute", 'é'),
    ("ecirc", 'ê'),
    ("iacute", 'í'),
    ("ntilde", 'ñ'),
    ("oacute", 'ó'),
    ("uacute", 'ú'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_go_and_text_stays() {
        let cases = [
            ("", ""),
            ("plain", "plain"),
            ("a<b>b</b>c", "abc"),
            ("a<br>b<p class='x'>c", "a b c"),
            ("1 < 2 & 3", "1 < 2 & 3"),
            ("&lt;&amp;&#65;&#x42;&unknown;&#xD800;&", "<&AB&unknown;&#xD800;&"),
            ("a<!-- <b> -->c<!-- open", "ac"),
            ("<HEAD><title>t</title></HEAD >x", " x"),
            ("<style>p{}</style>x<script>never ends", " x "),
            ("a<unclosed", "a "),
            ("a<", "a"),
            ("&ü;", "&ü;"),
        ];
        for (html, expected) in cases {
            assert_eq!(text(html), expected, "{html}");
        }
    }
}

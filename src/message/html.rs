//! The text of HTML, roughly: good enough to be shown in a list of messages and to be searched, never to be shown as HTML.

use memchr::{memchr, memchr2, memmem};

/// The text without tags, comments, styles and scripts.
pub fn text(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    let mut stripper = Stripper::default();
    stripper.feed(html, &mut out);
    stripper.finish(&mut out);
    out
}

/// HTML whose text is taken out while it comes in pieces: where it is cut makes no difference. Holds a few octets.
#[derive(Debug, Default)]
pub struct Stripper {
    within: Within,
    /// What could not be decided for want of more.
    held: String,
}

/// Where the next octet stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Within {
    #[default]
    Text,
    Tag,
    Comment,
    /// An element whose content is not shown.
    Hidden(&'static str),
}

impl Stripper {
    /// The next piece.
    pub fn feed(&mut self, piece: &str, out: &mut String) {
        if self.held.is_empty() {
            let left = self.strip(piece, false, out);
            self.held.push_str(left);
            return;
        }
        let mut all = std::mem::take(&mut self.held);
        all.push_str(piece);
        let left = self.strip(&all, false, out).len();
        all.drain(..all.len() - left);
        self.held = all;
    }

    /// There is no more.
    pub fn finish(&mut self, out: &mut String) {
        let held = std::mem::take(&mut self.held);
        self.strip(&held, true, out);
        self.within = Within::Text;
    }

    /// Goes as far as can be told. Returns what is left: less than [`LOOK_AHEAD`] octets.
    fn strip<'a>(&mut self, html: &'a str, last: bool, out: &mut String) -> &'a str {
        let mut rest = html;
        loop {
            let step = match self.within {
                Within::Text => self.text(rest, last, out),
                Within::Tag => self.behind(rest, ">", last),
                Within::Comment => self.behind(rest, "-->", last),
                Within::Hidden(name) => self.hidden(rest, name, last),
            };
            match step {
                Step::On(after) => rest = after,
                Step::More(left) => return left,
            }
        }
    }

    /// Up to the next tag or entity, and what that means.
    fn text<'a>(&mut self, rest: &'a str, last: bool, out: &mut String) -> Step<'a> {
        let Some(at) = memchr2(b'<', b'&', rest.as_bytes()) else {
            out.push_str(rest);
            return Step::More("");
        };
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if from.len() < LOOK_AHEAD && !last {
            return Step::More(from);
        }
        Step::On(if from.starts_with('<') { self.tag(from, out) } else { entity(from, out) })
    }

    /// What a `<` begins. Returns what follows.
    fn tag<'a>(&mut self, html: &'a str, out: &mut String) -> &'a str {
        let inside = &html[1..];
        if let Some(comment) = inside.strip_prefix("!--") {
            self.within = Within::Comment;
            return comment;
        }
        if !inside.is_empty() && !inside.starts_with(|character: char| character.is_ascii_alphabetic() || "/!?".contains(character)) {
            out.push('<');
            return inside;
        }
        self.within = Within::Tag;
        let window = &inside[..inside.floor_char_boundary(LOOK_AHEAD - 1)];
        let name = window.trim_start_matches('/');
        let name = &name[..name.bytes().position(|octet| !octet.is_ascii_alphanumeric()).unwrap_or(name.len())];
        let is = |known: &&&str| known.eq_ignore_ascii_case(name);
        if !inside.is_empty() && INLINE.iter().find(is).is_none() {
            out.push(' ');
        }
        if let Some(hidden) = HIDDEN.iter().find(is).filter(|_| !inside.starts_with('/')) {
            self.within = Within::Hidden(hidden);
        }
        inside
    }

    /// Passes over all up to `end`, and over that.
    fn behind<'a>(&mut self, rest: &'a str, end: &str, last: bool) -> Step<'a> {
        match memmem::find(rest.as_bytes(), end.as_bytes()) {
            Some(at) => {
                self.within = Within::Text;
                Step::On(&rest[at + end.len()..])
            }
            None => Step::tail(rest, end.len() - 1, last),
        }
    }

    /// Passes over all up to `</name`.
    fn hidden<'a>(&mut self, rest: &'a str, name: &str, last: bool) -> Step<'a> {
        let ends_element = |at: &usize| rest.get(at + 2..at + 2 + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
        match memmem::find_iter(rest.as_bytes(), b"</").find(ends_element) {
            Some(at) => {
                self.within = Within::Tag;
                Step::On(&rest[at..])
            }
            None => Step::tail(rest, name.len() + 1, last),
        }
    }
}

enum Step<'a> {
    /// This follows.
    On(&'a str),
    /// This can't be told without more.
    More(&'a str),
}

impl<'a> Step<'a> {
    /// Nothing was found; the last `len` octets may be its beginning.
    fn tail(rest: &'a str, len: usize, last: bool) -> Step<'a> {
        Step::More(if last { "" } else { &rest[rest.floor_char_boundary(rest.len().saturating_sub(len))..] })
    }
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
/// Octets that tell what a `<` or `&` begins, if there are so many.
const LOOK_AHEAD: usize = 16;
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
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn where_it_is_cut_makes_no_difference(words in proptest::collection::vec(0usize..22, 0..30), lens in proptest::collection::vec(1usize..9, 1..9)) {
            const WORDS: [&str; 22] = [
                "<", ">", "&", ";", "amp", "b", "</", "script", "style", "<!--", "-->", "-", "ä", " ", "<p>", "<b>", "</b>", "&lt;", "&#65;",
                "<script>", "</script", "/",
            ];
            let html: String = words.into_iter().map(|word| WORDS[word]).collect();
            let (mut stripper, mut out, mut rest) = (Stripper::default(), String::new(), &html[..]);
            for len in lens.iter().cycle() {
                let (piece, after) = rest.split_at(rest.ceil_char_boundary(*len));
                stripper.feed(piece, &mut out);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            stripper.finish(&mut out);
            prop_assert_eq!(out, text(&html));
        }
    }
}

//! PREVIEW (RFC 8970): the beginning of the text that a reader would see first.

use super::charset::{decode, transferred};
use super::described::Described;
use super::html;
use super::part::{Encoding, Kind};

/// The beginnings of the first plain text and of the first HTML of a message, kept while it is read.
#[derive(Debug, Default)]
pub struct Samples {
    plain: Option<Sample>,
    html: Option<Sample>,
    now: Option<Media>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Plain,
    Html,
}

#[derive(Debug)]
struct Sample {
    encoding: Encoding,
    charset: Option<String>,
    body: Vec<u8>,
}

impl Samples {
    /// The body of a part begins.
    pub fn start(&mut self, described: &Described) {
        self.now = match &described.media[..] {
            _ if described.kind != Kind::Leaf || described.attached => None,
            "text/plain" if self.plain.as_ref().is_none_or(Sample::is_blank) => Some(Media::Plain),
            "text/html" if self.html.as_ref().is_none_or(Sample::is_blank) => Some(Media::Html),
            _ => None,
        };
        if let Some(sample) = self.current() {
            *sample = Some(Sample { encoding: described.encoding, charset: described.charset.clone(), body: Vec::new() });
        }
    }

    /// Octets of it.
    pub fn push(&mut self, text: &[u8]) {
        if let Some(Some(Sample { body, .. })) = self.current() {
            body.extend_from_slice(&text[..text.len().min(LONGEST_SAMPLE - body.len())]);
        }
    }

    /// It has ended.
    pub fn stop(&mut self) {
        self.now = None;
    }

    /// At most 200 characters in one line; empty if there is no text.
    pub fn preview(&self) -> String {
        let plain = self.plain.as_ref().map(|sample| sample.beginning(plain)).unwrap_or_default();
        match (&self.html, plain.is_empty()) {
            (Some(sample), true) => sample.beginning(html::text),
            _ => plain,
        }
    }

    fn current(&mut self) -> Option<&mut Option<Sample>> {
        self.now.map(|media| if media == Media::Plain { &mut self.plain } else { &mut self.html })
    }
}

impl Sample {
    /// Some programs put empty texts between attachments.
    fn is_blank(&self) -> bool {
        self.body.trim_ascii().is_empty()
    }

    /// Looks at little first, because that is mostly enough.
    fn beginning(&self, text: impl Fn(&str) -> String) -> String {
        for len in SAMPLES {
            let body = &self.body[..self.body.len().min(len)];
            let decoded = decode(self.charset.as_deref(), &transferred(self.encoding, body));
            let mut line = one_line(&text(&decoded));
            let end = line.char_indices().nth(MOST_CHARACTERS).map(|(end, _)| end);
            // A character at the end may be half of one: it is not among those that are shown.
            if body.len() == self.body.len() || end.is_some() {
                line.truncate(end.unwrap_or(line.len()));
                return line;
            }
        }
        String::new()
    }
}

/// What others have written is left out, if anything remains.
fn plain(text: &str) -> String {
    let own: Vec<&str> = text.lines().filter(|line| !line.starts_with('>')).collect();
    let own = own.join("\n");
    if own.trim().is_empty() { text.to_owned() } else { own }
}

/// White space squeezed, and what shows nothing left out; not much longer than is needed.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(2 * MOST_CHARACTERS);
    let mut left = MOST_CHARACTERS + 8;
    for character in text.chars() {
        if character.is_ascii_graphic() {
            line.push(character);
            left -= 1;
        } else if character.is_whitespace() {
            if !line.is_empty() && !line.ends_with(' ') {
                line.push(' ');
            }
        } else if !character.is_control() && !PADDING.contains(&character) {
            line.push(character);
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// Newsletters fill the preview with these: soft hyphen, combining grapheme joiner, zero width space, zero width no-break space.
const PADDING: [char; 4] = ['\u{ad}', '\u{34f}', '\u{200b}', '\u{feff}'];
/// RFC 8970 §3.1.
const MOST_CHARACTERS: usize = 200;
const LONGEST_SAMPLE: usize = 16 << 10;
/// Octets that are looked at, one length after the other until they are enough.
const SAMPLES: [usize; 3] = [512, 4 << 10, LONGEST_SAMPLE];

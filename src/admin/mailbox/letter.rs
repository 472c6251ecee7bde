//! What goes with a message from one form to another: flags, keywords, date; and the forms that text has for them.

use crate::store::{Flags, FolderName};

/// What is known of a message beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tags {
    pub flags: Flags,
    pub keywords: Vec<String>,
    /// The internal date, in seconds since 1970; unset: unknown.
    pub received: Option<u32>,
    /// The envelope sender, where that is known.
    pub sender: Option<String>,
}

/// A message that a source has given, its text aside.
pub(super) struct Taken {
    /// Relative to where the import goes; unset: right there.
    pub folder: Option<FolderName>,
    pub tags: Tags,
}

impl Tags {
    /// Flags and keywords as words, `\Seen $Forwarded`.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let flags = FLAGS.iter().filter(|(flag, _, _)| self.flags.contains(*flag)).map(|(_, word, _)| *word);
        flags.chain(self.keywords.iter().map(String::as_str))
    }

    /// Takes in what [`Tags::words`] gave; what can't be a flag or keyword is left out.
    pub fn add_words<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        for word in words {
            match FLAGS.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(word)) {
                Some((flag, _, _)) => self.flags = self.flags.with(*flag),
                None => self.add_keyword(word),
            }
        }
    }

    pub fn add_keyword(&mut self, word: &str) {
        let is_known = self.keywords.iter().any(|known| known.eq_ignore_ascii_case(word));
        if crate::store::maildir::keywords::is_keyword(word) && !is_known && self.keywords.len() < MOST {
            self.keywords.push(word.to_owned());
        }
    }

    /// The lines in which an mbox has them, as UW and mutt write them.
    pub fn mbox_lines(&self) -> String {
        let letters = |field: Field| FLAGS.iter().filter(move |(flag, _, (of, _))| *of == field && self.flags.contains(*flag));
        let mut lines = String::new();
        for field in [Field::Status, Field::XStatus] {
            let text: String = letters(field).map(|(_, _, (_, letter))| char::from(*letter)).collect();
            if !text.is_empty() {
                lines.push_str(&format!("{}: {text}\n", field.name()));
            }
        }
        if !self.keywords.is_empty() {
            lines.push_str(&format!("X-Keywords: {}\n", self.keywords.join(" ")));
        }
        lines
    }

    /// Takes in one of these lines; `false` for other headers. Those in which mailbox programs number messages are known, too, and mean
    /// nothing here.
    pub fn add_mbox_line(&mut self, line: &[u8]) -> bool {
        let Some(colon) = memchr::memchr(b':', &line[..line.len().min(16)]) else { return false };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if let Some(field) = [Field::Status, Field::XStatus].into_iter().find(|field| is(field.name())) {
            let said = FLAGS.iter().filter(|(_, _, (of, letter))| *of == field && value.contains(letter));
            self.flags = said.fold(self.flags, |flags, (flag, _, _)| flags.with(*flag));
            return true;
        }
        if is("X-Keywords") {
            String::from_utf8_lossy(value).split_ascii_whitespace().for_each(|word| self.add_keyword(word));
        }
        NUMBERS.iter().any(|known| is(known))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Status,
    XStatus,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Field::Status => "Status",
            Field::XStatus => "X-Status",
        }
    }
}

/// Flags, how IMAP writes them, and where an mbox has them.
const FLAGS: [(Flags, &str, (Field, u8)); 6] = [
    (Flags::SEEN, "\\Seen", (Field::Status, b'R')),
    (Flags::OLD, "\\Old", (Field::Status, b'O')),
    (Flags::DELETED, "\\Deleted", (Field::XStatus, b'D')),
    (Flags::FLAGGED, "\\Flagged", (Field::XStatus, b'F')),
    (Flags::ANSWERED, "\\Answered", (Field::XStatus, b'A')),
    (Flags::DRAFT, "\\Draft", (Field::XStatus, b'T')),
];
const NUMBERS: [&str; 5] = ["X-Keywords", "X-UID", "X-IMAPbase", "X-IMAP", "Content-Length"];
/// Keywords of one message.
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_words_give_the_tags_again() {
        let flags = Flags::SEEN.with(Flags::OLD).with(Flags::FLAGGED).with(Flags::DRAFT);
        let tags = Tags { flags, keywords: vec!["$Forwarded".into(), "Work".into()], ..Tags::default() };
        assert_eq!(tags.mbox_lines(), "Status: RO\nX-Status: FT\nX-Keywords: $Forwarded Work\n");
        let mut again = Tags::default();
        assert!(tags.mbox_lines().lines().all(|line| again.add_mbox_line(line.as_bytes())));
        assert_eq!(again, tags);
        let mut again = Tags::default();
        again.add_words(tags.words());
        assert_eq!(again, tags);
    }

    #[test]
    fn other_headers_say_nothing() {
        let mut tags = Tags::default();
        for line in ["Subject: Status: R", "Statuses: R", "", "X-Spam-Status: No", "From: x"] {
            assert!(!tags.add_mbox_line(line.as_bytes()), "{line}");
        }
        assert!(tags.add_mbox_line(b"X-UID: 7") && tags.add_mbox_line(b"X-Keywords: a (b) a c"));
        assert_eq!(tags.keywords, ["a", "c"]);
    }
}

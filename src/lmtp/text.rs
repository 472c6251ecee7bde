//! The text of a message as it comes, within its bounds: what is beyond them is heard to its end, and costs neither memory nor disk.

use super::reply::Reply;
use crate::deliver::Outcome;
use crate::store::{Draft, Letter, Trouble};

/// A message that is coming.
pub struct Text {
    /// What there is of it, unless it is not wanted any more.
    draft: Result<Draft, Fault>,
    /// The largest message.
    limit: u64,
    /// Octets that have come.
    len: u64,
    /// Octets since the last line end.
    line: usize,
}

/// Why nobody gets a message.
#[derive(Debug)]
pub enum Fault {
    /// It is larger than this.
    TooBig(u64),
    /// It has a line that is too long.
    LongLine,
    /// It came at the wrong time.
    Unwanted,
    /// It can't be kept.
    Trouble(Trouble),
}

impl Text {
    /// A message of at most `limit` octets, which will lie in `draft`.
    pub fn new(draft: Draft, limit: u64) -> Text {
        Text { draft: Ok(draft), limit, len: 0, line: 0 }
    }

    /// One that is heard, and not kept.
    pub fn unwanted(limit: u64) -> Text {
        Text { draft: Err(Fault::Unwanted), limit, len: 0, line: 0 }
    }

    /// Octets that have come.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The next octets. May wait for the disk a little.
    pub fn push(&mut self, octets: &[u8]) {
        self.len += octets.len() as u64;
        let longest = self.longest_line(octets);
        let Ok(draft) = &mut self.draft else { return };
        let fault = match () {
            () if self.len > self.limit => Some(Fault::TooBig(self.limit)),
            () if longest > LONGEST_LINE => Some(Fault::LongLine),
            () => draft.push(octets).err().map(Fault::Trouble),
        };
        if let Some(fault) = fault {
            self.draft = Err(fault);
        }
    }

    /// Why the message is not wanted any more, if so.
    pub fn fault(&self) -> Option<&Fault> {
        self.draft.as_ref().err()
    }

    /// Whether so much has come that nobody wants that listening ever ends.
    pub fn is_endless(&self) -> bool {
        self.len > self.limit.saturating_mul(ENDLESS)
    }

    /// All has come.
    ///
    /// # Errors
    /// Nobody gets it.
    pub fn finish(self) -> Result<Letter, Fault> {
        self.draft?.finish().map_err(Fault::Trouble)
    }

    /// The longest line among those that end in `octets`, or with them.
    fn longest_line(&mut self, octets: &[u8]) -> usize {
        let (mut longest, mut from) = (0, 0);
        for at in memchr::memchr_iter(b'\n', octets) {
            longest = longest.max(self.line + at - from);
            (self.line, from) = (0, at + 1);
        }
        self.line += octets.len() - from;
        longest.max(self.line)
    }
}

impl Fault {
    /// What `recipient` gets of it.
    pub fn reply(&self, recipient: &str) -> Reply {
        match self {
            Fault::TooBig(limit) => Reply::too_big(*limit),
            Fault::LongLine => Reply::new(554, "5.6.0", format!("the message has a line of more than {LONGEST_LINE} octets")),
            Fault::Unwanted => Reply::out_of_turn("no message was expected"),
            Fault::Trouble(Trouble::Full(_)) => Reply::of(&Outcome::DiskFull, recipient),
            Fault::Trouble(_) => Reply::of(&Outcome::Broken, recipient),
        }
    }
}

/// RFC 5321 §4.5.3.1.6 has 1000, and programs that write all of a page into one line. What is longer than this is no text.
const LONGEST_LINE: usize = 1 << 20;
/// Times the limit.
const ENDLESS: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Fsync;
    use crate::store::Places;
    use crate::wire::{Stuffer, Unstuffer};

    fn received(limit: u64, pieces: &[&[u8]]) -> Result<Vec<u8>, Fault> {
        let folder = tempfile::tempdir().unwrap();
        let mut text = Text::new(Draft::new(&Places::inside(folder.path(), Fsync::Never)), limit);
        pieces.iter().for_each(|piece| text.push(piece));
        text.finish().map(|letter| letter.beginning(usize::MAX).unwrap())
    }

    proptest::proptest! {
        #[test]
        fn however_it_comes_the_same_is_stored(text in "([.\ra]{0,5}\n){0,6}", cuts in proptest::collection::vec(0usize..60, 0..6)) {
            // As clients have them: lines that end with CRLF.
            let text = text.replace('\n', "\r\n");
            let mut wire = Vec::new();
            let mut stuffer = Stuffer::default();
            stuffer.push(text.as_bytes(), &mut wire);
            stuffer.finish(&mut wire);
            let mut unstuffer = Unstuffer::default();
            let mut by_data: Vec<Vec<u8>> = Vec::new();
            for piece in cut(&wire, &cuts) {
                unstuffer.push(piece, |octets| by_data.push(octets.to_vec()));
            }
            let by_data: Vec<&[u8]> = by_data.iter().map(Vec::as_slice).collect();
            let stored = received(u64::MAX, &by_data).unwrap();
            proptest::prop_assert_eq!(&received(u64::MAX, &cut(text.as_bytes(), &cuts)).unwrap(), &stored);
            // A CR before a line end is text, and keeps the line end whole: it comes back as it was.
            let expected = text.replace("\r\r\n", "\r\r\0").replace("\r\n", "\n").replace('\0', "\n");
            proptest::prop_assert_eq!(String::from_utf8(stored).unwrap(), expected);
        }
    }

    fn cut<'a>(octets: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| *cut.min(&octets.len())).chain([0, octets.len()]).collect();
        cuts.sort_unstable();
        cuts.windows(2).map(|ends| &octets[ends[0]..ends[1]]).collect()
    }

    #[test]
    fn a_message_may_have_as_many_octets_as_the_limit_and_no_more() {
        assert_eq!(received(6, &[b"abc\r", b"\nd"]).unwrap(), b"abc\nd");
        assert!(matches!(received(5, &[b"abc\r", b"\nd"]), Err(Fault::TooBig(5))));
    }

    #[test]
    fn a_line_may_be_long_but_not_endless() {
        let line = vec![b'x'; LONGEST_LINE];
        assert_eq!(received(u64::MAX, &[&line, b"\n", &line]).unwrap().len(), 2 * LONGEST_LINE + 1);
        assert!(matches!(received(u64::MAX, &[b"\n", &line, b"x\n"]), Err(Fault::LongLine)));
        assert!(matches!(received(u64::MAX, &[b"a\nb", &line]), Err(Fault::LongLine)));
    }

    #[test]
    fn what_is_too_big_is_heard_to_its_end_unless_it_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = Text::new(Draft::new(&Places::inside(folder.path(), Fsync::Never)), 100);
        (0..80).for_each(|_| text.push(&[b'x'; 10]));
        assert!(text.fault().is_some() && !text.is_endless());
        text.push(b"x");
        assert!(text.is_endless());
    }
}

//! Walking through a message's header, line by line, in chunks of any size: what is shown, what is ours, where it ends.

/// What the walk found at the front of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// How many octets it is about; never 0, and never ends between CR and LF.
    pub len: usize,
    pub line: Line,
    /// These octets begin a header field: they are not a continuation, nor the rest of a line already begun.
    pub begins: bool,
}

/// What a stretch of a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Part of a header field that belongs to the message.
    Shown,
    /// `Lines:`, shown, but rewritten at will by other programs.
    Lines,
    /// `Subject:`, by which the pseudo message is known.
    Subject,
    /// Kept for mailbox programs; never shown nor counted (behaviour.md §2.13).
    Hidden(Hidden),
    /// The blank line that ends the header.
    End,
    /// Anything after that.
    Body,
}

/// The header fields in which programs keep their notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    Status,
    XStatus,
    XKeywords,
    XUid,
    /// `X-IMAPbase` in the first message, `X-IMAP` in the pseudo message.
    Base,
    ContentLength,
}

/// A walk through one message's text, from its first octet.
#[derive(Debug, Clone, Default)]
pub struct Walk {
    at: At,
    line: Option<Line>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    #[default]
    LineStart,
    InLine,
    Body,
}

/// With so many octets at hand every line can be told; with fewer, a line end is needed.
pub const PEEK: usize = 1024;

impl Walk {
    /// A walk through text of which nothing is hidden.
    pub fn of_body() -> Walk {
        Walk { at: At::Body, line: None }
    }

    /// Whether the header has ended.
    pub fn in_body(&self) -> bool {
        self.at == At::Body
    }

    /// What is at the front of `data`; `None` when more data is needed to tell, which never happens with [`PEEK`] octets or when
    /// `last` says that no more will come and there is any.
    pub fn step(&mut self, data: &[u8], last: bool) -> Option<Step> {
        match self.at {
            _ if data.is_empty() => None,
            At::Body => Some(Step { len: data.len(), line: Line::Body, begins: false }),
            At::InLine => self.go_on(data, last, false),
            At::LineStart => self.start(data, last),
        }
    }

    fn start(&mut self, data: &[u8], last: bool) -> Option<Step> {
        let ended = memchr::memchr(b'\n', &data[..data.len().min(PEEK)]).is_some();
        if !ended && data.len() < PEEK && !last {
            return None;
        }
        let blank = if data[0] == b'\n' { 1 } else { 2 * usize::from(data.starts_with(b"\r\n")) };
        if blank > 0 {
            self.at = At::Body;
            return Some(Step { len: blank, line: Line::End, begins: true });
        }
        // RFC 5322 §2.2.3: a line that begins with a blank goes on with the field before it.
        let folded = matches!(data[0], b' ' | b'\t') && self.line.is_some();
        if !folded {
            self.line = Some(classify(data));
        }
        self.go_on(data, last, !folded)
    }

    fn go_on(&mut self, data: &[u8], last: bool, begins: bool) -> Option<Step> {
        let line = self.line.unwrap_or(Line::Shown);
        if let Some(end) = memchr::memchr(b'\n', data) {
            self.at = At::LineStart;
            return Some(Step { len: end + 1, line, begins });
        }
        self.at = At::InLine;
        let len = data.len() - usize::from(!last && data.ends_with(b"\r"));
        (len > 0).then_some(Step { len, line, begins })
    }
}

fn classify(line: &[u8]) -> Line {
    let name = &line[..line.len().min(16)];
    let Some(colon) = memchr::memchr(b':', name) else { return Line::Shown };
    let name = &name[..colon];
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    match colon {
        5 if is(b"Lines") => Line::Lines,
        7 if is(b"Subject") => Line::Subject,
        5 if is(b"X-UID") => Line::Hidden(Hidden::XUid),
        6 if is(b"Status") => Line::Hidden(Hidden::Status),
        6 if is(b"X-IMAP") => Line::Hidden(Hidden::Base),
        8 if is(b"X-Status") => Line::Hidden(Hidden::XStatus),
        10 if is(b"X-Keywords") => Line::Hidden(Hidden::XKeywords),
        10 if is(b"X-IMAPbase") => Line::Hidden(Hidden::Base),
        14 if is(b"Content-Length") => Line::Hidden(Hidden::ContentLength),
        _ => Line::Shown,
    }
}

/// Moves what is shown of `data` to its front. Returns how many octets of `data` are settled (the rest is to be brought again, with
/// more behind it), and how many of these are shown.
pub fn show(walk: &mut Walk, data: &mut [u8], last: bool) -> (usize, usize) {
    let (mut settled, mut shown) = (0, 0);
    while let Some(step) = walk.step(&data[settled..], last) {
        if !matches!(step.line, Line::Hidden(_)) {
            data.copy_within(settled..settled + step.len, shown);
            shown += step.len;
        }
        settled += step.len;
    }
    (settled, shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut data = text.as_bytes().to_vec();
        let (settled, shown) = show(&mut Walk::default(), &mut data, true);
        assert_eq!(settled, data.len());
        String::from_utf8(data[..shown].to_vec()).unwrap()
    }

    #[test]
    fn notes_of_mailbox_programs_are_hidden_with_their_continuations() {
        assert_eq!(shown("A: 1\nstatus: RO\n\tmore\nB: 2\nX-IMAPbase: 1 2\nX-UID: 3\n\nStatus: text\n"), "A: 1\nB: 2\n\nStatus: text\n");
        assert_eq!(shown("X-Keywords:\r\nContent-Length: 7\r\nX-IMAP: 1 1\r\nX-Status: A\r\n\r\n"), "\r\n");
        assert_eq!(shown("Statuses: x\nX-UIDs: 1\nStatus\n"), "Statuses: x\nX-UIDs: 1\nStatus\n");
    }

    #[test]
    fn long_lines_pass_in_pieces_without_being_kept() {
        let mut walk = Walk::default();
        let long = vec![b'x'; PEEK];
        assert_eq!(walk.step(&long[..PEEK - 1], false), None);
        assert_eq!(walk.step(&long, false).unwrap().len, PEEK);
        assert_eq!(walk.step(b"\r", false), None);
        assert_eq!(walk.step(b"\r\n", false), Some(Step { len: 2, line: Line::Shown, begins: false }));
        assert_eq!(walk.step(b"\r\n", false).unwrap().line, Line::End);
        assert!(walk.in_body());
    }
}

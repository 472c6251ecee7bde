//! The words of structured fields (RFC 5322 §3.2): white space, comments, quoted strings, atoms; lenient with what is not well-formed.

/// Reads a field's value from its beginning to its end.
#[derive(Debug)]
pub struct Lexer<'a> {
    rest: &'a [u8],
    /// The text of the last comment that was passed over.
    pub comment: Vec<u8>,
}

impl<'a> Lexer<'a> {
    /// In front of `value`.
    pub fn new(value: &'a [u8]) -> Lexer<'a> {
        Lexer { rest: value, comment: Vec::new() }
    }

    /// The next octet.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Passes over the next octet.
    pub fn skip(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or(&[]);
    }

    /// Passes over the next octet if it is this.
    pub fn takes(&mut self, octet: u8) -> bool {
        let is = self.peek() == Some(octet);
        if is {
            self.skip();
        }
        is
    }

    /// Passes over white space and comments. Returns whether there were any.
    pub fn space(&mut self) -> bool {
        let before = self.rest.len();
        loop {
            let blank = self.rest.iter().position(|octet| !is_blank(*octet)).unwrap_or(self.rest.len());
            self.rest = &self.rest[blank..];
            if !self.takes(b'(') {
                return self.rest.len() < before;
            }
            self.comment();
        }
    }

    /// Octets until one that `ends` the word.
    pub fn until(&mut self, ends: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|octet| ends(*octet)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// The text of a quoted string, behind its first quote. One that nothing closes goes on to the end.
    pub fn quoted(&mut self, out: &mut Vec<u8>) {
        while let Some(octet) = self.peek() {
            self.skip();
            match octet {
                b'"' => return,
                b'\\' => self.escaped(out),
                b'\r' | b'\n' => {}
                octet => out.push(octet),
            }
        }
    }

    /// The text of a comment, behind its first parenthesis. Those inside it belong to its text.
    fn comment(&mut self) {
        self.comment.clear();
        let mut comment = std::mem::take(&mut self.comment);
        let mut depth = 1;
        while let Some(octet) = self.peek() {
            self.skip();
            depth = match octet {
                b'(' => depth + 1,
                b')' => depth - 1,
                _ => depth,
            };
            match octet {
                b')' if depth == 0 => break,
                b'\\' => self.escaped(&mut comment),
                octet => comment.push(octet),
            }
        }
        self.comment = comment;
    }

    fn escaped(&mut self, out: &mut Vec<u8>) {
        out.extend(self.peek());
        self.skip();
    }
}

/// White space, line ends included.
pub fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether the octet ends a token of MIME (RFC 2045 §5.1).
pub fn ends_token(octet: u8) -> bool {
    matches!(octet, 0..=b' ' | 0x7f..=0xff | b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'\\' | b'"' | b'/' | b'[' | b']' | b'?' | b'=')
}

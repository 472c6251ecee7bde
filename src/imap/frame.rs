//! From octets to whole commands: lines, and literals that are announced, and bounded, before an octet of them is taken
//! (RFC 9051 §2.2.1 and §4.3, RFC 7888). Pure; the cut of the input makes no difference.

use super::args::{Args, Bad};

/// Gathers one command after the other. Between commands it owns no buffer.
#[derive(Debug)]
pub struct Framer {
    text: Vec<u8>,
    /// Where in `text` the line begins that is being read.
    line: usize,
    phase: Phase,
    /// The last octets of a line that is thrown away.
    tail: Vec<u8>,
    limits: Limits,
}

/// What a client may send before it is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a command with its literals, without messages.
    pub text: usize,
    /// Octets of a literal that does not wait for us (RFC 7888 §4 and §5).
    pub unasked: u64,
}

impl Limits {
    /// Before somebody has logged in: LITERAL-.
    pub const STRANGER: Limits = Limits { text: 8 * 1024, unasked: 4096 };
    /// Afterwards: LITERAL+.
    pub const USER: Limits = Limits { text: 256 * 1024, unasked: u64::MAX };
}

/// What has come to its end, or needs an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A whole command; or, behind a message, the end of its command.
    Command,
    /// The client waits with a literal until it is asked for it.
    Asking,
    /// A message is announced: its octets come next, and are for the session to take. Then what follows it is framed.
    Message(Announced),
    /// The command is too long. What is left of it is thrown away, if the client sends it.
    Refused(Refused),
}

/// Why a command is not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// More than [`Limits::text`].
    TooLong,
    /// A literal of more than [`Limits::unasked`] is on its way unasked.
    Unasked,
}

/// A literal, as the end of a line announces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// Its octets.
    pub size: u64,
    /// The client waits until it is asked for it.
    pub waits: bool,
    /// It may hold NUL: `~{5}` (RFC 9051 §9 literal8).
    pub is_binary: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Line,
    Literal { left: usize },
    SkippedLine,
    SkippedLiteral { left: u64 },
}

impl Framer {
    /// One for a connection on which nothing has been said.
    pub fn new(limits: Limits) -> Framer {
        Framer { text: Vec::new(), line: 0, phase: Phase::Line, tail: Vec::new(), limits }
    }

    /// From the next command on.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether the end of something that has begun is to come.
    pub fn is_amid(&self) -> bool {
        self.phase != Phase::Line || !self.text.is_empty()
    }

    /// Takes octets up to the next event; returns how many.
    pub fn feed(&mut self, octets: &[u8]) -> (usize, Option<Event>) {
        let mut used = 0;
        while used < octets.len() {
            let rest = &octets[used..];
            let (count, event) = match self.phase {
                Phase::Line => self.line(rest),
                Phase::Literal { left } => (self.literal(rest, left), None),
                Phase::SkippedLine => (self.skip_line(rest), None),
                Phase::SkippedLiteral { left } => (self.skip_literal(rest, left), None),
            };
            used += count;
            if event.is_some() {
                return (used, event);
            }
        }
        (used, None)
    }

    /// What has been gathered since the last call: at [`Event::Command`] the command without its line end, at [`Event::Message`] all up to
    /// the announcement, which is left out, at [`Event::Refused`] its beginning.
    pub fn take(&mut self) -> Vec<u8> {
        self.line = 0;
        std::mem::take(&mut self.text)
    }

    /// Nothing more is wanted of the command whose message has been `announced`.
    pub fn abandon(&mut self, announced: Announced) {
        self.take();
        self.phase = if announced.waits { Phase::Line } else { Phase::SkippedLiteral { left: announced.size } };
    }

    /// Nothing more is wanted of the command, whose last message has been taken.
    pub fn abandon_rest(&mut self) {
        self.take();
        self.phase = Phase::SkippedLine;
    }

    fn line(&mut self, octets: &[u8]) -> (usize, Option<Event>) {
        let end = memchr::memchr(b'\n', octets);
        let piece = &octets[..end.unwrap_or(octets.len())];
        let room = self.limits.text.saturating_sub(self.text.len());
        // A CR at the end of the line does not count; behind one that does not, nothing but the line end can come.
        let is_over = self.text.len() > self.limits.text && !piece.is_empty();
        if is_over || piece.strip_suffix(b"\r").unwrap_or(piece).len() > room {
            self.phase = Phase::SkippedLine;
            self.text.extend_from_slice(&piece[..room]);
            // A CR before it may have been taken as half of a line end.
            let cut = std::mem::take(&mut self.text);
            self.skip(&cut[self.line.min(cut.len())..]);
            self.text = cut;
            self.text.truncate(self.limits.text);
            return (room, Some(Event::Refused(Refused::TooLong)));
        }
        self.text.extend_from_slice(piece);
        match end {
            None => (piece.len(), None),
            Some(end) => (end + 1, self.line_ends()),
        }
    }

    fn line_ends(&mut self) -> Option<Event> {
        if self.text.len() > self.line && self.text.ends_with(b"\r") {
            self.text.pop();
        }
        let Some(announced) = announced(&self.text[self.line..]) else { return Some(Event::Command) };
        let is_wild = !announced.waits && announced.size > self.limits.unasked;
        if !is_wild && self.is_message() {
            let announcement = self.text.iter().rposition(|octet| *octet == b'{').unwrap_or(0);
            self.text.truncate(announcement - usize::from(announced.is_binary));
            return Some(Event::Message(announced));
        }
        self.text.extend_from_slice(b"\r\n");
        self.line = self.text.len();
        let room = self.limits.text.saturating_sub(self.text.len());
        match usize::try_from(announced.size) {
            Ok(left) if left <= room && !is_wild => {
                self.phase = if left == 0 { Phase::Line } else { Phase::Literal { left } };
                self.line += left;
                announced.waits.then_some(Event::Asking)
            }
            // Who waits sends something else now.
            _ if announced.waits => Some(Event::Refused(Refused::TooLong)),
            _ => {
                self.phase = Phase::SkippedLiteral { left: announced.size };
                Some(Event::Refused(if is_wild { Refused::Unasked } else { Refused::TooLong }))
            }
        }
    }

    /// Whether the literal at the end of the text is a message: of APPEND and REPLACE, unless it is the name of the mailbox.
    fn is_message(&self) -> bool {
        // What is gathered behind a message has no tag.
        if self.text.first().is_none_or(|first| *first == b' ' || *first == b')') {
            return true;
        }
        let Ok(head) = Head::of(&self.text) else { return false };
        let mut args = Args::new(head.args, true);
        let is_by_uid = head.name.eq_ignore_ascii_case("UID");
        let is_of_message = match is_by_uid {
            true => args.takes(b' ') && args.is_word("REPLACE"),
            false => ["APPEND", "REPLACE"].iter().any(|name| head.name.eq_ignore_ascii_case(name)),
        };
        let has_set = is_by_uid || head.name.eq_ignore_ascii_case("REPLACE");
        // A mailbox that is itself a literal has its announcement last.
        is_of_message && args.takes(b' ') && (!has_set || args.set().is_ok() && args.takes(b' ')) && args.astring().is_ok()
    }

    fn literal(&mut self, octets: &[u8], left: usize) -> usize {
        let count = octets.len().min(left);
        self.text.extend_from_slice(&octets[..count]);
        self.phase = if count == left { Phase::Line } else { Phase::Literal { left: left - count } };
        count
    }

    /// Of what is thrown away, the end of the line may announce more of it.
    fn skip_line(&mut self, octets: &[u8]) -> usize {
        let end = memchr::memchr(b'\n', octets);
        let piece = &octets[..end.unwrap_or(octets.len())];
        self.skip(piece);
        let Some(end) = end else { return piece.len() };
        let line = std::mem::take(&mut self.tail);
        self.phase = match announced(line.strip_suffix(b"\r").unwrap_or(&line)) {
            Some(Announced { size, waits: false, .. }) => Phase::SkippedLiteral { left: size },
            _ => Phase::Line,
        };
        end + 1
    }

    /// Keeps the end of a line of which `piece` is thrown away.
    fn skip(&mut self, piece: &[u8]) {
        self.tail.extend_from_slice(&piece[piece.len().saturating_sub(LONGEST_ANNOUNCEMENT)..]);
        let surplus = self.tail.len().saturating_sub(LONGEST_ANNOUNCEMENT);
        self.tail.drain(..surplus);
    }

    fn skip_literal(&mut self, octets: &[u8], left: u64) -> usize {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(octets.len());
        let left = left - count as u64;
        self.phase = if left == 0 { Phase::SkippedLine } else { Phase::SkippedLiteral { left } };
        count
    }
}

/// The literal that `line` announces at its end, if any.
fn announced(line: &[u8]) -> Option<Announced> {
    let inside = line.strip_suffix(b"}")?;
    let open = inside.iter().rposition(|octet| *octet == b'{')?;
    let (digits, waits) = match inside[open + 1..].strip_suffix(b"+") {
        Some(digits) => (digits, false),
        None => (&inside[open + 1..], true),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // A number that has no end is larger than any limit.
    let size = str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX);
    Some(Announced { size, waits, is_binary: inside[..open].ends_with(b"~") })
}

/// `~{18446744073709551615+}`, and CR.
const LONGEST_ANNOUNCEMENT: usize = 32;

/// What a command begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// What the client calls this command.
    pub tag: &'a str,
    /// What is to be done, as it was written.
    pub name: &'a str,
    /// The rest, with the space before it.
    pub args: &'a [u8],
}

impl<'a> Head<'a> {
    /// Reads the beginning of a command.
    ///
    /// # Errors
    /// There is no tag, or nothing behind it. [`tag`] says which.
    pub fn of(text: &'a [u8]) -> Result<Head<'a>, Bad> {
        let tag = tag(text).ok_or(Bad("tag expected"))?;
        let mut args = Args::new(&text[tag.len()..], false);
        args.space().map_err(|_| Bad("command expected"))?;
        let name = args.word().map_err(|_| Bad("command expected"))?;
        Ok(Head { tag, name, args: args.rest() })
    }
}

/// The tag that `text` begins with, if it has one: RFC 9051 §9 tag.
pub fn tag(text: &[u8]) -> Option<&str> {
    let is_tag = |octet: u8| octet.is_ascii_graphic() && !b"(){%*\"\\+".contains(&octet);
    let end = text.iter().position(|octet| !is_tag(*octet)).unwrap_or(text.len());
    let is_whole = end > 0 && end <= LONGEST_TAG && text.get(end).is_none_or(|octet| *octet == b' ');
    if is_whole { str::from_utf8(&text[..end]).ok() } else { None }
}

/// Clients count.
const LONGEST_TAG: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a session sees of `input`, which comes in pieces of `cut` octets. Messages are taken, or abandoned if they are of 13 octets.
    fn frames(input: &[u8], cut: usize, limits: Limits) -> Vec<String> {
        let (mut framer, mut seen) = (Framer::new(limits), Vec::new());
        let (mut message, mut left) = (Vec::new(), 0);
        for mut piece in input.chunks(cut) {
            while !piece.is_empty() {
                if left > 0 {
                    let (some, rest) = piece.split_at(piece.len().min(left));
                    message.extend_from_slice(some);
                    (left, piece) = (left - some.len(), rest);
                    continue;
                }
                let (used, event) = framer.feed(piece);
                piece = &piece[used..];
                let Some(event) = event else { continue };
                if event == Event::Asking {
                    seen.push("+".to_owned());
                    continue;
                }
                let text = String::from_utf8_lossy(&framer.take()).into_owned();
                match event {
                    Event::Message(announced) if announced.size == 13 => framer.abandon(announced),
                    Event::Message(announced) => left = announced.size as usize,
                    _ => {}
                }
                seen.push(format!("{event:?} {}", &text[..text.len().min(60)]));
            }
        }
        if !message.is_empty() {
            seen.push(String::from_utf8_lossy(&message).into_owned());
        }
        seen
    }

    /// In every cut the same.
    fn framed(input: &str, limits: Limits) -> Vec<String> {
        let whole = frames(input.as_bytes(), usize::MAX, limits);
        for cut in [1, 2, 3, 7] {
            assert_eq!(frames(input.as_bytes(), cut, limits), whole, "in pieces of {cut}");
        }
        whole
    }

    #[test]
    fn lines_are_commands_whatever_their_end() {
        assert_eq!(framed("a NOOP\r\nb NOOP\n\r\nc\r", Limits::STRANGER), ["Command a NOOP", "Command b NOOP", "Command "]);
    }

    #[test]
    fn literals_are_asked_for_unless_they_come_unasked() {
        let said = "a LOGIN {3}\r\njoe {4+}\r\npa\r\n\r\nb NOOP\r\n";
        assert_eq!(framed(said, Limits::STRANGER), ["+", "Command a LOGIN {3}\r\njoe {4+}\r\npa\r\n", "Command b NOOP"]);
        assert_eq!(framed("a LOGIN {0}\r\n {0+}\r\n\r\n", Limits::STRANGER), ["+", "Command a LOGIN {0}\r\n {0+}\r\n"]);
    }

    #[test]
    fn what_is_too_long_is_refused_at_once_and_skipped() {
        let long = format!("a {}\r\nb NOOP\r\n", "x".repeat(9000));
        let seen = framed(&long, Limits::STRANGER);
        assert!(seen[0].starts_with("Refused(TooLong) a xxx"), "{seen:?}");
        assert_eq!(seen[1..], ["Command b NOOP"]);
    }

    #[test]
    fn what_a_line_that_is_too_long_announces_is_skipped_too() {
        for size in 8185..8200 {
            let said = format!("a {}{{7+}}\r\nb NOOP\n\r\nc NOOP\r\n", "x".repeat(size));
            assert_eq!(framed(&said, Limits::STRANGER)[1..], ["Command c NOOP"], "{size}");
        }
    }

    #[test]
    fn a_literal_that_waits_is_refused_before_it_comes() {
        let seen = framed("a LOGIN {9000}\r\nb NOOP\r\n", Limits::STRANGER);
        assert_eq!(seen, ["Refused(TooLong) a LOGIN {9000}\r\n", "Command b NOOP"]);
        let seen = framed("a LOGIN {99999999999999999999999}\r\nb NOOP\r\n", Limits::USER);
        assert_eq!(seen, ["Refused(TooLong) a LOGIN {99999999999999999999999}\r\n", "Command b NOOP"]);
    }

    #[test]
    fn a_literal_that_comes_unasked_is_skipped_with_all_that_follows() {
        let literal = "x".repeat(5000);
        let said = format!("a LOGIN {{5000+}}\r\n{literal} {{3+}}\r\na\r\n (\r\nb NOOP\r\n");
        assert_eq!(framed(&said, Limits::STRANGER), ["Refused(Unasked) a LOGIN {5000+}\r\n", "Command b NOOP"]);
        let message = format!("a APPEND x {{5000+}}\r\n{literal}\r\nb NOOP\r\n");
        assert_eq!(framed(&message, Limits::STRANGER), ["Refused(Unasked) a APPEND x {5000+}\r\n", "Command b NOOP"]);
        let many = "a X".to_owned() + &" {4000+}\r\n".to_owned().chars().chain(literal.chars().take(4000)).collect::<String>().repeat(3);
        assert_eq!(framed(&(many + "\r\nb NOOP\r\n"), Limits::STRANGER)[1..], ["Command b NOOP"]);
    }

    #[test]
    fn messages_are_not_gathered() {
        let said = "a APPEND {5}\r\nINBOX (\\Seen) {6}\r\nab\r\ncd (\\Draft) ~{2+}\r\nef\r\nb NOOP\r\n";
        let seen = framed(said, Limits::USER);
        assert_eq!(seen[0], "+");
        assert!(seen[1].starts_with("Message(Announced { size: 6, waits: true, is_binary: false }) a APPEND {5}\r\nINBOX (\\Seen) "));
        assert!(seen[2].starts_with("Message(Announced { size: 2, waits: false, is_binary: true })  (\\Draft) "), "{seen:?}");
        assert_eq!(seen[3..], ["Command ", "Command b NOOP", "ab\r\ncdef"]);
        let seen = framed("a UID REPLACE 5 \"x y\" {3+}\r\nabc\r\n", Limits::USER);
        assert!(seen[0].starts_with("Message(") && seen[1] == "Command ", "{seen:?}");
    }

    #[test]
    fn an_abandoned_message_is_skipped_if_it_comes_anyway() {
        for (said, seen) in [
            (
                "a APPEND x {13}\r\nb NOOP\r\n",
                ["Message(Announced { size: 13, waits: true, is_binary: false }) a APPEND x ", "Command b NOOP"],
            ),
            (
                "a APPEND x {13+}\r\nc NOOP\r\nd NOO {5+}\r\nabcde\r\nb NOOP\r\n",
                ["Message(Announced { size: 13, waits: false, is_binary: false }) a APPEND x ", "Command b NOOP"],
            ),
        ] {
            assert_eq!(framed(said, Limits::USER), seen);
        }
    }

    #[test]
    fn heads_have_a_tag_and_a_name() {
        let head = Head::of(b"a.1 Uid FETCH 1").unwrap();
        assert_eq!((head.tag, head.name, head.args), ("a.1", "Uid", &b" FETCH 1"[..]));
        assert_eq!(tag(b"a]1"), Some("a]1"));
        for broken in ["", " NOOP", "+ NOOP", "a+ NOOP", "a", "a ", "a  NOOP", "\0 NOOP", "a\"b NOOP"] {
            assert!(Head::of(broken.as_bytes()).is_err(), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn cuts_make_no_difference(input in "([ab]( APPEND x| X)?|[ (]| ?~?\\{[0-9]{1,4}\\+?\\}|\r?\n|\r|\"){0,60}", cut in 1usize..20) {
            let limits = Limits { text: 40, unasked: 20 };
            prop_assert_eq!(frames(input.as_bytes(), cut, limits), frames(input.as_bytes(), usize::MAX, limits));
        }
    }
}

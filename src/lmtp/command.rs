//! The grammar of a command line (RFC 2033 §4, RFC 5321 §4.1, RFC 3030 §2). Pure.

/// A command; what stands behind its verb, where that is a matter of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// With the client's name.
    Lhlo(String),
    /// HELO or EHLO: the client takes us for another.
    Smtp,
    Mail(String),
    Rcpt(String),
    Data,
    Bdat(Chunk),
    Rset,
    Noop,
    Vrfy,
    Help,
    StartTls,
    Quit,
}

/// A part of a message, which stands behind its command (RFC 3030 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Octets.
    pub size: u64,
    /// No more are to come.
    pub is_last: bool,
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// Nobody defined that verb, or we leave it out.
    Unknown,
    /// The verb wants something else behind it: this.
    Usage(&'static str),
    /// NUL or octets that are no UTF-8.
    NotText,
    /// The line is longer than any command.
    TooLong,
    /// Nobody knows how many octets behind the line are a message.
    NoSize,
}

/// Reads one line, without its line end.
///
/// # Errors
/// It is no command.
pub fn parse(line: &[u8]) -> Result<Command, Bad> {
    let (verb, rest) = match memchr::memchr(b' ', line) {
        Some(at) => (&line[..at], line[at + 1..].trim_ascii()),
        None => (line, &line[line.len()..]),
    };
    let mut upper = [0; 8];
    let Some(upper) = upper.get_mut(..verb.len()) else { return Err(Bad::Unknown) };
    upper.copy_from_slice(verb);
    upper.make_ascii_uppercase();
    match &*upper {
        b"LHLO" => lhlo(rest),
        b"HELO" | b"EHLO" => Ok(Command::Smtp),
        b"MAIL" => text(rest).map(Command::Mail),
        b"RCPT" => text(rest).map(Command::Rcpt),
        b"DATA" => alone(rest, Command::Data, "DATA"),
        b"BDAT" => chunk(rest).map(Command::Bdat).ok_or(Bad::NoSize),
        b"RSET" => alone(rest, Command::Rset, "RSET"),
        // Both may have an argument.
        b"NOOP" => Ok(Command::Noop),
        b"HELP" => Ok(Command::Help),
        b"VRFY" if rest.is_empty() => Err(Bad::Usage("VRFY address")),
        b"VRFY" => Ok(Command::Vrfy),
        b"STARTTLS" => alone(rest, Command::StartTls, "STARTTLS"),
        b"QUIT" => alone(rest, Command::Quit, "QUIT"),
        _ => Err(Bad::Unknown),
    }
}

fn text(rest: &[u8]) -> Result<String, Bad> {
    match std::str::from_utf8(rest) {
        Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(Bad::NotText),
    }
}

/// A name or an address in brackets; it goes into headers and logs.
fn lhlo(rest: &[u8]) -> Result<Command, Bad> {
    let is_name = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._:[]".contains(octet);
    match text(rest)? {
        name if (1..=255).contains(&name.len()) && rest.iter().all(is_name) => Ok(Command::Lhlo(name)),
        _ => Err(Bad::Usage("LHLO host.name")),
    }
}

fn alone(rest: &[u8], command: Command, usage: &'static str) -> Result<Command, Bad> {
    if rest.is_empty() { Ok(command) } else { Err(Bad::Usage(usage)) }
}

/// `1000` or `1000 LAST`.
fn chunk(rest: &[u8]) -> Option<Chunk> {
    let mut words = std::str::from_utf8(rest).ok()?.split(' ').filter(|word| !word.is_empty());
    let size = number(words.next()?)?;
    let is_last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return None,
    };
    words.next().is_none().then_some(Chunk { size, is_last })
}

/// Digits alone, as RFC 1870 §3 and RFC 3030 §2 write numbers: `+1` is none.
pub(super) fn number(text: &str) -> Option<u64> {
    let is_number = (1..=20).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_known_in_any_case() {
        assert_eq!(parse(b"lhlo Mail.x.org"), Ok(Command::Lhlo("Mail.x.org".into())));
        assert_eq!(parse(b"LHLO [IPv6:::1] "), Ok(Command::Lhlo("[IPv6:::1]".into())));
        assert_eq!(parse(b"Mail from:<a@b.c>  "), Ok(Command::Mail("from:<a@b.c>".into())));
        assert_eq!(parse("rcpt TO:<jörg@b.c>".as_bytes()), Ok(Command::Rcpt("TO:<jörg@b.c>".into())));
        assert_eq!(parse(b"ehlo x"), Ok(Command::Smtp));
        assert_eq!(parse(b"NOOP what ever"), Ok(Command::Noop));
        assert_eq!(parse(b"DATA "), Ok(Command::Data));
    }

    #[test]
    fn chunks_have_a_size() {
        let chunk = |size, is_last| Ok(Command::Bdat(Chunk { size, is_last }));
        assert_eq!(parse(b"BDAT 0"), chunk(0, false));
        assert_eq!(parse(b"bdat 18446744073709551615  last"), chunk(u64::MAX, true));
        for line in ["BDAT", "BDAT x", "BDAT -1", "BDAT +1", "BDAT 1 2", "BDAT 1 LAST x", "BDAT 18446744073709551616", "BDAT LAST"] {
            assert_eq!(parse(line.as_bytes()), Err(Bad::NoSize), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_said_to_be_none() {
        for line in ["", " ", "X", "MAILS", "STARTTLSX", "EXPN joe", "\0", "DATA\0"] {
            assert_eq!(parse(line.as_bytes()), Err(Bad::Unknown), "{line:?}");
        }
        assert_eq!(parse(b"DATA x"), Err(Bad::Usage("DATA")));
        assert_eq!(parse(b"LHLO"), Err(Bad::Usage("LHLO host.name")));
        assert_eq!(parse(b"LHLO a b"), Err(Bad::Usage("LHLO host.name")));
        assert_eq!(parse(b"LHLO a(b)"), Err(Bad::Usage("LHLO host.name")));
        assert_eq!(parse(b"MAIL FROM:<\xff@b.c>"), Err(Bad::NotText));
    }
}

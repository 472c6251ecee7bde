//! The grammar of a command line (RFC 1939 §3). Pure.

use zeroize::Zeroizing;

use crate::vdomain::password::Secret;

/// A command, understood.
#[derive(Debug)]
pub enum Command {
    User(String),
    Pass(Secret),
    Apop,
    /// RFC 5034: the mechanism and the initial response; without a mechanism, the old question which there are.
    Auth(Option<(String, Option<Zeroizing<Vec<u8>>>)>),
    Capa,
    Stls,
    Utf8,
    /// RFC 6856 §3: the language, or the question which there are.
    Lang(Option<String>),
    Stat,
    List(Option<Number>),
    Retr(Number),
    Dele(Number),
    Noop,
    Rset,
    /// The message, and how many lines of its body.
    Top(Number, u64),
    Uidl(Option<Number>),
    Quit,
}

/// A message number as the client gave it, counted from 1; whether there is such a message is another matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(pub u64);

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadCommand {
    /// Nobody defined that verb.
    Unknown,
    /// The verb wants something else behind it: this.
    Usage(&'static str),
    /// NUL, or octets that are no UTF-8 where a name is wanted.
    NotText,
    /// The password is longer than any.
    TooLong,
}

/// Reads one line, without its line end.
///
/// Verbs are known in any case; the ancestor's matching by prefix is not repeated (behaviour.md §2.7).
pub fn parse(line: &[u8]) -> Result<Command, BadCommand> {
    let (verb, rest) = match memchr::memchr(b' ', line) {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    };
    let mut upper = [0; 4];
    let Some(upper) = upper.get_mut(..verb.len()) else { return Err(BadCommand::Unknown) };
    upper.copy_from_slice(verb);
    upper.make_ascii_uppercase();
    match &*upper {
        b"PASS" => password(rest),
        _ if line.contains(&0) => Err(BadCommand::NotText),
        b"USER" => Ok(Command::User(text(rest.unwrap_or_default(), "USER name")?)),
        b"APOP" => Ok(Command::Apop),
        b"AUTH" => auth(rest),
        b"LANG" => lang(rest),
        b"CAPA" => alone(rest, Command::Capa, "CAPA"),
        b"STLS" => alone(rest, Command::Stls, "STLS"),
        b"UTF8" => alone(rest, Command::Utf8, "UTF8"),
        b"STAT" => alone(rest, Command::Stat, "STAT"),
        b"NOOP" => alone(rest, Command::Noop, "NOOP"),
        b"RSET" => alone(rest, Command::Rset, "RSET"),
        b"QUIT" => alone(rest, Command::Quit, "QUIT"),
        b"LIST" => Ok(Command::List(maybe_number(rest, "LIST [message]")?)),
        b"UIDL" => Ok(Command::Uidl(maybe_number(rest, "UIDL [message]")?)),
        b"RETR" => Ok(Command::Retr(number(rest, "RETR message")?)),
        b"DELE" => Ok(Command::Dele(number(rest, "DELE message")?)),
        b"TOP" => top(rest),
        _ => Err(BadCommand::Unknown),
    }
}

/// Blanks belong to the password (behaviour.md trap 17): all behind the one that ends the verb, leading ones, too.
fn password(rest: Option<&[u8]>) -> Result<Command, BadCommand> {
    match rest {
        None | Some([]) => Err(BadCommand::Usage("PASS password")),
        Some(rest) => Secret::new(rest.to_vec()).map(Command::Pass).ok_or(BadCommand::TooLong),
    }
}

fn auth(rest: Option<&[u8]>) -> Result<Command, BadCommand> {
    let Some(rest) = rest.map(<[u8]>::trim_ascii).filter(|rest| !rest.is_empty()) else { return Ok(Command::Auth(None)) };
    let mut words = rest.splitn(2, |&octet| octet == b' ');
    let mechanism = text(words.next().unwrap_or_default(), "AUTH mechanism [response]")?.to_ascii_uppercase();
    let response = match words.next().map(<[u8]>::trim_ascii) {
        // RFC 5034 §4: an empty initial response.
        Some(b"=") => Some(Zeroizing::default()),
        response => response.map(|response| Zeroizing::new(response.to_vec())),
    };
    Ok(Command::Auth(Some((mechanism, response))))
}

fn lang(rest: Option<&[u8]>) -> Result<Command, BadCommand> {
    match rest.map(<[u8]>::trim_ascii) {
        None | Some([]) => Ok(Command::Lang(None)),
        Some(tag) => Ok(Command::Lang(Some(text(tag, "LANG [tag]")?))),
    }
}

fn top(rest: Option<&[u8]>) -> Result<Command, BadCommand> {
    const USAGE: &str = "TOP message lines";
    let mut words = words(rest);
    match (words.next(), words.next(), words.next()) {
        (Some(message), Some(lines), None) => Ok(Command::Top(digits(message, USAGE)?, digits(lines, USAGE)?.0)),
        _ => Err(BadCommand::Usage(USAGE)),
    }
}

fn alone(rest: Option<&[u8]>, command: Command, usage: &'static str) -> Result<Command, BadCommand> {
    match words(rest).next() {
        None => Ok(command),
        Some(_) => Err(BadCommand::Usage(usage)),
    }
}

fn number(rest: Option<&[u8]>, usage: &'static str) -> Result<Number, BadCommand> {
    maybe_number(rest, usage)?.ok_or(BadCommand::Usage(usage))
}

fn maybe_number(rest: Option<&[u8]>, usage: &'static str) -> Result<Option<Number>, BadCommand> {
    let mut words = words(rest);
    match (words.next(), words.next()) {
        (None, _) => Ok(None),
        (Some(word), None) => digits(word, usage).map(Some),
        (Some(_), Some(_)) => Err(BadCommand::Usage(usage)),
    }
}

fn digits(word: &[u8], usage: &'static str) -> Result<Number, BadCommand> {
    if !word.iter().all(u8::is_ascii_digit) {
        return Err(BadCommand::Usage(usage));
    }
    // A number beyond all numbers is one of no message, not a mistake in the grammar.
    let value = word.iter().fold(0u64, |value, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Ok(Number(value))
}

/// Some clients send more than one blank, or blanks before the line end.
fn words(rest: Option<&[u8]>) -> impl Iterator<Item = &[u8]> {
    rest.unwrap_or_default().split(|octet| matches!(octet, b' ' | b'\t')).filter(|word| !word.is_empty())
}

fn text(octets: &[u8], usage: &'static str) -> Result<String, BadCommand> {
    let text = std::str::from_utf8(octets).map_err(|_| BadCommand::NotText)?.trim_end_matches([' ', '\t']);
    if text.trim_start().is_empty() { Err(BadCommand::Usage(usage)) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(line: &str) -> String {
        format!("{:?}", parse(line.as_bytes()))
    }

    #[test]
    fn verbs_are_known_in_any_case_and_only_whole() {
        assert_eq!(shown("stat"), "Ok(Stat)");
        assert_eq!(shown("QuIt  "), "Ok(Quit)");
        for line in ["QUITX", "QUI", "", " STAT", "TOPX 1 1", "HOST a", "MBOX /etc/passwd", "LAST"] {
            assert_eq!(shown(line), "Err(Unknown)", "{line:?}");
        }
    }

    #[test]
    fn numbers_are_digits_and_nothing_else() {
        assert_eq!(shown("RETR 0"), "Ok(Retr(Number(0)))");
        assert_eq!(shown("retr  7 "), "Ok(Retr(Number(7)))");
        assert_eq!(shown("LIST"), "Ok(List(None))");
        assert_eq!(shown("LIST "), "Ok(List(None))");
        assert_eq!(shown("TOP 1 0"), "Ok(Top(Number(1), 0))");
        assert_eq!(shown("DELE 99999999999999999999999999"), format!("Ok(Dele(Number({})))", u64::MAX));
        for line in ["RETR", "RETR 1abc", "RETR -1", "RETR +1", "RETR 1 2", "LIST x", "TOP 1", "TOP 1 x", "TOP 1 1 1", "STAT 1"] {
            assert!(shown(line).starts_with("Err(Usage"), "{line:?}");
        }
    }

    #[test]
    fn a_password_is_everything_behind_one_blank() {
        let Ok(Command::Pass(secret)) = parse(b"PASS  a b ") else { panic!() };
        assert_eq!(secret.octets(), b" a b ");
        let Ok(Command::Pass(secret)) = parse(b"pass \xff\0x") else { panic!() };
        assert_eq!(secret.octets(), b"\xff\0x");
        assert!(shown("PASS").starts_with("Err(Usage") && shown("PASS ").starts_with("Err(Usage"));
        assert_eq!(parse(&[b"PASS ".as_slice(), &[b'x'; 1025]].concat()).unwrap_err(), BadCommand::TooLong);
    }

    #[test]
    fn names_are_text() {
        assert_eq!(shown("USER Joe@va.test "), "Ok(User(\"Joe@va.test\"))");
        assert_eq!(shown("USER jörg"), "Ok(User(\"jörg\"))");
        assert_eq!(parse(b"USER j\xf6rg").unwrap_err(), BadCommand::NotText);
        assert_eq!(parse(b"USER j\0").unwrap_err(), BadCommand::NotText);
    }

    #[test]
    fn auth_takes_an_initial_response_an_empty_one_or_none() {
        assert_eq!(shown("AUTH"), "Ok(Auth(None))");
        assert!(matches!(parse(b"auth plain"), Ok(Command::Auth(Some((name, None)))) if name == "PLAIN"));
        assert!(matches!(parse(b"AUTH PLAIN ="), Ok(Command::Auth(Some((_, Some(response))))) if response.is_empty()));
        assert!(matches!(parse(b"AUTH PLAIN AGEAYg=="), Ok(Command::Auth(Some((_, Some(response))))) if &response[..] == b"AGEAYg=="));
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_fall(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&line);
        }
    }
}

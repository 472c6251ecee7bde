//! Who gets the mail of an alias: one item of the list after the colon.

use std::path::PathBuf;

/// One of those who get the mail of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A name of the same domain, lower case: looked up again, then a user.
    Name(String),
    /// An address with its domain in lower case; the local part as written, perhaps quoted. May be of our own domains.
    Address(String),
    /// `\name`: this user of the same domain, with no more aliasing or forwarding. Lower case.
    User(String),
    /// `/path`: append to this file.
    File(PathBuf),
    /// `|command`: a program and its arguments, without the bar.
    Program(String),
    /// `:include:/path`: those named in this file.
    Include(PathBuf),
    /// What nobody can understand, escaped and shortened for a log line. Its mail has to wait for the administrator.
    Broken(String),
}

/// What is wrong, and what to do about it.
type Wrong = (&'static str, &'static str);

impl Target {
    /// Whether only the machine's administrators may write it: a program, a file or a list.
    pub fn needs_trust(&self) -> bool {
        matches!(self, Target::Program(_) | Target::File(_) | Target::Include(_))
    }

    /// Takes away what only the machine's administrators may write: programs, files and lists (behaviour.md §11).
    pub fn distrust(&mut self) {
        if self.needs_trust() {
            *self = Target::Broken(format!("{self}: the file that says so, or its folder, can be written by others"));
        }
    }

    /// Reads one item of [`items`].
    pub(super) fn parse(item: &str) -> Result<Target, Wrong> {
        if item.len() > MAX_ITEM {
            return Err(("longer than 2,048 octets", "shorten it, or separate targets by commas"));
        }
        if outside_quotes(item).any(|(_, letter)| letter == '"') && !quotes_are_closed(item) {
            return Err(("unbalanced quotes", "close the quote"));
        }
        match item.as_bytes() {
            [b'"', b'\\', ..] if unquote(item).is_some() => local_user(&item[2..item.len() - 1]),
            [b'"', ..] if let Some(quoted) = unquote(item) => whole(&quoted),
            [b'|', ..] => program(&item[1..]),
            [b'/', ..] => file(item),
            [b'\\', ..] => local_user(item[1..].trim()),
            _ if let Some(path) = after_include(item) => include(path.trim()),
            _ => mailbox(item),
        }
    }
}

/// The items of a list: separated by commas, not by blanks or semicolons. Repeated and trailing commas are fine; those in quotes and
/// comments do not count.
pub(super) fn items(value: &str) -> impl Iterator<Item = &str> {
    let mut start = 0;
    let mut depth = 0_usize;
    let mut commas = outside_quotes(value).filter_map(move |(at, letter)| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => return Some(at),
            _ => {}
        }
        None
    });
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let end = commas.next().unwrap_or_else(|| {
            ended = true;
            value.len()
        });
        let item = &value[start..end];
        start = end + 1;
        Some(item.trim())
    })
    .filter(|item| !item.is_empty())
}

/// Each letter with its place that stands outside quotes and is not escaped; the quotes themselves included.
pub(super) fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().filter(move |&(_, letter)| match letter {
        _ if escaped => {
            escaped = false;
            false
        }
        '\\' => {
            escaped = true;
            !quoted
        }
        '"' => {
            quoted = !quoted;
            true
        }
        _ => !quoted,
    })
}

fn quotes_are_closed(text: &str) -> bool {
    outside_quotes(text).filter(|&(_, letter)| letter == '"').count().is_multiple_of(2)
}

/// The text between two quotes that enclose the whole item; backslashes go, and what they protect stays.
pub(super) fn unquote(text: &str) -> Option<String> {
    let mut letters = text.strip_prefix('"')?.chars();
    let mut inner = String::with_capacity(text.len());
    loop {
        match letters.next()? {
            '"' => return letters.as_str().is_empty().then_some(inner),
            '\\' => inner.push(letters.next()?),
            letter => inner.push(letter),
        }
    }
}

/// An item that was quoted as a whole: `"|cmd a, b"`, `"/a path"`, `":include:/f"`, `"with blank"`.
fn whole(quoted: &str) -> Result<Target, Wrong> {
    if quoted.contains(is_odd) {
        return Err(ODD);
    }
    match quoted.as_bytes() {
        [b'|', command @ ..] if !command.trim_ascii().is_empty() => Ok(Target::Program(quoted[1..].trim().to_owned())),
        [b'|', ..] => Err(NO_PROGRAM),
        [b'/', ..] => Ok(Target::File(quoted.into())),
        _ if let Some(path) = after_include(quoted) => include(path),
        _ if quoted.is_empty() => Err(("an empty name", "remove it")),
        _ if quoted.contains('@') => Err(("quotes make one local name of this", "write the address without quotes")),
        _ => Ok(Target::Name(quoted.to_lowercase())),
    }
}

/// After the bar: `"cmd a, b"` or one word.
fn program(command: &str) -> Result<Target, Wrong> {
    let command = command.trim();
    let command = match unquote(command) {
        Some(quoted) => quoted.trim().to_owned(),
        // newaliases would glue the words by dots (behaviour.md trap 65).
        None if command.contains([' ', '\t', '"', '(', ')']) => {
            return Err(("a command with arguments has to be quoted", "write \"|command a, b\""));
        }
        None => command.to_owned(),
    };
    match command.contains(is_odd) {
        true => Err(ODD),
        false if command.is_empty() => Err(NO_PROGRAM),
        false => Ok(Target::Program(command)),
    }
}

fn file(path: &str) -> Result<Target, Wrong> {
    match path {
        path if path.contains(is_odd) => Err(ODD),
        path if path.contains([' ', '\t', '"']) => Err(("a path with blanks has to be quoted", "write \"/path with blank\"")),
        path => Ok(Target::File(path.into())),
    }
}

fn after_include(item: &str) -> Option<&str> {
    let (word, path) = item.split_at_checked(":include:".len())?;
    word.eq_ignore_ascii_case(":include:").then_some(path)
}

fn include(path: &str) -> Result<Target, Wrong> {
    let path = unquote(path).unwrap_or_else(|| path.to_owned());
    match path {
        path if path.contains(is_odd) => Err(ODD),
        path if path.starts_with('/') => Ok(Target::Include(path.into())),
        // Relative to what? newaliases takes it and fails at each delivery (behaviour.md §11).
        _ => Err(("an :include: path has to begin with /", "write \":include:/path\" without a blank")),
    }
}

fn local_user(name: &str) -> Result<Target, Wrong> {
    match is_plain(name) && !name.starts_with(['|', '/']) {
        true => Ok(Target::User(name.to_lowercase())),
        false => Err(("a backslash goes before a user of this domain", "write \\user")),
    }
}

/// A name or an address: `joe`, `joe@example.org (comment)`, `Full Name <joe@example.org>`, `"with blank"@example.org`.
fn mailbox(item: &str) -> Result<Target, Wrong> {
    let text = without_comments(item).ok_or(("unbalanced parentheses", "close the comment"))?;
    let text = in_angles(&text).ok_or(("unbalanced angle brackets", "write Full Name <address>"))?.trim();
    if let Some(quoted) = unquote(text) {
        return whole(&quoted);
    }
    match outside_quotes(text).filter(|&(_, letter)| letter == '@').last() {
        Some((at, _)) => address(&text[..at], &text[at + 1..]),
        None if text.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("error:")) => {
            Err(("error: is of virtusertable, not of aliases", "remove the alias: unknown names are refused anyway"))
        }
        None if text.contains(char::is_whitespace) => Err(BLANK),
        None if is_plain(text) && !text.starts_with(['|', '/']) => Ok(Target::Name(text.to_lowercase())),
        None => Err(("no name and no address", "write a local part, an address, \"|command\", /path or :include:/path")),
    }
}

fn address(local: &str, domain: &str) -> Result<Target, Wrong> {
    if local.contains(is_odd) || domain.contains(is_odd) {
        return Err(ODD);
    }
    if unquote(local).is_none() && local.contains([' ', '\t', '@']) || domain.contains([' ', '\t']) {
        return Err(BLANK);
    }
    let domain = domain.to_lowercase();
    let is_local = is_plain(local) || unquote(local).is_some_and(|inner| !inner.is_empty());
    match is_local && is_domain(&domain) {
        true => Ok(Target::Address(format!("{local}@{domain}"))),
        false => Err(("invalid address", "write local@domain")),
    }
}

/// A name of DNS, or an address literal in brackets; who it is, is not judged here.
fn is_domain(text: &str) -> bool {
    let literal = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match literal {
        Some(literal) => !literal.is_empty() && literal.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | ':')),
        None => text
            .split('.')
            .all(|label| !label.is_empty() && label.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_'))),
    }
}

/// `None` where a parenthesis has no partner.
fn without_comments(text: &str) -> Option<String> {
    let mut kept = String::with_capacity(text.len());
    let (mut depth, mut start) = (0_usize, 0);
    for (at, letter) in outside_quotes(text) {
        match letter {
            '(' => {
                kept.push_str(if depth == 0 { &text[start..at] } else { "" });
                depth += 1;
            }
            ')' => {
                depth = depth.checked_sub(1)?;
                start = at + 1;
            }
            _ => {}
        }
    }
    kept.push_str(&text[start..]);
    (depth == 0).then_some(kept)
}

/// What stands in `<>`, or all of a text that has none; `None` where they do not fit.
fn in_angles(text: &str) -> Option<&str> {
    let mut angles = outside_quotes(text).filter(|(_, letter)| matches!(letter, '<' | '>'));
    match (angles.next(), angles.next(), angles.next()) {
        (None, ..) => Some(text),
        (Some((open, '<')), Some((close, '>')), None) if text[close + 1..].trim().is_empty() => Some(&text[open + 1..close]),
        _ => None,
    }
}

/// An atom as people write names: nothing that needs quotes.
pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(|letter: char| is_odd(letter) || letter.is_whitespace() || "\"(),:;<>@[\\]".contains(letter))
}

/// Control characters, and what was no UTF-8.
pub(super) fn is_odd(letter: char) -> bool {
    letter.is_control() && letter != '\t' || letter == char::REPLACEMENT_CHARACTER
}

const ODD: Wrong = ("control or 8-bit characters", "remove them, and save the file as UTF-8");
const BLANK: Wrong = ("blanks do not separate targets", "put a comma between them");
const NO_PROGRAM: Wrong = ("a bar without a command", "write \"|command\"");
/// Octets; a path or a command has no more.
const MAX_ITEM: usize = 2048;

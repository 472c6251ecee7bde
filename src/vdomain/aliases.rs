//! aliases(5): the text of `aliases.DOMAIN`, read as sendmail's newaliases(8) reads it (behaviour.md §10.2, §11).

mod include;
mod target;
mod write;

use std::collections::BTreeMap;
use std::path::Path;

pub use include::{Member, members};
pub use target::Target;

use crate::config::Fault;

/// What one alias file says: each name with those who get its mail. Names are local parts of the file's own domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases {
    by_name: BTreeMap<Box<str>, Alias>,
}

/// One name's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Where it begins in the file, counted from 1.
    pub line: usize,
    /// Who gets the mail, in the file's order, at least one. Doublets are the planner's business: it knows final addresses.
    pub targets: Vec<Target>,
}

/// What is wrong in an alias file. The rest of the file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The line, counted from 1, at which the entry begins.
    pub line: usize,
    /// What is wrong, in newaliases' words where it has some. Shows a stranger's text: escaped, and only its head.
    pub what: String,
    /// What to do about it.
    pub mend: &'static str,
}

impl Flaw {
    /// It, in `file`.
    pub fn fault(&self, file: &Path) -> Fault {
        Fault::of_line(file, self.line, format!("{}; {}", self.what, self.mend))
    }
}

impl Aliases {
    /// The entry of a name, whatever its case; a quoted local part without its quotes.
    pub fn get(&self, name: &str) -> Option<&Alias> {
        self.by_name.get(name.to_lowercase().as_str())
    }

    /// All entries by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Alias)> {
        self.by_name.iter().map(|(name, alias)| (&**name, alias))
    }

    /// As [`Target::distrust`], of all that it says.
    pub fn distrust(&mut self) {
        self.by_name.values_mut().flat_map(|alias| &mut alias.targets).for_each(Target::distrust);
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether the file names nobody.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

/// Reads an alias file. Whatever it is, what can be understood holds, and the rest is told.
///
/// A line that names nobody is dropped. A target that cannot be understood stays as [`Target::Broken`] beside the others of its
/// name, so that its mail waits instead of going to somebody else. Of a name that comes twice the last entry holds. Text and counts have
/// limits, because a stranger may write this file through a panel: 16 MiB, 100,000 names, 10,000 targets a name.
pub fn parse(text: &[u8]) -> (Aliases, Vec<Flaw>) {
    let mut reader = Reader::default();
    let text = String::from_utf8_lossy(reader.within_limit(text));
    for entry in entries(text.strip_prefix('\u{feff}').unwrap_or(&text)) {
        if reader.aliases.len() == MAX_NAMES {
            reader.flaw(entry.line, "there are more than 100,000 names", "split the file: this entry and those after it are ignored");
            break;
        }
        reader.read(&entry);
    }
    (reader.aliases, reader.flaws)
}

/// One logical line: a line and its continuations, without line ends.
struct Entry {
    line: usize,
    text: String,
}

/// The logical lines, without comments and empty ones. A line continues the one before when it begins with a blank, or when that one
/// ends with a backslash; `#` is a comment at column 0 only (behaviour.md trap 66).
fn entries(text: &str) -> impl Iterator<Item = Entry> {
    // CRLF: newaliases would take the CR into the value (behaviour.md trap 58).
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut lines = (1..).zip(lines).peekable();
    std::iter::from_fn(move || {
        let (line, mut piece) = lines.find(|(_, text)| !text.starts_with('#') && !text.trim().is_empty())?;
        let mut text = String::new();
        loop {
            let spliced = piece.strip_suffix('\\');
            text.push_str(spliced.unwrap_or(piece));
            match lines.next_if(|(_, next)| spliced.is_some() || next.starts_with([' ', '\t'])) {
                Some((_, next)) => piece = next,
                None => return Some(Entry { line, text }),
            }
        }
    })
}

#[derive(Default)]
struct Reader {
    aliases: Aliases,
    flaws: Vec<Flaw>,
}

impl Reader {
    fn within_limit<'t>(&mut self, text: &'t [u8]) -> &'t [u8] {
        let Some(head) = text.get(..MAX_OCTETS).filter(|_| text.len() > MAX_OCTETS) else { return text };
        let end = head.iter().rposition(|&octet| octet == b'\n').unwrap_or(0);
        let line = 1 + head[..end].iter().filter(|&&octet| octet == b'\n').count();
        self.flaw(line, "the file is larger than 16 MiB", "split it: what follows this line is ignored");
        &head[..end]
    }

    fn read(&mut self, entry: &Entry) {
        if entry.text.starts_with([' ', '\t']) {
            return self.flaw(
                entry.line,
                "non-continuation line starts with space",
                "remove the blank, or the empty or comment line before",
            );
        }
        let Some((key, value)) = split_key(&entry.text) else {
            let what = format!("missing colon in {}", shown(&entry.text));
            return self.flaw(entry.line, what, "write `name: target, target`");
        };
        match name(key) {
            Ok(name) => self.enter(name, entry.line, value),
            Err((what, mend)) => self.flaw(entry.line, format!("{}... {what}", shown(key)), mend),
        }
    }

    fn enter(&mut self, name: String, line: usize, value: &str) {
        let targets = self.targets(line, value);
        if targets.is_empty() {
            let what = format!("{}... missing value for alias", shown(&name));
            return self.flaw(line, what, "name who gets the mail, or remove the line");
        }
        if let Some(former) = self.aliases.by_name.insert(name.clone().into(), Alias { line, targets }) {
            let what = format!("{}... Warning: duplicate alias name, line {} no longer holds", shown(&name), former.line);
            self.flaw(line, what, "join both entries, or remove one");
        }
    }

    fn targets(&mut self, line: usize, value: &str) -> Vec<Target> {
        let mut targets = Vec::new();
        for item in target::items(value) {
            if targets.len() == MAX_TARGETS {
                self.flaw(line, "this name has more than 10,000 targets", "put its members into an :include: file");
                targets.push(Target::Broken(shown(item)));
                break;
            }
            targets.push(Target::parse(item).unwrap_or_else(|(what, mend)| {
                self.flaw(line, format!("{}... {what}", shown(item)), mend);
                Target::Broken(shown(item))
            }));
        }
        targets
    }

    fn flaw(&mut self, line: usize, what: impl Into<String>, mend: &'static str) {
        match self.flaws.len() {
            ..MAX_FLAWS => self.flaws.push(Flaw { line, what: what.into(), mend }),
            MAX_FLAWS => self.flaws.push(Flaw { line, what: "and more".into(), mend: "mend those before" }),
            _ => {}
        }
    }
}

/// Cuts at the first colon outside quotes.
fn split_key(entry: &str) -> Option<(&str, &str)> {
    let colon = target::outside_quotes(entry).find(|&(_, letter)| letter == ':')?.0;
    Some((entry[..colon].trim(), &entry[colon + 1..]))
}

/// The name that a key stands for: lower case, without its quotes (two spellings of one local part, RFC 5321 §4.1.2).
fn name(key: &str) -> Result<String, (&'static str, &'static str)> {
    if let Some(quoted) = target::unquote(key) {
        return match quoted.is_empty() || quoted.contains(target::is_odd) {
            true => Err(("illegal alias name", "a quoted name is printable text")),
            false => Ok(quoted.to_lowercase()),
        };
    }
    // Not as newaliases: letters beyond ASCII are welcome, because users may have them (RFC 6531 §3.3); they have to be UTF-8.
    if key.contains(char::REPLACEMENT_CHARACTER) {
        return Err(("8-bit character in mailbox address", "save the file as UTF-8"));
    }
    if key.contains('@') {
        return Err(("cannot alias non-local names", "write the part before the @ only: the file already belongs to one domain"));
    }
    if key.contains([' ', '\t']) {
        return Err(("illegal alias name", "quote a name that has blanks: \"with blank\": target"));
    }
    if !target::is_plain(key) || key.starts_with(['|', '/']) {
        return Err(("illegal alias name", "write the local part of an address"));
    }
    Ok(key.to_lowercase())
}

/// A stranger's text for a log line: escaped, and only its head.
fn shown(text: &str) -> String {
    text.trim().chars().take(60).flat_map(char::escape_debug).collect()
}

const MAX_OCTETS: usize = 16 << 20;
const MAX_NAMES: usize = 100_000;
const MAX_TARGETS: usize = 10_000;
/// More than anybody reads.
const MAX_FLAWS: usize = 1_000;

#[cfg(test)]
mod tests;

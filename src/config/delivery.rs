//! `[delivery]` of a domain record: who gets the mail that is for nobody's name (behaviour.md §3.4, §4.3, §4.5).

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::Domain;

/// The `[delivery]` section of a domain record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryRecord {
    /// Whether all mail for the domain is refused. Its users can still read what they have.
    pub reject: bool,
    /// Alias files beside `aliases.DOMAIN`, named from `/etc/vmail`. They have priorities, `aliases.DOMAIN` the highest: of a name that
    /// stands in two files the first file's entry holds (behaviour.md §18 trap 30).
    pub alias_files: Vec<PathBuf>,
    /// Where mail goes whose name is neither an alias nor a user.
    pub fallback: Fallback,
    /// Whether mail for `joe+anything` is joe's, where nobody is called `joe+anything`.
    pub plus_addressing: bool,
    /// Whether mail for `joe.who` is that of the user whose full name in `passwd.DOMAIN` is "Joe Who" (behaviour.md §4.4).
    pub full_names: bool,
    /// What becomes of mail for a user whose mailbox is full.
    pub over_quota: OverQuota,
    /// A program that each message passes on its way into a mailbox: it reads the message and writes what is to be stored, or nothing
    /// where that is nothing (behaviour.md §4.7). It runs as the mailbox's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<CommandLine>,
}

/// What becomes of mail for a user whose mailbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverQuota {
    /// The sender hears of it at once.
    #[default]
    Refuse,
    /// It waits where it comes from, usually for days.
    Wait,
}

impl Default for DeliveryRecord {
    fn default() -> DeliveryRecord {
        DeliveryRecord {
            reject: false,
            alias_files: Vec::new(),
            fallback: Fallback::Refuse,
            plus_addressing: true,
            full_names: false,
            over_quota: OverQuota::Refuse,
            filter: None,
        }
    }
}

impl DeliveryRecord {
    /// So many alias files are more than anybody has; each costs every look-up a stat(2).
    const FILES: usize = 16;

    /// What is wrong, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.alias_files.len() > DeliveryRecord::FILES {
            true => Err(format!("delivery.alias_files: more than {} files", DeliveryRecord::FILES)),
            false => Ok(()),
        }
    }
}

/// Where mail goes whose name is neither an alias nor a user: the five forms of behaviour.md §4.5.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Fallback {
    /// `""`: nowhere, the sender hears that there is nobody of that name.
    #[default]
    Refuse,
    /// `"user@other.org"`: there.
    Address(String),
    /// `"@other.org"`: to the same name there.
    Domain(Domain),
    /// `"account"`: to a name of the same domain, which may be an alias.
    Account(String),
    /// `"|/path/to/command %u"`: to a program.
    Program(CommandLine),
}

impl FromStr for Fallback {
    type Err = String;

    fn from_str(text: &str) -> Result<Fallback, String> {
        if text.chars().any(char::is_control) {
            return Err("must be one line without control characters".into());
        }
        let text = text.trim();
        match text.split_once('@') {
            None if text.is_empty() => Ok(Fallback::Refuse),
            _ if text.starts_with('|') => text[1..].parse().map(Fallback::Program),
            _ if text.contains(|letter: char| letter.is_whitespace() || "\",;<>()/\\".contains(letter)) => Err(EXPECTED.into()),
            None => Ok(Fallback::Account(text.to_lowercase())),
            Some(("", domain)) => domain.parse().map(Fallback::Domain).map_err(|error: crate::address::Malformed| error.to_string()),
            Some((_, domain)) => {
                domain.parse::<Domain>().map_err(|error| error.to_string())?;
                Ok(Fallback::Address(text.to_owned()))
            }
        }
    }
}

impl fmt::Display for Fallback {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fallback::Refuse => Ok(()),
            Fallback::Address(text) | Fallback::Account(text) => out.write_str(text),
            Fallback::Domain(domain) => write!(out, "@{domain}"),
            Fallback::Program(command) => write!(out, "|{command}"),
        }
    }
}

/// A program and its arguments, in which `%d` is the domain as addressed, `%D` its primary name, `%f` the sender, `%u` the name, and
/// `%%` a percent sign (behaviour.md §9). Words are separated by blanks and held together by double quotes; what a token stands
/// for never becomes more than a part of its word, and no shell sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine(Vec<String>);

/// What the tokens of a [`CommandLine`] stand for.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    /// `%d`.
    pub addressed: &'a str,
    /// `%D`.
    pub primary: &'a str,
    /// `%f`; empty for a bounce (behaviour.md §18 trap 47).
    pub sender: &'a str,
    /// `%u`.
    pub user: &'a str,
}

impl CommandLine {
    /// The words with the tokens replaced; `None` where a stranger's text would begin an argument with a hyphen, which the program
    /// would take for an option.
    pub fn words(&self, tokens: &Tokens<'_>) -> Option<Vec<String>> {
        self.0.iter().map(|word| replaced(word, tokens).filter(|made| !made.starts_with('-') || word.starts_with('-'))).collect()
    }
}

/// `None` where `%` is followed by no token.
fn replaced(word: &str, tokens: &Tokens<'_>) -> Option<String> {
    let mut made = String::with_capacity(word.len());
    let mut letters = word.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => made.push_str(match letters.next()? {
                'd' => tokens.addressed,
                'D' => tokens.primary,
                'f' => tokens.sender,
                'u' => tokens.user,
                '%' => "%",
                _ => return None,
            }),
            letter => made.push(letter),
        }
    }
    Some(made)
}

impl FromStr for CommandLine {
    type Err = String;

    fn from_str(text: &str) -> Result<CommandLine, String> {
        let words = split(text)?;
        // The program itself is never chosen by mail.
        if !words.first().is_some_and(|program| program.starts_with('/') && !program.contains('%')) {
            return Err("expected the absolute path of a program".into());
        }
        let nothing = Tokens { addressed: "", primary: "", sender: "", user: "" };
        match words.iter().find(|word| replaced(word, &nothing).is_none()) {
            Some(word) => Err(format!("{word:?}: expected %d, %D, %f, %u or %%")),
            None => Ok(CommandLine(words)),
        }
    }
}

/// The words of a command line.
fn split(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for letter in text.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' | '\t' if !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    match quoted {
        true => Err("close the quote".into()),
        false => Ok(words.into_iter().chain(word).collect()),
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.0.iter().enumerate() {
            let blank = if at == 0 { "" } else { " " };
            match word.is_empty() || word.contains([' ', '\t']) {
                true => write!(out, "{blank}\"{word}\"")?,
                false => write!(out, "{blank}{word}")?,
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for CommandLine {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<CommandLine, D::Error> {
        let text = String::deserialize(input)?;
        text.parse().map_err(|why| serde::de::Error::custom(format!("{text:?}: {why}")))
    }
}

impl Serialize for CommandLine {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fallback {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Fallback, D::Error> {
        let text = String::deserialize(input)?;
        text.parse().map_err(|why| serde::de::Error::custom(format!("fallback {text:?}: {why}")))
    }
}

impl Serialize for Fallback {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

const EXPECTED: &str = "expected \"\", \"user@other.org\", \"@other.org\", \"account\" or \"|/path/to/command\"";

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> CommandLine {
        text.parse().unwrap()
    }

    const TOKENS: Tokens<'_> = Tokens { addressed: "foo.net", primary: "foo.com", sender: "a b; rm@x.org", user: "$(id)" };

    #[test]
    fn a_fallback_has_five_forms() {
        assert_eq!("".parse(), Ok(Fallback::Refuse));
        assert_eq!("Joe@Other.org".parse(), Ok(Fallback::Address("Joe@Other.org".into())));
        assert_eq!("@Other.org".parse(), Ok(Fallback::Domain("other.org".parse().unwrap())));
        assert_eq!("Joe".parse(), Ok(Fallback::Account("joe".into())));
        assert_eq!("| /bin/x  %u \"a b\"".parse(), Ok(Fallback::Program(CommandLine(["/bin/x", "%u", "a b"].map(str::to_owned).into()))));
        for text in ["", "Joe@Other.org", "@other.org", "joe", "|/bin/x %u \"a b\" \"\""] {
            assert_eq!(text.parse::<Fallback>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_fallback_of_another_form_is_refused() {
        for text in
            ["@", "a@", "a@b", "a b", "joe, ann", "/dev/null", ":include: /x", "|", "|cat", "|/bin/%u", "|/bin/x %s", "|/bin/x %", "a\nb"]
        {
            assert!(text.parse::<Fallback>().is_err(), "{text:?}");
        }
        assert!("|/bin/x \"a".parse::<Fallback>().unwrap_err().contains("quote"));
    }

    #[test]
    fn tokens_are_replaced_within_their_words() {
        let words = command("/bin/x -s=%f %u@%d \"%D 100%%\" end").words(&TOKENS).unwrap();
        assert_eq!(words, ["/bin/x", "-s=a b; rm@x.org", "$(id)@foo.net", "foo.com 100%", "end"]);
        assert_eq!(command("/bin/x %f").words(&Tokens { sender: "", ..TOKENS }).unwrap(), ["/bin/x", ""]);
    }

    #[test]
    fn mail_gives_no_options_to_a_program() {
        let option = Tokens { user: "-oQ/tmp", ..TOKENS };
        assert_eq!(command("/bin/x %u").words(&option), None);
        assert_eq!(command("/bin/x -u%u --%u").words(&option).unwrap(), ["/bin/x", "-u-oQ/tmp", "---oQ/tmp"]);
    }
}

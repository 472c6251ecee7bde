//! What a client asks of LIST.

use super::super::args::{Args, Bad};
use super::super::status::{self, Item};
use crate::config::SpecialUse;

/// The arguments of LIST.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    pub reference: String,
    pub patterns: Vec<String>,
    pub selection: Selection,
    /// RETURN (SUBSCRIBED).
    pub subscribed: bool,
    /// Special uses are told.
    pub special: bool,
    /// RETURN (STATUS (..)).
    pub status: Vec<Item>,
    /// The extended syntax is used (RFC 5258 §3).
    pub is_extended: bool,
}

/// Which names are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    pub subscribed: bool,
    pub special: bool,
    /// Also those that have such below them.
    pub recursive: bool,
}

impl Selection {
    /// Whether all are.
    pub fn is_empty(self) -> bool {
        !self.subscribed && !self.special
    }

    /// The options that select.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [(self.subscribed, "SUBSCRIBED"), (self.special, "SPECIAL-USE")].into_iter().filter(|(on, _)| *on).map(|(_, name)| name)
    }
}

impl Asked {
    /// `(SUBSCRIBED) "" ("%" "a/%") RETURN (CHILDREN)`.
    pub fn parse(args: &mut Args<'_>) -> Result<Asked, Bad> {
        let mut asked = Asked::default();
        if args.peek() == Some(b'(') {
            asked.is_extended = true;
            asked.selection = selection(args)?;
            args.space()?;
        }
        asked.reference = args.mailbox_text()?;
        args.space()?;
        asked.patterns = asked.parse_patterns(args)?;
        if args.takes(b' ') {
            asked.is_extended = true;
            asked.parse_return(args)?;
        }
        Ok(asked)
    }

    /// RFC 9051 §6.3.9: an empty name asks for the separator.
    pub fn is_for_root(&self) -> bool {
        !self.is_extended && self.patterns == [""]
    }

    fn parse_patterns(&mut self, args: &mut Args<'_>) -> Result<Vec<String>, Bad> {
        if !args.takes(b'(') {
            return Ok(vec![pattern(args)?]);
        }
        self.is_extended = true;
        let mut patterns = vec![pattern(args)?];
        while args.takes(b' ') {
            patterns.push(pattern(args)?);
            if patterns.len() > MOST_PATTERNS {
                return Err(Bad("too many patterns"));
            }
        }
        args.expect(b')', "patterns without an end")?;
        Ok(patterns)
    }

    fn parse_return(&mut self, args: &mut Args<'_>) -> Result<(), Bad> {
        if !args.is_word("RETURN") {
            return Err(Bad("RETURN expected"));
        }
        args.space()?;
        options(args, |word, args| {
            match word {
                "SUBSCRIBED" => self.subscribed = true,
                // Both are told in any case.
                "CHILDREN" | "SPECIAL-USE" => {}
                "STATUS" => {
                    args.space()?;
                    self.status = status::items(args)?;
                }
                _ => return Err(Bad("no such option of RETURN")),
            }
            Ok(())
        })
    }
}

fn selection(args: &mut Args<'_>) -> Result<Selection, Bad> {
    let mut selection = Selection::default();
    options(args, |word, _| {
        match word {
            "SUBSCRIBED" => selection.subscribed = true,
            "SPECIAL-USE" => selection.special = true,
            "RECURSIVEMATCH" => selection.recursive = true,
            // There are no mailboxes elsewhere.
            "REMOTE" => {}
            _ => return Err(Bad("no such option of LIST")),
        }
        Ok(())
    })?;
    // RFC 5258 §3.1.
    if selection.recursive && selection.is_empty() { Err(Bad("RECURSIVEMATCH needs another option")) } else { Ok(selection) }
}

/// A list in parentheses, which may be empty, of words in any case.
fn options(args: &mut Args<'_>, mut take: impl FnMut(&str, &mut Args<'_>) -> Result<(), Bad>) -> Result<(), Bad> {
    args.expect(b'(', "options expected")?;
    if args.takes(b')') {
        return Ok(());
    }
    loop {
        let word = args.word()?.to_ascii_uppercase();
        take(&word, args)?;
        if !args.takes(b' ') {
            break;
        }
    }
    args.expect(b')', "options without an end")
}

fn pattern(args: &mut Args<'_>) -> Result<String, Bad> {
    let pattern = args.pattern()?;
    if pattern.len() > LONGEST_PATTERN { Err(Bad("pattern too long")) } else { Ok(pattern) }
}

/// The attribute of a special use (RFC 6154 §2).
pub fn attribute(special: SpecialUse) -> &'static str {
    match special {
        SpecialUse::Drafts => "\\Drafts",
        SpecialUse::Sent => "\\Sent",
        SpecialUse::Trash => "\\Trash",
        SpecialUse::Junk => "\\Junk",
        SpecialUse::Archive => "\\Archive",
    }
}

/// No name is longer.
const LONGEST_PATTERN: usize = 1_000;
const MOST_PATTERNS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Asked, Bad> {
        let mut args = Args::new(text.as_bytes(), false);
        let asked = Asked::parse(&mut args)?;
        args.end().map(|()| asked)
    }

    #[test]
    fn the_forms_of_the_rfcs_are_read() {
        assert_eq!(read("\"\" *").unwrap().patterns, ["*"]);
        assert!(read("\"\" \"\"").unwrap().is_for_root());
        let all = read("(SUBSCRIBED RECURSIVEMATCH) \"a/\" (\"%\" x*) RETURN (CHILDREN STATUS (MESSAGES UNSEEN) subscribed)").unwrap();
        assert!(all.selection.subscribed && all.selection.recursive && all.subscribed && all.is_extended);
        assert_eq!((all.reference.as_str(), all.patterns.len(), all.status.len()), ("a/", 2, 2));
        assert!(read("() \"\" % RETURN ()").unwrap().is_extended);
        for broken in ["", "\"\"", "(RECURSIVEMATCH) \"\" *", "(FOO) \"\" *", "\"\" * RETURN (FOO)", "\"\" * FOO ()", "\"\" ()", "\"\" (a"]
        {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}

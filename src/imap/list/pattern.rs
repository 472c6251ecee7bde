//! Patterns of mailbox names (RFC 9051 §6.3.9): `*` stands for anything, `%` for anything on one level.

/// A pattern, with its reference before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// What stands before the first wild letter.
    head: String,
    /// From there on.
    letters: Vec<char>,
    separator: char,
}

impl Pattern {
    /// Each of `patterns` behind `reference`.
    pub fn all(reference: &str, patterns: &[String], separator: char) -> Vec<Pattern> {
        patterns.iter().map(|pattern| Pattern::new(&format!("{reference}{pattern}"), separator)).collect()
    }

    /// INBOX is the same in any case.
    fn new(text: &str, separator: char) -> Pattern {
        let mut letters: Vec<char> = text.chars().collect();
        let is_inbox = text.get(..5).is_some_and(|first| first.eq_ignore_ascii_case("INBOX"));
        if is_inbox && letters.get(5).is_none_or(|letter| *letter == separator || is_wild(*letter)) {
            letters[..5].iter_mut().for_each(|letter| letter.make_ascii_uppercase());
        }
        letters.dedup_by(|next, kept| *next == '*' && *kept == '*');
        let wild = letters.iter().position(|letter| is_wild(*letter)).unwrap_or(letters.len());
        Pattern { head: letters.drain(..wild).collect(), letters, separator }
    }

    /// Whether it has a `%` and no `*`.
    pub fn stays_on_a_level(&self) -> bool {
        self.letters.contains(&'%') && !self.letters.contains(&'*')
    }

    /// Whether `name` is one of those meant.
    pub fn matches(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(&*self.head) else { return false };
        match *self.letters {
            [] => rest.is_empty(),
            ['*'] => true,
            ['%'] => !rest.contains(self.separator),
            _ => self.is_read_as(rest),
        }
    }

    /// All ways to read what follows the head are gone at once, so that none is gone twice.
    fn is_read_as(&self, rest: &str) -> bool {
        let mut at = vec![false; self.letters.len() + 1];
        let mut next = at.clone();
        at[0] = true;
        self.pass_wild(&mut at);
        for letter in rest.chars() {
            next.fill(false);
            for (place, wanted) in self.letters.iter().enumerate().filter(|(place, _)| at[*place]) {
                match wanted {
                    '*' => next[place] = true,
                    '%' => next[place] |= letter != self.separator,
                    wanted => next[place + 1] |= *wanted == letter,
                }
            }
            self.pass_wild(&mut next);
            std::mem::swap(&mut at, &mut next);
        }
        at[self.letters.len()]
    }

    /// A wild letter can stand for nothing.
    fn pass_wild(&self, at: &mut [bool]) {
        for (place, letter) in self.letters.iter().enumerate() {
            at[place + 1] |= at[place] && is_wild(*letter);
        }
    }
}

fn is_wild(letter: char) -> bool {
    letter == '*' || letter == '%'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern, '/').matches(name)
    }

    #[test]
    fn a_star_crosses_levels_and_a_percent_does_not() {
        assert!(matches("*", "a/b/c") && matches("*", "") && matches("a*c", "a/b/c") && matches("a/*", "a/b/c"));
        assert!(matches("%", "a") && !matches("%", "a/b") && matches("a/%", "a/b") && !matches("a/%", "a/b/c") && !matches("a/%", "a"));
        assert!(matches("%/b", "a/b") && matches("*%", "a/b") && matches("a%b%c", "abxc") && !matches("a", "b"));
        assert!(Pattern::new("a/%", '/').stays_on_a_level() && !Pattern::new("%*", '/').stays_on_a_level());
    }

    #[test]
    fn inbox_is_inbox_in_any_case_and_nothing_else_is() {
        assert!(matches("inbox", "INBOX") && matches("Inbox/%", "INBOX/a") && matches("inBox*", "INBOX") && !matches("inboxes", "INBOXES"));
        assert!(!matches("sent", "Sent"));
    }

    #[test]
    fn what_would_be_read_in_very_many_ways_is_read_once() {
        assert!(!matches(&"*a%".repeat(300), &"a".repeat(299)));
    }

    fn simply(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.first(), name.first()) {
            (None, None) => true,
            (Some(b'*'), _) => simply(&pattern[1..], name) || !name.is_empty() && simply(pattern, &name[1..]),
            (Some(b'%'), next) => simply(&pattern[1..], name) || next.is_some_and(|next| *next != b'/') && simply(pattern, &name[1..]),
            (Some(one), Some(other)) => one == other && simply(&pattern[1..], &name[1..]),
            (_, _) => false,
        }
    }

    proptest! {
        #[test]
        fn it_matches_as_the_words_of_the_rfc_say(pattern in "[ab/%*]{0,8}", name in "[ab/]{0,8}") {
            prop_assert_eq!(matches(&pattern, &name), simply(pattern.as_bytes(), name.as_bytes()));
        }
    }
}

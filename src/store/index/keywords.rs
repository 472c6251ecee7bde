//! Keywords and the sets of them that messages have, each kept once.

use std::io;
use std::sync::{Arc, LazyLock};

use super::op::{Keyword, Marks};

/// All keywords of a mailbox, in the order in which they came, and the sets in use. Numbers never change, but by a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keywords {
    names: Vec<Keyword>,
    /// Positions in `names`, by name.
    by_name: Vec<u16>,
    /// Ascending positions in `names`. The empty set, number 0, is not here: set 1 comes first.
    sets: Vec<Arc<[u16]>>,
    /// Positions in `sets`, by content.
    by_content: Vec<u32>,
}

/// How many keywords a mailbox may have.
pub const NAMES: usize = 65_535;

/// How many sets there may be beyond the number of messages.
pub const SPARE_SETS: usize = 65_535;

impl Keywords {
    /// For a state to keep; mailboxes without keywords share that.
    pub(super) fn shared(self) -> Arc<Keywords> {
        static NONE: LazyLock<Arc<Keywords>> = LazyLock::new(Arc::default);
        if self == **NONE { Arc::clone(&NONE) } else { Arc::new(self) }
    }

    /// All of them.
    pub fn names(&self) -> &[Keyword] {
        &self.names
    }

    /// Those of a set.
    pub fn of(&self, set: u32) -> impl Iterator<Item = &Keyword> {
        self.set(set).iter().filter_map(|at| self.names.get(usize::from(*at)))
    }

    fn set(&self, set: u32) -> &[u16] {
        (set as usize).checked_sub(1).and_then(|at| self.sets.get(at)).map_or(&[], |set| set)
    }

    pub(super) fn sets(&self) -> &[Arc<[u16]>] {
        &self.sets
    }

    /// The position of a keyword.
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.by_name.binary_search_by(|at| compare(&self.names[usize::from(*at)], name))
    }

    /// The position of a keyword, which is added if it is new.
    pub(super) fn add(&mut self, name: &Keyword) -> io::Result<u16> {
        match self.find(name) {
            Ok(found) => Ok(self.by_name[found]),
            Err(_) if name.is_empty() || name.len() > 255 => Err(invalid("a keyword has 1 to 255 octets")),
            Err(_) if self.names.len() >= NAMES => Err(invalid("too many keywords")),
            Err(place) => {
                let at = self.names.len() as u16;
                self.names.push(name.clone());
                self.by_name.insert(place, at);
                Ok(at)
            }
        }
    }

    /// The number of a set, which is added if it is new and there are not `limit` sets yet. `content` ascends.
    pub(super) fn number(&mut self, content: &[u16], limit: usize) -> io::Result<u32> {
        if content.is_empty() {
            return Ok(0);
        }
        match self.by_content.binary_search_by(|at| self.sets[*at as usize][..].cmp(content)) {
            Ok(found) => Ok(self.by_content[found] + 1),
            Err(_) if self.sets.len() >= limit => Err(invalid("too many sets of keywords")),
            Err(place) => {
                self.by_content.insert(place, self.sets.len() as u32);
                self.sets.push(content.into());
                Ok(self.sets.len() as u32)
            }
        }
    }

    /// The number of the set of `names`.
    pub(super) fn number_of(&mut self, names: &[Keyword], limit: usize) -> io::Result<u32> {
        let mut content = names.iter().map(|name| self.add(name)).collect::<io::Result<Vec<u16>>>()?;
        content.sort_unstable();
        content.dedup();
        self.number(&content, limit)
    }
}

/// Whether a name belongs before another; the case of ASCII letters makes no difference (RFC 9051 §2.3.2).
fn compare(a: &str, b: &str) -> std::cmp::Ordering {
    let folded = |name: &str| name.bytes().map(|octet| octet.to_ascii_lowercase()).collect::<Vec<u8>>();
    folded(a).cmp(&folded(b))
}

pub(super) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// What some [`Marks`] make of sets, each computed once.
pub(super) struct Change {
    clear: bool,
    remove: Vec<u16>,
    add: Vec<u16>,
    known: Vec<(u32, u32)>,
}

impl Change {
    /// Adds the new keywords to `keywords`.
    pub fn new(marks: &Marks, keywords: &mut Arc<Keywords>) -> io::Result<Change> {
        let remove = marks.remove_keywords.iter().filter_map(|name| keywords.find(name).ok().map(|at| keywords.by_name[at])).collect();
        let mut add = Vec::new();
        for name in &marks.add_keywords {
            add.push(match keywords.find(name) {
                Ok(found) => keywords.by_name[found],
                Err(_) => Arc::make_mut(keywords).add(name)?,
            });
        }
        Ok(Change { clear: marks.clear, remove, add, known: Vec::new() })
    }

    /// The set that messages with `set` get.
    pub fn of(&mut self, set: u32, keywords: &mut Arc<Keywords>, limit: usize) -> io::Result<u32> {
        if !self.clear && self.remove.is_empty() && self.add.is_empty() {
            return Ok(set);
        }
        let place = match self.known.binary_search_by_key(&set, |(from, _)| *from) {
            Ok(found) => return Ok(self.known[found].1),
            Err(place) => place,
        };
        let old: &[u16] = if self.clear { &[] } else { keywords.set(set) };
        let mut content: Vec<u16> = old.iter().filter(|at| !self.remove.contains(at)).chain(&self.add).copied().collect();
        content.sort_unstable();
        content.dedup();
        let new = match content == keywords.set(set) {
            true => set,
            false => Arc::make_mut(keywords).number(&content, limit)?,
        };
        self.known.insert(place, (set, new));
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(name: &str) -> Keyword {
        name.into()
    }

    #[test]
    fn the_case_of_letters_makes_no_other_keyword() {
        let mut keywords = Keywords::default();
        let set = keywords.number_of(&[word("$Junk"), word("Later"), word("$JUNK")], 9).unwrap();
        assert_eq!(keywords.number_of(&[word("LATER"), word("$junk")], 9).unwrap(), set);
        assert_eq!(keywords.of(set).collect::<Vec<_>>(), [&word("$Junk"), &word("Later")]);
    }

    #[test]
    fn changes_go_before_they_come() {
        let mut keywords = Arc::new(Keywords::default());
        let old = Arc::make_mut(&mut keywords).number_of(&[word("a"), word("b")], 9).unwrap();
        let marks = Marks { remove_keywords: vec![word("a"), word("x")], add_keywords: vec![word("c")], ..Marks::default() };
        let mut change = Change::new(&marks, &mut keywords).unwrap();
        let new = change.of(old, &mut keywords, 9).unwrap();
        assert_eq!(keywords.of(new).map(|name| &**name).collect::<String>(), "bc");
        let none = Change::new(&Marks { clear: true, ..Marks::default() }, &mut keywords).unwrap().of(new, &mut keywords, 9);
        assert_eq!(none.unwrap(), 0);
    }

    #[test]
    fn there_are_limits() {
        let mut keywords = Keywords::default();
        for at in 0..NAMES {
            keywords.add(&word(&format!("k{at:05}"))).unwrap();
        }
        assert!(keywords.add(&word("one more")).is_err());
        assert!(Keywords::default().add(&word(&"x".repeat(256))).is_err());
        assert_eq!(keywords.number(&[1], 1).unwrap(), 1);
        assert!(keywords.number(&[2], 1).is_err());
        assert_eq!(keywords.number(&[1], 1).unwrap(), 1);
    }
}

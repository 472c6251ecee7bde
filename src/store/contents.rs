//! What is kept of the content of many messages, in one piece of memory: lists, searches and sorts look at it, ten thousand at a time.

use std::ops::Range;

/// What is kept of the content of messages, by UID, ascending, as [`EntryRef`](crate::message::EntryRef) reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    octets: Vec<u8>,
    entries: Vec<(u32, Range<usize>)>,
}

impl Contents {
    /// Adds the next.
    pub fn push(&mut self, uid: u32, entry: &[u8]) {
        let from = self.octets.len();
        self.octets.extend_from_slice(entry);
        self.entries.push((uid, from..self.octets.len()));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Octets of all.
    pub fn octets(&self) -> usize {
        self.octets.len()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.entries.iter().map(|(uid, range)| (*uid, &self.octets[range.clone()]))
    }

    /// From the first on.
    pub fn walk(&self) -> Walk<'_> {
        Walk { contents: self, at: 0 }
    }
}

/// Goes through [`Contents`] beside a list of UIDs that ascend, too.
pub struct Walk<'a> {
    contents: &'a Contents,
    at: usize,
}

impl<'a> Walk<'a> {
    /// What is kept of `uid`, which is above all that was asked for before.
    pub fn of(&mut self, uid: u32) -> Option<&'a [u8]> {
        let entries = &self.contents.entries;
        while entries.get(self.at)?.0 < uid {
            self.at += 1;
        }
        let (found, range) = &entries[self.at];
        (*found == uid).then(|| &self.contents.octets[range.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_beside_a_list_with_gaps() {
        let mut contents = Contents::default();
        [(2, &b"two"[..]), (5, b""), (9, b"nine")].into_iter().for_each(|(uid, entry)| contents.push(uid, entry));
        assert_eq!((contents.len(), contents.octets()), (3, 7));
        let mut walk = contents.walk();
        let found: Vec<_> = [1, 2, 3, 5, 8, 9, 10].into_iter().map(|uid| walk.of(uid)).collect();
        assert_eq!(found, [None, Some(&b"two"[..]), None, Some(b""), None, Some(b"nine"), None]);
        assert_eq!(contents.iter().map(|(uid, _)| uid).collect::<Vec<_>>(), [2, 5, 9]);
    }
}

//! Sets of UIDs, as ranges: "all 100,000 messages" costs no more than one.

use std::ops::RangeInclusive;

use super::index::Span;

/// A set of UIDs: ascending ranges that neither touch nor overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uids(Vec<RangeInclusive<u32>>);

impl Uids {
    /// No UID.
    pub const NONE: Uids = Uids(Vec::new());

    /// Every UID that can be.
    pub fn all() -> Uids {
        Uids(vec![1..=u32::MAX])
    }

    /// Adds `uid`; cheapest in ascending order.
    pub fn insert(&mut self, uid: u32) {
        self.insert_range(uid..=uid);
    }

    /// Adds all of `range`; an empty one adds nothing.
    pub fn insert_range(&mut self, range: RangeInclusive<u32>) {
        if range.is_empty() {
            return;
        }
        // What touches `range` on either side becomes one with it.
        let from = self.0.partition_point(|known| known.end().saturating_add(1) < *range.start());
        let to = from + self.0[from..].partition_point(|known| *known.start() <= range.end().saturating_add(1));
        let whole = self.0[from..to].iter().fold(range, |whole, known| *whole.start().min(known.start())..=*whole.end().max(known.end()));
        self.0.splice(from..to, [whole]);
    }

    /// Whether `uid` is in the set.
    pub fn contains(&self, uid: u32) -> bool {
        let at = self.0.partition_point(|range| *range.end() < uid);
        self.0.get(at).is_some_and(|range| range.contains(&uid))
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = RangeInclusive<u32>> + '_ {
        self.0.iter().cloned()
    }

    /// The UIDs, ascending: for sets that were made of messages, not for [`Uids::all`].
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().cloned().flatten()
    }

    /// The ranges, as the index has them.
    pub(super) fn spans(&self) -> Vec<Span> {
        self.ranges().map(Span::from).collect()
    }

    /// How many UIDs there are.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|range| u64::from(range.end() - range.start()) + 1).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<RangeInclusive<u32>> for Span {
    fn from(range: RangeInclusive<u32>) -> Span {
        Span { first: *range.start(), last: *range.end() }
    }
}

impl FromIterator<u32> for Uids {
    fn from_iter<I: IntoIterator<Item = u32>>(uids: I) -> Uids {
        let mut set = Uids::NONE;
        uids.into_iter().for_each(|uid| set.insert(uid));
        set
    }
}

impl Extend<u32> for Uids {
    fn extend<I: IntoIterator<Item = u32>>(&mut self, uids: I) {
        uids.into_iter().for_each(|uid| self.insert(uid));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(ranges in proptest::collection::vec((0u32..60, 0u32..6), 0..30)) {
            let (mut set, mut model) = (Uids::NONE, BTreeSet::new());
            for (from, len) in ranges {
                set.insert_range(from..=from + len);
                model.extend(from..=from + len);
            }
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.len(), model.len() as u64);
            prop_assert!((0..70).all(|uid| set.contains(uid) == model.contains(&uid)));
            let apart = set.0.windows(2).all(|pair| pair[0].end() + 1 < *pair[1].start());
            prop_assert!(apart);
        }
    }

    #[test]
    fn the_last_uid_is_no_special_case() {
        let mut set = Uids::all();
        set.insert(u32::MAX);
        assert_eq!(set, Uids::all());
        assert!(set.contains(u32::MAX));
    }
}

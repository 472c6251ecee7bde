//! Sets of messages as clients write them: `2,4:7,9,12:*`, or `$` for the saved result (RFC 9051 §9 sequence-set).

use std::ops::RangeInclusive;

use crate::store::Uids;

/// A set of sequence numbers or UIDs, not yet held against a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// `$`: what the last `SEARCH RETURN (SAVE)` found (RFC 9051 §6.4.4.1).
    Saved,
    /// Ranges in the order in which they were written; the ends of each in either order.
    Ranges(Vec<(Bound, Bound)>),
}

/// An end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Never 0.
    Number(u32),
    /// `*`: the last one there is.
    Last,
}

impl Set {
    /// The numbers of the set where the last one is `last`, ascending; `None` for `$`.
    pub(super) fn numbers(&self, last: u32) -> Option<Uids> {
        let Set::Ranges(ranges) = self else { return None };
        let mut spans: Vec<RangeInclusive<u32>> = ranges.iter().map(|(one, other)| span(one.at(last), other.at(last))).collect();
        // In order, so that each insertion costs the same.
        spans.sort_unstable_by_key(|span| *span.start());
        let mut numbers = Uids::NONE;
        spans.into_iter().for_each(|span| numbers.insert_range(span));
        Some(numbers)
    }
}

impl Bound {
    fn at(self, last: u32) -> u32 {
        match self {
            Bound::Number(number) => number,
            Bound::Last => last,
        }
    }
}

/// RFC 9051 §9 seq-range: `4:2` is the same as `2:4`.
fn span(one: u32, other: u32) -> RangeInclusive<u32> {
    one.min(other)..=one.max(other)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_one_is_part_of_a_range_that_begins_behind_it() {
        let set = Set::Ranges(vec![(Bound::Number(559), Bound::Last)]);
        assert_eq!(set.numbers(500).unwrap().ranges().collect::<Vec<_>>(), [500..=559]);
        assert_eq!(Set::Saved.numbers(9), None);
    }

    proptest! {
        #[test]
        fn order_and_overlaps_make_no_difference(ranges in proptest::collection::vec((1u32..50, 1u32..50), 1..20)) {
            let model: BTreeSet<u32> = ranges.iter().flat_map(|&(one, other)| span(one, other)).collect();
            let set = Set::Ranges(ranges.into_iter().map(|(one, other)| (Bound::Number(one), Bound::Number(other))).collect());
            prop_assert_eq!(set.numbers(1).unwrap().iter().collect::<BTreeSet<_>>(), model);
        }
    }
}

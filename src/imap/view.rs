//! What a client has been told of its mailbox: the one place of sequence numbers.

use super::args::Bad;
use super::set::{Bound, Set};
use crate::store::index::{Entries, Entry, Span};
use crate::store::{State, Uids};

/// The mailbox as one client knows it (RFC 9051 §2.3.1.2): which messages there are, hence their numbers, and up to which change it knows
/// their flags.
#[derive(Debug, Clone)]
pub struct View {
    told: State,
    /// Flags are told up to this MODSEQ: further than `told` after news without expunges.
    modseq: u64,
    /// What the last SEARCH saved: `$`.
    saved: Uids,
}

/// What there is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// UIDs of messages that the client knows and that are gone, with their numbers before the first of them goes.
    pub expunged: Vec<(u32, u32)>,
    /// How many messages there are now, if some have come.
    pub exists: Option<u32>,
    /// UIDs of messages that the client knew and whose flags or keywords may have changed, with the numbers they have after all the
    /// above, ascending.
    pub changed: Vec<(u32, u32)>,
}

impl View {
    /// A client that is told `state` now.
    pub fn new(state: State) -> View {
        View { modseq: state.head().modseq, told: state, saved: Uids::NONE }
    }

    /// The messages that the client knows; their flags may be older than what it was told.
    pub fn told(&self) -> &State {
        &self.told
    }

    /// How many messages the client knows.
    pub fn exists(&self) -> u32 {
        count(self.told.len())
    }

    /// The highest UID that the client knows; 0 in an empty mailbox.
    pub fn last_uid(&self) -> u32 {
        self.told.len().checked_sub(1).and_then(|last| self.told.nth(last)).map_or(0, |message| message.uid)
    }

    /// The sequence number of a message.
    pub fn number(&self, uid: u32) -> Option<u32> {
        self.told.position(uid).map(|position| count(position) + 1)
    }

    /// The UIDs that a client means by `set`: of UIDs, or of sequence numbers. They are never of messages that it does not know.
    ///
    /// # Errors
    /// A sequence number that is none (RFC 9051 §9 seq-number).
    pub fn resolve(&self, set: &Set, is_uid: bool) -> Result<Uids, Bad> {
        match (set, is_uid) {
            (Set::Saved, _) => Ok(self.saved.clone()),
            (Set::Ranges(_), true) => Ok(self.known(&set.numbers(self.last_uid()).unwrap_or_default())),
            (Set::Ranges(ranges), false) => self.uids_of_numbers(set, ranges),
        }
    }

    /// What has not been told is hit by no range, however far it reaches.
    fn known(&self, uids: &Uids) -> Uids {
        let last = self.last_uid();
        let mut known = Uids::NONE;
        uids.ranges().for_each(|range| known.insert_range(*range.start().max(&1)..=*range.end().min(&last)));
        known
    }

    fn uids_of_numbers(&self, set: &Set, ranges: &[(Bound, Bound)]) -> Result<Uids, Bad> {
        let exists = self.exists();
        let is_none = |bound: &Bound| match bound {
            Bound::Number(number) => *number > exists,
            Bound::Last => exists == 0,
        };
        if ranges.iter().any(|(one, other)| is_none(one) || is_none(other)) {
            return Err(Bad("there are not so many messages"));
        }
        let mut uids = Uids::NONE;
        for numbers in set.numbers(exists).unwrap_or_default().ranges() {
            if numbers == (1..=exists) {
                // All of them: nothing needs to be looked at.
                uids.insert_range(1..=self.last_uid());
                continue;
            }
            let first = self.told.nth(*numbers.start() as usize - 1).map_or(0, |message| message.uid);
            let wanted = numbers.end() - numbers.start() + 1;
            uids.extend(self.told.range(Span { first, last: u32::MAX }).take(wanted as usize).map(|message| message.uid));
        }
        Ok(uids)
    }

    /// The messages of `uids` as they are in `now`, with their sequence numbers, ascending. Messages that are gone, and those that the
    /// client does not know, are left out.
    pub fn walk<'a>(&'a self, now: &'a State, uids: &'a Uids) -> impl Iterator<Item = (u32, Entry<'a>)> + 'a {
        let is_same = self.told.head().epoch == now.head().epoch && self.told.head().modseq == now.head().modseq;
        uids.ranges().flat_map(move |range| {
            let span = Span { first: *range.start(), last: *range.end() };
            let known = (!is_same).then(|| self.told.range(span));
            Walk { number: count(self.told.before(span.first)), known, now: now.range(span) }
        })
    }

    /// The client has been told the flags of `uids` as they are in `now`: they are no news, unless something else has changed as well.
    pub fn has_told(&mut self, now: &State, uids: &Uids) {
        let is_same = now.head().epoch == self.told.head().epoch;
        if is_same && now.changed_since(self.modseq).all(|message| uids.contains(message.uid)) {
            self.modseq = now.head().modseq;
        }
    }

    /// What `$` stands for from now on.
    pub fn save(&mut self, uids: Uids) {
        self.saved = uids;
    }

    /// What the client is to be told of `now`, the folder after [`refresh`](crate::store::Folder::refresh); the view then knows it.
    /// Without `with_expunges` messages that are gone keep their numbers for now (RFC 9051 §7.5.1), and others that came after them are
    /// not told either.
    pub fn news(&mut self, now: &State, with_expunges: bool) -> News {
        if self.told.head().modseq == now.head().modseq && self.modseq == now.head().modseq && self.told.head().epoch == now.head().epoch {
            return News::default();
        }
        let expunged = self.expunged(now);
        if !with_expunges && !expunged.is_empty() {
            let changed = now.changed_since(self.modseq).filter_map(|message| Some((message.uid, self.number(message.uid)?))).collect();
            self.modseq = now.head().modseq;
            return News { changed, ..News::default() };
        }
        let since = std::mem::replace(&mut self.modseq, now.head().modseq);
        let (had, uidnext) = (self.told.len() - expunged.len(), self.told.head().uidnext);
        self.told = now.clone();
        let saved = std::mem::take(&mut self.saved);
        self.saved = without(saved, &expunged);
        let of_known = now.changed_since(since).take_while(|message| message.uid < uidnext);
        let changed = of_known.filter_map(|message| Some((message.uid, self.number(message.uid)?))).collect();
        News { exists: (now.len() != had).then(|| count(now.len())), expunged, changed }
    }

    /// Whether messages have gone without the client being told.
    pub fn holds_back(&self, now: &State) -> bool {
        let is_same = self.told.head().epoch == now.head().epoch && self.told.head().modseq == now.head().modseq;
        !is_same && !now.vanished_from(&self.told).is_empty()
    }

    fn expunged(&self, now: &State) -> Vec<(u32, u32)> {
        let gone = now.vanished_from(&self.told);
        let known = gone.iter().flat_map(|span| {
            let before = count(self.told.before(span.first));
            self.told.range(*span).zip(before + 1..).map(|(message, number)| (message.uid, number))
        });
        known.collect()
    }
}

/// Messages of a range, as they are now.
struct Walk<'a> {
    /// Of the last message that the client knows, before the next one.
    number: u32,
    /// What the client knows, unless it knows what is now.
    known: Option<Entries<'a>>,
    now: Entries<'a>,
}

impl<'a> Iterator for Walk<'a> {
    type Item = (u32, Entry<'a>);

    fn next(&mut self) -> Option<(u32, Entry<'a>)> {
        let mut message = self.now.next()?;
        self.number += 1;
        if let Some(known) = &mut self.known {
            let mut told = known.next()?.uid;
            while told != message.uid {
                if told < message.uid {
                    told = known.next()?.uid;
                    self.number += 1;
                } else {
                    message = self.now.next()?;
                }
            }
        }
        Some((self.number, message))
    }
}

fn without(saved: Uids, expunged: &[(u32, u32)]) -> Uids {
    if saved.is_empty() || expunged.is_empty() {
        return saved;
    }
    let is_gone = |uid: &u32| expunged.binary_search_by_key(uid, |(gone, _)| *gone).is_ok();
    saved.iter().filter(|uid| !is_gone(uid)).collect()
}

/// IMAP counts messages in 32 bits, as it does UIDs: there can't be more.
fn count(messages: usize) -> u32 {
    u32::try_from(messages).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::args::Args;
    use super::*;
    use crate::store::Flags;
    use crate::store::index::{Arrival, Live, Marks, Op, Record};

    fn arrival(uid: u32) -> Arrival {
        Arrival { live: Live::new(Record { uid, ..Record::default() }, b"", b""), keywords: Vec::new() }
    }

    fn mailbox(uids: &[u32]) -> State {
        let uidnext = uids.last().map_or(1, |last| last + 1);
        State::found(1, uidnext, [0; 16], uids.iter().copied().map(arrival).collect()).unwrap()
    }

    fn expunge(state: &State, uid: u32) -> State {
        state.after(vec![Op::Expunge { uids: vec![Span::one(uid)], doomed: false }]).unwrap()
    }

    fn flag(state: &State, uid: u32) -> State {
        let marks = Marks { uids: vec![Span::one(uid)], add: Flags::SEEN, ..Marks::default() };
        state.after(vec![Op::Flags(marks)]).unwrap()
    }

    fn append(state: &State) -> State {
        state.after(vec![Op::Append(vec![arrival(state.head().uidnext)])]).unwrap()
    }

    fn resolved(view: &View, set: &str, is_uid: bool) -> Result<Vec<u32>, Bad> {
        let uids = view.resolve(&Args::new(set.as_bytes(), false).set()?, is_uid)?;
        Ok(view.walk(view.told(), &uids).map(|(_, message)| message.uid).collect())
    }

    #[test]
    fn numbers_are_positions_and_uids_are_uids() {
        let view = View::new(mailbox(&[3, 5, 8, 9]));
        assert_eq!(resolved(&view, "2:3", false), Ok(vec![5, 8]));
        assert_eq!(resolved(&view, "*,1", false), Ok(vec![3, 9]));
        assert_eq!(resolved(&view, "1:*", false), Ok(vec![3, 5, 8, 9]));
        assert!(resolved(&view, "5", false).is_err());
        assert_eq!(resolved(&view, "4:8", true), Ok(vec![5, 8]));
        assert_eq!(resolved(&view, "100:*", true), Ok(vec![9]));
        assert_eq!(resolved(&view, "10", true), Ok(vec![]));
        assert_eq!((view.number(8), view.number(4)), (Some(3), None));
    }

    #[test]
    fn an_empty_mailbox_has_no_numbers_and_no_last_one() {
        let view = View::new(mailbox(&[]));
        assert!(resolved(&view, "1", false).is_err() && resolved(&view, "*", false).is_err());
        assert_eq!(resolved(&view, "1:*", true), Ok(vec![]));
    }

    #[test]
    fn what_is_not_told_is_hit_by_no_range() {
        let old = mailbox(&[1, 2]);
        let view = View::new(old.clone());
        let now = append(&old);
        let all = view.resolve(&Args::new(b"1:4294967295", false).set().unwrap(), true).unwrap();
        assert_eq!(view.walk(&now, &all).map(|(number, message)| (number, message.uid)).collect::<Vec<_>>(), [(1, 1), (2, 2)]);
        assert!(!all.contains(3));
    }

    #[test]
    fn expunges_wait_where_they_are_forbidden_and_flags_do_not() {
        let old = mailbox(&[1, 2, 3]);
        let mut view = View::new(old.clone());
        let now = append(&flag(&expunge(&old, 2), 3));
        assert_eq!(view.news(&now, false), News { changed: vec![(3, 3)], ..News::default() });
        assert_eq!(view.walk(&now, &Uids::all()).map(|(number, message)| (number, message.uid)).collect::<Vec<_>>(), [(1, 1), (3, 3)]);
        assert_eq!(view.news(&now, true), News { expunged: vec![(2, 2)], exists: Some(3), changed: vec![] });
        assert_eq!(view.number(4), Some(3));
        assert_eq!(view.news(&now, true), News::default());
    }

    #[test]
    fn flags_that_were_told_are_no_news_unless_others_have_changed_too() {
        let old = mailbox(&[1, 2, 3]);
        let (mut view, now) = (View::new(old.clone()), flag(&old, 2));
        view.has_told(&now, &[2].into_iter().collect());
        assert_eq!(view.news(&now, true), News::default());
        let now = flag(&append(&now), 3);
        view.has_told(&now, &[3].into_iter().collect());
        assert_eq!(view.news(&now, true), News { exists: Some(4), changed: vec![(3, 3)], ..News::default() });
    }

    #[test]
    fn what_is_gone_is_not_saved() {
        let old = mailbox(&[1, 2, 3]);
        let mut view = View::new(old.clone());
        view.save([2, 3].into_iter().collect());
        view.news(&expunge(&old, 2), true);
        assert_eq!(resolved(&view, "$", false), Ok(vec![3]));
    }

    proptest! {
        /// Whoever follows what is told knows what is there.
        #[test]
        fn a_client_that_listens_knows_the_mailbox(steps in proptest::collection::vec((0u8..4, 0usize..9, any::<bool>()), 0..40)) {
            let mut now = mailbox(&[1, 2, 3]);
            let mut view = View::new(now.clone());
            let mut client: Vec<u32> = vec![1, 2, 3];
            let mut flags: BTreeMap<u32, u8> = [(1, 0), (2, 0), (3, 0)].into();
            for (deed, at, may_expunge) in steps.into_iter().chain([(3, 0, true)]) {
                let uid = if now.is_empty() { 0 } else { now.nth(at % now.len()).unwrap().uid };
                match deed {
                    0 => now = append(&now),
                    1 if uid > 0 => now = expunge(&now, uid),
                    2 if uid > 0 => now = flag(&now, uid),
                    _ => {
                        let news = view.news(&now, may_expunge);
                        prop_assert!(may_expunge || news.expunged.is_empty());
                        for (gone, (uid, number)) in news.expunged.iter().enumerate() {
                            prop_assert_eq!(client.remove(*number as usize - 1 - gone), *uid);
                        }
                        if let Some(exists) = news.exists {
                            for new in view.told().messages().skip(client.len()) {
                                client.push(new.uid);
                                flags.insert(new.uid, new.flags().bits());
                            }
                            prop_assert_eq!(client.len(), exists as usize);
                        }
                        for (uid, number) in &news.changed {
                            prop_assert_eq!(client[*number as usize - 1], *uid);
                            flags.insert(*uid, now.message(*uid).unwrap().flags().bits());
                        }
                    }
                }
            }
            prop_assert_eq!(&client, &now.messages().map(|message| message.uid).collect::<Vec<_>>());
            prop_assert!(now.messages().all(|message| flags[&message.uid] == message.flags().bits()));
        }
    }
}

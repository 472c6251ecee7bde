//! `UID FETCH ... (CHANGEDSINCE n VANISHED)`: what of the set was expunged since then (RFC 7162 §3.2.6).

use crate::imap::out::Out;
use crate::imap::set::Set;
use crate::store::index::Span;
use crate::store::{State, Uids};

/// Says it, if there is any. `told` is the mailbox as the client knows it: what has gone since is told another time.
pub(super) fn tell(out: &mut Vec<u8>, set: &Set, told: &State, since: u64) {
    let gone = gone(set, told, since);
    if !gone.is_empty() {
        Out::new(out).raw("* VANISHED (EARLIER) ").set(&gone).end();
    }
}

fn gone(set: &Set, told: &State, since: u64) -> Uids {
    // `*` is the highest UID there has been: behind the last message others may have gone.
    let last = told.head().uidnext - 1;
    // What SEARCH found is there.
    let asked = set.numbers(last).unwrap_or_default();
    let asked = asked.ranges().map(|range| Span { first: *range.start().max(&1), last: *range.end().min(&last) });
    match told.vanished_since(since) {
        Some(spans) => asked.flat_map(|span| shared(span, &spans)).fold(Uids::NONE, with),
        // Too long ago: all that is not there (RFC 7162 §3.2.5.2).
        None => asked.flat_map(|span| gaps(span, told)).fold(Uids::NONE, with),
    }
}

fn with(mut uids: Uids, span: Span) -> Uids {
    uids.insert_range(span.first..=span.last);
    uids
}

/// What `spans`, in order, have of `span`.
fn shared(span: Span, spans: &[Span]) -> impl Iterator<Item = Span> {
    let from = spans.partition_point(|gone| gone.last < span.first);
    let touching = spans[from..].iter().take_while(move |gone| gone.first <= span.last);
    touching.map(move |gone| Span { first: gone.first.max(span.first), last: gone.last.min(span.last) })
}

/// Those of `span` that are no messages.
fn gaps(span: Span, told: &State) -> impl Iterator<Item = Span> {
    let mut first = span.first;
    let ends = told.range(span).map(|message| message.uid).chain([span.last.saturating_add(1)]);
    ends.filter_map(move |end| {
        let gap = (first < end).then(|| Span { first, last: end - 1 });
        first = end.saturating_add(1);
        gap
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::args::Args;
    use crate::store::index::{Arrival, Live, Op, Record};

    fn said(set: &str, told: &State, since: u64) -> String {
        let mut out = Vec::new();
        tell(&mut out, &Args::new(set.as_bytes(), false).set().unwrap(), told, since);
        String::from_utf8(out).unwrap()
    }

    fn expunged(uids: &[u32]) -> (State, u64) {
        let arrival = |uid| Arrival { live: Live::new(Record { uid, ..Record::default() }, b"", b""), keywords: Vec::new() };
        let old = State::found(1, 8, [0; 16], (1..8).map(arrival).collect()).unwrap();
        let since = old.head().modseq;
        let gone = uids.iter().map(|uid| Op::Expunge { uids: vec![Span::one(*uid)], doomed: false });
        (gone.fold(old, |state, op| state.after(vec![op]).unwrap()), since)
    }

    #[test]
    fn what_has_gone_of_the_set_is_told() {
        let (now, since) = expunged(&[2, 3, 7]);
        assert_eq!(said("1:*", &now, since), "* VANISHED (EARLIER) 2:3,7\r\n");
        assert_eq!(said("3:6", &now, since), "* VANISHED (EARLIER) 3\r\n");
        assert_eq!(said("*,1", &now, since + 1), "* VANISHED (EARLIER) 7\r\n");
        assert_eq!(said("4:6,100", &now, since), "");
        assert_eq!(said("1:*", &now, now.head().modseq), "");
    }

    #[test]
    fn what_is_no_longer_known_is_all_that_is_not_there() {
        let (now, since) = expunged(&[1, 2, 5]);
        assert_eq!(said("1:*", &now, since - 1), "* VANISHED (EARLIER) 1:2,5\r\n");
        assert_eq!(said("2:3,7:4294967295", &now, 0), "* VANISHED (EARLIER) 2\r\n");
        let (empty, _) = expunged(&[1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(said("1:*", &empty, 0), "* VANISHED (EARLIER) 1:7\r\n");
    }
}

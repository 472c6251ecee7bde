//! What was expunged, and when: as far back as there is room for (RFC 7162 §3.2.10).

use std::sync::{Arc, LazyLock};

use bytemuck::{Pod, Zeroable};

use super::base::Base;
use super::record::Span;

/// Messages that went at once.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Gone {
    pub modseq: u64,
    pub span: Span,
}

/// Spans that went, by MODSEQ: some of those in the snapshot, and those that came since.
#[derive(Debug, Clone)]
pub struct History {
    /// What went up to this MODSEQ is no longer known.
    horizon: u64,
    /// How many in the snapshot count no longer.
    skipped: usize,
    news: Arc<Vec<Gone>>,
}

/// That of most mailboxes: they share it.
static NO_NEWS: LazyLock<Arc<Vec<Gone>>> = LazyLock::new(Arc::default);

/// How many spans are kept.
pub const SPANS: usize = 4096;

impl History {
    /// One in which nothing went since `horizon` but what a snapshot says.
    pub fn new(horizon: u64) -> History {
        History { horizon, skipped: 0, news: Arc::clone(&NO_NEWS) }
    }

    pub fn horizon(&self) -> u64 {
        self.horizon
    }

    /// All spans, by MODSEQ.
    pub fn all<'a>(&'a self, base: Option<&'a Base>) -> impl Iterator<Item = &'a Gone> + Clone {
        self.old(base).iter().chain(self.news.iter())
    }

    fn old<'a>(&self, base: Option<&'a Base>) -> &'a [Gone] {
        base.and_then(|base| base.history().get(self.skipped..)).unwrap_or_default()
    }

    /// What went after `modseq`, in order.
    pub fn since(&self, base: Option<&Base>, modseq: u64) -> Option<Vec<Span>> {
        if modseq < self.horizon {
            return None;
        }
        let newer = |all: &[Gone]| all.partition_point(|gone| gone.modseq <= modseq);
        let (old, news) = (self.old(base), &self.news[..]);
        let spans: Vec<Span> = old[newer(old)..].iter().chain(&news[newer(news)..]).map(|gone| gone.span).collect();
        Some(Span::in_order(&spans))
    }

    /// Adds `spans`, which went at `modseq`, above all before. `is_empty` tells whether there are no messages in a span.
    pub fn add(&mut self, base: Option<&Base>, modseq: u64, spans: &[Span], is_empty: impl Fn(Span) -> bool) {
        Arc::make_mut(&mut self.news).extend(spans.iter().map(|span| Gone { modseq, span: *span }));
        if self.old(base).len() + self.news.len() > SPANS {
            self.compact(base, is_empty);
        }
    }

    /// Joins neighbours: who asks for the later one also hears of the earlier one, again. If that does not help, the oldest go.
    fn compact(&mut self, base: Option<&Base>, is_empty: impl Fn(Span) -> bool) {
        let mut all: Vec<Gone> = self.all(base).copied().collect();
        all.sort_unstable_by_key(|gone| gone.span);
        all.dedup_by(|next, kept| {
            let between = Span { first: kept.span.last.saturating_add(1), last: next.span.first.saturating_sub(1) };
            let joins = between.first > between.last || is_empty(between);
            if joins {
                kept.span.last = kept.span.last.max(next.span.last);
                kept.modseq = kept.modseq.max(next.modseq);
            }
            joins
        });
        all.sort_unstable_by_key(|gone| gone.modseq);
        if all.len() > SPANS {
            // More than needed, for it is some work.
            let kept = all.split_off(all.len() - SPANS / 4 * 3);
            self.horizon = all.last().map_or(self.horizon, |gone| gone.modseq);
            all = kept.into_iter().filter(|gone| gone.modseq > self.horizon).collect();
        }
        self.skipped = base.map_or(0, |base| base.history().len());
        self.news = Arc::new(all);
    }

    /// Nothing is known of what went up to `modseq`.
    pub fn forget(&mut self, base: Option<&Base>, modseq: u64) {
        *self = History { horizon: modseq, skipped: base.map_or(0, |base| base.history().len()), news: Arc::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: u32, last: u32) -> Span {
        Span { first, last }
    }

    #[test]
    fn neighbours_are_joined_before_anything_is_forgotten() {
        let mut history = History::new(10);
        for at in 0..2 * SPANS as u32 {
            history.add(None, 11 + u64::from(at), &[Span::one(at + 1)], |_| false);
        }
        assert_eq!(history.horizon(), 10);
        assert_eq!(history.since(None, 10), Some(vec![span(1, 2 * SPANS as u32)]));
        assert_eq!(history.since(None, 9), None);
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut history = History::new(10);
        let last = 2 * SPANS as u32;
        for at in 1..=last {
            history.add(None, 10 + u64::from(at), &[Span::one(2 * at)], |_| false);
        }
        assert!(history.all(None).count() <= SPANS);
        assert_eq!(history.since(None, 11), None);
        let horizon = history.horizon();
        assert_eq!(history.since(None, horizon).unwrap().len(), history.all(None).count());
        assert_eq!(history.since(None, 9 + u64::from(last)), Some(vec![Span::one(2 * last)]));
    }

    #[test]
    fn more_than_fits_at_once_is_as_good_as_unknown() {
        let mut history = History::new(10);
        let spans: Vec<Span> = (1..=2 * SPANS as u32).map(|at| Span::one(2 * at)).collect();
        history.add(None, 11, &spans, |_| false);
        assert_eq!(history.since(None, 10), None);
        assert_eq!(history.since(None, 11), Some(vec![]));
    }
}

//! How many messages are looked at together.

/// How many messages are looked at together: many, unless what is kept of them is much.
pub struct Pace {
    messages: usize,
    most: usize,
}

impl Pace {
    /// Never more than `most`.
    pub fn new(most: usize) -> Pace {
        Pace { messages: most.min(FIRST), most }
    }

    /// So many are next.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// For so many messages so many octets were held.
    pub fn saw(&mut self, messages: usize, octets: usize) {
        let fitting = messages * ENTRIES / octets.max(1);
        self.messages = fitting.min(2 * self.messages).clamp(1, self.most);
    }

    /// The next of `rest`, which are taken from it.
    pub fn cut<'a, T>(&self, rest: &mut &'a [T]) -> &'a [T] {
        let (some, others) = rest.split_at(self.messages.min(rest.len()));
        *rest = others;
        some
    }
}

/// Octets of entries that are held at once, unless a single one is longer.
const ENTRIES: usize = 512 << 10;
/// Messages that are looked at before anything is known of their size.
const FIRST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_are_looked_at_together_unless_they_are_large() {
        let mut pace = Pace::new(256);
        for expected in [32, 64, 128, 256, 256] {
            pace.saw(pace.messages, pace.messages * 1_000);
            assert_eq!(pace.messages, expected);
        }
        pace.saw(256, 256 << 20);
        assert_eq!(pace.messages, 1);
        pace.saw(1, 0);
        assert_eq!(pace.messages, 2);
    }

    #[test]
    fn nothing_is_left_out() {
        let (pace, mut rest) = (Pace::new(3), &[1, 2, 3, 4, 5][..]);
        assert_eq!((pace.cut(&mut rest), pace.cut(&mut rest), pace.cut(&mut rest)), (&[1, 2, 3][..], &[4, 5][..], &[][..]));
    }
}

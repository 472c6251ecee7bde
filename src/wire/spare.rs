//! Large buffers that nobody uses at the moment. Each thread keeps a few: messages go through them one after the other, and a session
//! that sends none owns none.

use std::cell::RefCell;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer with whatever it last held; where there is none to spare, an empty one.
pub fn take() -> Vec<u8> {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Keeps a buffer for the next who needs one, if it is of a size worth keeping and there are not enough already.
pub fn give(buffer: Vec<u8>) {
    if WORTH_KEEPING.contains(&buffer.capacity()) {
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < MOST {
                spare.push(buffer);
            }
        });
    }
}

/// Octets of a buffer that is worth keeping.
pub const SMALLEST: usize = 8 * 1024;
const WORTH_KEEPING: std::ops::Range<usize> = SMALLEST..256 * 1024;
const MOST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_taken_again_unless_it_is_small_or_too_much() {
        give(Vec::with_capacity(100));
        give(Vec::with_capacity(1 << 20));
        assert_eq!(take().capacity(), 0);
        (0..9).for_each(|_| give(vec![7; 10_000]));
        assert_eq!((0..9).filter(|_| take().len() == 10_000).count(), MOST);
    }
}

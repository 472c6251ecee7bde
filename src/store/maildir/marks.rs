//! Flags and keywords as letters of file names, and back.

use super::keywords::Letters;
use super::name::Marks;
use crate::store::Flags;

/// The marks of a name as one number for the index: keywords in bits 0 to 25, `P`, then the flags.
pub fn bits(marks: Marks) -> u32 {
    let flags = FLAGS.iter().filter(|(flag, _)| marks.flags.contains(*flag)).fold(0, |bits, (_, bit)| bits | 1 << bit);
    marks.keywords | u32::from(marks.passed) << PASSED | flags
}

/// As [`bits`] made them.
pub fn marks(bits: u32) -> Marks {
    let flags = FLAGS.iter().filter(|(_, bit)| bits & 1 << bit != 0).fold(Flags::NONE, |flags, (flag, _)| flags.with(*flag));
    Marks { flags, passed: bits & 1 << PASSED != 0, keywords: bits & KEYWORDS }
}

/// What stands behind the base in a file name.
pub fn info(bits: u32) -> String {
    marks(bits).info()
}

/// The keywords that letters stand for.
pub fn words(bits: u32, letters: &Letters) -> impl Iterator<Item = &str> {
    (0..26).filter(move |letter| bits & 1 << letter != 0).filter_map(|letter| letters.name(letter))
}

const PASSED: u32 = 26;
/// The bits that are keywords.
pub const KEYWORDS: u32 = (1 << PASSED) - 1;
const FLAGS: [(Flags, u32); 5] = [(Flags::DRAFT, 27), (Flags::FLAGGED, 28), (Flags::ANSWERED, 29), (Flags::SEEN, 30), (Flags::DELETED, 31)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_says_all_that_a_name_says() {
        let all = Marks { flags: Flags::ALL.without(Flags::OLD), passed: true, keywords: KEYWORDS };
        for given in [Marks::default(), all, Marks { flags: Flags::SEEN, passed: false, keywords: 5 }] {
            assert_eq!(marks(bits(given)), given);
        }
        assert_eq!(bits(all), u32::MAX);
    }
}

//! Netstrings, as the socketmap protocol carries requests and replies: `LENGTH:OCTETS,`.

/// What stands at the beginning of some octets.
#[derive(Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// A netstring.
    Whole {
        /// What is in it.
        octets: &'a [u8],
        /// How long it is with its frame.
        used: usize,
    },
    /// The beginning of one.
    Short,
    /// No netstring, or one that is too long: what follows can't be told from it.
    Malformed,
}

/// The longest request that is taken, in octets: an address has some three hundred.
pub const LONGEST: usize = 4096;
/// The longest request with its frame.
pub const LONGEST_FRAMED: usize = LONGEST + MOST_DIGITS + 2;

/// Reads a netstring of no more than [`LONGEST`] octets. Its length is judged as soon as it is there.
pub fn read(input: &[u8]) -> Read<'_> {
    let digits = input.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let is_number = (1..=MOST_DIGITS).contains(&digits) && (digits == 1 || input[0] != b'0');
    let length = input[..digits].iter().take(MOST_DIGITS).fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    match input.get(digits) {
        None if digits == 0 || is_number && length <= LONGEST => Read::Short,
        Some(b':') if is_number && length <= LONGEST => content(input, digits + 1, length),
        _ => Read::Malformed,
    }
}

fn content(input: &[u8], start: usize, length: usize) -> Read<'_> {
    let end = start + length;
    match input.get(end) {
        None => Read::Short,
        Some(b',') => Read::Whole { octets: &input[start..end], used: end + 1 },
        Some(_) => Read::Malformed,
    }
}

/// Appends a netstring of `text`.
pub fn write(output: &mut Vec<u8>, text: &str) {
    output.extend_from_slice(format!("{}:{text},", text.len()).as_bytes());
}

const MOST_DIGITS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_netstring_is_read_however_it_is_cut() {
        let whole = b"12:hello world!,rest";
        assert_eq!(read(whole), Read::Whole { octets: b"hello world!", used: 16 });
        (0..16).for_each(|cut| assert_eq!(read(&whole[..cut]), Read::Short, "{cut}"));
        assert_eq!(read(b"0:,"), Read::Whole { octets: b"", used: 3 });
        let mut written = Vec::new();
        write(&mut written, "OK x");
        assert_eq!(written, b"4:OK x,");
    }

    #[test]
    fn what_is_too_long_or_no_netstring_is_refused_before_it_is_there() {
        for wrong in ["4097:", "4097", "99999", "00001:", "01:x,", ":x,", "x", "-1:", "3:abcd", "GET / HTTP/1.0"] {
            assert_eq!(read(wrong.as_bytes()), Read::Malformed, "{wrong}");
        }
        assert_eq!(read(b"4096:"), Read::Short);
    }
}

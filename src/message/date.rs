//! Dates of mail (RFC 5322 §3.3, §4.3).

use chrono::NaiveDate;

use super::lexer::{Lexer, is_blank};

/// `Date`'s value as seconds since 1970 UTC; `None` if it names no day. Without a time that can be read the day begins, and without a
/// zone it is UTC (RFC 5256 §2.2). The order of its words does not matter, as long as the day stands before the year.
pub fn parse(value: &[u8]) -> Option<i64> {
    Words::of(value).time()
}

/// The day that `Date`'s value names, in its own zone (RFC 9051 §6.4.4 SENTON).
pub fn day(value: &[u8]) -> Option<NaiveDate> {
    Words::of(value).day()
}

#[derive(Default)]
struct Words {
    day: Option<u32>,
    month: Option<u32>,
    year: Option<i32>,
    seconds: Option<i64>,
    zone: Option<i64>,
}

impl Words {
    fn of(value: &[u8]) -> Words {
        let mut words = Words::default();
        let mut lexer = Lexer::new(&value[..value.len().min(LONGEST)]);
        loop {
            lexer.space();
            let word = lexer.until(|octet| is_blank(octet) || b",(".contains(&octet));
            if word.is_empty() && !lexer.takes(b',') {
                break;
            }
            words.push(str::from_utf8(word).unwrap_or(""));
        }
        words
    }

    fn push(&mut self, word: &str) {
        if let Some(month) = word.get(..3).and_then(month) {
            self.month.get_or_insert(month);
        } else if word.contains(':') {
            self.seconds = self.seconds.or_else(|| time_of_day(word));
        } else if let Some(zone) = zone(word) {
            self.zone.get_or_insert(zone);
        } else if self.day.is_none() {
            self.day = digits(word).filter(|_| word.len() <= 2);
        } else if self.year.is_none() {
            self.year = digits(word).and_then(|number| year(number, word.len()));
        }
    }

    fn day(&self) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(self.year?, self.month?, self.day?)
    }

    fn time(&self) -> Option<i64> {
        let midnight = self.day()?.and_hms_opt(0, 0, 0)?.and_utc().timestamp();
        Some(midnight + self.seconds.map_or(0, |seconds| seconds - self.zone.unwrap_or(0)))
    }
}

fn month(name: &str) -> Option<u32> {
    const NAMES: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    NAMES.iter().zip(1..).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, number)| number)
}

fn digits(word: &str) -> Option<u32> {
    word.parse().ok().filter(|_| word.bytes().all(|octet| octet.is_ascii_digit()))
}

/// Two and three digits as RFC 5322 §4.3 has it.
fn year(number: u32, len: usize) -> Option<i32> {
    match (len, number) {
        (2, 0..50) => Some(number as i32 + 2000),
        (2 | 3, _) => Some(number as i32 + 1900),
        (4, _) => Some(number as i32),
        _ => None,
    }
}

/// Seconds since midnight; a leap second is the first of the next minute.
fn time_of_day(word: &str) -> Option<i64> {
    let mut numbers = word.split(':').map(digits);
    let (hour, minute) = (numbers.next()??, numbers.next()??);
    let second = numbers.next().unwrap_or(Some(0))?;
    let is_time = hour < 24 && minute < 60 && second <= 60 && numbers.next().is_none();
    is_time.then(|| i64::from(hour * 3600 + minute * 60 + second))
}

/// Seconds east of Greenwich. Letters that nobody knows are UTC (RFC 5322 §4.3).
fn zone(word: &str) -> Option<i64> {
    let hours = |hours: i64| Some(hours * 3600);
    match word.as_bytes() {
        [sign @ (b'+' | b'-'), number @ ..] if number.len() == 4 => {
            let number = i64::from(digits(word.get(1..)?)?);
            let seconds = number / 100 * 3600 + number % 100 * 60;
            (number % 100 < 60).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        b"EDT" => hours(-4),
        b"EST" | b"CDT" => hours(-5),
        b"CST" | b"MDT" => hours(-6),
        b"MST" | b"PDT" => hours(-7),
        b"PST" => hours(-8),
        b"UT" | b"GMT" | b"UTC" | b"Z" => hours(0),
        _ => None,
    }
}

/// Octets of a value that are looked at.
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_all_kinds_are_read() {
        let cases: [(&str, Option<i64>); 21] = [
            ("Fri, 21 Nov 1997 09:55:06 -0600", Some(880_127_706)),
            ("Thu,\n 13\n Feb\n 1969\n 23:32\n -0330 (Newfoundland Time)", Some(-27_723_480)),
            ("21 Nov 97 09:55:06 GMT", Some(880_106_106)),
            ("21 Nov 97 09:55:06 EST", Some(880_124_106)),
            ("21 Nov 097 09:55:06 EST", Some(880_124_106)),
            ("1 Jan 00 00:00 Z", Some(946_684_800)),
            ("Sat, 29 Feb 2020 23:59:60 +0000", Some(1_583_020_800)),
            ("Mon, 30 Feb 2015 10:00:00 +0100", None),
            ("Fri Nov 21 09:55:06 1997", Some(880_106_106)),
            ("Fri, 21 Nov 1997", Some(880_070_400)),
            ("Fri, 21 Nov 1997 99:99:99 -0600", Some(880_070_400)),
            ("Fri, 21 Nov 1997 09:55:06 XYZ", Some(880_106_106)),
            ("Fri,21 November 1997 (comment (nested)) 09:55:06 +0000", Some(880_106_106)),
            ("1 Jan 1 00:00:00 +0000", None),
            ("31 Dec 9999 23:59:60 -9999", Some(253_402_300_800)),
            ("", None),
            ("yesterday", None),
            ("(unclosed", None),
            ("21 Nov", None),
            ("Fri, 21 Nov 99999999999 09:55:06", None),
            (",,,,", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn the_day_is_that_of_the_sender() {
        assert_eq!(day(b"Fri, 21 Nov 1997 23:55:06 -0600"), NaiveDate::from_ymd_opt(1997, 11, 21));
        assert_eq!(day(b"no date"), None);
    }
}

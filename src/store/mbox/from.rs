//! The line that separates messages: `From joe@example.org Thu Jan  1 00:00:00 1970`.

/// The longest line that can be a From_ line. Longer ones are text.
pub const LONGEST: usize = 1024;

/// Whether `line` (without a line end, beginning with `From `) is a separator rather than a sentence (behaviour.md §18 trap 20).
/// Lenient, because nobody ever wrote the format down: a sender, then anywhere a month, a time and a year.
pub fn separates(line: &[u8]) -> bool {
    Date::of(line).is_some()
}

/// The date of a From_ line, taken as UTC, in seconds since 1970. `None` also for dates that a u32 above 0 can't hold.
pub fn date(line: &[u8]) -> Option<u32> {
    let date = Date::of(line)?;
    let seconds = days(date.year, date.month, date.day) * 86_400 + date.seconds;
    u32::try_from(seconds).ok().filter(|&seconds| seconds > 0)
}

/// The From_ line of a message from `sender`, received then (seconds since 1970), with its line end. Others split the line at blanks.
pub fn line(sender: Option<&str>, received: u32) -> String {
    let sender = sender.filter(|sender| !sender.is_empty()).unwrap_or("MAILER-DAEMON");
    let graphic = |letter: char| if letter.is_ascii_graphic() { letter } else { '-' };
    let sender: String = sender.chars().take(LONGEST_SENDER).map(graphic).collect();
    let (days, seconds) = (i64::from(received / 86_400), received % 86_400);
    let (year, month, day) = civil(days);
    let (weekday, month) = (WEEKDAYS[(days % 7) as usize], MONTHS[month as usize - 1]);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("From {sender} {weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year}\n")
}

/// RFC 5321 §4.5.3.1.3.
const LONGEST_SENDER: usize = 256;
/// From the first day of 1970 on.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

struct Date {
    year: i64,
    month: i64,
    day: i64,
    seconds: i64,
}

impl Date {
    fn of(line: &[u8]) -> Option<Date> {
        let rest = line.strip_prefix(b"From ")?;
        let words = || rest.split(|octet| matches!(octet, b' ' | b'\t' | b',' | b'\r' | b'\n')).filter(|word| !word.is_empty()).skip(1);
        let month = words().find_map(month)?;
        let seconds = words().find_map(time)?;
        let year = words().find_map(|word| number(word, 4..=4).filter(|year| (1900..2900).contains(year)))?;
        let day = words().find_map(|word| number(word, 1..=2).filter(|day| (1..=31).contains(day))).unwrap_or(1);
        Some(Date { year, month, day, seconds })
    }
}

fn month(word: &[u8]) -> Option<i64> {
    MONTHS.iter().position(|name| word.eq_ignore_ascii_case(name.as_bytes())).map(|at| at as i64 + 1)
}

/// `HH:MM` or `HH:MM:SS`, in seconds.
fn time(word: &[u8]) -> Option<i64> {
    let mut parts = word.split(|&octet| octet == b':').map(|part| number(part, 1..=2));
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    (parts.next().is_none() && hours < 24 && minutes < 60 && seconds < 62).then_some(hours * 3600 + minutes * 60 + seconds)
}

fn number(word: &[u8], digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
    (digits.contains(&word.len()) && word.iter().all(u8::is_ascii_digit))
        .then(|| word.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

/// Days from 1970-01-01 in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March put the leap day last.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Year, month and day of a day since 1970-01-01: the other way round.
fn civil(day: i64) -> (i64, i64, i64) {
    let since = day + 719_468;
    let era = since.div_euclid(146_097);
    let of_era = since.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (year + 400 * era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_write_separates() {
        for line in [
            "From joe@va.test Thu Jan  1 00:00:01 1970",
            "From MAILER-DAEMON Fri Jul  8 12:08:34 2011",
            "From joe  Mon Nov 22 16:08 EST 2026",
            "From \"joe who\"@va.test Mon, 22 Nov 2026 16:08:00 +0100",
            "From joe Mon Nov 22 16:08:34 2026 remote from uucp\r",
            "From - Mon Nov 22 16:08:34 2026",
        ] {
            assert!(separates(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn sentences_do_not() {
        for line in ["From what I know", "From 2024 on, at 10:30", "From here to Jan at 10:30", "From ", "From", "From a Jan 99:99 2024"] {
            assert!(!separates(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn what_we_write_says_the_same_to_us() {
        assert_eq!(line(Some("joe@va.test"), 0), "From joe@va.test Thu Jan  1 00:00:00 1970\n");
        assert_eq!(line(None, 1_795_363_714), "From MAILER-DAEMON Sun Nov 22 16:08:34 2026\n");
        for seconds in (1..u32::MAX - 40_000).step_by(39_157) {
            let line = line(Some("\"joe\nwho\"@va.test"), seconds);
            assert_eq!(date(line.trim_end().as_bytes()), Some(seconds), "{line}");
        }
    }

    #[test]
    fn dates_become_unix_seconds() {
        assert_eq!(date(b"From x Thu Jan  1 00:00:01 1970"), Some(1));
        assert_eq!(date(b"From x Thu Feb 29 12:00:00 2024"), Some(1_709_208_000));
        assert_eq!(date(b"From x Sun Nov 22 16:08:34 2026"), Some(1_795_363_714));
        assert_eq!(date(b"From x Thu Jan  1 00:00:00 1970"), None);
        assert_eq!(date(b"From x Thu Jan  1 00:00:00 2300"), None);
    }
}

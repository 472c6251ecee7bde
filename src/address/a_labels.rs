//! Domains of the envelope that are written in their own letters, as the DNS knows them: punycode (RFC 3492) behind `xn--` (RFC 5891 §4).

use unicode_normalization::UnicodeNormalization;

/// The A-labels of `domain`; letters become small and composed, and full stops of East Asia become dots (RFC 5895 §2). What is ASCII stays.
pub fn a_labels(domain: &str) -> String {
    if domain.is_ascii() {
        return domain.to_owned();
    }
    let small: String = domain.chars().flat_map(char::to_lowercase).nfc().collect();
    let labels = small.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']);
    labels.map(|label| if label.is_ascii() { label.to_owned() } else { format!("xn--{}", punycode(label)) }).collect::<Vec<_>>().join(".")
}

/// RFC 3492 §6.3, for labels, which are short: numbers that would overflow belong to none.
fn punycode(label: &str) -> String {
    let mut out: String = label.chars().filter(char::is_ascii).collect();
    let basic = out.len() as u64;
    if basic > 0 {
        out.push('-');
    }
    let count = label.chars().count() as u64;
    let (mut next, mut delta, mut bias, mut handled) = (INITIAL_N, 0_u64, INITIAL_BIAS, basic);
    while handled < count {
        let least = label.chars().map(u64::from).filter(|&letter| letter >= next).min().unwrap_or(next);
        delta = delta.saturating_add((least - next).saturating_mul(handled + 1));
        next = least;
        for letter in label.chars().map(u64::from) {
            if letter < next {
                delta = delta.saturating_add(1);
            }
            if letter == next {
                push_number(&mut out, delta, bias);
                bias = adapted(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.saturating_add(1);
        next += 1;
    }
    out
}

/// A generalized variable-length integer (RFC 3492 §3.3).
fn push_number(out: &mut String, delta: u64, bias: u64) {
    let (mut rest, mut at) = (delta, BASE);
    loop {
        let threshold = at.saturating_sub(bias).clamp(T_MIN, T_MAX);
        if rest < threshold {
            return out.push(digit(rest));
        }
        out.push(digit(threshold + (rest - threshold) % (BASE - threshold)));
        rest = (rest - threshold) / (BASE - threshold);
        at += BASE;
    }
}

/// RFC 3492 §6.1.
fn adapted(delta: u64, points: u64, is_first: bool) -> u64 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / points;
    let mut at = 0;
    while delta > (BASE - T_MIN) * T_MAX / 2 {
        delta /= BASE - T_MIN;
        at += BASE;
    }
    at + (BASE - T_MIN + 1) * delta / (delta + SKEW)
}

fn digit(value: u64) -> char {
    // Below BASE by construction.
    char::from(DIGITS[(value % BASE) as usize])
}

// RFC 3492 §5.
const BASE: u64 = 36;
const T_MIN: u64 = 1;
const T_MAX: u64 = 26;
const SKEW: u64 = 38;
const DAMP: u64 = 700;
const INITIAL_BIAS: u64 = 72;
const INITIAL_N: u64 = 128;
const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_in_their_own_letters_are_the_dns_names() {
        for (domain, name) in [
            ("Example.ORG", "Example.ORG"),
            ("Bücher.Example", "xn--bcher-kva.example"),
            ("bu\u{308}cher.example", "xn--bcher-kva.example"),
            ("mañana.com", "xn--maana-pta.com"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("правда.рф", "xn--80aafi6cg.xn--p1ai"),
            ("☃.net", "xn--n3h.net"),
            // RFC 3492 §7.1 (A) and (L).
            ("ليهمابتكلموشعربي؟", "xn--egbpdaj6bu4bxfgehfvwxn"),
            ("3年b組金八先生", "xn--3b-ww4c5e180e575a65lsy2b"),
        ] {
            assert_eq!(a_labels(domain), name, "{domain}");
        }
    }

    #[test]
    fn long_labels_of_far_apart_letters_end() {
        let label: String = (0..255).map(|at| if at % 2 == 0 { '\u{10ffff}' } else { '\u{80}' }).collect();
        assert!(a_labels(&label).starts_with("xn--"));
    }
}

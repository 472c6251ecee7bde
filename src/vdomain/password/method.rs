//! Which method a stored hash is of, and whether its cost is one that a login may have.

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;

/// Who can verify a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Argon2 in its PHC form.
    Argon2,
    /// A method of crypt(3).
    Crypt,
}

impl Method {
    /// The method of a whole, well-formed hash of bearable cost; `None` for everything else.
    pub(super) fn of(stored: &str) -> Option<Method> {
        if stored.starts_with("$argon2") {
            return is_argon2(stored).then_some(Method::Argon2);
        }
        (is_whole(stored) && is_bearable(stored)).then_some(Method::Crypt)
    }
}

fn is_argon2(stored: &str) -> bool {
    let Ok(hash) = PasswordHash::new(stored) else { return false };
    let Ok(params) = Params::try_from(&hash) else { return false };
    matches!(hash.algorithm.as_str(), "argon2id" | "argon2i" | "argon2d")
        && hash.salt.is_some()
        && hash.hash.is_some()
        && params.m_cost() <= MAX_KIB
        && u64::from(params.m_cost()) * u64::from(params.t_cost()) <= MAX_KIB_PASSES
}

/// Whether a hash of crypt(3) has its whole digest: what an editor or a full disk cut off can never match, whoever asks.
fn is_whole(stored: &str) -> bool {
    if !stored.bytes().all(|octet| octet.is_ascii_graphic()) {
        return false;
    }
    if let Some((_, length)) = DIGESTS.iter().find(|(prefix, _)| stored.starts_with(prefix)) {
        let digest = stored.rsplit('$').next().unwrap_or_default();
        return digest.len() == *length && is_crypt64(digest);
    }
    match stored.strip_prefix('_') {
        Some(bsdi) => bsdi.len() == 19 && is_crypt64(bsdi),
        // DES. Not bigcrypt(3), which is DES block by block: cut after its first block it opens to the password's first eight letters.
        None => stored.len() == 13 && is_crypt64(stored),
    }
}

fn is_crypt64(text: &str) -> bool {
    text.bytes().all(|letter| crypt64(letter).is_some())
}

/// The alphabet of crypt(3): `./0-9A-Za-z`.
fn crypt64(letter: u8) -> Option<u32> {
    let (first, base) = match letter {
        b'.'..=b'9' => (b'.', 0),
        b'A'..=b'Z' => (b'A', 12),
        b'a'..=b'z' => (b'a', 38),
        _ => return None,
    };
    Some(base + u32::from(letter - first))
}

/// Whether crypt(3) would answer within seconds and 1 GiB: a shadow file may come from a control panel or another server, and one line
/// of it must not stop the logins of all.
fn is_bearable(stored: &str) -> bool {
    let mut fields = stored.split('$').skip(1);
    let (method, cost) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    match method {
        "2a" | "2b" | "2x" | "2y" => cost.parse().is_ok_and(|cost: u32| cost <= MAX_BCRYPT_COST),
        "sha1" => cost.parse().is_ok_and(|rounds: u32| rounds <= MAX_ROUNDS),
        "5" | "6" => cost.strip_prefix("rounds=").is_none_or(is_bearable_rounds),
        "7" => scrypt_kib(cost).is_some_and(|kib| kib <= u64::from(MAX_KIB)),
        "y" | "gy" => yescrypt_kib(cost).is_some_and(|kib| kib <= u64::from(MAX_KIB)),
        method => method.strip_prefix("md5,rounds=").is_none_or(is_bearable_rounds),
    }
}

fn is_bearable_rounds(rounds: &str) -> bool {
    rounds.parse().is_ok_and(|rounds: u32| rounds <= MAX_ROUNDS)
}

/// The memory that `$7$` fills and reads, once per lane: a letter of log2 N, five of r, five of p, least significant first.
fn scrypt_kib(setting: &str) -> Option<u64> {
    let digits: Vec<u64> = setting.bytes().take(11).map(|letter| crypt64(letter).map(u64::from)).collect::<Option<_>>()?;
    let (rounds, numbers) = digits.split_first().filter(|(_, numbers)| numbers.len() == 10)?;
    let number = |digits: &[u64]| digits.iter().rev().fold(0, |sum: u64, digit| sum << 6 | digit);
    let (r, p) = numbers.split_at(5);
    let octets = 1_u64.checked_shl(u32::try_from(*rounds).ok()?)?.checked_mul(128)?;
    octets.checked_mul(number(r))?.checked_mul(number(p)).map(|octets| octets / 1024)
}

/// The memory that `$y$` and `$gy$` take. Only the parameters that passwd(1) writes are known: flavour, log2 N and r.
fn yescrypt_kib(setting: &str) -> Option<u64> {
    let mut letters = setting.bytes();
    let (_flavour, rounds, r) = (yescrypt_number(&mut letters, 0)?, yescrypt_number(&mut letters, 1)?, yescrypt_number(&mut letters, 1)?);
    let octets = 1_u64.checked_shl(rounds)?.checked_mul(128)?.checked_mul(u64::from(r))?;
    letters.next().is_none().then_some(octets / 1024)
}

/// yescrypt's numbers of variable length: the first letter tells how many follow.
fn yescrypt_number(letters: &mut impl Iterator<Item = u8>, least: u32) -> Option<u32> {
    let first = crypt64(letters.next()?)?;
    let (mut start, mut end, mut bits, mut number) = (0, 47, 0, least);
    while first > end {
        number += (end + 1 - start) << bits;
        start = end + 1;
        end = start + (62 - end) / 2;
        bits += 6;
    }
    number += (first - start) << bits;
    while bits > 0 {
        bits -= 6;
        number += crypt64(letters.next()?)? << bits;
    }
    Some(number)
}

/// Each method's prefix and the letters of its digest, which is what follows the last `$` (bcrypt's has the salt in front).
const DIGESTS: &[(&str, usize)] = &[
    ("$1$", 22),
    ("$2a$", 53),
    ("$2b$", 53),
    ("$2x$", 53),
    ("$2y$", 53),
    ("$3$", 32),
    ("$5$", 43),
    ("$6$", 86),
    ("$7$", 43),
    ("$y$", 43),
    ("$gy$", 43),
    ("$sha1$", 28),
    ("$md5$", 22),
    ("$md5,", 22),
];

/// 1 GiB: more than any default, less than what takes a small server down.
const MAX_KIB: u32 = 1 << 20;
/// About ten seconds of argon2.
const MAX_KIB_PASSES: u64 = 16 << 20;
/// About five seconds; each step doubles it.
const MAX_BCRYPT_COST: u32 = 16;
/// About ten seconds of SHA-512.
const MAX_ROUNDS: u32 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_passwd_s_own_settings_is_read() {
        // crypt(5): `CU..../....` is N = 2^14, r = 32, p = 1; `j9T` is N = 2^12, r = 32.
        assert_eq!(scrypt_kib("CU..../....9wb7"), Some(64 << 10));
        assert_eq!(yescrypt_kib("j9T"), Some(16 << 10));
        assert_eq!(yescrypt_kib("j75"), Some(1 << 10));
    }

    #[test]
    fn costs_beyond_reason_are_not_tried() {
        let digest = |letters| "a".repeat(letters);
        for stored in [
            format!("$2b$17${}", digest(53)),
            format!("$2b$31${}", digest(53)),
            format!("$6$rounds=999999999$salt${}", digest(86)),
            format!("$5$rounds=x$salt${}", digest(43)),
            format!("$md5,rounds=4294967295$salt${}", digest(22)),
            format!("$sha1$4294967295$salt${}", digest(28)),
            format!("$7$HU..../....salt${}", digest(43)),
            format!("$7$zzzzzzzzzzzsalt${}", digest(43)),
            format!("$y$jGT$salt${}", digest(43)),
            format!("$y$jzzzzzzzzzzz$salt${}", digest(43)),
            format!("$y$j9T5zzzz$salt${}", digest(43)),
            "$argon2id$v=19$m=1048577,t=1,p=1$c2FsdHNhbHQ$yWWF01rDif7q0E03DEL7qJGeH9fdOPOw+48bBtXF+QE".to_owned(),
            "$argon2id$v=19$m=65536,t=4294967295,p=1$c2FsdHNhbHQ$yWWF01rDif7q0E03DEL7qJGeH9fdOPOw+48bBtXF+QE".to_owned(),
        ] {
            assert_eq!(Method::of(&stored), None, "{stored}");
        }
        assert_eq!(Method::of(&format!("$2b$16${}", digest(53))), Some(Method::Crypt));
        assert_eq!(Method::of(&format!("$7$GU..../....salt${}", digest(43))), Some(Method::Crypt));
    }
}

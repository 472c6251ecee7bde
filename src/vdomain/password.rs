//! Passwords: what a client typed, and the hashes of shadow(5) that it is held against.
//!
//! Hashing is slow on purpose (tens of milliseconds, megabytes): nothing here may run on an async thread.

mod method;

use std::fmt;
use std::io;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, CustomizedPasswordHasher, Params, PasswordVerifier, Version};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::config::Scheme;
use crate::os::crypt::{self, crypt};
use method::Method;

/// What a client typed as password: any octets, wiped from memory at the end, shown to nobody.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The longest secret that is taken, in octets: no more than a login may cost memory, far more than people type.
    pub const LIMIT: usize = 1024;

    /// `None` beyond [`Secret::LIMIT`] octets.
    pub fn new(octets: impl Into<Zeroizing<Vec<u8>>>) -> Option<Secret> {
        let octets = octets.into();
        (octets.len() <= Secret::LIMIT).then_some(Secret(octets))
    }

    /// The octets as typed, for a keyed MAC or a comparison; never for a log.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The octets after SASLprep (RFC 4013), where that gives something else than was typed.
    fn prepared(&self) -> Option<Secret> {
        let typed = std::str::from_utf8(&self.0).ok().filter(|typed| !typed.is_ascii())?;
        let prepared = stringprep::saslprep(typed).ok()?;
        (!prepared.is_empty() && prepared != typed).then(|| Secret(Zeroizing::new(prepared.into_owned().into_bytes())))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

/// Hashes a new password with a fresh salt, as a field of shadow(5).
///
/// A password with letters beyond ASCII is hashed in its SASLprep form (RFC 6856 §2.2), so that it does not matter how a
/// keyboard composes an accent; where SASLprep forbids a character, as typed.
///
/// # Errors
/// `InvalidInput` for a secret that the scheme cannot hash: empty, or with a NUL or more than 511 octets for those of crypt(3).
pub fn hash(scheme: Scheme, secret: &Secret) -> io::Result<String> {
    let prepared = secret.prepared();
    let octets = prepared.as_ref().unwrap_or(secret).octets();
    if octets.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an empty password is none"));
    }
    match scheme {
        Scheme::Argon2id => hash_argon2id(octets),
        Scheme::Yescrypt => hash_crypt(crypt::Method::Yescrypt, octets),
        Scheme::Sha512 => hash_crypt(crypt::Method::Sha512, octets),
    }
}

fn hash_argon2id(octets: &[u8]) -> io::Result<String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(io::Error::from)?;
    let params = Params::new(ARGON2_KIB, ARGON2_PASSES, ARGON2_LANES, None).map_err(io::Error::other)?;
    Argon2::default()
        .hash_password_customized(octets, &salt, Some(Algorithm::Argon2id.as_str()), Some(Version::V0x13.into()), params)
        .map(|hash| hash.to_string())
        .map_err(io::Error::other)
}

fn hash_crypt(method: crypt::Method, octets: &[u8]) -> io::Result<String> {
    let hash = crypt(octets, &crypt::salt(method)?).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "this password has a NUL or more than 511 octets, which crypt(3) cannot hash")
    })?;
    Ok(String::clone(&hash))
}

/// Whether `secret` is the password whose hash is `stored`.
///
/// `false` also for what is no password at all: an account locked with `!` or `*`, an empty or malformed field, an unknown method,
/// and parameters beyond reason (more than 1 GiB, or many seconds). Of letters beyond ASCII the octets as typed are tried
/// first, then their SASLprep form (RFC 6856 §2.2).
pub fn verify(stored: &str, secret: &Secret) -> bool {
    let Some(method) = Method::of(stored) else { return false };
    verify_octets(method, stored, secret.octets())
        || secret.prepared().is_some_and(|prepared| verify_octets(method, stored, prepared.octets()))
}

fn verify_octets(method: Method, stored: &str, octets: &[u8]) -> bool {
    match method {
        Method::Argon2 => PasswordHash::new(stored).is_ok_and(|hash| Argon2::default().verify_password(octets, &hash).is_ok()),
        Method::Crypt => crypt(octets, stored).is_some_and(|hash| hash.as_bytes().ct_eq(stored.as_bytes()).into()),
    }
}

/// Whether some password could open an account with this field of shadow(5): `false` for one that is locked, empty, damaged, of a
/// method that nobody here knows, or of a cost beyond reason.
pub fn is_usable(stored: &str) -> bool {
    Method::of(stored).is_some()
}

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
const ARGON2_KIB: u32 = 19_456;
const ARGON2_PASSES: u32 = 2;
const ARGON2_LANES: u32 = 1;

#[cfg(test)]
mod tests;

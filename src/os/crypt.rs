//! crypt(3) of the system's library: every hash that this machine's own passwd(1) could ever write.

use std::ffi::{CStr, CString, c_char, c_int, c_ulong, c_void};
use std::io;

use zeroize::Zeroizing;

/// A method of crypt(3) that new hashes may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// yescrypt, `$y$`: what Debian's passwd(1) writes.
    Yescrypt,
    /// SHA-512, `$6$`: what every Unix of this century reads.
    Sha512,
}

/// Hashes `phrase` as `setting` says: a salt of [`salt`], or a whole stored hash, whose digest is then not looked at.
///
/// `None` where the phrase has a NUL or more than 511 octets, and where this libcrypt does not know the method or refuses the
/// setting. Takes from microseconds to minutes and up to gigabytes, as the setting asks: judge settings of strangers first, and never
/// call this on an async thread.
pub fn crypt(phrase: &[u8], setting: &str) -> Option<Zeroizing<String>> {
    // Not a CString: its octets would stay behind in freed memory.
    let mut terminated = Zeroizing::new(Vec::with_capacity(phrase.len() + 1));
    terminated.extend_from_slice(phrase);
    terminated.push(0);
    let phrase = CStr::from_bytes_with_nul(&terminated).ok()?;
    let setting = CString::new(setting).ok()?;
    let hash = crypt_into(phrase, &setting, &mut Zeroizing::new(vec![0; CRYPT_DATA_SIZE]))?;
    // `*0` and `*1` are failures, and no hash may equal them.
    (!hash.starts_with('*')).then_some(hash)
}

/// A fresh setting for [`crypt`] with the library's own idea of a fair cost, salted from the system's random numbers.
///
/// # Errors
/// Those of getrandom(2); `Unsupported` where this libcrypt cannot write the method.
pub fn salt(method: Method) -> io::Result<String> {
    let prefix = match method {
        Method::Yescrypt => c"$y$",
        Method::Sha512 => c"$6$",
    };
    let mut random = Zeroizing::new([0; 16]);
    getrandom::fill(&mut random[..]).map_err(io::Error::from)?;
    gensalt(prefix, &random[..])
        .ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, format!("libcrypt cannot write {method:?} hashes")))
}

#[expect(unsafe_code)]
fn crypt_into(phrase: &CStr, setting: &CStr, data: &mut [u8]) -> Option<Zeroizing<String>> {
    let size = c_int::try_from(data.len()).ok()?;
    // SAFETY: both strings end with NUL and outlive the call; `data` is zeroed as crypt_rn(3) asks at first use, ours alone, and
    // the library writes no more than `size` octets into it, or fails where that is less than it needs.
    let hash = unsafe { crypt_rn(phrase.as_ptr(), setting.as_ptr(), data.as_mut_ptr().cast(), size) };
    if hash.is_null() {
        return None;
    }
    // SAFETY: what is not null points to a NUL-terminated string within `data`, which lives on while we copy it.
    let hash = unsafe { CStr::from_ptr(hash) };
    hash.to_str().ok().map(|hash| Zeroizing::new(hash.to_owned()))
}

#[expect(unsafe_code)]
fn gensalt(prefix: &CStr, random: &[u8]) -> Option<String> {
    let mut setting = [0_u8; CRYPT_GENSALT_OUTPUT_SIZE];
    let (count, size) = (c_int::try_from(random.len()).ok()?, c_int::try_from(setting.len()).ok()?);
    // SAFETY: the prefix ends with NUL; `random` and `setting` are as long as we say; cost 0 means the library's default.
    let written = unsafe { crypt_gensalt_rn(prefix.as_ptr(), 0, random.as_ptr().cast(), count, setting.as_mut_ptr().cast(), size) };
    if written.is_null() {
        return None;
    }
    CStr::from_bytes_until_nul(&setting).ok()?.to_str().ok().map(str::to_owned)
}

/// `sizeof(struct crypt_data)` of crypt(3), part of its ABI.
const CRYPT_DATA_SIZE: usize = 32_768;
/// As crypt.h has it, part of its ABI.
const CRYPT_GENSALT_OUTPUT_SIZE: usize = 192;

#[link(name = "crypt")]
#[expect(unsafe_code)]
unsafe extern "C" {
    fn crypt_rn(phrase: *const c_char, setting: *const c_char, data: *mut c_void, size: c_int) -> *mut c_char;
    fn crypt_gensalt_rn(
        prefix: *const c_char,
        count: c_ulong,
        random: *const c_char,
        random_size: c_int,
        output: *mut c_char,
        output_size: c_int,
    ) -> *mut c_char;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_its_own_setting() {
        for method in [Method::Yescrypt, Method::Sha512] {
            let hash = crypt(b"correct horse", &salt(method).unwrap()).unwrap();
            assert_eq!(crypt(b"correct horse", &hash).unwrap(), hash);
            assert_ne!(crypt(b"correct house", &hash).unwrap(), hash);
        }
    }

    #[test]
    fn salts_differ() {
        assert_ne!(salt(Method::Sha512).unwrap(), salt(Method::Sha512).unwrap());
    }

    #[test]
    fn what_cannot_be_hashed_gives_nothing() {
        let setting = "$6$saltsalt$";
        assert!(crypt(b"a\0b", setting).is_none(), "NUL in the phrase");
        assert!(crypt(&[b'a'; 512], setting).is_none(), "a phrase too long for libcrypt");
        assert!(crypt(&[b'a'; 511], setting).is_some());
        for setting in ["", "*", "*0", "*1", "!", "x", "$6", "$99$saltsalt$", "$6$\0", "a:", "ü."] {
            assert!(crypt(b"a", setting).is_none(), "{setting:?}");
        }
    }
}

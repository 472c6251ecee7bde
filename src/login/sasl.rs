//! SASL PLAIN (RFC 4616), base64 as POP3 and IMAP carry it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The response is no PLAIN message.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// The name and password of a base64-encoded PLAIN message: `[authzid] NUL authcid NUL passwd`.
///
/// An authorization identity is accepted only where it is the authentication identity: nobody acts for another here.
///
/// # Errors
/// It is not base64, not three fields, the identities differ, or the name is no UTF-8.
pub fn plain(response: &[u8]) -> Result<(String, Zeroizing<Vec<u8>>), Malformed> {
    let decoded = Zeroizing::new(STANDARD.decode(response).map_err(|_| Malformed)?);
    let mut fields = decoded.split(|&octet| octet == 0);
    let (Some(acts_for), Some(name), Some(password), None) = (fields.next(), fields.next(), fields.next(), fields.next()) else {
        return Err(Malformed);
    };
    if !acts_for.is_empty() && acts_for != name {
        return Err(Malformed);
    }
    let name = std::str::from_utf8(name).map_err(|_| Malformed)?;
    Ok((name.to_owned(), Zeroizing::new(password.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> String {
        STANDARD.encode(text)
    }

    #[test]
    fn the_example_of_the_rfc_is_read() {
        let (name, password) = plain(encoded("\0tim\0tanstaaftanstaaf").as_bytes()).unwrap();
        assert_eq!((name.as_str(), &password[..]), ("tim", &b"tanstaaftanstaaf"[..]));
        assert_eq!(plain(encoded("tim\0tim\0pw").as_bytes()).unwrap().0, "tim");
    }

    #[test]
    fn what_is_no_plain_message_is_refused() {
        for text in ["tim\0pw", "\0a\0b\0c", "kurt\0xipj3plmq\0xipj3plmq", ""] {
            assert_eq!(plain(encoded(text).as_bytes()), Err(Malformed), "{text:?}");
        }
        assert_eq!(plain(b"***"), Err(Malformed));
    }
}

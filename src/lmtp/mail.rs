//! MAIL (RFC 5321 §4.1.1.2), with SIZE (RFC 1870), BODY (RFC 6152) and SMTPUTF8 (RFC 6531).

use super::command::number;
use super::reply::Reply;
use super::session::{Session, Transaction};
use crate::address;

/// What MAIL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// The envelope sender.
    pub path: address::Path,
    /// How large the message is, about.
    pub size: Option<u64>,
    /// Addresses and headers may be in UTF-8.
    pub is_utf8: bool,
}

impl Session<'_> {
    pub(super) fn mail(&mut self, text: &str) -> Reply {
        if self.client.is_none() {
            return Reply::out_of_turn("say LHLO first");
        }
        if self.transaction.is_some() {
            return Reply::out_of_turn("a message has been begun; RSET gives it up");
        }
        let from = match parse(text) {
            Ok(from) => from,
            Err(reply) => return reply,
        };
        if from.size.is_some_and(|size| size > self.limit()) {
            return Reply::too_big(self.limit());
        }
        let reply = Reply::new(250, "2.1.0", format!("<{}> sender ok", from.path.as_str()));
        // When the server stops, the message comes first.
        self.wire.be_engaged(true);
        self.is_utf8 = from.is_utf8;
        self.transaction = Some(Box::new(Transaction::from(from)));
        reply
    }
}

/// Reads what stands behind `MAIL`.
///
/// # Errors
/// It is not understood: the reply.
pub fn parse(text: &str) -> Result<From, Reply> {
    let path = after(text, "FROM:").ok_or_else(|| Reply::syntax("expected MAIL FROM:<address>"))?;
    let (path, rest) = address::Path::read(path).map_err(|error| Reply::new(501, "5.1.7", error.to_string()))?;
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(Reply::syntax("expected a blank behind the address"));
    }
    let mut from = From { path, size: None, is_utf8: false };
    let mut known: Vec<String> = Vec::new();
    for parameter in rest.split(' ').filter(|word| !word.is_empty()) {
        let (key, value) = parameter.split_once('=').map_or((parameter, None), |(key, value)| (key, Some(value)));
        let key = key.to_ascii_uppercase();
        from.take(&key, value)?;
        if known.contains(&key) {
            return Err(Reply::syntax("a parameter stands there twice"));
        }
        known.push(key);
    }
    if !from.is_utf8 && !from.path.as_str().is_ascii() {
        return Err(not_ascii());
    }
    Ok(from)
}

impl From {
    fn take(&mut self, key: &str, value: Option<&str>) -> Result<(), Reply> {
        match (key, value) {
            ("SIZE", Some(value)) => {
                self.size = Some(number(value).ok_or_else(|| Reply::syntax("SIZE needs a number of octets"))?);
            }
            // Stored as they come, both of them.
            ("BODY", Some(value)) if value.eq_ignore_ascii_case("7BIT") || value.eq_ignore_ascii_case("8BITMIME") => {}
            ("SMTPUTF8", None) => self.is_utf8 = true,
            ("SIZE" | "BODY" | "SMTPUTF8", _) => return Err(Reply::syntax(format!("{key} has no such value here"))),
            _ => return Err(unknown_parameter()),
        }
        Ok(())
    }
}

/// What stands behind `FROM:` or `TO:`; many write a blank there, which RFC 5321 §3.3 does not want.
pub(super) fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word).then(|| rest.trim_start_matches(' '))
}

/// RFC 5321 §4.1.1.11.
pub(super) fn unknown_parameter() -> Reply {
    Reply::new(555, "5.5.4", "a parameter that LHLO does not announce")
}

/// RFC 6531 §3.5.
pub(super) fn not_ascii() -> Reply {
    Reply::new(553, "5.6.7", "an address that is not ASCII needs SMTPUTF8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_and_parameters() {
        let from = parse("FROM:<ann@x.org> size=100 BODY=8BITMIME").unwrap();
        assert_eq!((from.path.as_str(), from.size, from.is_utf8), ("ann@x.org", Some(100), false));
        assert!(parse("from: <>").unwrap().path.is_null());
        assert!(parse("FROM:<jörg@x.org> SMTPUTF8").unwrap().is_utf8);
    }

    #[test]
    fn what_is_wrong_has_its_own_reply() {
        let wrong = |text: &str| parse(text).map_err(|reply| (reply.code, reply.status.into_owned())).unwrap_err();
        for text in ["", "FROM", "FROM<a@b>", "TO:<a@b>", "FROM:<a@b>SIZE=1", "FROM:<a@b> SIZE=", "FROM:<a@b> SIZE", "FROM:<a@b> SIZE=-1"] {
            assert_eq!(wrong(text), (501, "5.5.4".to_owned()), "{text}");
        }
        for text in ["FROM:<a@b> BODY=BINARYMIME", "FROM:<a@b> SMTPUTF8=1", "FROM:<a@b> SIZE=1 size=1"] {
            assert_eq!(wrong(text), (501, "5.5.4".to_owned()), "{text}");
        }
        assert_eq!(wrong("FROM:a@b"), (501, "5.1.7".to_owned()));
        assert_eq!(wrong("FROM:<a@b> RET=HDRS"), (555, "5.5.4".to_owned()));
        assert_eq!(wrong("FROM:<jörg@x.org>"), (553, "5.6.7".to_owned()));
        assert_eq!(wrong("FROM:ö"), (501, "5.1.7".to_owned()));
        assert_eq!(wrong("FROMö"), (501, "5.5.4".to_owned()));
    }
}

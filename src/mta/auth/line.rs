//! The lines of a client of Dovecot's authentication protocol: a command and its words, with tabs between them.

use std::net::IpAddr;

/// A line of a client's.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// The version that the client speaks, its first number.
    Version(u32),
    /// A login begins.
    Auth {
        /// Which one.
        id: u32,
        /// The SASL mechanism, as it was written.
        mechanism: &'a str,
        /// What is known of it.
        known: Known<'a>,
        /// The initial response, in base64.
        response: Option<&'a str>,
    },
    /// A login goes on.
    Cont {
        /// Which one.
        id: u32,
        /// In base64.
        response: &'a str,
    },
    /// A login is given up.
    Cancel(u32),
    /// What needs no answer.
    Other,
}

/// What the mail server knows of its client.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Known<'a> {
    /// The address that the client dialled.
    pub local: Option<IpAddr>,
    /// The client's address.
    pub peer: Option<IpAddr>,
    /// The TLS server name.
    pub sni: Option<&'a str>,
    /// Whether TLS protects its connection.
    pub is_secure: bool,
}

/// Reads a line. `None`: nobody who speaks this protocol says that.
pub fn parse(line: &[u8]) -> Option<Command<'_>> {
    let text = std::str::from_utf8(line).ok()?;
    let (name, rest) = text.split_once('\t').unwrap_or((text, ""));
    let first = rest.split('\t').next().unwrap_or_default();
    Some(match name {
        "VERSION" => Command::Version(first.parse().ok()?),
        "AUTH" => auth(rest)?,
        "CONT" => {
            let (id, response) = rest.split_once('\t').unwrap_or((rest, ""));
            Command::Cont { id: id.parse().ok()?, response }
        }
        "CANCEL" => Command::Cancel(first.parse().ok()?),
        _ if !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_uppercase()) => Command::Other,
        _ => return None,
    })
}

fn auth(rest: &str) -> Option<Command<'_>> {
    let mut words = rest.split('\t');
    let (id, mechanism) = (words.next()?.parse().ok()?, words.next()?);
    let (mut known, mut response) = (Known::default(), None);
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("lip", address) => known.local = address.parse().ok(),
            ("rip", address) => known.peer = address.parse().ok(),
            ("local_name", name) if !name.is_empty() => known.sni = Some(name),
            ("secured", _) => known.is_secure = true,
            ("resp", octets) => response = Some(octets),
            _ => {}
        }
    }
    Some(Command::Auth { id, mechanism, known, response })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_read_with_what_is_known_of_it() {
        let line = b"AUTH\t3\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.7\trip=2001:db8::1\tsecured\tlocal_name=mail.va.test\tresp=AGE=";
        let known = Known { local: "192.0.2.7".parse().ok(), peer: "2001:db8::1".parse().ok(), sni: Some("mail.va.test"), is_secure: true };
        assert_eq!(parse(line), Some(Command::Auth { id: 3, mechanism: "PLAIN", known, response: Some("AGE=") }));
        let bare = Command::Auth { id: 1, mechanism: "LOGIN", known: Known::default(), response: None };
        assert_eq!(parse(b"AUTH\t1\tLOGIN\tlip=nowhere\trip="), Some(bare));
        assert_eq!(parse(b"CONT\t1\tAAAA"), Some(Command::Cont { id: 1, response: "AAAA" }));
        assert_eq!(parse(b"CONT\t1"), Some(Command::Cont { id: 1, response: "" }));
        assert_eq!((parse(b"VERSION\t1\t2"), parse(b"CPID\t77")), (Some(Command::Version(1)), Some(Command::Other)));
    }

    #[test]
    fn what_is_no_line_of_the_protocol_is_none() {
        for wrong in ["", "AUTH", "AUTH\tx\tPLAIN", "AUTH\t1", "CONT\t-1\tx", "CONT\t4294967296", "VERSION\tone", "GET / HTTP/1.0"] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(parse(b"AUTH\t1\tPLAIN\t\xff"), None);
    }
}

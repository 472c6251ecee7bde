//! A path of the envelope: what MAIL and RCPT have between `<` and `>` (RFC 5321 §4.1.2).

use super::a_labels::a_labels;
use super::{Address, Malformed};

/// A path without its source route, which nobody follows any more (RFC 5321 Appendix C). Of the two kinds of strictness the milder one:
/// addresses that the world writes to although no grammar allows them, like `a..b@x.org`, are addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The local part as it was written, and the `@` and the domain where there is one.
    text: String,
    /// Without quotes.
    local: String,
    /// Octets of `text` behind the `@`.
    domain: Option<usize>,
}

impl Path {
    /// Reads the path at the beginning of `text`, and gives what stands behind its `>`.
    ///
    /// # Errors
    /// There is none. Local parts and domains have at most 255 octets (RFC 5321 §4.5.3.1: 64 and 255, at least).
    pub fn read(text: &str) -> Result<(Path, &str), Malformed> {
        let refuse = |why: &str| Malformed::new("path", text, why);
        let inner = text.strip_prefix('<').ok_or_else(|| refuse("must stand between < and >"))?;
        let inner = without_route(inner).ok_or_else(|| refuse("has a source route without an end"))?;
        if let Some(rest) = inner.strip_prefix('>') {
            return Ok((Path { text: String::new(), local: String::new(), domain: None }, rest));
        }
        let (local, end) = local_part(inner).ok_or_else(|| refuse("has no local part, or one that needs quotes"))?;
        let (domain, rest) = match inner[end..].strip_prefix('@') {
            None => (None, &inner[end..]),
            Some(behind) => {
                let len =
                    domain_len(behind).ok_or_else(|| refuse("has no domain behind its @, or one with other letters than domains have"))?;
                (Some(len), &behind[len..])
            }
        };
        let rest = rest.strip_prefix('>').ok_or_else(|| refuse("does not end with >"))?;
        if local.len() > LONGEST || domain.is_some_and(|len| len > LONGEST) {
            return Err(refuse("is too long"));
        }
        let text = &inner[..end + domain.map_or(0, |len| 1 + len)];
        Ok((Path { text: text.to_owned(), local, domain }, rest))
    }

    /// Whether it is `<>`: bounces have no sender.
    pub fn is_null(&self) -> bool {
        self.text.is_empty()
    }

    /// As it was written, without `<`, `>` and source route.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The local part without quotes.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// What stands behind the `@`: a name, or an address in brackets.
    pub fn domain(&self) -> Option<&str> {
        self.domain.map(|len| &self.text[self.text.len() - len..])
    }

    /// The address that it is; a domain in its own letters in its A-label form (RFC 6531 §3.2).
    ///
    /// # Errors
    /// It has no domain, or one that is none of [`Domain`](super::Domain): nobody's who is served here.
    pub fn address(&self) -> Result<Address, Malformed> {
        let domain = self.domain().ok_or_else(|| Malformed::new("address", &self.text, "needs a domain, like joe@example.org"))?;
        Address::new(self.local.as_str(), a_labels(domain).parse()?)
    }
}

/// What stands behind `@one,@two:`.
fn without_route(text: &str) -> Option<&str> {
    if !text.starts_with('@') {
        return Some(text);
    }
    let (route, rest) = text.split_once(':')?;
    let is_route = route.split(',').all(|host| host.strip_prefix('@').is_some_and(|host| domain_len(host) == Some(host.len())));
    is_route.then_some(rest)
}

/// The local part at the beginning, without quotes, and where it ends.
fn local_part(text: &str) -> Option<(String, usize)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|letter: char| letter.is_control() || " <>()[],;:\\\"@".contains(letter))?;
        return (end > 0).then(|| (text[..end].to_owned(), end));
    };
    let (mut local, mut letters) = (String::new(), quoted.char_indices());
    loop {
        match letters.next()? {
            (at, '"') => return (!local.is_empty()).then_some((local, at + 2)),
            (_, '\\') => local.push(letters.next().filter(|(_, letter)| !letter.is_control())?.1),
            (_, letter) if letter.is_control() => return None,
            (_, letter) => local.push(letter),
        }
    }
}

/// Octets of the domain or the address literal at the beginning.
fn domain_len(text: &str) -> Option<usize> {
    let len = match text.strip_prefix('[') {
        Some(literal) => literal.find(|letter: char| !(letter.is_ascii_alphanumeric() || ":.-".contains(letter)))?,
        None => text.find(|letter: char| !(letter.is_alphanumeric() || "-._".contains(letter))).unwrap_or(text.len()),
    };
    match text.starts_with('[') {
        true => (len > 0 && text[len + 1..].starts_with(']')).then_some(len + 2),
        false => (len > 0).then_some(len),
    }
}

/// Octets.
const LONGEST: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_local_part_and_perhaps_a_domain() {
        for (text, written, local, domain, rest) in [
            ("<>", "", "", None, ""),
            ("<joe@VA.test> SIZE=1", "joe@VA.test", "joe", Some("VA.test"), " SIZE=1"),
            ("<postmaster>", "postmaster", "postmaster", None, ""),
            ("<\"a b\\\"\\>@c\"@va.test>x", "\"a b\\\"\\>@c\"@va.test", "a b\">@c", Some("va.test"), "x"),
            ("<@one,@two.org:joe+x@va.test>", "joe+x@va.test", "joe+x", Some("va.test"), ""),
            ("<@one:>", "", "", None, ""),
            ("<a..b.@x_y.org>", "a..b.@x_y.org", "a..b.", Some("x_y.org"), ""),
            ("<joe@[IPv6:2001:db8::1]>", "joe@[IPv6:2001:db8::1]", "joe", Some("[IPv6:2001:db8::1]"), ""),
            ("<jörg@bücher.test>", "jörg@bücher.test", "jörg", Some("bücher.test"), ""),
        ] {
            let (path, behind) = Path::read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((path.as_str(), path.local(), path.domain(), behind), (written, local, domain, rest), "{text}");
            assert_eq!(path.is_null(), written.is_empty());
        }
        assert_eq!(Path::read("<\"joe\"@VA.test>").unwrap().0.address().unwrap().to_string(), "joe@va.test");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let long = format!("<{}@x.org>", "a".repeat(256));
        for text in [
            "",
            "joe@x.org",
            "<",
            "<joe@x.org",
            "<joe@>",
            "<@x.org>",
            "<joe@x.org>>"[..10].as_ref(),
            "<a b@x.org>",
            "<\"a@x.org>",
            "<\"\"@x.org>",
            "<\"a\nb\"@x.org>",
            "<a\0@x.org>",
            "<joe@x org>",
            "<@a,b:joe@x.org>",
            "<@a joe@x.org>",
            "<joe@[1.2.3.4>",
            "<joe@[]>",
            "<a@b@c>",
            &long,
        ] {
            assert!(Path::read(text).is_err(), "{text:?}");
        }
        assert_eq!(Path::read("<jörg@Bücher.test>").unwrap().0.address().unwrap().to_string(), "jörg@xn--bcher-kva.test");
        for text in ["<postmaster>", "<joe@[192.0.2.1]>", "<joe@host>", "<>"] {
            assert!(Path::read(text).unwrap().0.address().is_err(), "{text}");
        }
    }
}

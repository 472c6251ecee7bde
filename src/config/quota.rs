//! `[quota]` of a domain record: how much mail a user and a domain may have (behaviour.md §3.4, RFC 9208).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::User;

/// The `[quota]` section of a domain record. Everything is 0 = no limit by default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotaRecord {
    /// Each user's INBOX, the historical "limit user inbox (k)": in KiB, or like "500M"; 0 = no limit.
    pub inbox: Size,
    /// Each user's whole mail, as `inbox`.
    pub storage: Size,
    /// Each user's messages; 0 = no limit.
    pub messages: u64,
    /// The mail of all users together, as `inbox`. The users' own limits may add up to more.
    pub domain_storage: Size,
    /// The messages of all users together; 0 = no limit.
    pub domain_messages: u64,
    /// What differs for single users.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub user: BTreeMap<User, UserQuota>,
}

/// One `[quota.user.NAME]` section: what is unset, empty or 0 is as for all users of the domain (behaviour.md §18 trap 43).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserQuota {
    /// The user's INBOX: in KiB, like "500M", or "unlimited".
    #[serde(skip_serializing_if = "Limit::is_default")]
    pub inbox: Limit<Size>,
    /// The user's whole mail, as `inbox`.
    #[serde(skip_serializing_if = "Limit::is_default")]
    pub storage: Limit<Size>,
    /// The user's messages: a number, or "unlimited".
    #[serde(skip_serializing_if = "Limit::is_default")]
    pub messages: Limit<Count>,
}

/// What one user may have, in octets and messages; `None` = no limit. The last two are shared by all users of the domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowance {
    pub inbox: Option<u64>,
    pub storage: Option<u64>,
    pub messages: Option<u64>,
    pub domain_storage: Option<u64>,
    pub domain_messages: Option<u64>,
}

impl QuotaRecord {
    /// What `user` may have, with all defaults applied.
    pub fn allowance(&self, user: &User) -> Allowance {
        let own = self.user.get(user).cloned().unwrap_or_default();
        Allowance {
            inbox: own.inbox.or(self.inbox).and_then(Size::limit),
            storage: own.storage.or(self.storage).and_then(Size::limit),
            messages: own.messages.or(Count(self.messages)).and_then(Count::limit),
            domain_storage: self.domain_storage.limit(),
            domain_messages: Count(self.domain_messages).limit(),
        }
    }
}

/// A limit of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Limit<T> {
    /// As for all users of the domain.
    #[default]
    Default,
    /// None, whatever the domain says of its users.
    Unlimited,
    /// This much, more than 0.
    Of(T),
}

impl<T> Limit<T> {
    fn is_default(&self) -> bool {
        matches!(self, Limit::Default)
    }

    fn or(self, default: T) -> Option<T> {
        match self {
            Limit::Default => Some(default),
            Limit::Unlimited => None,
            Limit::Of(own) => Some(own),
        }
    }
}

/// So much mail, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size(u64);

impl Size {
    /// `None` where the octets would not fit into a TOML number.
    pub fn of_kib(kib: u64) -> Option<Size> {
        (kib <= i64::MAX as u64 / 1024).then_some(Size(kib))
    }

    /// The same in octets.
    pub fn octets(self) -> u64 {
        self.0 * 1024
    }

    fn limit(self) -> Option<u64> {
        (self.0 > 0).then(|| self.octets())
    }
}

/// So many messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count(pub u64);

impl Count {
    fn limit(self) -> Option<u64> {
        (self.0 > 0).then_some(self.0)
    }
}

/// A number, or a text that means one.
trait Amount: Copy + Default + PartialEq {
    const EXPECTED: &'static str;
    fn of_number(number: u64) -> Option<Self>;
    fn of_text(text: &str) -> Option<Self>;
    fn number(self) -> u64;
}

impl Amount for Size {
    const EXPECTED: &'static str = "a number of KiB, or a size like \"100k\", \"500M\" or \"2G\"";

    fn of_number(number: u64) -> Option<Size> {
        Size::of_kib(number)
    }

    fn of_text(text: &str) -> Option<Size> {
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic() || letter == ' ');
        let kib: u64 = match text[digits.len()..].trim_start().to_ascii_lowercase().as_str() {
            "" | "k" | "kb" | "kib" => 1,
            "m" | "mb" | "mib" => 1 << 10,
            "g" | "gb" | "gib" => 1 << 20,
            "t" | "tb" | "tib" => 1 << 30,
            _ => return None,
        };
        Size::of_kib(digits.parse::<u64>().ok()?.checked_mul(kib)?)
    }

    fn number(self) -> u64 {
        self.0
    }
}

impl Amount for Count {
    const EXPECTED: &'static str = "a number of messages";

    fn of_number(number: u64) -> Option<Count> {
        Some(Count(number))
    }

    fn of_text(text: &str) -> Option<Count> {
        text.parse().ok().map(Count)
    }

    fn number(self) -> u64 {
        self.0
    }
}

/// The forms that a limit has in a record.
#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Number(i64),
    Text(String),
}

impl Form {
    fn amount<T: Amount>(&self) -> Option<T> {
        match self {
            Form::Number(number) => T::of_number(u64::try_from(*number).ok()?),
            Form::Text(text) if text.is_empty() => Some(T::default()),
            Form::Text(text) => T::of_text(text),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Size, D::Error> {
        let form = Form::deserialize(input).ok();
        form.and_then(|form| form.amount()).ok_or_else(|| serde::de::Error::custom(format!("expected {}", Size::EXPECTED)))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_u64(self.0)
    }
}

impl<'de, T: Amount> Deserialize<'de> for Limit<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Limit<T>, D::Error> {
        let limit = match Form::deserialize(input) {
            Ok(Form::Text(word)) if word == "unlimited" => Some(Limit::Unlimited),
            Ok(form) => form.amount().map(|amount: T| if amount == T::default() { Limit::Default } else { Limit::Of(amount) }),
            Err(_) => None,
        };
        limit.ok_or_else(|| serde::de::Error::custom(format!("expected {}, or \"unlimited\"", T::EXPECTED)))
    }
}

impl<T: Amount> Serialize for Limit<T> {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        match self {
            Limit::Default => output.serialize_u64(0),
            Limit::Unlimited => output.serialize_str("unlimited"),
            Limit::Of(amount) => output.serialize_u64(amount.number()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<QuotaRecord, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_users_limit_has_three_states() {
        let text = "inbox = 100\nstorage = \"2G\"\nmessages = 10\n[user.joe]\ninbox = \"unlimited\"\nstorage = 0\nmessages = 7\n\
                    [user.ann]\ninbox = \"\"\nmessages = \"unlimited\"";
        let quota = parse(text).unwrap();
        let of = |name: &str| quota.allowance(&name.parse().unwrap());
        assert_eq!((of("joe").inbox, of("joe").storage, of("joe").messages), (None, Some(2 << 30), Some(7)));
        assert_eq!((of("ann").inbox, of("ann").storage, of("ann").messages), (Some(102_400), Some(2 << 30), None));
        assert_eq!((of("bob").inbox, of("bob").messages), (Some(102_400), Some(10)));
        assert_eq!(parse(&toml::to_string(&quota).unwrap()).unwrap().allowance(&"joe".parse().unwrap()), of("joe"));
    }

    #[test]
    fn nothing_said_is_no_limit_and_the_domains_limits_hold_for_all() {
        assert_eq!(parse("").unwrap().allowance(&"joe".parse().unwrap()), Allowance::default());
        let quota = parse("domain_storage = \"500M\"\ndomain_messages = 9\n[user.joe]\nstorage = \"unlimited\"").unwrap();
        let joe = quota.allowance(&"joe".parse().unwrap());
        assert_eq!((joe.storage, joe.domain_storage, joe.domain_messages), (None, Some(500 << 20), Some(9)));
    }

    #[test]
    fn sizes_are_written_as_people_write_them() {
        for (text, kib) in
            [("100", 100), ("\"100\"", 100), ("\"100k\"", 100), ("\"5 MB\"", 5 << 10), ("\"2GiB\"", 2 << 20), ("\"1T\"", 1 << 30)]
        {
            assert_eq!(parse(&format!("inbox = {text}")).unwrap().inbox, Size(kib), "{text}");
        }
        for wrong in ["-1", "1.5", "\"2X\"", "\"G\"", "true", "\"99999999999999T\"", "9223372036854775807"] {
            let error = parse(&format!("inbox = {wrong}")).unwrap_err();
            assert!(error.contains("number of KiB"), "{wrong}: {error}");
        }
        let error = parse("[user.joe]\nmessages = \"many\"").unwrap_err();
        assert!(error.contains("unlimited") && error.contains("messages"), "{error}");
    }
}

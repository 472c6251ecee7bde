//! Configuration: `vmail.toml`, the per-domain records, and where everything lies below the root.

mod delivery;
mod fault;
mod folders;
mod lmtp;
mod machine;
mod mta;
mod quota;
mod record;
mod root;

pub use delivery::{CommandLine, DeliveryRecord, Fallback, OverQuota, Tokens};
pub use fault::Fault;
pub use folders::{FoldersRecord, Separator, SpecialUse, Spool};
pub use lmtp::{FileMode, LmtpSettings};
pub use machine::{
    AddressKind, Delivery, Fsync, Hashing, ImapLimits, Level, Limits, Listen, LockKind, Log, LogFormat, LogTarget, Login, Machine, Main,
    MainUsers, Mbox, Native, Pop3Limits, Proto, Reverse, ReverseLookup, Store, TlsMode,
};
pub use mta::MtaSettings;
pub use quota::{Allowance, Count, Limit, QuotaRecord, Size, UserQuota};
pub use record::{DomainRecord, Expire, ImapRecord, Owned, Pop3Record, Retrieval, Scheme, Uidl};
pub use root::{ROOT_VARIABLE, Root};

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who may log in without TLS (design.md §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plaintext {
    /// Everybody.
    Always,
    /// Only clients on a loopback address; all others need TLS first.
    TlsFirst,
    /// Only clients on a loopback address, whether TLS is there or not.
    Local,
}

/// A certificate chain and its private key, PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
}

/// A number of seconds in a configuration file, fractions allowed, a year at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl Seconds {
    const fn whole(seconds: u64) -> Seconds {
        Seconds(Duration::from_secs(seconds))
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Seconds, D::Error> {
        let seconds = f64::deserialize(input)?;
        match seconds {
            0.0..=31_536_000.0 => Ok(Seconds(Duration::from_secs_f64(seconds))),
            _ => Err(serde::de::Error::custom("expected a number of seconds from 0 to 31536000")),
        }
    }
}

impl Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        match self.0.subsec_nanos() {
            0 => output.serialize_u64(self.0.as_secs()),
            _ => output.serialize_f64(self.0.as_secs_f64()),
        }
    }
}

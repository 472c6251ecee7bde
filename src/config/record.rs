//! `domains/DOMAIN.toml`: the record of one virtual domain (behaviour.md §3.4).

use std::net::IpAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{DeliveryRecord, Fault, FoldersRecord, Pair, Plaintext, QuotaRecord, Seconds, Spool};
use crate::address::Domain;

/// What an administrator says of one domain. Every setting has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DomainRecord {
    /// The addresses that belong to this domain alone.
    #[serde(deserialize_with = "canonical")]
    pub ip: Vec<IpAddr>,
    /// Other names of the same domain: one user pool, any number (behaviour.md §4.10).
    pub alias: Vec<Domain>,
    /// A domain that is not enabled greets and refuses its users' logins.
    pub enabled: bool,
    /// Who owns the files of its accounts.
    pub owner: Owned,
    /// Whether other domains' users are refused on its addresses.
    pub strict_ip: bool,
    /// `locked`: its users cannot read their mail for now (behaviour.md §2.10); delivery goes on.
    pub retrieval: Retrieval,
    /// The form of POP3's unique ids; to change it makes clients download everything again.
    pub uidl: Uidl,
    /// The method of new password hashes: `argon2id`, `yescrypt` or `sha512`.
    pub scheme: Scheme,
    /// The format of maildrops that do not exist yet: `maildir` or `mbox`.
    pub spool: Spool,
    /// Who may log in without TLS; unset: as for the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plaintext: Option<Plaintext>,
    /// Its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Pair>,
    /// POP3.
    pub pop3: Pop3Record,
    /// Who gets its mail.
    pub delivery: DeliveryRecord,
    /// IMAP.
    pub imap: ImapRecord,
    /// How much mail its users may have.
    pub quota: QuotaRecord,
    /// How mail folders are named, and which are there from the start.
    pub folders: FoldersRecord,
}

impl Default for DomainRecord {
    fn default() -> DomainRecord {
        DomainRecord {
            ip: Vec::new(),
            alias: Vec::new(),
            enabled: true,
            owner: Owned::User,
            strict_ip: false,
            retrieval: Retrieval::Open,
            uidl: Uidl::Uw,
            scheme: Scheme::Argon2id,
            spool: Spool::Maildir,
            plaintext: None,
            tls: None,
            pop3: Pop3Record::default(),
            delivery: DeliveryRecord::default(),
            imap: ImapRecord::default(),
            quota: QuotaRecord::default(),
            folders: FoldersRecord::default(),
        }
    }
}

impl DomainRecord {
    /// Parses the text of `file`.
    pub fn parse(text: &str, file: &Path) -> Result<DomainRecord, Fault> {
        let record: DomainRecord = toml::from_str(text).map_err(|error| Fault::of_toml(file, text, &error))?;
        record.folders.check().and_then(|()| record.delivery.check()).map_err(|what| Fault::of_file(file, what))?;
        Ok(record)
    }

    /// What can still be told of a record that does not parse: the addresses and names that belong to it, so that its
    /// connections are refused rather than given to somebody else.
    pub fn salvage(text: &str) -> DomainRecord {
        let (table, _) = toml::de::DeTable::parse_recoverable(text);
        let texts = |key: &str| -> Vec<String> {
            let list = table.get_ref().get(key).and_then(|value| value.get_ref().as_array());
            list.into_iter().flatten().filter_map(|value| value.get_ref().as_str().map(str::to_owned)).collect()
        };
        DomainRecord {
            ip: texts("ip").iter().filter_map(|ip| ip.parse::<IpAddr>().ok()).map(|ip| ip.to_canonical()).collect(),
            alias: texts("alias").iter().filter_map(|name| name.parse().ok()).collect(),
            ..DomainRecord::default()
        }
    }
}

/// Who owns the files of a domain's accounts (design.md §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owned {
    /// The service user.
    Vmail,
    /// Each account's own uid and gid of `passwd.DOMAIN`.
    User,
}

/// Whether a domain's users can read their mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retrieval {
    /// They can.
    Open,
    /// They are told at login that they can't, POP3 and IMAP alike.
    Locked,
}

/// The form of a unique id (RFC 1939 §7 UIDL).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Uidl {
    /// `%08x%08x` of UIDVALIDITY and UID, as the UW server gave.
    Uw,
    /// The UID in decimal.
    Uid,
    /// MD5 of the message in hexadecimal, as the ancestor gave.
    Md5,
}

/// The method of new password hashes; every historical one is verified whatever is chosen here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// RFC 9106, 19 MiB and two passes; other programs that read shadow files do not know it.
    #[default]
    Argon2id,
    /// `$y$`, Debian's default: for files shared with other programs.
    Yescrypt,
    /// `$6$`: for files shared with older programs.
    Sha512,
}

/// The `[pop3]` section of a domain record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pop3Record {
    /// Whether RETR marks a message as seen, for IMAP and other readers.
    pub mark_seen: bool,
    /// The least time between two logins of an account (RFC 2449 §6.5); 0 = none.
    pub login_delay: Seconds,
    /// How long messages stay on the server, as announced (RFC 2449 §6.7).
    pub expire: Expire,
}

impl Default for Pop3Record {
    fn default() -> Pop3Record {
        Pop3Record { mark_seen: true, login_delay: Seconds::whole(0), expire: Expire::Never }
    }
}

/// The `[imap]` section of a domain record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImapRecord {
    /// Capabilities that are not announced to its users, and whose commands are refused, beside those of the machine.
    pub disable: Vec<String>,
}

/// How long messages stay on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expire {
    /// As long as their owner wants.
    Never,
    /// So many days.
    Days(u32),
}

impl<'de> Deserialize<'de> for Expire {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Expire, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected \"never\" or a number of days")]
        enum Form {
            Days(u32),
            Word(Word),
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Word {
            Never,
        }
        Ok(match Form::deserialize(input)? {
            Form::Days(days) => Expire::Days(days),
            Form::Word(Word::Never) => Expire::Never,
        })
    }
}

impl Serialize for Expire {
    fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        match self {
            Expire::Never => output.serialize_str("never"),
            Expire::Days(days) => output.serialize_u32(*days),
        }
    }
}

fn canonical<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<IpAddr>, D::Error> {
    let written = Vec::<IpAddr>::deserialize(input)?;
    Ok(written.into_iter().map(|address| address.to_canonical()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_is_written() {
        let text =
            "ip = [\"::ffff:192.0.2.7\", \"2001:db8::7\"]\nalias = [\"FOO.net\"]\nowner = \"vmail\"\nuidl = \"md5\"\n[pop3]\nexpire = 30\n";
        let record = DomainRecord::parse(text, Path::new("x")).unwrap();
        assert_eq!(record.ip[0], IpAddr::from([192, 0, 2, 7]));
        assert_eq!(record.alias[0].as_str(), "foo.net");
        let again = toml::to_string(&record).unwrap();
        assert_eq!(DomainRecord::parse(&again, Path::new("x")).unwrap(), record);
    }

    #[test]
    fn faults_name_the_line() {
        let fault = DomainRecord::parse("ip = [\"192.0.2.7\"]\nalias = [\"a b\"]\n", Path::new("foo.toml")).unwrap_err();
        assert!(fault.to_string().starts_with("foo.toml:2: "), "{fault}");
    }

    #[test]
    fn a_broken_record_still_tells_its_addresses_and_names() {
        let kept = DomainRecord::salvage("ip = [\"192.0.2.7\", \"bad\"]\nalias = [\"foo.net\"]\nuidll = 3\nwhat is this\n");
        assert_eq!(kept.ip, [IpAddr::from([192, 0, 2, 7])]);
        assert_eq!(kept.alias[0].as_str(), "foo.net");
    }
}

//! `vmail.toml`: what holds for the whole machine.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Fault, LmtpSettings, MtaSettings, Pair, Plaintext, Root, Seconds, Size};
use crate::os::privilege;

/// The settings of the machine. Every one has a default: an empty file, or none, is a working configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    /// The machine's own name, greeted with on shared addresses; unset: what hostname(1) says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The user that the service runs as, and that owns the mail of domains with `owner = "vmail"`.
    pub user: String,
    /// The first uid that `vmail user add` gives away.
    pub uid_from: u32,
    /// Who may log in without TLS; unset: everybody until a certificate is configured for the address, then `tls-first`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plaintext: Option<Plaintext>,
    /// What is written about all this, and where.
    pub log: Log,
    /// The addresses and ports that `vmail serve` listens on; unset: POP3 and IMAP on every address, ports 110 and 143, and 995 and 993 where
    /// a certificate is.
    pub listen: Vec<Listen>,
    /// What a local address is, beyond the `ip` lines of the domain records.
    #[serde(deserialize_with = "canonical_addresses")]
    pub address: BTreeMap<IpAddr, AddressKind>,
    /// Finding the domain by the name of the dialled address.
    pub reverse: Reverse,
    /// How names and passwords are taken.
    pub login: Login,
    /// The main domain.
    pub main: Main,
    /// Native daemons that serve the main domain.
    pub native: Native,
    /// The default certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Pair>,
    /// How much at once.
    pub limit: Limits,
    /// POP3.
    pub pop3: Pop3Limits,
    /// IMAP.
    pub imap: ImapLimits,
    /// LMTP.
    pub lmtp: LmtpSettings,
    /// What the machine's mail server asks.
    pub mta: MtaSettings,
    /// mbox spools.
    pub mbox: Mbox,
    /// All mailboxes.
    pub store: Store,
    /// Mail on its way.
    pub delivery: Delivery,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine {
            host: None,
            user: "vmail".into(),
            uid_from: 60_000,
            plaintext: None,
            log: Log::default(),
            listen: Vec::new(),
            address: BTreeMap::new(),
            reverse: Reverse::default(),
            login: Login::default(),
            main: Main::default(),
            native: Native::default(),
            tls: None,
            limit: Limits::default(),
            pop3: Pop3Limits::default(),
            imap: ImapLimits::default(),
            lmtp: LmtpSettings::default(),
            mta: MtaSettings::default(),
            mbox: Mbox::default(),
            store: Store::default(),
            delivery: Delivery::default(),
        }
    }
}

impl Machine {
    /// Reads the file below `root`; a missing one means the defaults.
    pub fn load(root: &Root) -> Result<Machine, Fault> {
        let file = root.machine();
        match privilege::read_to_string(&file) {
            Ok(text) => Machine::parse(&text, &file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Machine::default()),
            Err(error) => Err(Fault::unreadable(&file, &error)),
        }
    }

    /// Parses the text of `file`.
    pub fn parse(text: &str, file: &Path) -> Result<Machine, Fault> {
        let machine: Machine = toml::from_str(text).map_err(|error| Fault::of_toml(file, text, &error))?;
        machine.check().map_err(|what| Fault::of_file(file, what))?;
        Ok(machine)
    }

    fn check(&self) -> Result<(), String> {
        let separators = &self.login.separators;
        if separators.is_empty() || !separators.bytes().all(|octet| octet.is_ascii_punctuation() && !b".-_+\"\\/".contains(&octet)) {
            return Err(format!("login.separators = {separators:?}: expected punctuation that no name contains, like \"@%\""));
        }
        if self.login.tries == 0 || !(1..=1024).contains(&self.login.hashing.0) {
            return Err("login.tries must be 1 or more, and login.hashing 1 to 1024".into());
        }
        if self.limit.connections == 0 || self.limit.per_source == 0 || self.pop3.idle.0.is_zero() {
            return Err("limit.connections and limit.per_source and pop3.idle must be more than 0".into());
        }
        if self.imap.idle.0.is_zero() || self.imap.append_limit.octets() == 0 {
            return Err("imap.idle and imap.append_limit must be more than 0".into());
        }
        if self.uid_from < 1000 {
            return Err(format!("uid_from = {}: uids below 1000 belong to the system", self.uid_from));
        }
        for (key, words, like) in [("pop3", &self.native.pop3, "/usr/sbin/ipop3d"), ("imap", &self.native.imap, "/usr/sbin/imapd")] {
            if words.first().is_some_and(|program| !program.starts_with('/')) {
                return Err(format!("native.{key}: the program needs its whole path, like {like:?}"));
            }
        }
        if self.mbox.locks.is_empty() {
            return Err("mbox.locks must name one kind of lock at least".into());
        }
        self.lmtp.check(&self.listen)?;
        self.mta.check()?;
        self.delivery.check()
    }

    /// The machine's own name.
    pub fn host(&self) -> String {
        self.host.clone().unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
    }
}

/// One `[log]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info` or `debug`.
    pub level: Level,
    /// `human`, `logfmt` or `json`.
    pub format: LogFormat,
    /// `stderr`, `journald` or `syslog`; unset: journald when systemd started us, else stderr.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<LogTarget>,
}

impl Default for Log {
    fn default() -> Log {
        Log { level: Level::Info, format: LogFormat::Human, to: None }
    }
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// An administrator must act.
    Error,
    /// An administrator may have to act.
    Warn,
    /// One line per session and per failed login.
    Info,
    /// Dialogues, without secrets.
    Debug,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For eyes.
    Human,
    /// `key=value`, one event a line.
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// Where the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogTarget {
    /// Standard error.
    Stderr,
    /// systemd's journal, field by field.
    Journald,
    /// The syslog daemon, facility mail.
    Syslog,
}

/// One `[[listen]]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The protocol.
    pub proto: Proto,
    /// The addresses: one, or a list; `0.0.0.0` and `::` mean all.
    #[serde(deserialize_with = "one_or_many")]
    pub address: Vec<IpAddr>,
    /// The port; unset: 110 or 143, with implicit TLS 995 or 993.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whether and when TLS begins.
    #[serde(default)]
    pub tls: TlsMode,
}

impl Listen {
    /// The port, by protocol and TLS where none is set (RFC 1939 §3, RFC 9051 §2.1, RFC 8314 §7.1 and §7.2). LMTP has none of its own
    /// (RFC 2033 §5): 24 is the one for private mail systems.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match (self.proto, self.tls) {
            (Proto::Pop3, TlsMode::Implicit) => 995,
            (Proto::Pop3, _) => 110,
            (Proto::Imap, TlsMode::Implicit) => 993,
            (Proto::Imap, _) => 143,
            (Proto::Lmtp, _) => 24,
        })
    }
}

/// A protocol that we serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proto {
    /// RFC 1939.
    Pop3,
    /// RFC 9051 and RFC 3501.
    Imap,
    /// RFC 2033.
    Lmtp,
}

impl Proto {
    /// As it is called in the log and in `vmail.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Proto::Pop3 => "pop3",
            Proto::Imap => "imap",
            Proto::Lmtp => "lmtp",
        }
    }
}

/// Whether and when TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Never.
    None,
    /// When the client asks, where a certificate is configured (RFC 2595).
    #[default]
    Starttls,
    /// From the first octet (RFC 8314).
    Implicit,
}

/// What a local address is declared to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressKind {
    /// It belongs to a virtual domain: where none is found for it, connections are refused rather than given to the main domain.
    Domain,
    /// Many domains share it; the login name must say which: `user@domain`.
    Shared,
    /// It belongs to the main domain.
    Main,
}

/// One `[reverse]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reverse {
    /// `auto`: asked only where the table of addresses does not decide; `off`: never.
    pub lookup: ReverseLookup,
    /// How long a greeting may wait for the answer.
    pub deadline: Seconds,
}

impl Default for Reverse {
    fn default() -> Reverse {
        Reverse { lookup: ReverseLookup::Auto, deadline: Seconds::whole(2) }
    }
}

/// Whether names of addresses are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReverseLookup {
    /// Where the table of addresses does not decide.
    Auto,
    /// Never.
    Off,
}

/// One `[login]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Login {
    /// What may stand between user and domain; the first that occurs in a login decides, at its last place.
    pub separators: String,
    /// Failed logins that a connection may have.
    pub tries: u32,
    /// How long the answer to a failed login waits.
    pub failure_delay: Seconds,
    /// Passwords verified at a time; an argon2id hash takes 19 MiB.
    pub hashing: Hashing,
    /// How long a verified password is remembered; 0 = never.
    pub cache: Seconds,
}

impl Default for Login {
    fn default() -> Login {
        Login {
            separators: "@%".into(),
            tries: 3,
            failure_delay: Seconds::whole(2),
            hashing: Hashing::default(),
            cache: Seconds::whole(300),
        }
    }
}

/// Passwords verified at a time; by default one for each processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hashing(pub usize);

impl Default for Hashing {
    fn default() -> Hashing {
        Hashing(std::thread::available_parallelism().map_or(1, usize::from))
    }
}

/// One `[main]` section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Main {
    /// Who the main domain's users are, where no native daemon serves it; unset: `system` under inetd, `none` under `vmail serve`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<MainUsers>,
}

/// Who the main domain's users are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MainUsers {
    /// Nobody: connections are refused, clearly.
    None,
    /// The users of `/etc/passwd`, with their mail in `/var/mail`.
    System,
}

/// One `[native]` section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Native {
    /// The program, and its arguments, that is given the main domain's POP3 connections as inetd would give them.
    pub pop3: Vec<String>,
    /// The same for IMAP.
    pub imap: Vec<String>,
}

impl Native {
    /// The program for a protocol, and its arguments; empty where there is none.
    pub fn of(&self, proto: Proto) -> &[String] {
        match proto {
            Proto::Pop3 => &self.pop3,
            Proto::Imap => &self.imap,
            Proto::Lmtp => &[],
        }
    }

    /// `words`, and nothing else, for `proto`.
    pub fn only(proto: Proto, words: Vec<String>) -> Native {
        match proto {
            Proto::Pop3 => Native { pop3: words, imap: Vec::new() },
            Proto::Imap => Native { imap: words, pop3: Vec::new() },
            Proto::Lmtp => Native::default(),
        }
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.pop3.is_empty() && self.imap.is_empty()
    }
}

/// One `[limit]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections from one IPv4 address or one IPv6 /64.
    pub per_source: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connections: 10_000, per_source: 100 }
    }
}

/// One `[pop3]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pop3Limits {
    /// How long a client may be silent; RFC 1939 §3 wants ten minutes at least.
    pub idle: Seconds,
}

impl Default for Pop3Limits {
    fn default() -> Pop3Limits {
        Pop3Limits { idle: Seconds::whole(600) }
    }
}

/// One `[imap]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImapLimits {
    /// How long a client may be silent; RFC 9051 §5.4 wants thirty minutes at least.
    pub idle: Seconds,
    /// The largest message that a client may append: in KiB, or like "100M" (RFC 7889).
    pub append_limit: Size,
    /// Capabilities that are not announced, and whose commands are refused, like "COMPRESS=DEFLATE".
    pub disable: Vec<String>,
}

impl Default for ImapLimits {
    fn default() -> ImapLimits {
        let append_limit = Size::of_kib(128 * 1024).expect("it is far below the largest number of TOML");
        ImapLimits { idle: Seconds::whole(1800), append_limit, disable: Vec::new() }
    }
}

/// One `[mbox]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mbox {
    /// The locks taken on a spool, in this order; every program that writes there must take one of them.
    pub locks: Vec<LockKind>,
}

impl Default for Mbox {
    fn default() -> Mbox {
        Mbox { locks: vec![LockKind::Dotlock, LockKind::Fcntl] }
    }
}

/// A way to lock an mbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockKind {
    /// A file `SPOOL.lock`.
    Dotlock,
    /// fcntl(2).
    Fcntl,
    /// flock(2).
    Flock,
}

/// One `[store]` section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// When written mail is made to survive a power cut.
    pub fsync: Fsync,
}

/// One `[delivery]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// The largest message that is accepted: in KiB, or like "100M".
    pub message_limit: Size,
    /// The program that takes mail for other servers: sendmail(8), which every MTA brings.
    pub sendmail: PathBuf,
    /// The server that takes mail for others instead, by SMTP without TLS: `host:port`, on this machine or in its own network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// The user that programs and files of aliases and fallbacks are run and written as; unset: the service's user. Never root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_user: Option<String>,
    /// How long a program, a filter or the next server may take; what takes longer is ended, and the mail comes again.
    pub deadline: Seconds,
    /// Mail that has come through more servers is not sent on (RFC 5321 §6.3).
    pub hops: usize,
    /// A virtmaps file that is asked for an address before its domain's own names; named from `/etc/vmail`. What counts is what vnewvirtmaps
    /// has made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtmaps: Option<PathBuf>,
    /// A virtusertable that is asked after virtmaps, in sendmail's way; named from `/etc/vmail`. It is read as text, whenever it has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtusertable: Option<PathBuf>,
}

impl Default for Delivery {
    fn default() -> Delivery {
        Delivery {
            message_limit: Size::of_kib(128 * 1024).expect("it is far below the largest number of TOML"),
            sendmail: "/usr/sbin/sendmail".into(),
            relay: None,
            program_user: None,
            deadline: Seconds::whole(120),
            hops: 100,
            virtmaps: None,
            virtusertable: None,
        }
    }
}

impl Delivery {
    fn check(&self) -> Result<(), String> {
        if self.message_limit.octets() == 0 || self.deadline.0.is_zero() || self.hops == 0 {
            return Err("delivery.message_limit, delivery.deadline and delivery.hops must be more than 0".into());
        }
        if !self.sendmail.is_absolute() {
            return Err("delivery.sendmail: the program needs its whole path, like \"/usr/sbin/sendmail\"".into());
        }
        let is_place = |relay: &str| relay.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        match &self.relay {
            Some(relay) if !is_place(relay) => Err(format!("delivery.relay = {relay:?}: expected \"host:port\"")),
            _ if self.program_user.as_deref() == Some("root") => Err("delivery.program_user: no program is run as root".into()),
            _ => Ok(()),
        }
    }
}

/// When written mail is made to survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Before it is acknowledged; every file and folder by the one who wrote it, one by one.
    Always,
    /// Before it is acknowledged: the same promise, but those who write at the same time share what the disk has to do.
    #[default]
    Optimized,
    /// When the kernel likes, seconds later: for tests and throw-away machines. A power cut loses acknowledged mail.
    Never,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<IpAddr>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected an IP address like \"192.0.2.7\", or a list of them")]
    enum OneOrMany {
        One(IpAddr),
        Many(Vec<IpAddr>),
    }
    Ok(match OneOrMany::deserialize(input)? {
        OneOrMany::One(address) => vec![address],
        OneOrMany::Many(addresses) => addresses,
    })
}

fn canonical_addresses<'de, D: serde::Deserializer<'de>>(input: D) -> Result<BTreeMap<IpAddr, AddressKind>, D::Error> {
    let declared = BTreeMap::<IpAddr, AddressKind>::deserialize(input)?;
    Ok(declared.into_iter().map(|(address, kind)| (address.to_canonical(), kind)).collect())
}

/// What `vmail config show` prints: every setting that holds.
impl Machine {
    /// The settings as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("every setting has a TOML form")
    }

    /// The listeners that hold: those configured, or all protocols on every address.
    pub fn listeners(&self, certificate: bool) -> Vec<Listen> {
        if !self.listen.is_empty() {
            return self.listen.clone();
        }
        let everywhere = || vec![IpAddr::from([0, 0, 0, 0]), IpAddr::from([0u16; 8])];
        let modes: &[TlsMode] = if certificate { &[TlsMode::Starttls, TlsMode::Implicit] } else { &[TlsMode::Starttls] };
        let of = |proto| modes.iter().map(move |&tls| Listen { proto, address: everywhere(), port: None, tls });
        [Proto::Pop3, Proto::Imap].into_iter().flat_map(of).collect()
    }

    /// What a port is for: as `[[listen]]` says, else what the world knows it for.
    pub fn served_at(&self, port: u16) -> Option<(Proto, TlsMode)> {
        let configured = self.listen.iter().find(|listen| listen.port() == port).map(|listen| (listen.proto, listen.tls));
        configured.or(match port {
            110 => Some((Proto::Pop3, TlsMode::Starttls)),
            995 => Some((Proto::Pop3, TlsMode::Implicit)),
            143 => Some((Proto::Imap, TlsMode::Starttls)),
            993 => Some((Proto::Imap, TlsMode::Implicit)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Machine, String> {
        Machine::parse(text, Path::new("vmail.toml")).map_err(|fault| fault.to_string())
    }

    #[test]
    fn nothing_configured_is_a_configuration() {
        assert_eq!(parse("").unwrap(), Machine::default());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_what_would_be_right() {
        let error = parse("user = \"vmail\"\n\n[login]\ntrys = 3\n").unwrap_err();
        assert!(error.starts_with("vmail.toml:4: "), "{error}");
        assert!(error.contains("trys") && error.contains("tries"), "{error}");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_line_and_what_would_be_right() {
        let error = parse("[[listen]]\nproto = \"pop3\"\naddress = \"elsewhere\"\n").unwrap_err();
        assert!(error.starts_with("vmail.toml:3: ") && error.contains("IP address"), "{error}");
        let error = parse("[address]\n\"192.0.2.1\" = \"mine\"\n").unwrap_err();
        assert!(error.starts_with("vmail.toml:2: ") && error.contains("shared"), "{error}");
        let error = parse("[pop3]\nidle = -1\n").unwrap_err();
        assert!(error.starts_with("vmail.toml:2: ") && error.contains("seconds"), "{error}");
    }

    #[test]
    fn ipv4_mapped_addresses_are_the_same_addresses() {
        let machine = parse("[address]\n\"::ffff:192.0.2.1\" = \"shared\"\n").unwrap();
        assert_eq!(machine.address[&IpAddr::from([192, 0, 2, 1])], AddressKind::Shared);
    }

    #[test]
    fn unset_everything_listens_and_ports_are_known() {
        let machine = Machine::default();
        let ports = |certificate| machine.listeners(certificate).iter().map(Listen::port).collect::<Vec<_>>();
        assert_eq!((ports(false), ports(true)), (vec![110, 143], vec![110, 995, 143, 993]));
        for listen in machine.listeners(true) {
            assert_eq!(machine.served_at(listen.port()), Some((listen.proto, listen.tls)));
        }
        let machine = parse("[[listen]]\nproto = \"imap\"\naddress = \"::\"\nport = 1143\ntls = \"none\"\n").unwrap();
        assert_eq!((machine.served_at(1143), machine.served_at(1)), (Some((Proto::Imap, TlsMode::None)), None));
    }

    #[test]
    fn what_config_show_prints_reads_back_the_same() {
        let text = "host = \"mail.example.net\"\nplaintext = \"tls-first\"\n[[listen]]\nproto = \"pop3\"\naddress = \"::\"\ntls = \"implicit\"\n\
                    [address]\n\"192.0.2.1\" = \"main\"\n[login]\nfailure_delay = 0.5\n[main]\nusers = \"system\"\n";
        let machine = parse(text).unwrap();
        assert_eq!(parse(&machine.to_toml()).unwrap(), machine);
        assert_eq!(machine.listen[0].port(), 995);
    }
}

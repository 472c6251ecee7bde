//! vmail: one machine serves many independent mail domains as if each had a server of its own.
//!
//! The rooms, and who may use whom. A room uses only what its line names, and a line names only rooms above it;
//! `tests/architecture.rs` reads this map and holds the code to it.
//!
//! ```text rooms
//! address :                                     # Address, Domain, User, Owner: values that cannot be wrong
//! os      :                                     # locks, atomic files, acting as an owner, child processes, crypt(3)
//! message : address                             # RFC 5322/MIME as byte ranges; ENVELOPE and BODYSTRUCTURE as the octets IMAP sends
//! config  : address os                          # vmail.toml and the per-domain records; errors with file and line
//! vdomain : address config os                   # the directory of domains: identify, users, aliases(5), password hashes
//! tls     : address config os vdomain           # certificates by dialled address and server name; reload
//! store   : address config message os vdomain   # mailboxes: Maildir, mbox, memory; index, news, quota, locks
//! maps    : address config os vdomain           # virtmaps, virtusertable, ...: tables of addresses; read, looked up, checked, compiled
//! deliver : address config maps os store vdomain    # plan (who gets the mail) and carry out: mailboxes, forwards, programs, files, answers
//! login   : address config os vdomain           # name + password + dialled domain -> Account; throttle, cache, SASL
//! wire    : address config os                   # lines, dots, TLS upgrade, deadlines, counters of one client; fd 0
//! house   : config login maps store vdomain wire    # what sessions share: settings, domains, logins; the call that came in, how it ended
//! pop3    : address config house login os store vdomain wire    # RFC 1939 and its extensions
//! imap    : address config house login message os store vdomain wire    # RFC 9051, RFC 3501 and their extensions
//! lmtp    : address config deliver maps store vdomain wire    # RFC 2033 and the extensions of SMTP that go with it
//! mta     : address deliver house login maps vdomain wire    # what Postfix, sendmail and Exim ask: socketmap, policy, passwords
//! check   : address config os tls vdomain       # checkvdomain: findings and mends
//! admin   : address config login os store tls vdomain     # deeds of operators, for the command line and later the web
//! serve   : address config deliver house imap lmtp login maps mta os pop3 store tls vdomain wire    # listeners, inetd, systemd, hand-over
//! cli     : address admin check config deliver login maps os pop3 serve store tls vdomain wire    # the programs' command lines, logs, demo
//! ```
#![deny(unsafe_code)]

pub mod address;
pub mod admin;
pub mod check;
pub mod cli;
pub mod config;
pub mod deliver;
pub mod house;
pub mod imap;
pub mod lmtp;
pub mod login;
pub mod maps;
pub mod message;
pub mod mta;
pub mod os;
pub mod pop3;
pub mod serve;
pub mod store;
pub mod tls;
pub mod vdomain;
pub mod wire;

/// What greets, CAPA and `--version` call us.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

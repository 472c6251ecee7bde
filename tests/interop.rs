//! vmail among real programs: super-servers, native daemons, mail clients, systemd, name servers.

mod bad_input;
mod checkvdomain;
mod clients;
mod corpus;
mod courier;
mod crash;
mod demo;
mod dovecot;
mod imap_clients;
mod inetd;
mod lmtp;
mod lookups;
mod maps;
mod mta;
mod mutt;
mod names;
mod native;
mod systemd;
mod test_mode;
mod vdeliver;
mod vimapd;

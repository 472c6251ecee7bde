//! One message (RFC 5322, MIME) as an IMAP server sees it: its parts as byte ranges, and what clients ask for as the octets IMAP sends.
//!
//! [`Scanner`] reads a message once, as it is stored, in pieces of any size, and keeps no text. What it has found is an [`Entry`], which
//! a store keeps in binary form ([`Entry::encode`]) and reads in place ([`EntryRef::decode`]).
//!
//! Sizes are of two kinds, and their names tell which: *stored* octets (`len`, offsets) count what is on disk, *wire* octets (`size`)
//! count each line end as CRLF, whatever it is on disk. A CR that no LF follows is an octet like any other. A line end that is missing
//! at the very end is not made up: neither the message's size nor that of its last part counts one.

mod addresses;
mod casemap;
mod charset;
pub mod date;
mod described;
mod entry;
mod envelope;
pub mod fields;
mod header;
mod html;
pub mod kin;
mod lexer;
mod nstring;
mod opened;
mod params;
mod part;
mod person;
mod preview;
mod reading;
mod scan;
mod stream;
mod structure;
pub mod subject;
mod transfer;
mod whole;

pub use casemap::{casemap, casemap_lines};
pub use entry::{Entry, EntryRef};
pub use part::{Encoding, Kind, Part};
pub use person::{List, Person};
pub use reading::{Extent, Reading, Said};
pub use scan::{Scanned, Scanner};
pub use transfer::Decoder;

#[cfg(test)]
mod tests;

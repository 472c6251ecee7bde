//! Tables of addresses as administrators write them: who gets the mail for an address, and what is wrong in the tables.

mod cdb;
mod check;
mod class;
mod database;
mod expansion;
mod export;
mod genericstable;
mod lines;
mod remark;
mod route;
mod sources;
mod table;
mod tables;
mod test_mode;
mod tokens;
pub mod virtmaps;
pub mod virtusertable;

pub use check::Kind;
pub use class::Class;
pub use database::Database;
pub use export::Mta;
pub use genericstable::Genericstable;
pub use lines::text;
pub use remark::{Remark, Remarks, Weight};
pub use route::{End, Route};
pub use sources::{Means, Said, Sources};
pub use table::{Entry, Table};
pub use tables::Tables;
pub use test_mode::{GREETING, PROMPT};
pub use virtmaps::Virtmaps;
pub use virtusertable::{Told, Virtusertable};

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The text of a table.
///
/// # Errors
/// It cannot be read, or is larger than 1 GiB.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_OCTETS + 1).read_to_end(&mut text)?;
    match text.len() as u64 {
        ..=MAX_OCTETS => Ok(text),
        _ => Err(io::Error::new(io::ErrorKind::FileTooLarge, "is larger than 1 GiB")),
    }
}

/// A stranger's text for a log line: escaped, and only its head.
fn shown(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

/// A local part, or a local name, as people write it: nothing that needs quotes (RFC 5321 §4.1.2), 255 octets at most.
fn is_plain(text: &str) -> bool {
    let is_odd = |letter: char| letter.is_control() || letter.is_whitespace() || letter == '\u{fffd}';
    (1..=255).contains(&text.len())
        && text.bytes().all(|octet| !octet.is_ascii() || is_atom(octet))
        && (text.is_ascii() || !text.contains(is_odd))
}

/// RFC 5321's atext, and the dot.
fn is_atom(octet: u8) -> bool {
    matches!(octet, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-'..=b'9' | b'=' | b'?' | b'A'..=b'Z' | b'^'..=b'~')
}

/// In lower case; copied only where that is another text.
fn folded(text: &str) -> Cow<'_, str> {
    match text.bytes().all(|octet| octet.is_ascii() && !octet.is_ascii_uppercase()) {
        true => text.into(),
        false => text.to_lowercase().into(),
    }
}

const MAX_OCTETS: u64 = 1 << 30;

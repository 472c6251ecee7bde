//! The forms of a unique id (RFC 1939 §7 UIDL).

use std::fmt::Write;

use md5::{Digest, Md5};

use crate::config;
use crate::store::index::Record;
use crate::store::{Entry, Folder, Trouble};

/// The unique id of a message: 1 to 70 graphic characters, the same in every session, different for every message.
/// `is_first` says whether no message of a lower UID has the same content.
pub(super) async fn unique_id(
    folder: &mut impl Folder,
    message: &Entry<'_>,
    form: config::Uidl,
    is_first: bool,
) -> Result<String, Trouble> {
    if let Some(explicit) = explicit(message.uidl_text()) {
        return Ok(explicit.to_owned());
    }
    let id = message.uidl();
    Ok(match form {
        config::Uidl::Uw => format!("{:08x}{:08x}", id.uidvalidity, id.uid),
        config::Uidl::Uid => id.uid.to_string(),
        config::Uidl::Md5 => md5(&folder.digest(message.uid).await?, message, is_first),
    })
}

/// What another server gave it, if POP3 can say that (RFC 1939 §7).
fn explicit(id: &[u8]) -> Option<&str> {
    let fits = (1..=70).contains(&id.len()) && id.iter().all(|octet| (0x21..=0x7e).contains(octet));
    std::str::from_utf8(id).ok().filter(|_| fits)
}

fn md5(digest: &[u8; 16], message: &Record, is_first: bool) -> String {
    if is_first && !message.is_twin() {
        return hex(digest);
    }
    // The digest is that of an earlier message, too: the UID tells this one apart, and stays with it.
    hex(&Md5::new().chain_update(digest).chain_update(message.uidl().uid.to_be_bytes()).finalize())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a String takes everything");
        text
    })
}

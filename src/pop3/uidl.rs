//! The forms of a unique id (RFC 1939 §7 UIDL).

use std::fmt::Write;

use md5::{Digest, Md5};

use crate::config;
use crate::store::{Folder, Message, Trouble};

/// The unique id of message `at`: 1 to 70 graphic characters, the same in every session, different for every message.
pub(super) async fn unique_id(folder: &mut impl Folder, at: usize, form: config::Uidl) -> Result<String, Trouble> {
    let message = folder.messages()[at];
    let id = message.uidl();
    Ok(match form {
        config::Uidl::Uw => format!("{:08x}{:08x}", id.uidvalidity, id.uid),
        config::Uidl::Uid => id.uid.to_string(),
        config::Uidl::Md5 => md5(&folder.digest(at).await?, &message),
    })
}

fn md5(digest: &[u8; 16], message: &Message) -> String {
    if !message.twin() {
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

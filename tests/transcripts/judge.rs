//! imap-codec as the judge of what we say (design.md §8).

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder;
use imap_codec::encode::Encoder;

/// Holds a response against imap-codec: what it knows it must understand, and would say in the same words.
pub fn judge(line: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(line);
    let is_whole = text.starts_with("* ") && !text.ends_with("}\r\n");
    if !is_whole || !line.is_ascii() || UNKNOWN.iter().any(|unknown| text.contains(unknown)) {
        return Ok(());
    }
    match ResponseCodec::default().decode(line) {
        Ok((b"", response)) => {
            let said = ResponseCodec::default().encode(&response).dump();
            // It has an opinion of its own on how the names of capabilities are written.
            if said.eq_ignore_ascii_case(line) { Ok(()) } else { Err(format!("imap-codec would say {:?}", String::from_utf8_lossy(&said))) }
        }
        _ => Err(format!("imap-codec does not understand {text:?}")),
    }
}

/// Of extensions that imap-codec has not; and days of one digit, before which it would write 0 (RFC 9051 §9 date-day-fixed: a space).
const UNKNOWN: [&str; 11] = [
    " SIZE ",
    "(SIZE ",
    "APPENDLIMIT ",
    "MAILBOXID (",
    "CHILDINFO",
    "ESEARCH",
    "PREVIEW",
    "SAVEDATE",
    "EMAILID",
    "THREADID",
    "INTERNALDATE \" ",
];

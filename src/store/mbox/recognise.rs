//! Finding out whether a known message is still where it was, in a file that others change.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::number::halves;
use super::scan::{Found, Scan};
use crate::store::index::Record;

/// Whether the octets where `message` was are still that message. Blocks.
pub fn is_still_there(file: &File, message: &Record) -> io::Result<bool> {
    Ok(look(file, message)?.is_some())
}

/// The message as it now says of itself, if it is still where it was.
pub fn look(file: &File, message: &Record) -> io::Result<Option<Found>> {
    Ok(found(file, message)?.filter(|found| is(found, message)))
}

/// The one message that is where `message` was, whatever it is.
pub fn found(file: &File, message: &Record) -> io::Result<Option<Found>> {
    let (mut scan, mut found) = (Scan::from_message(message.place), Vec::new());
    let (end, mut buffer) = (super::end(message), vec![0; 64 * 1024]);
    let (mut filled, mut at) = (0, message.place);
    loop {
        let room = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len() - filled);
        let read = if room == 0 { 0 } else { file.read_at(&mut buffer[filled..filled + room], at)? };
        if read == 0 && at < end {
            return Ok(None);
        }
        at += read as u64;
        filled += read;
        let last = at == end;
        let done = scan.feed(&buffer[..filled], last, &mut |one| found.push(one));
        if last {
            return Ok(if found.len() == 1 { found.pop() } else { None });
        }
        buffer.copy_within(done..filled, 0);
        filled -= done;
    }
}

/// A last blank line may have been taken for the one between messages.
fn is(found: &Found, message: &Record) -> bool {
    found.offset == message.place
        && found.from_len == message.from_len
        && halves(found.fingerprint) == message.fingerprint
        && (found.size.popped() == message.size.popped() || found.size.popped() + 2 == message.size.popped())
}

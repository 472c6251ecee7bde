//! Finding a known message again in a file that others change.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::scan::{Found, Scan};
use super::tally::Tally;
use crate::store::mbox::head::{Line, Walk};
use crate::store::mbox::number::halves;
use crate::store::message::Traits;
use crate::store::{Flags, Message, Uidl};

/// Whether the octets where `message` was are still that message. Blocks.
pub fn is_still_there(file: &File, message: &Message) -> io::Result<bool> {
    let (mut scan, mut found) = (Scan::new(), Vec::new());
    let mut buffer = vec![0; 64 * 1024];
    let (mut filled, mut at) = (0, message.offset);
    loop {
        let room = usize::try_from(message.end() - at).unwrap_or(usize::MAX).min(buffer.len() - filled);
        let read = if room == 0 { 0 } else { file.read_at(&mut buffer[filled..filled + room], at)? };
        if read == 0 && at < message.end() {
            return Ok(false);
        }
        at += read as u64;
        filled += read;
        let last = at == message.end();
        let done = scan.feed(&buffer[..filled], last, &mut |one| found.push(one));
        if last {
            return Ok(matches!(&found[..], [one] if is(one, message)) || (found.is_empty() && message.size == 0));
        }
        buffer.copy_within(done..filled, 0);
        filled -= done;
    }
}

/// A last blank line may have been taken for the one between messages.
fn is(found: &Found, message: &Message) -> bool {
    found.from_len == message.from_len
        && halves(found.fingerprint) == message.fingerprint
        && (found.size == message.size || found.size + 2 == message.size)
}

/// Where each of `known` is among `now`: the same UID with the same content, else the same content where the UID was lost.
pub fn find(known: &[Message], now: &[Message]) -> Vec<Option<usize>> {
    let same = |known: &Message| {
        let at = now.binary_search_by_key(&known.uid, |now| now.uid).ok()?;
        (now[at].fingerprint == known.fingerprint).then_some(at)
    };
    let mut places: Vec<_> = known.iter().map(same).collect();
    if places.iter().all(Option::is_some) {
        return places;
    }
    let mut free = vec![true; now.len()];
    places.iter().flatten().for_each(|&at| free[at] = false);
    let mut rest: HashMap<_, Vec<usize>> = HashMap::new();
    for at in (0..now.len()).rev().filter(|&at| free[at]) {
        rest.entry(now[at].fingerprint).or_default().push(at);
    }
    for (place, known) in std::iter::zip(&mut places, known) {
        if place.is_none() {
            *place = rest.get_mut(&known.fingerprint).and_then(Vec::pop);
        }
    }
    places
}

/// The message that a text of its own is.
pub fn measure(text: &[u8], uidl: Uidl) -> Message {
    let (mut walk, mut tally, mut flags, mut at) = (Walk::default(), Tally::new(), Flags::NONE, 0);
    while let Some(step) = walk.step(&text[at..], true) {
        let piece = &text[at..at + step.len];
        match step.line {
            Line::Hidden(field) => {
                tally.hidden();
                flags = flags.with(super::scan::flags_of(field, piece));
            }
            Line::Lines => tally.volatile(piece),
            _ => tally.text(piece),
        }
        at += step.len;
    }
    Message {
        size: tally.wire(),
        uid: uidl.uid,
        flags,
        traits: Traits::new(false, tally.exact() && !text.is_empty()),
        from_len: 0,
        uidl,
        offset: 0,
        len: text.len() as u64,
        fingerprint: halves(tally.digest()),
    }
}

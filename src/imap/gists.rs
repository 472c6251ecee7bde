//! The table of a mailbox's gists: made when a command asks for many messages, kept by the store, and brought up to date for the next one.

use std::sync::Arc;

use super::pace::Pace;
use crate::message::EntryRef;
use crate::store::{Folder, Gists, Trouble, Uids};

/// The table, if there is one that tells of all messages as the folder has them now.
pub fn at_hand(folder: &impl Folder) -> Option<Arc<Gists>> {
    folder.gists().filter(|(moment, _)| *moment == folder.state().moment()).map(|(_, gists)| gists)
}

/// The table, made where `asked` messages of the folder make it worth while; messages that are not in it are gone. `None` where what is
/// kept of each message is to be asked instead.
///
/// # Errors
/// The mailbox can't be read.
pub async fn of(folder: &mut impl Folder, asked: usize) -> Result<Option<Arc<Gists>>, Trouble> {
    let (len, found) = (folder.state().len(), at_hand(folder));
    if found.is_some() || asked < FEW || asked < len / 4 || len > MANY {
        return Ok(found);
    }
    made(folder).await
}

/// As [`of`]. Nothing is looked at that was looked at before.
async fn made(folder: &mut impl Folder) -> Result<Option<Arc<Gists>>, Trouble> {
    let now = folder.state().clone();
    let known = folder.gists().map(|(_, gists)| gists).filter(|gists| gists.fits(&now));
    let behind = known.as_ref().map_or(0, |gists| gists.last_uid());
    let mut lacking = Vec::new();
    for message in now.messages().filter(|message| message.uid > behind) {
        // It was never looked at: whoever asks for it will do that, and the next one finds it here.
        let Some(print) = message.content() else { return Ok(None) };
        lacking.push((message.uid, print));
    }
    let gists = match known {
        Some(known) if lacking.is_empty() => known,
        known => match filled(folder, known.map(Arc::unwrap_or_clone), &lacking).await? {
            Some(gists) => Arc::new(gists),
            None => return Ok(None),
        },
    };
    folder.keep_gists(now.moment(), Arc::clone(&gists));
    Ok(Some(gists))
}

/// `known` and those that are `lacking`, UIDs with what tells contents apart; `None` if that is too much, or not to be had.
async fn filled(folder: &mut impl Folder, known: Option<Gists>, lacking: &[(u32, [u64; 2])]) -> Result<Option<Gists>, Trouble> {
    let mut gists = known.unwrap_or_else(|| Gists::new(seed(folder)));
    let (mut pace, mut rest) = (Pace::new(BATCH), lacking);
    while !rest.is_empty() {
        let batch = pace.cut(&mut rest);
        let uids: Uids = batch.iter().map(|(uid, _)| *uid).collect();
        let contents = folder.cached(&uids).await?;
        let mut kept = contents.walk();
        for (uid, print) in batch {
            let Some(entry) = kept.of(*uid).and_then(EntryRef::decode) else { return Ok(None) };
            gists.push(*uid, *print, &entry);
        }
        if gists.octets() > MOST_OCTETS {
            return Ok(None);
        }
        pace.saw(batch.len(), contents.octets());
        tokio::task::yield_now().await;
    }
    gists.shrink();
    Ok(Some(gists))
}

/// What nobody outside knows.
pub fn seed(folder: &impl Folder) -> u64 {
    let mut seed = [0; 8];
    // Without the system's randomness addresses in memory will do.
    match getrandom::fill(&mut seed) {
        Ok(()) => u64::from_le_bytes(seed),
        Err(_) => std::ptr::from_ref(folder).addr() as u64,
    }
}

/// Fewer messages are looked at as fast without a table.
const FEW: usize = if cfg!(test) { 2 } else { 256 };
/// Of more messages no table is made: it would be too much.
const MANY: usize = 200_000;
/// Octets of one table.
const MOST_OCTETS: usize = 32 << 20;
/// Messages whose content is at hand at once, at most.
const BATCH: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::search::tests::Site;
    use crate::store::gists::Field;
    use crate::store::{Changes, Flags};

    #[tokio::test]
    async fn the_table_follows_the_mailbox() {
        let mut site = Site::new(&["Subject: one\n\nx", "Subject: two\n\nx", "Subject: three\n\nx"]).await;
        assert!(of(&mut site.folder, 0).await.unwrap().is_none(), "not for the sake of nothing");
        let first = of(&mut site.folder, 3).await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &at_hand(&site.folder).unwrap()));

        let mut changes = Changes { expunge: [2].into_iter().collect(), ..Changes::default() };
        changes.add([1].into_iter().collect(), Flags::SEEN);
        site.folder.apply(&changes).await.unwrap();
        assert!(at_hand(&site.folder).is_none());
        assert!(Arc::ptr_eq(&first, &of(&mut site.folder, 2).await.unwrap().unwrap()), "nothing is new");

        site.append("Subject: four\n\nx", Flags::NONE, &[], 0).await;
        site.told().await;
        let table = of(&mut site.folder, 3).await.unwrap().unwrap();
        assert_eq!((first.len(), table.len(), table.last_uid()), (3, 4, 4));
        let subject = Field::named("subject").unwrap();
        let mut walk = table.walk();
        assert_eq!([1, 3, 4].map(|uid| walk.of(uid).unwrap().values(subject)), [&b"ONE\xff"[..], b"THREE\xff", b"FOUR\xff"]);
    }
}

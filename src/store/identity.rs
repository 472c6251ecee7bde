//! What tells a mailbox from all others: UIDVALIDITY and MAILBOXID.

use std::io;
use std::path::PathBuf;

use super::{Account, Shared, Trouble, dotlocked, mbox};
use crate::os::{Dir, stamp};

/// A UIDVALIDITY that no mailbox of the account has had: Dovecot's way of keeping that, `dovecot-uidvalidity` beside the mail, in which
/// the last one stands, and an empty file that has it in its name. Blocks.
pub fn uidvalidity(shared: &Shared, account: &Account) -> Result<u32, Trouble> {
    let now = u32::try_from(stamp::now() / 1_000_000_000).unwrap_or(u32::MAX);
    let Some(folder) = keeper(shared, account) else { return Ok(now) };
    let _one = dotlocked::lock(shared, account.actor, &folder.join(NAME))?;
    let next = account.actor.run(|| {
        let dir = Dir::open(&folder)?;
        let last = last(&dir)?;
        let next = last.map_or(now, |last| now.max(last.saturating_add(1)));
        note(shared, &dir, last, next).map(|()| next)
    });
    match next {
        Ok(next) => Ok(next),
        Err(error) => {
            shared.warn_once(&folder.join(NAME), &error, "UIDVALIDITY can't be noted; it is the time");
            Ok(now)
        }
    }
}

/// A MAILBOXID.
pub fn mailbox() -> [u8; 16] {
    let mut id = [0; 16];
    // Without randomness it is the time, which is as good as unique.
    if getrandom::fill(&mut id).is_err() {
        id[..8].copy_from_slice(&stamp::now().to_be_bytes());
    }
    id
}

/// Where the note is kept: beside INBOX in its Maildir, else in the home, hidden from those who look for mboxes there.
fn keeper(shared: &Shared, account: &Account) -> Option<PathBuf> {
    if account.spool.is_dir() {
        return Some(account.spool.clone());
    }
    let made = account.actor.run(|| {
        let home = Dir::open(&account.home)?;
        shared.disk.make_in(&home, mbox::LEDGERS.as_ref())
    });
    made.is_ok().then(|| account.home.join(mbox::LEDGERS))
}

fn last(dir: &Dir) -> io::Result<Option<u32>> {
    match dir.content(NAME, 64) {
        Ok(text) => Ok(std::str::from_utf8(&text).ok().and_then(|text| u32::from_str_radix(text.trim(), 16).ok())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn note(shared: &Shared, dir: &Dir, last: Option<u32>, next: u32) -> io::Result<()> {
    let beside = format!("{NAME}.tmp");
    let _ = shared.disk.unlink_in(dir, beside.as_ref());
    let file = shared.disk.create_in(dir, beside.as_ref())?;
    shared.disk.append(&file, format!("{next:08x}").as_bytes())?;
    shared.disk.sync(&file)?;
    shared.disk.rename_in((dir, beside.as_ref()), (dir, NAME.as_ref()))?;
    let marker = |value: u32| format!("{NAME}.{value:08x}");
    if let Some(last) = last {
        let _ = shared.disk.unlink_in(dir, marker(last).as_ref());
    }
    let _ = shared.disk.create_in(dir, marker(next).as_ref());
    shared.disk.sync_dir(dir)
}

/// Where the last UIDVALIDITY is noted.
pub const NAME: &str = "dovecot-uidvalidity";

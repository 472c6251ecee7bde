//! The lists of a home: subscriptions, and what folders are for.

use std::collections::BTreeMap;
use std::io;

use crate::config::SpecialUse;
use crate::os::Dir;
use crate::store::local::LocalHome;
use crate::store::maildir::subscriptions::{self, Subscriptions};
use crate::store::name::FolderName;
use crate::store::name::disk::Layout;
use crate::store::{Trouble, dotlocked};

/// The subscribed names.
pub fn subscriptions(home: &LocalHome) -> Result<Vec<FolderName>, Trouble> {
    Ok(read_subscriptions(home)?.names().collect())
}

/// Subscribes or unsubscribes a name.
pub fn subscribe(home: &LocalHome, name: &FolderName, subscribed: bool) -> Result<(), Trouble> {
    change(home, subscriptions_file(home), || {
        let mut list = read_subscriptions(home)?;
        let changed = if subscribed { list.add(name) } else { list.remove(name) };
        Ok(changed.then(|| list.write()))
    })
}

fn read_subscriptions(home: &LocalHome) -> Result<Subscriptions, Trouble> {
    let naming = home.account().naming(home.layout());
    if let Some(text) = content(home, subscriptions_file(home), subscriptions::LARGEST as u64)? {
        return Ok(Subscriptions::parse(&text, naming));
    }
    Ok(match content(home, COURIER, subscriptions::LARGEST as u64)? {
        Some(text) => Subscriptions::parse_courier(&text, naming),
        None => Subscriptions::new(naming),
    })
}

/// Where Dovecot has it, too.
fn subscriptions_file(home: &LocalHome) -> &'static str {
    match home.layout() {
        Layout::Maildir => SUBSCRIPTIONS,
        Layout::Mbox => ".subscriptions",
    }
}

/// What folders are for that do not tell by their name.
pub fn specials(home: &LocalHome) -> Result<BTreeMap<FolderName, SpecialUse>, Trouble> {
    let text = content(home, SPECIALS, LARGEST)?.unwrap_or_default();
    let line = |line: &str| {
        let (special, name) = line.split_once(' ')?;
        Some((FolderName::parse(name, '/').ok()?, SpecialUse::ALL.into_iter().find(|known| known.name() == special)?))
    };
    Ok(String::from_utf8_lossy(&text).lines().filter_map(line).collect())
}

/// Notes what a folder is for.
pub fn note_special(home: &LocalHome, name: &FolderName, special: SpecialUse) -> Result<(), Trouble> {
    change_specials(home, |all| _ = all.insert(name.clone(), special))
}

/// The folder is gone.
pub fn forget_special(home: &LocalHome, name: &FolderName) -> Result<(), Trouble> {
    change_specials(home, |all| _ = all.remove(name))
}

/// The folder and those below it have another name.
pub fn rename_special(home: &LocalHome, from: &FolderName, to: &FolderName) -> Result<(), Trouble> {
    change_specials(home, |all| {
        let renamed = std::mem::take(all).into_iter().map(|(name, special)| (name.renamed(from, to).unwrap_or(name), special));
        *all = renamed.collect();
    })
}

fn change_specials(home: &LocalHome, deed: impl FnOnce(&mut BTreeMap<FolderName, SpecialUse>)) -> Result<(), Trouble> {
    change(home, SPECIALS, || {
        let before = specials(home)?;
        let mut after = before.clone();
        deed(&mut after);
        Ok((after != before).then(|| written(&after)))
    })
}

/// The text of the list of what folders are for.
pub fn written(specials: &BTreeMap<FolderName, SpecialUse>) -> Vec<u8> {
    let line = |(name, special): (&FolderName, &SpecialUse)| format!("{} {}\n", special.name(), name.display('/'));
    specials.iter().map(line).collect::<String>().into_bytes()
}

/// Replaces a list by what `deed` makes of it, durably, while nobody else does.
fn change(home: &LocalHome, file: &str, deed: impl FnOnce() -> Result<Option<Vec<u8>>, Trouble>) -> Result<(), Trouble> {
    let top = super::top(home.account(), home.layout());
    if !top.is_dir() && home.layout() == Layout::Maildir {
        home.mailbox(&FolderName::inbox())?.spool.hold(true)?;
    }
    let _one = dotlocked::lock(home.shared(), home.account().actor, &top.join(file))?;
    let Some(text) = deed()? else { return Ok(()) };
    let (disk, beside) = (&home.shared().disk, format!("{file}.vmail"));
    let written = home.account().actor.run(|| {
        let dir = Dir::open(top)?;
        match disk.unlink_in(&dir, beside.as_ref()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let new = disk.create_in(&dir, beside.as_ref())?;
        disk.append(&new, &text)?;
        disk.sync(&new)?;
        disk.rename_in((&dir, beside.as_ref()), (&dir, file.as_ref()))?;
        disk.sync_dir(&dir)
    });
    written.map_err(Trouble::io("writing", &top.join(file)))
}

fn content(home: &LocalHome, file: &str, most: u64) -> Result<Option<Vec<u8>>, Trouble> {
    let top = super::top(home.account(), home.layout());
    match home.account().actor.run(|| Dir::open(top)?.content(file, most)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Trouble::io("reading", &top.join(file))(error)),
    }
}

const SUBSCRIPTIONS: &str = "subscriptions";
const COURIER: &str = "courierimapsubscribed";
/// In the top folder of a Maildir.
pub const FILES: [&str; 3] = [SUBSCRIPTIONS, COURIER, SPECIALS];
/// What folders are for, in the top folder.
pub const SPECIALS: &str = "vmail-special";
const LARGEST: u64 = 1 << 20;

//! The lists of folders that were read before, for as long as they hold.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::lists;
use crate::os::Dir;
use crate::os::stamp::{self, Stamp};
use crate::store::name::disk::Encoding;
use crate::store::{Account, Listed, Trouble};

/// The folders of the Maildirs that were listed last. All that a list is made of is in the top folder, so that the times of that folder
/// and of the files in it that were read tell whether anything has changed, whoever changed it.
#[derive(Default)]
pub struct Known(Mutex<Generations>);

/// Two generations: when the young one is full it is the old one, and what nobody asked for meanwhile is gone.
#[derive(Default)]
struct Generations {
    young: HashMap<PathBuf, Arc<Reading>>,
    old: HashMap<PathBuf, Arc<Reading>>,
    /// Of the young ones.
    weight: usize,
}

struct Reading {
    stamps: Stamps,
    encoding: Encoding,
    listed: Arc<[Listed]>,
}

/// Of the top folder and of the files that lists are read from; none for what is not there.
type Stamps = [Stamp; 1 + lists::FILES.len()];

impl Known {
    /// The list of the Maildir of `account`, if it was read before and holds: a handful of system calls.
    pub fn current(&self, account: &Account) -> Option<Arc<[Listed]>> {
        let known = self.generations().find(&account.spool)?;
        let (_, now) = look(account).ok()?;
        (known.stamps == now && known.encoding == account.encoding).then(|| Arc::clone(&known.listed))
    }

    /// Remembers what `read` makes of the Maildir of `account`, if that is sure to be what there is. Blocks.
    pub fn keep(&self, account: &Account, read: impl FnOnce() -> Result<Vec<Listed>, Trouble>) -> Result<Arc<[Listed]>, Trouble> {
        let (began, before) = (stamp::now(), look(account));
        let listed: Arc<[Listed]> = read()?.into();
        if let (Ok((top, before)), Ok((_, after))) = (before, look(account))
            && before == after
            && before.iter().all(|stamp| stamp.settled_on(&top, began))
        {
            let reading = Reading { stamps: before, encoding: account.encoding, listed: Arc::clone(&listed) };
            self.generations().add(account.spool.clone(), Arc::new(reading));
        }
        Ok(listed)
    }

    fn generations(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn find(&mut self, spool: &PathBuf) -> Option<Arc<Reading>> {
        if let Some(reading) = self.young.get(spool) {
            return Some(Arc::clone(reading));
        }
        let (spool, reading) = self.old.remove_entry(spool)?;
        self.add(spool, Arc::clone(&reading));
        Some(reading)
    }

    fn add(&mut self, spool: PathBuf, reading: Arc<Reading>) {
        let weight = |reading: &Arc<Reading>| reading.listed.len() + HOME;
        if weight(&reading) > MOST {
            return;
        }
        self.weight += weight(&reading);
        self.weight -= self.young.insert(spool, Arc::clone(&reading)).as_ref().map_or(0, weight);
        if self.weight > MOST {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
    }
}

fn look(account: &Account) -> io::Result<(Dir, Stamps)> {
    account.actor.run(|| {
        let top = Dir::open(&account.spool)?;
        let mut stamps = Stamps::default();
        stamps[0] = top.stamp()?;
        for (file, stamp) in std::iter::zip(lists::FILES, &mut stamps[1..]) {
            match top.stat(file) {
                Ok(stat) => *stamp = Stamp::from(&stat),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok((top, stamps))
    })
}

/// Names in a generation: both together are some ten megabytes at most.
const MOST: usize = 1 << 16;
/// What a home costs beside its names, in names.
const HOME: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::FolderName;

    fn reading(names: usize) -> Arc<Reading> {
        let line = Listed { name: FolderName::inbox(), exists: true, no_inferiors: false, subscribed: false, special: None };
        Arc::new(Reading { stamps: Stamps::default(), encoding: Encoding::Utf7, listed: vec![line; names].into() })
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let mut known = Generations::default();
        for home in 0..100_000 {
            known.add(home.to_string().into(), reading(2));
            assert!(known.find(&"0".into()).is_some(), "after {home}");
        }
        assert!(known.find(&"1".into()).is_none());
        assert!((known.young.len() + known.old.len()) * (2 + HOME) <= 2 * MOST);
    }

    #[test]
    fn who_has_very_many_folders_does_not_push_others_out() {
        let mut known = Generations::default();
        known.add("a".into(), reading(3));
        known.add("b".into(), reading(MOST));
        assert!(known.find(&"a".into()).is_some() && known.find(&"b".into()).is_none());
    }
}

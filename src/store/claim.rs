//! POP3 excludes POP3: one session per account, over all processes of the machine (RFC 1939 §8).

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64;

use super::{Shared, Trouble};
use crate::address::Owner;
use crate::os::lock::{self, Range};

/// The right to be the only POP3 session of one account; dropping it gives it back, and so does the death of the process.
pub struct Claim {
    shared: Arc<Shared>,
    owner: Owner,
    shard: Arc<File>,
}

/// The claims of this process, and the files that tell the other processes of them.
#[derive(Default)]
pub(super) struct Claims(Mutex<Held>);

#[derive(Default)]
struct Held {
    owners: HashSet<Owner>,
    /// One descriptor each for the whole process: a descriptor per session would be twice the descriptors.
    shards: HashMap<u64, Arc<File>>,
}

/// A file per mailbox would have to be cleaned up; these stay.
const SHARDS: u64 = 64;

impl Claim {
    pub(super) fn take(shared: &Arc<Shared>, owner: &Owner) -> Result<Claim, Trouble> {
        let busy = || Trouble::Busy(shared.places.run.join(owner.to_string()));
        let mut held = shared.claims.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.owners.contains(owner) {
            return Err(busy());
        }
        let spot = spot(owner);
        let path = shared.places.run.join(format!("pop3.{:02}.lock", spot % SHARDS));
        let shard = held.shard(spot % SHARDS, &path).map_err(Trouble::io("opening", &path))?;
        if !lock::range(&shard, Range::Exclusive, spot, 1).map_err(Trouble::io("locking", &path))? {
            return Err(busy());
        }
        held.owners.insert(owner.clone());
        Ok(Claim { shared: Arc::clone(shared), owner: owner.clone(), shard })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut held = self.shared.claims.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.owners.remove(&self.owner);
        if let Err(error) = lock::range(&self.shard, Range::Free, spot(&self.owner), 1) {
            tracing::warn!(owner = %self.owner, %error, "giving up a claim");
        }
    }
}

impl Held {
    fn shard(&mut self, number: u64, path: &Path) -> io::Result<Arc<File>> {
        // A file that somebody has removed excludes nobody.
        if let Some(shard) = self.shards.get(&number).filter(|shard| shard.metadata().is_ok_and(|now| now.nlink() > 0)) {
            return Ok(Arc::clone(shard));
        }
        let shard = Arc::new(open(path)?);
        self.shards.insert(number, Arc::clone(&shard));
        Ok(shard)
    }
}

fn open(path: &Path) -> io::Result<File> {
    let open = || File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(path.parent().unwrap_or(Path::new("/")))?;
            open()
        }
        outcome => outcome,
    }
}

/// Which octet of its shard stands for an account.
fn spot(owner: &Owner) -> u64 {
    xxh3_64(owner.to_string().as_bytes()) >> 1
}

#[cfg(test)]
mod tests {
    use crate::store::{Places, Store, Trouble};

    fn store(folder: &Path) -> Store {
        Store::new(Places::inside(folder, crate::config::Fsync::Never))
    }

    use std::path::Path;

    #[test]
    fn one_session_at_a_time_in_this_process_and_in_others() {
        let folder = tempfile::tempdir().unwrap();
        let (here, elsewhere) = (store(folder.path()), store(folder.path()));
        let (joe, ann) = ("joe@va.test".parse().unwrap(), "ann@va.test".parse().unwrap());
        let claim = here.claim(&joe).unwrap();
        assert!(matches!(here.claim(&joe), Err(Trouble::Busy(_))));
        assert!(matches!(elsewhere.claim(&joe), Err(Trouble::Busy(_))));
        let _other = elsewhere.claim(&ann).unwrap();
        drop(claim);
        let again = elsewhere.claim(&joe).unwrap();
        drop(again);
        assert!(here.claim(&joe).is_ok());
    }
}

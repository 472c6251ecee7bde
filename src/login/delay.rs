//! LOGIN-DELAY (RFC 2449 §6.5): the least time between two logins of an account, in whatever process.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::address::Owner;

/// Remembers the last login of each account as the age of a file in the index folder.
#[derive(Debug, Clone)]
pub struct LoginDelay {
    index: PathBuf,
}

impl LoginDelay {
    /// Below the index folder.
    pub fn below(index: PathBuf) -> LoginDelay {
        LoginDelay { index }
    }

    /// Whether `owner` may log in now.
    pub fn admits(&self, owner: &Owner, least: Duration) -> bool {
        if least.is_zero() {
            return true;
        }
        let last = fs::metadata(self.file(owner)).and_then(|meta| meta.modified());
        // A time in the future means that the clock was set back: no reason to keep anybody out.
        !last.is_ok_and(|last| SystemTime::now().duration_since(last).is_ok_and(|since| since < least))
    }

    /// `owner` has logged in: that is what counts from here on.
    ///
    /// # Errors
    /// The index folder can't be written.
    pub fn note(&self, owner: &Owner, least: Duration) -> io::Result<()> {
        if least.is_zero() {
            return Ok(());
        }
        let file = self.file(owner);
        if let Some(folder) = file.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        File::create(&file)?.set_modified(SystemTime::now())
    }

    fn file(&self, owner: &Owner) -> PathBuf {
        self.index.join(owner.domain().as_str()).join(owner.user().as_str()).join("pop3.login")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_login_comes_too_soon_and_a_later_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let delay = LoginDelay::below(folder.path().to_owned());
        let joe = "joe@va.test".parse().unwrap();
        let hour = Duration::from_secs(3600);
        assert!(delay.admits(&joe, hour));
        delay.note(&joe, hour).unwrap();
        assert!(!delay.admits(&joe, hour));
        assert!(delay.admits(&"ann@va.test".parse().unwrap(), hour));
        let file = File::options().write(true).open(folder.path().join("va.test/joe/pop3.login")).unwrap();
        file.set_modified(SystemTime::now() - hour - hour).unwrap();
        assert!(delay.admits(&joe, hour));
    }
}

//! Acting as an owner: every deed on an account's files goes through [`Actor::run`].

use std::io;

/// Whose rights a deed on files has.
///
/// The process itself runs as one user. Where an account's files belong to another (`owner = "user"`), the calling *thread* takes
/// that user's file-system identity (setfsuid(2)) for the length of one closure, so that the kernel judges each open, create and
/// unlink as it would judge the owner, and what is created belongs to the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// The process's own user: nothing changes.
    Service,
    /// The account's user and group of passwd(5).
    User { uid: u32, gid: u32 },
}

impl Actor {
    /// Does `deed` with this actor's rights. The deed must not await and must not spawn: it is this thread that changes.
    ///
    /// # Errors
    /// `PermissionDenied` where the process may not act as that user; the deed is then not done.
    pub fn run<T>(self, deed: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let Actor::User { uid, gid } = self else { return deed() };
        let worn = Identity::take(uid, gid)?;
        let outcome = deed();
        drop(worn);
        outcome
    }
}

/// The file-system identity that this thread wears; dropping it puts the former one back on, also when the deed panics.
struct Identity {
    former_uid: u32,
    former_gid: u32,
}

impl Identity {
    fn take(uid: u32, gid: u32) -> io::Result<Identity> {
        let worn = Identity { former_uid: set_fsuid(u32::MAX), former_gid: set_fsgid(u32::MAX) };
        if (worn.former_uid, worn.former_gid) == (uid, gid) {
            return Ok(worn);
        }
        // The group first: after the uid has changed, the kernel may no longer allow it.
        set_fsgid(gid);
        set_fsuid(uid);
        // setfsuid(2) does not report failure; asking with an impossible value tells what holds.
        if (set_fsuid(u32::MAX), set_fsgid(u32::MAX)) != (uid, gid) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("this process may not act as uid {uid}, gid {gid}")));
        }
        Ok(worn)
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        set_fsuid(self.former_uid);
        set_fsgid(self.former_gid);
    }
}

#[expect(unsafe_code)]
fn set_fsuid(uid: u32) -> u32 {
    // SAFETY: setfsuid takes a number and touches no memory of ours.
    unsafe { libc::setfsuid(uid) as u32 }
}

#[expect(unsafe_code)]
fn set_fsgid(gid: u32) -> u32 {
    // SAFETY: as setfsuid.
    unsafe { libc::setfsgid(gid) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn files_made_as_an_owner_belong_to_the_owner() {
        if !rustix::process::geteuid().is_root() {
            return; // Only root can give files away; the unprivileged half is the next test.
        }
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(folder.path(), Some(61234), Some(61235)).unwrap();
        let path = folder.path().join("x");
        Actor::User { uid: 61234, gid: 61235 }.run(|| std::fs::write(&path, "x")).unwrap();
        let made = std::fs::metadata(&path).unwrap();
        assert_eq!((made.uid(), made.gid()), (61234, 61235));
        let denied = Actor::User { uid: 61236, gid: 61235 }.run(|| std::fs::write(&path, "y"));
        assert_eq!(denied.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(set_fsuid(u32::MAX), 0, "the thread is itself again");
    }

    #[test]
    fn the_own_user_needs_no_rights() {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        assert!(Actor::User { uid, gid }.run(|| Ok(())).is_ok());
    }
}

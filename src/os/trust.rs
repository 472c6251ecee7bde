//! Whether what a file says can be anybody's but the administrator's.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

/// Whether nobody but root and this process's user could have written the file at `path`, or put another in its place: it and all folders
/// above it belong to them, and nobody else may write there (sendmail's rule, behaviour.md §11). In a folder with the sticky bit, as /tmp,
/// others cannot touch what is not theirs.
pub fn is_ours(path: &Path) -> bool {
    let Ok(path) = fs::canonicalize(path) else { return false };
    let own = [0, rustix::process::geteuid().as_raw(), SERVICE.get().copied().unwrap_or(0)];
    path.ancestors().all(|place| {
        fs::symlink_metadata(place).is_ok_and(|meta| {
            let is_sticky = meta.is_dir() && meta.mode() & 0o1000 != 0;
            own.contains(&meta.uid()) && (meta.mode() & 0o022 == 0 || is_sticky)
        })
    })
}

/// The service's user `uid` is no stranger: for root, before the process becomes the service. Holds for the process's life.
pub fn trust_service(uid: u32) {
    // It is told once.
    let _ = SERVICE.set(uid);
}

static SERVICE: OnceLock<u32> = OnceLock::new();

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_file_is_ours_if_nobody_else_can_write_or_replace_it() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, file, link) = (folder.path().join("a"), folder.path().join("a/list"), folder.path().join("link"));
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        fs::create_dir(&inner).unwrap();
        fs::write(&file, "joe\n").unwrap();
        symlink(&file, &link).unwrap();
        for (inner_mode, mode, ours) in [
            (0o755, 0o644, true),
            (0o755, 0o664, false),
            (0o755, 0o646, false),
            (0o775, 0o644, false),
            (0o777, 0o644, false),
            (0o1777, 0o644, true),
        ] {
            set(&inner, inner_mode);
            set(&file, mode);
            assert_eq!((is_ours(&file), is_ours(&link)), (ours, ours), "{inner_mode:o} {mode:o}");
        }
        assert!(!is_ours(&folder.path().join("none")));
        if rustix::process::geteuid().is_root() {
            set(&file, 0o644);
            std::os::unix::fs::chown(&file, Some(60_001), None).unwrap();
            assert!(!is_ours(&file));
        }
    }
}

//! Files replaced whole: a reader sees the old text or the new, and so does the disk after a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Replaces `path` by `text`, durably: written beside, synced, renamed over, and the folder synced.
/// An existing file's mode and owner stay; a new one gets `mode`, whatever the umask says.
pub fn replace(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    replace_by(path, mode, |mut file| file.write_all(text))
}

/// As [`replace`], by what `write` puts into a new file that is open for reading and writing. When it fails, the old file stays.
pub fn replace_by(path: &Path, mode: u32, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let old = match fs::metadata(path) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let beside = beside(path);
    let written = write_beside(&beside, write, old.as_ref(), mode).and_then(|()| fs::rename(&beside, path));
    if let Err(error) = written {
        // Best effort: what matters is the first error.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    sync_folder(path)
}

fn write_beside(beside: &Path, write: impl FnOnce(&File) -> io::Result<()>, old: Option<&fs::Metadata>, mode: u32) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(beside)?;
    write(&file)?;
    let permissions = old.map_or_else(|| fs::Permissions::from_mode(mode), fs::Metadata::permissions);
    file.set_permissions(permissions)?;
    if let Some(old) = old {
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
            std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
    }
    file.sync_all()
}

/// A name in the same folder that no account, lock or record can have.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.new", std::process::id()))
}

/// Makes the names in the folder of `path` survive a power cut.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_gets_the_mode_that_no_umask_lets_through() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwd.va.test");
        // The umask belongs to the whole process; no usual one lets others write.
        replace(&path, b"one", 0o666).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
    }

    #[test]
    fn a_text_that_could_not_be_written_leaves_the_old_one_and_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("virtmaps.cdb");
        replace(&path, b"one", 0o644).unwrap();
        let full = |mut file: &File| file.write_all(b"tw").and(Err(io::ErrorKind::StorageFull.into()));
        assert_eq!(replace_by(&path, 0o644, full).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn replacing_keeps_the_mode_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shadow.va.test");
        replace(&path, b"one", 0o640).unwrap();
        replace(&path, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

//! Reading an `:include:` file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::config::Fault;
use crate::vdomain::aliases::{Member, Target, members};

/// Who is on the list in the file at `path`. Programs and files on a list that others than the machine's administrators could have
/// written to do not count (behaviour.md §11): they are [`Target::Broken`].
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<Vec<Member>, Fault> {
    let (text, trusted) = text(path).map_err(|error| Fault::unreadable(path, &error))?;
    let (mut members, flaws) = members(&text);
    flaws.iter().take(20).for_each(|flaw| tracing::warn!(event = "alias-fault", error = %flaw.fault(path)));
    if !trusted {
        members.iter_mut().for_each(|member| distrust(&mut member.target));
    }
    Ok(members)
}

fn text(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    // What lies there may be a pipe that nobody writes to.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
    }
    let trusted = is_ours(&meta) && path.parent().map(std::fs::metadata).transpose()?.is_none_or(|folder| is_ours(&folder));
    let mut text = Vec::new();
    // One octet more than a list may have tells that it is too long.
    file.take(MOST + 1).read_to_end(&mut text)?;
    Ok((text, trusted))
}

/// Whether nobody but root and this process's user can change it.
fn is_ours(meta: &std::fs::Metadata) -> bool {
    meta.mode() & 0o022 == 0 && [0, rustix::process::geteuid().as_raw()].contains(&meta.uid())
}

fn distrust(target: &mut Target) {
    if matches!(target, Target::Program(_) | Target::File(_)) {
        *target = Target::Broken(format!("{target}: this file or its folder can be written by others"));
    }
}

/// Octets; [`members`] takes as many.
const MOST: u64 = 16 << 20;

//! Reading an `:include:` file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::config::Fault;
use crate::os::trust;
use crate::vdomain::aliases::{Member, members};

/// Who is on the list in the file at `path`. Programs, files and further lists on a list that others than the machine's administrators could
/// have written to do not count (behaviour.md §11): they are [`Target::Broken`](crate::vdomain::aliases::Target::Broken).
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<Vec<Member>, Fault> {
    let (text, trusted) = text(path).map_err(|error| Fault::unreadable(path, &error))?;
    let (mut members, flaws) = members(&text);
    flaws.iter().take(20).for_each(|flaw| tracing::warn!(event = "alias-fault", error = %flaw.fault(path)));
    if !trusted {
        members.iter_mut().for_each(|member| member.target.distrust());
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
    let trusted = trust::is_ours(path);
    let mut text = Vec::new();
    // One octet more than a list may have tells that it is too long.
    file.take(MOST + 1).read_to_end(&mut text)?;
    Ok((text, trusted))
}

/// Octets; [`members`] takes as many.
const MOST: u64 = 16 << 20;

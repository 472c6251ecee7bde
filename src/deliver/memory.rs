//! Who has had a vacation notice lately: the index of behaviour.md §4.9.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::os::lock;

/// The index, locked. That the file exists is the switch: a file without octets is a valid index, and means on.
///
/// Each line has seconds since 1970 and an address in lower case. What is no such line, as in an index that another program has left,
/// is not remembered.
pub struct Memory {
    file: File,
    /// By address, when the last notice went out.
    last: HashMap<String, i64>,
}

impl Memory {
    /// The index at `path`; `None` where there is none. Waits a little for other deliveries, and so blocks.
    ///
    /// # Errors
    /// It cannot be read and written, or somebody else keeps it.
    pub fn open(path: &Path) -> io::Result<Option<Memory>> {
        let file = File::options().read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
        let mut file = match file {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
        }
        lock(&file)?;
        let mut text = Vec::new();
        (&mut file).take(MOST).read_to_end(&mut text)?;
        let last = text.split(|&octet| octet == b'\n').filter_map(entry).collect();
        Ok(Some(Memory { file, last }))
    }

    /// Whether `sender` has had none for `period` seconds before `now`. If so, it is noted that one goes out now: before it does, so that
    /// no failure on the way makes many of one (behaviour.md §18 trap 39).
    ///
    /// # Errors
    /// It cannot be noted: then none may go out.
    pub fn is_first(&mut self, sender: &str, now: i64, period: i64) -> io::Result<bool> {
        // A time to come is a mistake of some clock, and not to silence anybody for years.
        let lasts = |then: i64| then <= now && now - then < period;
        let sender = sender.to_lowercase();
        if self.last.get(&sender).is_some_and(|&then| lasts(then)) {
            return Ok(false);
        }
        let known = self.last.len();
        self.last.retain(|_, then| lasts(*then));
        let line = format!("{now} {sender}\n");
        self.last.insert(sender, now);
        let is_full = self.last.len() > MOST_SENDERS;
        match known + 1 == self.last.len() && !is_full {
            true => self.append(&line)?,
            false => self.rewrite(is_full, &line)?,
        }
        Ok(true)
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        self.file.seek(io::SeekFrom::End(0))?;
        self.file.write_all(line.as_bytes())
    }

    /// What is forgotten leaves the file, too.
    fn rewrite(&mut self, is_full: bool, last: &str) -> io::Result<()> {
        let text: String = match is_full {
            true => last.to_owned(),
            false => self.last.iter().map(|(sender, then)| format!("{then} {sender}\n")).collect(),
        };
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }
}

fn entry(line: &[u8]) -> Option<(String, i64)> {
    let (then, sender) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    Some((sender.to_owned(), then.parse().ok()?))
}

fn lock(file: &File) -> io::Result<()> {
    let began = Instant::now();
    while !lock::whole(file, true)? {
        if began.elapsed() > PATIENCE {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(2);
/// More senders within one period are an attack; then everybody is forgotten.
const MOST_SENDERS: usize = 50_000;
/// Octets.
const MOST: u64 = 16 << 20;

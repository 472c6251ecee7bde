//! A domain's counter as a file: opened, locked, found damaged and set aside.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::disk::Disk;
use super::Usage;
use super::layout::{HELD_AT_ONCE, Header, Held, PAGE, SMALLEST, Slot, TABLES_AT};
use crate::os::lock::{self, Range};

/// Where a domain's counter is, and the descriptor by which this process knows it.
pub(super) struct Book {
    path: PathBuf,
    disk: Box<dyn Disk>,
    opened: Mutex<Option<Opened>>,
}

/// An open counter.
struct Opened {
    file: File,
    /// Device and inode.
    id: (u64, u64),
    own: Own,
}

/// What this process alone knows of an open counter.
#[derive(Default)]
pub(super) struct Own {
    /// The number by which others know that it lives.
    pub holder: Option<u32>,
    /// The change whose slots are known to be written: every other is written once more, since its process may have died.
    settled: Option<u64>,
}

/// The counter under its lock: nobody else reads or writes it.
pub(super) struct Page<'a> {
    pub disk: &'a dyn Disk,
    pub file: &'a File,
    pub header: Header,
    pub own: &'a mut Own,
    octets: [u8; PAGE],
    /// Reservations of the first page that are to be written with the header, up to this octet.
    unwritten: usize,
}

impl Book {
    pub fn new(path: PathBuf, disk: Box<dyn Disk>) -> Book {
        Book { path, disk, opened: Mutex::default() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a counter at all.
    pub fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// Does `deed` under the lock; a counter that is missing or damaged is made anew. What is damaged deeper is rebuilt from its slots,
    /// and the deed tried once more.
    pub fn locked<T>(&self, mut deed: impl FnMut(&mut Page<'_>) -> io::Result<T>) -> io::Result<T> {
        // What a panic may have left half done is on the disk, with a redo record.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let current = match &mut *opened {
                Some(current) => current,
                None => opened.insert(self.open()?),
            };
            let guard = Guard::take(&current.file)?;
            let Some(mut page) = self.read(&current.file, current.id, &mut current.own)? else {
                drop(guard);
                *opened = None;
                continue;
            };
            page.recover()?;
            return match deed(&mut page) {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    tracing::warn!(path = %self.path.display(), "the counter of a quota is damaged, its figures may be too low: recompute it");
                    page.header.is_complete = false;
                    page.rebuild(Some)?;
                    deed(&mut page)
                }
                outcome => outcome,
            };
        }
    }

    fn open(&self) -> io::Result<Opened> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let open = || {
            File::options().read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(&self.path)
        };
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
                open()
            }
            outcome => outcome,
        }?;
        // Slots are read one here, one there; what else may be read ahead is of no use.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random);
        let made = file.metadata()?;
        give(&file, &made, folder)?;
        Ok(Opened { file, id: (made.dev(), made.ino()), own: Own::default() })
    }

    /// What the file says; one that says nothing yet is begun. `None` when it is no longer the one with the name.
    fn read<'a>(&'a self, file: &'a File, id: (u64, u64), own: &'a mut Own) -> io::Result<Option<Page<'a>>> {
        let Some(now) = self.named().filter(|now| (now.dev(), now.ino()) == id) else { return Ok(None) };
        let mut octets = [0; PAGE];
        let is_whole = match file.read_exact_at(&mut octets, 0) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
            Err(error) => return Err(error),
        };
        let head = octets.first_chunk::<{ Header::LEN }>().expect("a page is longer than a header");
        let (disk, unwritten) = (&*self.disk, 0);
        match Header::read(head).filter(|header| is_whole && now.len() >= header.place(header.capacity)) {
            Some(header) => Ok(Some(Page { disk, file, header, own, octets, unwritten })),
            None if octets == [0; PAGE] && now.len() <= BEGUN => {
                let mut page = Page { disk, file, header: nothing()?, own, octets, unwritten };
                page.begin()?;
                Ok(Some(page))
            }
            None => self.set_aside().map(|()| None),
        }
    }

    /// Which file has the name now: others may have removed, renamed or replaced ours.
    fn named(&self) -> Option<fs::Metadata> {
        fs::symlink_metadata(&self.path).ok()
    }

    fn set_aside(&self) -> io::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let aside = self.path.with_file_name(format!(".{name}.damaged"));
        tracing::warn!(path = %self.path.display(), aside = %aside.display(), "no counter of a quota, set aside: recompute it");
        self.disk.rename(&self.path, &aside)
    }
}

/// A counter made by an administrator belongs to the service, like its folder.
fn give(file: &File, made: &fs::Metadata, folder: &Path) -> io::Result<()> {
    let folder_is = fs::metadata(folder)?;
    if rustix::process::geteuid().is_root() && (made.uid(), made.gid()) != (folder_is.uid(), folder_is.gid()) {
        std::os::unix::fs::fchown(file, Some(folder_is.uid()), Some(folder_is.gid()))?;
    }
    Ok(())
}

fn nothing() -> io::Result<Header> {
    let seed = getrandom::u64().map_err(io::Error::other)?;
    let total = Usage::default();
    Ok(Header {
        boot: *BOOT,
        table: TABLES_AT,
        capacity: SMALLEST,
        used: 0,
        total,
        seed,
        epoch: 1,
        is_complete: false,
        is_sweeping: false,
        high: 0,
        sequence: 0,
        pending: Vec::new(),
    })
}

impl Page<'_> {
    fn begin(&mut self) -> io::Result<()> {
        // Written, not skipped: what is removed later must be counted on a full disk too.
        self.disk.write(self.file, &[0; SMALLEST as usize * Slot::LEN], TABLES_AT)?;
        self.write_header()
    }

    /// Finishes what a dead process has begun; after a start of the machine, all totals are made from the slots.
    fn recover(&mut self) -> io::Result<()> {
        if self.own.settled != Some(self.header.sequence) {
            self.write_pending()?;
        }
        if self.header.boot != *BOOT {
            self.header.boot = *BOOT;
            self.header.high = 0;
            // Those who had reserved are gone.
            self.octets[Header::LEN..].fill(0);
            self.unwritten = PAGE;
            self.rebuild(Some)?;
        }
        Ok(())
    }

    /// Writes the header, and reservations of the first page that have changed.
    pub fn write_header(&mut self) -> io::Result<()> {
        self.octets[..Header::LEN].copy_from_slice(&self.header.write());
        self.disk.write(self.file, &self.octets[..self.unwritten.max(Header::LEN)], 0)?;
        self.unwritten = 0;
        Ok(())
    }

    /// Writes slots and what the header says with them: all of it, or nothing, whenever the process dies.
    pub fn write(&mut self, slots: &[(u64, Slot)]) -> io::Result<()> {
        self.header.sequence += 1;
        self.header.pending = slots.to_vec();
        self.write_header()?;
        self.write_pending()
    }

    fn write_pending(&mut self) -> io::Result<()> {
        for (at, slot) in &self.header.pending {
            self.disk.write(self.file, &slot.write(), *at)?;
        }
        self.own.settled = Some(self.header.sequence);
        Ok(())
    }

    /// The reservations that there are, with their numbers.
    pub fn held(&self) -> io::Result<Vec<(usize, Held)>> {
        let first = self.octets[Header::LEN..].chunks_exact(Held::LEN);
        let mut behind = vec![0; (self.header.high as usize).saturating_sub(HELD_AT_ONCE) * Held::LEN];
        if !behind.is_empty() {
            self.file.read_exact_at(&mut behind, Held::place(HELD_AT_ONCE))?;
        }
        let all = first.chain(behind.chunks_exact(Held::LEN)).enumerate();
        Ok(all.filter_map(|(number, octets)| Some((number, Held::read(octets.first_chunk()?)?))).collect())
    }

    /// The reservation with this number.
    pub fn held_at(&self, number: usize) -> io::Result<Option<Held>> {
        let mut octets = [0; Held::LEN];
        match number < HELD_AT_ONCE {
            true => octets.copy_from_slice(&self.octets[Held::place(number) as usize..][..Held::LEN]),
            false => self.file.read_exact_at(&mut octets, Held::place(number))?,
        }
        Ok(Held::read(&octets))
    }

    /// Whether reservations of the first page are still to be written with the header.
    pub fn has_unwritten(&self) -> bool {
        self.unwritten > 0
    }

    /// Puts a reservation, or none, in the place with this number; in the first page it is written with the next header.
    pub fn put_held(&mut self, number: usize, held: Option<&Held>) -> io::Result<()> {
        let octets = held.map_or([0; Held::LEN], Held::write);
        if number >= HELD_AT_ONCE {
            return self.disk.write(self.file, &octets, Held::place(number));
        }
        let at = Held::place(number) as usize;
        self.octets[at..at + Held::LEN].copy_from_slice(&octets);
        self.unwritten = self.unwritten.max(at + Held::LEN);
        Ok(())
    }
}

/// The right to touch the counter; dropping it gives it back, and so does the death of the process.
struct Guard<'a>(&'a File);

impl Guard<'_> {
    fn take(file: &File) -> io::Result<Guard<'_>> {
        let mut wait = Duration::from_micros(20);
        let mut since = None;
        while !lock::range(file, Range::Exclusive, GUARD, 1)? {
            if *since.get_or_insert_with(Instant::now) + PATIENCE < Instant::now() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(Duration::from_millis(1));
        }
        Ok(Guard(file))
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Err(error) = lock::range(self.0, Range::Free, GUARD, 1) {
            tracing::warn!(%error, "unlocking the counter of a quota");
        }
    }
}

/// The octet that is locked; the file never gets so long.
const GUARD: u64 = 1 << 60;
/// Others hold the lock for microseconds; one who holds it this long was stopped.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a file is whose first header was never written.
const BEGUN: u64 = TABLES_AT + SMALLEST * Slot::LEN as u64;

/// Which start of the machine this is; zeros where the kernel does not say.
static BOOT: LazyLock<[u8; 16]> = LazyLock::new(|| {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap_or_default().to_le_bytes()
});

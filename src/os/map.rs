//! Files mapped for reading, by a process that survives when one is truncated under it.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use memmap2::{Mmap, MmapOptions, UncheckedAdvice};

/// The beginning of a file, in memory. Where the file has been truncated, or can't be read, there are zeros instead.
#[derive(Debug)]
pub struct Map {
    octets: Mmap,
    slot: &'static Slot,
}

impl Map {
    /// Maps the first `len` octets of `file`; `len` is not 0. Nobody may write to them; truncating is survived.
    pub fn new(file: &File, len: usize) -> io::Result<Map> {
        guard()?;
        let octets = map(file, len)?;
        let slot = Slot::take();
        slot.len.store(octets.len(), Ordering::Relaxed);
        slot.broken.store(false, Ordering::Relaxed);
        slot.start.store(octets.as_ptr().addr(), Ordering::Release);
        Ok(Map { octets, slot })
    }

    /// The octets; touching those not in memory waits for the disk.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Gives back the memory that was touched; whoever touches it again gets it from the kernel's cache.
    #[expect(unsafe_code)]
    pub fn rest(&self) {
        // SAFETY: the pages come back as they are in the file, to which nobody writes; the guard's zeros come back as zeros. Should
        // it fail, nothing has changed.
        let _ = unsafe { self.octets.unchecked_advise(UncheckedAdvice::DontNeed) };
    }

    /// Some octets could not be read: what was read since may have been zeros.
    pub fn broken(&self) -> bool {
        self.slot.broken.load(Ordering::Acquire)
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // Before the addresses become somebody else's.
        self.slot.start.store(0, Ordering::Release);
        FREE.lock().unwrap_or_else(PoisonError::into_inner).push(self.slot);
    }
}

#[expect(unsafe_code)]
fn map(file: &File, len: usize) -> io::Result<Mmap> {
    // SAFETY: the caller promises that nobody writes to these octets; a hole made by truncating is filled by the guard.
    unsafe { MmapOptions::new().len(len).map(file) }
}

/// What the guard knows of a map. Never freed, for a signal comes at any time.
#[derive(Debug, Default)]
struct Slot {
    /// 0: not in use.
    start: AtomicUsize,
    len: AtomicUsize,
    broken: AtomicBool,
    next: AtomicPtr<Slot>,
}

/// All slots that there ever were.
static SLOTS: AtomicPtr<Slot> = AtomicPtr::new(ptr::null_mut());

/// Those not in use.
static FREE: Mutex<Vec<&'static Slot>> = Mutex::new(Vec::new());

impl Slot {
    fn take() -> &'static Slot {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop().unwrap_or_else(|| {
            // Only here slots are added, under the lock of `free`.
            let slot = Box::leak(Box::new(Slot { next: AtomicPtr::new(SLOTS.load(Ordering::Acquire)), ..Slot::default() }));
            SLOTS.store(slot, Ordering::Release);
            slot
        })
    }

    /// The end of the map, if `address` is in it.
    fn end(&self, address: usize) -> Option<usize> {
        let start = self.start.load(Ordering::Acquire);
        let end = start + self.len.load(Ordering::Relaxed);
        (start != 0 && (start..end.next_multiple_of(page())).contains(&address)).then_some(end)
    }
}

/// The slot of the map that `address` is in.
#[expect(unsafe_code)]
fn slot(address: usize) -> Option<(&'static Slot, usize)> {
    let mut next = SLOTS.load(Ordering::Acquire);
    loop {
        // SAFETY: null, or a slot that was leaked and is only changed by atomic stores.
        let slot: &'static Slot = unsafe { next.as_ref() }?;
        if let Some(end) = slot.end(address) {
            return Some((slot, end));
        }
        next = slot.next.load(Ordering::Acquire);
    }
}

/// What was to be done about SIGBUS before, and the size of a page.
static BEFORE: OnceLock<(libc::sigaction, usize)> = OnceLock::new();

fn page() -> usize {
    BEFORE.get().map_or(4096, |(_, page)| *page)
}

/// Installs the guard, once.
fn guard() -> io::Result<()> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*installed {
        install()?;
        *installed = true;
    }
    Ok(())
}

#[expect(unsafe_code)]
fn install() -> io::Result<()> {
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: sigaction(2) with no new action only writes the old one, for which there is room.
    let asked = unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), before.as_mut_ptr()) };
    if asked != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: written above; of zeros it would be valid as well.
    let (before, mut ours) = unsafe { (before.assume_init(), MaybeUninit::<libc::sigaction>::zeroed().assume_init()) };
    BEFORE.get_or_init(|| (before, rustix::param::page_size()));
    ours.sa_sigaction = (on_fault as extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void)) as libc::sighandler_t;
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the action is valid, and its function does only what is allowed in a signal handler.
    match unsafe { libc::sigaction(libc::SIGBUS, &raw const ours, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A read met no file: puts zeros where a map of ours should have had octets. Calls nothing that locks or allocates.
#[expect(unsafe_code)]
extern "C" fn on_fault(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo_t; for SIGBUS it has an address, which is only compared.
    let (address, errno) = unsafe { ((*info).si_addr().addr(), *libc::__errno_location()) };
    if !fill(address) {
        pass_on(signal, info, context);
    }
    // SAFETY: the location of this thread's errno is valid as long as the thread.
    unsafe { *libc::__errno_location() = errno };
}

/// Puts zeros from the page of `address` to the end of the map of ours that it is in, if any.
#[expect(unsafe_code)]
fn fill(address: usize) -> bool {
    let Some((slot, end)) = slot(address) else { return false };
    slot.broken.store(true, Ordering::Release);
    let from = address & !(page() - 1);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: these pages are part of a map of ours, which lives, for this thread is reading it; it will find zeros.
    let filled = unsafe { libc::mmap(ptr::without_provenance_mut(from), end - from, libc::PROT_READ, flags, -1, 0) };
    filled != libc::MAP_FAILED
}

/// Not ours: what would have happened without us happens.
#[expect(unsafe_code)]
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some((before, _)) = BEFORE.get() else { return };
    match before.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: on return the read is made again, and then ends the process, as it would have.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        action if before.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: with SA_SIGINFO the action is a function of this type.
            let action: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = unsafe { std::mem::transmute(action) };
            action(signal, info, context);
        }
        action => {
            // SAFETY: without SA_SIGINFO the action is a function of this type.
            let action: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(action) };
            action(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::io::Write;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    fn file(pages: usize) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; pages * rustix::param::page_size()]).unwrap();
        file
    }

    #[test]
    fn a_file_truncated_under_us_reads_as_zeros_from_there_on() {
        let (page, file) = (rustix::param::page_size(), file(8));
        let map = Map::new(&file, 8 * page - 100).unwrap();
        let other = Map::new(&self::file(1), 10).unwrap();
        assert_eq!(map.octets()[page], 7);
        assert!(!map.broken());
        file.set_len(2 * page as u64).unwrap();
        assert!(map.octets()[..2 * page].iter().all(|octet| *octet == 7));
        assert!(!map.broken());
        assert!(black_box(&map).octets()[2 * page..].iter().all(|octet| *octet == 0));
        assert!(map.broken());
        assert!(!other.broken());
    }

    #[test]
    fn what_rested_reads_as_before() {
        let (page, file) = (rustix::param::page_size(), file(4));
        let map = Map::new(&file, 4 * page).unwrap();
        let whole = || map.octets().iter().map(|octet| usize::from(*octet)).sum::<usize>();
        assert_eq!(whole(), 4 * page * 7);
        map.rest();
        assert_eq!(whole(), 4 * page * 7);
        file.set_len(page as u64).unwrap();
        map.rest();
        assert_eq!(whole(), page * 7);
        map.rest();
        assert_eq!(whole(), page * 7);
        assert!(map.broken());
    }

    #[test]
    fn threads_may_meet_the_hole_together() {
        let (page, file) = (rustix::param::page_size(), file(64));
        let map = Map::new(&file, 64 * page).unwrap();
        file.set_len(0).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(map.octets().iter().map(|octet| usize::from(*octet)).sum::<usize>(), 0));
            }
        });
        assert!(map.broken());
    }

    #[test]
    fn a_fault_that_is_not_ours_ends_the_process() {
        let child = ["--exact", "--ignored", "os::map::tests::reads_a_hole_in_a_foreign_map"];
        let ended = Command::new(std::env::current_exe().unwrap()).args(child).output().unwrap();
        assert_eq!(ended.status.signal(), Some(libc::SIGBUS), "{ended:?}");
    }

    #[test]
    #[ignore = "ends its process; run by the test above"]
    fn reads_a_hole_in_a_foreign_map() {
        let (page, file) = (rustix::param::page_size(), file(2));
        let _ours = Map::new(&file, page).unwrap();
        let foreign = map(&file, 2 * page).unwrap();
        file.set_len(0).unwrap();
        black_box(&foreign)[page + black_box(5)..].iter().for_each(|octet| assert_eq!(*octet, 1));
    }
}

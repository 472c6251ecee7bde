//! The slots of a counter, found by hash: what each folder has, and what each user has in all folders together.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::FileExt;

use super::Usage;
use super::book::Page;
use super::layout::{PAGE, SMALLEST, Slot, TABLES_AT};

impl Page<'_> {
    /// What a folder (0: all folders) of a user has.
    pub fn usage(&self, user: u64, folder: u64) -> io::Result<Usage> {
        Ok(self.find(user, folder, None)?.1.usage)
    }

    /// Notes what a folder has now, and what that makes of its user and the domain. What is known already costs no write.
    pub fn set(&mut self, user: u64, folder: u64, usage: Usage) -> io::Result<()> {
        let (at, was) = self.find(user, folder, None)?;
        let is_news = usage != was.usage || if was.is_free() { self.header.is_sweeping } else { was.epoch != self.header.epoch };
        if !is_news {
            return self.write_unwritten();
        }
        let (total_at, total) = self.find(user, 0, Some(at))?;
        let more = u64::from(was.is_free()) + u64::from(total.is_free());
        if more > 0 && self.is_full(more) {
            self.rebuild(Some)?;
            return self.set(user, folder, usage);
        }
        let epoch = self.header.epoch;
        let slot = Slot { user, folder, usage, epoch };
        let total = Slot { user, folder: 0, usage: moved(total.usage, was.usage, usage)?, epoch };
        self.header.total = moved(self.header.total, was.usage, usage)?;
        self.header.used += more;
        self.write(&[(at, slot), (total_at, total)])
    }

    /// What was said of folder `old` holds for `new`; what `new` had is gone.
    pub fn rename_folder(&mut self, user: u64, old: u64, new: u64) -> io::Result<()> {
        let (old_at, from) = self.find(user, old, None)?;
        let (new_at, to) = self.find(user, new, None)?;
        if from.is_free() || old == new {
            return self.set(user, new, from.usage);
        }
        let more = u64::from(to.is_free());
        if self.is_full(more) {
            self.rebuild(Some)?;
            return self.rename_folder(user, old, new);
        }
        let (total_at, total) = self.find(user, 0, Some(new_at))?;
        let epoch = self.header.epoch;
        let slots = [
            (old_at, Slot { usage: Usage::default(), epoch, ..from }),
            (new_at, Slot { user, folder: new, usage: from.usage, epoch }),
            (total_at, Slot { user, folder: 0, usage: moved(total.usage, to.usage, Usage::default())?, epoch }),
        ];
        self.header.total = moved(self.header.total, to.usage, Usage::default())?;
        self.header.used += more;
        self.write(&slots)
    }

    /// Notes what a scan of all mail has found of a folder, unless somebody has set something newer since the scan began.
    pub fn set_swept(&mut self, user: u64, folder: u64, usage: Usage) -> io::Result<()> {
        let (_, known) = self.find(user, folder, None)?;
        match !known.is_free() && known.epoch == self.header.epoch {
            true => Ok(()),
            false => self.set(user, folder, usage),
        }
    }

    pub fn write_unwritten(&mut self) -> io::Result<()> {
        if self.has_unwritten() { self.write_header() } else { Ok(()) }
    }

    fn is_full(&self, more: u64) -> bool {
        (self.header.used + more) * 4 > self.header.capacity * 3
    }

    /// Where in the file the slot is, or would be but for one that is `taken`; and what it says.
    fn find(&self, user: u64, folder: u64, taken: Option<u64>) -> io::Result<(u64, Slot)> {
        let (header, mut number) = (&self.header, self.header.home(user, folder));
        let mut walked = 0;
        while walked < header.capacity {
            // Most are found at the first look.
            let mut octets = [0; 3 * Slot::LEN];
            let count = (header.capacity - number).min(3);
            self.file.read_exact_at(&mut octets[..count as usize * Slot::LEN], header.place(number))?;
            for (next, octets) in (number..number + count).zip(octets.chunks_exact(Slot::LEN)) {
                let slot = octets.first_chunk().and_then(Slot::read).ok_or(io::ErrorKind::InvalidData)?;
                let is_it = (slot.user, slot.folder) == (user, folder) || slot.is_free();
                if is_it && taken != Some(header.place(next)) {
                    return Ok((header.place(next), slot));
                }
            }
            (number, walked) = ((number + count) % header.capacity, walked + count);
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    /// Writes a new table of what `keep` makes of the folders' slots, as large as it should be, with totals made from them.
    pub fn rebuild(&mut self, mut keep: impl FnMut(Slot) -> Option<Slot>) -> io::Result<()> {
        let mut octets = vec![0; self.header.capacity as usize * Slot::LEN];
        self.file.read_exact_at(&mut octets, self.header.table)?;
        let slots = octets.chunks_exact(Slot::LEN).map(|octets| octets.first_chunk().and_then(Slot::read));
        let (mut folders, mut found, mut damaged) = (HashMap::new(), 0, 0);
        for slot in slots {
            match slot {
                None => damaged += 1,
                Some(slot) if slot.is_free() => {}
                Some(slot) => {
                    found += 1;
                    if let Some(slot) = Some(slot).filter(|slot| !slot.is_total() && self.says_something(slot)).and_then(&mut keep) {
                        folders.insert((slot.user, slot.folder), slot);
                    }
                }
            }
        }
        if damaged > 0 || found < self.header.used {
            self.header.is_complete = false;
        }
        self.write_table(folders.into_values().collect())
    }

    /// While all mail is counted, folders that have become empty are remembered: the count may have seen them before.
    fn says_something(&self, slot: &Slot) -> bool {
        slot.usage != Usage::default() || self.header.is_sweeping
    }

    fn write_table(&mut self, mut slots: Vec<Slot>) -> io::Result<()> {
        let mut users: HashMap<u64, Slot> = HashMap::new();
        let mut all = Usage::default();
        for slot in &slots {
            let total = users.entry(slot.user).or_insert(Slot { user: slot.user, folder: 0, usage: Usage::default(), epoch: slot.epoch });
            total.usage = moved(total.usage, Usage::default(), slot.usage)?;
            all = moved(all, Usage::default(), slot.usage)?;
        }
        slots.extend(users.into_values());
        let mut next = self.header.clone();
        next.capacity = (slots.len() as u64 * 2).next_power_of_two().max(SMALLEST);
        next.table = beside(self.header.table, self.header.capacity, next.capacity);
        (next.used, next.total, next.pending) = (slots.len() as u64, all, Vec::new());
        let mut octets = vec![0; next.capacity as usize * Slot::LEN];
        for slot in slots {
            let mut number = next.home(slot.user, slot.folder) as usize;
            while octets[number * Slot::LEN..][..Slot::LEN] != [0; Slot::LEN] {
                number = (number + 1) % next.capacity as usize;
            }
            octets[number * Slot::LEN..][..Slot::LEN].copy_from_slice(&slot.write());
        }
        self.write_pages(&octets, next.table)?;
        self.header = next;
        self.write_header()
    }
}

impl Page<'_> {
    /// Page by page: what is written at once the kernel keeps in large pieces, and then each small change costs as much as its
    /// piece is large.
    pub fn write_pages(&self, octets: &[u8], at: u64) -> io::Result<()> {
        octets.chunks(PAGE).zip(0..).try_for_each(|(page, number)| self.disk.write(self.file, page, at + number * PAGE as u64))
    }
}

/// Where a table of `capacity` slots does not touch the one in use.
fn beside(table: u64, in_use: u64, capacity: u64) -> u64 {
    let len = |slots: u64| slots * Slot::LEN as u64;
    match TABLES_AT + len(capacity) <= table {
        true => TABLES_AT,
        false => (table + len(in_use)).next_multiple_of(PAGE as u64),
    }
}

/// A total of which one part was `from` and is `to`.
fn moved(total: Usage, from: Usage, to: Usage) -> io::Result<Usage> {
    let one = |total: u64, from: u64, to: u64| {
        let rest = total.checked_sub(from).ok_or(io::ErrorKind::InvalidData)?;
        rest.checked_add(to).ok_or(io::ErrorKind::InvalidInput)
    };
    Ok(Usage { octets: one(total.octets, from.octets, to.octets)?, messages: one(total.messages, from.messages, to.messages)? })
}

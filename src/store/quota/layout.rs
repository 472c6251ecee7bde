//! The octets of a domain's counter: a header, reservations, and a table of slots. All numbers are little-endian.
//!
//! ```text
//! 0         header, with a redo record of the slots that are being written
//! 256       reservations, 40 octets each
//! 262144    room for tables: one is in use, a larger one is written beside it and takes its place by one write of the header
//! ```

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::Usage;

/// Where reservations begin, and where a header must end.
pub(super) const HELD_AT: u64 = 256;
/// What is read and written at once: the header and the first reservations.
pub(super) const PAGE: usize = 4096;
/// Where tables begin.
pub(super) const TABLES_AT: u64 = 1 << 18;
/// How many reservations there can be.
pub(super) const HELD: usize = ((TABLES_AT - HELD_AT) / Held::LEN as u64) as usize;
/// How many of them are in the first page.
pub(super) const HELD_AT_ONCE: usize = (PAGE - HELD_AT as usize) / Held::LEN;
/// The slots of the smallest table.
pub(super) const SMALLEST: u64 = 64;

/// What a counter says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Which start of the machine it was written in.
    pub boot: [u8; 16],
    /// Where the table is, and its slots, a power of two.
    pub table: u64,
    pub capacity: u64,
    /// Slots that have a key.
    pub used: u64,
    /// All users together.
    pub total: Usage,
    /// Keys are made with it, so that nobody can choose names that meet in one slot.
    pub seed: u64,
    /// Counts recomputations: what was last set before one began is forgotten at its end.
    pub epoch: u32,
    /// Every folder has been counted.
    pub is_complete: bool,
    /// A recomputation is under way, or was interrupted.
    pub is_sweeping: bool,
    /// Reservations behind the first page may be there up to this number.
    pub high: u32,
    /// Counts changes of slots.
    pub sequence: u64,
    /// The slots of the last change, which may not have been written yet, and where.
    pub pending: Vec<(u64, Slot)>,
}

impl Header {
    const MAGIC: [u8; 8] = *b"vmquota\x01";
    const PENDING: usize = 3;
    pub const LEN: usize = HELD_AT as usize;

    /// `None` where it is not ours or damaged.
    pub fn read(octets: &[u8; Header::LEN]) -> Option<Header> {
        let (body, sum) = octets.split_at(Header::LEN - 8);
        if body[..8] != Header::MAGIC || sum != xxh3_64(body).to_le_bytes() {
            return None;
        }
        let mut from = Reading(&body[8..]);
        let boot = from.octets::<16>();
        let [table, capacity, used, octets, messages, seed, sequence] = [(); 7].map(|()| from.long());
        let [epoch, flags, high, count] = [(); 4].map(|()| from.short());
        // Right by its checksum, but not of our making.
        if !(SMALLEST..=1 << 32).contains(&capacity) || !capacity.is_power_of_two() || !(TABLES_AT..1 << 48).contains(&table) {
            return None;
        }
        let pending = (0..(count as usize).min(Header::PENDING)).map(|_| Some((from.long(), Slot::read(&from.octets())?)));
        Some(Header {
            boot,
            table,
            capacity,
            used,
            total: Usage { octets, messages },
            seed,
            epoch,
            is_complete: flags & 1 != 0,
            is_sweeping: flags & 2 != 0,
            high,
            sequence,
            pending: pending.collect::<Option<_>>()?,
        })
    }

    pub fn write(&self) -> [u8; Header::LEN] {
        debug_assert!(self.pending.len() <= Header::PENDING);
        let mut all = Vec::with_capacity(Header::LEN);
        all.extend_from_slice(&Header::MAGIC);
        all.extend_from_slice(&self.boot);
        let Usage { octets, messages } = self.total;
        let long = [self.table, self.capacity, self.used, octets, messages, self.seed, self.sequence];
        all.extend(long.iter().flat_map(|number| number.to_le_bytes()));
        let flags = u32::from(self.is_complete) | u32::from(self.is_sweeping) << 1;
        let short = [self.epoch, flags, self.high, self.pending.len() as u32];
        all.extend(short.iter().flat_map(|number| number.to_le_bytes()));
        for (at, slot) in &self.pending {
            all.extend_from_slice(&at.to_le_bytes());
            all.extend_from_slice(&slot.write());
        }
        all.resize(Header::LEN - 8, 0);
        all.extend_from_slice(&xxh3_64(&all).to_le_bytes());
        all.try_into().expect("three pending slots fit into a header")
    }

    /// What stands for a user's name; never 0, which stands for nobody.
    pub fn user(&self, name: &str) -> u64 {
        xxh3_64_with_seed(name.as_bytes(), self.seed).max(1)
    }

    /// What stands for a folder's name; never 0, which stands for all folders.
    pub fn folder(&self, name: &str) -> u64 {
        let name = if super::is_inbox(name) { "INBOX" } else { name };
        xxh3_64_with_seed(name.as_bytes(), !self.seed).max(1)
    }

    /// Where a slot is looked for first, as its number in the table.
    pub fn home(&self, user: u64, folder: u64) -> u64 {
        (user ^ folder.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & (self.capacity - 1)
    }

    /// Where in the file the slot with this number is.
    pub fn place(&self, number: u64) -> u64 {
        self.table + number * Slot::LEN as u64
    }
}

/// What one folder of one user has, or all folders of one user together. Its key stays where it is when it has nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Slot {
    pub user: u64,
    /// 0: all folders.
    pub folder: u64,
    pub usage: Usage,
    /// When it was last set, in recomputations.
    pub epoch: u32,
}

impl Slot {
    pub const LEN: usize = 40;

    /// `None` where it is damaged. One that was never used is all zeros.
    pub fn read(octets: &[u8; Slot::LEN]) -> Option<Slot> {
        if octets == &[0; Slot::LEN] {
            return Some(Slot::default());
        }
        let mut from = Reading(octets);
        let [user, folder, stored, messages] = [(); 4].map(|()| from.long());
        let [epoch, sum] = [(); 2].map(|()| from.short());
        let is_right = user != 0 && sum == xxh3_64(&octets[..Slot::LEN - 4]) as u32;
        is_right.then_some(Slot { user, folder, usage: Usage { octets: stored, messages }, epoch })
    }

    pub fn write(&self) -> [u8; Slot::LEN] {
        let mut all = [0; Slot::LEN];
        if !self.is_free() {
            let long = [self.user, self.folder, self.usage.octets, self.usage.messages];
            long.iter().zip(all.chunks_exact_mut(8)).for_each(|(number, place)| place.copy_from_slice(&number.to_le_bytes()));
            all[32..36].copy_from_slice(&self.epoch.to_le_bytes());
            let sum = xxh3_64(&all[..36]) as u32;
            all[36..].copy_from_slice(&sum.to_le_bytes());
        }
        all
    }

    pub fn is_free(&self) -> bool {
        self.user == 0
    }

    pub fn is_total(&self) -> bool {
        self.folder == 0
    }
}

/// Room that an append has reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Held {
    pub user: u64,
    pub usage: Usage,
    /// Who has reserved it: a number that a living process has locked.
    pub holder: u32,
    /// Tells the reservations of one holder apart.
    pub serial: u32,
    pub is_inbox: bool,
}

impl Held {
    pub const LEN: usize = 40;

    /// `None` where nothing is reserved, or only half was written when its holder died.
    pub fn read(octets: &[u8; Held::LEN]) -> Option<Held> {
        let mut from = Reading(octets);
        let [user, stored, messages] = [(); 3].map(|()| from.long());
        let [holder, serial, is_inbox, sum] = [(); 4].map(|()| from.short());
        let is_right = user != 0 && sum == xxh3_64(&octets[..Held::LEN - 4]) as u32;
        is_right.then_some(Held { user, usage: Usage { octets: stored, messages }, holder, serial, is_inbox: is_inbox != 0 })
    }

    pub fn write(&self) -> [u8; Held::LEN] {
        let mut all = [0; Held::LEN];
        let long = [self.user, self.usage.octets, self.usage.messages];
        long.iter().zip(all.chunks_exact_mut(8)).for_each(|(number, place)| place.copy_from_slice(&number.to_le_bytes()));
        let short = [self.holder, self.serial, u32::from(self.is_inbox)];
        short.iter().zip(all[24..].chunks_exact_mut(4)).for_each(|(number, place)| place.copy_from_slice(&number.to_le_bytes()));
        let sum = xxh3_64(&all[..36]) as u32;
        all[36..].copy_from_slice(&sum.to_le_bytes());
        all
    }

    /// Where in the file the reservation with this number is.
    pub fn place(number: usize) -> u64 {
        HELD_AT + (number * Held::LEN) as u64
    }
}

/// Numbers one after the other, from octets that are long enough.
struct Reading<'a>(&'a [u8]);

impl Reading<'_> {
    fn octets<const LEN: usize>(&mut self) -> [u8; LEN] {
        let (head, rest) = self.0.split_first_chunk().expect("layouts are shorter than what they are read from");
        self.0 = rest;
        *head
    }

    fn long(&mut self) -> u64 {
        u64::from_le_bytes(self.octets())
    }

    fn short(&mut self) -> u32 {
        u32::from_le_bytes(self.octets())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_one_changed_octet_is_noticed() {
        let slot = Slot { user: 7, folder: 8, usage: Usage { octets: 9, messages: 10 }, epoch: 11 };
        let header = Header {
            boot: [3; 16],
            table: TABLES_AT,
            capacity: SMALLEST,
            used: 2,
            total: Usage { octets: u64::MAX, messages: 1 },
            seed: 5,
            epoch: 6,
            is_complete: true,
            is_sweeping: false,
            high: 4,
            sequence: 12,
            pending: vec![(1, slot), (2, Slot::default()), (3, slot)],
        };
        let held = Held { user: 1, usage: slot.usage, holder: 2, serial: 3, is_inbox: true };
        assert_eq!((Slot::read(&slot.write()), Held::read(&held.write())), (Some(slot), Some(held)));
        assert_eq!(Header::read(&header.write()), Some(header.clone()));
        for at in 0..Header::LEN {
            let mut octets = header.write();
            octets[at] ^= 1;
            assert_eq!(Header::read(&octets), None);
        }
        for at in 0..Slot::LEN {
            let (mut one, mut other) = (slot.write(), held.write());
            (one[at], other[at]) = (one[at] ^ 1, other[at] ^ 1);
            assert_eq!((Slot::read(&one), Held::read(&other)), (None, None));
        }
    }
}

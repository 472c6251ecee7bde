//! A snapshot, mapped: nothing of it is parsed, and each part is checked when it is used.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use bytemuck::{Pod, Zeroable};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::history::Gone;
use super::record::Record;
use super::rope::Summary;
use crate::os::map::Map;

/// A mapped snapshot.
#[derive(Debug)]
pub struct Base {
    map: Map,
    sections: Sections,
    /// The highest of a record.
    modseq: u64,
    damaged: AtomicBool,
}

/// Where the parts of a snapshot are, in octets. They follow each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sections {
    pub records: Range<usize>,
    pub summaries: Range<usize>,
    pub history: Range<usize>,
    /// Keywords and doomed messages.
    pub small: Range<usize>,
    pub names: Range<usize>,
}

/// A [`Summary`] as stored.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct StoredSummary {
    modseq: u64,
    some: u8,
    lacking: u8,
    zero: u16,
    sum: u32,
}

impl StoredSummary {
    pub fn new(summary: &Summary) -> StoredSummary {
        let stored = StoredSummary { modseq: summary.modseq, some: summary.some, lacking: summary.lacking, zero: 0, sum: 0 };
        StoredSummary { sum: stored.right_sum(), ..stored }
    }

    fn right_sum(&self) -> u32 {
        xxh3_64(&bytemuck::bytes_of(self)[..size_of::<StoredSummary>() - 4]) as u32
    }
}

/// The checksum of a message's file name and UIDL, which stands before them.
pub fn sum_of_text(uid: u32, text: &[u8]) -> u32 {
    xxh3_64_with_seed(text, uid.into()) as u32
}

impl Base {
    /// `sections` lie within the map.
    pub fn new(map: Map, sections: Sections, modseq: u64) -> Base {
        Base { map, sections, modseq, damaged: AtomicBool::new(false) }
    }

    /// See [`Map::rest`].
    pub fn rest(&self) {
        self.map.rest();
    }

    /// No record has a higher MODSEQ.
    pub fn modseq(&self) -> u64 {
        self.modseq
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.sections.records.len() / size_of::<Record>()
    }

    /// Octets of the snapshot.
    pub fn size(&self) -> u64 {
        self.map.octets().len() as u64
    }

    /// A record as it was stored; `None` if it is not, which is remembered.
    pub fn record(&self, at: usize) -> Option<Record> {
        let record: Record = item(self.section(&self.sections.records), at)?;
        if !record.is_intact() {
            self.damaged.store(true, Ordering::Relaxed);
            return None;
        }
        Some(record)
    }

    /// The UID of a record, whether that is as it was stored or not; 0 where there is none.
    pub fn alleged_uid(&self, at: usize) -> u32 {
        item::<Record>(self.section(&self.sections.records), at).map_or(0, |record| record.uid)
    }

    /// What block `at` has; `None` if that can't be told.
    pub fn summary(&self, at: usize) -> Option<Summary> {
        let stored: StoredSummary = item(self.section(&self.sections.summaries), at)?;
        let summary = Summary { modseq: stored.modseq, some: stored.some, lacking: stored.lacking };
        (stored.sum == stored.right_sum()).then_some(summary)
    }

    /// File name and UIDL of a message, nothing if they are not as they were stored, which is remembered.
    pub fn text(&self, record: &Record) -> &[u8] {
        let len = usize::from(record.name_len) + usize::from(record.uidl_len);
        if len == 0 {
            return &[];
        }
        let text = usize::try_from(record.name).ok().and_then(|at| self.section(&self.sections.names).get(at..)).and_then(|stored| {
            let (sum, rest) = stored.split_first_chunk()?;
            let text = rest.get(..len)?;
            (u32::from_ne_bytes(*sum) == sum_of_text(record.uid, text)).then_some(text)
        });
        if text.is_none() {
            self.damaged.store(true, Ordering::Relaxed);
        }
        text.unwrap_or_default()
    }

    /// What was expunged before the snapshot, by MODSEQ.
    pub fn history(&self) -> &[Gone] {
        bytemuck::try_cast_slice(self.section(&self.sections.history)).unwrap_or_default()
    }

    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed) || self.map.broken()
    }

    fn section(&self, section: &Range<usize>) -> &[u8] {
        self.map.octets().get(section.clone()).unwrap_or_default()
    }
}

fn item<T: Pod>(section: &[u8], at: usize) -> Option<T> {
    let from = at.checked_mul(size_of::<T>())?;
    section.get(from..)?.get(..size_of::<T>()).map(bytemuck::pod_read_unaligned)
}

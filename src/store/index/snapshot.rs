//! `vmail.index`: a whole state, written once and mapped ever after.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use xxhash_rust::xxh3::xxh3_64;

use super::base::{Base, Sections, StoredSummary, sum_of_text};
use super::codec::{Code, Rest};
use super::files::{self, Mark, Misfit, Patience, Pen};
use super::history::{Gone, History};
use super::keywords::{Keywords, invalid};
use super::op::{Keyword, Seal};
use super::record::{Live, Record};
use super::rope::{BLOCK, Rope, Summary};
use super::state::{self, Front, Generation, Head, Inner, State, Totals};
use crate::os::map::Map;
use crate::os::stamp::Stamp;
use crate::store::disk::Disk;

const MARK: Mark = Mark::new(*b"vmailidx", 4);

/// How a snapshot begins. Lengths and places in octets.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Page {
    mark: Mark,
    /// Of the page, with 0 here.
    sum: u64,
    epoch: u64,
    sequence: u64,
    modseq: u64,
    horizon: u64,
    cache: [u64; 2],
    /// How many messages there are.
    messages: u64,
    /// How long the sections are.
    history: u64,
    small: u64,
    names: u64,
    /// Of the history and the small things.
    sum_of_parts: u64,
    uidvalidity: u32,
    uidnext: u32,
    mailbox: [u8; 16],
    stamps: [[u64; 5]; 2],
    front_offset: u64,
    front_last: u32,
    front_from_len: u16,
    bits: u16,
    notes: [u8; 64],
    totals: [u64; 10],
}

/// Where records begin.
const PAGE: usize = 512;

const _: () = assert!(size_of::<Page>() <= PAGE && PAGE.is_multiple_of(align_of::<Record>()));

/// Why a file is no snapshot of use.
pub type Useless = &'static str;

/// What opening a snapshot came to.
pub type Opened = Result<Inner, Useless>;

/// Writes `state` to `file`. Where the cache has an entry for a message, `cached` says where that is now.
pub fn write(disk: &dyn Disk, file: &File, state: &State, cache: Generation, cached: &dyn Fn(&Record) -> u64) -> io::Result<()> {
    let mut pen = Pen::new(disk, file);
    pen.put(&[0; PAGE])?;
    let mut sets = Sets::new(&state.0.keywords);
    let mut totals = Totals::default();
    let (summaries, names) = write_records(&mut pen, state, &mut sets, &mut totals, cached)?;
    summaries.iter().try_for_each(|summary| pen.put(bytemuck::bytes_of(summary)))?;
    let history: Vec<Gone> = state.0.history.all(state.0.base()).copied().collect();
    let mut small = Vec::new();
    sets.put(&mut small);
    state.0.doomed.to_vec().put(&mut small);
    let parts = [bytemuck::cast_slice(&history), &small[..]].concat();
    pen.put(&parts)?;
    write_names(&mut pen, state)?;
    if state.is_damaged() || totals.messages != state.len() as u64 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the snapshot is damaged"));
    }
    pen.flush()?;
    let page = Page {
        cache: [cache.number, cache.entries],
        messages: totals.messages,
        history: size_of_val(&history[..]) as u64,
        small: small.len() as u64,
        names,
        sum_of_parts: xxh3_64(&parts),
        totals: totals.numbers(),
        ..Page::of(state)
    };
    disk.write(file, bytemuck::bytes_of(&page.sealed()), 0)
}

/// Returns what the blocks have, and how long the names will be.
fn write_records(
    pen: &mut Pen<'_>,
    state: &State,
    sets: &mut Sets<'_>,
    totals: &mut Totals,
    cached: &dyn Fn(&Record) -> u64,
) -> io::Result<(Vec<StoredSummary>, u64)> {
    let (mut summaries, mut names) = (Vec::with_capacity(state.len() / BLOCK + 1), 0);
    let (mut summary, mut count) = (Summary::default(), 0);
    for entry in state.messages() {
        let mut record = entry.record;
        record.name = names;
        let text = usize::from(record.name_len) + usize::from(record.uidl_len);
        names += if text == 0 { 0 } else { 4 + text as u64 };
        record.keywords = sets.renumbered(record.keywords)?;
        record.cache = if record.cache == 0 { 0 } else { cached(&record) };
        totals.add(&record);
        summary.add(&record);
        pen.put(bytemuck::bytes_of(&record.sealed()))?;
        count += 1;
        if count % BLOCK == 0 {
            summaries.push(StoredSummary::new(&std::mem::take(&mut summary)));
        }
    }
    if count % BLOCK != 0 {
        summaries.push(StoredSummary::new(&summary));
    }
    Ok((summaries, names))
}

fn write_names(pen: &mut Pen<'_>, state: &State) -> io::Result<()> {
    for entry in state.messages() {
        let text = entry.text();
        if !text.is_empty() {
            pen.put(&sum_of_text(entry.uid, text).to_ne_bytes())?;
            pen.put(text)?;
        }
    }
    Ok(())
}

/// Puts right checksums into octets that may be a snapshot, so that a fuzzer comes past them.
#[doc(hidden)]
pub fn put_right_sums(octets: &mut [u8]) {
    let Some(first) = octets.first_chunk::<{ size_of::<Page>() }>() else { return };
    let mut page: Page = bytemuck::pod_read_unaligned(first);
    let Some(sections) = page.sections() else { return };
    if let Some(parts) = octets.get(sections.history.start..sections.small.end) {
        page.sum_of_parts = xxh3_64(parts);
    }
    if let Some(records) = octets.get_mut(sections.records) {
        for octets in records.chunks_exact_mut(size_of::<Record>()) {
            let record: Record = bytemuck::pod_read_unaligned(octets);
            octets.copy_from_slice(bytemuck::bytes_of(&record.sealed()));
        }
    }
    octets[..size_of::<Page>()].copy_from_slice(bytemuck::bytes_of(&page.sealed()));
}

/// The sets of keywords that are in use, numbered anew.
struct Sets<'a> {
    old: &'a Keywords,
    /// By old number; 0: not met yet.
    numbers: Vec<u32>,
    new: Keywords,
}

impl<'a> Sets<'a> {
    fn new(old: &'a Keywords) -> Sets<'a> {
        Sets { old, numbers: vec![0; old.sets().len()], new: Keywords::default() }
    }

    fn renumbered(&mut self, set: u32) -> io::Result<u32> {
        let Some(at) = (set as usize).checked_sub(1) else { return Ok(0) };
        let number = self.numbers.get_mut(at).ok_or_else(|| invalid("no such set of keywords"))?;
        if *number == 0 {
            *number = self.new.number(&self.old.sets()[at], usize::MAX)?;
        }
        Ok(*number)
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.old.names().to_vec().put(out);
        self.new.sets().iter().map(|set| set.to_vec()).collect::<Vec<_>>().put(out);
    }
}

/// What [`Sets::put`] has put.
fn take_keywords(from: &mut Rest<'_>) -> Option<Keywords> {
    let (names, sets): (Vec<Keyword>, Vec<Vec<u16>>) = (Code::take(from)?, Code::take(from)?);
    let mut keywords = Keywords::default();
    names.iter().try_for_each(|name| keywords.add(name).map(drop)).ok()?;
    sets.iter().try_for_each(|set| keywords.number(set, usize::MAX).map(drop)).ok()?;
    (keywords.names().len() == names.len() && keywords.sets().len() == sets.len()).then_some(keywords)
}

/// Opens the snapshot in `file`: reads its page and its small things, maps the rest.
pub fn open(file: &File, patience: Patience) -> io::Result<Opened> {
    let len = files::len(file)?;
    if len < PAGE as u64 {
        return Ok(Err("the index is too short"));
    }
    let mut page = Page::zeroed();
    patience.read(file, bytemuck::bytes_of_mut(&mut page), 0)?;
    if let Some(why) = page.fault() {
        return Ok(Err(why));
    }
    let Some(sections) = page.sections().filter(|sections| sections.names.end as u64 == len) else {
        return Ok(Err("the index has another length than it should"));
    };
    let mut parts = vec![0; sections.small.end - sections.history.start];
    patience.read(file, &mut parts, sections.history.start as u64)?;
    if xxh3_64(&parts) != page.sum_of_parts {
        return Ok(Err("the index is damaged"));
    }
    let base = Base::new(Map::new(file, sections.names.end)?, sections.clone(), page.modseq);
    Ok(understand(&page, &parts[sections.history.len()..], base).ok_or("the index is damaged"))
}

fn understand(page: &Page, small: &[u8], base: Base) -> Option<Inner> {
    let mut small = Rest(small);
    let keywords = take_keywords(&mut small)?;
    let doomed: Vec<Live> = small.only()?;
    Some(Inner {
        head: page.head(),
        sequence: page.sequence,
        keywords: keywords.shared(),
        rope: Rope::mapped(&base)?,
        base: Some(Arc::new(base)),
        history: History::new(page.horizon),
        doomed: state::shared(doomed),
        cache: Generation { number: page.cache[0], entries: page.cache[1] },
    })
}

impl Page {
    /// But for what is known only when the rest is written.
    fn of(state: &State) -> Page {
        let (inner, head) = (&state.0, state.head());
        let stamp = |Seal { stamp, .. }: Seal| [stamp.dev, stamp.ino, stamp.size, stamp.mtime.cast_unsigned(), stamp.ctime.cast_unsigned()];
        let front = head.front;
        let bits = [head.stamps[0].settled, head.stamps[1].settled, front.pseudo, front.last.is_some()];
        Page {
            mark: MARK,
            epoch: head.epoch,
            sequence: inner.sequence,
            modseq: head.modseq,
            horizon: inner.history.horizon(),
            uidvalidity: head.uidvalidity,
            uidnext: head.uidnext,
            mailbox: head.mailbox,
            stamps: head.stamps.map(stamp),
            front_offset: front.offset,
            front_last: front.last.unwrap_or(0),
            front_from_len: front.from_len,
            bits: std::iter::zip(bits, 0..).map(|(bit, at)| u16::from(bit) << at).sum(),
            notes: head.notes,
            ..Page::zeroed()
        }
    }

    fn head(&self) -> Head {
        let bit = |at: u16| self.bits >> at & 1 != 0;
        let seal = |at: usize| {
            let [dev, ino, size, mtime, ctime] = self.stamps[at];
            let stamp = Stamp { dev, ino, size, mtime: mtime.cast_signed(), ctime: ctime.cast_signed() };
            Seal { stamp, settled: bit(at as u16) }
        };
        let last = bit(3).then_some(self.front_last);
        Head {
            epoch: self.epoch,
            uidvalidity: self.uidvalidity,
            uidnext: self.uidnext,
            modseq: self.modseq,
            mailbox: self.mailbox,
            stamps: [seal(0), seal(1)],
            front: Front { offset: self.front_offset, from_len: self.front_from_len, pseudo: bit(2), last },
            notes: self.notes,
            totals: Totals::from_numbers(self.totals),
        }
    }

    fn sealed(mut self) -> Page {
        self.sum = self.right_sum();
        self
    }

    fn right_sum(&self) -> u64 {
        xxh3_64(bytemuck::bytes_of(&Page { sum: 0, ..*self }))
    }

    fn fault(&self) -> Option<Useless> {
        match self.mark.misfit(MARK) {
            Some(Misfit::NoSuchFile) => Some("the index is no index"),
            Some(Misfit::Order) => Some("the index is of another kind of machine"),
            Some(Misfit::Version) => Some("the index is of another version"),
            None if self.sum != self.right_sum() => Some("the index is damaged"),
            None => None,
        }
    }

    fn sections(&self) -> Option<Sections> {
        let messages = usize::try_from(self.messages).ok()?;
        let mut end = PAGE;
        let mut section = |len: Option<usize>| {
            let start = end;
            end = start.checked_add(len?)?;
            Some(start..end)
        };
        Some(Sections {
            records: section(messages.checked_mul(size_of::<Record>()))?,
            summaries: section(messages.div_ceil(BLOCK).checked_mul(size_of::<StoredSummary>()))?,
            history: section(usize::try_from(self.history).ok())?,
            small: section(usize::try_from(self.small).ok())?,
            names: section(usize::try_from(self.names).ok())?,
        })
    }
}

impl Totals {
    fn numbers(&self) -> [u64; 10] {
        let Totals { messages, unseen, deleted, dirty, fresh, sized, cached, stored, wire, unended } = *self;
        [messages, unseen, deleted, dirty, fresh, sized, cached, stored, wire, unended]
    }

    fn from_numbers(numbers: [u64; 10]) -> Totals {
        let [messages, unseen, deleted, dirty, fresh, sized, cached, stored, wire, unended] = numbers;
        Totals { messages, unseen, deleted, dirty, fresh, sized, cached, stored, wire, unended }
    }
}

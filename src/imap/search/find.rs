//! Finding messages, the cheapest way first: by their records, by what the store keeps of their content, by reading them.

use super::Criteria;
use super::key::{Key, Known};
use super::listen::Ear;
use super::sought::Sought;
use crate::imap::gists;
use crate::imap::pace::Pace;
use crate::imap::view::View;
use crate::message::EntryRef;
use crate::os::stamp;
use crate::store::{Entry, Facts, Folder, Gists, Trouble, Uids};

/// A message that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Its sequence number.
    pub number: u32,
    pub uid: u32,
    pub modseq: u64,
    /// Its internal date.
    pub received: u32,
}

/// The messages that the client knows for which `criteria` hold, ascending. Messages that go meanwhile are left out.
///
/// # Errors
/// The mailbox can't be read.
pub async fn find(folder: &mut impl Folder, view: &View, criteria: &Criteria) -> Result<Vec<Hit>, Trouble> {
    let clock = seconds();
    let is_in_gists = criteria.sought.iter().any(Sought::is_in_gists);
    let at_hand = if is_in_gists { gists::at_hand(folder) } else { None };
    let (mut hits, mut open) = by_records(folder, view, criteria, clock, at_hand.as_deref()).await;
    if is_in_gists
        && at_hand.is_none()
        && let Some(made) = gists::of(folder, open.len()).await?
    {
        (hits, open) = by_records(folder, view, criteria, clock, Some(&made)).await;
    }
    if open.is_empty() {
        return Ok(hits);
    }
    let (mut ear, mut pace, mut rest) = (Ear::default(), Pace::new(BATCH), &open[..]);
    while !rest.is_empty() {
        let batch = pace.cut(&mut rest);
        let octets = by_content(folder, criteria, clock, batch, &mut ear, &mut hits).await?;
        pace.saw(batch.len(), octets);
        tokio::task::yield_now().await;
    }
    hits.sort_unstable_by_key(|hit| hit.number);
    Ok(hits)
}

/// Those for which it is known that the key holds, and those for which nothing is known.
async fn by_records(folder: &impl Folder, view: &View, criteria: &Criteria, clock: u32, gists: Option<&Gists>) -> (Vec<Hit>, Vec<Hit>) {
    let (mut hits, mut open) = (Vec::new(), Vec::new());
    let (key, many) = (&criteria.key, (MANY / criteria.keys.max(1)).max(1));
    let (now, among, mut gists) = (folder.state().clone(), among(view, key), gists.map(Gists::walk));
    for (nth, (number, message)) in view.walk(&now, &among).enumerate() {
        let gist = gists.as_mut().and_then(|gists| gists.of(message.uid));
        let heard = |text: usize| gist.and_then(|gist| criteria.sought[text].is_in_gist(gist));
        match key.holds(&Known { clock, number, message: &message, kept: None, heard: &heard }) {
            Some(true) => hits.push(Hit::new(number, &message)),
            Some(false) => {}
            None => open.push(Hit::new(number, &message)),
        }
        if nth % many == many - 1 {
            tokio::task::yield_now().await;
        }
    }
    (hits, open)
}

impl Hit {
    fn new(number: u32, message: &Entry<'_>) -> Hit {
        Hit { number, uid: message.uid, modseq: message.modseq, received: message.received }
    }
}

/// The messages that need to be looked at.
fn among(view: &View, key: &Key) -> Uids {
    match key.among() {
        Some(Key::Uids(uids)) => uids.clone(),
        Some(Key::Numbers(numbers)) => {
            let uid = |number: u32| view.told().nth(number as usize - 1).map(|message| message.uid);
            let (first, last) = (numbers.ranges().next(), numbers.ranges().last());
            let first = first.and_then(|range| uid((*range.start()).max(1)));
            let last = last.and_then(|range| uid((*range.end()).clamp(1, view.exists().max(1))));
            let mut uids = Uids::NONE;
            first.zip(last).into_iter().for_each(|(first, last)| uids.insert_range(first..=last));
            uids
        }
        _ => Uids::all(),
    }
}

/// Adds those of `batch` that are found to `hits`. Returns how many octets were held for them.
async fn by_content(
    folder: &mut impl Folder,
    criteria: &Criteria,
    clock: u32,
    batch: &[Hit],
    ear: &mut Ear,
    hits: &mut Vec<Hit>,
) -> Result<usize, Trouble> {
    let uids: Uids = batch.iter().map(|hit| hit.uid).collect();
    let contents = folder.cached(&uids).await?;
    if criteria.key.asks_facts() {
        folder.learn(&uids, Facts::Content).await?;
    }
    let now = folder.state().clone();
    let (mut kept, mut ascent, mut work) = (contents.walk(), now.ascent(), 0);
    for hit in batch {
        work += criteria.keys;
        if work > A_WHILE {
            work = 0;
            tokio::task::yield_now().await;
        }
        let Some(entry) = kept.of(hit.uid).and_then(EntryRef::decode) else { continue };
        let Some(message) = ascent.of(hit.uid) else { continue };
        let known = |heard: &dyn Fn(usize) -> Option<bool>| {
            criteria.key.holds(&Known { clock, number: hit.number, message: &message, kept: Some(&entry), heard })
        };
        let holds = match known(&|text| criteria.sought[text].is_in_kept(&entry)) {
            Some(holds) => holds,
            None => {
                let found = criteria.sought.iter().map(|sought| sought.is_in_kept(&entry)).collect();
                let decide = |heard: &[Option<bool>]| known(&|text| heard[text]);
                ear.listen(folder, hit.uid, &entry.parts().unwrap_or_default(), criteria, found, &decide).await?
            }
        };
        if holds {
            hits.push(Hit::new(hit.number, &message));
        }
    }
    Ok(contents.octets())
}

/// Seconds since 1970.
fn seconds() -> u32 {
    u32::try_from(stamp::now() / 1_000_000_000).unwrap_or(u32::MAX)
}

/// Messages whose content is at hand at once, at most.
const BATCH: usize = 1024;
/// Records of which one key is judged, after which others may do something.
const MANY: usize = 65_536;
/// Keys that are judged by content, after which others may do something.
const A_WHILE: usize = 2_000;

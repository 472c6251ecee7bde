//! Putting messages in order: what they are sorted by stands in columns, which are compared one after the other.

use std::cmp::Ordering;

use super::key::{Criterion, Key};
use crate::imap::gists;
use crate::imap::pace::Pace;
use crate::imap::search::Refused;
use crate::imap::search::find::Hit;
use crate::message::EntryRef;
use crate::store::gists::Gist;
use crate::store::{Contents, Entry, Facts, Folder, Gists, Uids};

/// The messages of `hits`, which ascend, as `criteria` want them; those of which all is equal stay as they are (RFC 5256 §3).
///
/// # Errors
/// The mailbox can't be read; [`Refused::Limit`] when the texts to be compared take more memory than one client may have.
pub async fn sorted(folder: &mut impl Folder, criteria: Vec<Criterion>, hits: Vec<Hit>) -> Result<Vec<Hit>, Refused> {
    let mut columns: Vec<Column> = criteria.iter().map(|criterion| Column::new(*criterion, hits.len())).collect();
    let is_in_gists = criteria.iter().all(|criterion| criterion.key.is_in_gist());
    match if is_in_gists { gists::of(folder, hits.len()).await? } else { None } {
        Some(gists) => copy(&gists, &mut columns, &hits),
        None => read(folder, &mut columns, &hits).await?,
    }
    Ok(match hits.len() > MANY {
        true => tokio::task::spawn_blocking(move || arranged(&columns, &hits)).await.unwrap_or_default(),
        false => arranged(&columns, &hits),
    })
}

/// Adds a line for each message, of what gists say.
fn copy(gists: &Gists, columns: &mut [Column], hits: &[Hit]) {
    let mut gists = gists.walk();
    for hit in hits {
        let gist = gists.of(hit.uid);
        columns.iter_mut().for_each(|column| column.push_gist(hit, gist));
    }
}

/// Adds a line for each message, of what is kept of it.
async fn read(folder: &mut impl Folder, columns: &mut [Column], hits: &[Hit]) -> Result<(), Refused> {
    let (mut texts, mut pace, mut rest) = (0, Pace::new(BATCH), hits);
    while !rest.is_empty() {
        let batch = pace.cut(&mut rest);
        let (octets, held) = fill(folder, columns, batch).await?;
        pace.saw(batch.len(), held);
        texts += octets;
        if texts > MOST_TEXT {
            return Err(Refused::Limit("too much to be sorted at once"));
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn arranged(columns: &[Column], hits: &[Hit]) -> Vec<Hit> {
    let front = |at: usize| columns.first().map_or(0, |column| column.front(at));
    let mut order: Vec<(u128, usize)> = (0..hits.len()).map(|at| (front(at), at)).collect();
    let compare = |one: usize, other: usize| columns.iter().map(|column| column.compare(one, other)).find(|order| order.is_ne());
    order.sort_unstable_by(|(front, one), (other_front, other)| {
        front.cmp(other_front).then_with(|| compare(*one, *other).unwrap_or(one.cmp(other)))
    });
    order.into_iter().map(|(_, at)| hits[at]).collect()
}

/// Adds a line for each message of `batch`. Returns how many octets of text that took, and how many were held for it.
async fn fill(folder: &mut impl Folder, columns: &mut [Column], batch: &[Hit]) -> Result<(usize, usize), Refused> {
    let uids: Uids = batch.iter().map(|hit| hit.uid).collect();
    if columns.iter().any(|column| column.key == Key::Size) {
        folder.learn(&uids, Facts::Size).await?;
    }
    let is_in_records = columns.iter().all(|column| column.key.is_in_record() || column.key == Key::Size);
    let contents = if is_in_records { Contents::default() } else { folder.cached(&uids).await? };
    let now = folder.state().clone();
    let (mut ascent, mut kept, mut texts) = (now.ascent(), contents.walk(), 0);
    for hit in batch {
        let entry = kept.of(hit.uid).and_then(EntryRef::decode);
        let message = ascent.of(hit.uid);
        texts += columns.iter_mut().map(|column| column.push(message.as_ref(), entry.as_ref())).sum::<usize>();
    }
    Ok((texts, contents.octets()))
}

/// What all messages have of one key, in the order of the messages.
struct Column {
    key: Key,
    is_reverse: bool,
    numbers: Vec<i64>,
    /// Of texts, one behind the other.
    octets: Vec<u8>,
    /// Where each text ends.
    ends: Vec<usize>,
}

impl Column {
    fn new(Criterion { key, is_reverse }: Criterion, len: usize) -> Column {
        let (numbers, ends) = if key.is_text() { (0, len) } else { (len, 0) };
        Column { key, is_reverse, numbers: Vec::with_capacity(numbers), octets: Vec::new(), ends: Vec::with_capacity(ends) }
    }

    /// Adds a message; one that is gone has nothing to be sorted by. Returns how many octets of text that took.
    fn push(&mut self, message: Option<&Entry<'_>>, kept: Option<&EntryRef<'_>>) -> usize {
        if !self.key.is_text() {
            self.numbers.push(message.map_or(0, |message| self.key.number(message, kept)));
            return 0;
        }
        let before = self.octets.len();
        if let Some(kept) = kept {
            self.key.text(kept, &mut self.octets);
        }
        self.ends.push(self.octets.len());
        self.octets.len() - before
    }

    /// As [`Column::push`], where [`Key::is_in_gist`].
    fn push_gist(&mut self, hit: &Hit, gist: Option<Gist<'_>>) {
        match self.key {
            Key::Subject => {
                gist.into_iter().for_each(|gist| self.octets.extend_from_slice(gist.subject_base()));
                self.ends.push(self.octets.len());
            }
            // RFC 5256 §2.2: what has no date was sent when it was received.
            Key::Date => self.numbers.push(gist.and_then(Gist::sent).unwrap_or(i64::from(hit.received))),
            _ => self.numbers.push(i64::from(hit.received)),
        }
    }

    /// A number that is lower for what comes first; where it is equal, [`Column::compare`] decides. To compare it takes no look at
    /// anything else.
    fn front(&self, at: usize) -> u128 {
        let front = match self.key.is_text() {
            true => {
                let (text, mut octets) = (self.text(at), [0; 16]);
                let len = text.len().min(octets.len());
                octets[..len].copy_from_slice(&text[..len]);
                u128::from_be_bytes(octets)
            }
            // The lowest number becomes 0.
            false => u128::from(self.numbers[at].cast_unsigned() ^ 1 << 63),
        };
        if self.is_reverse { !front } else { front }
    }

    fn compare(&self, one: usize, other: usize) -> Ordering {
        let order = match self.key.is_text() {
            true => self.text(one).cmp(self.text(other)),
            false => self.numbers[one].cmp(&self.numbers[other]),
        };
        if self.is_reverse { order.reverse() } else { order }
    }

    fn text(&self, at: usize) -> &[u8] {
        let from = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.octets[from..self.ends[at]]
    }
}

/// Messages whose content is at hand at once, at most.
const BATCH: usize = 1024;
/// Octets of text that are compared.
const MOST_TEXT: usize = 64 << 20;
/// More messages are not sorted where others wait.
const MANY: usize = 20_000;

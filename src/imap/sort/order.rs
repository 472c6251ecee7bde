//! Putting messages in order: what they are sorted by stands in columns, which are compared one after the other.

use std::cmp::Ordering;

use super::key::{Criterion, Key};
use crate::imap::pace::Pace;
use crate::imap::search::Refused;
use crate::imap::search::find::Hit;
use crate::message::EntryRef;
use crate::store::index::Span;
use crate::store::{Contents, Entry, Facts, Folder, Uids};

/// The messages of `hits`, which ascend, as `criteria` want them; those of which all is equal stay as they are (RFC 5256 §3).
///
/// # Errors
/// The mailbox can't be read; [`Refused::Limit`] when the texts to be compared take more memory than one client may have.
pub async fn sorted(folder: &mut impl Folder, criteria: Vec<Criterion>, hits: Vec<Hit>) -> Result<Vec<Hit>, Refused> {
    let mut columns: Vec<Column> = criteria.iter().map(|criterion| Column::new(*criterion, hits.len())).collect();
    let (mut texts, mut pace, mut rest) = (0, Pace::new(BATCH), &hits[..]);
    while !rest.is_empty() {
        let batch = pace.cut(&mut rest);
        let (octets, held) = fill(folder, &mut columns, batch).await?;
        pace.saw(batch.len(), held);
        texts += octets;
        if texts > MOST_TEXT {
            return Err(Refused::Limit("too much to be sorted at once"));
        }
        tokio::task::yield_now().await;
    }
    Ok(match hits.len() > MANY {
        true => tokio::task::spawn_blocking(move || arranged(&columns, &hits)).await.unwrap_or_default(),
        false => arranged(&columns, &hits),
    })
}

fn arranged(columns: &[Column], hits: &[Hit]) -> Vec<Hit> {
    let mut order: Vec<usize> = (0..hits.len()).collect();
    let compare = |one: &usize, other: &usize| columns.iter().map(|column| column.compare(*one, *other)).find(|order| order.is_ne());
    order.sort_unstable_by(|one, other| compare(one, other).unwrap_or(one.cmp(other)));
    order.into_iter().map(|at| hits[at]).collect()
}

/// Adds a line for each message of `batch`. Returns how many octets of text that took, and how many were held for it.
async fn fill(folder: &mut impl Folder, columns: &mut [Column], batch: &[Hit]) -> Result<(usize, usize), Refused> {
    let uids: Uids = batch.iter().map(|hit| hit.uid).collect();
    if columns.iter().any(|column| column.key == Key::Size) {
        folder.learn(&uids, Facts::Size).await?;
    }
    let is_in_records = columns.iter().all(|column| column.key.is_in_record() || column.key == Key::Size);
    let contents = if is_in_records { Contents::default() } else { folder.cached(&uids).await? };
    let (now, mut kept, mut texts) = (folder.state().clone(), contents.walk(), 0);
    for hit in batch {
        let entry = kept.of(hit.uid).and_then(EntryRef::decode);
        let message = now.range(Span::one(hit.uid)).next();
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
const MANY: usize = 5_000;

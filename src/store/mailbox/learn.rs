//! What is told of a message only by reading it: once, and kept.

use std::collections::HashSet;

use super::Mailbox;
use crate::store::index::{Entry, Learnt, Op, Span, State};
use crate::store::measure::{Measure, Measured};
use crate::store::message::Traits;
use crate::store::spool::Batch;
use crate::store::{Contents, Facts, Reader, Trouble, Uids};

impl Mailbox {
    /// The mailbox as it is, with `facts` of `uids` known as far as these are there.
    pub fn learn(&self, uidvalidity: u32, uids: &Uids, facts: Facts) -> Result<State, Trouble> {
        let mut state = self.look_under(uidvalidity)?;
        let unknown: Vec<u32> = among(&state, uids).filter(|message| !knows(message, facts)).map(|message| message.uid).collect();
        for some in unknown.chunks(AT_ONCE) {
            let measured = some.iter().filter_map(|&uid| self.measure(uidvalidity, uid).transpose());
            let found: Vec<(u32, Measured)> = measured.collect::<Result<_, _>>()?;
            (_, state) = self.write(&mut |state| self.check(state, uidvalidity).map(|()| news(&found)))?;
        }
        if facts == Facts::Twins && !twins(&state).is_empty() {
            // Who is one once stays one, also when the other goes.
            (_, state) = self.write(&mut |state| Ok(vec![Op::Learnt(twins(state))].into()))?;
        }
        Ok(state)
    }

    /// What is kept of the content of `uids`, if that takes no waiting.
    pub fn cached_at_once(&self, uidvalidity: u32, uids: &Uids) -> Option<Contents> {
        let kept = self.kept.try_lock().ok()?;
        let state = kept.state()?;
        self.check(state, uidvalidity).ok()?;
        let is_known = among(state, uids).all(|message| knows(&message, Facts::Content));
        is_known.then(|| kept.cached_at_once(among(state, uids).map(|message| *message))).flatten()
    }

    /// What is kept of the content of `uids`.
    pub fn cached(&self, uidvalidity: u32, uids: &Uids) -> Result<Contents, Trouble> {
        let state = self.learn(uidvalidity, uids, Facts::Content)?;
        let kept = self.kept().cached_all(among(&state, uids).map(|message| *message));
        if kept.len() == among(&state, uids).count() {
            return Ok(kept);
        }
        let (mut all, mut walk) = (Contents::default(), kept.walk());
        for message in among(&state, uids) {
            match walk.of(message.uid) {
                Some(entry) => all.push(message.uid, entry),
                // Not kept, for want of room: then it is computed each time.
                None => {
                    let measured = self.measure(uidvalidity, message.uid)?;
                    measured.into_iter().for_each(|(uid, measured)| all.push(uid, &measured.entry.encode()));
                }
            }
        }
        Ok(all)
    }

    /// Reads a message; `None` when it is gone.
    fn measure(&self, uidvalidity: u32, uid: u32) -> Result<Option<(u32, Measured)>, Trouble> {
        match self.read(uidvalidity, uid).and_then(measure) {
            Ok(measured) => Ok(Some((uid, measured))),
            Err(Trouble::Gone(_)) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }
}

/// Those of `uids` that are there.
fn among<'a>(state: &'a State, uids: &'a Uids) -> impl Iterator<Item = Entry<'a>> {
    uids.ranges().flat_map(|range| state.range(Span::from(range)))
}

fn knows(message: &Entry<'_>, facts: Facts) -> bool {
    match facts {
        Facts::Size => message.has(Traits::SIZED),
        Facts::Twins => message.has(Traits::PRINTED),
        Facts::Content => message.has(Traits::PRINTED) && message.cache != 0,
    }
}

/// Messages that are equal to one with a lower UID, and not known as such.
pub fn twins(state: &State) -> Vec<Learnt> {
    let mut seen = HashSet::with_capacity(state.len());
    let printed = state.messages().filter(|message| message.has(Traits::PRINTED));
    let twins = printed.filter(|message| !seen.insert(message.fingerprint) && !message.is_twin());
    twins.map(|message| Learnt { uid: message.uid, on: Traits::TWIN, ..Learnt::default() }).collect()
}

/// Reads all that `reader` gives. Blocks.
pub fn measure(mut reader: Reader) -> Result<Measured, Trouble> {
    let (mut measure, mut piece) = (Measure::new(), vec![0; 64 * 1024]);
    loop {
        match reader.fill_here(&mut piece)? {
            0 => return Ok(measure.finish()),
            some => measure.feed(&piece[..some]),
        }
    }
}

fn news(found: &[(u32, Measured)]) -> Batch {
    let learnt = |(uid, measured): &(u32, Measured)| Learnt {
        uid: *uid,
        size: Some(measured.size),
        fingerprint: Some(measured.fingerprint),
        ..Learnt::default()
    };
    Batch {
        ops: vec![Op::Learnt(found.iter().map(learnt).collect())],
        cache: found.iter().map(|(uid, measured)| (*uid, measured.entry.encode())).collect(),
    }
}

/// What is learnt is written after so many messages, so that a session that ends early leaves something behind.
const AT_ONCE: usize = 256;

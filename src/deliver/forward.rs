//! Mail for other servers.

use std::collections::BTreeMap;

use super::errand::Round;
use super::{Carrier, Leaf, Mail, Outcome};

impl Carrier {
    /// Sends `mail` on to all addresses elsewhere, many at a time. The envelope sender stays, but for lists with an owner. A mark says that
    /// it was here, so that it stops when it comes back.
    pub(super) async fn forward_all(&self, round: &mut Round<'_>, mail: &Mail) {
        let mut ways: BTreeMap<_, Vec<(usize, String)>> = BTreeMap::new();
        for at in round.open() {
            let errand = &round.errands[at];
            let Leaf::Forward { to } = errand.leaf else { continue };
            match self.is_circling(errand, mail) {
                Some(outcome) => round.note(at, outcome),
                None => ways.entry(errand.way()).or_default().push((at, to.clone())),
            }
        }
        for group in ways.values().flat_map(|way| way.chunks(TOGETHER)) {
            for ((at, _), outcome) in group.iter().zip(self.forward(round, group, mail).await) {
                round.note(*at, outcome);
            }
        }
    }

    async fn forward(&self, round: &Round<'_>, group: &[(usize, String)], mail: &Mail) -> Vec<Outcome> {
        let errand = &round.errands[group[0].0];
        let to: Vec<&str> = group.iter().map(|(_, to)| to.as_str()).collect();
        let outcomes = match self.input(errand.asked(), String::new(), mail).await {
            Ok(input) => self.set.submission.submit_file(errand.bounces_to(mail), &to, input).await,
            Err(outcome) => vec![outcome; to.len()],
        };
        let sent: Vec<_> = to.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Done).map(|(to, _)| *to).collect();
        if !sent.is_empty() {
            tracing::info!(event = "forwarded", user = errand.asked(), to = sent.join(","), sender = errand.bounces_to(mail));
        }
        outcomes
    }
}

/// Recipients of one transaction; RFC 5321 §4.5.3.1.8 promises a hundred.
const TOGETHER: usize = 100;

//! What every home promises, whatever keeps its mail: two writers and a reader in any order, against a simple model.

use proptest::prelude::*;

use kind::Kind;
use play::Play;
use step::steps;

mod faults;
mod foreign;
mod killed;
mod kind;
mod model;
mod news;
mod numbering;
mod play;
mod sizes;
mod stale;
mod step;

#[test]
fn mail_in_memory_is_as_the_model_says() {
    holds(Kind::Memory, 96);
}

#[test]
fn mail_in_a_maildir_is_as_the_model_says() {
    holds(Kind::Maildir, 64);
}

#[test]
fn mail_in_mboxes_is_as_the_model_says() {
    holds(Kind::Mbox, 32);
}

/// `PROPTEST_CASES` counts, where it is set.
fn holds(kind: Kind, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let usual = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { usual.cases } else { cases };
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 300, ..usual };
    proptest!(config, |(steps in steps(kind))| {
        runtime.block_on(async {
            let mut play = Play::new(kind).await;
            for step in &steps.0 {
                play.act(step).await;
                play.check().await;
            }
        });
    });
}

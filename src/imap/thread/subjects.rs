//! THREAD=ORDEREDSUBJECT (RFC 5256 §3): messages with the same base subject, the first above all others.

use std::collections::HashMap;

use super::gather::Message;
use super::tree::Threads;

/// The threads of `messages`, which ascend.
pub fn threads(messages: &[Message]) -> Threads {
    let mut order: Vec<u32> = (0..messages.len() as u32).collect();
    order.sort_by_key(|at| messages[*at as usize].date);
    let mut threads = Threads {
        ids: messages.iter().map(|message| Some(message.id)).collect(),
        answers: vec![Vec::new(); messages.len()],
        roots: Vec::new(),
    };
    let mut firsts = HashMap::new();
    for at in order {
        // In order of date, so that threads begin in the order of their first messages.
        let first = *firsts.entry(messages[at as usize].subject).or_insert(at);
        if first == at { threads.roots.push(at) } else { threads.answers[first as usize].push(at) }
    }
    threads
}

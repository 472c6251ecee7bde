//! THREAD=REFERENCES (RFC 5256 §3): who answers whom, step by step as there. Each step is a loop; none calls itself.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::forest::{Forest, NONE};
use super::gather::{Message, Messages};
use super::tree::Threads;
use crate::message::kin::Name;

/// The threads of `messages`, which ascend.
pub fn threads(messages: &Messages) -> Threads {
    let nodes = Nodes::of(messages);
    let parents = linked(messages, &nodes);
    let mut threading = Threading::pruned(&messages.all, &parents);
    threading.sort_roots();
    threading.join_subjects();
    threading.sort_answers();
    threading.threads
}

/// Messages by Message-ID, and behind them those that are only referred to.
struct Nodes {
    len: u32,
    /// That of each reference, in their order.
    references: Vec<u32>,
}

impl Nodes {
    /// Of several messages with one Message-ID the first has it, and the others have none.
    fn of(messages: &Messages) -> Nodes {
        let mut by_name: HashMap<Name, u32, ByName> = HashMap::with_capacity_and_hasher(messages.all.len(), ByName::default());
        for (node, message) in (0..).zip(&messages.all) {
            if let Some(name) = message.name {
                by_name.entry(name).or_insert(node);
            }
        }
        let mut len = messages.all.len() as u32;
        let mut node = |name: &Name| {
            let node = *by_name.entry(*name).or_insert(len);
            len += u32::from(node == len);
            node
        };
        let references = messages.references().iter().map(&mut node).collect();
        Nodes { len, references }
    }
}

/// Names are spread as well as any hash of them.
#[derive(Default)]
struct Spread(u64);

type ByName = BuildHasherDefault<Spread>;

impl Hasher for Spread {
    fn write(&mut self, octets: &[u8]) {
        octets.iter().for_each(|octet| self.0 = self.0.rotate_left(8) ^ u64::from(*octet));
    }

    fn write_u128(&mut self, name: u128) {
        self.0 = name as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Step 1: the parent of each node.
fn linked(messages: &Messages, nodes: &Nodes) -> Vec<u32> {
    let mut forest = Forest::new(nodes.len as usize);
    for (node, span) in (0..).zip(messages.spans()) {
        let mut last = NONE;
        for &reference in &nodes.references[span] {
            if last != NONE && forest.parent(reference) == NONE {
                forest.link(last, reference);
            }
            last = reference;
        }
        // What others say of its parent counts less than what it says itself.
        forest.cut(node);
        if last != NONE {
            forest.link(last, node);
        }
    }
    forest.into_parents()
}

/// Threads in the making.
struct Threading<'m> {
    messages: &'m [Message],
    /// Nodes are those of `messages`, and behind them the roots that stand for missing ones.
    threads: Threads,
}

impl<'m> Threading<'m> {
    /// Steps 2 and 3: what stands for a missing message goes, its answers take its place; at the root it stays where it has several.
    fn pruned(messages: &'m [Message], parents: &[u32]) -> Threading<'m> {
        let mut threads = Threads {
            ids: messages.iter().map(|message| Some(message.id)).collect(),
            answers: vec![Vec::new(); messages.len()],
            roots: Vec::new(),
        };
        let mut missing: HashMap<u32, Vec<u32>> = HashMap::new();
        for (node, above) in (0..messages.len() as u32).zip(kept_parents(messages.len(), parents)) {
            match above {
                NONE => threads.roots.push(node),
                above if (above as usize) < messages.len() => threads.answers[above as usize].push(node),
                above => missing.entry(above).or_default().push(node),
            }
        }
        for answers in missing.into_values() {
            match answers[..] {
                [only] => threads.roots.push(only),
                _ => {
                    threads.roots.push(threads.ids.len() as u32);
                    threads.ids.push(None);
                    threads.answers.push(answers);
                }
            }
        }
        Threading { messages, threads }
    }

    /// Step 4. What stands for a missing message is sorted by the first of its answers.
    fn sort_roots(&mut self) {
        let missing = self.messages.len()..self.threads.ids.len();
        for answers in &mut self.threads.answers[missing] {
            answers.sort_unstable_by_key(|node| key(self.messages, *node));
        }
        let mut roots = std::mem::take(&mut self.threads.roots);
        roots.sort_by_cached_key(|root| key(self.messages, self.first(*root)));
        self.threads.roots = roots;
    }

    /// Step 5: threads with the same base subject become one.
    fn join_subjects(&mut self) {
        let mut table = self.subject_table();
        let roots = std::mem::take(&mut self.threads.roots);
        let mut joined = vec![false; self.threads.ids.len()];
        let mut made = Vec::new();
        for root in &roots {
            let Some(subject) = self.subject(*root).filter(|_| !joined[*root as usize]) else { continue };
            let other = table[&subject];
            if other == *root {
                continue;
            }
            joined[*root as usize] = true;
            match (self.is_missing(other), self.is_missing(*root)) {
                (true, true) => {
                    let answers = std::mem::take(&mut self.threads.answers[*root as usize]);
                    self.threads.answers[other as usize].extend(answers);
                }
                (true, false) => self.threads.answers[other as usize].push(*root),
                _ if self.is_reply(*root) && !self.is_reply(other) => self.threads.answers[other as usize].push(*root),
                _ => {
                    joined[other as usize] = true;
                    let above = self.threads.ids.len() as u32;
                    self.threads.ids.push(None);
                    self.threads.answers.push(vec![other, *root]);
                    joined.push(false);
                    made.push(above);
                    table.insert(subject, above);
                }
            }
        }
        self.threads.roots = roots.into_iter().chain(made).filter(|root| !joined[*root as usize]).collect();
    }

    /// Steps 5 A and B: the thread that others with its subject are joined to.
    fn subject_table(&self) -> HashMap<Name, u32, ByName> {
        let mut table: HashMap<Name, u32, ByName> = HashMap::with_capacity_and_hasher(self.threads.roots.len(), ByName::default());
        for root in &self.threads.roots {
            let Some(subject) = self.subject(*root) else { continue };
            let known = table.entry(subject).or_insert(*root);
            let is_better = self.is_missing(*root) || self.is_reply(*known) && !self.is_reply(*root);
            if !self.is_missing(*known) && is_better {
                *known = *root;
            }
        }
        table
    }

    /// Step 6. Only roots stand for missing messages, so that the order of answers depends on nothing below them.
    fn sort_answers(&mut self) {
        for answers in &mut self.threads.answers {
            answers.sort_unstable_by_key(|node| key(self.messages, *node));
        }
        self.sort_roots();
    }

    fn is_missing(&self, node: u32) -> bool {
        node as usize >= self.messages.len()
    }

    /// The message itself, or the first answer to one that is missing.
    fn first(&self, node: u32) -> u32 {
        if self.is_missing(node) { self.threads.answers[node as usize].first().copied().unwrap_or(NONE) } else { node }
    }

    fn subject(&self, root: u32) -> Option<Name> {
        self.messages.get(self.first(root) as usize)?.subject
    }

    fn is_reply(&self, node: u32) -> bool {
        self.messages.get(node as usize).is_some_and(|message| message.is_reply)
    }
}

/// Sent date, and where that is equal the order in the mailbox (RFC 5256 §2.2).
fn key(messages: &[Message], node: u32) -> (i64, u32) {
    (messages.get(node as usize).map_or(i64::MAX, |message| message.date), node)
}

/// Of each message, the next one above it that is not missing; else the highest that is; else none.
fn kept_parents(messages: usize, parents: &[u32]) -> impl Iterator<Item = u32> {
    const UNKNOWN: u32 = NONE - 1;
    let mut kept = vec![UNKNOWN; parents.len()];
    let mut way = Vec::new();
    for node in 0..parents.len() as u32 {
        let mut at = node;
        while kept[at as usize] == UNKNOWN {
            way.push(at);
            let parent = parents[at as usize];
            if parent == NONE || (parent as usize) < messages {
                kept[at as usize] = parent;
            } else {
                at = parent;
            }
        }
        // From above downwards: what is above a missing one is above what it stands over, unless nothing is.
        while let Some(below) = way.pop() {
            let parent = parents[below as usize];
            if kept[below as usize] == UNKNOWN {
                kept[below as usize] = if kept[parent as usize] == NONE { parent } else { kept[parent as usize] };
            }
        }
    }
    kept.truncate(messages);
    kept.into_iter()
}

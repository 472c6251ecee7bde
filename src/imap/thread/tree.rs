//! Threads as trees of messages, and how they are told (RFC 5256 §4).

use crate::imap::out::Out;

/// Messages in threads. Nodes are messages, and those that stand for a message that is missing.
#[derive(Debug, Default)]
pub struct Threads {
    /// What the client calls the message of each node; `None` for what stands for a missing one.
    pub ids: Vec<Option<u32>>,
    /// The answers to each node, in their order.
    pub answers: Vec<Vec<u32>>,
    /// The nodes that answer none, in their order.
    pub roots: Vec<u32>,
}

/// What is still to be written.
enum Next {
    Node(u32),
    Open,
    Close,
}

impl Threads {
    /// `* THREAD (2)(3 6 (4 23)(44 7 96))`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut out = Out::new(out);
        out.raw("* THREAD");
        if !self.roots.is_empty() {
            out.raw(" ");
        }
        let mut left: Vec<Next> = Vec::new();
        for root in &self.roots {
            left.extend([Next::Close, Next::Node(*root), Next::Open]);
            while let Some(next) = left.pop() {
                match next {
                    Next::Open => _ = out.raw("("),
                    Next::Close => _ = out.raw(")"),
                    Next::Node(node) => self.write_node(node, &mut left, &mut out),
                }
            }
        }
        out.end();
    }

    /// One answer stands behind the message, of several each is in parentheses.
    fn write_node(&self, node: u32, left: &mut Vec<Next>, out: &mut Out<'_>) {
        let (id, answers) = (self.ids[node as usize], &self.answers[node as usize]);
        if let Some(id) = id {
            out.number(id);
            if !answers.is_empty() {
                out.raw(" ");
            }
        }
        match answers[..] {
            [only] => left.push(Next::Node(only)),
            _ => left.extend(answers.iter().rev().flat_map(|answer| [Next::Close, Next::Node(*answer), Next::Open])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_look_as_in_the_rfc() {
        // RFC 5256 §4: the answers to 3 are 6, to that 4 and 44, and so on.
        let ids = [2, 3, 6, 4, 23, 44, 7, 96].map(Some);
        let answers = [vec![], vec![2], vec![3, 5], vec![4], vec![], vec![6], vec![7], vec![]];
        let mut threads = Threads { ids: ids.to_vec(), answers: answers.to_vec(), roots: vec![0, 1] };
        let mut out = Vec::new();
        threads.write(&mut out);
        assert_eq!(out, b"* THREAD (2)(3 6 (4 23)(44 7 96))\r\n");
        threads.ids.push(None);
        threads.answers.push(vec![0, 4]);
        threads.roots = vec![8];
        out.clear();
        threads.write(&mut out);
        assert_eq!(out, b"* THREAD ((2)(23))\r\n");
        out.clear();
        Threads::default().write(&mut out);
        assert_eq!(out, b"* THREAD\r\n");
    }
}

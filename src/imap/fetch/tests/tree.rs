//! Messages that are made of parts, so that their sections are known without reading them.

use proptest::prelude::*;

use super::client::{Client, Value};
use super::samples::wire;

#[derive(Debug, Clone)]
enum Tree {
    Text(String),
    Multipart(Vec<Tree>),
    Message(Box<Tree>),
}

/// A message or part as it is stored, and what is expected in its sections.
struct Made {
    header: String,
    body: String,
    /// Sections below it, by what stands behind its number.
    inside: Vec<(String, String)>,
}

impl Tree {
    /// `depth` makes boundaries different, `own` stands in the header.
    fn make(&self, depth: usize, own: &str) -> Made {
        match self {
            Tree::Text(text) => Made { header: format!("X-Own: {own}\n\n"), body: text.clone(), inside: Vec::new() },
            Tree::Message(inner) => {
                let inner = inner.make(depth + 1, "inner");
                let (header, body) = (format!("Content-Type: message/rfc822\nX-Own: {own}\n\n"), format!("{}{}", inner.header, inner.body));
                Made { inside: inner.sections(), header, body }
            }
            Tree::Multipart(parts) => {
                let header = format!("X-Own: {own}\nContent-Type: multipart/mixed; boundary=\"in {depth}\"\n\n");
                let (mut body, mut inside) = ("before\n".to_owned(), Vec::new());
                for (number, part) in (1..).zip(parts) {
                    let made = part.make(depth + 1, &number.to_string());
                    body += &format!("--in {depth}\n{}{}\n", made.header, made.body);
                    inside.push((number.to_string(), made.body));
                    inside.push((format!("{number}.MIME"), made.header));
                    inside.extend(made.inside.into_iter().map(|(section, text)| (format!("{number}.{section}"), text)));
                }
                Made { header, body: body + &format!("--in {depth}--\nbehind\n"), inside }
            }
        }
    }
}

impl Made {
    /// Those of a message.
    fn sections(self) -> Vec<(String, String)> {
        let Made { header, body, mut inside } = self;
        if !header.contains("multipart/") {
            // What has no numbers yet has one.
            inside = inside.into_iter().map(|(section, text)| (format!("1.{section}"), text)).collect();
            inside.extend([("1".to_owned(), body.clone()), ("1.MIME".to_owned(), header.clone())]);
        }
        inside.extend([("HEADER".to_owned(), header), ("TEXT".to_owned(), body)]);
        inside
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let text = prop_oneof![Just(String::new()), "([a-z\n-]|\rz){0,20}"].prop_map(Tree::Text);
    text.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::Multipart),
            inner.prop_map(|inner| Tree::Message(Box::new(inner)))
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn sections_are_what_the_message_was_made_of(tree in tree(), origin in 0usize..30, count in 1usize..30) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let made = tree.make(0, "top");
            let message = format!("{}{}", made.header, made.body);
            let mut sections = made.sections();
            sections.push((String::new(), message.clone()));
            let mut client = Client::with(&[message]).await;
            for (section, text) in sections {
                let answers = client.answers("FETCH", &format!("1 (BODY.PEEK[{section}] BODY.PEEK[{section}]<{origin}.{count}>)")).await;
                let expected = wire(text.as_bytes());
                let part: Vec<u8> = expected.iter().skip(origin).take(count).copied().collect();
                assert_eq!(answers[0].items[0], (format!("BODY[{section}]"), Value::Octets(expected)));
                assert_eq!(answers[0].items[1], (format!("BODY[{section}]<{origin}>"), Value::Octets(part)));
            }
        });
    }
}

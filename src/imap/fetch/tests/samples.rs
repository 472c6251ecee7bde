//! What is odd about real mail: every answer is well-formed, and the octets are those of the message.

use std::fs;
use std::path::Path;

use super::client::{Client, Value};
use crate::message::{Kind, Part, Scanner};

/// The samples of this house, with their line ends as the store keeps them.
pub fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let samples = files.filter(|path| path.extension().is_some_and(|is| is == "eml"));
    let read = |path: std::path::PathBuf| (path.display().to_string(), lf(&fs::read(path).unwrap()));
    let samples: Vec<(String, Vec<u8>)> = samples.map(read).collect();
    assert!(samples.len() >= 40);
    samples
}

fn lf(octets: &[u8]) -> Vec<u8> {
    let is_end_of_line = |at: usize| octets[at] == b'\r' && octets.get(at + 1) == Some(&b'\n');
    (0..octets.len()).filter(|at| !is_end_of_line(*at)).map(|at| octets[at]).collect()
}

/// As a client gets it.
pub fn wire(octets: &[u8]) -> Vec<u8> {
    let is_bare = |at: usize| octets[at] == b'\n' && (at == 0 || octets[at - 1] != b'\r');
    let mut out = Vec::new();
    for (at, octet) in octets.iter().enumerate() {
        out.extend(is_bare(at).then_some(b'\r'));
        out.push(if *octet == 0 { 0x80 } else { *octet });
    }
    out
}

async fn fetched(client: &mut Client, item: &str) -> Value {
    client.answers("FETCH", &format!("1 {item}")).await[0].items[0].1.clone()
}

#[tokio::test]
async fn header_and_text_are_the_message_and_parts_are_its_octets() {
    for (name, message) in samples() {
        let mut client = Client::with(&[&message]).await;
        let whole = fetched(&mut client, "BODY.PEEK[]").await;
        assert!(whole == Value::Octets(wire(&message)), "{name}");
        let halves = [fetched(&mut client, "BODY.PEEK[HEADER]").await, fetched(&mut client, "BODY.PEEK[TEXT]").await];
        let halves: Vec<u8> = halves.iter().flat_map(|half| half.octets().unwrap()).copied().collect();
        assert!(halves == wire(&message), "{name}");
        let mut scanner = Scanner::new();
        scanner.feed(&message);
        let parts = scanner.finish().entry.parts;
        for (at, part) in parts.iter().enumerate().take(60) {
            let Some(path) = path(&parts, at) else { continue };
            let range = part.body as usize..(part.body + part.len) as usize;
            let got = fetched(&mut client, &format!("BODY.PEEK[{path}]")).await;
            assert!(got == Value::Octets(wire(&message[range])), "{name}, part {path}");
            let range = part.header as usize..part.body as usize;
            let got = fetched(&mut client, &format!("BODY.PEEK[{path}.MIME]")).await;
            assert!(got == Value::Octets(wire(&message[range])), "{name}, header of part {path}");
        }
    }
}

/// The numbers of a part, as the table of parts has it; a message that is not the body of a part has none.
fn path(parts: &[Part], at: usize) -> Option<String> {
    let Some(parent) = parts[at].parent.map(usize::from) else {
        return (parts[at].kind != Kind::Multipart).then(|| "1".to_owned());
    };
    let number = 1 + parts[..at].iter().filter(|part| part.parent.map(usize::from) == Some(parent)).count();
    match (parts[parent].kind, parts[at].kind, parts[parent].parent) {
        (Kind::Message, Kind::Multipart, _) => None,
        (Kind::Message, ..) => Some(format!("{}.1", path(parts, parent)?)),
        (_, _, None) => Some(number.to_string()),
        // A multipart that is a message's body has no number of its own.
        (_, _, Some(outer)) => match parts[usize::from(outer)].kind {
            Kind::Message => Some(format!("{}.{number}", path(parts, outer.into())?)),
            _ => Some(format!("{}.{number}", path(parts, parent)?)),
        },
    }
}

#[tokio::test]
async fn fields_are_the_same_wherever_they_come_from() {
    for (name, message) in samples() {
        let mut client = Client::with(&[&message]).await;
        for fields in ["Subject", "To From Cc", "Content-Type date message-id"] {
            let kept = fetched(&mut client, &format!("BODY.PEEK[HEADER.FIELDS ({fields})]")).await;
            let read = fetched(&mut client, &format!("BODY.PEEK[HEADER.FIELDS ({fields} X-None)]")).await;
            assert_eq!(kept, read, "{name}");
        }
    }
}

#[tokio::test]
async fn everything_is_answered_for_every_sample() {
    const ALL: &str = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE PREVIEW EMAILID THREADID SAVEDATE MODSEQ RFC822 \
        RFC822.HEADER RFC822.TEXT BODY[HEADER.FIELDS (Subject)] BODY[HEADER.FIELDS.NOT (Subject)] BODY[1] BODY[1.MIME] BODY[2.HEADER] \
        BODY[1]<3.5> BODY[1.2.3.4.5] BINARY[]<1.2>)";
    let messages: Vec<Vec<u8>> = samples().into_iter().map(|(_, message)| message).collect();
    let answers = Client::with(&messages).await.answers("FETCH", &format!("1:* {ALL}")).await;
    assert_eq!(answers.len(), messages.len());
    for (answer, message) in answers.iter().zip(&messages) {
        assert_eq!(answer.items.len(), 23);
        assert_eq!(answer.items[3].1, Value::Other(wire(message).len().to_string()));
    }
}
